//! Measures the whole way of a mail, from the API call to the relay's last 250, by the real program with a real database:
//! `cargo bench --bench send -- --help`. docs/performance.md says what is measured and how to read it.

use clap::Parser;

mod cases;
mod conversation;
mod counts;
mod figures;
mod growth;
mod lanes;
mod latency;
mod least;
mod options;
mod path;
mod perf;
mod postgres;
mod process;
mod program;
mod proxy;
mod report;
mod self_test;
mod sink;
mod source;
mod stock;
mod wire;

use options::Options;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Whether every reader got exactly one mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Right,
    Wrong,
}

impl Verdict {
    fn and(self, other: Self) -> Self {
        if self == Self::Right { other } else { self }
    }
}

fn main() -> std::process::ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(Verdict::Right) => std::process::ExitCode::SUCCESS,
        Ok(Verdict::Wrong) => std::process::ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<Verdict> {
    if let Some(word) = &options.sink {
        return sink::run(word == "pipelining").map(|()| Verdict::Right);
    }
    if let [port, round_trip] = options.proxy[..] {
        let round_trip = std::time::Duration::from_micros(round_trip);
        return proxy::run(u16::try_from(port)?, round_trip).map(|()| Verdict::Right);
    }
    // `cargo test --benches` says nothing: then nothing is measured, for it builds without optimisation.
    if options.self_test || std::env::args().len() == 1 {
        return self_test::run().map(|()| Verdict::Right);
    }
    if let Some(program) = &options.program {
        program::OTHER.set(program.canonicalize()?).expect("it is set here alone");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match options.latency {
            Some(round_trip) => latency::run(options, round_trip).await,
            None if options.lanes => lanes::run(options).await,
            None if options.least => least::run(options).await,
            None if options.table => growth::run(options).await,
            None => cases::run(options).await,
        }
    })
}
