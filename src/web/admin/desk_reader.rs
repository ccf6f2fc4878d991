//! A draft through the eyes of one reader, chosen by address: their mail, and whether they would get it.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::desk::{find, framed, show};
use super::{Answer, At, frame::Frame};
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
    At(id): At<Uuid>,
    Query(asked): Query<Asked>,
) -> Answer {
    let written = find(&cx, id).await?;
    let reader = chosen(&cx, &written, &asked.reader).await?;
    show(&cx, &frame, &me, &written, StatusCode::OK, (None, reader)).await
}

/// `GET /admin/desk/{id}/mail`: the mail as it would be.
pub async fn mail(State(cx): State<Context>, me: Me, At(id): At<Uuid>, Query(asked): Query<Asked>) -> Answer {
    let written = find(&cx, id).await?;
    let mail = async {
        match reading::eyes(&cx, &written, &asked.reader).await? {
            Some(eyes) => reading::mail(&cx, &written, &eyes).await,
            None => desk::mail(&cx, &written, &me.user.email).await,
        }
    };
    let mail = mail.await?;
    Ok(framed(mail))
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
