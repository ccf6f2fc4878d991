//! `bellwether user`: the people of the newsroom, for whoever has the machine.

use std::io;

use super::{Failure, Surroundings, print, print_json, words};
use crate::audit::Actor;
use crate::context::Context;
use crate::domain::role::Role;
use crate::newsroom::{links, people, second_factor};
use crate::store::users::User as Somebody;

/// Make, list and keep out the people who sign in at /admin
#[derive(clap::Subcommand)]
pub(super) enum User {
    Create(Create),
    List(List),
    /// Sign somebody out everywhere and keep them out
    Disable(Named),
    /// Let somebody in again who was kept out
    Enable(Named),
    ResetLink(ResetLink),
}

/// Make somebody who may sign in at /admin
///
/// Without --password-stdin it prints a link, alone on standard output, behind which they choose a password; it works once,
/// within 7 days. Roles: owner all, editor compose and release, contributor compose, viewer look.
///
/// Example:
///   bellwether user create --email ada@example.org --name "Ada Field" --role owner
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Create {
    /// The address that they sign in with
    #[arg(long)]
    email: String,
    /// As others see them
    #[arg(long)]
    name: String,
    /// What they may do
    #[arg(long, value_parser = words::<Role>(Role::WORDS))]
    role: Role,
    /// Read the password from standard input, its first line
    #[arg(long)]
    password_stdin: bool,
}

/// List everybody, with role and state
#[derive(clap::Args)]
pub(super) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct Named {
    /// The address that they sign in with
    email: String,
}

/// Print a link by which somebody chooses a new password, within an hour
#[derive(clap::Args)]
pub(super) struct ResetLink {
    /// The address that they sign in with
    email: String,
    /// Switch their second factor off too, for a phone that is gone with its recovery codes
    #[arg(long)]
    forget_second_factor: bool,
}

impl User {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        surroundings
            .with_database(async |cx| match self {
                Self::Create(create) => create.run(cx).await,
                Self::List(list) => list.run(cx).await,
                Self::Disable(named) => {
                    let user = find(cx, &named.email).await?;
                    people::disable(cx, &Actor::command(), &user).await?;
                    print(format_args!("{} is signed out everywhere and kept out.", user.email))
                }
                Self::Enable(named) => {
                    let user = find(cx, &named.email).await?;
                    people::enable(cx, &Actor::command(), &user).await?;
                    print(format_args!("{} may sign in again.", user.email))
                }
                Self::ResetLink(reset) => reset.run(cx).await,
            })
            .await
    }
}

impl Create {
    async fn run(self, cx: &Context) -> Result<(), Failure> {
        let mut password = String::new();
        if self.password_stdin {
            io::stdin().read_line(&mut password)?;
        }
        let password = self.password_stdin.then(|| password.trim_end_matches(['\r', '\n']));
        let actor = Actor::command();
        let user = people::create(cx, &actor, &self.email, &self.name, self.role, password).await?;
        if password.is_some() {
            return print(format_args!("{} may sign in as {}.", user.email, user.role));
        }
        print(links::link_for(cx, &actor, &user).await?)
    }
}

impl List {
    async fn run(self, cx: &Context) -> Result<(), Failure> {
        let listed = people::all(cx).await?;
        if self.json {
            let shown: Vec<_> = listed
                .iter()
                .map(|it| {
                    serde_json::json!({
                        "id": it.user.public_id,
                        "email": it.user.email,
                        "name": it.user.name,
                        "role": it.user.role,
                        "state": state(&it.user),
                        "second_factor": it.user.has_second_factor(),
                        "created_at": it.user.created_at,
                        "last_seen_at": it.last_seen,
                    })
                })
                .collect();
            return print_json(&shown);
        }
        if listed.is_empty() {
            return print(
                "Nobody yet. Make the first with: bellwether user create --email ADDRESS --name NAME --role owner",
            );
        }
        for it in listed {
            let seen = it.last_seen.map_or_else(|| "never seen".to_owned(), |at| format!("last seen {at}"));
            let factor = if it.user.has_second_factor() { "two factors" } else { "password only" };
            let (role, state) = (it.user.role, state(&it.user));
            print(format_args!(
                "{role:<11} {state:<8} {} <{}>  ({factor}, {seen})",
                it.user.name, it.user.email
            ))?;
        }
        Ok(())
    }
}

impl ResetLink {
    async fn run(self, cx: &Context) -> Result<(), Failure> {
        let user = find(cx, &self.email).await?;
        if self.forget_second_factor {
            second_factor::forget(cx, &Actor::command(), &user).await?;
        }
        print(links::link_for(cx, &Actor::command(), &user).await?)
    }
}

const fn state(user: &Somebody) -> &'static str {
    match (&user.disabled_at, &user.password_hash) {
        (Some(_), _) => "disabled",
        (None, None) => "invited",
        (None, Some(_)) => "active",
    }
}

async fn find(cx: &Context, email: &str) -> Result<Somebody, Failure> {
    people::by_email(cx, email).await?.ok_or_else(|| {
        Failure::Failed(format!("there is nobody with the address {email}; `bellwether user list` shows all"))
    })
}
