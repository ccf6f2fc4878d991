//! The people of the newsroom: how they get in (`signing_in`, with `attempts` and `second_factor`), how they are made
//! (`links`), and what is changed about them (`people`) and about the keys to the API (`tokens`); and what it reads and when
//! it writes (`sources`).

pub mod attempts;
pub mod links;
pub mod people;
pub mod second_factor;
pub mod signing_in;
pub mod sources;
pub mod tokens;

use crate::audit::Actor;
use crate::context::Context;
use crate::domain::password;
use crate::domain::token::{sha256, ticket};
use crate::mail::compose::ComposeError;
use crate::store::{self, sessions::Session, users::User};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Compose(#[from] ComposeError),
    #[error("a password can't be hashed: {0}")]
    Hashing(String),
    /// What was asked can't be done; a sentence for whoever asked.
    #[error("{0}")]
    Refused(String),
    /// There is one of this name or address already; a sentence for whoever asked.
    #[error("{0}")]
    Taken(String),
    /// Another call with the same Idempotency-Key came first, and nothing was done.
    #[error("a call with this key came before")]
    Repeated,
}

/// A refusal, in words for whoever asked.
fn refused<T>(why: &str) -> Result<T, Error> {
    Err(Error::Refused(why.to_owned()))
}

/// Somebody who is signed in, and by which session.
#[derive(Clone, Debug)]
pub struct Me {
    pub user: User,
    pub session: Session,
}

/// How far somebody has got in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The password was right; a code is due.
    CodeDue,
    /// A second factor must be set up first.
    SecondFactorMissing,
    In,
}

impl Me {
    pub fn standing(&self, cx: &Context) -> Standing {
        if self.user.has_second_factor() {
            if self.session.second_factor { Standing::In } else { Standing::CodeDue }
        } else if cx.config.newsroom.require_totp && self.user.role.may_release() {
            Standing::SecondFactorMissing
        } else {
            Standing::In
        }
    }

    /// As whom the log of changes knows them.
    pub fn actor(&self) -> Actor {
        Actor::user(&self.user.email, &self.session.network)
    }
}

/// A random secret to hand out, and the hash to keep.
fn secret(cx: &Context) -> (String, Vec<u8>) {
    let secret = ticket(cx.entropy.bytes());
    let hash = sha256(secret.as_bytes());
    (secret, hash)
}

/// The hash of a password, made where nobody waits for the thread.
async fn hashed(cx: &Context, password: &str) -> Result<String, Error> {
    let (password, salt) = (password.to_owned(), cx.entropy.bytes());
    let hash = tokio::task::spawn_blocking(move || password::hash(&password, salt)).await;
    match hash {
        Ok(Ok(hash)) => Ok(hash),
        Ok(Err(error)) => Err(Error::Hashing(error.to_string())),
        Err(error) => Err(Error::Hashing(error.to_string())),
    }
}

/// Whether a password is the one behind the hash; as slow where there is none.
async fn is_right(password: &str, hash: Option<String>) -> bool {
    let password = password.to_owned();
    tokio::task::spawn_blocking(move || password::verify(&password, hash.as_deref())).await.unwrap_or(false)
}
