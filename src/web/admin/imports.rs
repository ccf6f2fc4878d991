//! `/admin/subscribers/import/{id}`: how far an import is, and what came of it. The page asks for itself twice a second; without
//! a script it is read anew.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Answer, At, Refusal,
    figures::{counted, number},
    frame::Frame,
    lists, missing, when,
};
use crate::context::Context;
use crate::domain::{import_progress::State as Stands, time::about};
use crate::subscribing::imports::{self, Import};

/// `GET /admin/subscribers/import/{id}`
pub async fn page(State(cx): State<Context>, frame: Frame, At(id): At<Uuid>) -> Answer {
    let import = find(&cx, id).await?;
    let report = import.summary.as_ref().map(|summary| lists::told(summary, true, &import.row.file));
    let content = json!({
        "id": import.row.public_id,
        "file": import.row.file,
        "running": import.state == Stands::Running,
        "broken_off": import.state == Stands::BrokenOff,
        "percent": import.percent,
        "says": says(&import),
        "by": import.row.created_by,
        "at": when(import.row.begun_at),
        "report": report,
    });
    frame.ok("importing.html", &content)
}

/// `GET /admin/subscribers/import/{id}/state`
pub async fn state(State(cx): State<Context>, At(id): At<Uuid>) -> Answer {
    let import = find(&cx, id).await?;
    let state = json!({ "state": import.state, "percent": import.percent, "says": says(&import) });
    Ok(Json(state).into_response())
}

/// As in "35 % of 200,000 rows, about 12 s left".
fn says(import: &Import) -> String {
    let rows = counted(import.row.rows_all, "row", "rows");
    let left = import.left.map(|left| format!(", {} left", about(left))).unwrap_or_default();
    format!("{} % of {rows}{left}", import.percent)
}

/// As the page of imports lists it.
pub fn listed(import: &Import) -> Value {
    let stands = match import.state {
        Stands::Running => says(import),
        Stands::BrokenOff => format!("broke off at {} %", import.percent),
        Stands::Done => match &import.summary {
            Some(summary) => {
                format!("{} added", number(i64::try_from(summary.tally.added).unwrap_or(i64::MAX)))
            }
            None => String::new(),
        },
    };
    json!({ "id": import.row.public_id, "file": import.row.file, "by": import.row.created_by, "at": when(import.row.begun_at), "stands": stands })
}

async fn find(cx: &Context, id: Uuid) -> Result<Import, Refusal> {
    imports::find(cx, id).await?.ok_or_else(missing)
}
