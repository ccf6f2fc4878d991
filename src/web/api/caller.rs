//! Who calls: the token in `Authorization: Bearer` (RFC 6750), and what its role may do.

use axum::extract::FromRequestParts;
use axum::http::{HeaderValue, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};

use crate::context::Context;
use crate::domain::{
    time::MINUTE,
    token::{Role, sha256},
};
use crate::store::{self, tokens::Token};
use crate::web::problem::Problem;

/// The caller, known by their token.
pub struct Caller(pub Token);

/// No token, or one that doesn't hold.
pub struct Unknown(Problem);

impl IntoResponse for Unknown {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl FromRequestParts<Context> for Caller {
    type Rejection = Unknown;

    async fn from_request_parts(parts: &mut Parts, cx: &Context) -> Result<Self, Unknown> {
        let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = given.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let found = match token {
            Some(token) => look_up(cx, token).await.map_err(|error| Unknown(error.into()))?,
            None => None,
        };
        found.map(Self).ok_or_else(|| {
            let detail = "Send a token that holds, as in Authorization: Bearer bw_…; bellwether token create makes one.";
            Unknown(Problem::new(StatusCode::UNAUTHORIZED, detail))
        })
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
        self.allowed(self.0.role.may_release(), "send mail to readers")
    }

    /// # Errors
    /// 403 where the role may not write.
    pub fn may_compose(&self) -> Result<(), Problem> {
        self.allowed(self.0.role.may_compose(), "write")
    }

    fn allowed(&self, allowed: bool, to: &str) -> Result<(), Problem> {
        if allowed {
            return Ok(());
        }
        let able: Vec<_> = Role::ALL
            .iter()
            .filter(|role| if to == "write" { role.may_compose() } else { role.may_release() })
            .map(|role| role.as_str())
            .collect();
        let detail =
            format!("A token of the role {} may not {to}; use one of: {}.", self.0.role, able.join(", "));
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }
}
