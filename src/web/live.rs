//! How far an issue has got, told twice a second by server-sent events (WHATWG HTML, section 9.2): to a page of the
//! newsroom and to a program alike.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use uuid::Uuid;

use crate::context::Context;
use crate::publishing::live::{Live, live};

/// How often it is told.
const BEAT: Duration = Duration::from_millis(500);
/// Who listens for longer asks anew.
const LONGEST: u32 = 2 * 60 * 60;

/// The state, twice a second, until nothing changes any more.
pub fn told(cx: Context, progress: Live) -> Response {
    let events = stream::unfold((cx, Some(progress), 0_u32), |(cx, current, told)| async move {
        let current = current?;
        let event = Event::default().json_data(&current).unwrap_or_default();
        let next = if current.is_over() || told > LONGEST {
            None
        } else {
            tokio::time::sleep(BEAT).await;
            progress_of(&cx, current.issue).await
        };
        Some((Ok::<_, Infallible>(event), (cx, next, told + 1)))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

async fn progress_of(cx: &Context, issue: Uuid) -> Option<Live> {
    match live(cx, issue).await {
        Ok(progress) => progress,
        Err(error) => {
            tracing::warn!(%error, "the progress of an issue can't be read; whoever listens asks anew");
            None
        }
    }
}
