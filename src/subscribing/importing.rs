//! An import: readers whose consent was given elsewhere, in chunks. It never brings back who left or is suppressed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{Read, Seek};

use serde_json::json;
use uuid::Uuid;

use super::{Error, imports::Summary};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{
    import::{ImportError, ImportReader, ImportRow, Row},
    import_columns::{Column, Gone},
    subscription::Digest,
    topic::Slug,
};
use crate::store::{self, subscribers::Imported};

/// What a row that doesn't say gives.
#[derive(Clone, Debug)]
pub struct Defaults {
    pub topic: Slug,
    pub alerts: bool,
    pub digest: Digest,
    /// Where the people agreed.
    pub source: Option<String>,
}

/// Whether it is done, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// Everything is done and taken back, to see what would come of it.
    Dry,
    For(Actor),
}

/// What came of a file.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub tally: Tally,
    /// Of those that were left out, who was for what the list says of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub gone: BTreeMap<Gone, u64>,
    /// Rows whose address stood in the file before.
    pub duplicates: u64,
    pub bad: Vec<BadRow>,
    pub passed_over_columns: Vec<String>,
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct BadRow {
    pub line: u64,
    pub reason: String,
}

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error(transparent)]
    Unreadable(#[from] ImportError),
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<store::Error> for FileError {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// How many rows one transaction takes.
pub const CHUNK: usize = 1_000;

/// What came of some rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    pub added: u64,
    /// Readers already; a topic they lacked was added.
    pub known: u64,
    /// Left, erased, complained or undeliverable before, here or as the file says: not brought back.
    pub left_out: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.added += other.added;
        self.known += other.known;
        self.left_out += other.left_out;
    }
}

/// Takes a CSV file, known by `name`, with what somebody said of its columns: [`begin`] and what follows.
///
/// # Errors
/// A file without usable columns, an unknown topic, or a database that can't be written: what was taken before stays.
pub async fn file(
    cx: &Context,
    input: impl Read + Seek + Send,
    columns: Option<Vec<Option<Column>>>,
    defaults: &Defaults,
    name: &str,
    run: &Run,
) -> Result<Report, FileError> {
    begin(cx, input, columns, defaults, name, run).await?.finish(cx).await
}

/// A file that was read once.
pub struct Begun<I> {
    /// By which it is known how far it is; of a dry run nothing is.
    pub id: Uuid,
    /// The key of the same.
    row: Option<i64>,
    input: I,
    columns: Option<Vec<Option<Column>>>,
    /// Who is gone by any row of it.
    gone: HashMap<String, Gone>,
    /// Slugs.
    topics: Vec<String>,
    defaults: Defaults,
    name: String,
    run: Run,
}

/// Reads a CSV file for the first time, for who is gone by any row of it is taken by none, and writes its beginning down before
/// the first reader is added: in the log of changes, and as an import that is under way.
///
/// # Errors
/// A file without usable columns, an unknown topic, or a database that can't be written: nothing is taken then.
pub async fn begin<I: Read + Seek + Send>(
    cx: &Context,
    mut input: I,
    columns: Option<Vec<Option<Column>>>,
    defaults: &Defaults,
    name: &str,
    run: &Run,
) -> Result<Begun<I>, FileError> {
    let mut rows = 0;
    let mut gone = HashMap::new();
    for row in ImportReader::mapped(&mut input, columns.clone())? {
        rows += 1;
        if let Ok(ImportRow { address, left: Some(left), .. }) = row.outcome {
            gone.insert(address.key().to_owned(), left);
        }
    }
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let topics: Vec<_> = store::topics::all(&mut tx).await?.into_iter().map(|topic| topic.slug).collect();
    if !topics.iter().any(|topic| topic == defaults.topic.as_str()) {
        return Err(Error::UnknownTopic(defaults.topic.clone()).into());
    }
    let id = cx.entropy.uuid(now);
    let row = match run {
        Run::Dry => None,
        Run::For(actor) => {
            let of = json!({ "topic": defaults.topic, "alerts": defaults.alerts, "digest": defaults.digest, "source": defaults.source });
            let change = Change::new(Act::ImportBegun, Thing::List, name).to(&of);
            audit::record(&mut tx, now, actor, change).await?;
            let row = store::imports::begin(&mut tx, id, (name, &actor.to_string()), rows, now).await?;
            tx.commit().await?;
            Some(row)
        }
    };
    let (defaults, name, run) = (defaults.clone(), name.to_owned(), run.clone());
    Ok(Begun { id, row, input, columns, gone, topics, defaults, name, run })
}

impl<I: Read + Seek + Send> Begun<I> {
    /// Takes the rows. A bad one keeps nobody else out. How far it is, is written down with each [`CHUNK`]; the log of changes
    /// has what came of it.
    ///
    /// # Errors
    /// A database that can't be written: what was taken before stays.
    pub async fn finish(mut self, cx: &Context) -> Result<Report, FileError> {
        let taken = self.take_all(cx).await;
        if let (Err(_), Some(row)) = (&taken, self.row) {
            // Where that can't be written either, it is silent from now on, which says the same a little later.
            if let Ok(mut tx) = cx.db.begin().await
                && store::imports::end(&mut tx, row, None, cx.clock.now()).await.is_ok()
            {
                let _ = tx.commit().await;
            }
        }
        taken
    }

