//! `bellwether issues`: what was published, how far it got, and how to stop it.

use uuid::Uuid;

use super::{Failure, Surroundings, print, print_json};
use crate::audit::Actor;
use crate::context::Context;
use crate::domain::issue::State;
use crate::publishing::{
    self, Cancelled,
    pausing::{self, Paused, Resumed},
    progress::Progress,
};
use crate::store;

/// How many issues the list shows.
const LISTED: i64 = 20;

/// List the newest alerts and digests; show one, pause it, let it go on, or cancel it
///
/// Examples:
///   bellwether issues
///   bellwether issues show 0192f0c1-8a4e-7c3b-9d55-2f1e6f0a7b10
///   bellwether issues pause 0192f0c1-8a4e-7c3b-9d55-2f1e6f0a7b10
///   bellwether issues cancel 0192f0c1-8a4e-7c3b-9d55-2f1e6f0a7b10
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Issues {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Show how far an issue got
    Show {
        /// As the list shows it
        #[arg(value_parser = issue_id)]
        id: Uuid,
    },
    /// Pause an issue: nobody more gets it until it is resumed. What a relay has begun to read goes out
    ///
    /// Exit codes: 0 paused, now or before; 1 it isn't on its way, or there is no such issue; 2 wrong usage.
    #[command(verbatim_doc_comment)]
    Pause {
        /// As the list shows it
        #[arg(value_parser = issue_id)]
        id: Uuid,
    },
    /// Let a paused issue go on
    ///
    /// Exit codes: 0 it goes on; 1 it isn't paused, or there is no such issue; 2 wrong usage.
    #[command(verbatim_doc_comment)]
    Resume {
        /// As the list shows it
        #[arg(value_parser = issue_id)]
        id: Uuid,
    },
    /// Stop an issue: nobody more gets it. What a relay has begun to read goes out
    ///
    /// Exit codes: 0 cancelled, now or before; 1 everybody has it, or there is no such issue; 2 wrong usage.
    #[command(verbatim_doc_comment)]
    Cancel {
        /// As the list shows it
        #[arg(value_parser = issue_id)]
        id: Uuid,
    },
}

/// Reads the id of an issue.
pub(super) fn issue_id(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| "must be an issue's id, as `bellwether issues` lists it".to_owned())
}

impl Issues {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        surroundings
            .with_database(async |cx| match self.action {
                None => list(cx, self.json).await,
                Some(Action::Show { id }) => show(cx, id, self.json).await,
                Some(Action::Pause { id }) => pause(cx, id).await,
                Some(Action::Resume { id }) => resume(cx, id).await,
                Some(Action::Cancel { id }) => cancel(cx, id).await,
            })
            .await
    }
}

/// How far an issue got.
///
/// # Errors
/// When there is no such issue, or the database can't be read.
pub(super) async fn progress(cx: &Context, id: Uuid) -> Result<Progress, Failure> {
    Progress::of(cx, id).await?.ok_or_else(|| unknown(id))
}

async fn list(cx: &Context, json: bool) -> Result<(), Failure> {
    let mut tx = cx.db.read().await?;
    let mut issues = Vec::new();
    for issue in store::issues::page(&mut tx, None, i64::MAX, LISTED).await? {
        issues.push(Progress::read(&mut tx, &issue).await?);
    }
    if json {
        return print_json(&issues);
    }
    if issues.is_empty() {
        return print("Nothing has been published yet.");
    }
    for issue in issues {
        print(format_args!(
            "{}  {}  {:<6}  {:<10}  {}: {issue}",
            issue.id,
            issue.created_at.to_jiff().strftime("%Y-%m-%d %H:%M"),
            issue.kind,
            issue.state,
            issue.subject
        ))?;
    }
    Ok(())
}

async fn show(cx: &Context, id: Uuid, json: bool) -> Result<(), Failure> {
    let issue = progress(cx, id).await?;
    if json {
        return print_json(&issue);
    }
    print(&issue.subject)?;
    print(format_args!("  {} of {}, level {}", issue.kind, issue.created_at, issue.level))?;
    let more = if issue.state == State::Publishing { " so far" } else { "" };
    print(format_args!("  {}, audience {}{more}", issue.state, issue.audience))?;
    print(format_args!("  {issue}"))
}

async fn pause(cx: &Context, id: Uuid) -> Result<(), Failure> {
    match pausing::pause(cx, &Actor::command(), id).await? {
        Paused::Now => {
            pausing::carry_out(cx).await?;
            print(format_args!("Paused. `bellwether issues resume {id}` lets it go on."))
        }
        Paused::Already => print("It was paused before."),
        Paused::NotUnderWay => Err(Failure::Failed(
            "it isn't on its way: what is held can be undone in the newsroom, and what is over can't be paused".to_owned(),
        )),
        Paused::Unknown => Err(unknown(id)),
    }
}

async fn resume(cx: &Context, id: Uuid) -> Result<(), Failure> {
    match pausing::resume(cx, &Actor::command(), id).await? {
        Resumed::Now => {
            pausing::carry_out(cx).await?;
            print("It goes on.")
        }
        Resumed::Already => Err(Failure::Failed("it isn't paused".to_owned())),
        Resumed::Unknown => Err(unknown(id)),
    }
}

async fn cancel(cx: &Context, id: Uuid) -> Result<(), Failure> {
    match publishing::cancel(cx, id, &Actor::command()).await? {
        Cancelled::Now { waiting } => {
            // The service does that too, where one runs; together they are done sooner.
            publishing::call_off(cx).await?;
            print(format_args!("Cancelled; {waiting} who were waiting for it don't get it."))
        }
        Cancelled::Already => print("It was cancelled before."),
        Cancelled::TooLate => Err(Failure::Failed("too late: everybody has it".to_owned())),
        Cancelled::Unknown => Err(unknown(id)),
    }
}

/// There is no such issue.
pub(super) fn unknown(id: Uuid) -> Failure {
    Failure::Failed(format!("there is no issue {id}; `bellwether issues` lists the newest"))
}
