//! `/admin/subscribers/import` and `export`: lists in and out. An import is looked at first: it is done and taken back, and
//! what came of it is shown; only then the button that does it.

use std::io::Cursor;

use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::figures::number;
use super::{Answer, Refusal, frame::Frame};
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
use crate::subscribing::importing::{self, Defaults, Report, Run};
use crate::web::readers_csv;

/// The largest file, in bytes: some 200,000 readers. A larger list is imported at the terminal.
const LARGEST: usize = 16 * 1024 * 1024;
/// How many columns can be mapped; a list that has more goes by their names.
const MAPPED: usize = 200;
/// How many bad rows are told one by one.
const TOLD: usize = 50;

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

/// `POST /admin/subscribers/import`, as multipart with the form's token in its address: a dry run, unless it says `go`.
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
    let go = fields.go && fields.agreed;
    if fields.go && !go {
        return refuse(&fields, "Say that everybody in the file agreed.").await;
    }
    let digest = fields.digest.parse().unwrap_or(cx.config.signup.digest);
    let source = Some(fields.source.trim().to_owned());
    let defaults = Defaults { topic, alerts: fields.alerts, digest, source };
    let run = if go { Run::For(me.actor()) } else { Run::Dry };
    // On its own, so that a browser that is closed doesn't leave half a list.
    let (context, rows, name) = (cx.clone(), fields.rows.clone(), fields.file.clone());
    let columns = fields.said();
    let imported = tokio::spawn(async move {
        importing::file(&context, Cursor::new(rows), columns, &defaults, &name, &run).await
    });
    match imported.await.map_err(|error| Refusal::ours(&error))? {
        Ok(report) => show(&cx, &frame, StatusCode::OK, &fields, None, told(&report, go, &fields)).await,
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

fn told(report: &Report, done: bool, fields: &Fields) -> Value {
    let Report { tally, duplicates, bad, passed_over_columns, gone } = report;
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
        (u64::try_from(bad.len()).unwrap_or(0), "rows that can’t be read"),
    ]);
    let numbers: Vec<_> = numbers
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| json!({ "count": count(*number), "word": word }))
        .collect();
    json!({
        "done": done,
        "file": fields.file,
        "numbers": numbers,
        "added": count(tally.added),
        "any": tally.added + tally.known > 0,
        "bad": bad.iter().take(TOLD).collect::<Vec<_>>(),
        "more_bad": bad.len().checked_sub(TOLD).filter(|more| *more > 0),
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
    let done = report["done"] == true;
    let content = json!({
        "topics": topics,
        "topic": fields.topic,
        "digests": digests,
        "digest": fields.digest,
        "alerts": fields.alerts,
        "source": fields.source,
        "fault": fault,
        "file": fields.file,
        "columns": if done { Vec::new() } else { fields.offered() },
        // Only UTF-8 is ever read, so nothing is lost here.
        "rows": if done { String::new() } else { String::from_utf8_lossy(&fields.rows).into_owned() },
        "report": report,
    });
    frame.show("import.html", status, &content)
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}
