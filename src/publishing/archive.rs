//! The public archive: which issues stand in it, what their pages say, and who put them there. Nothing that wasn't marked
//! public is listed, and nothing of an installation in test mode. A corrected issue says what is right.

use uuid::Uuid;

use super::{Error, stories::marked};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{
    issue::{Kind, State},
    markup, text,
    time::Timestamp,
};
use crate::mail::{compose::Story, page};
use crate::store::{
    self, Tx,
    archive::{Listed, Page},
};

/// How much of a text a list shows, in characters.
const EXCERPT: usize = 240;

/// Whether what an issue said still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    Stands,
    Corrected,
    /// It was stopped before everybody had it.
    Withdrawn,
}

/// An issue as the archive shows it: of a corrected one what is right.
#[derive(Clone, Debug)]
pub struct Entry {
    pub issue: Uuid,
    pub kind: Kind,
    pub standing: Standing,
    pub at: Timestamp,
    /// When it last came to say something else.
    pub updated: Timestamp,
    pub title: String,
    pub excerpt: String,
    /// Sanitized; empty in a list.
    pub html: String,
    /// (slug, name).
    pub topics: Vec<(String, String)>,
}

/// A part of the archive, the newest first.
#[derive(Clone, Debug, Default)]
pub struct Part {
    pub entries: Vec<Entry>,
    /// Behind which issue the next part begins.
    pub next: Option<Uuid>,
    /// When the archive last changed, in any part of it.
    pub changed: Option<Timestamp>,
}

/// What of the archive is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// A slug; empty for all.
    pub topic: &'a str,
    /// What was published before this issue.
    pub before: Option<Uuid>,
    pub most: usize,
    pub with_text: bool,
}

/// None where there is no such topic or issue.
///
/// # Errors
/// A database that can't be read.
pub async fn part(cx: &Context, wanted: Wanted<'_>) -> Result<Option<Part>, Error> {
    let mut tx = cx.db.read().await?;
    let topics = store::topics::all(&mut tx).await?;
    if !wanted.topic.is_empty() && !topics.iter().any(|topic| topic.slug == wanted.topic) {
        return Ok(None);
    }
    let before = match wanted.before {
        None => (Timestamp::from_micros(i64::MAX), i64::MAX),
        Some(id) => match store::issues::by_public_id(&mut tx, id).await? {
            Some(issue) => (issue.created_at, issue.id),
            None => return Ok(None),
        },
    };
    let limit = i64::try_from(wanted.most).unwrap_or(i64::MAX).saturating_add(1);
    let mut listed = store::archive::listed(&mut tx, wanted.topic, before, limit).await?;
    let more = listed.len() > wanted.most;
    listed.truncate(wanted.most);
    let next = listed.last().filter(|_| more).map(|last| last.public_id);
    let mut entries = Vec::new();
    for issue in listed {
        let ids = store::issues::topic_ids(&mut tx, issue.id).await?;
        let on = topics.iter().filter(|topic| ids.contains(&topic.id));
        let on = on.map(|topic| (topic.slug.clone(), topic.name.clone())).collect();
        entries.push(entry(&mut tx, issue, on, wanted.with_text).await?);
    }
    let changed = store::archive::last_change(&mut tx).await?;
    let changed = entries.iter().map(|entry| entry.updated).chain(changed).max();
    Ok(Some(Part { entries, next, changed }))
}

async fn entry(
    tx: &mut Tx,
    issue: Listed,
    topics: Vec<(String, String)>,
    with_text: bool,
) -> Result<Entry, Error> {
    let mut entry = Entry {
        issue: issue.public_id,
        kind: issue.kind,
        standing: Standing::Stands,
        at: issue.created_at,
        updated: issue.created_at,
        title: issue.title,
        excerpt: issue.excerpt,
        html: String::new(),
        topics,
    };
    if let Some((at, _, Some(right))) = store::corrections::public_of(tx, issue.id).await? {
        let Page { title, excerpt, html } = right;
        return Ok(Entry { standing: Standing::Corrected, updated: at, title, excerpt, html, ..entry });
    }
    if issue.state == State::Cancelled {
        entry.standing = Standing::Withdrawn;
        entry.updated = issue.ended_at.unwrap_or(issue.created_at);
    }
    if with_text {
        entry.html = store::archive::page(tx, issue.id).await?.map(|page| page.html).unwrap_or_default();
    }
    Ok(entry)
}

/// What became of a wish to put an issue into the archive, or to take it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    Done,
    /// It has no page that could be listed: a correction, a notice, or published in test mode or before there was an
    /// archive.
    NotThis,
    Unknown,
}

/// Puts an issue into the archive, or takes it out.
///
/// # Errors
/// A database that can't be written.
pub async fn mark(cx: &Context, actor: &Actor, issue: Uuid, public: bool) -> Result<Marked, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let Some(found) = store::issues::by_public_id(&mut tx, issue).await? else { return Ok(Marked::Unknown) };
    let (_, has_page) = store::archive::standing(&mut tx, found.id).await?;
    if !has_page || matches!(found.kind, Kind::Correction | Kind::Notice) {
        return Ok(Marked::NotThis);
    }
    if store::archive::mark(&mut tx, found.id, public).await? {
        store::archive::touch(&mut tx, found.id, now).await?;
        let name = issue.to_string();
        let action = if public { Act::PutIntoArchive } else { Act::TookOutOfArchive };
        audit::record(&mut tx, now, actor, Change::new(action, Thing::Issue, &name)).await?;
        tx.commit().await?;
    }
    Ok(Marked::Done)
}

/// What the page of an alert, a newsletter or a correction says.
pub(super) fn article(title: &str, body: &str, link: Option<&str>) -> Page {
    Page {
        title: title.to_owned(),
        excerpt: text::one_line(&markup::plain_text(body), EXCERPT),
        html: page::article(body, link),
    }
}

/// What the page of a digest says: its stories that are public anyway. None where there are none.
pub(super) async fn digest(cx: &Context, issue: Uuid, stories: &[Story]) -> Result<Option<Page>, Error> {
    let ids: Vec<i64> = stories.iter().map(|story| story.id).collect();
    let mut tx = cx.db.read().await?;
    let public = store::archive::public_stories(&mut tx, &ids).await?;
    drop(tx);
    let told: Vec<&Story> = stories.iter().filter(|story| public.contains(&story.id)).collect();
    let Some(first) = told.first() else { return Ok(None) };
    let lead = marked(&first.title, first.corrected);
    let (title, _) = cx.composer.digest_head(issue, &lead, told.len())?;
    let titles: Vec<_> = told.iter().skip(1).map(|story| story.title.as_str()).collect();
    let excerpt = text::one_line(&titles.join(" · "), EXCERPT);
    Ok(Some(Page { title, excerpt, html: page::stories(told.into_iter()) }))
}

/// Keeps what an issue's page says. In test mode, and on a test topic, there is none: what is tried out never stands in the
/// archive. False then.
pub(super) async fn keep(
    cx: &Context,
    tx: &mut Tx,
    issue_id: i64,
    page: &Page,
    public: bool,
) -> Result<bool, Error> {
    if cx.config.sender.test_mode || store::issues::is_test(tx, issue_id).await? {
        return Ok(false);
    }
    store::archive::keep(tx, issue_id, page, cx.clock.now()).await?;
    store::archive::mark(tx, issue_id, public).await?;
    Ok(true)
}
