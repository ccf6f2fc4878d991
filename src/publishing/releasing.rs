//! The release of a draft: whoever does it types how many it goes to, then there is a hold in which it can be undone.
//! The issue is there at once, held; when the hold is over it is published like any other. Nothing of it leaves before.

use uuid::Uuid;

use super::{
    Error,
    alerting::{self, Prepared},
    cancelling::{self, Cancelled},
    desk::{self, Written},
    races::{self, Bar},
};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{
    draft::{self, State as DraftState, has_moved},
    issue::{Level, State},
    time::Timestamp,
    warning::Warning,
};
use crate::once::{self, Came, Once};
use crate::outbox;
use crate::store::{self, audit::ActorKind};

/// What became of a release.
#[derive(Debug)]
pub enum Release {
    /// Until then it can be undone; then it goes out to so many readers, as they were counted at the release.
    Held { issue: Uuid, audience: i64, until: Timestamp },
    /// It goes to so many by now: type that.
    Moved(i64),
    /// These stand in the way.
    Blocked(Vec<Warning>),
    /// Somebody wrote in it since.
    Changed,
    /// Somebody who wrote none of it has to release it.
    SecondPerson,
    /// It is an outcome of a race that can't be called by it.
    Barred(Bar),
    /// It is released or thrown away.
    Closed,
}

/// Whether somebody wrote none of it, of what these wrote. A program is no second person, whoever has it.
pub fn is_second_person(actor: &Actor, authors: &[String]) -> bool {
    actor.kind == ActorKind::User && !authors.contains(&actor.to_string())
}

/// Whether somebody else has to send what is of this kind and level, and was written by these: two people are asked for,
/// and this one is not the second.
pub fn asks_another(
    cx: &Context,
    actor: &Actor,
    (kind, level): (draft::Kind, Level),
    authors: &[String],
) -> bool {
    cx.config.newsroom.asks_two_people(kind, level) && !is_second_person(actor, authors)
}

/// The same of a draft.
pub fn draft_asks_another(cx: &Context, actor: &Actor, written: &Written) -> bool {
    asks_another(cx, actor, (written.text.kind, written.text.level), &written.authors())
}

/// Releases the version of a draft that was looked at, to `typed` readers.
/// With a key that was used already nothing is released: it is as if somebody had been faster.
///
/// # Errors
/// A template that can't be rendered, a database that can't be written.
pub async fn release(
    cx: &Context,
    actor: &Actor,
    id: Uuid,
    version: i64,
    typed: i64,
    once: Option<Once<'_>>,
) -> Result<Option<Release>, Error> {
    let Some(written) = desk::find(cx, id).await? else { return Ok(None) };
    let second_person = is_second_person(actor, &written.authors());
    if written.draft.state != DraftState::Open {
        return Ok(Some(Release::Closed));
    }
    if let Some(bar) = barred(cx, &written).await? {
        return Ok(Some(Release::Barred(bar)));
    }
    if written.draft.version != version {
        return Ok(Some(Release::Changed));
    }
    if draft_asks_another(cx, actor, &written) {
        return Ok(Some(Release::SecondPerson));
    }
    let look = desk::look(cx, &written, &actor.name).await?;
    if look.warnings.iter().any(Warning::blocks) {
        let blocking = look.warnings.into_iter().filter(Warning::blocks).collect();
        return Ok(Some(Release::Blocked(blocking)));
    }
    if has_moved(typed, look.audience) {
        return Ok(Some(Release::Moved(look.audience)));
    }
    let now = cx.clock.now();
    // A time that can't be read blocks the release.
    let at = written.text.goes_at().ok().flatten();
    let until = now.plus(draft::hold(cx.config.newsroom.hold, second_person)).max(at.unwrap_or(now));
    let audience = look.audience;
    if let Some(issue) = hold(cx, actor, &written, audience, until, once).await? {
        return Ok(Some(Release::Held { issue, audience, until }));
    }
    // Somebody was faster, with this draft or with another outcome of its race.
    Ok(Some(barred(cx, &written).await?.map_or(Release::Changed, Release::Barred)))
}

async fn barred(cx: &Context, written: &Written) -> Result<Option<Bar>, Error> {
    Ok(races::of(cx, written).await?.and_then(|race| races::bar(&race, written)))
}

/// Writes the issue down, held; it calls the race whose outcome it is. None where somebody changed the draft meanwhile, or
/// the race can't be called.
async fn hold(
    cx: &Context,
    actor: &Actor,
    written: &Written,
    audience: i64,
    until: Timestamp,
    once: Option<Once<'_>>,
) -> Result<Option<Uuid>, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    let request = desk::request(&mut tx, written, now).await?;
    let prepared: Prepared = alerting::prepare(cx, &mut tx, &request).await?;
    drop(tx);
    let mut tx = cx.db.begin().await?;
    let created_by = actor.to_string();
    let issue_id = alerting::insert(cx, &mut tx, &prepared, &request, &created_by, State::Held).await?;
    store::drafts::hold(&mut tx, issue_id, until).await?;
    if !store::drafts::released(&mut tx, written.draft.id, written.draft.version, issue_id).await? {
        return Ok(None);
    }
    if let Some(race_id) = written.draft.race_id
        && !store::races::call(&mut tx, race_id, written.draft.id, now).await?
    {
        return Ok(None);
    }
    if !once::note(cx, &mut tx, once, Came::Issue(issue_id)).await? {
        return Ok(None);
    }
    store::issues::expect(&mut tx, issue_id, audience).await?;
    let subject = written.draft.public_id.to_string();
    let after = serde_json::json!({ "issue": prepared.public_id, "audience": audience, "until": until, "text": written.text });
    audit::record(&mut tx, now, actor, Change::new(Act::Released, Thing::Draft, &subject).to(&after)).await?;
    tx.commit().await?;
    tracing::info!(issue = %prepared.public_id, audience, %until, "alert released and held");
    Ok(Some(prepared.public_id))
}

