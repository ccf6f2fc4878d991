//! The desk: alerts that people write. A draft is saved as it is typed; two who write at once lose nothing. What it will
//! look like, whom it reaches and what stands in its way is asked for as often as it changes. `releasing` sends it.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;
use uuid::Uuid;

use super::{
    Error,
    alerting::{self, AlertRequest, Body, Prepared},
    beginning::check_topics,
    estimating::{Estimate, estimate},
    reading,
};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{
    draft::{State, Text, differing, merge},
    race::check_outcome,
    role::{Right, Role},
    time::{HOUR, MINUTE, Timestamp},
    warning::{self, Facts, Warning},
};
use crate::mail::{
    html,
    preview::{Preview, preview},
};
use crate::once::Once;
use crate::store::{self, Tx, drafts::Draft};

pub use super::beginning::{Begin, create, create_for_release, create_outcome, create_with};

/// So many saves of others are merged with, one after the other, before it is given up.
const TRIES: usize = 20;
/// For so long a count of readers will do while somebody types; a release counts anew.
const COUNTED: Duration = Duration::from_secs(15);
/// Whose page said nothing for so long has closed it.
const GONE: Duration = Duration::from_secs(15);

/// A draft with what it says.
pub struct Written {
    pub draft: Draft,
    pub text: Text,
}

impl Written {
    pub fn of(draft: Draft) -> Self {
        let text = serde_json::from_str(&draft.text).unwrap_or_default();
        Self { draft, text }
    }

    pub fn authors(&self) -> Vec<String> {
        serde_json::from_str(&self.draft.authors).unwrap_or_default()
    }

    /// By the name of a part the version that last changed it.
    fn changed(&self) -> BTreeMap<String, i64> {
        serde_json::from_str(&self.draft.changed).unwrap_or_default()
    }
}

/// What became of a save.
pub struct Saved {
    pub written: Written,
    /// The parts that somebody else had changed as well: there stands what they wrote.
    pub conflicts: Vec<&'static str>,
}

/// A topic as the desk shows it.
pub struct Choice {
    pub slug: String,
    pub name: String,
    /// Active readers who get alerts on it, and those who find them in their digest.
    pub now: i64,
    pub later: i64,
    pub test: bool,
}

/// How it stands with a draft.
pub struct Look {
    /// How many the one decision would mail now.
    pub audience: i64,
    pub warnings: Vec<Warning>,
    /// The mail as it would be; none while it can't be composed.
    pub mail: Option<Preview>,
    /// How long it takes to the last mail; none where that isn't known.
    pub takes: Option<Duration>,
}

pub(super) fn json(text: &Text) -> String {
    serde_json::json!(text).to_string()
}

/// # Errors
/// A database that can't be read.
pub async fn find(cx: &Context, id: Uuid) -> Result<Option<Written>, Error> {
    let mut tx = cx.db.read().await?;
    Ok(store::drafts::by_public_id(&mut tx, id).await?.map(Written::of))
}

/// A page of the drafts, the newest first.
///
/// # Errors
/// A database that can't be read.
pub async fn page(
    cx: &Context,
    state: Option<State>,
    before: i64,
    limit: i64,
) -> Result<Vec<Written>, Error> {
    let mut tx = cx.db.read().await?;
    Ok(store::drafts::page(&mut tx, state, before, limit).await?.into_iter().map(Written::of).collect())
}

/// The open drafts that belong to no race, the last changed first.
///
/// # Errors
/// A database that can't be read.
pub async fn open(cx: &Context) -> Result<Vec<Written>, Error> {
    let mut tx = cx.db.read().await?;
    Ok(store::drafts::open(&mut tx, 100).await?.into_iter().map(Written::of).collect())
}

/// Saves what somebody wrote, who had begun from `base`. None where there is no such draft or it is not open.
///
/// # Errors
/// A database that can't be written.
pub async fn save(
    cx: &Context,
    actor: &Actor,
    id: Uuid,
    base: &Text,
    mine: Text,
) -> Result<Option<Saved>, Error> {
    let mine = mine.tidied();
    let mut conflicts = Vec::new();
    for _ in 0..TRIES {
        let now = cx.clock.now();
        let mut tx = cx.db.begin().await?;
        let found = store::drafts::by_public_id(&mut tx, id).await?.map(Written::of);
        let Some(written) = found.filter(|it| it.draft.state == State::Open) else { return Ok(None) };
        let (text, clashes) = merge(&written.text, base, &mine);
        conflicts = clashes;
        if text == written.text {
            return Ok(Some(Saved { written, conflicts }));
        }
        if write(&mut tx, actor, &written, &text, now).await? {
            tx.commit().await?;
            let written = find(cx, id).await?;
            return Ok(written.map(|written| Saved { written, conflicts }));
        }
        // Somebody else was faster: once more, from what they wrote.
    }
    Ok(find(cx, id).await?.map(|written| Saved { written, conflicts }))
}

