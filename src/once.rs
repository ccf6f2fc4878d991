//! Idempotency keys: the first call with a key acts, the others get its answer. For any verb, in the transaction of what
//! the call does.

use std::time::Duration;

use crate::context::Context;
use crate::store::{self, Tx, tokens::Used};

/// How long a key is known.
pub const KEYS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A key, whose it is, and the hash of what it came with.
#[derive(Clone, Copy, Debug)]
pub struct Once<'a> {
    pub token_id: i64,
    pub key: &'a str,
    pub body_hash: &'a [u8],
}

/// What came of a call.
#[derive(Clone, Copy, Debug)]
pub enum Came<'a> {
    Issue(i64),
    Draft(i64),
    /// Anything else, by the id that it has in the API.
    Made(&'a str),
}

/// Notes in the transaction of what a call does what comes of it. False when another call with the key came first; then
/// the transaction must be dropped.
///
/// # Errors
/// A database that can't be written.
pub async fn note(
    cx: &Context,
    tx: &mut Tx,
    once: Option<Once<'_>>,
    came: Came<'_>,
) -> Result<bool, store::Error> {
    let Some(Once { token_id, key, body_hash }) = once else { return Ok(true) };
    let mut used = Used { body_hash: body_hash.to_vec(), issue_id: None, draft_id: None, made: None };
    match came {
        Came::Issue(id) => used.issue_id = Some(id),
        Came::Draft(id) => used.draft_id = Some(id),
        Came::Made(id) => used.made = Some(id.to_owned()),
    }
    let now = cx.clock.now();
    store::tokens::use_key(tx, token_id, key, &used, now, now.minus(KEYS_KEPT)).await
}

/// Whether another call with the key came first.
///
/// # Errors
/// A database that can't be read.
pub async fn is_used(cx: &Context, tx: &mut Tx, once: Option<Once<'_>>) -> Result<bool, store::Error> {
    let Some(Once { token_id, key, .. }) = once else { return Ok(false) };
    let since = cx.clock.now().minus(KEYS_KEPT);
    Ok(store::tokens::used_key(tx, token_id, key, since).await?.is_some())
}
