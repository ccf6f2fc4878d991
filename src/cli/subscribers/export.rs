//! `bellwether subscribers export`: all readers as CSV, or one person's record.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use super::super::{Failure, Surroundings};
use super::person;
use crate::context::Context;
use crate::domain::address::EmailAddress;
use crate::store;
use crate::store::subscribers::Exported;

/// How many readers are read at a time.
const PAGE: i64 = 5_000;

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
    writeln!(output, "email,state,topics,alerts,digest,confirmed_at")?;
    // One transaction for all pages: nobody is missed or told twice who changes meanwhile.
    let mut tx = cx.db.read().await?;
    let last = store::subscribers::last_id(&mut tx).await?;
    let mut after = 0;
    while let Some(end) = store::subscribers::window(&mut tx, after, last, PAGE).await? {
        for reader in store::subscribers::export(&mut tx, after, end).await? {
            write_row(output, &reader)?;
        }
        after = end;
    }
    Ok(())
}

fn write_row(output: &mut dyn Write, reader: &Exported) -> io::Result<()> {
    let alerts = reader.alerts.map_or("", |alerts| if alerts { "true" } else { "false" });
    let digest = reader.digest.map_or("", |digest| digest.as_str());
    let cells =
        [&reader.address, &reader.state, reader.topics.as_deref().unwrap_or_default(), alerts, digest];
    for cell in cells {
        write!(output, "{},", csv_cell(cell))?;
    }
    writeln!(output, "{}", reader.confirmed_at)
}

/// A cell (RFC 4180) that no spreadsheet takes for a formula.
fn csv_cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::csv_cell;

    #[test]
    fn a_cell_is_no_formula_and_keeps_to_itself() {
        assert_eq!(csv_cell("ada@example.org"), "ada@example.org");
        assert_eq!(csv_cell("=1+1@example.org"), "'=1+1@example.org");
        assert_eq!(csv_cell("-a,\"b\""), "\"'-a,\"\"b\"\"\"");
    }
}
