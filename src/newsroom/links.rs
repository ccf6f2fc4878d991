//! Links that work once: the first owner's, an invitation, a new password. Mailed or printed; only a hash is kept.

use std::time::Duration;

use super::attempts::{self, Door};
use super::signing_in::{self, Origin, SignIn};
use super::{Error, hashed, refused, secret};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{
    address::EmailAddress,
    password,
    role::Role,
    time::{DAY, HOUR},
    token::sha256,
};
use crate::mail::compose::Account;
use crate::once::{self, Came, Once};
use crate::outbox::{self, Envelope};
use crate::store::{
    self, Tx,
    user_links::{Link, LinkPurpose},
    users::{NewUser, User},
};

const INVITATION_HOLDS: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const RESET_HOLDS: Duration = HOUR;
const FIRST_OWNER_HOLDS: Duration = DAY;

/// What a link is for, as its page shows it.
#[derive(Clone, Debug)]
pub struct Opened {
    pub purpose: LinkPurpose,
    /// None for the first owner's: they say who they are.
    pub user: Option<User>,
}

/// What somebody fills in behind a link. Address and name are the first owner's; who was invited may change the name.
#[derive(Clone, Debug, Default)]
pub struct Filled {
    pub email: String,
    pub name: String,
    pub password: String,
}

/// The address of a link that makes the first owner; none where there is one already. Former ones end.
///
/// # Errors
/// A database that can't be written.
pub async fn first_owner(cx: &Context) -> Result<Option<String>, Error> {
    let mut tx = cx.db.begin().await?;
    if store::users::any_owner(&mut tx).await? {
        return Ok(None);
    }
    store::user_links::end_first_owner(&mut tx).await?;
    let url = make(cx, &mut tx, None, LinkPurpose::FirstOwner, FIRST_OWNER_HOLDS).await?;
    tx.commit().await?;
    Ok(Some(url))
}

/// What a link is for; none where it doesn't hold.
///
/// # Errors
/// A database that can't be read.
pub async fn open(cx: &Context, token: &str) -> Result<Option<Opened>, Error> {
    let mut tx = cx.db.read().await?;
    Ok(find(cx, &mut tx, token).await?.map(|(link, user)| Opened { purpose: link.purpose, user }))
}

async fn find(cx: &Context, tx: &mut Tx, token: &str) -> Result<Option<(Link, Option<User>)>, Error> {
    let now = cx.clock.now();
    let Some(link) = store::user_links::by_hash(tx, &sha256(token.as_bytes()), now).await? else {
        return Ok(None);
    };
    let user = match link.user_id {
        Some(id) => store::users::by_id(tx, id).await?,
        None => None,
    };
    let holds = match (&link.purpose, &user) {
        (LinkPurpose::FirstOwner, _) => !store::users::any_owner(tx).await?,
        (_, Some(user)) => user.disabled_at.is_none(),
        (_, None) => false,
    };
    Ok(holds.then_some((link, user)))
}

/// Uses a link: makes the first owner, or gives somebody a password; ends all their sessions and other links, and signs
/// them in. None where the link doesn't hold.
///
/// # Errors
/// [`Error::Refused`] says what is wrong with what was filled in, and then the link still holds.
pub async fn accept(
    cx: &Context,
    token: &str,
    filled: &Filled,
    origin: &Origin,
) -> Result<Option<SignIn>, Error> {
    let mut tx = cx.db.read().await?;
    let Some((_, user)) = find(cx, &mut tx, token).await? else { return Ok(None) };
    drop(tx);
    let (email, name) = match &user {
        Some(user) => {
            (user.email.clone(), if filled.name.trim().is_empty() { &user.name } else { &filled.name })
        }
        None => (filled.email.clone(), &filled.name),
    };
    let address = email_address(&email)?;
    let name = person_name(name)?;
    password::check(&filled.password, &address).map_err(|why| Error::Refused(why.to_owned()))?;
    let hash = hashed(cx, &filled.password).await?;

    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    // Hashing took its time: somebody may have been faster.
    let Some((link, user)) = find(cx, &mut tx, token).await? else { return Ok(None) };
    if !store::user_links::spend(&mut tx, link.id).await? {
        return Ok(None);
    }
    let id = match user {
        Some(user) => {
            store::users::set_password(&mut tx, user.id, &hash).await?;
            store::users::set_name(&mut tx, user.id, &name).await?;
            store::sessions::end_all(&mut tx, user.id, 0, now).await?;
            store::user_links::end_of_user(&mut tx, user.id).await?;
            user.id
        }
        None => add(cx, &mut tx, &address, &name, Role::Owner, Some(&hash)).await?,
    };
    for door in [Door::Password, Door::Code] {
        store::login_attempts::forgive_all(&mut tx, &attempts::account(door, address.key())).await?;
    }
    let Some(user) = store::users::by_id(&mut tx, id).await? else { return Ok(None) };
    let action = match link.purpose {
        LinkPurpose::FirstOwner => Act::FirstOwnerMade,
        LinkPurpose::Invitation => Act::InvitationAccepted,
        LinkPurpose::Reset => Act::PasswordReset,
    };
    let actor = signing_in::visitor(origin);
    audit::record(&mut tx, now, &actor, Change::new(action, Thing::User, &user.email)).await?;
    let signed_in = signing_in::enter(cx, &mut tx, user, origin).await?;
    tx.commit().await?;
    Ok(Some(signed_in))
}

