//! What the benchmark can be told on its command line.

use std::path::PathBuf;
use std::time::Duration;

/// Measures the sending of mail by the real program: `cargo bench --bench send -- [OPTIONS]`
///
/// It loads readers into a database, starts `bellwether serve`, publishes an alert of 10 KB by the API, and takes the mails
/// with an SMTP sink of its own. Where Postfix's smtp-source is installed, it sends into the same sink in turns, and the
/// ratio of the two is told. It ends with 1 when a mail is missing or came twice, never because of a speed.
#[derive(clap::Parser, Debug)]
#[command(name = "send")]
pub struct Options {
    /// Which path to measure; may be given several times
    #[arg(long, value_enum, default_values_t = [Name::Sqlite])]
    pub case: Vec<Name>,
    /// Readers, and so mails, of a run. Default: 20000; 2000 where each mail is signed with RSA
    #[arg(long)]
    pub messages: Option<u64>,
    /// Runs of each case, in turns with smtp-source. Default: 3, and 1 for --table
    #[arg(long)]
    pub rounds: Option<usize>,
    /// [[relays]] connections
    #[arg(long, default_value_t = 10)]
    pub connections: u32,
    /// More lines for [[relays]], as in --relay 'pipelining = "envelope"'
    #[arg(long, default_value = "")]
    pub relay: String,
    /// The cost of a message at 10,000, 100,000 and 1,000,000 readers (--messages is the most), and then once more with
    /// 50 connections
    #[arg(long)]
    pub table: bool,
    /// Messages a second against connections, with so long a round trip to the relay, as in 20ms
    #[arg(long, value_parser = millis)]
    pub latency: Option<Duration>,
    /// How long an alert takes while a digest or another alert is sent, against the same on an idle system; --messages
    /// is how large that is
    #[arg(long)]
    pub lanes: bool,
    /// The least that a sender with these tables does: each mail's row written and settled, and the bare wire beside it
    #[arg(long)]
    pub least: bool,
    /// Show that the sink and the proxy are right, and what the sink itself takes
    #[arg(long)]
    pub self_test: bool,
    /// Profile the program while it sends, with Linux's perf, into this file
    #[arg(long)]
    pub perf: Option<PathBuf>,
    /// Measure another build of the program, such as one with symbols
    #[arg(long)]
    pub program: Option<PathBuf>,
    /// Another process of the benchmark: the sink
    #[arg(long, hide = true)]
    pub sink: Option<String>,
    /// Another process of the benchmark: the proxy to a port, with a round trip in microseconds
    #[arg(long, hide = true, num_args = 2)]
    pub proxy: Vec<u64>,
    /// Said by `cargo bench`
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// A path of the data that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Name {
    /// SQLite, unsigned
    Sqlite,
    /// PostgreSQL, unsigned
    Postgres,
    /// SQLite, each mail signed with Ed25519
    Ed25519,
    /// SQLite, each mail signed with RSA-2048 and with Ed25519
    Rsa,
    /// SQLite, unsigned, to a relay without PIPELINING
    Plain,
    /// All of these
    All,
}

impl Options {
    /// The chosen cases, each once.
    pub fn cases(&self) -> Vec<Name> {
        const ALL: [Name; 5] = [Name::Sqlite, Name::Postgres, Name::Ed25519, Name::Rsa, Name::Plain];
        let all = self.case.contains(&Name::All);
        ALL.into_iter().filter(|name| all || self.case.contains(name)).collect()
    }
}

fn millis(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix("ms").and_then(|number| number.parse().ok());
    number.map(Duration::from_millis).ok_or_else(|| "must be milliseconds, as in 20ms".to_owned())
}
