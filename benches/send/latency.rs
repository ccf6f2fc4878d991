//! A relay that is far: mails a second against connections, and what `connections` should be.

use std::time::Duration;

use super::figures::{self, Figures};
use super::options::Options;
use super::program::{Program, Settings, Start};
use super::proxy::Proxy;
use super::report::print_table;
use super::sink::Sink;
use super::stock::{Backend, Readers, Stock};
use super::{Result, Verdict};

const CONNECTIONS: [u32; 7] = [1, 2, 5, 10, 20, 50, 100];
/// How many mails each connection carries in a run.
const EACH: u64 = 100;
/// More connections are worth it as long as they bring so much.
const WORTH_IT: f64 = 0.9;
/// What `pipelining` may say.
const MODES: [&str; 3] = ["full", "envelope", "off"];

/// Prints a table with a column for each mode.
pub async fn run(options: &Options, round_trip: Duration) -> Result<Verdict> {
    let mut sink = Sink::start(true)?;
    let proxy = Proxy::start(sink.port, round_trip)?;
    println!("round trip to the relay: {:.1} ms as measured", proxy.ping()?.as_secs_f64() * 1e3);
    let mut verdict = Verdict::Right;
    // A column each: what the relay's lines are, and a rate for each number of connections.
    let mut columns: Vec<(String, Vec<Figures>)> =
        MODES.iter().map(|mode| (format!("pipelining = \"{mode}\""), Vec::new())).collect();
    let mut stocks = Vec::new();
    for connections in CONNECTIONS {
        let readers = Readers { bulk: 0, news: u64::from(connections) * EACH };
        stocks.push((connections, Stock::load(Backend::Sqlite, readers).await?));
    }
    let mut column = 0;
    while column < columns.len() {
        for (connections, stock) in &stocks {
            let line = columns[column].0.clone();
            let settings = Settings {
                relay_port: proxy.port,
                connections: *connections,
                relay: format!("{}\n{line}", options.relay),
                more: String::new(),
            };
            let program = match Program::start(stock, &settings).await? {
                Start::Running(program) => program,
                Start::Refused(said) if !line.is_empty() && said.contains("pipelining") => {
                    println!("the program knows no `pipelining`: it is measured as it is");
                    columns = vec![(String::new(), Vec::new())];
                    break;
                }
                Start::Refused(said) => return Err(format!("bellwether serve does not start: {said}").into()),
            };
            let figures = figures::send(&program, &mut sink, stock).await?;
            program.stop().await?;
            if let Some(loss) = figures.loss() {
                println!("{connections} connections, {line}: {loss}");
                verdict = Verdict::Wrong;
            }
            columns[column].1.push(figures);
        }
        // Begun anew where the first was refused.
        if !columns[column].1.is_empty() {
            column += 1;
        }
    }
    print(&columns);
    Ok(verdict)
}

fn print(columns: &[(String, Vec<Figures>)]) {
    println!("mails a second");
    let name =
        |line: &str| if line.is_empty() { "as it is".to_owned() } else { line.replace("pipelining = ", "") };
    let mut heading = vec!["connections".to_owned()];
    heading.extend(columns.iter().map(|(line, _)| name(line)));
    let rows: Vec<Vec<String>> = (0..CONNECTIONS.len())
        .map(|row| {
            let rates = columns.iter().map(|(_, all)| format!("{:.0}", all[row].rate));
            std::iter::once(CONNECTIONS[row].to_string()).chain(rates).collect()
        })
        .collect();
    print_table(&heading, &rows);
    for (line, all) in columns {
        let best = all.iter().map(|figures| figures.rate).fold(0.0, f64::max);
        let enough = all.iter().position(|figures| figures.rate >= best * WORTH_IT).unwrap_or(0);
        let one = all[0].rate;
        let advice = if enough + 1 == CONNECTIONS.len() {
            "connections = what the relay allows, or the mails a second that are wanted by that number"
                .to_owned()
        } else {
            format!("connections = {}, for more bring less than a tenth", CONNECTIONS[enough])
        };
        println!("{}: one connection carries {one:.1} mails a second; {advice}", name(line));
    }
}
