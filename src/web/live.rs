//! How something gets on, told twice a second by server-sent events (WHATWG HTML, section 9.2): to a page of the newsroom
//! and to a program alike.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;

use crate::context::Context;
use crate::publishing::live::{Live, live};

/// How often it is told.
const BEAT: Duration = Duration::from_millis(500);
/// Who listens for longer asks anew.
const LONGEST: u32 = 2 * 60 * 60;
/// After so many beats it is asked again whether they still may.
const TRUST: u32 = 4;

/// Who was let in to listen.
pub trait Listener: Send + 'static {
    /// Whether they would be let in now. Who was signed out, or whose token was revoked, hears no more.
    fn may_listen(&self, cx: &Context) -> impl Future<Output = bool> + Send;
}

/// How far an issue has got, until nothing changes any more.
pub fn progress(cx: Context, listener: impl Listener, progress: Live) -> Response {
    told(cx, listener, progress, |cx, progress| {
        let cx = cx.clone();
        async move {
            if progress.is_over() {
                return None;
            }
            live(&cx, progress.issue).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the progress of an issue can't be read; whoever listens asks anew");
                None
            })
        }
    })
}

/// How it stands, twice a second, until `next` gives nothing any more or the listener may not hear it.
pub fn told<T, F>(
    cx: Context,
    listener: impl Listener,
    first: T,
    next: impl Fn(&Context, T) -> F + Send + 'static,
) -> Response
where
    T: Serialize + Send + 'static,
    F: Future<Output = Option<T>> + Send,
{
    let begun = (cx, listener, next, first, 0_u32);
    let events = stream::unfold(begun, |(cx, listener, next, mut current, told)| async move {
        if told > LONGEST {
            return None;
        }
        if told > 0 {
            tokio::time::sleep(BEAT).await;
            if told.is_multiple_of(TRUST) && !listener.may_listen(&cx).await {
                return None;
            }
            current = next(&cx, current).await?;
        }
        let event = Event::default().json_data(&current).unwrap_or_default();
        Some((Ok::<_, Infallible>(event), (cx, listener, next, current, told + 1)))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}
