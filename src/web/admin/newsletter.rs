//! What the desk shows of a newsletter beside what it shows of an alert: when it goes out, on whose clock; and what was
//! released and hasn't gone yet.

use serde_json::{Value, json};

use crate::context::Context;
use crate::domain::{
    draft::{Kind, LATEST, Text},
    time::{MINUTE, Timestamp},
    wall,
};
use crate::publishing::{self, live::Live, releasing};
use crate::store;

/// What the form says of its time; none for an alert.
pub fn form(cx: &Context, text: &Text) -> Option<Value> {
    if text.kind == Kind::Alert {
        return None;
    }
    let schedule = cx.config.schedules.first().map(|schedule| schedule.cadence.timezone());
    let usual = schedule.unwrap_or("UTC");
    Some(json!({
        "zones": wall::zones(),
        "timezone": if text.timezone.is_empty() { usual } else { &text.timezone },
        "latest": LATEST.as_secs() / 3_600,
    }))
}

/// When it would go, in words; none for at once, or where the time can't be read.
pub fn goes(text: &Text) -> Option<String> {
    let at = text.goes_at().ok().flatten()?;
    Some(wall::told(at, text.timezone_or_utc()))
}

/// When a held issue goes, in words, where that is not in a moment.
///
/// # Errors
/// A database that can't be read.
pub async fn waits_until(cx: &Context, progress: &Live) -> Result<Option<String>, publishing::Error> {
    let Some(until) = progress.held_until.filter(|until| until.since(progress.now) > 10 * MINUTE) else {
        return Ok(None);
    };
    let written = match releasing::draft_of(cx, progress.issue).await? {
        Some(draft) => publishing::desk::find(cx, draft).await?,
        None => None,
    };
    Ok(Some(wall::told(until, written.as_ref().map_or("UTC", |written| written.text.timezone_or_utc()))))
}

/// What was released and hasn't gone yet, the next first.
///
/// # Errors
/// A database that can't be read.
pub async fn released(cx: &Context) -> Result<Vec<Value>, publishing::Error> {
    let mut tx = cx.db.read().await?;
    let held = store::drafts::held(&mut tx, 50).await?;
    let shown = |(id, subject, until): (uuid::Uuid, String, Timestamp)| json!({ "id": id, "subject": subject, "until": super::when(until) });
    Ok(held.into_iter().map(shown).collect())
}
