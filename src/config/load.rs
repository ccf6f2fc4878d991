//! Finds the file, and makes a text and the environment into a configuration.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::report::{ConfigError, Report};
use super::section::Section;
use super::{Config, settings, source};

/// Names the file where no `--config` does.
pub(super) const FILE_VARIABLE: &str = "BELLWETHER_CONFIG";
const FILE: &str = "config.toml";

impl Config {
    /// Reads the file at `path`, else the one that `BELLWETHER_CONFIG` names, else `./config.toml`, with the
    /// environment over it. Relative paths in it, as the file's own, are seen from the working folder.
    ///
    /// # Errors
    /// Where there is no such file or it can't be read, and everything that is wrong in it.
    pub fn load(path: Option<&Path>, env: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let path = path.or_else(|| env.get(FILE_VARIABLE).map(Path::new)).unwrap_or(Path::new(FILE));
        let text = fs::read_to_string(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ConfigError::Missing(path.to_owned()),
            _ => ConfigError::Unreadable { path: path.to_owned(), error },
        })?;
        Self::parse(&text, &path.display().to_string(), env)
    }

    /// Reads a TOML text, which errors call `file_name`, with the environment over it: the variable
    /// `BELLWETHER_RELAYS__0__URL` is the key `relays.0.url`. Only files that the settings name are opened.
    ///
    /// # Errors
    /// Everything that is wrong, each with its key and place and what is allowed; the values themselves never.
    pub fn parse(text: &str, file_name: &str, env: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let (table, origins) = source::read(text, env).map_err(|flaw| ConfigError::flaw(file_name, flaw))?;
        let report = Report::new(file_name, origins);
        let config = Section::root(table, &report, settings::config);
        report.conclude(config)
    }
}
