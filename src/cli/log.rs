//! The log on standard error.

use std::io::{self, IsTerminal};
use std::str::FromStr;

use tracing_subscriber::EnvFilter;

use super::failure::Failure;

#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// Sets the log up for the whole program, once. `filter` is as in BELLWETHER_LOG.
pub(super) fn set_up(filter: Option<&String>, default: &str, format: Format) -> Result<(), Failure> {
    let filter = EnvFilter::from_str(filter.map_or(default, String::as_str)).map_err(|error| {
        Failure::Usage(format!(
            "BELLWETHER_LOG: {error}; it must be as in info, or warn,bellwether::delivering=debug"
        ))
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        Format::Text => log.with_ansi(io::stderr().is_terminal()).with_target(false).init(),
        Format::Json => log.json().init(),
    }
    Ok(())
}