/// Adds somebody and mails them a link.
///
/// # Errors
/// [`Error::Refused`] where the address or the name is none, [`Error::Taken`] where the address is somebody's,
/// [`Error::Repeated`] where a call with the key came before.
pub async fn invite(
    cx: &Context,
    actor: &Actor,
    (email, name, role): (&str, &str, Role),
    once: Option<Once<'_>>,
) -> Result<User, Error> {
    let (address, name) = (email_address(email)?, person_name(name)?);
    let mut tx = cx.db.begin().await?;
    let id = add(cx, &mut tx, &address, &name, role, None).await?;
    let Some(user) = store::users::by_id(&mut tx, id).await? else { return refused("They are gone again.") };
    let change = Change::new(Act::Invited, Thing::User, &user.email)
        .to(&serde_json::json!({ "role": role, "name": name }));
    audit::record(&mut tx, cx.clock.now(), actor, change).await?;
    mail_link(cx, &mut tx, &user).await?;
    if !once::note(cx, &mut tx, once, Came::Made(&user.public_id.to_string())).await? {
        return Err(Error::Repeated);
    }
    tx.commit().await?;
    cx.bells.deliver.notify_one();
    Ok(user)
}

/// Mails somebody a link anew: an invitation, or to choose another password.
///
/// # Errors
/// [`Error::Refused`] for who is kept out, [`Error::Repeated`] where a call with the key came before.
pub async fn send_link(
    cx: &Context,
    actor: &Actor,
    user: &User,
    once: Option<Once<'_>>,
) -> Result<(), Error> {
    if user.disabled_at.is_some() {
        return refused("They are kept out, so the link would open nothing. Let them in first.");
    }
    let mut tx = cx.db.begin().await?;
    audit::record(&mut tx, cx.clock.now(), actor, Change::new(Act::LinkMailed, Thing::User, &user.email))
        .await?;
    mail_link(cx, &mut tx, user).await?;
    if !once::note(cx, &mut tx, once, Came::Made(&user.public_id.to_string())).await? {
        return Err(Error::Repeated);
    }
    tx.commit().await?;
    cx.bells.deliver.notify_one();
    Ok(())
}

/// A link to hand over by other ways than mail.
///
/// # Errors
/// A database that can't be written.
pub async fn link_for(cx: &Context, actor: &Actor, user: &User) -> Result<String, Error> {
    let mut tx = cx.db.begin().await?;
    let (purpose, holds) = link_kind(user);
    store::user_links::end_of_user(&mut tx, user.id).await?;
    let url = make(cx, &mut tx, Some(user.id), purpose, holds).await?;
    audit::record(&mut tx, cx.clock.now(), actor, Change::new(Act::LinkMade, Thing::User, &user.email))
        .await?;
    tx.commit().await?;
    Ok(url)
}

/// Somebody says that they forgot their password. It is noted, whoever it is; what follows, if anything, comes by mail
/// ([`answer_requests`]). Gives how long to wait where it was asked too often.
///
/// # Errors
/// A database that can't be written.
pub async fn forgot(cx: &Context, email: &str, origin: &Origin) -> Result<Option<Duration>, Error> {
    let Ok(address) = email.parse::<EmailAddress>() else { return Ok(None) };
    if let Some(wait) = attempts::begin(cx, Door::Reset, address.key(), &origin.network).await? {
        return Ok(Some(wait));
    }
    let mut tx = cx.db.begin().await?;
    store::user_links::ask(&mut tx, address.key(), &origin.network, cx.clock.now()).await?;
    tx.commit().await?;
    cx.bells.signup.notify_one();
    Ok(None)
}

