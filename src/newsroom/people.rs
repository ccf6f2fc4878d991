//! What is changed about people: by themselves their name, password and sessions, by an owner their role and whether
//! they may come in at all. One owner who can sign in always stays.

use serde_json::json;
use uuid::Uuid;

use super::second_factor::prove;
use super::signing_in::{idle_since, renew};
use super::{Error, Me, hashed, links, refused};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{password, role::Role, time::Timestamp};
use crate::store::{self, Tx, sessions::Session, users::User};

/// Somebody in the list of all.
#[derive(Clone, Debug)]
pub struct Listed {
    pub user: User,
    pub last_seen: Option<Timestamp>,
}

/// Everybody, by name.
///
/// # Errors
/// A database that can't be read.
pub async fn all(cx: &Context) -> Result<Vec<Listed>, Error> {
    let mut tx = cx.db.read().await?;
    let mut listed = Vec::new();
    for user in store::users::all(&mut tx).await? {
        let last_seen = store::sessions::last_seen(&mut tx, user.id).await?;
        listed.push(Listed { user, last_seen });
    }
    Ok(listed)
}

/// # Errors
/// A database that can't be read.
pub async fn find(cx: &Context, public_id: Uuid) -> Result<Option<User>, Error> {
    let mut tx = cx.db.read().await?;
    Ok(store::users::by_public_id(&mut tx, public_id).await?)
}

/// # Errors
/// A database that can't be read; an address that is none finds nobody.
pub async fn by_email(cx: &Context, email: &str) -> Result<Option<User>, Error> {
    let Ok(address) = links::email_address(email) else { return Ok(None) };
    let mut tx = cx.db.read().await?;
    Ok(store::users::by_email_key(&mut tx, address.key()).await?)
}

/// Somebody new with a password of their own.
///
/// # Errors
/// [`Error::Refused`] says what is wrong with the address, the name or the password.
pub async fn create(
    cx: &Context,
    actor: &Actor,
    email: &str,
    name: &str,
    role: Role,
    password: Option<&str>,
) -> Result<User, Error> {
    let (address, name) = (links::email_address(email)?, links::person_name(name)?);
    let hash = match password {
        Some(password) => {
            password::check(password, &address).map_err(|why| Error::Refused(why.to_owned()))?;
            Some(hashed(cx, password).await?)
        }
        None => None,
    };
    let mut tx = cx.db.begin().await?;
    let id = links::add(cx, &mut tx, &address, &name, role, hash.as_deref()).await?;
    store::user_links::end_first_owner(&mut tx).await?;
    let change = Change::new(Act::UserCreated, Thing::User, address.as_str())
        .to(&json!({ "role": role, "name": name }));
    audit::record(&mut tx, cx.clock.now(), actor, change).await?;
    let user = store::users::by_id(&mut tx, id).await?;
    tx.commit().await?;
    user.ok_or_else(|| Error::Refused("They are gone again.".to_owned()))
}

/// # Errors
/// [`Error::Refused`] for a name that is none.
pub async fn rename(cx: &Context, me: &Me, name: &str) -> Result<(), Error> {
    let name = links::person_name(name)?;
    let mut tx = cx.db.begin().await?;
    store::users::set_name(&mut tx, me.user.id, &name).await?;
    let change = Change::new(Act::Renamed, Thing::User, &me.user.email)
        .from(&json!({ "name": me.user.name }))
        .to(&json!({ "name": name }));
    audit::record(&mut tx, cx.clock.now(), &me.actor(), change).await?;
    tx.commit().await?;
    Ok(())
}

