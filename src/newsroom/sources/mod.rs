//! Topics, feeds and schedules that the newsroom makes and edits. Each rule is the configuration's, asked by its own readers;
//! what stands in config.toml is changed there alone. Nothing is deleted: what is retired can be brought back.

pub mod feeds;
mod provisioning;
pub mod schedules;
pub mod topics;

pub use provisioning::provision;

use crate::store;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What was typed can't be taken.
    #[error("{}", listed(.0))]
    Wrong(Vec<Fault>),
    /// What was asked can't be done; a sentence.
    #[error("{0}")]
    Refused(String),
    #[error("There is no such one.")]
    Missing,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// As forms and the API name it.
    pub field: &'static str,
    /// As in "must be …".
    pub why: String,
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{} {}", fault.field, fault.why)).collect::<Vec<_>>().join("; ")
}

/// Gathers what is wrong, so that all of it is told at once.
#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn read<T>(&mut self, field: &'static str, read: Result<T, String>) -> Option<T> {
        read.map_err(|why| self.add(field, why)).ok()
    }

    fn add(&mut self, field: &'static str, why: impl Into<String>) {
        self.0.push(Fault { field, why: why.into() });
    }

    /// What was read, where nothing is wrong.
    fn or<T>(self, read: Option<T>) -> Result<T, Error> {
        match read {
            Some(read) if self.0.is_empty() => Ok(read),
            _ => Err(Error::Wrong(self.0)),
        }
    }
}

/// One field alone is wrong.
fn wrong<T>(field: &'static str, why: impl Into<String>) -> Result<T, Error> {
    Err(Error::Wrong(vec![Fault { field, why: why.into() }]))
}

/// What stands in the file is no matter of the newsroom's.
fn in_the_file<T>() -> Result<T, Error> {
    Err(Error::Refused("It stands in config.toml: change it there, and start the service anew.".to_owned()))
}
