//! What the sample site has published and when, in a small file, so that a restart takes nothing back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::articles::{AT_START, Article, article};
use crate::domain::time::Timestamp;

/// How long before the first start the first articles were published, the oldest first.
const AGES: [Duration; AT_START] = [hours(119), hours(101), hours(80), hours(61), hours(45), hours(25)];

const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 60 * 60)
}

/// Why the site can't remember what it published.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    #[error("can't read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is not what the demo wrote ({source}): start it with --fresh", path.display())]
    Garbled { path: PathBuf, source: serde_json::Error },
    #[error("can't write {}: {source}; is there space, and may the demo write there?", path.display())]
    Write { path: PathBuf, source: std::io::Error },
}

/// The published articles.
#[derive(Debug)]
pub struct Published {
    file: PathBuf,
    times: Vec<Timestamp>,
}

/// The file's form: article number N was published at the Nth time.
#[derive(Serialize, Deserialize)]
struct Kept {
    published: Vec<Timestamp>,
}

/// An article with the time of its publication.
#[derive(Clone, Debug, Serialize)]
pub struct Story {
    #[serde(flatten)]
    pub article: Article,
    pub at: Timestamp,
}

impl Published {
    /// What the file says; where there is none, the first articles, dated up to five days before `now`.
    ///
    /// # Errors
    /// When the file can't be read or written, or isn't ours.
    pub fn open(file: PathBuf, now: Timestamp) -> Result<Self, PublishedError> {
        match std::fs::read(&file) {
            Ok(bytes) => match serde_json::from_slice::<Kept>(&bytes) {
                Ok(kept) => Ok(Self { file, times: kept.published }),
                Err(source) => Err(PublishedError::Garbled { path: file, source }),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let published = Self { file, times: AGES.iter().map(|age| now.minus(*age)).collect() };
                write(&published.file, &published.times)?;
                Ok(published)
            }
            Err(source) => Err(PublishedError::Read { path: file, source }),
        }
    }

    /// Publishes the next article. It is in the file when this returns.
    ///
    /// # Errors
    /// When the file can't be written; then nothing is published.
    pub fn publish_next(&mut self, now: Timestamp) -> Result<Story, PublishedError> {
        let mut times = self.times.clone();
        times.push(now);
        write(&self.file, &times)?;
        self.times = times;
        Ok(Story { article: article(self.times.len()), at: now })
    }

    /// Up to `most` stories, the newest first.
    pub fn newest(&self, most: usize) -> Vec<Story> {
        let numbered = (1..).zip(&self.times).collect::<Vec<_>>();
        let story = |(number, at): (usize, &Timestamp)| Story { article: article(number), at: *at };
        numbered.into_iter().rev().take(most).map(story).collect()
    }

    /// The published story of that slug.
    pub fn find(&self, slug: &str) -> Option<Story> {
        self.newest(usize::MAX).into_iter().find(|story| story.article.slug == slug)
    }
}

/// Writes beside the file and renames, so that a crash leaves the old file or the new one.
fn write(file: &Path, times: &[Timestamp]) -> Result<(), PublishedError> {
    let failed = |source| PublishedError::Write { path: file.to_owned(), source };
    let json = serde_json::to_vec_pretty(&Kept { published: times.to_vec() });
    let beside = file.with_extension("new");
    std::fs::write(&beside, json.map_err(|error| failed(error.into()))?).map_err(failed)?;
    std::fs::rename(&beside, file).map_err(failed)
}
