//! The one cookie: a random value that is a session's once somebody is signed in, and before that holds a form's token
//! together with whoever got the form.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::context::Context;

/// With TLS its name lets no other host of the domain set it (RFC 6265bis, section 4.1.3.2).
fn name(cx: &Context) -> &'static str {
    if is_https(cx) { "__Host-bellwether" } else { "bellwether" }
}

fn is_https(cx: &Context) -> bool {
    cx.config.server.public_url.scheme() == "https"
}

/// The value that a request carries; one that can't be ours is none.
pub fn of(cx: &Context, headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name(cx))?;
    let ours =
        value.len() == 43 && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    ours.then(|| value.to_owned())
}

/// Gives the browser a value until it is closed: the end of a session is the server's to say.
pub fn set(cx: &Context, headers: &mut HeaderMap, value: &str) {
    let secure = if is_https(cx) { "; Secure" } else { "" };
    let cookie = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}", name(cx));
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        headers.append(header::SET_COOKIE, cookie);
    }
}
