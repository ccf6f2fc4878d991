//! Keys to the API: made, listed, revoked. What they are is shown once.

use std::time::Duration;

use serde_json::json;

use super::{Error, refused};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{
    role::{Area, Role},
    token::{api_token, sha256},
};
use crate::once::{self, Came, Once};
use crate::store::{
    self,
    tokens::{Listed, NewToken},
};

/// A new token and how far it goes.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub name: String,
    pub role: Role,
    /// None for all that the role may.
    pub areas: Vec<Area>,
    pub holds: Option<Duration>,
}

/// Makes a token and gives it, this once. It is known by its name, which no other that holds has.
///
/// # Errors
/// [`Error::Refused`] for a name that is none, [`Error::Taken`] for one that another has.
pub async fn create(cx: &Context, actor: &Actor, wanted: &Wanted) -> Result<String, Error> {
    create_once(cx, actor, wanted, None).await
}

/// The same for a call with a key.
///
/// # Errors
/// As [`create`]; [`Error::Repeated`] where it isn't the first.
pub async fn create_once(
    cx: &Context,
    actor: &Actor,
    wanted: &Wanted,
    once: Option<Once<'_>>,
) -> Result<String, Error> {
    let name = wanted.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return refused("Give a name of at most 100 characters on one line.");
    }
    let token = api_token(cx.entropy.bytes());
    let (hash, now) = (sha256(token.as_bytes()), cx.clock.now());
    let expires_at = wanted.holds.map(|holds| now.plus(holds));
    let mut tx = cx.db.begin().await?;
    store::tokens::lock(&mut tx).await?;
    if store::tokens::is_held(&mut tx, name, now).await? {
        let why =
            format!("There is a token of the name {name}. Choose another name, or revoke that one first.");
        return Err(Error::Taken(why));
    }
    let new = NewToken {
        areas: &wanted.areas,
        made_by: actor.person(),
        expires_at,
        ..NewToken::new(name, wanted.role, &hash, now)
    };
    store::tokens::insert(&mut tx, new).await?;
    let change = Change::new(Act::TokenCreated, Thing::Token, name)
        .to(&json!({ "role": wanted.role, "scope": wanted.areas, "ends": expires_at }));
    audit::record(&mut tx, now, actor, change).await?;
    let Some(made) = store::tokens::by_hash(&mut tx, &hash, now).await? else {
        return refused("It ended at once.");
    };
    if !once::note(cx, &mut tx, once, Came::Made(&made.id.to_string())).await? {
        return Err(Error::Repeated);
    }
    tx.commit().await?;
    Ok(token)
}

/// The tokens that hold, the oldest first.
///
/// # Errors
/// A database that can't be read.
pub async fn all(cx: &Context) -> Result<Vec<Listed>, Error> {
    let mut tx = cx.db.read().await?;
    Ok(store::tokens::all(&mut tx, cx.clock.now()).await?)
}

/// The token with this hash, if it still holds.
///
/// # Errors
/// A database that can't be read.
pub async fn by_hash(cx: &Context, hash: &[u8]) -> Result<Option<Listed>, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    let Some(found) = store::tokens::by_hash(&mut tx, hash, now).await? else { return Ok(None) };
    Ok(store::tokens::listed(&mut tx, found.id).await?)
}

/// Revokes one token; false where there is none.
///
/// # Errors
/// A database that can't be written.
pub async fn revoke(cx: &Context, actor: &Actor, id: i64) -> Result<bool, Error> {
    let mut tx = cx.db.begin().await?;
    let Some((name, role)) = store::tokens::revoke_one(&mut tx, id).await? else { return Ok(false) };
    let change = Change::new(Act::TokenRevoked, Thing::Token, &name).from(&json!({ "role": role }));
    audit::record(&mut tx, cx.clock.now(), actor, change).await?;
    tx.commit().await?;
    Ok(true)
}

/// Revokes every token of a name; gives how many there were.
///
/// # Errors
/// A database that can't be written.
pub async fn revoke_all(cx: &Context, actor: &Actor, name: &str) -> Result<u64, Error> {
    let mut tx = cx.db.begin().await?;
    let revoked = store::tokens::revoke(&mut tx, name).await?;
    if revoked > 0 {
        audit::record(&mut tx, cx.clock.now(), actor, Change::new(Act::TokenRevoked, Thing::Token, name))
            .await?;
    }
    tx.commit().await?;
    Ok(revoked)
}
