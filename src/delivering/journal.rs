//! The node's journal: a line for each accepted mail, written before the database knows. A kill of the process loses
//! none of it, so a restart settles what was accepted instead of sending it again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::mail::reply::Reply;

/// The open journal of this node.
pub struct Journal(Mutex<Inner>);

struct Inner {
    path: PathBuf,
    node: Uuid,
    file: File,
    /// The lines whose delivery the database doesn't show as sent yet.
    unsettled: HashMap<i64, Vec<u8>>,
    /// In bytes.
    size: u64,
}

/// A journal that is longer than this, in bytes, is written anew with what is unsettled.
const LONGEST: u64 = 1024 * 1024;

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
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let (node, lines) =
        match text.split_once('\n').and_then(|(first, rest)| Some((first.parse().ok()?, rest))) {
            Some((node, lines)) => (node, lines.lines().filter_map(read_line).collect()),
            None => {
                let node = fresh();
                file.set_len(0)?;
                file.write_all(&header(node))?;
                (node, Vec::new())
            }
        };
    let size = file.metadata()?.len();
    let inner = Inner { path, node, file, unsettled: HashMap::new(), size };
    Ok((node, Journal(Mutex::new(inner)), lines))
}

/// A line that the kill cut short was not accepted for certain: it is skipped, and its mail goes again.
fn read_line(line: &str) -> Option<Accepted> {
    serde_json::from_str(line).ok()
}

/// The first line: the node's name.
fn header(node: Uuid) -> Vec<u8> {
    format!("{node}\n").into_bytes()
}

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
        // It begins a line of its own also behind one that a full disk cut short.
        let mut bytes = vec![b'\n'];
        serde_json::to_writer(&mut bytes, &line)?;
        bytes.push(b'\n');
        let mut inner = self.lock();
        inner.size += bytes.len() as u64;
        let written = inner.file.write_all(&bytes);
        inner.unsettled.insert(delivery, bytes);
        written
    }

    /// How many accepted mails the database doesn't show yet.
    pub fn unsettled(&self) -> usize {
        self.lock().unsettled.len()
    }

    /// The database has these now: the file is emptied once it has all, and written anew when it has grown long.
    ///
    /// # Errors
    /// When the file can't be cut or written.
    pub fn settled(&self, deliveries: impl Iterator<Item = i64>) -> io::Result<()> {
        let mut inner = self.lock();
        for delivery in deliveries {
            inner.unsettled.remove(&delivery);
        }
        if inner.unsettled.is_empty() {
            inner.empty()
        } else if inner.size > LONGEST {
            inner.rewrite()
        } else {
            Ok(())
        }
    }

    /// Empties it, after a replay.
    ///
    /// # Errors
    /// When the file can't be cut.
    pub fn clear(&self) -> io::Result<()> {
        let mut inner = self.lock();
        inner.unsettled.clear();
        inner.empty()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn empty(&mut self) -> io::Result<()> {
        let length = header(self.node).len() as u64;
        if self.size > length {
            self.file.set_len(length)?;
            self.size = length;
        }
        Ok(())
    }

    /// A kill at any moment leaves the old file or the new one, and either holds all that is unsettled.
    fn rewrite(&mut self) -> io::Result<()> {
        let mut bytes = header(self.node);
        for line in self.unsettled.values() {
            bytes.extend_from_slice(line);
        }
        let fresh = self.path.with_extension("new");
        std::fs::write(&fresh, &bytes)?;
        let file = OpenOptions::new().append(true).open(&fresh)?;
        std::fs::rename(&fresh, &self.path)?;
        self.file = file;
        self.size = bytes.len() as u64;
        Ok(())
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
        journal.settled([9].into_iter()).unwrap();
        drop(journal);
        let (_, journal, lines) = open(folder.path(), "a", || node).unwrap();
        assert_eq!(lines.len(), 2, "it is kept until the database has all of it");
        journal.clear().unwrap();
        journal.accepted(11, "primary", &reply).unwrap();
        journal.settled([11].into_iter()).unwrap();
        drop(journal);
        assert_eq!(open(folder.path(), "a", || node).unwrap().2, []);
        assert_eq!(open(folder.path(), "b", || Uuid::from_u128(7)).unwrap().0, Uuid::from_u128(7));
    }

    #[test]
    fn a_long_send_leaves_no_more_than_what_is_unsettled() {
        let folder = tempfile::tempdir().unwrap();
        let reply = Reply::parse(250, &"x".repeat(200));
        let (_, journal, _) = open(folder.path(), "a", || Uuid::from_u128(5)).unwrap();
        journal.accepted(0, "primary", &reply).unwrap();
        for delivery in 1..10_000 {
            journal.accepted(delivery, "primary", &reply).unwrap();
            journal.settled([delivery].into_iter()).unwrap();
        }
        assert!(std::fs::metadata(folder.path().join("journal-a")).unwrap().len() < 2 * LONGEST);
        drop(journal);
        let (_, _, lines) = open(folder.path(), "a", || Uuid::from_u128(6)).unwrap();
        assert!(lines.iter().any(|line| line.delivery == 0), "what is unsettled is never lost");
    }
}
