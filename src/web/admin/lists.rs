//! `/admin/subscribers/import` and `export`: lists in and out. An import is looked at first: it is done and taken back, and
//! what came of it is shown; only then the button that does it.

use std::io::Cursor;

use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::figures::number;
use super::{Answer, frame::Frame, go};
use crate::context::Context;
use crate::domain::{
    import::{self, Seen},
    import_columns::Column,
    subscription::Digest,
    topic::Slug,
};
use crate::newsroom::{Error, Me};
use crate::store;
use crate::subscribing::exporting::Export;
use crate::subscribing::importing::{self, Defaults, Run};
use crate::subscribing::imports::{self, Summary};
use crate::web::readers_csv;

/// The largest file, in bytes: some 200,000 readers. A larger list is imported at the terminal.
const LARGEST: usize = 16 * 1024 * 1024;
/// How many columns can be mapped; a list that has more goes by their names.
const MAPPED: usize = 200;
/// How many of the last imports are listed.
const LISTED: i64 = 5;

/// `POST /admin/subscribers/export`
pub async fn export(State(cx): State<Context>, me: Me) -> Answer {
    let export = Export::begin(&cx, &me.actor()).await?;
    Ok(readers_csv::download(&cx, export, "text/csv; charset=utf-8"))
}

/// `GET /admin/subscribers/import`
pub async fn import_page(State(cx): State<Context>, frame: Frame) -> Answer {
    let fields = Fields { alerts: true, digest: cx.config.signup.digest.to_string(), ..Fields::default() };
    show(&cx, &frame, StatusCode::OK, &fields, None, Value::Null).await
}

/// `POST /admin/subscribers/import`, as multipart with the form's token in its address: a dry run, or, where it says
/// `go`, one that goes on by itself and has a page of its own.
pub async fn import(State(cx): State<Context>, frame: Frame, me: Me, mut request: Request) -> Answer {
    DefaultBodyLimit::max(LARGEST).apply(&mut request);
    let unreadable = "The file could not be read. It may be larger than 16 MB: import it at the terminal, by \
                      `bellwether subscribers import`.";
    let refuse = async |fields: &Fields, why: &str| {
        show(&cx, &frame, StatusCode::UNPROCESSABLE_ENTITY, fields, Some(why), Value::Null).await
    };
    let fields = match Multipart::from_request(request, &cx).await {
        Ok(form) => match read(form).await {
            Ok(fields) => fields,
            Err(_) => return refuse(&Fields::default(), unreadable).await,
        },
        Err(_) => return refuse(&Fields::default(), unreadable).await,
    };
    if fields.rows.is_empty() {
        return refuse(&fields, "Choose a CSV file.").await;
    }
    let Ok(topic) = fields.topic.parse::<Slug>() else {
        return refuse(&fields, "Choose a topic.").await;
    };
    if fields.source.trim().is_empty() {
        return refuse(&fields, "Say where these people agreed to get your mail.").await;
    }
    if fields.go && !fields.agreed {
        return refuse(&fields, "Say that everybody in the file agreed.").await;
    }
    let digest = fields.digest.parse().unwrap_or(cx.config.signup.digest);
    let source = Some(fields.source.trim().to_owned());
    let defaults = Defaults { topic, alerts: fields.alerts, digest, source };
    let run = if fields.go { Run::For(me.actor()) } else { Run::Dry };
    let rows = Cursor::new(fields.rows.clone());
    let begun = importing::begin(&cx, rows, fields.said(), &defaults, &fields.file, &run).await;
    let done = match begun {
        Ok(begun) if fields.go => {
            let path = format!("/admin/subscribers/import/{}", begun.id);
            // On its own: the page that it leads to tells how far it is.
            tokio::spawn(async move {
                if let Err(error) = begun.finish(&cx).await {
                    tracing::error!(%error, "an import broke off");
                }
            });
            return go(&path);
        }
        Ok(begun) => begun.finish(&cx).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(report) => {
            let told = told(&Summary::from(&report), false, &fields.file);
            show(&cx, &frame, StatusCode::OK, &fields, None, told).await
        }
        Err(importing::FileError::Unreadable(error)) => refuse(&fields, &sentence(&error.to_string())).await,
        Err(importing::FileError::Failed(crate::subscribing::Error::UnknownTopic(_))) => {
            refuse(&fields, "There is no such topic any more.").await
        }
        Err(importing::FileError::Failed(error)) => Err(error.into()),
    }
}

/// What a form says.
#[derive(Default)]
struct Fields {
    rows: Vec<u8>,
    /// The file's name.
    file: String,
    topic: String,
    alerts: bool,
    digest: String,
    source: String,
    agreed: bool,
    go: bool,
    /// What each column of the file says, in their order; empty for what its name says.
    columns: Vec<Option<Column>>,
}