/// What became of a change that goes by a version.
pub enum Changed {
    Saved(Written),
    /// These parts were changed since that version, to what stands there; nothing was saved.
    Clash(Written, Vec<&'static str>),
    /// It is released or thrown away.
    Closed,
}

/// Changes parts of a draft for somebody who saw it in `version`. None where there is no such draft.
///
/// # Errors
/// An unknown topic, an outcome that can't be called so, a database that can't be written.
pub async fn change(
    cx: &Context,
    actor: &Actor,
    id: Uuid,
    version: i64,
    fill: impl Fn(&mut Text),
) -> Result<Option<Changed>, Error> {
    for _ in 0..TRIES {
        let now = cx.clock.now();
        let mut tx = cx.db.begin().await?;
        let Some(written) = store::drafts::by_public_id(&mut tx, id).await?.map(Written::of) else {
            return Ok(None);
        };
        if written.draft.state != State::Open {
            return Ok(Some(Changed::Closed));
        }
        let mut text = written.text.clone();
        fill(&mut text);
        let text = text.tidied();
        let parts = differing(&written.text, &text);
        if parts.is_empty() {
            return Ok(Some(Changed::Saved(written)));
        }
        let since = written.changed();
        // Whoever names a version that there isn't saw none of it.
        let known = (1..=written.draft.version).contains(&version);
        let clashes: Vec<_> =
            parts.iter().copied().filter(|part| !known || since.get(*part) > Some(&version)).collect();
        if !clashes.is_empty() {
            return Ok(Some(Changed::Clash(written, clashes)));
        }
        if parts.contains(&"topics") {
            check_topics(&mut tx, &text.topics).await?;
        }
        if let Some(race) = written.draft.race_id.filter(|_| parts.contains(&"outcome")) {
            check_outcome(&text.outcome, &outcomes(&mut tx, race, Some(written.draft.id)).await?)?;
        }
        if write(&mut tx, actor, &written, &text, now).await? {
            tx.commit().await?;
            return Ok(find(cx, id).await?.map(Changed::Saved));
        }
    }
    Ok(find(cx, id).await?.map(|written| Changed::Clash(written, Vec::new())))
}

/// Whose words a change is: its author's, and, of a program's, also theirs who made its token.
pub(super) fn written_by(actor: &Actor) -> Vec<String> {
    let mut authors = vec![actor.to_string()];
    authors.extend(actor.maker.clone());
    authors
}

/// Writes the next version; false where somebody else was faster.
async fn write(
    tx: &mut Tx,
    actor: &Actor,
    written: &Written,
    text: &Text,
    now: Timestamp,
) -> Result<bool, Error> {
    let (draft, by) = (&written.draft, actor.to_string());
    let mut authors = written.authors();
    for author in written_by(actor) {
        if !authors.contains(&author) {
            authors.push(author);
        }
    }
    let mut changed = written.changed();
    for part in differing(&written.text, text) {
        changed.insert(part.to_owned(), draft.version + 1);
    }
    let changed = serde_json::json!(changed).to_string();
    if !store::drafts::save(tx, draft, &json(text), &changed, &authors, &by, now).await? {
        return Ok(false);
    }
    // As one types, a minute's saves are one change; what is released is written down whole.
    let goes_on = draft.updated_by == by && now.since(draft.updated_at) < MINUTE;
    if !goes_on {
        let subject = draft.public_id.to_string();
        let change = Change::new(Act::Wrote, Thing::Draft, &subject).from(&written.text).to(text);
        audit::record(tx, now, actor, change).await?;
    }
    Ok(true)
}

/// Notes that somebody has it open, and tells who else has.
///
/// # Errors
/// A database that can't be written.
pub async fn visit(cx: &Context, actor: &Actor, draft: &Draft) -> Result<Vec<String>, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    store::drafts::visit(&mut tx, draft.id, &actor.name, now).await?;
    let others = store::drafts::visitors(&mut tx, draft.id, &actor.name, now.minus(GONE)).await?;
    tx.commit().await?;
    Ok(others)
}

