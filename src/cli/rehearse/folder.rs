//! The rehearsal's folder inside the data folder: only its owner may look into it, and it is deleted at the end. What a
//! kill left behind the next rehearsal deletes.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::super::Failure;
use crate::app;

const PREFIX: &str = "rehearsal-";
/// Bytes on disk that a reader's copy and delivery take, at most.
const PER_READER: u64 = 2_000;
/// And what is there without any.
const AT_LEAST: u64 = 20_000_000;

/// Dropped, it is gone with everything in it.
pub(super) struct Folder {
    path: PathBuf,
    /// Says to other rehearsals that this one is alive.
    _lock: File,
}

impl Folder {
    /// Makes one for so many readers.
    ///
    /// # Errors
    /// When it can't be made, or the disk has too little room.
    pub fn make(data: &Path, name: Uuid, readers: u64) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::Failed(format!(
                "the rehearsal's folder can't be made in {}: {error}; run it as the service's user, or look at [server] data",
                data.display()
            ))
        };
        fs::create_dir_all(data).map_err(failed)?;
        clear_away(data);
        let needed = AT_LEAST + readers * PER_READER;
        if let Some(free) = free(data).filter(|free| *free < needed) {
            return Err(Failure::Failed(format!(
                "the rehearsal needs some {} MB in {}, where {} MB are free; make room, or rehearse with fewer readers by \
                 --limit",
                needed / 1_000_000,
                data.display(),
                free / 1_000_000
            )));
        }
        let path = data.join(format!("{PREFIX}{}", name.simple()));
        DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
        let lock = app::lock(&path);
        match lock {
            Ok(lock) => Ok(Self { path, _lock: lock }),
            Err(error) => {
                // The error that counts is the first one.
                let _ = fs::remove_dir_all(&path);
                Err(error.into())
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Somebody who has not heard yet that it is over may put a file in meanwhile.
        let gone = (0..3).any(|_| fs::remove_dir_all(&self.path).is_ok());
        if !gone {
            eprintln!("bellwether: {} can't be deleted; it holds addresses: delete it", self.path.display());
        }
    }
}

/// Deletes the folders of rehearsals that were killed.
fn clear_away(data: &Path) {
    let Ok(entries) = fs::read_dir(data) else { return };
    for entry in entries.flatten() {
        let left = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // One whose lock can be had belongs to nobody.
        if left && app::lock(&entry.path()).is_ok() {
            // The next one tries again.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Bytes that the disk has room for; none where it doesn't say.
fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}
