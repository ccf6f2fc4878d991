//! The cases: each some rounds of an alert and of smtp-source, in turns, into the same sink.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::figures::{self, Figures};
use super::options::{Name, Options};
use super::postgres::Postgres;
use super::program::{Program, Settings, Start};
use super::report::{spread, table};
use super::sink::Sink;
use super::source::{self, Pace};
use super::stock::{Backend, Readers, Stock};
use super::{Result, Verdict};

impl Name {
    /// The least ratio to smtp-source that is asked for on two cores.
    fn floor(self) -> f64 {
        match self {
            Self::Sqlite | Self::All => 3.0,
            Self::Postgres => 2.5,
            Self::Ed25519 => 1.6,
            Self::Rsa => 0.25,
            Self::Plain => 0.6,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Sqlite | Self::All => "SQLite, unsigned",
            Self::Postgres => "PostgreSQL, unsigned",
            Self::Ed25519 => "SQLite, signed with Ed25519",
            Self::Rsa => "SQLite, signed with RSA-2048 and Ed25519",
            Self::Plain => "SQLite, unsigned, a relay without PIPELINING",
        }
    }

    fn messages(self, options: &Options) -> u64 {
        options.messages.unwrap_or(if self == Self::Rsa { 2_000 } else { 20_000 })
    }
}

/// Runs the chosen cases.
pub async fn run(options: &Options) -> Result<Verdict> {
    let source = source::find();
    if source.is_none() {
        println!("Postfix's smtp-source is not installed: there are no ratios, only figures of this machine");
    }
    let mut verdict = Verdict::Right;
    let mut server = None;
    for name in options.cases() {
        println!("\n# {}", name.title());
        let backend = match name {
            Name::Postgres => {
                if server.is_none() {
                    server = Postgres::start()?.map(Rc::new);
                }
                match &server {
                    Some(server) => Backend::Postgres(Rc::clone(server)),
                    None => {
                        println!("left out: PostgreSQL is not installed (Debian's package postgresql)");
                        continue;
                    }
                }
            }
            _ => Backend::Sqlite,
        };
        verdict = verdict.and(case(name, options, backend, source.as_deref()).await?);
    }
    Ok(verdict)
}

async fn case(name: Name, options: &Options, backend: Backend, source: Option<&Path>) -> Result<Verdict> {
    let messages = name.messages(options);
    let stock = Stock::load(backend, Readers { bulk: 0, news: messages }).await?;
    let keys = keys(name)?;
    let mut sink = Sink::start(name != Name::Plain)?;
    let settings = Settings {
        relay_port: sink.port,
        connections: options.connections,
        relay: options.relay.clone(),
        more: keys.as_ref().map_or_else(String::new, Keys::section),
    };
    let mut rounds: Vec<(Figures, Option<Pace>)> = Vec::new();
    let mut verdict = Verdict::Right;
    for round in 1..=options.rounds.unwrap_or(3) {
        let program = match Program::start(&stock, &settings).await? {
            Start::Running(program) => program,
            Start::Refused(said) if keys.is_some() => {
                println!("left out: the program takes no [dkim]; it said: {said}");
                return Ok(Verdict::Right);
            }
            Start::Refused(said) => return Err(format!("bellwether serve does not start: {said}").into()),
        };
        if options.attach {
            wait_for_a_line(program.pid())?;
        }
        let ours = figures::send(&program, &mut sink, &stock).await?;
        program.stop().await?;
        if let Some(loss) = ours.loss() {
            println!("round {round}: {loss}");
            verdict = Verdict::Wrong;
        }
        let theirs = source.map(|program| source::run(program, messages, &mut sink)).transpose()?;
        rounds.push((ours, theirs));
    }
    print(name, &rounds);
    Ok(verdict)
}