/// Another password. All other sessions end, and links that were mailed; this one gets the new cookie that it gives.
///
/// # Errors
/// [`Error::Refused`] where the present password is wrong or the new one won't do.
pub async fn change_password(cx: &Context, me: &Me, present: &str, new: &str) -> Result<String, Error> {
    prove(cx, me, present).await?;
    let address = links::email_address(&me.user.email)?;
    password::check(new, &address).map_err(|why| Error::Refused(why.to_owned()))?;
    let hash = hashed(cx, new).await?;
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    store::users::set_password(&mut tx, me.user.id, &hash).await?;
    store::user_links::end_of_user(&mut tx, me.user.id).await?;
    store::sessions::end_all(&mut tx, me.user.id, me.session.id, now).await?;
    let cookie = renew(cx, &mut tx, me, me.session.second_factor).await?;
    audit::record(&mut tx, now, &me.actor(), Change::new(Act::PasswordChanged, Thing::User, &me.user.email))
        .await?;
    tx.commit().await?;
    Ok(cookie)
}

/// The sessions that hold, the last seen first.
///
/// # Errors
/// A database that can't be read.
pub async fn sessions(cx: &Context, user: &User) -> Result<Vec<Session>, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    Ok(store::sessions::of_user(&mut tx, user.id, now, idle_since(cx, now)).await?)
}

/// Ends a session of somebody's; false where they have none of that id.
///
/// # Errors
/// A database that can't be written.
pub async fn end_session(cx: &Context, actor: &Actor, user: &User, session: Uuid) -> Result<bool, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let ended = store::sessions::end(&mut tx, user.id, session, now).await?;
    if ended {
        audit::record(&mut tx, now, actor, Change::new(Act::SessionEnded, Thing::User, &user.email)).await?;
    }
    tx.commit().await?;
    Ok(ended)
}

/// Ends all of somebody's sessions but `but`, by its key; 0 ends all.
///
/// # Errors
/// A database that can't be written.
pub async fn end_sessions(cx: &Context, actor: &Actor, user: &User, but: i64) -> Result<u64, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let ended = store::sessions::end_all(&mut tx, user.id, but, now).await?;
    let change = Change::new(Act::SessionsEnded, Thing::User, &user.email).to(&json!({ "ended": ended }));
    audit::record(&mut tx, now, actor, change).await?;
    tx.commit().await?;
    Ok(ended)
}

/// # Errors
/// [`Error::Refused`] for the last owner.
pub async fn change_role(cx: &Context, actor: &Actor, user: &User, role: Role) -> Result<(), Error> {
    let mut tx = cx.db.begin().await?;
    if role != Role::Owner {
        keep_an_owner(&mut tx, user).await?;
    }
    store::users::set_role(&mut tx, user.id, role).await?;
    let change = Change::new(Act::RoleChanged, Thing::User, &user.email)
        .from(&json!({ "role": user.role }))
        .to(&json!({ "role": role }));
    audit::record(&mut tx, cx.clock.now(), actor, change).await?;
    tx.commit().await?;
    Ok(())
}

/// Keeps somebody out, at once, until they are let in again. What they did stays theirs.
///
/// # Errors
/// [`Error::Refused`] for the last owner.
pub async fn disable(cx: &Context, actor: &Actor, user: &User) -> Result<(), Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    keep_an_owner(&mut tx, user).await?;
    store::users::set_disabled(&mut tx, user.id, Some(now)).await?;
    store::sessions::end_all(&mut tx, user.id, 0, now).await?;
    store::user_links::end_of_user(&mut tx, user.id).await?;
    audit::record(&mut tx, now, actor, Change::new(Act::Disabled, Thing::User, &user.email)).await?;
    tx.commit().await?;
    Ok(())
}

/// Lets somebody in again, with the password they had.
///
/// # Errors
/// A database that can't be written.
pub async fn enable(cx: &Context, actor: &Actor, user: &User) -> Result<(), Error> {
    let mut tx = cx.db.begin().await?;
    store::users::set_disabled(&mut tx, user.id, None).await?;
    audit::record(&mut tx, cx.clock.now(), actor, Change::new(Act::Enabled, Thing::User, &user.email))
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Refuses where this is the only owner who can sign in.
async fn keep_an_owner(tx: &mut Tx, user: &User) -> Result<(), Error> {
    if store::users::owners(tx).await? == [user.id] {
        return refused("This is the only owner. Make somebody else an owner first.");
    }
    Ok(())
}
