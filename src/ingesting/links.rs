//! Looks where the links of drafts lead, while somebody writes: of a page that isn't there an editor hears before readers do.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::task::JoinSet;
use url::Url;

use super::{
    Error,
    fetch::{FetchError, Fetcher},
};
use crate::context::Context;
use crate::domain::{
    draft::Text,
    time::{MINUTE, Timestamp},
};
use crate::mail::html;
use crate::store::{self, links::Link};

/// For so long after somebody wrote in a draft, or had it open, its links are looked at.
const ON_A_DESK: Duration = MINUTE.saturating_mul(10);
/// A page that was there is looked at again after this, one that wasn't after that: who puts it there wants to see it.
const AGAIN: Duration = MINUTE.saturating_mul(5);
const SOON_AGAIN: Duration = Duration::from_secs(15);
/// So many are looked at in one round.
const AT_ONCE: usize = 8;

/// Looks at the links that are due, and notes what is wrong with them. Returns how many were looked at.
///
/// # Errors
/// A database that can't be written. A page that isn't there is no error here.
pub async fn look_at_links(cx: &Context, fetcher: &Fetcher) -> Result<usize, Error> {
    let taken = take(cx).await?;
    let count = taken.len();
    let mut under_way = JoinSet::new();
    for url in taken {
        let fetcher = fetcher.clone();
        under_way.spawn(async move {
            let fault = fetcher.reach(&url).await.err().and_then(|error| fault(&error));
            (url, fault)
        });
    }
    while let Some(looked) = under_way.join_next().await {
        match looked {
            Ok((url, fault)) => {
                let mut tx = cx.db.begin().await?;
                store::links::found(&mut tx, url.as_str(), fault.as_deref()).await?;
                tx.commit().await?;
            }
            Err(error) => tracing::error!(%error, "a look at a link broke down; it is looked at again"),
        }
    }
    Ok(count)
}

/// The links that are due, for this node alone.
async fn take(cx: &Context) -> Result<Vec<Url>, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    let mut links = BTreeSet::new();
    for text in store::drafts::on_a_desk(&mut tx, now.minus(ON_A_DESK)).await? {
        let text: Text = serde_json::from_str(&text).unwrap_or_default();
        links.extend(html::links(&text.link, &text.body));
    }
    let mut due = Vec::new();
    for url in links {
        let known = store::links::known(&mut tx, url.as_str()).await?;
        if known.as_ref().is_none_or(|known| is_due(known, now)) {
            due.push((url, known.map(|known| known.checked_at)));
        }
    }
    drop(tx);
    due.truncate(AT_ONCE);
    let mut taken = Vec::new();
    for (url, seen) in due {
        let mut tx = cx.db.begin().await?;
        if store::links::take(&mut tx, url.as_str(), now, seen).await? {
            taken.push(url);
        }
        tx.commit().await?;
    }
    Ok(taken)
}

fn is_due(known: &Link, now: Timestamp) -> bool {
    now.since(known.checked_at) >= if known.fault.is_some() { SOON_AGAIN } else { AGAIN }
}

/// What a reader would meet, to follow "The link … "; none where nothing can be said: a site that lets no programs in may
/// well let readers in.
fn fault(error: &FetchError) -> Option<String> {
    Some(match error {
        FetchError::Status { status, .. } => match status.as_u16() {
            404 | 410 => format!("leads to no page: its site answers {}", status.as_u16()),
            code @ 500..=599 => format!("leads to a site that answers with an error, {code}"),
            _ => return None,
        },
        FetchError::PrivateAddress { address, .. } => {
            format!("leads to {address}, an address that is not on the open internet")
        }
        FetchError::Unresolvable { host } => {
            format!("leads to {host}, and there is no such site, or this machine can’t find it")
        }
        FetchError::Connect { .. } | FetchError::Broken { .. } => {
            "leads to a site that can’t be reached".to_owned()
        }
        FetchError::Timeout(after) => {
            format!("leads to a site that did not answer within {} s", after.as_secs())
        }
        FetchError::TooManyRedirects | FetchError::BadRedirect(_) => {
            "is sent on and on by its site".to_owned()
        }
        FetchError::Scheme { .. } | FetchError::Downgrade { .. } | FetchError::TooLarge => return None,
    })
}
