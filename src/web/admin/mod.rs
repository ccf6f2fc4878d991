//! `/admin`: the newsroom. Pages for people who are signed in, made on the server; a form posts, and an answer that
//! changed something leads to a page by 303, so that nothing is sent twice by reloading. `gate` lets in, `frame` is
//! what stands around every page.

pub mod account;
pub mod audit;
pub mod codes;
pub mod cookie;
pub mod deliveries;
pub mod desk;
pub mod desk_reader;
mod figures;
pub mod frame;
pub mod gate;
pub mod issues;
pub mod links;
pub mod lists;
pub mod live;
mod newsletter;
pub mod overview;
pub mod races;
pub mod sign_in;
pub mod sources;
pub mod subscribers;
pub mod tokens;
pub mod users;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use crate::newsroom::Error;
use frame::Frame;

/// `GET /admin/`, as people type it.
pub async fn home() -> Redirect {
    Redirect::permanent("/admin")
}

/// Leads to another page once something was done; `said` is a word of [`frame::SAID`], which that page shows.
pub fn done(path: &str, said: &str) -> Response {
    Redirect::to(&format!("{path}?done={said}")).into_response()
}

/// What kept something from being done: in words for whoever asked, or a page that says it was our fault.
pub fn failure(frame: &Frame, error: &Error) -> Response {
    match error {
        Error::Refused(why) | Error::Taken(why) => {
            let text = format!("{why} Nothing was changed.");
            frame.message(StatusCode::UNPROCESSABLE_ENTITY, "That can’t be done", &text)
        }
        Error::Store(_) | Error::Compose(_) | Error::Hashing(_) | Error::Repeated => ours(frame, error),
    }
}

/// A page that says it was our fault; the log has what it was.
pub fn ours(frame: &Frame, error: &impl std::fmt::Display) -> Response {
    tracing::error!(%error, "a page of the newsroom could not be answered");
    let text = "Nothing was changed. Please try again in a minute.";
    frame.message(StatusCode::SERVICE_UNAVAILABLE, "Something is wrong on our side", text)
}

/// What is not there, or not any more.
pub fn missing(frame: &Frame) -> Response {
    frame.message(
        StatusCode::NOT_FOUND,
        "There is no such page",
        "It may be gone, or the address is mistyped.",
    )
}

/// An instant as pages show it, to the minute.
pub fn when(at: crate::domain::time::Timestamp) -> serde_json::Value {
    let text = at.to_jiff().strftime("%-d %b %Y, %H:%M UTC").to_string();
    json!({ "text": text, "machine": at })
}
