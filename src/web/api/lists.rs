//! `POST /api/v1/subscribers/import` and `…/export`: lists in and out, as CSV.

use std::io::Cursor;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, Request, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Caller, broken,
    listing::{self, asked, page, parameter},
    operation::Operation,
    sent::Raw,
};
use crate::context::Context;
use crate::domain::{
    import_columns::Column, import_progress, subscription::Digest, time::Timestamp, topic::Slug,
};
use crate::subscribing::{
    self,
    exporting::Export,
    importing::{self, Defaults, FileError, Report, Run},
    imports,
};
use crate::web::{problem::Problem, readers_csv};

/// The largest list, in bytes: some 200,000 readers.
const LARGEST: usize = 16 * 1024 * 1024;
/// How long one may take to arrive.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many bad rows are told one by one.
const TOLD: usize = 1_000;
/// Words of columns, or nothing, between commas.
const COLUMNS: &str = "^(email|state|alerts|digest|topics|confirmed_at|source)?(,(email|state|alerts|digest|topics|confirmed_at|source)?)*$";
/// In characters: the name of a list, and where its people agreed.
const LONGEST: usize = 200;

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/api/v1/subscribers/import", "Takes a list of readers who agreed elsewhere, as CSV.")
            .note("It brings nobody back who left or can't be mailed, mails nobody, and a repeat changes nothing more. Look at it by `dry_run` first. A list larger than 16 MiB is taken by `bellwether subscribers import`.")
            .asks::<Asked>()
            .takes_csv()
            .gives::<Imported>(200, "What came of it; of a dry run, what would."),
        Operation::get("/api/v1/subscribers/imports", "The imports of the last 30 days, the newest first, and how far each is.")
            .note("Also while a call that imports waits for its answer. A dry run is none.")
            .asks::<listing::Asked>()
            .gives::<Imports>(200, "A page of them."),
        Operation::post("/api/v1/subscribers/export", "All readers as CSV, as an import reads it.")
            .note("Nothing in it is a formula to a spreadsheet. Who took it out stands in the log of changes.")
            .hands(200, "The list, a reader a line, while it is read.", "text/csv"),
    ]
}

/// What is said of a list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The slug of the topic for whom the list names none.
    #[schemars(with = "Slug", required)]
    topic: Option<String>,
    /// Where these people agreed to get your mail: it is kept as their consent.
    #[schemars(
        with = "String",
        required,
        length(min = 1, max = 200),
        regex(pattern = r"^[^\u0000-\u001f]*[^\u0000-\u0020][^\u0000-\u001f]*$")
    )]
    source: Option<String>,
    /// Whether who isn't said to gets alerts.
    #[schemars(with = "Option<bool>", extend("default" = true))]
    alerts: Option<String>,
    /// Which digest who isn't said to gets; absent for that of the sign-up form.
    #[schemars(with = "Option<Digest>")]
    digest: Option<String>,
    /// What the columns say, in their order, separated by commas, as in `email,,topics`: `email`, `state`, `alerts`, `digest`,
    /// `topics`, `confirmed_at`, `source`, or nothing for one that is passed over. Absent: what their names say.
    #[schemars(with = "Option<String>", regex(pattern = COLUMNS))]
    columns: Option<String>,
    /// What the list is called in the log of changes.
    #[schemars(with = "Option<String>", length(max = 200), extend("default" = "list.csv"))]
    name: Option<String>,
    /// Does nothing, and tells what would come of it.
    #[schemars(with = "Option<bool>", extend("default" = false))]
    dry_run: Option<String>,
}

