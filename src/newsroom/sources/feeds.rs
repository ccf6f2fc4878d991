//! Feeds of the newsroom. Every node reads them from the database, within a second of a change. A retired one is read no
//! more, nor is one whose topic is retired; restored, it goes on where it stopped.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::{Error, Faults, in_the_file, wrong};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::config;
use crate::context::Context;
use crate::domain::network::is_public;
use crate::store::{
    self, Tx,
    feeds::{Feed, Reading},
    topics::Topic,
};

/// The longest address, in characters.
const ADDRESS: usize = 2_000;

/// A feed as it is typed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Wanted {
    pub url: String,
    /// The slug of the topic whose readers get its posts.
    pub topic: String,
    /// As in `5m`; empty for that.
    pub every: String,
    /// A new post is mailed at once.
    pub alert: bool,
}

/// A feed as it is typed, read.
struct Checked {
    url: Url,
    topic: Topic,
    every: Duration,
    alert: bool,
}

impl Checked {
    fn reading(&self) -> Reading<'_> {
        Reading {
            url: self.url.as_str(),
            topic_id: self.topic.id,
            every_micros: i64::try_from(self.every.as_micros()).unwrap_or(i64::MAX),
            alert: self.alert,
        }
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            url: self.url.to_string(),
            topic: self.topic.slug.clone(),
            every: in_words(self.every),
            alert: self.alert,
        }
    }
}

/// All there ever were, also retired ones.
///
/// # Errors
/// A database that can't be read.
pub async fn all(cx: &Context) -> Result<Vec<Feed>, Error> {
    Ok(store::feeds::ever(&mut cx.db.read().await?).await?)
}

/// # Errors
/// [`Error::Missing`] where there is none of this number.
pub async fn find(cx: &Context, id: i64) -> Result<Feed, Error> {
    store::feeds::by_id(&mut cx.db.read().await?, id).await?.ok_or(Error::Missing)
}

/// A feed as a form shows it.
///
/// # Errors
/// A database that can't be read.
pub async fn typed(cx: &Context, feed: &Feed) -> Result<Wanted, Error> {
    as_typed(&mut cx.db.read().await?, feed).await
}

async fn as_typed(tx: &mut Tx, feed: &Feed) -> Result<Wanted, Error> {
    let topics = store::topics::ever(tx).await?;
    let topic = topics.into_iter().find(|topic| topic.id == feed.topic_id);
    Ok(Wanted {
        url: feed.url.clone(),
        topic: topic.map(|topic| topic.slug).unwrap_or_default(),
        every: in_words(Duration::from_micros(feed.every_micros.unsigned_abs())),
        alert: feed.alert,
    })
}

/// Makes a feed, and gives its number. It is read within a second; what it shows then is its baseline, and mailed to nobody.
///
/// # Errors
/// [`Error::Wrong`] says of each field what is.
pub async fn create(cx: &Context, actor: &Actor, wanted: &Wanted) -> Result<i64, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let checked = checked(cx, &mut tx, wanted).await?;
    let Some(id) = store::feeds::insert(&mut tx, checked.reading(), now).await? else {
        return wrong("url", "is another feed's already, or a retired one's");
    };
    let change = Change::new(Act::FeedMade, Thing::Feed, checked.url.as_str()).to(&checked.wanted());
    audit::record(&mut tx, now, actor, change).await?;
    tx.commit().await?;
    Ok(id)
}

/// Changes a feed. At another address it begins with a baseline, as a new one.
///
/// # Errors
/// [`Error::Wrong`] says of each field what is; [`Error::Refused`] for one of config.toml.
pub async fn change(cx: &Context, actor: &Actor, id: i64, wanted: &Wanted) -> Result<(), Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let before = store::feeds::by_id(&mut tx, id).await?.ok_or(Error::Missing)?;
    if before.provisioned {
        return in_the_file();
    }
    let checked = checked(cx, &mut tx, wanted).await?;
    if store::feeds::id_of(&mut tx, checked.url.as_str()).await?.is_some_and(|other| other != id) {
        return wrong("url", "is another feed's already, or a retired one's");
    }
    if !store::feeds::change(&mut tx, id, checked.reading(), now).await? {
        return in_the_file();
    }
    let typed = as_typed(&mut tx, &before).await?;
    let change = Change::new(Act::FeedChanged, Thing::Feed, &before.url).from(&typed).to(&checked.wanted());
    audit::record(&mut tx, now, actor, change).await?;
    tx.commit().await?;
    Ok(())
}

/// Reads it no more, or again. True where that changed something.
///
/// # Errors
/// [`Error::Refused`] for one of config.toml.
pub async fn set_active(cx: &Context, actor: &Actor, id: i64, active: bool) -> Result<bool, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let feed = store::feeds::by_id(&mut tx, id).await?.ok_or(Error::Missing)?;
    if feed.provisioned {
        return in_the_file();
    }
    if !store::feeds::set_active(&mut tx, id, active, now).await? {
        return Ok(false);
    }
    let action = if active { Act::FeedRestored } else { Act::FeedRetired };
    audit::record(&mut tx, now, actor, Change::new(action, Thing::Feed, &feed.url)).await?;
    tx.commit().await?;
    Ok(true)
}

async fn checked(cx: &Context, tx: &mut Tx, wanted: &Wanted) -> Result<Checked, Error> {
    let topics = store::topics::all(tx).await?;
    let mut faults = Faults::default();
    let url = faults.read("url", address(cx, wanted.url.trim()));
    let topic = topics.into_iter().find(|topic| topic.slug == wanted.topic.trim());
    if topic.is_none() {
        faults.add("topic", "must be the slug of a topic that isn't retired");
    }
    let every = match wanted.every.trim() {
        "" => Some(config::FEED_EVERY),
        every => faults.read("every", config::duration(every)),
    };
    let read = url.zip(topic).zip(every);
    faults.or(read.map(|((url, topic), every)| Checked { url, topic, every, alert: wanted.alert }))
}

/// A name is held to the same when it is looked up, at each poll.
fn address(cx: &Context, text: &str) -> Result<Url, String> {
    let url = config::web_url(text)?;
    if url.as_str().len() > ADDRESS {
        return Err(format!("must be {ADDRESS} characters or fewer"));
    }
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        _ => return Ok(url),
    };
    let admitted = cx.config.fetching.allow_networks.iter().any(|network| network.contains(address));
    if is_public(address) || admitted {
        Ok(url)
    } else {
        Err(format!(
            "is on {address}, which is not a public address; [fetching] allow_networks of config.toml says which others \
             may be read"
        ))
    }
}

/// As [`config::duration`] reads it: `1h30m`.
fn in_words(every: Duration) -> String {
    let seconds = every.as_secs();
    let parts = [(seconds / 3_600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect()
}