/// Mails links to those who said that they forgot their password and are somebody. Outside of any request: how long it
/// takes tells nobody who has an account. Returns how many were decided upon.
///
/// # Errors
/// A database that can't be written, or a mail that can't be composed.
pub async fn answer_requests(cx: &Context) -> Result<usize, Error> {
    let mut answered = 0;
    loop {
        let mut tx = cx.db.read().await?;
        let Some(request) = store::user_links::asked(&mut tx).await? else { return Ok(answered) };
        drop(tx);
        let mut tx = cx.db.begin().await?;
        if store::user_links::take(&mut tx, request.id).await?
            && let Some(user) = store::users::by_email_key(&mut tx, &request.email_key).await?
            && user.disabled_at.is_none()
        {
            let actor = Actor::visitor(&request.network);
            let change = Change::new(Act::LinkAskedFor, Thing::User, &user.email);
            audit::record(&mut tx, cx.clock.now(), &actor, change).await?;
            mail_link(cx, &mut tx, &user).await?;
        }
        tx.commit().await?;
        cx.bells.deliver.notify_one();
        answered += 1;
    }
}

/// Somebody new, with or without a password. Gives their key.
pub(super) async fn add(
    cx: &Context,
    tx: &mut Tx,
    address: &EmailAddress,
    name: &str,
    role: Role,
    password_hash: Option<&str>,
) -> Result<i64, Error> {
    let now = cx.clock.now();
    let user = NewUser {
        public_id: cx.entropy.uuid(now),
        email: address.as_str(),
        email_key: address.key(),
        name,
        role,
        password_hash,
        now,
    };
    match store::users::insert(tx, &user).await? {
        Some(id) => Ok(id),
        None => Err(Error::Taken("There is somebody with this address already.".to_owned())),
    }
}

pub(super) fn email_address(text: &str) -> Result<EmailAddress, Error> {
    text.parse().map_err(|error| Error::Refused(format!("The address: {error}")))
}

/// Somebody's name, as others see it.
pub(super) fn person_name(text: &str) -> Result<String, Error> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return refused("Give a name of at most 100 characters on one line.");
    }
    Ok(name.to_owned())
}

fn link_kind(user: &User) -> (LinkPurpose, Duration) {
    match user.password_hash {
        None => (LinkPurpose::Invitation, INVITATION_HOLDS),
        Some(_) => (LinkPurpose::Reset, RESET_HOLDS),
    }
}

/// A link in the database, and its address.
async fn make(
    cx: &Context,
    tx: &mut Tx,
    user_id: Option<i64>,
    purpose: LinkPurpose,
    holds: Duration,
) -> Result<String, Error> {
    let (token, hash) = secret(cx);
    let now = cx.clock.now();
    store::user_links::insert(tx, user_id, purpose, &hash, now, now.plus(holds)).await?;
    Ok(address_of(cx, &token))
}

fn address_of(cx: &Context, token: &str) -> String {
    format!("{}/admin/link/{token}", cx.config.server.public_url.as_str().trim_end_matches('/'))
}

async fn mail_link(cx: &Context, tx: &mut Tx, user: &User) -> Result<(), Error> {
    let now = cx.clock.now();
    let (purpose, holds) = link_kind(user);
    store::user_links::end_of_user(tx, user.id).await?;
    let link = make(cx, tx, Some(user.id), purpose, holds).await?;
    let public_id = cx.entropy.uuid(now);
    let draft = letter(cx, public_id, user, link)?;
    let envelope = Envelope {
        public_id,
        to: &user.email,
        signup_id: None,
        created_by: "newsroom",
        expires_at: now.plus(holds),
    };
    outbox::queue(cx, tx, &draft, &envelope).await?;
    Ok(())
}

fn letter(
    cx: &Context,
    public_id: uuid::Uuid,
    user: &User,
    link: String,
) -> Result<crate::mail::compose::Draft, Error> {
    let brand = cx.config.sender.from.name.as_deref().unwrap_or(cx.config.server.host());
    let account = if user.password_hash.is_none() {
        Account {
            subject: format!("Your invitation to the newsroom of {brand}"),
            paragraphs: vec![
                format!("{}, you are invited to the newsroom of {brand}, as {}.", user.name, user.role),
                "Choose a password behind the link below. It works for 7 days.".to_owned(),
            ],
            link: Some((link, "Accept the invitation".to_owned())),
        }
    } else {
        Account {
            subject: format!("Choose a new password: {brand}"),
            paragraphs: vec![
                "Somebody, most likely you, asked to choose a new password. The link works for an hour."
                    .to_owned(),
                "It wasn’t you? Then do nothing, and your password stays as it is.".to_owned(),
            ],
            link: Some((link, "Choose a new password".to_owned())),
        }
    };
    Ok(cx.composer.account(public_id, &account)?)
}
