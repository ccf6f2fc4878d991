//! `/api/v1/tokens`: keys to this API. A token makes none that goes further or lasts longer than itself.

use axum::Json;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Caller,
    id::Id,
    invalid, kinds,
    listing::{Asked, asked, cut},
    once::{self, Key},
    operation::{Key as Takes, Operation},
    sent::Sent,
};
use crate::context::Context;
use crate::domain::{
    role::{Area, Role},
    time::{DAY, Timestamp},
    token::sha256,
};
use crate::newsroom::tokens;
use crate::store::tokens::Listed;
use crate::web::problem::Problem;

/// The longest that a token may be made for, in days.
const LONGEST: u32 = 3_650;

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/tokens", "The tokens that hold, the oldest first.")
            .asks::<Asked>()
            .gives::<Tokens>(200, "A page of them, without what they are."),
        Operation::post("/api/v1/tokens", "Makes a token.")
            .note("One that is kept to parts, or to a time, makes none that goes further or lasts longer.")
            .takes::<Wanted>()
            .key(Takes::Taken)
            .gives::<Made>(201, "The token, which is shown this once.")
            .conflicts(&[kinds::NAME_TAKEN, kinds::SHOWN_ONCE]),
        Operation::post("/api/v1/tokens/{id}/revoke", "Ends a token at once, for good.")
            .numbered()
            .gives::<Token>(200, "What it was."),
    ]
}

#[derive(Serialize, JsonSchema)]
pub struct Tokens {
    pub tokens: Vec<Token>,
    pub next_cursor: Option<String>,
}

/// A key to this API.
#[derive(Serialize, JsonSchema)]
pub struct Token {
    pub id: i64,
    pub name: String,
    pub role: Role,
    /// The parts that it is kept to; empty for all that its role may.
    pub scope: Vec<String>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// To the minute.
    pub last_used_at: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MadeToken")]
pub struct Made {
    /// The token itself, as in `bw_…`.
    pub token: String,
    #[serde(flatten)]
    pub about: Token,
}

impl From<Listed> for Token {
    fn from(listed: Listed) -> Self {
        Self {
            id: listed.id,
            scope: listed.areas(),
            name: listed.name,
            role: listed.role,
            created_at: listed.created_at,
            expires_at: listed.expires_at,
            last_used_at: listed.last_used_at,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewToken")]
pub struct Wanted {
    /// Which program it is for; no other token has it.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    role: Role,
    /// The parts that it is kept to; absent for all that the role may.
    #[schemars(length(min = 1))]
    scope: Option<Vec<Area>>,
    /// How long it holds; absent until it is revoked.
    #[schemars(range(min = 1, max = 3650))]
    days: Option<u32>,
}

pub async fn list(
    State(cx): State<Context>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let (found, next_cursor) = cut(tokens::all(&cx).await?, &asked(query)?, |token| token.id)?;
    Ok(Json(Tokens { tokens: found.into_iter().map(Into::into).collect(), next_cursor }).into_response())
}

/// 201 with the token, this once.
pub async fn create(
    State(cx): State<Context>,
    caller: Caller,
    Sent(Wanted { name, role, scope, days }, raw): Sent<Wanted>,
) -> Result<Response, Problem> {
    let key = Key::given(&caller, &raw, "token\n")?;
    if let Some(id) = once::made_before(&cx, key.as_ref()).await? {
        return Err(shown_before(&id));
    }
    if days.is_some_and(|days| !(1..=LONGEST).contains(&days)) {
        return Err(invalid("/days", format!("must be from 1 to {LONGEST}")));
    }
    if scope.as_ref().is_some_and(Vec::is_empty) {
        return Err(invalid("/scope", "must name at least one part; absent for all that the role may"));
    }
    let mut scope = scope.unwrap_or_default();
    scope.sort_unstable();
    scope.dedup();
    let holds = days.map(|days| DAY * days);
    check_reach(&caller, &scope, holds.map(|holds| cx.clock.now().plus(holds)))?;
    let wanted = tokens::Wanted { name, role, areas: scope, holds };
    let once = key.as_ref().map(Key::once);
    let token = tokens::create_once(&cx, &caller.actor(), &wanted, once).await?;
    let made = tokens::by_hash(&cx, &sha256(token.as_bytes())).await?;
    let about = made.ok_or_else(|| Problem::new(StatusCode::CONFLICT, "It was revoked at once."))?;
    Ok((StatusCode::CREATED, Json(Made { token, about: about.into() })).into_response())
}

/// What a token is, is kept nowhere: a repeat can't be told it.
fn shown_before(id: &str) -> Problem {
    let detail = format!(
        "The first call with this Idempotency-Key made token {id}, and showed it that once. If that answer was lost, \
         revoke it, and make another with a fresh key."
    );
    let id: Option<i64> = id.parse().ok();
    kinds::SHOWN_ONCE.conflict(detail).with_member("id", id)
}

/// A lost token that is kept to little must not become one that may all.
fn check_reach(caller: &Caller, scope: &[Area], until: Option<Timestamp>) -> Result<(), Problem> {
    let own = caller.areas().unwrap_or_default();
    if !own.is_empty() && (scope.is_empty() || !scope.iter().all(|area| own.contains(area))) {
        let only: Vec<_> = own.iter().map(|area| area.as_str()).collect();
        return Err(invalid("/scope", format!("must be of {}: this token is kept to that", only.join(", "))));
    }
    match caller.token.expires_at {
        Some(own) if until.is_none_or(|until| until > own) => {
            Err(invalid("/days", format!("must end before this token does, at {own}")))
        }
        _ => Ok(()),
    }
}

/// 200 with what it was; also of the token that calls, which is its last call then.
pub async fn revoke(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "There is no token with this id.");
    let id: i64 = id.parse().map_err(|_| unknown())?;
    let found = tokens::all(&cx).await?.into_iter().find(|it| it.id == id).ok_or_else(unknown)?;
    if !tokens::revoke(&cx, &caller.actor(), id).await? {
        return Err(unknown());
    }
    Ok(Json(Token::from(found)).into_response())
}
