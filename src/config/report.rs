//! What is wrong with a configuration, all of it at once, each problem with its place and its key.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;

use super::source::{Flaw, Origin, Origins};

/// Why there is no configuration. Its text is for the operator and never holds a value.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "there is no {}. Write one with `bellwether config > {}` and edit it, or name another with --config FILE",
        .0.display(),
        .0.display()
    )]
    Missing(PathBuf),
    #[error("{} can't be read: {error}", path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Problem>),
}

/// One thing that is wrong, a line of text: where, which key, what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `config.toml, line 12` or the name of an environment variable.
    pub place: String,
    /// Dotted, list items counted from 0: `relays.0.url`. Empty where the file isn't TOML at all.
    pub key: String,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.place, self.message)
        } else {
            write!(f, "{}: {}: {}", self.place, self.key, self.message)
        }
    }
}

/// Collects problems while the settings are read.
pub(super) struct Report {
    file_name: String,
    origins: Origins,
    problems: RefCell<Vec<(Option<Origin>, Problem)>>,
}

impl Report {
    pub(super) fn new(file_name: &str, origins: Origins) -> Self {
        Self { file_name: file_name.to_owned(), origins, problems: RefCell::default() }
    }

    pub(super) fn add(&self, key: String, message: impl Into<String>) {
        let origin = self.origins.find(&key).cloned();
        let place = place(&self.file_name, origin.as_ref());
        self.problems.borrow_mut().push((origin, Problem { place, key, message: message.into() }));
    }

    /// What was read, if nothing was wrong; else every problem, in the order of the file.
    pub(super) fn conclude<T>(self, read: Option<T>) -> Result<T, ConfigError> {
        let mut problems = self.problems.into_inner();
        match read {
            Some(read) if problems.is_empty() => Ok(read),
            _ => {
                problems.sort_by(|(a, _), (b, _)| a.cmp(b));
                Err(ConfigError::Invalid(problems.into_iter().map(|(_, problem)| problem).collect()))
            }
        }
    }
}

impl ConfigError {
    pub(super) fn flaw(file_name: &str, flaw: Flaw) -> Self {
        let place = place(file_name, Some(&flaw.origin));
        Self::Invalid(vec![Problem { place, key: String::new(), message: flaw.message }])
    }
}

fn place(file_name: &str, origin: Option<&Origin>) -> String {
    match origin {
        Some(Origin::Line(line)) => format!("{file_name}, line {line}"),
        Some(Origin::Variable(name)) => name.clone(),
        None => file_name.to_owned(),
    }
}
