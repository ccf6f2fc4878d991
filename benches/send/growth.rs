//! Whether the cost of a mail stays the same from ten thousand readers to a million, and what memory that takes.

use super::figures::{self, Figures};
use super::options::Options;
use super::path::{Path, Server};
use super::report::print_table;
use super::stock::{Readers, Stock};
use super::{Result, Verdict};

const SIZES: [u64; 3] = [10_000, 100_000, 1_000_000];
/// With so many connections the largest size is measured once more.
const MANY: u32 = 50;

/// Prints the table for each chosen path; `--messages` is the largest size.
pub async fn run(options: &Options) -> Result<Verdict> {
    let mut verdict = Verdict::Right;
    let mut server = Server::default();
    for name in options.cases() {
        println!("\n# {}", name.title());
        let Some(mut path) = Path::prepare(name, &mut server)? else { continue };
        let largest = options.messages.unwrap_or(SIZES[2]);
        let mut rows = Vec::new();
        for readers in SIZES.into_iter().filter(|size| *size <= largest) {
            let stock = Stock::load(path.backend.clone(), Readers { bulk: 0, news: readers }).await?;
            let mut connections = vec![options.connections];
            if readers == SIZES[2] {
                connections.push(MANY);
            }
            for connections in connections {
                for _ in 0..options.rounds.unwrap_or(1) {
                    let Some(program) = path.start(&stock, options, connections).await? else { continue };
                    let figures = figures::send(&program, &mut path.sink, &stock).await?;
                    program.stop().await?;
                    if let Some(loss) = figures.loss() {
                        println!("{readers} readers: {loss}");
                        verdict = Verdict::Wrong;
                    }
                    rows.push(row(connections, &figures));
                }
            }
        }
        println!(
            "CPU in microseconds a mail; seconds from the API call to its answer, the first and the last accepted"
        );
        let heading = [
            "readers",
            "connections",
            "mails/s",
            "CPU",
            "database",
            "sink",
            "answer",
            "first",
            "last",
            "peak MiB",
        ];
        print_table(&heading, &rows);
    }
    Ok(verdict)
}

fn row(connections: u32, figures: &Figures) -> [String; 10] {
    [
        figures.messages.to_string(),
        connections.to_string(),
        format!("{:.0}", figures.rate),
        format!("{:.1}", figures.cpu),
        figures.database(),
        format!("{:.1}", figures.sink_cpu),
        format!("{:.3}", figures.answer),
        format!("{:.3}", figures.first),
        format!("{:.3}", figures.last),
        format!("{:.0}", figures.memory),
    ]
}
