//! The cases: of each path some rounds, an alert and smtp-source in turns into the same sink.

use std::path::Path as File;

use super::figures::{self, Figures};
use super::options::{Name, Options};
use super::path::{Path, Server};
use super::perf::Perf;
use super::report::{print_table, spread};
use super::source::{self, Pace};
use super::stock::{Readers, Stock};
use super::{Result, Verdict, wire};

/// An alert, and what the yardsticks made of as many messages right after it.
struct Round {
    ours: Figures,
    source: Option<Pace>,
    /// Only where the sink takes what is sent ahead.
    wire: Option<Pace>,
}

/// Runs the chosen cases.
pub async fn run(options: &Options) -> Result<Verdict> {
    let source = source::find();
    if source.is_none() {
        println!("Postfix's smtp-source is not installed: there are no ratios, only figures of this machine");
    }
    let mut verdict = Verdict::Right;
    let mut server = Server::default();
    for name in options.cases() {
        println!("\n# {}", name.title());
        if let Some(mut path) = Path::prepare(name, &mut server)? {
            verdict = verdict.and(case(&mut path, options, source.as_deref()).await?);
        }
    }
    Ok(verdict)
}

async fn case(path: &mut Path, options: &Options, source: Option<&File>) -> Result<Verdict> {
    // Signing with RSA takes as long as a hundred other mails.
    let usual = if path.name == Name::Rsa { 2_000 } else { 20_000 };
    let messages = options.messages.unwrap_or(usual);
    let stock = Stock::load(path.backend.clone(), Readers { bulk: 0, news: messages }).await?;
    let mut rounds: Vec<Round> = Vec::new();
    let mut verdict = Verdict::Right;
    for round in 1..=options.rounds.unwrap_or(3) {
        let Some(program) = path.start(&stock, options, options.connections).await? else {
            return Ok(verdict);
        };
        let perf = options.perf.as_ref().map(|file| Perf::attach(program.pid(), file)).transpose()?;
        let ours = figures::send(&program, &mut path.sink, &stock).await?;
        if let Some(perf) = perf {
            perf.detach()?;
        }
        program.stop().await?;
        if let Some(loss) = ours.loss() {
            println!("round {round}: {loss}");
            verdict = Verdict::Wrong;
        }
        let source = source.map(|source| source::run(source, messages, &mut path.sink)).transpose()?;
        let wire = match path.name {
            Name::Plain => None,
            _ => Some(wire::run(messages, &mut path.sink).await?),
        };
        rounds.push(Round { ours, source, wire });
    }
    print(path.name, &rounds);
    Ok(verdict)
}

fn print(name: Name, rounds: &[Round]) {
    let Some(Round { ours: first, .. }) = rounds.first() else { return };
    println!("{} mails of {} bytes in each round; CPU in microseconds a mail", first.messages, first.size);
    let heading = [
        "round",
        "mails/s",
        "from call",
        "CPU",
        "database",
        "sink",
        "first, s",
        "last, s",
        "MiB",
        "smtp-source/s",
        "its CPU",
        "its sink",
        "ratio",
        "wire/s",
        "its CPU",
        "its sink",
    ];
    let rows: Vec<_> = rounds.iter().enumerate().map(|(number, round)| row(number + 1, round)).collect();
    print_table(&heading, &rows);
    println!("mails a second: {}", spread(rounds.iter().map(|round| round.ours.rate), 0));
    let ratios: Vec<f64> = rounds.iter().filter_map(ratio).collect();
    if !ratios.is_empty() {
        println!("ratio to smtp-source: {} (floor {})", spread(ratios, 2), name.floor());
    }
    let most: Vec<f64> = rounds.iter().filter_map(most).collect();
    if !most.is_empty() {
        println!("the bare wire's ratio to smtp-source, the most there is here: {}", spread(most, 2));
    }
}

fn row(number: usize, round: &Round) -> [String; 16] {
    let Round { ours, source, wire } = round;
    let of = |pace: &Option<Pace>, value: fn(&Pace) -> f64, digits: usize| match pace {
        Some(pace) => format!("{:.digits$}", value(pace)),
        None => "-".to_owned(),
    };
    [
        number.to_string(),
        format!("{:.0}", ours.rate),
        format!("{:.0}", ours.messages as f64 / ours.last),
        format!("{:.1}", ours.cpu),
        ours.database(),
        format!("{:.1}", ours.sink_cpu),
        format!("{:.3}", ours.first),
        format!("{:.3}", ours.last),
        format!("{:.0}", ours.memory),
        of(source, |pace| pace.rate, 0),
        of(source, |pace| pace.cpu, 1),
        of(source, |pace| pace.sink_cpu, 1),
        ratio(round).map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
        of(wire, |pace| pace.rate, 0),
        of(wire, |pace| pace.cpu, 1),
        of(wire, |pace| pace.sink_cpu, 1),
    ]
}

fn ratio(round: &Round) -> Option<f64> {
    round.source.as_ref().map(|source| round.ours.rate / source.rate)
}

/// What the bare wire makes of `smtp-source`'s pace.
fn most(round: &Round) -> Option<f64> {
    Some(round.wire.as_ref()?.rate / round.source.as_ref()?.rate)
}

impl Name {
    /// The least ratio to smtp-source that is asked for, on two cores.
    pub fn floor(self) -> f64 {
        match self {
            Self::Sqlite | Self::All => 3.0,
            Self::Postgres => 2.5,
            Self::Ed25519 => 1.6,
            Self::Rsa => 0.25,
            Self::Plain => 0.6,
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Sqlite | Self::All => "SQLite, unsigned",
            Self::Postgres => "PostgreSQL, unsigned",
            Self::Ed25519 => "SQLite, signed with Ed25519",
            Self::Rsa => "SQLite, signed with RSA-2048 and Ed25519",
            Self::Plain => "SQLite, unsigned, to a relay without PIPELINING",
        }
    }
}
