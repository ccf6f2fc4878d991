//! The list of readers as a file, a piece at a time: what the newsroom's page and the API answer alike.

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::context::Context;
use crate::subscribing::exporting::Export;

/// An export that has begun, as a download of this media type.
pub fn download(cx: &Context, export: Export, media_type: &'static str) -> Response {
    let lines = stream::unfold(Some(export), async |export| {
        let mut export = export?;
        match export.next().await {
            Ok(lines) => lines.map(|lines| (Ok(lines), Some(export))),
            Err(error) => {
                tracing::error!(%error, "an export broke off");
                Some((Err(std::io::Error::other(error)), None))
            }
        }
    });
    let name =
        format!("attachment; filename=\"readers-{}.csv\"", cx.clock.now().to_jiff().strftime("%Y-%m-%d"));
    let about = [(header::CONTENT_TYPE, media_type.to_owned()), (header::CONTENT_DISPOSITION, name)];
    (about, Body::from_stream(lines)).into_response()
}