/// The topics there are, with their readers as they were counted within the last minute.
///
/// # Errors
/// A database that can't be read.
pub async fn choices(cx: &Context) -> Result<Vec<Choice>, Error> {
    let mut tx = cx.db.read().await?;
    let mut choices = Vec::new();
    for topic in store::topics::all(&mut tx).await? {
        let readers = store::drafts::topic_readers(&mut tx, topic.id);
        let (now, later) = cx.counts.topic_readers.get(topic.id, cx.clock.now(), |_| MINUTE, readers).await?;
        choices.push(Choice { slug: topic.slug, name: topic.name, now, later, test: topic.test });
    }
    Ok(choices)
}

/// The mail as it would be for a reader of this address; none while it can't be composed.
///
/// # Errors
/// A database that can't be read.
pub async fn mail(cx: &Context, written: &Written, to: &str) -> Result<Option<Preview>, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    let request = request(&mut tx, written, now).await?;
    Ok(composed(cx, &mut tx, &request).await?.map(|prepared| preview(&prepared.draft, to, now)))
}

pub(super) async fn composed(
    cx: &Context,
    tx: &mut Tx,
    request: &AlertRequest,
) -> Result<Option<Prepared>, Error> {
    match alerting::prepare(cx, tx, request).await {
        Ok(prepared) => Ok(Some(prepared)),
        Err(Error::Store(error)) => Err(error.into()),
        // What is missing is told by the warnings.
        Err(_) => Ok(None),
    }
}

/// How it stands with a draft, for a reader of this address.
///
/// # Errors
/// A database that can't be read.
pub async fn look(cx: &Context, written: &Written, to: &str) -> Result<Look, Error> {
    look_counted(cx, written, to, Duration::ZERO).await
}

/// The same on a page and while somebody types: how many it goes to is counted anew where topics or level are others, and
/// else every [`COUNTED`].
///
/// # Errors
/// A database that can't be read.
pub async fn look_meanwhile(cx: &Context, written: &Written, to: &str) -> Result<Look, Error> {
    look_counted(cx, written, to, COUNTED).await
}

async fn look_counted(cx: &Context, written: &Written, to: &str, age: Duration) -> Result<Look, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    let request = request(&mut tx, written, now).await?;
    let prepared = composed(cx, &mut tx, &request).await?;
    let mail = prepared.as_ref().map(|prepared| preview(&prepared.draft, to, now));
    let audience = audience(cx, &mut tx, &written.text, age).await?;
    let Estimate { takes, not_today } = estimate(cx, &mut tx, written.text.kind.issue(), audience).await?;
    let links = html::links(&written.text.link, &written.text.body);
    let facts = Facts {
        not_today,
        dead_links: dead_links(&mut tx, &links).await?,
        linked: !links.is_empty(),
        tests: reading::tests(cx, &mut tx, written, now).await?,
        bytes: mail.as_ref().map(|mail| mail.bytes),
        phrases: prepared.map(|prepared| prepared.phrases),
        same_subject: store::drafts::last_with_subject(&mut tx, &written.text.subject, now.minus(HOUR))
            .await?,
        alerted: alerted(&mut tx, written.draft.post_id).await?,
        audience,
        others: match written.draft.race_id {
            Some(race) => Some(outcomes(&mut tx, race, Some(written.draft.id)).await?),
            None => None,
        },
    };
    let warnings = warning::warnings(&written.text, &facts, &cx.config.newsroom.blocked_phrases, now);
    Ok(Look { audience, warnings, mail, takes })
}

pub(super) async fn topic_ids(tx: &mut Tx, text: &Text) -> Result<Vec<i64>, Error> {
    let topics = store::topics::all(tx).await?;
    Ok(topics.iter().filter(|topic| text.topics.contains(&topic.slug)).map(|topic| topic.id).collect())
}

