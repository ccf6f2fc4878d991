//! How a command fails: the line on standard error, and the exit code.

use std::io;
use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::app::StartError;
use crate::config::ConfigError;
use crate::{delivering, newsroom, publishing, store, subscribing, watching};

/// Why a command did not do what it was asked. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{0}")]
    Failed(String),
    #[error("the database: {0}")]
    Store(#[from] store::Error),
    #[error(transparent)]
    Subscribing(#[from] subscribing::Error),
    #[error(transparent)]
    Publishing(#[from] publishing::Error),
    #[error(transparent)]
    Newsroom(#[from] newsroom::Error),
    #[error(transparent)]
    Watching(#[from] watching::Error),
    #[error("the senders: {0}")]
    Delivering(#[from] delivering::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The command has said on standard output what is wrong.
    #[error("")]
    Told,
}

impl Failure {
    /// Says it on standard error, and gives the exit code.
    pub(super) fn report(&self) -> ExitCode {
        match self {
            // Who reads our output has closed it, as `head` does, and wants no more.
            Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Self::Told => {}
            _ => self.to_string().lines().for_each(|line| eprintln!("bellwether: {line}")),
        }
        ExitCode::from(match self {
            Self::Usage(_) | Self::Config(_) => 2,
            _ => 1,
        })
    }
}

/// Tells what clap found in the arguments: the help that was asked for, or what is wrong with them.
pub(super) fn explain(refused: &clap::Error) -> ExitCode {
    let text = refused.render().to_string();
    match refused.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader who has closed the pipe wants no more.
            let _ = io::Write::write_all(&mut io::stdout(), text.as_bytes());
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            eprint!("{text}");
            ExitCode::from(2)
        }
        _ => {
            eprint!("bellwether: {}", text.strip_prefix("error: ").unwrap_or(&text));
            ExitCode::from(2)
        }
    }
}
