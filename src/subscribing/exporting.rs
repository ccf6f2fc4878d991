//! All readers as CSV, a piece at a time: for the operator's file and for a download. Import reads it again.

use super::Error;
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::store::{self, subscribers::Exported};

/// How many readers are read at a time.
const PAGE: i64 = 5_000;

/// The readers that there are when it begins, in order; each stands in it as they are when their piece is read. No
/// transaction is open between two pieces, so nobody waits for a slow reader.
pub struct Export {
    cx: Context,
    after: i64,
    last: i64,
    begun: bool,
}

impl Export {
    /// Begins, and writes down who takes all readers out.
    ///
    /// # Errors
    /// A database that can't be written.
    pub async fn begin(cx: &Context, by: &Actor) -> Result<Self, Error> {
        let mut tx = cx.db.begin().await?;
        let last = store::subscribers::last_id(&mut tx).await?;
        audit::record(&mut tx, cx.clock.now(), by, Change::new(Act::Exported, Thing::Readers, "all")).await?;
        tx.commit().await?;
        Ok(Self { cx: cx.clone(), after: 0, last, begun: false })
    }

    /// The next lines, at first the one that names the columns; none when all is told.
    ///
    /// # Errors
    /// A database that can't be read.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        if !self.begun {
            self.begun = true;
            return Ok(Some("email,state,topics,alerts,digest,confirmed_at\n".to_owned()));
        }
        let mut tx = self.cx.db.read().await?;
        let Some(end) = store::subscribers::window(&mut tx, self.after, self.last, PAGE).await? else {
            return Ok(None);
        };
        let readers = store::subscribers::export(&mut tx, self.after, end).await?;
        self.after = end;
        Ok(Some(readers.iter().map(line).collect()))
    }
}

fn line(reader: &Exported) -> String {
    let alerts = reader.alerts.map_or("", |alerts| if alerts { "true" } else { "false" });
    let digest = reader.digest.map_or("", |digest| digest.as_str());
    let cells =
        [&reader.address, &reader.state, reader.topics.as_deref().unwrap_or_default(), alerts, digest];
    let mut line: String = cells.iter().flat_map(|text| [cell(text), ",".to_owned()]).collect();
    line += &reader.confirmed_at.to_string();
    line.push('\n');
    line
}

/// A cell (RFC 4180) that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_is_no_formula_and_keeps_to_itself() {
        assert_eq!(cell("ada@example.org"), "ada@example.org");
        assert_eq!(cell("=1+1@example.org"), "'=1+1@example.org");
        assert_eq!(cell("-a,\"b\""), "\"'-a,\"\"b\"\"\"");
    }
}
