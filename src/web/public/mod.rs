//! The pages that visitors and readers see. A GET shows and changes nothing, for mail scanners open every link; a POST
//! needs no cookie and no script, and answers with a page, not with a redirect.

pub mod archive;
mod atom;
pub mod confirm;
pub mod form;
pub mod issue;
pub mod preferences;
pub mod sign_up;
pub mod unsubscribe;

use axum::extract::{FromRequestParts, Path};
use axum::http::{StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};

use super::message;
use super::pages::{Faults, Page, Site};
use crate::context::Context;
use crate::domain::topic::Slug;
use crate::subscribing::{Error, TopicChoice};

/// The token of a link from a mail; one that can't even be read is as invalid as a forged one.
pub struct Link(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Link {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let token = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(token.map_or_else(|_| String::new(), |Path(token)| token)))
    }
}

/// The page, or the page that says why not.
fn answer(cx: &Context, outcome: Result<Page, Error>) -> Response {
    match outcome {
        Ok(page) => page.respond(&Site::of(&cx.config), StatusCode::OK),
        Err(error) => failure(cx, &error),
    }
}

fn failure(cx: &Context, error: &Error) -> Response {
    let (status, title, text) = match error {
        Error::BadLink => (
            StatusCode::NOT_FOUND,
            "This link doesn’t work",
            "It may have been cut off by the mail program. Open it from the mail once more, or copy all of it into the address bar.",
        ),
        Error::UnknownTopic(_) | Error::NothingAsked => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "That can’t be done",
            "Choose alerts, a digest, or both, of at least one topic that we have.",
        ),
        Error::Store(_) | Error::Compose(_) => {
            tracing::error!(%error, "a page could not be answered");
            (StatusCode::SERVICE_UNAVAILABLE, OURS.0, OURS.1)
        }
    };
    message(cx, status, title, text)
}

/// When it is our fault: a headline and what to do.
const OURS: (&str, &str) =
    ("Something is wrong on our side", "Nothing was changed. Please try again in a few minutes.");

/// "Too many": what to do, and `Retry-After` for programs (RFC 9110, section 10.2.3).
fn too_many(response: Response, retry_after: std::time::Duration) -> Response {
    let seconds = retry_after.as_secs().max(1).to_string();
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds)], response).into_response()
}

/// "in 12 minutes", rounded up.
fn in_about(wait: std::time::Duration) -> String {
    match wait.as_secs().div_ceil(60) {
        0 | 1 => "in a minute".to_owned(),
        minutes @ 2..=90 => format!("in {minutes} minutes"),
        minutes => format!("in {} hours", minutes.div_ceil(60)),
    }
}

fn slugs(topics: &[TopicChoice]) -> Vec<Slug> {
    topics.iter().map(|topic| topic.slug.clone()).collect()
}

fn chosen(topics: &[TopicChoice]) -> Vec<Slug> {
    topics.iter().filter(|topic| topic.chosen).map(|topic| topic.slug.clone()).collect()
}

/// The topics with a tick where `form` has one, or all as `otherwise` where it didn't ask.
fn ticked(topics: Vec<TopicChoice>, form: &form::Form) -> Vec<TopicChoice> {
    let Some(wanted) = &form.topics else { return topics };
    let tick = |topic: TopicChoice| TopicChoice {
        chosen: wanted.iter().any(|slug| slug == topic.slug.as_str()),
        ..topic
    };
    topics.into_iter().map(tick).collect()
}

/// The first fault of each field, to stand beside it.
fn beside(faults: &[form::Fault]) -> Faults {
    let first = |field| faults.iter().find(|fault| fault.field == field).map(|fault| fault.detail.clone());
    Faults {
        email: first(form::Field::Email),
        topics: first(form::Field::Topics),
        alerts: first(form::Field::Alerts),
        digest: first(form::Field::Digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn waits_are_told_in_words_and_never_too_short() {
        assert_eq!(in_about(Duration::from_millis(1)), "in a minute");
        assert_eq!(in_about(Duration::from_secs(61)), "in 2 minutes");
        assert_eq!(in_about(Duration::from_secs(59 * 60 + 1)), "in 60 minutes");
        assert_eq!(in_about(Duration::from_secs(5 * 3600 + 1)), "in 6 hours");
    }
}