impl Fields {
    fn said(&self) -> Option<Vec<Option<Column>>> {
        (!self.columns.is_empty()).then(|| self.columns.clone())
    }

    /// The columns of the file as the page offers them.
    fn offered(&self) -> Vec<Value> {
        let mut seen = import::columns(self.rows.as_slice()).unwrap_or_default();
        if seen.len() > MAPPED {
            seen.clear();
        }
        let said = self.said().filter(|said| said.len() == seen.len());
        let offer = |(at, column): (usize, &Seen)| {
            let chosen = said.as_ref().map_or(column.guess, |said| said.get(at).copied().flatten());
            let choices: Vec<_> = Column::ALL
                .iter()
                .map(|it| json!({ "word": it.as_str(), "meaning": it.meaning(), "chosen": Some(*it) == chosen }))
                .collect();
            json!({ "at": at, "name": column.name, "sample": column.sample, "choices": choices, "word": chosen })
        };
        seen.iter().enumerate().map(offer).collect()
    }
}

async fn read(mut form: Multipart) -> Result<Fields, axum::extract::multipart::MultipartError> {
    let mut fields = Fields::default();
    while let Some(field) = form.next_field().await? {
        match field.name().unwrap_or_default() {
            "file" => {
                fields.file = field.file_name().unwrap_or("list.csv").to_owned();
                fields.rows = field.bytes().await?.to_vec();
            }
            // The same rows again, as the page before had them.
            "rows" => fields.rows = field.bytes().await?.to_vec(),
            "name" => fields.file = field.text().await?,
            "topic" => fields.topic = field.text().await?,
            "alerts" => fields.alerts = true,
            "digest" => fields.digest = field.text().await?,
            "source" => fields.source = field.text().await?,
            "agreed" => fields.agreed = true,
            "go" => fields.go = true,
            // An empty one is passed over.
            "column" => fields.columns.push(field.text().await?.parse().ok()),
            _ => {}
        }
    }
    Ok(fields)
}

pub(super) fn told(summary: &Summary, done: bool, file: &str) -> Value {
    let Summary { tally, duplicates, bad, bad_rows, passed_over_columns, gone } = summary;
    let count = |count: u64| number(i64::try_from(count).unwrap_or(i64::MAX));
    let there: u64 = gone.values().sum();
    let mut numbers = vec![
        (tally.added, if done { "added" } else { "would be added" }),
        (tally.known, "are readers already; they get the topics that they lack"),
        (tally.left_out.saturating_sub(there), "left out: unsubscribed, erased or undeliverable before"),
    ];
    numbers.extend(gone.iter().map(|(gone, count)| (*count, gone.told())));
    numbers.extend([
        (*duplicates, "stand in the file more than once"),
        (u64::try_from(*bad).unwrap_or(0), "rows that can’t be read"),
    ]);
    let numbers: Vec<_> = numbers
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| json!({ "count": count(*number), "word": word }))
        .collect();
    json!({
        "file": file,
        "numbers": numbers,
        "added": count(tally.added),
        "any": tally.added + tally.known > 0,
        "bad": bad_rows,
        "more_bad": bad.checked_sub(bad_rows.len()).filter(|more| *more > 0),
        "passed_over": passed_over_columns.join(", "),
    })
}

async fn show(
    cx: &Context,
    frame: &Frame,
    status: StatusCode,
    fields: &Fields,
    fault: Option<&str>,
    report: Value,
) -> Answer {
    let topics = async {
        let mut tx = cx.db.read().await?;
        Ok::<_, Error>(store::topics::all(&mut tx).await?)
    };
    let topics = topics.await?;
    let topics: Vec<_> = topics
        .iter()
        .map(|it| json!({ "slug": it.slug, "name": it.name, "chosen": it.slug == fields.topic }))
        .collect();
    let digests: Vec<_> =
        Digest::WORDS.iter().map(|word| json!({ "word": word, "chosen": *word == fields.digest })).collect();
    let content = json!({
        "topics": topics,
        "topic": fields.topic,
        "digests": digests,
        "digest": fields.digest,
        "alerts": fields.alerts,
        "source": fields.source,
        "fault": fault,
        "file": fields.file,
        "columns": fields.offered(),
        // Only UTF-8 is ever read, so nothing is lost here.
        "rows": String::from_utf8_lossy(&fields.rows),
        "imports": imports::page(cx, i64::MAX, LISTED).await?.iter().map(super::imports::listed).collect::<Vec<_>>(),
        "report": report,
    });
    frame.show("import.html", status, &content)
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}
