//! One alert through the whole path, and what it took.

use std::time::{Duration, Instant};

use super::Result;
use super::counts::{GROUPS, Report};
use super::process::{cpu, peak_memory};
use super::program::Program;
use super::sink::Sink;
use super::stock::{Backend, LETTER, Stock};

/// A send in which nothing was accepted for so long is given up.
const STALLED: Duration = Duration::from_secs(60);
/// The sink is asked so often.
const LOOK: Duration = Duration::from_millis(20);

/// What one send came to.
#[derive(Clone, Debug)]
pub struct Figures {
    pub messages: u64,
    /// Messages a second, from the first accepted to the last.
    pub rate: f64,
    /// In seconds from the API call to its answer, to the first and to the last accepted.
    pub answer: f64,
    pub first: f64,
    pub last: f64,
    /// In microseconds a message: the program, the sink, and the database where it is a program of its own.
    pub cpu: f64,
    pub sink_cpu: f64,
    pub database_cpu: Option<f64>,
    /// In MiB.
    pub memory: f64,
    /// In bytes, on the average.
    pub size: u64,
    pub missing: u64,
    pub again: u64,
}

/// Sends the stock's alert to all readers of `news`.
pub async fn send(program: &Program, sink: &mut Sink, stock: &Stock) -> Result<Figures> {
    let messages = stock.readers.news;
    sink.reset()?;
    let database = || match &stock.backend {
        Backend::Sqlite => None,
        Backend::Postgres(server) => Some(server.cpu()),
    };
    let before = (cpu(program.pid()), cpu(sink.pid()), database());
    let published = program.alert("news", "all", &stock.letter).await?;
    let report = all_in(sink, "news", messages).await?;
    if report.groups[index("news")].accepted >= messages {
        program.settled(&published.id).await?;
    }
    let after = (cpu(program.pid()), cpu(sink.pid()), database());
    let memory = peak_memory(program.pid());
    // What comes twice comes after the others.
    let report = sink.report()?;
    check(&report)?;
    let tally = &report.groups[index("news")];
    let each = 1e6 / messages.max(1) as f64;
    let seconds = |at: i64| (at - published.called) as f64 / 1e6;
    Ok(Figures {
        messages,
        rate: tally.rate(),
        answer: seconds(published.answered),
        first: seconds(tally.first),
        last: seconds(tally.last),
        cpu: (after.0 - before.0) * each,
        sink_cpu: (after.1 - before.1) * each,
        database_cpu: after.2.zip(before.2).map(|(after, before)| (after - before) * each),
        memory,
        size: tally.bytes / tally.accepted.max(1),
        missing: messages.saturating_sub(tally.distinct),
        again: tally.again,
    })
}

/// Where a group stands in a report.
pub fn index(group: &str) -> usize {
    GROUPS.iter().position(|name| *name == group).expect("it is one of the groups")
}

/// Waits until so many of a group are accepted, or nothing comes any more.
pub async fn all_in(sink: &mut Sink, group: &str, messages: u64) -> Result<Report> {
    let mut moved = (0, Instant::now());
    loop {
        let report = sink.report()?;
        let all: u64 = report.groups.iter().map(|tally| tally.accepted).sum();
        if all > moved.0 {
            moved = (all, Instant::now());
        }
        if report.groups[index(group)].accepted >= messages || moved.1.elapsed() > STALLED {
            return Ok(report);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether what came is the personal mail that is to be measured.
fn check(report: &Report) -> Result<()> {
    let (Some(sender), Some(letter)) = (&report.sender, &report.sample) else { return Ok(()) };
    let digits = sender.strip_prefix("MAIL FROM:<bounces+").and_then(|rest| rest.split_once("@example.org>"));
    if digits.is_none_or(|(id, _)| id.parse::<u64>().is_err()) {
        return Err(format!("the return path is not the message's own: {sender}").into());
    }
    let head = letter.split("\r\n\r\n").next().unwrap_or_default();
    for wanted in ["To: news-", "Message-ID: <", "List-Unsubscribe: <", "multipart/alternative"] {
        if !head.contains(wanted) {
            return Err(format!("{wanted:?} is missing in the head of what came:\n{head}").into());
        }
    }
    if letter.len() > LETTER * 6 / 5 || letter.len() < LETTER * 4 / 5 {
        return Err(format!("what came has {} bytes, not about {LETTER}", letter.len()).into());
    }
    Ok(())
}

impl Figures {
    /// The database's CPU, as it is shown.
    pub fn database(&self) -> String {
        self.database_cpu.map_or_else(|| "in it".to_owned(), |cpu| format!("{cpu:.1}"))
    }

    /// What is wrong with it, if anything: every reader gets one mail.
    pub fn loss(&self) -> Option<String> {
        (self.missing + self.again > 0).then(|| {
            format!(
                "{} of {} readers are missing, {} mails came again",
                self.missing, self.messages, self.again
            )
        })
    }
}
