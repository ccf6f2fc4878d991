//! `/admin/deliveries/{id}`: one mail to one person: every try with the server's answer, what is in its way, and trying
//! again.

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, At, Refusal, done, figures::tag, frame::Frame, missing, when};
use crate::context::Context;
use crate::delivering::retrying::{self, Retried};
use crate::delivering::why::{Because, Obstacles, because};
use crate::domain::{delivery::State as Of, role::Right};
use crate::newsroom::{Error, Me};
use crate::store;

/// `GET /admin/deliveries/{id}`
pub async fn one(State(cx): State<Context>, frame: Frame, me: Me, At(id): At<i64>) -> Answer {
    match content(&cx, &me, id).await? {
        Some(content) => frame.ok("delivery.html", &content),
        None => Err(missing()),
    }
}

/// `POST /admin/deliveries/{id}/retry`
pub async fn retry(State(cx): State<Context>, me: Me, At(id): At<i64>) -> Answer {
    match retrying::one(&cx, &me.actor(), id).await? {
        Some(Retried { queued: true, .. }) => done(&format!("/admin/deliveries/{id}"), "retried"),
        Some(_) => {
            let text = "It is neither put off nor given up any more. Nothing was changed.";
            Err(Refusal::new(StatusCode::CONFLICT, "There is nothing to try again", text))
        }
        None => Err(missing()),
    }
}

async fn content(cx: &Context, me: &Me, id: i64) -> Result<Option<Value>, Error> {
    let mut tx = cx.db.read().await?;
    let Some(found) = store::queue::find(&mut tx, id).await? else { return Ok(None) };
    let subscriber = store::deliveries::subscriber_of(&mut tx, id).await?;
    let obstacles = Obstacles::read(cx, &mut tx).await?;
    let tried: Vec<_> = store::attempts::of(&mut tx, id)
        .await?
        .into_iter()
        .map(|tried| {
            let code = tried.reply_code.map(|code| format!("{code} ")).unwrap_or_default();
            json!({
                "at": when(tried.at),
                "relay": tried.relay,
                "verdict": tried.verdict,
                "reply": format!("{code}{}", tried.reply_text),
            })
        })
        .collect();
    let again = matches!(found.state, Of::Deferred | Of::Failed) && me.user.role.may(Right::Release);
    Ok(Some(json!({
        "id": id,
        "address": found.address,
        "subscriber": subscriber,
        "issue": found.issue,
        "subject": found.subject,
        "kind": found.kind,
        "state": tag(found.state),
        "due": when(found.due_at),
        "ended": found.ended_at.map(when),
        "attempts": found.attempts,
        "relay": found.relay,
        "reply": found.reply(),
        "tried": tried,
        "because": because(cx, &found, &obstacles).iter().map(Because::on_page).collect::<Vec<_>>(),
        "again": again,
    })))
}
