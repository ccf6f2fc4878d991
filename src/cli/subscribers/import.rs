//! `bellwether subscribers import`: readers from a CSV file.

use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::super::{Failure, Surroundings, known_topics, print, print_json, words};
use crate::context::Context;
use crate::domain::{
    import::{ImportReader, ImportRow, Row},
    subscription::Digest,
    topic::Slug,
};
use crate::subscribing::importing::{self, CHUNK, Defaults, Tally};

/// How many bad rows are told one by one; --json has them all.
const TOLD: usize = 20;

/// Add readers from a CSV file, without a mail to confirm
///
/// The first line names the columns. Only email is required; alerts, digest, topics, confirmed_at and source say for a row
/// what the options say for all, and other columns are passed over. Who left, was erased or is undeliverable is never
/// brought back; who is a reader already gets only the topics that they lacked. A bad row is reported with its line and
/// keeps nobody else out: mend those rows and import the file again.
///
/// Exit codes: 0 imported, even if some rows were bad; 1 no row could be read, or it failed; 2 wrong usage.
///
/// Example:
///   bellwether subscribers import readers.csv --topic election-alerts --digest weekly --confirmed
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Import {
    /// A CSV file in UTF-8
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    /// The topic of rows that name none
    #[arg(long)]
    topic: Slug,
    /// No alerts for rows that don't say
    #[arg(long)]
    no_alerts: bool,
    /// The digest for rows that don't say [default: what [signup] digest says]
    #[arg(long, value_parser = words::<Digest>(Digest::WORDS))]
    digest: Option<Digest>,
    /// Everybody in the file has agreed to get this mail, and you can show it
    #[arg(long)]
    confirmed: bool,
    /// Print the report as JSON, with every bad row
    #[arg(long)]
    json: bool,
}

/// What came of the file.
#[derive(Default, serde::Serialize)]
struct Report {
    #[serde(flatten)]
    tally: Tally,
    /// Rows whose address stood in the file before.
    duplicates: u64,
    bad: Vec<BadRow>,
    passed_over_columns: Vec<String>,
}

#[derive(serde::Serialize)]
struct BadRow {
    line: u64,
    reason: String,
}

impl Import {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        if !self.confirmed {
            return Err(Failure::Usage(
                "an import mails people without asking them first; if everybody in the file has agreed to get this \
                 mail and you can show it, say so with --confirmed"
                    .to_owned(),
            ));
        }
        let unreadable = |error| Failure::Failed(format!("{}: {error}", self.file.display()));
        let file = File::open(&self.file).map_err(|error| unreadable(error.into()))?;
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::new(size).with_style(style());
        let rows = ImportReader::new(bar.wrap_read(file)).map_err(unreadable)?;
        let report = surroundings.with_database(async |cx| self.import(cx, rows).await).await?;
        bar.finish_and_clear();
        self.tell(&report)
    }

    async fn import<R: std::io::Read>(&self, cx: &Context, rows: ImportReader<R>) -> Result<Report, Failure> {
        let topics = known_topics(cx, std::slice::from_ref(&self.topic)).await?;
        let defaults = Defaults {
            topic: self.topic.clone(),
            alerts: !self.no_alerts,
            digest: self.digest.unwrap_or(cx.config.signup.digest),
        };
        let name = self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut report = Report { passed_over_columns: rows.unknown_columns().to_vec(), ..Report::default() };
        let mut seen = HashSet::new();
        // Duplicates come last: they may bring their reader further topics, and count as nobody.
        let mut first = Vec::with_capacity(CHUNK);
        let mut again = Vec::new();
        for Row { line, outcome } in rows {
            match outcome.and_then(|row| with_known_topics(row, &topics)) {
                Err(reason) => report.bad.push(BadRow { line, reason }),
                Ok(row) if seen.insert(row.address.key().to_owned()) => first.push(row),
                Ok(row) => {
                    report.duplicates += 1;
                    again.push(row);
                }
            }
            if first.len() == CHUNK {
                report.tally += importing::import(cx, &first, &defaults, &name).await?;
                first.clear();
            }
        }
        report.tally += importing::import(cx, &first, &defaults, &name).await?;
        for rows in again.chunks(CHUNK) {
            importing::import(cx, rows, &defaults, &name).await?;
        }
        Ok(report)
    }

    fn tell(&self, report: &Report) -> Result<(), Failure> {
        let Report { tally, duplicates, bad, passed_over_columns } = report;
        if self.json {
            print_json(report)?;
        } else {
            for row in bad.iter().take(TOLD) {
                eprintln!("{}, line {}: {}", self.file.display(), row.line, row.reason);
            }
            if bad.len() > TOLD {
                eprintln!("… and {} more bad rows; --json lists them all", bad.len() - TOLD);
            }
            print(format_args!("{:>9} added", tally.added))?;
            print(format_args!("{:>9} were readers already", tally.known))?;
            print(format_args!(
                "{:>9} left out: unsubscribed, erased or undeliverable before",
                tally.left_out
            ))?;
            print(format_args!("{duplicates:>9} duplicates in the file"))?;
            print(format_args!("{:>9} bad rows", bad.len()))?;
            if !passed_over_columns.is_empty() {
                print(format_args!("Columns passed over: {}", passed_over_columns.join(", ")))?;
            }
        }
        let Tally { added, known, left_out } = tally;
        if !bad.is_empty() && added + known + left_out + duplicates == 0 {
            return Err(Failure::Failed(format!("no row of {} could be read", self.file.display())));
        }
        Ok(())
    }
}

/// A row is bad when it names a topic that there isn't.
fn with_known_topics(row: ImportRow, topics: &[String]) -> Result<ImportRow, String> {
    match row.topics.iter().find(|slug| !row.left && !topics.iter().any(|topic| topic == slug.as_str())) {
        Some(unknown) => Err(format!("there is no topic \"{unknown}\"; there are: {}", topics.join(", "))),
        None => Ok(row),
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
