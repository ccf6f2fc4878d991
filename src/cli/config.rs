//! `bellwether config`: the commented example.

use super::{Failure, print};
use crate::config::EXAMPLE;

/// Print a commented example of the configuration, with every setting
///
/// Required in a file of yours are only the secret, `from`, `postal_address` and one relay's `url`.
///
/// Example:
///   bellwether config > config.toml
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Example {}

impl Example {
    pub(super) fn run(self) -> Result<(), Failure> {
        print(EXAMPLE.trim_end())
    }
}
