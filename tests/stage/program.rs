//! The real program, running in a folder of its own until it is told to stop.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A command without the settings of the environment, that nobody can ask anything.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BELLWETHER_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

/// A program at work; dropped, it is killed.
pub struct Running {
    child: Child,
    /// What it said until it was ready.
    pub said: String,
}

impl Running {
    /// Starts `serve` or `demo`, and waits for a line with `ready` in it, on either output.
    pub fn start(folder: &Path, arguments: &[&str], ready: &str) -> Self {
        Self::start_command(command(folder, arguments), ready)
    }

    pub fn start_command(mut command: Command, ready: &str) -> Self {
        let (read, write) = std::io::pipe().unwrap();
        command.stdout(write.try_clone().unwrap()).stderr(write);
        let child = command.spawn().unwrap();
        // The command holds the writing end too; dropped, a program that ends early ends the reading.
        drop(command);
        let mut running = Self { child, said: String::new() };
        let mut lines = BufReader::new(read);
        while !running.said.contains(ready) {
            let before = running.said.len();
            lines.read_line(&mut running.said).unwrap();
            assert!(running.said.len() > before, "it ended: {}", running.said);
        }
        // Read on, or the program would wait for a reader of its log.
        std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        running
    }

    /// Sends a signal and gives the exit code.
    pub fn stop(mut self, signal: &str) -> i32 {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
