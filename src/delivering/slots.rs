//! What each connection of this node is handing over, in a slot of its own in a file. After a kill it says whose mail the
//! relay may have taken, though nobody heard its answer.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A delivery's key, little-endian; 0 where nothing was handed over yet.
const WIDTH: usize = 8;

/// The slots of this node's connections.
pub struct Slots {
    file: File,
    count: usize,
}

/// Opens (or makes) the slots of `installation` in the data folder; gives the deliveries that the last run left there.
/// They stay until [`Slots::clear`].
///
/// # Errors
/// When the file can't be read or written.
pub fn open(data: &Path, installation: &str, count: usize) -> io::Result<(Slots, Vec<i64>)> {
    let path = data.join(format!("handing-over-{installation}"));
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let (slots, _) = bytes.as_chunks::<WIDTH>();
    let left = slots.iter().map(|slot| i64::from_le_bytes(*slot)).filter(|delivery| *delivery > 0).collect();
    Ok((Slots { file, count }, left))
}

impl Slots {
    /// Notes, before the first byte of its body leaves, what a connection hands over; the one before is over. It is one
    /// write into the page cache, which a kill of the process leaves whole.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn begins(&self, slot: usize, delivery: i64) -> io::Result<()> {
        self.file.write_all_at(&delivery.to_le_bytes(), (slot * WIDTH) as u64)
    }

    /// Empties all slots, and makes room for them: what is written later needs no more of the disk.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn clear(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all_at(&vec![0; self.count * WIDTH], 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_handed_over_last_is_there_after_a_kill() {
        let folder = tempfile::tempdir().unwrap();
        let (slots, left) = open(folder.path(), "a", 3).unwrap();
        assert_eq!(left, [0_i64; 0]);
        slots.clear().unwrap();
        slots.begins(2, 7).unwrap();
        slots.begins(0, 8).unwrap();
        slots.begins(2, 9).unwrap();
        drop(slots);
        let (slots, left) = open(folder.path(), "a", 1).unwrap();
        assert_eq!(left, [8, 9]);
        slots.clear().unwrap();
        assert_eq!(open(folder.path(), "a", 1).unwrap().1, [0_i64; 0]);
        assert_eq!(open(folder.path(), "b", 1).unwrap().1, [0_i64; 0], "of another database");
    }
}
