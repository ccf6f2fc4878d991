//! Reads on what a handler left of a request's body, up to a bound. A client that is still sending when the connection
//! closes sees a broken connection in place of the answer that says what is wrong (RFC 9112, section 9.6).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use tokio::sync::Mutex;

/// In bytes; who sends more than this too much is cut off.
const MOST: usize = 16 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// Hands the request on, and its answer back once the rest of the body has come.
pub async fn read_on(request: Request, next: Next) -> Response {
    // Who asks before sending (100-continue) has sent nothing yet where the answer is no.
    if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body.into_data_stream()));
    let handed_on = stream::unfold(Arc::clone(&body), async |body| {
        let part = body.lock().await.next().await?;
        Some((part, body))
    });
    let response = next.run(Request::from_parts(parts, Body::from_stream(handed_on))).await;
    let rest = async {
        let mut body = body.lock().await;
        let mut length = 0;
        while let Some(Ok(part)) = body.next().await {
            length += part.len();
            if length > MOST {
                break;
            }
        }
    };
    // What takes longer is cut off as well.
    let _ = tokio::time::timeout(PATIENCE, rest).await;
    response
}
