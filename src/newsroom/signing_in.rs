//! In and out: a password, then a code where one is set up. Each step gives the session a new cookie; only its hash is
//! kept. Whether an account exists shows neither in the answer nor in how long it takes.

use std::time::Duration;

use super::attempts::{self, Door};
use super::{Error, Me, Standing, is_right, secret};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{
    address::EmailAddress,
    time::{MINUTE, Timestamp},
    token::sha256,
    totp,
};
use crate::store::{self, Tx, sessions::NewSession, users::User};

/// How long the second step may take.
const HALF_WAY: Duration = Duration::from_secs(15 * 60);

/// Where somebody comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// As limits name it.
    pub network: String,
    /// What the browser says it is, shortened.
    pub browser: String,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// The new cookie, and what is due next.
    Right {
        cookie: String,
        standing: Standing,
    },
    Wrong,
    /// Too many tries: so long until the next.
    Wait(Duration),
}

/// The first step.
///
/// # Errors
/// A database that can't be written.
pub async fn sign_in(cx: &Context, email: &str, password: &str, origin: &Origin) -> Result<SignIn, Error> {
    // What is no address is nobody's, and is counted like one.
    let key =
        email.parse::<EmailAddress>().map_or_else(|_| email.trim().to_lowercase(), |it| it.key().to_owned());
    if let Some(wait) = attempts::begin(cx, Door::Password, &key, &origin.network).await? {
        return Ok(SignIn::Wait(wait));
    }
    let mut tx = cx.db.read().await?;
    let user = store::users::by_email_key(&mut tx, &key).await?.filter(|user| user.disabled_at.is_none());
    drop(tx);
    let hash = user.as_ref().and_then(|user| user.password_hash.clone());
    let right = is_right(password, hash).await;
    let Some(user) = user.filter(|_| right) else {
        tracing::info!(network = origin.network, "a sign-in was refused");
        return Ok(SignIn::Wrong);
    };
    let mut tx = cx.db.begin().await?;
    let account = attempts::account(Door::Password, &key);
    store::login_attempts::forgive(&mut tx, &account, &origin.network).await?;
    let signed_in = enter(cx, &mut tx, user, origin).await?;
    tx.commit().await?;
    Ok(signed_in)
}

/// A new session for somebody whose password, or link, was right.
pub(super) async fn enter(cx: &Context, tx: &mut Tx, user: User, origin: &Origin) -> Result<SignIn, Error> {
    let now = cx.clock.now();
    let (cookie, hash) = secret(cx);
    let longest = if user.has_second_factor() { HALF_WAY } else { cx.config.newsroom.session_longest };
    let session = NewSession {
        public_id: cx.entropy.uuid(now),
        user_id: user.id,
        hash: &hash,
        second_factor: false,
        network: &origin.network,
        browser: &origin.browser,
        now,
        expires_at: now.plus(longest),
    };
    store::sessions::insert(tx, &session).await?;
    let entered = store::sessions::by_hash(tx, &hash, now, idle_since(cx, now)).await?;
    let Some(session) = entered else { return Ok(SignIn::Wrong) };
    let me = Me { user, session };
    let action = if me.user.has_second_factor() { Act::PasswordAccepted } else { Act::SignedIn };
    audit::record(tx, now, &me.actor(), Change::new(action, Thing::User, &me.user.email)).await?;
    Ok(SignIn::Right { cookie, standing: me.standing(cx) })
}

