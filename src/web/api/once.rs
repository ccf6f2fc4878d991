//! `Idempotency-Key`: a repeat of a call gets the first answer and does nothing.

use axum::http::StatusCode;

use super::{Caller, sent::Raw};
use crate::context::Context;
use crate::domain::token::sha256;
use crate::once::{KEYS_KEPT, Once};
use crate::store::{self, tokens::Used};
use crate::web::problem::Problem;

const LONGEST: usize = 255;
const NAME: &str = "Idempotency-Key";

/// The key of a call, and what it came with.
pub struct Key {
    token_id: i64,
    key: String,
    body_hash: Vec<u8>,
}

impl Key {
    /// # Errors
    /// 400 where there is none, or one that is none.
    pub fn required(caller: &Caller, sent: &Raw, call: &str) -> Result<Self, Problem> {
        Self::given(caller, sent, call)?.ok_or_else(|| {
            bad("Send an Idempotency-Key header, a fresh UUID for each call that sends: a repeat with it sends nothing twice.")
        })
    }

    /// `call` tells calls apart that may have the same body; empty for an alert.
    ///
    /// # Errors
    /// 400 where it is no key.
    pub fn given(caller: &Caller, sent: &Raw, call: &str) -> Result<Option<Self>, Problem> {
        let Some(value) = sent.headers.get(NAME) else { return Ok(None) };
        let key = value.to_str().unwrap_or("").trim();
        if key.is_empty() || key.len() > LONGEST {
            return Err(bad("The Idempotency-Key must be 1 to 255 printable ASCII characters."));
        }
        let body_hash = sha256(&[call.as_bytes(), &sent.body].concat()).to_vec();
        Ok(Some(Self { token_id: caller.token.id, key: key.to_owned(), body_hash }))
    }

    pub fn once(&self) -> Once<'_> {
        Once { token_id: self.token_id, key: &self.key, body_hash: &self.body_hash }
    }

    /// What came of the first call with the key.
    ///
    /// # Errors
    /// 422 where that call was another one.
    pub async fn earlier(&self, cx: &Context) -> Result<Option<Used>, Problem> {
        let since = cx.clock.now().minus(KEYS_KEPT);
        let mut tx = cx.db.read().await?;
        let used = store::tokens::used_key(&mut tx, self.token_id, &self.key, since).await?;
        if used.as_ref().is_some_and(|used| used.body_hash != self.body_hash) {
            let detail = "This Idempotency-Key came with another call or body before; use a fresh one.";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).at_field(NAME, detail));
        }
        Ok(used)
    }
}

fn bad(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail).at_field(NAME, detail)
}

/// While another call with the key is at work.
pub fn at_work() -> Problem {
    let detail = "A call with this Idempotency-Key is being worked on; ask again in a moment.";
    Problem::new(StatusCode::CONFLICT, detail)
}

/// What the first call with a key made, by its id; none where this is the first.
///
/// # Errors
/// As [`Key::earlier`].
pub async fn made_before(cx: &Context, key: Option<&Key>) -> Result<Option<String>, Problem> {
    match key {
        Some(key) => Ok(key.earlier(cx).await?.and_then(|used| used.made)),
        None => Ok(None),
    }
}