/// What came of a list.
#[derive(Serialize, JsonSchema)]
pub struct Imported {
    pub dry_run: bool,
    /// Readers now.
    pub added: u64,
    /// Readers before; they got the topics that they lacked.
    pub known: u64,
    /// Not brought back: they left, were erased, complained or can't be mailed, here or as the list says.
    pub left_out: u64,
    /// Rows whose address stood in the list before.
    pub duplicates: u64,
    /// How many rows can't be read.
    pub bad: usize,
    /// The first 1000 of them.
    pub bad_rows: Vec<BadRow>,
    /// Columns that say nothing we know.
    pub passed_over_columns: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct BadRow {
    pub line: u64,
    pub reason: String,
}

/// An import of a list.
#[derive(Serialize, JsonSchema)]
pub struct Import {
    pub id: Uuid,
    /// What the list is called.
    pub name: String,
    pub by: String,
    /// `broken-off` where the service ended in the middle of it: what was taken stays, and a repeat adds nobody twice.
    pub state: import_progress::State,
    /// How many rows it has, and how many are done.
    pub rows: i64,
    pub rows_done: i64,
    pub percent: i64,
    /// In seconds to its end, as far as that is known.
    pub left: Option<u64>,
    pub begun_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// What came of it, once it is done.
    pub report: Option<Came>,
}

/// What came of an import.
#[derive(Serialize, JsonSchema)]
pub struct Came {
    pub added: u64,
    pub known: u64,
    pub left_out: u64,
    pub duplicates: u64,
    pub bad: usize,
}

#[derive(Serialize, JsonSchema)]
pub struct Imports {
    pub imports: Vec<Import>,
    pub next_cursor: Option<String>,
}

impl From<imports::Import> for Import {
    fn from(import: imports::Import) -> Self {
        let imports::Import { row, state, percent, left, summary } = import;
        let came = |it: imports::Summary| Came {
            added: it.tally.added,
            known: it.tally.known,
            left_out: it.tally.left_out,
            duplicates: it.duplicates,
            bad: it.bad,
        };
        Self {
            id: row.public_id,
            name: row.file,
            by: row.created_by,
            state,
            rows: row.rows_all,
            rows_done: row.rows_done,
            percent,
            left: left.map(|left| left.as_secs()),
            begun_at: row.begun_at,
            ended_at: row.ended_at,
            report: summary.map(came),
        }
    }
}

impl Imported {
    fn of(report: Report, dry_run: bool) -> Self {
        let Report { tally, duplicates, bad, passed_over_columns, .. } = report;
        let row = |it: importing::BadRow| BadRow { line: it.line, reason: it.reason };
        Self {
            dry_run,
            added: tally.added,
            known: tally.known,
            left_out: tally.left_out,
            duplicates,
            bad: bad.len(),
            bad_rows: bad.into_iter().take(TOLD).map(row).collect(),
            passed_over_columns,
        }
    }
}

/// 200 with what came of the list. It is taken to its end, also where the caller is gone.
pub async fn import(
    State(cx): State<Context>,
    caller: Caller,
    query: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let asked: Asked = asked(query)?;
    let dry_run = flag("dry_run", asked.dry_run.as_deref())?.unwrap_or(false);
    let defaults = defaults(&cx, &asked)?;
    let columns = asked.columns.as_deref().map(columns).transpose()?;
    let name = line("name", asked.name.as_deref().unwrap_or("list.csv"))?;
    let rows = Raw::read(request, "text/csv", LARGEST, PATIENCE).await?.body;
    let run = if dry_run { Run::Dry } else { Run::For(caller.actor()) };
    let taken = tokio::spawn(async move {
        importing::file(&cx, Cursor::new(rows), columns, &defaults, &name, &run).await
    });
    match taken.await.map_err(|error| broken(&error))? {
        Ok(report) => Ok(Json(Imported::of(report, dry_run)).into_response()),
        Err(FileError::Unreadable(error)) => {
            let detail = format!("The list can't be read: {error}.");
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).at_pointer("", error.to_string()))
        }
        Err(FileError::Failed(subscribing::Error::UnknownTopic(slug))) => {
            let detail = format!("there is no topic {slug}");
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("topic: {detail}."))
                .at_field("topic", detail))
        }
        Err(FileError::Failed(error)) => Err(error.into()),
    }
}

/// A page of the imports, the newest first.
pub async fn imports(
    State(cx): State<Context>,
    query: Result<Query<listing::Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let asked: listing::Asked = asked(query)?;
    let (before, limit) = (asked.cursor()?.unwrap_or(i64::MAX), asked.limit()?);
    let found = imports::page(&cx, before, limit + 1).await?;
    let (found, next_cursor) = page(found, limit, |import| import.row.id);
    let imports = found.into_iter().map(Into::into).collect();
    Ok(Json(Imports { imports, next_cursor }).into_response())
}

fn defaults(cx: &Context, asked: &Asked) -> Result<Defaults, Problem> {
    let topic = asked.topic.as_deref().ok_or_else(|| parameter("topic", "must be the slug of a topic"))?;
    let topic: Slug = topic.parse().map_err(|why: String| parameter("topic", &why))?;
    let missing = || parameter("source", "must say where these people agreed to get your mail");
    let source = line("source", asked.source.as_deref().ok_or_else(missing)?)?;
    if source.is_empty() {
        return Err(missing());
    }
    let digest = match asked.digest.as_deref() {
        Some(word) => word.parse().map_err(|why: String| parameter("digest", &why))?,
        None => cx.config.signup.digest,
    };
    let alerts = flag("alerts", asked.alerts.as_deref())?.unwrap_or(true);
    Ok(Defaults { topic, alerts, digest, source: Some(source) })
}

fn columns(said: &str) -> Result<Vec<Option<Column>>, Problem> {
    let column = |word: &str| match word.trim() {
        "" => Ok(None),
        word => word.parse().map(Some).map_err(|why: String| parameter("columns", &format!("each {why}"))),
    };
    said.split(',').map(column).collect()
}

fn flag(name: &str, given: Option<&str>) -> Result<Option<bool>, Problem> {
    match given {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(parameter(name, "must be true or false")),
    }
}

fn line(name: &str, text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
        let detail = format!("must be one line of at most {LONGEST} characters");
        return Err(parameter(name, &detail));
    }
    Ok(text.to_owned())
}

/// 200 with all readers, a piece at a time.
pub async fn export(State(cx): State<Context>, caller: Caller) -> Result<Response, Problem> {
    let export = Export::begin(&cx, &caller.actor()).await?;
    Ok(readers_csv::download(&cx, export, "text/csv"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_tells_every_column() {
        let words = Column::WORDS.join("|");
        assert_eq!(COLUMNS, format!("^({words})?(,({words})?)*$"));
    }
}
