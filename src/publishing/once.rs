//! Idempotency keys: the first call with a key acts, the others get its answer.

use crate::context::Context;
use crate::store::{self, Tx, tokens::Used};

/// A key, whose it is, and the hash of what it came with.
#[derive(Clone, Copy, Debug)]
pub struct Once<'a> {
    pub token_id: i64,
    pub key: &'a str,
    pub body_hash: &'a [u8],
}

/// What came of a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Came {
    Issue(i64),
    Draft(i64),
}

/// Notes in the transaction of what a call does what comes of it. False when another call with the key came first; then
/// the transaction must be dropped.
pub(super) async fn note(
    cx: &Context,
    tx: &mut Tx,
    once: Option<Once<'_>>,
    came: Came,
) -> Result<bool, store::Error> {
    let Some(Once { token_id, key, body_hash }) = once else { return Ok(true) };
    let (issue_id, draft_id) = match came {
        Came::Issue(id) => (Some(id), None),
        Came::Draft(id) => (None, Some(id)),
    };
    let used = Used { body_hash: body_hash.to_vec(), issue_id, draft_id };
    let now = cx.clock.now();
    store::tokens::use_key(tx, token_id, key, &used, now, now.minus(super::KEYS_KEPT)).await
}