/// The second step: a code of the app, or one of those on paper. Each works once.
///
/// # Errors
/// A database that can't be written.
pub async fn second_step(cx: &Context, me: &Me, code: &str) -> Result<SignIn, Error> {
    let network = &me.session.network;
    if let Some(wait) = attempts::begin(cx, Door::Code, &me.user.email_key, network).await? {
        return Ok(SignIn::Wait(wait));
    }
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let Some(how) = spend_code(cx, &mut tx, me, code).await? else {
        let refusal = Change::new(Act::CodeRefused, Thing::User, &me.user.email);
        audit::record(&mut tx, now, &me.actor(), refusal).await?;
        tx.commit().await?;
        return Ok(SignIn::Wrong);
    };
    store::login_attempts::forgive(&mut tx, &attempts::account(Door::Code, &me.user.email_key), network)
        .await?;
    let cookie = renew(cx, &mut tx, me, true).await?;
    let entry = Change::new(Act::SignedIn, Thing::User, &me.user.email)
        .to(&serde_json::json!({ "second_factor": how }));
    audit::record(&mut tx, now, &me.actor(), entry).await?;
    tx.commit().await?;
    Ok(SignIn::Right { cookie, standing: Standing::In })
}

/// Which kind of code it was; none where it is no good.
async fn spend_code(cx: &Context, tx: &mut Tx, me: &Me, code: &str) -> Result<Option<&'static str>, Error> {
    // Asked anew: a code may have been used since the session was looked up.
    let Some(user) = store::users::by_id(tx, me.user.id).await? else { return Ok(None) };
    let now = cx.clock.now();
    if let Some(secret) = &user.totp_secret
        && let Some(step) = totp::step_of(secret, code, now, user.totp_step)
    {
        return Ok(store::users::use_totp(tx, user.id, step).await?.then_some("app"));
    }
    let hash = sha256(totp::bare_recovery_code(code).as_bytes());
    Ok(store::users::use_recovery_code(tx, user.id, &hash, now).await?.then_some("recovery code"))
}

/// Gives a session a new cookie, for as long as a session lasts.
pub(super) async fn renew(
    cx: &Context,
    tx: &mut Tx,
    me: &Me,
    second_factor: bool,
) -> Result<String, store::Error> {
    let (cookie, hash) = secret(cx);
    let expires_at = me.session.created_at.plus(cx.config.newsroom.session_longest);
    store::sessions::rotate(tx, me.session.id, &hash, second_factor, expires_at).await?;
    Ok(cookie)
}

/// Who holds this cookie, without a word of it.
///
/// # Errors
/// A database that can't be read.
pub async fn held_by(cx: &Context, cookie: &str) -> Result<Option<Me>, Error> {
    let now = cx.clock.now();
    let hash = sha256(cookie.as_bytes());
    let mut tx = cx.db.read().await?;
    let Some(session) = store::sessions::by_hash(&mut tx, &hash, now, idle_since(cx, now)).await? else {
        return Ok(None);
    };
    let user = store::users::by_id(&mut tx, session.user_id).await?;
    Ok(user.filter(|user| user.disabled_at.is_none()).map(|user| Me { user, session }))
}

/// The same. Notes once a minute that they were seen, and where.
///
/// # Errors
/// A database that can't be read or written.
pub async fn who(cx: &Context, cookie: &str, network: &str) -> Result<Option<Me>, Error> {
    let now = cx.clock.now();
    let Some(Me { user, mut session }) = held_by(cx, cookie).await? else { return Ok(None) };
    if now.since(session.seen_at) >= MINUTE || session.network != network {
        let mut tx = cx.db.begin().await?;
        store::sessions::seen(&mut tx, session.id, now, network).await?;
        tx.commit().await?;
        network.clone_into(&mut session.network);
    }
    Ok(Some(Me { user, session }))
}

/// # Errors
/// A database that can't be written.
pub async fn sign_out(cx: &Context, me: &Me) -> Result<(), Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    store::sessions::end(&mut tx, me.user.id, me.session.public_id, now).await?;
    audit::record(&mut tx, now, &me.actor(), Change::new(Act::SignedOut, Thing::User, &me.user.email))
        .await?;
    tx.commit().await?;
    Ok(())
}

/// A session that was last used before this has ended.
pub(super) fn idle_since(cx: &Context, now: Timestamp) -> Timestamp {
    now.minus(cx.config.newsroom.session_idle)
}

/// As whom somebody acts who isn't signed in.
pub(super) fn visitor(origin: &Origin) -> Actor {
    Actor::visitor(&origin.network)
}
