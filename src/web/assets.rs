//! Style sheets, scripts and pictures, inside the binary. Their addresses carry a hash of what they hold, so that a
//! browser keeps them for good and asks anew only after an upgrade.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

#[derive(rust_embed::Embed)]
#[folder = "src/web/static/"]
struct Assets;

/// What follows the "?" of an asset's address.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct Version {
    v: String,
}

/// The address of an asset; none where there is no such file.
pub fn url(name: &str) -> Option<String> {
    Assets::get(name).map(|file| format!("/static/{name}?v={}", short_hash(&file)))
}

/// What an asset says, for those that become part of a page.
pub fn text(name: &str) -> Option<String> {
    Assets::get(name).and_then(|file| String::from_utf8(file.data.into_owned()).ok())
}

/// Serves one asset; none where there is no such file. For a year where the hash was asked for and is the right one,
/// else with an `ETag` to ask by (RFC 9110, section 8.8.3).
pub fn serve(name: &str, version: &Version, headers: &HeaderMap) -> Option<Response> {
    let file = Assets::get(name)?;
    let hash = short_hash(&file);
    let tag = format!("\"{hash}\"");
    let pinned = version.v == hash;
    let caching = if pinned { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    if known.is_some_and(|tags| tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)) {
        let caching = [(header::ETAG, tag), (header::CACHE_CONTROL, caching.to_owned())];
        return Some((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let about = [
        (header::CONTENT_TYPE, media_type(name).to_owned()),
        (header::ETAG, tag),
        (header::CACHE_CONTROL, caching.to_owned()),
    ];
    Some((about, file.data.into_owned()).into_response())
}

fn short_hash(file: &rust_embed::EmbeddedFile) -> String {
    file.metadata.sha256_hash()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}
