//! The real binary, seen from outside: started as a process, talked to over HTTP, its mail taken by a real SMTP server.
//! Nothing here sleeps for long enough: every wait is for a condition, under one deadline.

mod accessibility;
mod bad_input;
mod browser;
mod described;
mod desk;
mod everyday;
mod installation;
mod keyboard;
mod main_job;
mod never_lost;
mod newsroom;
mod postfix;
mod races;
mod shift;
mod site;
mod typing;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// How long anything that a test waits for may take, on a machine that does other things as well.
fn patience() -> Duration {
    // In the long mode the service itself waits up to five minutes, for a relay that is silent.
    Duration::from_secs(if long() { 600 } else { 60 })
}

/// Whether there is time for hundreds of rounds, and for waits in full length.
fn long() -> bool {
    std::env::var("BELLWETHER_LONG").is_ok_and(|long| long == "1")
}

/// Waits for `something`, which the panic names when it doesn't come in time.
async fn within<T>(what: &str, something: impl Future<Output = T>) -> T {
    match tokio::time::timeout(patience(), something).await {
        Ok(value) => value,
        Err(_) => panic!("waited {} s for {what}", patience().as_secs()),
    }
}

/// Asks again and again until there is an answer, which must come in time.
async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, asked(ask)).await
}

/// The same, for however long that takes.
async fn asked<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Where `program` is in PATH. Where it is nowhere, `what` is left out in one line, or fails where everything must run.
fn find(program: &str, what: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        leave_out(what, &format!("{program} is not installed"));
    }
    found
}

/// Says in one line what is left out and why; fails where everything must run.
fn leave_out(what: &str, why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what}: {why}");
    // Not with eprintln!, whose output is shown for failed tests only.
    let _ = writeln!(std::io::stderr(), "left out: {what}; {why}");
}

/// A program in the background; dropped, it is killed.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program that must succeed, and gives its standard output.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The end of a log, for a panic.
fn tail(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
