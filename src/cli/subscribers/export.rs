//! `bellwether subscribers export`: all readers as CSV, or one person's record.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use super::super::{Failure, Surroundings};
use super::person;
use crate::audit::Actor;
use crate::context::Context;
use crate::domain::address::EmailAddress;
use crate::subscribing::exporting;

/// Print all readers as CSV, which import reads again, or everything about one person as JSON
///
/// A reader whose topics differ in alerts or digest has a row for each. Who left or is undeliverable is in it too, as the
/// column state says; import leaves them out. A cell that a spreadsheet would run as a formula begins with an apostrophe.
///
/// Examples:
///   bellwether subscribers export --output readers.csv
///   bellwether subscribers export ada@example.org
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Export {
    /// Only this person, with consents and deliveries
    address: Option<EmailAddress>,
    /// Write to a new file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        surroundings
            .with_database(async |cx| {
                let mut output = self.open()?;
                match &self.address {
                    Some(address) => {
                        let record = person::record(cx, address).await?;
                        serde_json::to_writer_pretty(&mut output, &record).map_err(io::Error::from)?;
                        writeln!(output)?;
                    }
                    None => write_all(cx, &mut output).await?,
                }
                Ok(output.flush()?)
            })
            .await
    }

    fn open(&self) -> Result<Box<dyn Write>, Failure> {
        let Some(path) = &self.output else { return Ok(Box::new(BufWriter::new(io::stdout()))) };
        let file = File::create_new(path)
            .map_err(|error| Failure::Failed(format!("{} can't be written: {error}", path.display())))?;
        Ok(Box::new(BufWriter::new(file)))
    }
}

async fn write_all(cx: &Context, output: &mut dyn Write) -> Result<(), Failure> {
    let mut export = exporting::Export::begin(cx, &Actor::command()).await?;
    while let Some(lines) = export.next().await? {
        output.write_all(lines.as_bytes())?;
    }
    Ok(())
}
