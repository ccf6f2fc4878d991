//! Setting up the second factor, and ending it. The secret is in force once a code of it was shown.

use serde_json::json;

use super::attempts::{self, Door};
use super::signing_in::renew;
use super::{Error, Me, is_right, refused};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{token::sha256, totp};
use crate::store::{self, Tx, users::User};

const CODES: usize = 10;

/// A new secret, not in force yet; nothing where one is in force.
///
/// # Errors
/// A database that can't be written.
pub async fn begin(cx: &Context, me: &Me) -> Result<(), Error> {
    let mut tx = cx.db.begin().await?;
    // 160 bits, as RFC 4226, section 4, wants it.
    store::users::begin_totp(&mut tx, me.user.id, &cx.entropy.bytes::<20>()).await?;
    tx.commit().await?;
    Ok(())
}

/// What somebody has after setting up: a new cookie, and the codes on paper, which are shown this once.
#[derive(Debug)]
pub struct SetUp {
    pub cookie: String,
    pub codes: Vec<String>,
}

/// Puts the secret into force. Other sessions end: they never showed it.
///
/// # Errors
/// [`Error::Refused`] where the code is not of the secret, or there is none.
pub async fn confirm(cx: &Context, me: &Me, code: &str) -> Result<SetUp, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let user = store::users::by_id(&mut tx, me.user.id).await?;
    let Some(user) = user.filter(|user| !user.has_second_factor()) else {
        return refused("It is set up already.");
    };
    let Some(secret) = &user.totp_secret else { return refused("Begin once more.") };
    let Some(step) = totp::step_of(secret, code, now, user.totp_step) else {
        return refused(
            "That code isn’t right. Wait for the next one in the app; if it fails again, see whether the phone’s clock is right.",
        );
    };
    store::users::use_totp(&mut tx, user.id, step).await?;
    store::users::confirm_totp(&mut tx, user.id, now).await?;
    let codes = new_codes(cx, &mut tx, user.id).await?;
    store::sessions::end_all(&mut tx, user.id, me.session.id, now).await?;
    let cookie = renew(cx, &mut tx, me, true).await?;
    audit::record(&mut tx, now, &me.actor(), Change::new(Act::SecondFactorSetUp, Thing::User, &user.email))
        .await?;
    tx.commit().await?;
    Ok(SetUp { cookie, codes })
}

/// New recovery codes in place of all former ones.
///
/// # Errors
/// [`Error::Refused`] where the password is wrong or nothing is set up.
pub async fn renew_codes(cx: &Context, me: &Me, password: &str) -> Result<Vec<String>, Error> {
    if !me.user.has_second_factor() {
        return refused("Set up the app first.");
    }
    prove(cx, me, password).await?;
    let mut tx = cx.db.begin().await?;
    let codes = new_codes(cx, &mut tx, me.user.id).await?;
    let change = Change::new(Act::RecoveryCodesRenewed, Thing::User, &me.user.email);
    audit::record(&mut tx, cx.clock.now(), &me.actor(), change).await?;
    tx.commit().await?;
    Ok(codes)
}

/// Ends one's own second factor.
///
/// # Errors
/// [`Error::Refused`] where the password is wrong.
pub async fn turn_off(cx: &Context, me: &Me, password: &str) -> Result<(), Error> {
    prove(cx, me, password).await?;
    forget(cx, &me.actor(), &me.user).await
}

/// Ends somebody's second factor, for a phone that is gone with its codes.
///
/// # Errors
/// A database that can't be written.
pub async fn forget(cx: &Context, actor: &Actor, user: &User) -> Result<(), Error> {
    let mut tx = cx.db.begin().await?;
    store::users::forget_totp(&mut tx, user.id).await?;
    let change = Change::new(Act::SecondFactorEnded, Thing::User, &user.email)
        .from(&json!({ "second_factor": user.has_second_factor() }))
        .to(&json!({ "second_factor": false }));
    audit::record(&mut tx, cx.clock.now(), actor, change).await?;
    tx.commit().await?;
    Ok(())
}

/// Whether somebody who is signed in is still the one who knows the password.
///
/// # Errors
/// [`Error::Refused`] where they don't, or tried too often.
pub(super) async fn prove(cx: &Context, me: &Me, password: &str) -> Result<(), Error> {
    let (key, network) = (&me.user.email_key, &me.session.network);
    if attempts::begin(cx, Door::Password, key, network).await?.is_some() {
        return refused("That was wrong too often. Wait a few minutes.");
    }
    if !is_right(password, me.user.password_hash.clone()).await {
        return refused("That is not your password.");
    }
    let mut tx = cx.db.begin().await?;
    store::login_attempts::forgive(&mut tx, &attempts::account(Door::Password, key), network).await?;
    tx.commit().await?;
    Ok(())
}

async fn new_codes(cx: &Context, tx: &mut Tx, user_id: i64) -> Result<Vec<String>, Error> {
    let codes: Vec<String> = (0..CODES).map(|_| totp::recovery_code(cx.entropy.bytes())).collect();
    let hashes: Vec<_> = codes.iter().map(|code| sha256(totp::bare_recovery_code(code).as_bytes())).collect();
    store::users::set_recovery_codes(tx, user_id, &hashes).await?;
    Ok(codes)
}
