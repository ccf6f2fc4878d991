//! How a handler of the newsroom answers: with a page or a way to one, or with what kept it. The gate makes a page of that,
//! so `?` hands it on and no handler says how it looks.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::{StatusCode, request::Parts};
use axum::response::{IntoResponse, Redirect, Response};

use super::frame::Frame;
use crate::newsroom::sources::Error as SourceError;
use crate::{delivering, mail, newsroom, publishing, store, subscribing};

pub type Answer = Result<Response, Refusal>;

/// A headline and a sentence, instead of what was asked.
#[derive(Clone, Debug)]
pub struct Refusal {
    status: StatusCode,
    title: &'static str,
    text: String,
    /// A page that helps, and what leads there.
    way: Option<(String, &'static str)>,
}

impl Refusal {
    pub fn new(status: StatusCode, title: &'static str, text: impl Into<String>) -> Self {
        Self { status, title, text: text.into(), way: None }
    }

    /// With a way to a page that helps.
    #[must_use]
    pub fn leading(mut self, path: String, words: &'static str) -> Self {
        self.way = Some((path, words));
        self
    }

    /// What was asked can't be done; `why` is a sentence.
    fn cant(why: &str) -> Self {
        let text = format!("{why} Nothing was changed.");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "That can’t be done", text)
    }

    /// Our fault; the log has what it was.
    pub fn ours(error: &impl Display) -> Self {
        tracing::error!(%error, "a page of the newsroom could not be answered");
        let text = "Nothing was changed. Please try again in a minute.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Something is wrong on our side", text)
    }

    pub fn page(&self, frame: &Frame) -> Response {
        frame.message(self.status, self.title, &self.text, self.way.as_ref())
    }
}

/// What is not there, or not any more.
pub fn missing() -> Refusal {
    let text = "It may be gone, or the address is mistyped.";
    Refusal::new(StatusCode::NOT_FOUND, "There is no such page", text)
}

/// Leads to another page.
pub fn go(path: &str) -> Answer {
    Ok(Redirect::to(path).into_response())
}

/// The same once something was done; `said` is a word of [`super::frame::SAID`], which that page shows.
pub fn done(path: &str, said: &str) -> Answer {
    go(&format!("{path}?done={said}"))
}

/// For the gate, which knows what stands around every page.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<newsroom::Error> for Refusal {
    fn from(error: newsroom::Error) -> Self {
        match error {
            newsroom::Error::Refused(why) | newsroom::Error::Taken(why) => Self::cant(&why),
            error => Self::ours(&error),
        }
    }
}

impl From<SourceError> for Refusal {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Missing => missing(),
            SourceError::Refused(why) => Self::cant(&why),
            // Where no form shows them by their fields.
            SourceError::Wrong(_) => Self::cant(&format!("{error}.")),
            SourceError::Store(error) => Self::ours(&error),
        }
    }
}

/// Errors that nobody who looks at a page can help.
macro_rules! ours {
    ($($error:ty),*) => {
        $(impl From<$error> for Refusal {
            fn from(error: $error) -> Self {
                Self::ours(&error)
            }
        })*
    };
}

ours!(store::Error, publishing::Error, delivering::Error, subscribing::Error, mail::compose::ComposeError);

/// What stands in the place of a path, as in `/admin/desk/{id}`; what can't be read names nothing.
pub struct At<T>(pub T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for At<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let text = Path::<String>::from_request_parts(parts, state).await.map_err(|_| missing())?;
        text.parse().map(Self).map_err(|_| missing())
    }
}
