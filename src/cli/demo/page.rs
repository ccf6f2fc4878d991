//! What the mailbox's and the sample site's pages share: rendering, their headers, and the check of where a POST
//! comes from.

use std::future::Future;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tera::{Context, Tera};
use tokio::net::TcpListener;

/// Serves until `shutdown` is ready. Does not wait for open connections: a page that listens for news never closes.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let serving = std::future::IntoFuture::into_future(axum::serve(listener, router));
    tokio::select! {
        // axum documents that it never ends by itself, and goes on after errors of accept.
        _ = serving => {}
        () = shutdown => {}
    }
}

/// Renders a page under a content security policy.
pub fn render(templates: &Tera, name: &str, context: &Context, policy: &str) -> Response {
    match templates.render(name, context) {
        Ok(html) => html_page(html, policy),
        Err(error) => {
            tracing::error!("the demo's page {name} can't be shown: {error}");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "This page can't be shown; the demo's log says why.")
        }
    }
}

/// HTML under a content security policy.
pub fn html_page(html: String, policy: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, html).into_response()
}

/// A style sheet, script or picture that is part of the program.
pub fn asset(kind: &'static str, content: impl Into<axum::body::Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, content.into()).into_response()
}

/// A plain sentence with a status.
pub fn refusal(status: StatusCode, sentence: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], sentence).into_response()
}

/// Extracted by what a button does: refuses a POST that a page of another origin sent. A program that is no browser
/// names no origin and may post.
pub struct SameOrigin;

impl<S: Sync> FromRequestParts<S> for SameOrigin {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        if is_same_origin(&parts.headers) {
            Ok(Self)
        } else {
            Err((
                StatusCode::FORBIDDEN,
                "This button works from the demo's own page only: open it and try again.",
            ))
        }
    }
}

fn is_same_origin(headers: &HeaderMap) -> bool {
    let bytes = |name| headers.get(name).map(HeaderValue::as_bytes);
    match (bytes(HeaderName::from_static("sec-fetch-site")), bytes(header::ORIGIN)) {
        (Some(site), _) => site == b"same-origin",
        (None, Some(origin)) => origin.strip_prefix(b"http://") == bytes(header::HOST),
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(headers: &[(&'static str, &'static str)]) -> bool {
        let header = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        is_same_origin(&headers.iter().copied().map(header).collect())
    }

    #[test]
    fn a_post_from_another_page_is_refused() {
        let host = ("host", "127.0.0.1:8025");
        assert!(allowed(&[host]));
        assert!(allowed(&[host, ("origin", "http://127.0.0.1:8025")]));
        assert!(allowed(&[host, ("sec-fetch-site", "same-origin")]));
        assert!(!allowed(&[host, ("origin", "http://127.0.0.1:8080")]));
        assert!(!allowed(&[host, ("origin", "null")]));
        assert!(!allowed(&[host, ("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:8025")]));
        assert!(!allowed(&[host, ("sec-fetch-site", "cross-site")]));
    }
}