fn print(name: Name, rounds: &[(Figures, Option<Pace>)]) {
    let size = rounds.iter().map(|(ours, _)| ours.size).max().unwrap_or(0);
    println!("{} mails of {size} bytes in each round; CPU in microseconds a mail", name.messages_of(rounds));
    let mut rows = vec![
        [
            "round",
            "mails/s",
            "from the call",
            "CPU",
            "database",
            "sink",
            "first, s",
            "last, s",
            "peak MiB",
            "smtp-source/s",
            "its CPU",
            "its sink",
            "ratio",
        ]
        .map(str::to_owned),
    ];
    for (number, (ours, theirs)) in rounds.iter().enumerate() {
        let of = |value: fn(&Pace) -> f64, digits: usize| {
            theirs.as_ref().map_or_else(|| "-".to_owned(), |pace| format!("{:.digits$}", value(pace)))
        };
        rows.push([
            (number + 1).to_string(),
            format!("{:.0}", ours.rate),
            format!("{:.0}", ours.messages as f64 / ours.last),
            format!("{:.1}", ours.cpu),
            ours.database_cpu.map_or_else(|| "in it".to_owned(), |cpu| format!("{cpu:.1}")),
            format!("{:.1}", ours.sink_cpu),
            format!("{:.3}", ours.first),
            format!("{:.3}", ours.last),
            format!("{:.0}", ours.memory),
            of(|pace| pace.rate, 0),
            of(|pace| pace.cpu, 1),
            of(|pace| pace.sink_cpu, 1),
            theirs.as_ref().map_or_else(|| "-".to_owned(), |pace| format!("{:.2}", ours.rate / pace.rate)),
        ]);
    }
    table(&rows);
    println!("mails a second: {}", spread(rounds.iter().map(|(ours, _)| ours.rate), 0));
    let ratios: Vec<f64> =
        rounds.iter().filter_map(|(ours, theirs)| Some(ours.rate / theirs.as_ref()?.rate)).collect();
    if !ratios.is_empty() {
        println!("ratio to smtp-source: {} (floor {})", spread(ratios.iter().copied(), 2), name.floor());
    }
}

impl Name {
    fn messages_of(self, rounds: &[(Figures, Option<Pace>)]) -> u64 {
        rounds.first().map_or(0, |(ours, _)| ours.messages)
    }
}

fn wait_for_a_line(pid: u32) -> Result<()> {
    println!("bellwether serve is process {pid}; a line on standard input publishes the alert");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// The keys that a case signs with.
struct Keys {
    folder: tempfile::TempDir,
    names: Vec<&'static str>,
}

/// Makes the keys that a case wants, with openssl; none for a case that signs nothing.
fn keys(name: Name) -> Result<Option<Keys>> {
    let names = match name {
        Name::Ed25519 => vec!["ed25519"],
        Name::Rsa => vec!["rsa", "ed25519"],
        _ => return Ok(None),
    };
    let folder = tempfile::Builder::new().prefix("bellwether-bench").tempdir()?;
    for key in &names {
        let arguments: &[&str] = match *key {
            "rsa" => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            _ => &["-algorithm", "ED25519"],
        };
        let mut command = std::process::Command::new("openssl");
        command.arg("genpkey").args(arguments).arg("-out").arg(key_file(folder.path(), key));
        let output = command.output().map_err(|error| format!("openssl, which makes the keys: {error}"))?;
        if !output.status.success() {
            return Err(format!("openssl genpkey: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
    }
    Ok(Some(Keys { folder, names }))
}

impl Keys {
    fn section(&self) -> String {
        let mut text = "[dkim]\ndomain = \"example.org\"\n".to_owned();
        for name in &self.names {
            let file = key_file(self.folder.path(), name);
            text += &format!("[[dkim.keys]]\nselector = \"{name}\"\nkey_file = \"{}\"\n", file.display());
        }
        text
    }
}

fn key_file(folder: &Path, key: &str) -> PathBuf {
    folder.join(format!("{key}.pem"))
}
