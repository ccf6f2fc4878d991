//! Topics of the newsroom. A retired one is on no form, and nothing new is published on it; its readers keep it.

use serde::{Deserialize, Serialize};

use super::{Error, Faults, in_the_file, wrong};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::config;
use crate::context::Context;
use crate::domain::topic::Slug;
use crate::store::{self, Tx, topics::Topic};

/// The longest description, in characters.
const DESCRIPTION: usize = 500;

/// A topic as it is typed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Wanted {
    pub slug: String,
    /// Empty for the slug.
    pub name: String,
    pub description: String,
    pub public: bool,
}

impl From<&Topic> for Wanted {
    fn from(topic: &Topic) -> Self {
        Self {
            slug: topic.slug.clone(),
            name: topic.name.clone(),
            description: topic.description.clone(),
            public: topic.public,
        }
    }
}

/// All there ever were, also retired ones, in the order they were made.
///
/// # Errors
/// A database that can't be read.
pub async fn all(cx: &Context) -> Result<Vec<Topic>, Error> {
    Ok(store::topics::ever(&mut cx.db.read().await?).await?)
}

/// # Errors
/// [`Error::Missing`] where there is none of this slug.
pub async fn find(cx: &Context, slug: &str) -> Result<Topic, Error> {
    by_slug(&mut cx.db.read().await?, slug).await
}

/// Makes a topic and gives its slug.
///
/// # Errors
/// [`Error::Wrong`] says of each field what is.
pub async fn create(cx: &Context, actor: &Actor, wanted: &Wanted) -> Result<String, Error> {
    let wanted = checked(wanted)?;
    let mut tx = cx.db.begin().await?;
    let Wanted { slug, name, description, public } = &wanted;
    if !store::topics::insert(&mut tx, slug, name, description, *public).await? {
        return wrong("slug", "is another topic's already, or a retired one's");
    }
    let change = Change::new(Act::TopicMade, Thing::Topic, slug).to(&wanted);
    audit::record(&mut tx, cx.clock.now(), actor, change).await?;
    tx.commit().await?;
    Ok(wanted.slug)
}

/// Changes what a topic is called. Its slug stays: sites and programs know it by that.
///
/// # Errors
/// [`Error::Wrong`] says of each field what is; [`Error::Refused`] for one of config.toml.
pub async fn change(cx: &Context, actor: &Actor, slug: &str, wanted: &Wanted) -> Result<(), Error> {
    let wanted = checked(&Wanted { slug: slug.to_owned(), ..wanted.clone() })?;
    let mut tx = cx.db.begin().await?;
    let before = by_slug(&mut tx, slug).await?;
    let Wanted { name, description, public, .. } = &wanted;
    if !store::topics::change(&mut tx, before.id, name, description, *public).await? {
        return in_the_file();
    }
    let change = Change::new(Act::TopicChanged, Thing::Topic, slug).from(&Wanted::from(&before)).to(&wanted);
    audit::record(&mut tx, cx.clock.now(), actor, change).await?;
    tx.commit().await?;
    Ok(())
}

/// Offers it no more, or again. True where that changed something.
///
/// # Errors
/// [`Error::Refused`] for one of config.toml.
pub async fn set_retired(cx: &Context, actor: &Actor, slug: &str, retired: bool) -> Result<bool, Error> {
    let mut tx = cx.db.begin().await?;
    let topic = by_slug(&mut tx, slug).await?;
    if topic.provisioned {
        return in_the_file();
    }
    if !store::topics::set_retired(&mut tx, topic.id, retired).await? {
        return Ok(false);
    }
    let action = if retired { Act::TopicRetired } else { Act::TopicRestored };
    audit::record(&mut tx, cx.clock.now(), actor, Change::new(action, Thing::Topic, slug)).await?;
    tx.commit().await?;
    Ok(true)
}

/// What is no slug names none, and isn't asked for.
async fn by_slug(tx: &mut Tx, slug: &str) -> Result<Topic, Error> {
    if slug.parse::<Slug>().is_err() {
        return Err(Error::Missing);
    }
    store::topics::by_slug(tx, slug).await?.ok_or(Error::Missing)
}

fn checked(wanted: &Wanted) -> Result<Wanted, Error> {
    let mut faults = Faults::default();
    let slug = faults.read("slug", wanted.slug.trim().parse::<Slug>());
    let name = match (&slug, wanted.name.trim()) {
        (Some(slug), "") => Some(slug.to_string()),
        (_, name) => faults.read("name", config::name(name)),
    };
    let description = faults.read("description", config::prose(&wanted.description).and_then(short));
    let read = slug.zip(name).zip(description);
    faults.or(read.map(|((slug, name), description)| Wanted {
        slug: slug.to_string(),
        name,
        description,
        public: wanted.public,
    }))
}

fn short(text: String) -> Result<String, String> {
    if text.chars().count() <= DESCRIPTION {
        Ok(text)
    } else {
        Err(format!("must be {DESCRIPTION} characters or fewer"))
    }
}