/// What became of an undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// Nobody got it; the draft is open again.
    Yes,
    /// The hold was over.
    TooLate,
    Unknown,
}

/// Takes a release back while it is held.
///
/// # Errors
/// A database that can't be written.
pub async fn undo(cx: &Context, actor: &Actor, issue: Uuid) -> Result<Undone, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let Some(found) = store::issues::by_public_id(&mut tx, issue).await? else { return Ok(Undone::Unknown) };
    if !store::drafts::undo(&mut tx, found.id, now).await? {
        return Ok(Undone::TooLate);
    }
    store::races::uncall(&mut tx, found.id).await?;
    store::drafts::reopen(&mut tx, found.id, "The release was undone. Nobody got it.", now).await?;
    audit::record(&mut tx, now, actor, Change::new(Act::ReleaseUndone, Thing::Issue, &issue.to_string()))
        .await?;
    tx.commit().await?;
    tracing::info!(%issue, "release undone");
    Ok(Undone::Yes)
}

/// The draft that an issue came of, or was before its release was undone.
///
/// # Errors
/// A database that can't be read.
pub async fn draft_of(cx: &Context, issue: Uuid) -> Result<Option<Uuid>, Error> {
    let mut tx = cx.db.read().await?;
    let Some(found) = store::issues::by_public_id(&mut tx, issue).await? else { return Ok(None) };
    Ok(store::drafts::by_issue(&mut tx, found.id).await?.map(|draft| draft.public_id))
}

/// Stops an issue, whatever its state: a held one is undone, of one that is on its way nobody more gets it.
///
/// # Errors
/// A database that can't be written.
pub async fn stop(cx: &Context, actor: &Actor, issue: Uuid) -> Result<Cancelled, Error> {
    if undo(cx, actor, issue).await? == Undone::Yes {
        return Ok(Cancelled::Now { waiting: 0 });
    }
    cancelling::cancel(cx, issue, actor).await
}

/// Publishes what was held long enough. What should have gone long ago, for the service was down, is not sent: whoever
/// released it may have told it otherwise by then. Its draft is open again, and the operator is told.
///
/// # Errors
/// A database that can't be written.
pub(super) async fn let_go(cx: &Context) -> Result<usize, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    let due = store::drafts::due(&mut tx, now).await?;
    drop(tx);
    let mut gone = 0;
    for (issue_id, issue, until) in due {
        let mut tx = cx.db.begin().await?;
        let written = store::drafts::by_issue(&mut tx, issue_id).await?.map(Written::of);
        let kind = written.as_ref().map_or(draft::Kind::Alert, |written| written.text.kind);
        if now.since(until) > kind.grace() {
            lapse(cx, &mut tx, kind, (issue_id, issue), now).await?;
            tx.commit().await?;
            cx.bells.deliver.notify_one();
            continue;
        }
        let post_id = written.as_ref().and_then(|written| written.draft.post_id);
        let expires_at = written.and_then(|written| written.text.expires_at(now));
        // An alert goes to those who were counted when it was released, a newsletter to those who read when it goes.
        let last = match kind {
            draft::Kind::Alert => None,
            draft::Kind::Broadcast => Some(store::subscribers::last_id(&mut tx).await?),
        };
        if store::drafts::let_go(&mut tx, issue_id, last, now, expires_at).await? {
            let test = store::issues::is_test(&mut tx, issue_id).await?;
            if cx.config.sender.test_mode || test {
                // It was released before that was a test: nobody gets it, so it is in no archive.
                store::archive::forget(&mut tx, issue_id).await?;
            }
            // Its readers have not been told by a test.
            if let Some(post_id) = post_id.filter(|_| !test) {
                store::posts::mark_alerted(&mut tx, post_id, now).await?;
            }
            tx.commit().await?;
            tracing::info!(%issue, "the hold is over: alert published");
            gone += 1;
        }
    }
    Ok(gone)
}

async fn lapse(
    cx: &Context,
    tx: &mut store::Tx,
    kind: draft::Kind,
    (issue_id, issue): (i64, Uuid),
    now: Timestamp,
) -> Result<(), Error> {
    if !store::drafts::undo(tx, issue_id, now).await? {
        return Ok(());
    }
    let note = match kind {
        draft::Kind::Alert => {
            "It was not sent: the service was down when its hold ended. Look at it and release it again."
        }
        draft::Kind::Broadcast => {
            "It was not sent: the service was down when it was to go out, and for six hours after. Look at it and release it again."
        }
    };
    store::races::uncall(tx, issue_id).await?;
    store::drafts::reopen(tx, issue_id, note, now).await?;
    let name = issue.to_string();
    let change = Change::new(Act::ReleaseLapsed, Thing::Issue, &name).to(&note);
    audit::record(tx, now, &Actor::service(), change).await?;
    let (subject, what) = match kind {
        draft::Kind::Alert => (
            "A released alert was not sent",
            "An alert was released, but the service was down when its hold ended, and for two minutes after. Nobody got it.",
        ),
        draft::Kind::Broadcast => (
            "A released newsletter was not sent",
            "A newsletter was released, but the service was down when it was to go out, and for six hours after. Nobody got it.",
        ),
    };
    let paragraphs = vec![
        what.to_owned(),
        "What to do: open the draft in the newsroom, see whether it still holds, and release it again."
            .to_owned(),
    ];
    outbox::tell_operator(cx, tx, subject, paragraphs).await?;
    tracing::warn!(%issue, "a release lapsed: the service was down when its hold ended");
    Ok(())
}
