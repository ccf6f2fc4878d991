//! The gate before every route of the newsroom: who is it, have they shown all that is asked, may they, and does a
//! form that changes something come from a page of ours. Whatever the table of routes doesn't allow is refused here.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::{Refusal, cookie, frame::Frame};
use crate::context::Context;
use crate::domain::{
    network,
    role::{Right, Role},
};
use crate::newsroom::signing_in::{self, Origin};
use crate::newsroom::{Me, Standing};
use crate::web::body;
use crate::web::client::Client;
use crate::web::live::Listener;
use crate::web::public::form::PATIENCE;
use crate::web::routes::Who;

/// The largest form, in bytes. What is larger, as a file, comes as multipart with its token beside it.
const LARGEST: usize = 1024 * 1024;
/// Where scripts, and forms with files in them, carry the token.
const TOKEN_HEADER: &str = "x-csrf-token";

/// As for all pages, and scripts of ours may ask us how it goes.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; \
     img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A request that was let in.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The cookie's value: a session's, or a stranger's.
    pub cookie: String,
    pub me: Option<Me>,
}

/// Lets in whom `who` means, with a [`Visit`] among the request's extensions.
pub async fn admit(State((cx, who)): State<(Context, Who)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let network = match Client::from_request_parts(&mut parts, &cx).await {
        Ok(Client(address)) => network::name(address),
        Err(rejection) => return rejection.into_response(),
    };
    let known = cookie::of(&cx, &parts.headers);
    let me = match &known {
        Some(cookie) => signing_in::who(&cx, cookie, &network).await,
        None => Ok(None),
    };
    let fresh = known.is_none();
    let cookie = known.unwrap_or_else(|| crate::domain::token::ticket(cx.entropy.bytes()));
    let (me, failed) = match me {
        Ok(me) => (me, None),
        Err(error) => (None, Some(error)),
    };
    let visit = Arc::new(Visit { cookie, me });
    let frame = Frame::new(&cx, Arc::clone(&visit), &parts);
    let mut response = match failed {
        Some(error) => Refusal::from(error).page(&frame),
        None => match check(&cx, who, &visit, &frame, &parts) {
            Err(refusal) => *refusal,
            Ok(()) => pass(&cx, &visit, &frame, parts, body, next).await,
        },
    };
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        response = refusal.page(&frame);
    }
    let headers = response.headers_mut();
    if fresh && !headers.contains_key(header::SET_COOKIE) {
        cookie::set(&cx, headers, &visit.cookie);
    }
    // With "no-referrer" browsers send a form's Origin as "null", and we could not tell it from a stranger's.
    let quiet = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    for (name, value) in quiet {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Whether they may, and what they get instead.
fn check(cx: &Context, who: Who, visit: &Visit, frame: &Frame, parts: &Parts) -> Result<(), Box<Response>> {
    let standing = visit.me.as_ref().map(|me| me.standing(cx));
    let elsewhere = |path: &str| Err(Box::new(Redirect::to(path).into_response()));
    match (who, standing) {
        (Who::Visitor, _) | (Who::HalfWay, Some(_)) => Ok(()),
        (_, None) => Err(Box::new(signed_out(frame, parts))),
        (_, Some(Standing::CodeDue)) => elsewhere("/admin/login/code"),
        (Who::SignedIn, Some(_)) => Ok(()),
        (Who::User(_), Some(Standing::SecondFactorMissing)) => elsewhere("/admin/account/codes"),
        (Who::User(right), Some(Standing::In)) => {
            if visit.me.as_ref().is_some_and(|me| me.user.role.may(right)) {
                return Ok(());
            }
            let able: Vec<_> =
                Role::ALL.iter().filter(|role| role.may(right)).map(|role| role.as_str()).collect();
            let text =
                format!("This takes one of these roles: {}. An owner can give it to you.", able.join(", "));
            Err(Box::new(frame.message(StatusCode::FORBIDDEN, "You may not do this", &text, None)))
        }
        // Those are for others than the newsroom, and never come here.
        (Who::Anyone | Who::Link | Who::Token(..), _) => {
            Err(Box::new(StatusCode::INTERNAL_SERVER_ERROR.into_response()))
        }
    }
}

/// To the way in, and from there back to where they wanted to be; a script or a form is only told.
fn signed_out(frame: &Frame, parts: &Parts) -> Response {
    let asked = parts.headers.get("sec-fetch-mode").and_then(|mode| mode.to_str().ok());
    if parts.method == Method::GET && asked.is_none_or(|mode| mode == "navigate") {
        let wanted = parts.uri.path_and_query().map_or("/admin", |it| it.as_str());
        let wanted: String = url::form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
        return Redirect::to(&format!("/admin/login?next={wanted}")).into_response();
    }
    let text = "Your session has ended. Sign in and do it once more; nothing was changed.";
    frame.message(StatusCode::UNAUTHORIZED, "You are signed out", text, None)
}

/// Hands the request on; of one that may change something only after a look at where it comes from.
async fn pass(
    cx: &Context,
    visit: &Arc<Visit>,
    frame: &Frame,
    mut parts: Parts,
    body: Body,
    next: Next,
) -> Response {
    parts.extensions.insert(Arc::clone(visit));
    if parts.method == Method::GET || parts.method == Method::HEAD {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let foreign = || {
        tracing::warn!(path = parts.uri.path(), "a form from elsewhere was refused");
        let text = "This form was too old, or it came from another site. Open the page anew and try once more; nothing was changed.";
        frame.message(StatusCode::FORBIDDEN, "Please try once more", text, None)
    };
    if !is_ours(cx, &parts.headers) {
        return foreign();
    }
    let beside = beside(&parts);
    let (token, body) = if beside.is_none() && is_form(&parts.headers) {
        let Ok(bytes) = body::read(body, LARGEST, PATIENCE).await else {
            let text = "It was too large, or it didn’t arrive. Nothing was changed.";
            return frame.message(StatusCode::BAD_REQUEST, "We couldn’t read this form", text, None);
        };
        let token = field(&bytes, "csrf");
        (token, Body::from(bytes))
    } else {
        (beside, body)
    };
    if !token.is_some_and(|token| cx.keys.is_form_token(&visit.cookie, &token)) {
        return foreign();
    }
    next.run(Request::from_parts(parts, body)).await
}

/// Whether the browser says that the request comes from a page of ours. What a browser that is too old for it doesn't
/// say, the form's token says.
fn is_ours(cx: &Context, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    let site = text("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    let own = cx.config.server.public_url.origin().ascii_serialization();
    site && text("origin").is_none_or(|origin| origin == own)
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// The token of a script (in a header) or of a form with files (in its address).
fn beside(parts: &Parts) -> Option<String> {
    let header = parts.headers.get(TOKEN_HEADER).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    header.or_else(|| field(parts.uri.query().unwrap_or_default().as_bytes(), "csrf"))
}

fn field(pairs: &[u8], wanted: &str) -> Option<String> {
    url::form_urlencoded::parse(pairs).find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
}

impl FromRequestParts<Context> for Visit {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Self, StatusCode> {
        let visit = parts.extensions.get::<Arc<Self>>();
        visit.map(|visit| Self::clone(visit)).ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl Listener for Visit {
    async fn may_listen(&self, cx: &Context) -> bool {
        let me = signing_in::held_by(cx, &self.cookie).await.ok().flatten();
        me.is_some_and(|me| me.standing(cx) == Standing::In && me.user.role.may(Right::Read))
    }
}

/// Who is signed in; only routes that ask for it have one.
impl<S: Send + Sync> FromRequestParts<S> for Me {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let visit = parts.extensions.get::<Arc<Visit>>();
        visit.and_then(|visit| visit.me.clone()).ok_or(StatusCode::UNAUTHORIZED)
    }
}

/// Where the request comes from.
impl FromRequestParts<Context> for Origin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, cx: &Context) -> Result<Self, Response> {
        let Client(address) =
            Client::from_request_parts(parts, cx).await.map_err(IntoResponse::into_response)?;
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self { network: network::name(address), browser: browser(agent.unwrap_or_default()) })
    }
}

/// What a browser calls itself, as a person would say it.
fn browser(agent: &str) -> String {
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(part, _)| agent.contains(part)).map(|(_, name)| *name)
    };
    let name = find(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = find(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("Linux", "Linux"),
    ]);
    match (name, system) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => "Unknown browser".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_named_as_people_name_them() {
        let agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
        assert_eq!(browser(agent), "Chrome on Windows");
        assert_eq!(
            browser("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1"),
            "Safari on iPhone"
        );
        assert_eq!(browser(""), "Unknown browser");
    }
}
