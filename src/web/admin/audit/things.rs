//! What the log of changes is about, by the names that things have now, with where to look at them. The log itself knows
//! readers by their ids alone: their addresses stand where an erasure takes them out.

use std::collections::HashMap;

use uuid::Uuid;

use crate::domain::change::Thing;
use crate::domain::draft::Kind;
use crate::publishing::desk::Written;
use crate::store::{self, Result, Tx, users::User};
use crate::web::admin::issues::kind_word;

/// A name, and a page that shows more; none where there is none any more.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Named {
    pub name: String,
    pub link: Option<String>,
}

impl Named {
    fn at(name: impl Into<String>, link: impl Into<String>) -> Self {
        Self { name: name.into(), link: Some(link.into()) }
    }

    fn only(name: impl Into<String>) -> Self {
        Self { name: name.into(), link: None }
    }

    pub fn user(user: &User) -> Self {
        Self::at(user.name.as_str(), format!("/admin/users/{}", user.public_id))
    }
}

/// The names of things, each looked up once.
pub struct Names {
    pub users: Vec<User>,
    known: HashMap<(Thing, String), Named>,
}

impl Names {
    /// # Errors
    /// A database that can't be read.
    pub async fn read(tx: &mut Tx) -> Result<Self> {
        Ok(Self { users: store::users::all(tx).await?, known: HashMap::new() })
    }

    pub fn person(&self, email: &str) -> Option<Named> {
        self.users.iter().find(|user| user.email == email).map(Named::user)
    }

    /// # Errors
    /// A database that can't be read.
    pub async fn of(&mut self, tx: &mut Tx, thing: Thing, subject: &str) -> Result<Named> {
        if let Some(named) = self.known.get(&(thing, subject.to_owned())) {
            return Ok(named.clone());
        }
        let named = match thing {
            Thing::User => self.person(subject).unwrap_or_else(|| Named::only(subject)),
            _ => look_up(tx, thing, subject).await?,
        };
        self.known.insert((thing, subject.to_owned()), named.clone());
        Ok(named)
    }
}

async fn look_up(tx: &mut Tx, thing: Thing, subject: &str) -> Result<Named> {
    let id = subject.parse::<Uuid>().unwrap_or_default();
    Ok(match thing {
        Thing::User => Named::only(subject),
        Thing::Token => Named::at(format!("the token “{subject}”"), "/admin/tokens"),
        Thing::Topic => match store::topics::by_slug(tx, subject).await? {
            Some(topic) => {
                Named::at(format!("the topic “{}”", topic.name), format!("/admin/sources/topics/{subject}"))
            }
            None => Named::only(format!("the topic {subject}")),
        },
        Thing::Feed => match store::feeds::id_of(tx, subject).await? {
            Some(id) => Named::at(format!("the feed {subject}"), format!("/admin/sources/feeds/{id}")),
            None => Named::only(format!("the feed {subject}")),
        },
        Thing::Schedule => Named::at(format!("the schedule “{subject}”"), "/admin/sources"),
        Thing::Subscriber => match store::subscribers::by_public_id(tx, id).await? {
            Some(reader) => {
                Named::at(format!("the reader {}", reader.address), format!("/admin/subscribers/{id}"))
            }
            None => Named::only("a reader who is erased"),
        },
        Thing::Readers => Named::at("all readers", "/admin/subscribers"),
        Thing::List => Named::only(format!("the list {subject}")),
        Thing::Draft => match store::drafts::by_public_id(tx, id).await? {
            Some(draft) => of_draft(Written::of(draft)),
            None => Named::only("a draft that is gone"),
        },
        Thing::Issue => match store::issues::by_public_id(tx, id).await? {
            Some(issue) => Named::at(
                format!("the {} “{}”", kind_word(&issue), issue.subject),
                format!("/admin/issues/{id}"),
            ),
            None => Named::only("an issue that is gone"),
        },
        Thing::Race => match store::races::by_public_id(tx, id).await? {
            Some(race) => Named::at(format!("the race “{}”", race.name), format!("/admin/races/{id}")),
            None => Named::only("a race that is gone"),
        },
        Thing::Delivery => match store::queue::find(tx, subject.parse().unwrap_or_default()).await? {
            Some(mail) => {
                Named::at(format!("the mail to {}", mail.address), format!("/admin/deliveries/{subject}"))
            }
            None => Named::only("a mail that is no longer kept"),
        },
        Thing::Lane => Named::at(format!("the lane {subject}"), "/admin"),
        Thing::Relay => Named::at(format!("the relay {subject}"), "/admin"),
        Thing::Queue => Named::at("all that was put off", "/admin"),
    })
}

fn of_draft(written: Written) -> Named {
    let word = match written.text.kind {
        Kind::Alert => "alert",
        Kind::Broadcast => "newsletter",
    };
    let name = match written.text.subject.as_str() {
        "" => format!("{} {word} without a subject", if word == "alert" { "an" } else { "a" }),
        subject => format!("the {word} “{subject}”"),
    };
    Named::at(name, format!("/admin/desk/{}", written.draft.public_id))
}
