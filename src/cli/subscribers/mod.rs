//! `bellwether subscribers`: lists in and out, and one person's record.

mod export;
mod import;
mod person;

use super::{Failure, Surroundings};

/// Import and export readers; show, unsubscribe or erase one
#[derive(clap::Subcommand)]
pub(super) enum Subscribers {
    Import(import::Import),
    Show(person::Show),
    Export(export::Export),
    Remove(person::Remove),
    Erase(person::Erase),
}

impl Subscribers {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        match self {
            Self::Import(import) => import.run(surroundings).await,
            Self::Show(show) => show.run(surroundings).await,
            Self::Export(export) => export.run(surroundings).await,
            Self::Remove(remove) => remove.run(surroundings).await,
            Self::Erase(erase) => erase.run(surroundings).await,
        }
    }
}
