//! `GET /metrics` on a listener of its own, and nothing else there.

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::context::Context;
use crate::domain::issue::Lane;
use crate::store;

/// Prometheus' text format, by its version.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the metrics' listener serves.
pub fn router(cx: Context) -> Router {
    Router::new().route("/metrics", get(show)).with_state(cx)
}

async fn show(State(cx): State<Context>) -> impl IntoResponse {
    // The queue is counted when somebody asks: a long one takes a moment, which nobody who sends waits for.
    match queued(&cx).await {
        Ok(counts) => cx.metrics.queued(Some(&counts)),
        Err(error) => {
            tracing::warn!(%error, "the queue can't be counted for the metrics");
            cx.metrics.queued(None);
        }
    }
    ([(header::CONTENT_TYPE, TEXT)], cx.metrics.text())
}

async fn queued(cx: &Context) -> store::Result<Vec<(Lane, i64)>> {
    let mut tx = cx.db.read().await?;
    let counts = store::queue::queued(&mut tx).await?;
    Ok(counts.into_iter().map(|(priority, count)| (Lane::of(priority), count)).collect())
}
