//! Who calls: the token in `Authorization: Bearer` (RFC 6750), what its role may do, and whether the call has the
//! parameters that it is given.

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
use crate::web::{client::Client, live::Listener, problem::Problem};

use super::{kinds, listing::parameter, openapi};

/// The caller, known by their token.
#[derive(Clone)]
pub struct Caller {
    pub token: Token,
    network: String,
}

/// What is called, and who may: a row of the table.
#[derive(Clone, Copy)]
pub struct Call {
    pub method: &'static str,
    pub path: &'static str,
    pub right: Right,
    pub area: Area,
}

/// Lets a request through whose token has the right to it, and may be used here, with no parameter that there isn't.
pub async fn admit(State((cx, call)): State<(Context, Call)>, request: Request, next: Next) -> Response {
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
    let may = caller.may(call.right).and_then(|()| caller.may_use(call.area));
    if let Err(problem) = may.and_then(|()| has_parameters(call, parts.uri.query())) {
        return problem.into_response();
    }
    parts.extensions.insert(caller);
    next.run(Request::from_parts(parts, body)).await
}

/// # Errors
/// 400 for a parameter that the call doesn't have, with those that it has.
fn has_parameters(call: Call, query: Option<&str>) -> Result<(), Problem> {
    let known = openapi::query_of(call.method, call.path);
    let given = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    for (name, _) in given {
        if !known.iter().any(|known| *known == name) {
            let allowed = match known {
                [] => "this call takes none".to_owned(),
                known => format!("there are: {}", known.join(", ")),
            };
            return Err(parameter(&name, &format!("is no parameter of this call; {allowed}")));
        }
    }
    Ok(())
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

impl Listener for Caller {
    async fn may_listen(&self, cx: &Context) -> bool {
        let holds = async {
            let mut tx = cx.db.read().await?;
            store::tokens::holds(&mut tx, self.token.id, cx.clock.now()).await
        };
        holds.await.unwrap_or_default()
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
        Actor::token(&self.token.name, self.token.made_by.as_deref(), &self.network)
    }

    /// The parts that the token is kept to, empty for all; none where that can't be read.
    pub fn areas(&self) -> Option<Vec<Area>> {
        serde_json::from_str(&self.token.scope).ok()
    }

    fn may(&self, right: Right) -> Result<(), Problem> {
        if self.token.role.may(right) {
            return Ok(());
        }
        let (role, to) = (self.token.role, right.as_verb());
        let detail = format!(
            "This token has the role {role}, which may not {to}. Use one of the role {}; an owner makes it.",
            able(right).join(" or ")
        );
        Err(role_lacks(right, detail))
    }

    fn may_use(&self, area: Area) -> Result<(), Problem> {
        // A scope that can't be read lets nothing through.
        let areas = self.areas();
        if areas.as_ref().is_some_and(|areas| areas.is_empty() || areas.contains(&area)) {
            return Ok(());
        }
        let only: Vec<_> = areas.iter().flatten().map(|area| area.as_str()).collect();
        let detail = format!(
            "This token is kept to {}, and this call is of {area}. Use one whose scope has {area}; an owner makes it.",
            only.join(", ")
        );
        Err(kinds::SCOPE.problem(StatusCode::FORBIDDEN, detail).with_member("scope", area.as_str()))
    }
}

/// 403 with the roles that have the right.
pub fn role_lacks(right: Right, detail: impl Into<String>) -> Problem {
    kinds::ROLE.problem(StatusCode::FORBIDDEN, detail).with_member("roles", able(right))
}

fn able(right: Right) -> Vec<&'static str> {
    Role::ALL.iter().filter(|role| role.may(right)).map(|role| role.as_str()).collect()
}
