//! The imports that there were of late, and how far each is: `importing` writes it down.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::importing::{BadRow, Report, Tally};
use crate::context::Context;
use crate::domain::{
    import_columns::Gone,
    import_progress::{Progress, State},
};
use crate::store::{self, imports::Import as Row};

/// So many bad rows are kept one by one.
const KEPT: usize = 50;

/// What came of a list, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    pub tally: Tally,
    pub gone: BTreeMap<Gone, u64>,
    pub duplicates: u64,
    /// How many rows can't be read, and the first of them.
    pub bad: usize,
    pub bad_rows: Vec<BadRow>,
    pub passed_over_columns: Vec<String>,
}

impl From<&Report> for Summary {
    fn from(report: &Report) -> Self {
        Self {
            tally: report.tally,
            gone: report.gone.clone(),
            duplicates: report.duplicates,
            bad: report.bad.len(),
            bad_rows: report.bad.iter().take(KEPT).cloned().collect(),
            passed_over_columns: report.passed_over_columns.clone(),
        }
    }
}

/// An import, how far it is, and what came of it once it is done.
#[derive(Clone, Debug)]
pub struct Import {
    pub row: Row,
    pub state: State,
    pub percent: i64,
    /// How long the rest takes, where that is known.
    pub left: Option<Duration>,
    pub summary: Option<Summary>,
}

impl Import {
    fn of(cx: &Context, row: Row) -> Self {
        let summary = row.report.as_deref().and_then(|report| serde_json::from_str(report).ok());
        let progress = Progress {
            all: row.rows_all,
            done: row.rows_done,
            begun_at: row.begun_at,
            heard_at: row.heard_at,
            ended: row.ended_at.is_some(),
            told: summary.is_some(),
        };
        let state = progress.state(cx.clock.now());
        let left = progress.left().filter(|_| state == State::Running);
        Self { state, percent: progress.percent(), left, summary, row }
    }
}

/// # Errors
/// A database that can't be read.
pub async fn find(cx: &Context, id: Uuid) -> store::Result<Option<Import>> {
    let mut tx = cx.db.read().await?;
    Ok(store::imports::by_public_id(&mut tx, id).await?.map(|row| Import::of(cx, row)))
}

/// A page of them, the newest first.
///
/// # Errors
/// A database that can't be read.
pub async fn page(cx: &Context, before: i64, limit: i64) -> store::Result<Vec<Import>> {
    let mut tx = cx.db.read().await?;
    Ok(store::imports::page(&mut tx, before, limit)
        .await?
        .into_iter()
        .map(|row| Import::of(cx, row))
        .collect())
}
