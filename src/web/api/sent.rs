//! What a call sends: JSON, read before the handler begins, or a body of another kind.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::web::body::{self, Unreadable};
use crate::web::json;
use crate::web::problem::Problem;

/// The largest JSON body, in bytes.
const LARGEST: usize = 1024 * 1024;
/// How long it may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// The JSON of a call, and how it came. It is no call of ours with 415, 413, 408 (as [`Raw::read`]), 400 and 422 (as
/// [`json::read`]).
pub struct Sent<T>(pub T, pub Raw);

/// A body as it came, by which a call is known again.
pub struct Raw {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let raw = Raw::read(request, "application/json", LARGEST, PATIENCE).await?;
        Ok(Self(json::read(&raw.body)?, raw))
    }
}

impl Raw {
    /// The body of a request of this kind, of at most `largest` bytes, within `patience`.
    ///
    /// # Errors
    /// 415 for what says it is of another kind, 413 for what is too large, 408 for what takes too long.
    pub async fn read(
        request: Request,
        wanted: &str,
        largest: usize,
        patience: Duration,
    ) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let headers = parts.headers;
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let essence = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        if essence != wanted {
            let detail = format!("Send the body as Content-Type: {wanted}.");
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let body = body::read(body, largest, patience).await.map_err(|unreadable| match unreadable {
            Unreadable::TooLarge => {
                let detail = format!("The body may have {largest} bytes at most.");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
            }
            Unreadable::TooSlow => {
                let detail = format!("The body did not arrive within {} s.", patience.as_secs());
                Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
            }
            Unreadable::CutShort => Problem::new(StatusCode::BAD_REQUEST, "The body was cut short."),
        })?;
        Ok(Self { headers, body })
    }
}
