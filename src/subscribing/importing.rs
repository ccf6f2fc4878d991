//! An import: readers whose consent was given elsewhere, in chunks. It never brings back who left or is suppressed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{Read, Seek};

use serde_json::json;

use super::Error;
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

#[derive(Clone, Debug, serde::Serialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
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

/// Takes a CSV file, known by `name`, with what somebody said of its columns. Who is gone by any row of it is taken by none,
/// so it is read twice. A bad row keeps nobody else out. The log of changes has its beginning before the first reader is
/// added, and its end with what came of it.
///
/// # Errors
/// A file without usable columns, an unknown topic, or a database that can't be written: what was taken before stays.
pub async fn file(
    cx: &Context,
    mut input: impl Read + Seek + Send,
    columns: Option<Vec<Option<Column>>>,
    defaults: &Defaults,
    name: &str,
    run: &Run,
) -> Result<Report, FileError> {
    let rows = ImportReader::mapped(&mut input, columns.clone())?.filter_map(|row| row.outcome.ok());
    let gone: HashMap<_, _> =
        rows.filter_map(|row| Some((row.address.key().to_owned(), row.left?))).collect();
    input.rewind().map_err(ImportError::from)?;
    let rows = ImportReader::mapped(&mut input, columns)?;
    let mut tx = cx.db.read().await?;
    let topics: Vec<_> = store::topics::all(&mut tx).await?.into_iter().map(|topic| topic.slug).collect();
    drop(tx);
    if !topics.iter().any(|topic| topic == defaults.topic.as_str()) {
        return Err(Error::UnknownTopic(defaults.topic.clone()).into());
    }
    let of = json!({ "topic": defaults.topic, "alerts": defaults.alerts, "digest": defaults.digest, "source": defaults.source });
    write_down(cx, run, Act::ImportBegun, name, &of).await?;
    let mut report = Report { passed_over_columns: rows.unknown_columns().to_vec(), ..Report::default() };
    let mut seen = HashSet::new();
    // Duplicates come last: they may bring their reader further topics, and count as nobody.
    let mut first = Vec::with_capacity(CHUNK);
    let mut again = Vec::new();
    for Row { line, outcome } in rows {
        let outcome = outcome.map(|mut row| {
            row.left = row.left.or_else(|| gone.get(row.address.key()).copied());
            if let Some(gone) = row.left {
                *report.gone.entry(gone).or_default() += u64::from(!seen.contains(row.address.key()));
            }
            row
        });
        match outcome.and_then(|row| with_known_topics(row, &topics)) {
            Err(reason) => report.bad.push(BadRow { line, reason }),
            Ok(row) if seen.insert(row.address.key().to_owned()) => first.push(row),
            Ok(row) => {
                report.duplicates += 1;
                again.push(row);
            }
        }
        if first.len() == CHUNK {
            report.tally += take(cx, &first, defaults, name, run).await?;
            first.clear();
        }
    }
    report.tally += take(cx, &first, defaults, name, run).await?;
    for rows in again.chunks(CHUNK) {
        take(cx, rows, defaults, name, run).await?;
    }
    let came = json!({ "added": report.tally.added, "known": report.tally.known, "left_out": report.tally.left_out, "bad": report.bad.len() });
    write_down(cx, run, Act::Imported, name, &came).await?;
    Ok(report)
}

async fn write_down(
    cx: &Context,
    run: &Run,
    act: Act,
    name: &str,
    what: &serde_json::Value,
) -> Result<(), Error> {
    if let Run::For(actor) = run {
        let mut tx = cx.db.begin().await?;
        audit::record(&mut tx, cx.clock.now(), actor, Change::new(act, Thing::List, name).to(what)).await?;
        tx.commit().await?;
    }
    Ok(())
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
    take(cx, rows, defaults, file, &Run::For(Actor::service())).await
}

async fn take(
    cx: &Context,
    rows: &[ImportRow],
    defaults: &Defaults,
    file: &str,
    run: &Run,
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
