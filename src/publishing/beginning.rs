//! How a draft begins: from nothing, from a post, or from an alert that a program wants sent and somebody has to release.

use std::time::Duration;

use uuid::Uuid;

use super::{
    Error,
    alerting::{self, AlertRequest, Body},
    desk::{json, outcomes, written_by},
};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{
    draft::{LONGEST_BODY, Text},
    race::{BadOutcome, MOST_OUTCOMES, check_outcome},
    text::multi_line,
};
use crate::mail::html;
use crate::once::{self, Came, Once};
use crate::store::{self, Tx, posts::Post};

/// A new draft, from nothing or from a post.
///
/// # Errors
/// An unknown post, a database that can't be written.
pub async fn create(cx: &Context, actor: &Actor, post: Option<Uuid>) -> Result<Uuid, Error> {
    let mut tx = cx.db.begin().await?;
    let (text, post_id) = begun(&mut tx, post).await?;
    let (id, _) = insert(cx, &mut tx, actor, &text, (post_id, None)).await?;
    tx.commit().await?;
    Ok(id)
}

/// A new outcome of a race, with the race's topics.
///
/// # Errors
/// An unknown race, a name that it can't take, a database that can't be written.
pub async fn create_outcome(cx: &Context, actor: &Actor, race: Uuid, outcome: &str) -> Result<Uuid, Error> {
    let begin = Begin { post: None, race: Some(race) };
    let named = |text: &mut Text| outcome.clone_into(&mut text.outcome);
    let id = create_with(cx, actor, begin, named, None).await?;
    // Without a key there is always one.
    id.ok_or(Error::UnknownRace(race))
}

/// What a draft begins with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Begin {
    /// The post whose words it begins with, and which it alerts.
    pub post: Option<Uuid>,
    /// The race whose outcome it is.
    pub race: Option<Uuid>,
}

/// A new draft with a text, which `fill` writes over what is there. With a key that was used already nothing is begun and
/// none is returned.
///
/// # Errors
/// An unknown post, race or topic, an outcome that its race can't take, a database that can't be written.
pub async fn create_with(
    cx: &Context,
    actor: &Actor,
    begin: Begin,
    fill: impl FnOnce(&mut Text),
    once: Option<Once<'_>>,
) -> Result<Option<Uuid>, Error> {
    let mut tx = cx.db.begin().await?;
    let (mut text, post_id) = begun(&mut tx, begin.post).await?;
    let mut others = None;
    let mut race_id = None;
    if let Some(id) = begin.race {
        let race = store::races::by_public_id(&mut tx, id).await?.ok_or(Error::UnknownRace(id))?;
        text.topics = serde_json::from_str(&race.topics).unwrap_or_default();
        others = Some(outcomes(&mut tx, race.id, None).await?);
        race_id = Some(race.id);
    }
    fill(&mut text);
    let text = text.tidied();
    if let Some(others) = others {
        check_outcome(&text.outcome, &others)?;
        if others.len() >= MOST_OUTCOMES {
            return Err(BadOutcome::TooMany.into());
        }
    }
    check_topics(&mut tx, &text.topics).await?;
    let (id, draft_id) = insert(cx, &mut tx, actor, &text, (post_id, race_id)).await?;
    if !once::note(cx, &mut tx, once, Came::Draft(draft_id)).await? {
        return Ok(None);
    }
    tx.commit().await?;
    Ok(Some(id))
}

/// An alert that somebody else has to release: a draft whose release is asked for. What was to expire at a moment is
/// useful for as long from its release. With a key that was used already there is none.
///
/// # Errors
/// As for [`alerting::publish`]; [`Error::TooLong`] where it does not fit into a draft.
pub async fn create_for_release(
    cx: &Context,
    actor: &Actor,
    request: &AlertRequest,
    once: Option<Once<'_>>,
) -> Result<Option<Uuid>, Error> {
    alerting::check(cx, request).await?;
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let post = match request.body {
        Body::Post(id) => Some(id),
        Body::Html(_) | Body::Markdown(_) => None,
    };
    let (mut text, post_id) = begun(&mut tx, post).await?;
    let field = match &request.body {
        Body::Html(_) => "html",
        Body::Markdown(_) | Body::Post(_) => "markdown",
    };
    match &request.body {
        Body::Html(given) => text.body = as_markdown(&html::sanitize(given)),
        Body::Markdown(given) => text.body.clone_from(given),
        Body::Post(_) => {}
    }
    if text.body.chars().count() > LONGEST_BODY {
        return Err(Error::TooLong(field, LONGEST_BODY));
    }
    if let Some(subject) = &request.subject {
        text.subject.clone_from(subject);
    }
    if let Some(link) = &request.link {
        text.link.clone_from(link);
    }
    text.topics = request.topics.iter().map(ToString::to_string).collect();
    text.level = request.level;
    text.public = request.public;
    text.useful_for = request.expires_at.map_or(0, |at| minutes(at.since(now)));
    let (id, draft_id) = insert(cx, &mut tx, actor, &text.tidied(), (post_id, None)).await?;
    store::drafts::ask(&mut tx, draft_id, 1, &actor.to_string(), now).await?;
    if !once::note(cx, &mut tx, once, Came::Draft(draft_id)).await? {
        return Ok(None);
    }
    tx.commit().await?;
    Ok(Some(id))
}

/// HTML as markdown takes it as it is: one block, which an empty line would end.
fn as_markdown(html: &str) -> String {
    let lines: Vec<_> = html.lines().filter(|line| !line.trim().is_empty()).collect();
    format!("<div>\n{}\n</div>", lines.join("\n"))
}

fn minutes(span: Duration) -> u32 {
    u32::try_from(span.as_secs().div_ceil(60)).unwrap_or(u32::MAX)
}

async fn begun(tx: &mut Tx, post: Option<Uuid>) -> Result<(Text, Option<i64>), Error> {
    let Some(public_id) = post else { return Ok((Text::default(), None)) };
    let post = store::posts::by_public_id(tx, public_id).await?.ok_or(Error::UnknownPost(public_id))?;
    let topics = store::posts::topics(tx, post.id).await?;
    Ok((text_of(&post, topics), Some(post.id)))
}

async fn insert(
    cx: &Context,
    tx: &mut Tx,
    actor: &Actor,
    text: &Text,
    belongs: (Option<i64>, Option<i64>),
) -> Result<(Uuid, i64), Error> {
    let now = cx.clock.now();
    let id = cx.entropy.uuid(now);
    let draft_id =
        store::drafts::insert(tx, id, &json(text), belongs, (&actor.to_string(), &written_by(actor)), now)
            .await?;
    audit::record(tx, now, actor, Change::new(Act::Began, Thing::Draft, &id.to_string()).to(text)).await?;
    Ok((id, draft_id))
}

/// Whether there are all of these.
pub(super) async fn check_topics(tx: &mut Tx, slugs: &[String]) -> Result<(), Error> {
    let topics = store::topics::all(tx).await?;
    let unknown = slugs.iter().find(|slug| !topics.iter().any(|topic| topic.slug == **slug));
    unknown.map_or(Ok(()), |slug| Err(Error::UnknownTopic(slug.clone())))
}

fn text_of(post: &Post, topics: Vec<String>) -> Text {
    let words = if post.summary.is_empty() { html::plain_text(&post.html) } else { post.summary.clone() };
    Text {
        subject: post.title.clone(),
        body: multi_line(&words, 1_200),
        link: post.url.clone().unwrap_or_default(),
        topics,
        ..Text::default()
    }
    .tidied()
}
