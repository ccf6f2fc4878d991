//! What is well again, in words: how that which was told stands, now that it is over.

use uuid::Uuid;

use super::looking::{clock, sentence};
use crate::context::Context;
use crate::domain::{
    draft::State,
    incident::{Kind, Reach},
    issue,
};
use crate::store::{self, Tx, incidents::Incident};

/// As in `19 of 20 have it.`
pub(super) async fn told(cx: &Context, tx: &mut Tx, incident: &Incident) -> store::Result<String> {
    let (what, name) = incident.subject.split_once(' ').unwrap_or_default();
    // What has no id has a name, and then there is nothing of the nil id.
    let id = name.parse::<Uuid>().unwrap_or_default();
    match incident.kind {
        Kind::Missing if what == "draft" => draft(tx, id).await,
        Kind::Missing => post(tx, id).await,
        Kind::Slow => alert(tx, id).await,
        Kind::Silent => feed(tx, name).await,
        Kind::Paused => {
            let known = cx.config.relays.iter().any(|relay| relay.name == name);
            let stands =
                if known { "may be handed mail again" } else { "is not in the configuration any more" };
            Ok(format!("Relay {name} {stands}."))
        }
    }
}

async fn draft(tx: &mut Tx, id: Uuid) -> store::Result<String> {
    let state = store::drafts::by_public_id(tx, id).await?.map(|draft| draft.state);
    Ok(match state {
        Some(State::Released) => "It was released.",
        Some(State::ThrownAway) => "It was thrown away.",
        Some(State::Open) | None => "Nobody waits for its release any more.",
    }
    .to_owned())
}

async fn post(tx: &mut Tx, id: Uuid) -> store::Result<String> {
    let alerted = store::posts::by_public_id(tx, id).await?.and_then(|post| post.alerted_at);
    Ok(match alerted {
        Some(at) => format!("There is an alert of it since {}.", clock(at)),
        None => "It is no longer to be an alert by itself: somebody asked for the release of one, or left it to the digests."
            .to_owned(),
    })
}

async fn alert(tx: &mut Tx, id: Uuid) -> store::Result<String> {
    let issue = store::issues::by_public_id(tx, id).await?;
    let Some(issue) = issue else { return Ok("It is not there any more.".to_owned()) };
    let reach = Reach::of(&store::deliveries::counts(tx, issue.id).await?);
    let have_it = format!("{} of {} have it.", reach.accepted, reach.all());
    Ok(match issue.paused_at {
        _ if issue.state == issue::State::Cancelled => format!("It was stopped. {} have it.", reach.accepted),
        Some(at) => format!("It was paused at {}. {have_it}", clock(at)),
        None => have_it,
    })
}

async fn feed(tx: &mut Tx, url: &str) -> store::Result<String> {
    let feed = store::feeds::all_active(tx).await?.into_iter().find(|feed| feed.url == url);
    Ok(match feed {
        Some(feed) => sentence(&format!("The last that was new came from {url} at {}", clock(feed.heard_at))),
        None => format!("{url} is not read any more."),
    })
}
