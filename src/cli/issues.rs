//! `bellwether issues`: what was published, how far it got, and how to stop it.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Failure, Surroundings, print, print_json};
use crate::audit::Actor;
use crate::context::Context;
use crate::domain::{
    delivery,
    issue::{Kind, Level, State},
    time::Timestamp,
};
use crate::publishing::{self, Cancelled};
use crate::store::{self, Tx, issues::Issue};

/// How many issues the list shows.
const LISTED: i64 = 20;

/// List the newest alerts and digests; show one, or cancel it
///
/// Examples:
///   bellwether issues
///   bellwether issues show 0192f0c1-8a4e-7c3b-9d55-2f1e6f0a7b10
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

/// How far an issue got.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) struct Progress {
    pub id: Uuid,
    pub kind: Kind,
    pub state: State,
    pub subject: String,
    pub level: Level,
    pub created_at: Timestamp,
    /// Final when the state is no longer `publishing`.
    pub audience: i64,
    /// Deliveries by state.
    pub counts: BTreeMap<String, i64>,
}

impl Issues {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        surroundings
            .with_database(async |cx| match self.action {
                None => list(cx, self.json).await,
                Some(Action::Show { id }) => show(cx, id, self.json).await,
                Some(Action::Cancel { id }) => cancel(cx, id).await,
            })
            .await
    }
}

impl Progress {
    /// # Errors
    /// When there is no such issue, or the database can't be read.
    pub(super) async fn of(cx: &Context, id: Uuid) -> Result<Self, Failure> {
        let mut tx = cx.db.read().await?;
        match store::issues::by_public_id(&mut tx, id).await? {
            Some(issue) => Self::read(&mut tx, issue).await,
            None => Err(unknown(id)),
        }
    }

    /// How many deliveries are in one of these states.
    pub(super) fn count(&self, states: &[delivery::State]) -> i64 {
        states.iter().filter_map(|state| self.counts.get(state.as_str())).sum()
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.state, State::Sent | State::Cancelled)
    }

    async fn read(tx: &mut Tx, issue: Issue) -> Result<Self, Failure> {
        // Of an issue that is long over only the totals are kept.
        let counts = match issue.totals.as_deref().and_then(|totals| serde_json::from_str(totals).ok()) {
            Some(totals) => totals,
            None => store::deliveries::counts(tx, issue.id)
                .await?
                .into_iter()
                .map(|(state, count)| (state.to_string(), count))
                .collect(),
        };
        Ok(Self {
            id: issue.public_id,
            kind: issue.kind,
            state: issue.state,
            subject: issue.subject,
            level: issue.level,
            created_at: issue.created_at,
            audience: issue.audience,
            counts,
        })
    }
}

/// As in `3 sent, 1 deferred`.
impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts: Vec<_> = delivery::State::ALL
            .iter()
            .filter_map(|state| Some(format!("{} {state}", self.counts.get(state.as_str())?)))
            .collect();
        f.write_str(&if counts.is_empty() { "no deliveries yet".to_owned() } else { counts.join(", ") })
    }
}

async fn list(cx: &Context, json: bool) -> Result<(), Failure> {
    let mut tx = cx.db.read().await?;
    let mut issues = Vec::new();
    for issue in store::issues::page(&mut tx, None, i64::MAX, LISTED).await? {
        issues.push(Progress::read(&mut tx, issue).await?);
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
    let issue = Progress::of(cx, id).await?;
    if json {
        return print_json(&issue);
    }
    print(&issue.subject)?;
    print(format_args!("  {} of {}, level {}", issue.kind, issue.created_at, issue.level))?;
    let more = if issue.state == State::Publishing { " so far" } else { "" };
    print(format_args!("  {}, audience {}{more}", issue.state, issue.audience))?;
    print(format_args!("  {issue}"))
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
