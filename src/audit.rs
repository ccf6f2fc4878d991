//! The log of changes: who changed what, from what to what, from where. Every verb writes into it, in the transaction
//! of the change itself.

use serde::Serialize;

pub use crate::domain::change::{Act, Thing};
use crate::domain::time::Timestamp;
use crate::store::{
    self, Tx,
    audit::{ActorKind, NewEntry},
};

/// Who changes something, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub kind: ActorKind,
    /// A user's address, a token's name.
    pub name: String,
    /// Of a token, the user who made it, if one did.
    pub maker: Option<String>,
    /// As limits name it; empty where there is none.
    pub network: String,
}

impl Actor {
    pub fn user(email: &str, network: &str) -> Self {
        Self::new(ActorKind::User, email, network)
    }

    pub fn token(name: &str, maker: Option<&str>, network: &str) -> Self {
        Self { maker: maker.map(ToOwned::to_owned), ..Self::new(ActorKind::Token, name, network) }
    }

    pub fn visitor(network: &str) -> Self {
        Self::new(ActorKind::Visitor, "", network)
    }

    /// Whoever runs commands on the machine.
    pub fn command() -> Self {
        Self::new(ActorKind::Command, "command line", "")
    }

    pub fn service() -> Self {
        Self::new(ActorKind::Service, "bellwether", "")
    }

    fn new(kind: ActorKind, name: &str, network: &str) -> Self {
        Self { kind, name: name.to_owned(), maker: None, network: network.to_owned() }
    }

    /// The user behind it: oneself, or who made the token.
    pub fn person(&self) -> Option<&str> {
        match self.kind {
            ActorKind::User => Some(&self.name),
            _ => self.maker.as_deref(),
        }
    }
}

/// As issues name whoever made them.
impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            ActorKind::Token => write!(f, "token {}", self.name),
            _ => f.write_str(&self.name),
        }
    }
}

/// A change: what was done, to which kind of thing, and what that is known by, as in "ada@example.org".
#[derive(Clone, Debug)]
pub struct Change<'a> {
    pub act: Act,
    pub thing: Thing,
    pub subject: &'a str,
    before: Option<String>,
    after: Option<String>,
}

impl<'a> Change<'a> {
    pub const fn new(act: Act, thing: Thing, subject: &'a str) -> Self {
        Self { act, thing, subject, before: None, after: None }
    }

    /// How it was. No secrets, also no hashed ones.
    #[must_use]
    pub fn from(mut self, before: &impl Serialize) -> Self {
        self.before = serde_json::to_string(before).ok();
        self
    }

    /// How it is now. No secrets, also no hashed ones.
    #[must_use]
    pub fn to(mut self, after: &impl Serialize) -> Self {
        self.after = serde_json::to_string(after).ok();
        self
    }
}

/// Writes it down, in the transaction of the change.
///
/// # Errors
/// A database that can't be written.
pub async fn record(tx: &mut Tx, now: Timestamp, actor: &Actor, change: Change<'_>) -> store::Result<()> {
    let entry = NewEntry {
        at: now,
        actor_kind: actor.kind,
        actor: &actor.name,
        action: change.act.as_str(),
        subject_kind: change.thing.as_str(),
        subject: change.subject,
        before: change.before,
        after: change.after,
        network: &actor.network,
    };
    store::audit::insert(tx, &entry).await?;
    Ok(())
}
