//! `bellwether backup`: a copy of the database while the service runs.

use std::path::PathBuf;

use super::{Failure, Surroundings, print};
use crate::store::Db;

/// Write a consistent copy of the SQLite database to a new file, also while the service runs
///
/// The copy is a database of its own: to go back, stop the service and put it where [database] url says.
/// For PostgreSQL use pg_dump.
///
/// Example:
///   bellwether backup /backup/bellwether-2026-11-03.db
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Backup {
    /// The file to write; it must not exist
    #[arg(value_name = "FILE")]
    to: PathBuf,
}

impl Backup {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let shown = self.to.display();
        if self.to.exists() {
            return Err(Failure::Usage(format!(
                "{shown} exists; name a new file, so that no older copy is lost"
            )));
        }
        let to = self.to.to_str().ok_or_else(|| Failure::Usage(format!("{shown}: name a file in UTF-8")))?;
        surroundings
            .with_database(async |cx| {
                if matches!(cx.db, Db::Postgres(_)) {
                    return Err(Failure::Failed(
                        "the database is PostgreSQL; copy it with pg_dump --format=custom".to_owned(),
                    ));
                }
                cx.db
                    .backup(to)
                    .await
                    .map_err(|error| Failure::Failed(format!("{shown} can't be written: {error}")))?;
                print(format_args!("The copy is in {shown}."))
            })
            .await
    }
}
