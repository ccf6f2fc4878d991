//! An import: readers whose consent was given elsewhere, in chunks. It never brings back who left or is suppressed.

use super::Error;
use crate::context::Context;
use crate::domain::{import::ImportRow, subscription::Digest, topic::Slug};
use crate::store::{self, subscribers::Imported};

/// What a row that doesn't say gives.
#[derive(Clone, Debug)]
pub struct Defaults {
    pub topic: Slug,
    pub alerts: bool,
    pub digest: Digest,
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
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let topics = store::topics::all(&mut tx).await?;
    super::topic_ids(&topics, std::slice::from_ref(&defaults.topic))?;
    let mut imported = Vec::with_capacity(rows.len());
    for row in rows.iter().filter(|row| !row.left) {
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
            detail: serde_json::json!({ "file": file, "source": row.source }).to_string(),
        });
    }
    let last_post = store::posts::last_id(&mut tx).await?;
    let (added, known) = store::subscribers::import(&mut tx, &imported, last_post, now).await?;
    tx.commit().await?;
    cx.give_way(now).await;
    let rows = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    Ok(Tally { added, known, left_out: rows.saturating_sub(added + known) })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
