//! `bellwether token`: keys to the API.

use super::{Failure, Surroundings, print, print_json, words};
use crate::audit::Actor;
use crate::domain::{
    role::{Area, Role},
    time::DAY,
};
use crate::newsroom::tokens::{self, Wanted};

/// Make, list and revoke tokens for the API
#[derive(clap::Subcommand)]
pub(super) enum Token {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Make a token and print it, alone on standard output, this once
///
/// Only its hash is stored: keep it where the site's other secrets are. A site that sends it may do what its role says:
/// owner and editor send mail to readers, contributor adds posts, viewer reads.
///
/// Example:
///   bellwether token create --name "news site" --role editor > token.txt
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Create {
    /// Who will use it; shown in lists
    #[arg(long, value_parser = name)]
    name: String,
    /// What it may do
    #[arg(long, value_parser = words::<Role>(Role::WORDS))]
    role: Role,
    /// What it may be used for, several by commas [default: all that its role may]
    #[arg(long, value_delimiter = ',', value_parser = words::<Area>(Area::WORDS))]
    scope: Vec<Area>,
    /// For how many days it holds [default: until it is revoked]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: Option<u32>,
}

/// List the tokens, without what they are
#[derive(clap::Args)]
pub(super) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Revoke every token of that name; whoever sends one is refused from now on
#[derive(clap::Args)]
pub(super) struct Revoke {
    /// As the list shows it
    name: String,
}

impl Token {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run(surroundings).await,
            Self::List(list) => list.run(surroundings).await,
            Self::Revoke(revoke) => revoke.run(surroundings).await,
        }
    }
}

impl Create {
    async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let wanted = Wanted {
            name: self.name,
            role: self.role,
            areas: self.scope,
            holds: self.days.map(|days| DAY * days),
        };
        let token = surroundings
            .with_database(async |cx| Ok(tokens::create(cx, &Actor::command(), &wanted).await?))
            .await?;
        print(token)
    }
}

impl List {
    async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let tokens = surroundings.with_database(async |cx| Ok(tokens::all(cx).await?)).await?;
        if self.json {
            return print_json(&tokens);
        }
        if tokens.is_empty() {
            return print(
                "There is no token yet. Make one with: bellwether token create --name NAME --role ROLE",
            );
        }
        for token in tokens {
            let used =
                token.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("last used {at}"));
            let ends = token.expires_at.map_or_else(String::new, |at| format!(", ends {at}"));
            let kept = match token.areas().as_slice() {
                [] => String::new(),
                areas => format!(", for {} alone", areas.join(", ")),
            };
            print(format_args!("{:<11} {}  ({used}{ends}{kept})", token.role, token.name))?;
        }
        Ok(())
    }
}

impl Revoke {
    async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let revoked = surroundings
            .with_database(async |cx| Ok(tokens::revoke_all(cx, &Actor::command(), &self.name).await?))
            .await?;
        match revoked {
            0 => Err(Failure::Failed(format!(
                "there is no token \"{}\"; `bellwether token list` shows them",
                self.name
            ))),
            1 => print("Revoked 1 token."),
            more => print(format_args!("Revoked {more} tokens.")),
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err("must be 1 to 100 characters on one line".to_owned());
    }
    Ok(name.to_owned())
}
