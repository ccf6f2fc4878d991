//! `bellwether migrate`: the database's schema.

use super::{Failure, Surroundings, print};

/// Bring the database up to date and put the configuration's topics, feeds and schedules into it
///
/// Every command that opens the database does this first, so it is rarely needed: before an upgrade of several nodes, say.
///
/// Example:
///   bellwether migrate
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Migrate {}

impl Migrate {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        surroundings.with_database(async |_| print("The database is up to date.")).await
    }
}
