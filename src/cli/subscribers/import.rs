//! `bellwether subscribers import`: readers from a CSV file.

use std::io::{Cursor, Read, Seek};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::super::{Failure, Surroundings, known_topics, print, print_json, words};
use crate::audit::Actor;
use crate::context::Context;
use crate::domain::{subscription::Digest, topic::Slug};
use crate::subscribing::importing::{self, Defaults, FileError, Report, Run, Tally};

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
    /// Only tell what would come of it
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON, with every bad row
    #[arg(long)]
    json: bool,
}

impl Import {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        if !self.confirmed && !self.dry_run {
            return Err(Failure::Usage(
                "an import mails people without asking them first; if everybody in the file has agreed to get this \
                 mail and you can show it, say so with --confirmed"
                    .to_owned(),
            ));
        }
        // As a whole, for it is read twice, and may be no file that can be begun again.
        let rows = std::fs::read(&self.file).map_err(|error| {
            Failure::Failed(format!("{}: the file can't be read: {error}", self.file.display()))
        })?;
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::new(rows.len() as u64).with_style(style());
        let rows = Cursor::new(rows);
        let report =
            surroundings.with_database(async |cx| self.import(cx, bar.wrap_read(rows)).await).await?;
        bar.finish_and_clear();
        self.tell(&report)
    }

    async fn import(&self, cx: &Context, input: impl Read + Seek + Send) -> Result<Report, Failure> {
        known_topics(cx, std::slice::from_ref(&self.topic)).await?;
        let defaults = Defaults {
            topic: self.topic.clone(),
            alerts: !self.no_alerts,
            digest: self.digest.unwrap_or(cx.config.signup.digest),
            source: None,
        };
        let name = self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let run = if self.dry_run { Run::Dry } else { Run::For(Actor::command()) };
        importing::file(cx, input, None, &defaults, &name, &run).await.map_err(|error| match error {
            FileError::Unreadable(error) => Failure::Failed(format!("{}: {error}", self.file.display())),
            FileError::Failed(error) => error.into(),
        })
    }

    fn tell(&self, report: &Report) -> Result<(), Failure> {
        let Report { tally, duplicates, bad, passed_over_columns, gone } = report;
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
                tally.left_out.saturating_sub(gone.values().sum())
            ))?;
            for (gone, count) in gone {
                print(format_args!("{count:>9} {}", gone.told()))?;
            }
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

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
