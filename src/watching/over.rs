//! What is well again, in words: how that which was told stands, now that it is over.

use uuid::Uuid;

use super::looking::{clock, sentence};
use crate::context::Context;
use crate::domain::{
    draft,
    incident::{Kind, Reach},
    issue::State,
};
use crate::store::{self, Tx, incidents::Incident};

/// As in `19 of 20 have it.`
pub(super) async fn told(cx: &Context, tx: &mut Tx, incident: &Incident) -> store::Result<String> {
    let (what, name) = incident.subject.split_once(' ').unwrap_or_default();
    match incident.kind {
        Kind::Missing if what == "draft" => draft_of(tx, name).await,
        Kind::Missing => post(tx, name).await,
        Kind::Slow => alert(tx, name).await,
        Kind::Silent => feed(tx, name).await,
        Kind::Paused => {
            let known = cx.config.relays.iter().any(|relay| relay.name == name);
            let stands =
                if known { "may be handed mail again" } else { "is not in the configuration any more" };
            Ok(format!("Relay {name} {stands}."))
        }
    }
}

async fn draft_of(tx: &mut Tx, name: &str) -> store::Result<String> {
    let draft = match name.parse::<Uuid>() {
        Ok(name) => store::drafts::by_public_id(tx, name).await?,
        Err(_) => None,
    };
    Ok(match draft.map(|draft| draft.state) {
        Some(draft::State::Released) => "It was released.",
        Some(draft::State::ThrownAway) => "It was thrown away.",
        Some(draft::State::Open) | None => "Nobody waits for its release any more.",
    }
    .to_owned())
}

async fn post(tx: &mut Tx, name: &str) -> store::Result<String> {
    let post = match name.parse::<Uuid>() {
        Ok(name) => store::posts::by_public_id(tx, name).await?,
        Err(_) => None,
    };
    Ok(match post.and_then(|post| post.alerted_at) {
        Some(at) => format!("There is an alert of it since {}.", clock(at)),
        None => "It is no longer to be an alert by itself: somebody asked for the release of one, or left it to the digests."
            .to_owned(),
    })
}

async fn alert(tx: &mut Tx, name: &str) -> store::Result<String> {
    let issue = match name.parse::<Uuid>() {
        Ok(name) => store::issues::by_public_id(tx, name).await?,
        Err(_) => None,
    };
    let Some(issue) = issue else { return Ok("It is not there any more.".to_owned()) };
    let reach = Reach::of(&store::deliveries::counts(tx, issue.id).await?);
    let have_it = format!("{} of {} have it.", reach.accepted, reach.all());
    Ok(match (issue.state, issue.paused_at) {
        (State::Cancelled, _) => format!("It was stopped. {} have it.", reach.accepted),
        (_, Some(at)) => format!("It was paused at {}. {have_it}", clock(at)),
        (_, None) => have_it,
    })
}

async fn feed(tx: &mut Tx, url: &str) -> store::Result<String> {
    let feed = store::feeds::all_active(tx).await?.into_iter().find(|feed| feed.url == url);
    Ok(match feed {
        Some(feed) => sentence(&format!("The last that was new came from {url} at {}", clock(feed.heard_at))),
        None => format!("{url} is not read any more."),
    })
}