/// As it was counted last, where that is younger than `age`.
async fn audience(cx: &Context, tx: &mut Tx, text: &Text, age: Duration) -> Result<i64, Error> {
    let ids = topic_ids(tx, text).await?;
    let asked = (text.kind, ids.clone(), text.level);
    let audience = alerting::audience(tx, text.kind, &ids, text.level);
    Ok(cx.counts.audiences.get(asked, cx.clock.now(), |_| age, audience).await?)
}

/// What the outcomes of a race are called, but one, and but those that are thrown away.
pub(super) async fn outcomes(tx: &mut Tx, race_id: i64, but: Option<i64>) -> Result<Vec<String>, Error> {
    let drafts = store::drafts::of_race(tx, race_id).await?;
    let there = drafts.into_iter().filter(|it| it.state != State::ThrownAway && Some(it.id) != but);
    Ok(there.map(|draft| Written::of(draft).text.outcome).collect())
}

async fn dead_links(tx: &mut Tx, links: &[Url]) -> Result<Vec<(String, String)>, Error> {
    let mut dead = Vec::new();
    for link in links {
        if let Some(fault) = store::links::known(tx, link.as_str()).await?.and_then(|known| known.fault) {
            dead.push((link.to_string(), fault));
        }
    }
    Ok(dead)
}

async fn alerted(tx: &mut Tx, post_id: Option<i64>) -> Result<bool, Error> {
    match post_id {
        Some(id) => Ok(store::posts::is_alerted(tx, id).await?),
        None => Ok(false),
    }
}

/// The alert that a draft asks for, released now.
pub(super) async fn request(tx: &mut Tx, written: &Written, now: Timestamp) -> Result<AlertRequest, Error> {
    let text = &written.text;
    let about = match written.draft.post_id {
        Some(id) => store::posts::public_id(tx, id).await?,
        None => None,
    };
    Ok(AlertRequest {
        kind: text.kind,
        subject: Some(text.subject.clone()),
        preheader: Some(text.preheader.clone()).filter(|preheader| !preheader.is_empty()),
        body: Body::Markdown(text.body.clone()),
        about,
        link: Some(text.link.clone()).filter(|link| !link.is_empty()),
        topics: text.topics.iter().filter_map(|slug| slug.parse().ok()).collect(),
        level: text.level,
        expires_at: text.expires_at(now),
        public: text.public,
    })
}

/// Mails the draft as it would be to one address, marked as a test. With a key that was used already nothing is mailed
/// and none is returned.
///
/// # Errors
/// A draft that can't be composed, a database that can't be written.
pub async fn test(
    cx: &Context,
    written: &Written,
    to: &str,
    once: Option<Once<'_>>,
) -> Result<Option<Uuid>, Error> {
    let mut tx = cx.db.read().await?;
    let request = request(&mut tx, written, cx.clock.now()).await?;
    drop(tx);
    alerting::send_test(cx, &request, to, once).await
}

/// Asks for the release of what stands there. False where somebody changed it meanwhile.
///
/// # Errors
/// A database that can't be written.
pub async fn ask(cx: &Context, actor: &Actor, written: &Written) -> Result<bool, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    if !store::drafts::ask(&mut tx, written.draft.id, written.draft.version, &actor.to_string(), now).await? {
        return Ok(false);
    }
    let subject = written.draft.public_id.to_string();
    audit::record(&mut tx, now, actor, Change::new(Act::AskedToRelease, Thing::Draft, &subject)).await?;
    tx.commit().await?;
    Ok(true)
}

/// Whether somebody may throw a draft away: who wrote in it, or may release it.
pub fn may_throw_away(actor: &Actor, role: Role, written: &Written) -> bool {
    let authors = written.authors();
    role.may(Right::Release) || written_by(actor).iter().any(|author| authors.contains(author))
}

/// Throws an open draft away, or takes one back. False where it is neither.
///
/// # Errors
/// A database that can't be written.
pub async fn put_away(cx: &Context, actor: &Actor, draft: &Draft, back: bool) -> Result<bool, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let done = match back {
        true => store::drafts::take_back(&mut tx, draft.id, now).await?,
        false => store::drafts::throw_away(&mut tx, draft.id, now).await?,
    };
    if done {
        let subject = draft.public_id.to_string();
        let action = if back { Act::TookBack } else { Act::ThrewAway };
        audit::record(&mut tx, now, actor, Change::new(action, Thing::Draft, &subject)).await?;
        tx.commit().await?;
    }
    Ok(done)
}
