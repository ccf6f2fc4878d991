//! Who calls: the token in `Authorization: Bearer` (RFC 6750), and what its role may do.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderValue, StatusCode, header, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::audit::Actor;
use crate::context::Context;
use crate::domain::{
    network,
    role::{Area, Right, Role},
    time::MINUTE,
    token::sha256,
};
use crate::store::{self, tokens::Token};
use crate::web::{client::Client, problem::Problem};

/// The caller, known by their token.
#[derive(Clone)]
pub struct Caller {
    pub token: Token,
    network: String,
}

/// Lets a request through whose token has this right, and may be used here.
pub async fn admit(
    State((cx, right, area)): State<(Context, Right, Area)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let network = match Client::from_request_parts(&mut parts, &cx).await {
        Ok(Client(address)) => network::name(address),
        Err(rejection) => return rejection.into_response(),
    };
    let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = given.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    let found = match token {
        Some(token) => look_up(&cx, &token).await,
        None => Ok(None),
    };
    let caller = match found {
        Ok(Some(token)) => Caller { token, network },
        Ok(None) => return unknown(),
        Err(error) => return Problem::from(error).into_response(),
    };
    if let Err(problem) = caller.may(right).and_then(|()| caller.may_use(area)) {
        return problem.into_response();
    }
    parts.extensions.insert(caller);
    next.run(Request::from_parts(parts, body)).await
}

fn unknown() -> Response {
    let detail =
        "Send a token that holds, as in Authorization: Bearer bw_…; bellwether token create makes one.";
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Whom [`admit`] let through.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let detail = "Nobody looked at the token of this call.";
        parts.extensions.get().cloned().ok_or_else(|| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail))
    }
}

async fn look_up(cx: &Context, token: &str) -> Result<Option<Token>, store::Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    let Some(token) = store::tokens::by_hash(&mut tx, &sha256(token.as_bytes()), now).await? else {
        return Ok(None);
    };
    drop(tx);
    if token.last_used_at.is_none_or(|at| now.since(at) >= MINUTE) {
        let mut tx = cx.db.begin().await?;
        store::tokens::used(&mut tx, token.id, now).await?;
        tx.commit().await?;
    }
    Ok(Some(token))
}

impl Caller {
    /// # Errors
    /// 403 where the role may not send mail to readers.
    pub fn may_release(&self) -> Result<(), Problem> {
        self.may(Right::Release)
    }

    /// As whom the log of changes knows them.
    pub fn actor(&self) -> Actor {
        Actor::token(&self.token.name, &self.network)
    }

    /// The parts that the token is kept to, empty for all; none where that can't be read.
    pub fn areas(&self) -> Option<Vec<Area>> {
        serde_json::from_str(&self.token.scope).ok()
    }

    fn may(&self, right: Right) -> Result<(), Problem> {
        if self.token.role.may(right) {
            return Ok(());
        }
        let able: Vec<_> =
            Role::ALL.iter().filter(|role| role.may(right)).map(|role| role.as_str()).collect();
        let (role, to) = (self.token.role, right.as_verb());
        let detail = format!("A token of the role {role} may not {to}; use one of: {}.", able.join(", "));
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }

    fn may_use(&self, area: Area) -> Result<(), Problem> {
        // A scope that can't be read lets nothing through.
        let areas = self.areas();
        if areas.as_ref().is_some_and(|areas| areas.is_empty() || areas.contains(&area)) {
            return Ok(());
        }
        let only: Vec<_> = areas.iter().flatten().map(|area| area.as_str()).collect();
        let detail =
            format!("This token is kept to {}; use one that may be used for {area}.", only.join(", "));
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }
}
