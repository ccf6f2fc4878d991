//! The node's journal: a line for each accepted mail, written before the database knows. A kill of the process loses
//! none of it, so a restart settles what was accepted instead of sending it again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::mail::reply::Reply;

/// The open journal of this node.
pub struct Journal(Mutex<Inner>);

struct Inner {
    file: File,
    /// Lines whose delivery the database doesn't show as sent yet.
    unsettled: usize,
    empty: bool,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Accepted {
    pub delivery: i64,
    pub relay: String,
    pub code: u16,
    pub enhanced: Option<String>,
    pub text: String,
}

/// Opens (or makes) the journal of `installation` in the data folder; gives the node's name and the lines that the
/// last run left. A journal of another database, in the same folder, has another name and is left alone.
///
/// # Errors
/// When the files can't be read or written.
pub fn open(
    data: &Path,
    installation: &str,
    fresh: impl FnOnce() -> Uuid,
) -> io::Result<(Uuid, Journal, Vec<Accepted>)> {
    let path = data.join(format!("journal-{installation}"));
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let (node, lines) =
        match text.split_once('\n').and_then(|(first, rest)| Some((first.parse().ok()?, rest))) {
            Some((node, lines)) => (node, lines.lines().filter_map(read_line).collect()),
            None => {
                let node = fresh();
                file.set_len(0)?;
                writeln!(file, "{node}")?;
                (node, Vec::new())
            }
        };
    Ok((node, Journal(Mutex::new(Inner { file, unsettled: 0, empty: false })), lines))
}

/// A line that the kill cut short was not accepted for certain: it is skipped, and its mail goes again.
fn read_line(line: &str) -> Option<Accepted> {
    serde_json::from_str(line).ok()
}

/// The first line, the node's name: 36 characters and the line end.
const HEADER: u64 = 37;

impl Journal {
    /// Notes that a mail was accepted.
    ///
    /// # Errors
    /// When the file can't be written, such as on a full disk.
    pub fn accepted(&self, delivery: i64, relay: &str, reply: &Reply) -> io::Result<()> {
        let line = Accepted {
            delivery,
            relay: relay.to_owned(),
            code: reply.code,
            enhanced: reply.enhanced_text(),
            text: reply.text.clone(),
        };
        let mut line = serde_json::to_vec(&line)?;
        line.push(b'\n');
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.unsettled += 1;
        inner.empty = false;
        inner.file.write_all(&line)
    }

    /// The database has so many of them now; the file is emptied once it has all.
    ///
    /// # Errors
    /// When the file can't be cut.
    pub fn settled(&self, count: usize) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.unsettled = inner.unsettled.saturating_sub(count);
        if inner.unsettled > 0 || inner.empty {
            return Ok(());
        }
        inner.empty = true;
        inner.file.set_len(HEADER)
    }

    /// Empties it, after a replay.
    ///
    /// # Errors
    /// When the file can't be cut.
    pub fn clear(&self) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.unsettled = 0;
        inner.empty = true;
        inner.file.set_len(HEADER)?;
        inner.file.seek(io::SeekFrom::End(0)).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_leaves_what_was_accepted_and_a_torn_line_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let reply = Reply::parse(250, "2.0.0 Ok: queued as 4F3A");
        let node = Uuid::from_u128(5);
        let (first, journal, lines) = open(folder.path(), "a", || node).unwrap();
        assert_eq!((first, lines.len()), (node, 0));
        journal.accepted(7, "primary", &reply).unwrap();
        journal.accepted(8, "primary", &reply).unwrap();
        drop(journal);
        let path = folder.path().join("journal-a");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();

        let (again, journal, lines) = open(folder.path(), "a", || Uuid::from_u128(6)).unwrap();
        assert_eq!(again, node);
        assert_eq!(lines.iter().map(|line| line.delivery).collect::<Vec<_>>(), [7]);
        assert_eq!(lines[0].text, reply.text);
        journal.clear().unwrap();
        journal.accepted(9, "primary", &reply).unwrap();
        journal.accepted(10, "primary", &reply).unwrap();
        journal.settled(1).unwrap();
        drop(journal);
        let (_, journal, lines) = open(folder.path(), "a", || node).unwrap();
        assert_eq!(lines.len(), 2, "it is kept until the database has all of it");
        journal.accepted(11, "primary", &reply).unwrap();
        journal.settled(1).unwrap();
        drop(journal);
        assert_eq!(open(folder.path(), "a", || node).unwrap().2, []);
        assert_eq!(open(folder.path(), "b", || Uuid::from_u128(7)).unwrap().0, Uuid::from_u128(7));
    }
}
