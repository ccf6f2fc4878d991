//! The command line: a file per command. Here are the arguments, what the commands share, and how they end.

pub mod demo;

mod alert;
mod backup;
mod check;
mod config;
mod failure;
mod issues;
mod log;
mod migrate;
mod queue;
mod rehearse;
mod relays;
mod serve;
mod service;
mod subscribers;
mod token;
mod user;
mod watch;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use self::failure::Failure;
use crate::app;
use crate::clock::{Clock, Entropy};
use crate::config::Config;
use crate::context::Context;
use crate::domain::topic::Slug;
use crate::store;

/// Newsletters and election alerts by e-mail, from your own machine
///
/// A visitor signs up in a form on your site and confirms by mail; Bellwether reads your feed, mails alerts at once and
/// digests on schedule.
#[derive(Parser)]
#[command(name = "bellwether", version, verbatim_doc_comment, after_help = ENDING, after_long_help = ENDING)]
struct Arguments {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    command: Command,
}

const ENDING: &str = "\
Exit codes:
  0  done
  1  failed; a line that begins with \"bellwether:\" on standard error says why
  2  wrong usage or configuration

First steps:
  bellwether demo                       try everything on this machine, without configuration
  bellwether config > config.toml       write a configuration, then edit it
  bellwether check                      see whether it works, and what to do where it doesn't
  bellwether serve                      run it";

const EVERYWHERE: &str = "Options of every command";

/// What every command takes, before or after its own arguments.
#[derive(Args)]
struct Shared {
    /// The configuration [default: what BELLWETHER_CONFIG names, else ./config.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    config: Option<PathBuf>,
    /// How log lines look; BELLWETHER_LOG=debug has more of them
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", help_heading = EVERYWHERE)]
    log_format: log::Format,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Config(config::Example),
    Check(check::Check),
    Rehearse(rehearse::Rehearse),
    Serve(serve::Serve),
    Migrate(migrate::Migrate),
    Backup(backup::Backup),
    #[command(subcommand)]
    Token(token::Token),
    #[command(subcommand)]
    User(user::User),
    #[command(subcommand)]
    Subscribers(subscribers::Subscribers),
    Alert(alert::Alert),
    Issues(issues::Issues),
    Queue(queue::Queue),
    Watch(watch::Watch),
}

/// Runs the command that the arguments name. Errors are told on standard error.
pub fn main(arguments: impl Iterator<Item = OsString>, environment: BTreeMap<String, String>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(refused) => return failure::explain(&refused),
    };
    match start(arguments, environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// A command's surroundings: the shared arguments and the environment.
struct Surroundings {
    config: Option<PathBuf>,
    environment: BTreeMap<String, String>,
    entropy: Entropy,
}

fn start(arguments: Arguments, environment: BTreeMap<String, String>) -> Result<(), Failure> {
    // The other commands say what they do themselves.
    let default_filter = match arguments.command {
        Command::Serve(_) => "info,sqlx=warn",
        _ => "warn",
    };
    log::set_up(environment.get("BELLWETHER_LOG"), default_filter, arguments.shared.log_format)?;
    // An error says that there is a provider already, and there is no other than this one in the program.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let entropy = Entropy::system().map_err(|_| app::StartError::Randomness)?;
    let surroundings = Surroundings { config: arguments.shared.config, environment, entropy };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments.command {
            Command::Demo(demo) => demo.run(&surroundings).await,
            Command::Config(config) => config.run(),
            Command::Check(check) => check.run(&surroundings).await,
            Command::Rehearse(rehearse) => rehearse.run(&surroundings).await,
            Command::Serve(serve) => serve.run(&surroundings).await,
            Command::Migrate(migrate) => migrate.run(&surroundings).await,
            Command::Backup(backup) => backup.run(&surroundings).await,
            Command::Token(token) => token.run(&surroundings).await,
            Command::User(user) => user.run(&surroundings).await,
            Command::Subscribers(subscribers) => subscribers.run(&surroundings).await,
            Command::Alert(alert) => alert.run(&surroundings).await,
            Command::Issues(issues) => issues.run(&surroundings).await,
            Command::Queue(queue) => queue.run(&surroundings).await,
            Command::Watch(watch) => watch.run(&surroundings).await,
        }
    })
}

impl Surroundings {
    fn load(&self) -> Result<Config, Failure> {
        Ok(Config::load(self.config.as_deref(), &self.environment)?)
    }

    async fn connect(&self, config: Config) -> Result<Context, Failure> {
        Ok(app::connect(config, Clock::System, self.entropy.clone()).await?)
    }

    /// Does `work` with an open database, and closes it.
    async fn with_database<T>(
        &self,
        work: impl AsyncFnOnce(&Context) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let cx = self.connect(self.load()?).await?;
        let done = work(&cx).await;
        cx.db.close().await;
        done
    }
}

/// A line on standard output.
fn print(line: impl std::fmt::Display) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "{line}")?)
}

/// A value as JSON on standard output, indented for people.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    print(serde_json::to_string_pretty(value).map_err(io::Error::from)?)
}

/// The slugs that there are, if `wanted` are among them.
async fn known_topics(cx: &Context, wanted: &[Slug]) -> Result<Vec<String>, Failure> {
    let mut tx = cx.db.read().await?;
    let known: Vec<_> = store::topics::all(&mut tx).await?.into_iter().map(|topic| topic.slug).collect();
    match wanted.iter().find(|slug| !known.iter().any(|topic| topic == slug.as_str())) {
        Some(unknown) if known.is_empty() => Err(Failure::Usage(format!(
            "there is no topic \"{unknown}\"; add it to the configuration as [[topics]]"
        ))),
        Some(unknown) => {
            Err(Failure::Usage(format!("there is no topic \"{unknown}\"; there are: {}", known.join(", "))))
        }
        None => Ok(known),
    }
}

/// Takes one of some words, and lists them in the help.
fn words<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = String> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse())
}
