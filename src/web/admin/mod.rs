//! `/admin`: the newsroom. Pages for people who are signed in, made on the server; a form posts, and an answer that
//! changed something leads to a page by 303, so that nothing is sent twice by reloading. `gate` lets in, `frame` is
//! what stands around every page.

pub mod account;
mod answer;
pub mod audit;
pub mod codes;
pub mod cookie;
pub mod deliveries;
pub mod desk;
pub mod desk_reader;
mod figures;
pub mod frame;
pub mod gate;
pub mod imports;
pub mod issues;
pub mod links;
pub mod lists;
pub mod live;
mod newsletter;
pub mod overview;
pub mod race;
pub mod races;
pub mod sign_in;
pub mod sources;
pub mod subscribers;
pub mod tokens;
pub mod users;

use axum::response::Redirect;
use serde_json::json;

use answer::{Answer, At, Refusal, done, go, missing};

/// `GET /admin/`, as people type it.
pub async fn home() -> Redirect {
    Redirect::permanent("/admin")
}

/// An instant as pages show it, to the minute.
pub fn when(at: crate::domain::time::Timestamp) -> serde_json::Value {
    let text = at.to_jiff().strftime("%-d %b %Y, %H:%M UTC").to_string();
    json!({ "text": text, "machine": at })
}
