//! `bellwether queue`: what waits, why, and what the operator can do about it. It works beside the service, which sees
//! within a second what was changed here.

mod list;
mod pausing;
mod retry;
mod why;

use super::{Failure, Surroundings, words};
use crate::config::Config;
use crate::domain::{issue::Lane, pause::Kind};

/// Look at what waits to be sent and why; try again at once, pause and resume
///
/// Examples:
///   bellwether queue
///   bellwether queue why ada@example.org
///   bellwether queue retry --relay primary
///   bellwether queue pause --lane digest --reason "alerts first until midnight"
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Queue {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Action {
    Why(why::Why),
    Retry(retry::Retry),
    Pause(pausing::Stop),
    Resume(pausing::Resume),
}

impl Queue {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let json = self.json;
        surroundings
            .with_database(async |cx| match self.action {
                None => list::list(cx, json).await,
                Some(Action::Why(why)) => why.run(cx, json).await,
                Some(Action::Retry(retry)) => retry.run(cx, json).await,
                Some(Action::Pause(pause)) => pause.run(cx, json).await,
                Some(Action::Resume(resume)) => resume.run(cx, json).await,
            })
            .await
    }
}

/// A lane or a relay.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Part {
    /// One lane: none of its mail is begun
    #[arg(long, value_parser = words::<Lane>(Lane::WORDS))]
    lane: Option<Lane>,
    /// One relay, by its name in the configuration
    #[arg(long, value_name = "NAME")]
    relay: Option<String>,
}

impl Part {
    fn kind(&self) -> Kind {
        if self.lane.is_some() { Kind::Lane } else { Kind::Relay }
    }

    fn name(&self) -> String {
        self.lane.map(|lane| lane.to_string()).or_else(|| self.relay.clone()).unwrap_or_default()
    }
}

/// # Errors
/// When no relay of the configuration has this name; it lists those that there are.
fn known_relay(config: &Config, name: &str) -> Result<(), Failure> {
    let names: Vec<_> = config.relays.iter().map(|relay| relay.name.as_str()).collect();
    if names.contains(&name) {
        return Ok(());
    }
    Err(Failure::Usage(format!("there is no relay \"{name}\"; there are: {}", names.join(", "))))
}
