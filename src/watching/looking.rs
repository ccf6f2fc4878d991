//! What the watch sees: each of the four things that may be amiss, in words, with what to do.

use std::time::Duration;

use super::{Error, Seen};
use crate::config::Relay;
use crate::context::Context;
use crate::domain::{
    draft::Text,
    incident::{Kind, LOOK_BACK, Reach, silent_since},
    issue::{Lane, State},
    pause,
    time::Timestamp,
};
use crate::store::{
    self, Tx,
    watch::{Asked, Unreached},
};

/// One look.
pub(super) struct Sight {
    pub seen: Vec<Seen>,
    /// The alerts that were accepted by as many as should: they are not counted again.
    pub reached: Vec<i64>,
}

pub(super) async fn look(cx: &Context, tx: &mut Tx, now: Timestamp) -> Result<Sight, Error> {
    let mut seen = missing(cx, tx, now).await?;
    let (slow, reached) = slow(cx, tx, now).await?;
    seen.extend(slow);
    seen.extend(silent(cx, tx, now).await?);
    seen.extend(paused(cx, tx).await?);
    Ok(Sight { seen, reached })
}

/// Posts that were to be alerts, and drafts that wait for somebody to release them.
async fn missing(cx: &Context, tx: &mut Tx, now: Timestamp) -> Result<Vec<Seen>, Error> {
    let until = now.minus(cx.config.watch.alert_within);
    let from = until.minus(LOOK_BACK);
    let mut seen = Vec::new();
    for (post, title, since) in store::watch::posts_without_alert(tx, from, until).await? {
        seen.push(Seen {
            kind: Kind::Missing,
            subject: format!("post {post}"),
            title: format!("No alert: {title}"),
            what: format!(
                "The post “{title}” came in at {} and was to be an alert. There is none.",
                clock(since)
            ),
            todo: "Write the alert at the desk, where the post stands under “Alert”; or leave it, and it goes into the \
                   next digest. The log says why none was made."
                .to_owned(),
            link: "/admin/desk".to_owned(),
            since,
        });
    }
    seen.extend(store::watch::asked(tx, from, until).await?.into_iter().map(waiting));
    Ok(seen)
}

fn waiting(draft: Asked) -> Seen {
    let Asked { public_id, text, asked_by, asked_at } = draft;
    let subject = serde_json::from_str::<Text>(&text).map(|text| text.subject).unwrap_or_default();
    Seen {
        kind: Kind::Missing,
        subject: format!("draft {public_id}"),
        title: format!("Waits for its release: {subject}"),
        what: format!(
            "{asked_by} asked at {} for the release of the alert “{subject}”. Nobody has released it.",
            clock(asked_at)
        ),
        todo: "Open the draft, and release it or throw it away.".to_owned(),
        link: format!("/admin/desk/{public_id}"),
        since: asked_at,
    }
}

/// Alerts that too few have accepted, and those that were accepted by enough.
async fn slow(cx: &Context, tx: &mut Tx, now: Timestamp) -> Result<(Vec<Seen>, Vec<i64>), Error> {
    let watch = &cx.config.watch;
    let until = now.minus(watch.accepted_within);
    let (mut seen, mut reached) = (Vec::new(), Vec::new());
    for alert in store::watch::unreached(tx, until.minus(LOOK_BACK), until).await? {
        let reach = Reach::of(&store::deliveries::counts(tx, alert.id).await?);
        // While it is being fanned out, not all whom it goes to are there to be counted.
        let fanned_out = alert.state != State::Publishing;
        match fanned_out && reach.is_enough(watch.accepted_percent) {
            true => reached.push(alert.id),
            false => seen.push(late(alert, reach)),
        }
    }
    Ok((seen, reached))
}

