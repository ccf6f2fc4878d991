//! HTTP: the public pages, the API and the newsroom, by one table (`routes`), and what holds for every answer: strict headers, a page or a problem for what
//! isn't there.

pub mod admin;
pub mod api;
mod assets;
mod body;
pub mod client;
pub mod json;
mod live;
pub mod metrics;
pub mod pages;
pub mod problem;
pub mod public;
mod readers_csv;
pub mod routes;
mod unread;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{from_fn, map_response};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tokio::sync::watch;

use crate::context::Context;
use crate::store;
use pages::{Page, Site};
use problem::Problem;

/// The whole HTTP surface. It wants to be served with the peer's address
/// (`into_make_service_with_connect_info::<SocketAddr>()`).
pub fn router(cx: Context) -> Router {
    routes::table(&cx)
        .router
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(map_response(with_strict_headers))
        .layer(from_fn(unread::read_on))
        .with_state(cx)
}

/// The same, whose streams of events end when `stop` says so: who listens asks anew, and a service that stops waits for none.
/// A download goes on.
pub fn router_until(cx: Context, stop: watch::Receiver<bool>) -> Router {
    router(cx).layer(map_response(move |response: Response| {
        let mut stop = stop.clone();
        async move {
            let kind = response.headers().get(header::CONTENT_TYPE);
            if kind.is_none_or(|kind| kind != "text/event-stream") {
                return response;
            }
            let (parts, body) = response.into_parts();
            // An error means that the sender is gone, which is a stop as well.
            let stopped = async move { _ = stop.wait_for(|stop| *stop).await };
            let events = body.into_data_stream().take_until(Box::pin(stopped));
            Response::from_parts(parts, Body::from_stream(events))
        }
    }))
}

/// What no page of ours needs, no page of ours may do.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
     img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

async fn with_strict_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let strict = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::REFERRER_POLICY, "no-referrer"), // the addresses of pages hold tokens
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in strict {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Search engines may have what is public. A page that is somebody's says so itself, by its header, which is only read by who
/// may ask for it; the newsroom and the API have nothing for them.
async fn robots() -> &'static str {
    "User-agent: *\nDisallow: /admin/\nDisallow: /api/\n"
}

/// That the program lives, and in the second line what it can't do now: no restart would mend that, so it is no error. Whose
/// it is stands in the header, for the commands: several installations may be on one machine.
async fn alive(State(cx): State<Context>) -> ([(&'static str, String); 1], String) {
    let says = if cx.metrics.is_on_hold() { format!("ok\n{ON_HOLD}") } else { "ok".to_owned() };
    ([(INSTALLATION, cx.installation())], says)
}

/// The header of `/healthz` with the installation's name.
pub const INSTALLATION: &str = "bellwether-installation";

/// The database's disk is full, or it can't be reached.
const ON_HOLD: &str = "sending is on hold: the database takes no writes; the log says what it answers";

/// Whether the database answers and takes what was sent. A relay's outage must not take sign-up down, so no relay is asked.
async fn ready(State(cx): State<Context>) -> (StatusCode, &'static str) {
    let asking = async {
        let mut tx = cx.db.read().await?;
        store::topics::all(&mut tx).await
    };
    match tokio::time::timeout(READY_WITHIN, asking).await {
        Ok(Ok(_)) if cx.metrics.is_on_hold() => (StatusCode::SERVICE_UNAVAILABLE, ON_HOLD),
        Ok(Ok(_)) => (StatusCode::OK, "ready"),
        Ok(Err(error)) => {
            tracing::error!(%error, "not ready: the database doesn't answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the database doesn't answer")
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database is too slow"),
    }
}

/// A load balancer that waits longer has given up.
const READY_WITHIN: std::time::Duration = std::time::Duration::from_secs(2);

async fn asset(
    State(cx): State<Context>,
    uri: Uri,
    version: Result<Query<assets::Version>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let version = version.map(|Query(version)| version).unwrap_or_default();
    let name = uri.path().trim_start_matches("/static/");
    match assets::serve(name, &version, &headers) {
        Some(file) => file,
        None => not_found(State(cx), uri.clone()).await,
    }
}

async fn not_found(State(cx): State<Context>, uri: Uri) -> Response {
    let status = StatusCode::NOT_FOUND;
    if is_api(&uri) {
        return Problem::new(status, format!("There is nothing at {}.", uri.path())).into_response();
    }
    let text = "The address may be mistyped, or the page may have moved.";
    say(&cx, status, "There is no such page", text, is_newsroom(&uri))
}

async fn wrong_method(State(cx): State<Context>, uri: Uri) -> Response {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    if is_api(&uri) {
        let detail =
            format!("{} doesn't take this method; the Allow header says which it takes.", uri.path());
        return Problem::new(status, detail).into_response();
    }
    let text = "This address only receives what a form sends.";
    say(&cx, status, "Nothing to see here", text, is_newsroom(&uri))
}

fn is_newsroom(uri: &Uri) -> bool {
    uri.path().starts_with("/admin/")
}

fn is_api(uri: &Uri) -> bool {
    uri.path().starts_with("/api/")
}

fn message(cx: &Context, status: StatusCode, title: &str, text: &str) -> Response {
    say(cx, status, title, text, false)
}

fn say(cx: &Context, status: StatusCode, title: &str, text: &str, newsroom: bool) -> Response {
    let page = Page::Message { title: title.to_owned(), text: text.to_owned(), newsroom };
    page.respond(&Site::of(&cx.config), status)
}
