//! The operator at the terminal: the real program beside the story, on its database and configuration.

use std::process::Command;

use super::Stage;
use super::program::{self, Running};

/// What a command gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Stage {
    /// Runs a command and gives what came of it. The command has the machine's clock.
    pub async fn operator(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        // On a thread of its own, for the command may talk to the relay, which is on this one.
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What a command prints that must succeed.
    pub async fn operator_reads(&self, arguments: &[&str]) -> String {
        let ran = self.operator(arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.err, ran.out);
        ran.out
    }

    pub async fn operator_reads_json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.operator_reads(&[arguments, &["--json"]].concat()).await).unwrap()
    }

    /// Starts the real service, and waits until it is ready.
    pub fn serves(&self) -> Running {
        Running::start_command(self.command(&["serve"]), "listening on")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        std::fs::write(self.folder().join("config.toml"), self.setup.text(&self.relay)).unwrap();
        let mut command = program::command(self.folder(), arguments);
        command.envs(self.setup.settings());
        command
    }
}