fn late(alert: Unreached, reach: Reach) -> Seen {
    let Unreached { public_id, subject, state, created_at, paused_for, .. } = alert;
    let Reach { accepted, waiting, refused, late } = reach;
    let mut told = vec![format!("{accepted} of {} have it", reach.all())];
    let parts = [(waiting, "wait"), (refused, "were refused for good"), (late, "came too late")];
    told.extend(parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")));
    if state == State::Publishing {
        told.push("its mails are still being written".to_owned());
    }
    Seen {
        kind: Kind::Slow,
        subject: format!("issue {public_id}"),
        title: format!("Too few have it: {subject}"),
        what: format!("The alert “{subject}” went out at {}. {}.", clock(created_at), told.join(", ")),
        todo: "Its page shows what the relays and the largest domains answered. Let a relay that stands still go on at the \
               overview, or put it right."
            .to_owned(),
        link: format!("/admin/issues/{public_id}"),
        since: created_at.plus(Duration::from_micros(paused_for.try_into().unwrap_or_default())),
    }
}

/// Feeds that bring nothing new.
async fn silent(cx: &Context, tx: &mut Tx, now: Timestamp) -> Result<Vec<Seen>, Error> {
    let mut seen = Vec::new();
    for feed in store::feeds::all_active(tx).await? {
        let configured = cx.config.feeds.iter().find(|known| known.url.as_str() == feed.url);
        let after = configured.map_or(cx.config.watch.silent_after, |known| known.silent_after);
        let Some(after) = after else { continue };
        let Some(since) = silent_since(feed.heard_at, feed.last_polled_at, after, now) else { continue };
        let why =
            feed.last_error.map(|error| sentence(&format!(" It can’t be read: {error}"))).unwrap_or_default();
        seen.push(Seen {
            kind: Kind::Silent,
            subject: format!("feed {}", feed.url),
            title: format!("A feed is silent: {}", feed.url),
            what: format!("Nothing new came from {} since {}.{why}", feed.url, clock(since)),
            todo: "See whether the site publishes, and whether its feed shows what it published. If such a silence is \
                   usual, set a longer silent_after: for a feed of config.toml there, for all others in [watch]."
                .to_owned(),
            link: "/admin/sources".to_owned(),
            since,
        });
    }
    Ok(seen)
}

/// Relays of the configuration that take no mail: stopped by hand, or by their refusing us.
async fn paused(cx: &Context, tx: &mut Tx) -> Result<Vec<Seen>, Error> {
    let pauses = store::pauses::all(tx).await?;
    let troubles = store::nodes::troubles(tx).await?;
    let mut seen = Vec::new();
    for relay in &cx.config.relays {
        let name = &relay.name;
        let takes = |other: &Relay| {
            pause::of(&pauses, pause::Kind::Relay, &other.name).is_none()
                && !troubles.iter().any(|trouble| trouble.relay == other.name)
        };
        let meanwhile = meanwhile(relay, cx.config.relays.iter().filter(|other| takes(other)));
        let by_hand = pause::of(&pauses, pause::Kind::Relay, name);
        let trouble = troubles.iter().find(|trouble| trouble.relay == *name && trouble.paused);
        let (title, what, todo, since) = match (by_hand, trouble) {
            (Some(pause), _) => {
                let why = if pause.reason.is_empty() { String::new() } else { format!(": {}", pause.reason) };
                (
                    format!("Relay {name} is paused"),
                    format!("Relay {name} was paused by hand at {}{why}.", clock(pause.since)),
                    format!(
                        "When it may send again, let it go on at the overview, or by `bellwether queue resume --relay \
                         {name}`. {meanwhile}"
                    ),
                    pause.since,
                )
            }
            (None, Some(trouble)) => (
                format!("Relay {name} refuses our mail"),
                sentence(&format!(
                    "Relay {name} refuses our mail since {}. It said: {}",
                    clock(trouble.since),
                    trouble.reason
                )),
                format!(
                    "Put its account or our settings right (`bellwether check` talks to it and says what is wrong). It is \
                     tried again by itself. {meanwhile}"
                ),
                trouble.since,
            ),
            (None, None) => continue,
        };
        let link = "/admin".to_owned();
        seen.push(Seen {
            kind: Kind::Paused,
            subject: format!("relay {name}"),
            title,
            what,
            todo,
            link,
            since,
        });
    }
    Ok(seen)
}

/// What becomes of a relay's mail while it takes none and `others` do.
fn meanwhile<'a>(relay: &Relay, others: impl Iterator<Item = &'a Relay>) -> String {
    let others: Vec<_> = others.filter(|other| other.name != relay.name).collect();
    let goes = |lane: &&Lane| others.iter().any(|other| other.lanes.contains(lane));
    let (elsewhere, waits): (Vec<&Lane>, Vec<&Lane>) = relay.lanes.iter().partition(goes);
    let waits: Vec<_> = waits.iter().map(|lane| lane.as_str()).collect();
    let told = match (relay.lanes.as_slice(), elsewhere.as_slice(), waits.as_slice()) {
        ([], ..) => String::new(),
        (_, _, []) => "Until then its mail goes by other relays.".to_owned(),
        (_, [], _) => "Until then its mail waits.".to_owned(),
        (_, _, waits) => {
            format!(
                "Until then its mail of these lanes waits: {}. The rest goes by other relays.",
                waits.join(", ")
            )
        }
    };
    let silent = if relay.watch { "Until then the watch can’t mail." } else { "" };
    [told.as_str(), silent].iter().filter(|it| !it.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

/// With a full stop, unless it ends as a sentence does already.
pub(super) fn sentence(text: &str) -> String {
    let stop = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{text}{stop}")
}

/// An instant as people read it, to the minute.
pub(super) fn clock(at: Timestamp) -> String {
    at.to_jiff().strftime("%H:%M UTC on %-d %b").to_string()
}