    async fn take_all(&mut self, cx: &Context) -> Result<Report, FileError> {
        let Self { row, input, columns, gone, topics, defaults, name, run, .. } = self;
        input.rewind().map_err(ImportError::from)?;
        let rows = ImportReader::mapped(input, columns.clone())?;
        let mut report = Report { passed_over_columns: rows.unknown_columns().to_vec(), ..Report::default() };
        let mut seen = HashSet::new();
        // Duplicates come last: they may bring their reader further topics, and count as nobody.
        let mut first = Vec::with_capacity(CHUNK);
        let mut again = Vec::new();
        let mut done = 0;
        for Row { line, outcome } in rows {
            let outcome = outcome.map(|mut row| {
                row.left = row.left.or_else(|| gone.get(row.address.key()).copied());
                if let Some(gone) = row.left {
                    *report.gone.entry(gone).or_default() += u64::from(!seen.contains(row.address.key()));
                }
                row
            });
            done += 1;
            match outcome.and_then(|row| with_known_topics(row, topics)) {
                Err(reason) => report.bad.push(BadRow { line, reason }),
                Ok(row) if seen.insert(row.address.key().to_owned()) => first.push(row),
                Ok(row) => {
                    done -= 1;
                    report.duplicates += 1;
                    again.push(row);
                }
            }
            if first.len() == CHUNK {
                report.tally += take(cx, &first, defaults, name, run, row.map(|row| (row, done))).await?;
                first.clear();
            }
        }
        report.tally += take(cx, &first, defaults, name, run, row.map(|row| (row, done))).await?;
        for rows in again.chunks(CHUNK) {
            done += i64::try_from(rows.len()).unwrap_or(i64::MAX);
            take(cx, rows, defaults, name, run, row.map(|row| (row, done))).await?;
        }
        if let (Run::For(actor), Some(row)) = (&*run, *row) {
            let now = cx.clock.now();
            let came = json!({ "added": report.tally.added, "known": report.tally.known, "left_out": report.tally.left_out, "bad": report.bad.len() });
            let mut tx = cx.db.begin().await?;
            let change = Change::new(Act::Imported, Thing::List, name).to(&came);
            audit::record(&mut tx, now, actor, change).await?;
            // Of a file without a header its columns are called as its first person is.
            let kept = Summary { passed_over_columns: Vec::new(), ..Summary::from(&report) };
            let kept = json!(kept).to_string();
            store::imports::end(&mut tx, row, Some(&kept), now).await?;
            tx.commit().await?;
        }
        Ok(report)
    }
}

/// A row is bad when it names a topic that there isn't.
fn with_known_topics(row: ImportRow, topics: &[String]) -> Result<ImportRow, String> {
    match row
        .topics
        .iter()
        .find(|slug| row.left.is_none() && !topics.iter().any(|topic| topic == slug.as_str()))
    {
        Some(unknown) => Err(format!("there is no topic \"{unknown}\"; there are: {}", topics.join(", "))),
        None => Ok(row),
    }
}

/// Takes up to [`CHUNK`] rows in one transaction, and then gives way to other writers for a moment.
///
/// # Errors
/// An unknown topic, or a database that can't be written; then none of them is taken.
pub async fn import(
    cx: &Context,
    rows: &[ImportRow],
    defaults: &Defaults,
    file: &str,
) -> Result<Tally, Error> {
    take(cx, rows, defaults, file, &Run::For(Actor::service()), None).await
}

/// The same for an import of that key, of which so many rows are done with these.
async fn take(
    cx: &Context,
    rows: &[ImportRow],
    defaults: &Defaults,
    file: &str,
    run: &Run,
    import: Option<(i64, i64)>,
) -> Result<Tally, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let topics = store::topics::all(&mut tx).await?;
    super::topic_ids(&topics, std::slice::from_ref(&defaults.topic))?;
    let mut imported = Vec::with_capacity(rows.len());
    for row in rows.iter().filter(|row| row.left.is_none()) {
        let wanted = if row.topics.is_empty() { std::slice::from_ref(&defaults.topic) } else { &row.topics };
        imported.push(Imported {
            public_id: cx.entropy.uuid(now),
            address: row.address.as_str().to_owned(),
            address_key: row.address.key().to_owned(),
            address_hash: hex(&cx.hasher.hash(row.address.key())),
            topics: super::topic_ids(&topics, wanted)?,
            alerts: row.alerts.unwrap_or(defaults.alerts),
            digest: row.digest.unwrap_or(defaults.digest),
            confirmed_at: row.confirmed_at.filter(|at| *at <= now).unwrap_or(now).as_micros(),
            detail: json!({ "file": file, "source": row.source.as_ref().or(defaults.source.as_ref()) })
                .to_string(),
        });
    }
    let last_post = store::posts::last_id(&mut tx).await?;
    let (added, known) = store::subscribers::import(&mut tx, &imported, last_post, now).await?;
    if let Some((import, done)) = import {
        store::imports::advance(&mut tx, import, done, now).await?;
    }
    match run {
        Run::For(_) => tx.commit().await?,
        Run::Dry => drop(tx),
    }
    cx.give_way(now).await;
    let rows = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    Ok(Tally { added, known, left_out: rows.saturating_sub(added + known) })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
