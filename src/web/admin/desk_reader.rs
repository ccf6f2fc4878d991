//! A draft through the eyes of one reader, chosen by address: their mail, and whether they would get it.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::desk::{failed, find, framed, show};
use super::frame::Frame;
use crate::context::Context;
use crate::newsroom::Me;
use crate::publishing::{
    self,
    desk::{self, Written},
    reading,
};

/// Whose mail is shown.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// An address, or a reader's id; empty for whoever looks.
    reader: String,
}

/// `GET /admin/desk/{id}`
pub async fn page(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let written = match find(&cx, &frame, &id).await {
        Ok(written) => written,
        Err(response) => return *response,
    };
    match chosen(&cx, &written, &asked.reader).await {
        Ok(reader) => show(&cx, &frame, &me, &written, StatusCode::OK, (None, reader)).await,
        Err(error) => failed(&frame, &error),
    }
}

/// `GET /admin/desk/{id}/mail`: the mail as it would be.
pub async fn mail(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let written = match find(&cx, &frame, &id).await {
        Ok(written) => written,
        Err(response) => return *response,
    };
    let mail = async {
        match reading::eyes(&cx, &written, &asked.reader).await? {
            Some(eyes) => reading::mail(&cx, &written, &eyes).await,
            None => desk::mail(&cx, &written, &me.user.email).await,
        }
    };
    match mail.await {
        Ok(mail) => framed(mail),
        Err(error) => failed(&frame, &error),
    }
}

/// What the page says of the chosen reader; null where none was chosen.
async fn chosen(cx: &Context, written: &Written, typed: &str) -> Result<Value, publishing::Error> {
    if typed.trim().is_empty() {
        return Ok(Value::Null);
    }
    let Some(eyes) = reading::eyes(cx, written, typed).await? else {
        return Ok(json!({ "typed": typed, "unknown": true }));
    };
    let mail = reading::mail(cx, written, &eyes).await?;
    Ok(json!({
        "typed": eyes.address,
        "id": eyes.subscriber,
        "address": eyes.address,
        "says": eyes.as_sentence(),
        "gets": eyes.gets(),
        "text": mail.map(|mail| mail.text),
    }))
}
