//! Postfix's `smtp-source`, the yardstick: it sends one and the same message, personalises nothing and keeps no record.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Result;
use super::process::cpu_of_ended_children;
use super::sink::Sink;

/// Connections, and the body's bytes, that it is run with.
pub const SESSIONS: &str = "10";
pub const LENGTH: &str = "10240";

/// What one run came to.
pub struct Pace {
    /// Messages a second, from the first accepted to the last.
    pub rate: f64,
    /// In microseconds a message.
    pub cpu: f64,
    pub sink_cpu: f64,
}

/// Where it is; none where Postfix is not installed.
pub fn find() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&on_path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("smtp-source")).find(|file| file.exists())
}

/// Sends so many messages into the sink.
pub fn run(program: &Path, messages: u64, sink: &mut Sink) -> Result<Pace> {
    sink.reset()?;
    let (before, sink_before) = (cpu_of_ended_children(), super::process::cpu(sink.pid()));
    let status = Command::new(program)
        .args(["-d", "-s", SESSIONS, "-m", &messages.to_string(), "-l", LENGTH])
        .args(["-f", "source@example.org", "-t", "other@example.com"])
        .arg(format!("127.0.0.1:{}", sink.port))
        .stdin(Stdio::null())
        .status()?;
    let (cpu, sink_cpu) = (cpu_of_ended_children() - before, super::process::cpu(sink.pid()) - sink_before);
    let report = sink.report()?;
    let tally = &report.groups[3];
    if !status.success() || tally.accepted != messages {
        return Err(format!(
            "smtp-source ended with {status}; the sink took {} of {messages}",
            tally.accepted
        )
        .into());
    }
    let each = 1e6 / messages as f64;
    Ok(Pace { rate: tally.rate(), cpu: cpu * each, sink_cpu: sink_cpu * each })
}
