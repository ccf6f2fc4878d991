//! Linux's profiler, attached to the program while it sends.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Result;

/// A running `perf record`.
pub struct Perf(Child);

impl Perf {
    /// Begins to sample a process, with its callers, into a file for `perf report -i`.
    pub fn attach(pid: u32, file: &Path) -> Result<Self> {
        let mut command = Command::new("perf");
        command.args(["record", "-q", "-g", "-F", "997", "-p", &pid.to_string(), "-o"]).arg(file);
        let child = command.stdin(Stdio::null()).spawn().map_err(|error| format!("perf: {error}"))?;
        // It says nothing when it has begun.
        std::thread::sleep(Duration::from_millis(500));
        Ok(Self(child))
    }

    /// Ends it, so that the file is whole.
    pub fn detach(mut self) -> Result<()> {
        Command::new("kill").args(["-INT", &self.0.id().to_string()]).status()?;
        self.0.wait()?;
        Ok(())
    }
}
