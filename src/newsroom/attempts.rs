//! Limits on tries to show who one is. A try is noted before it is looked at, so that many at once gain nothing; one
//! that succeeds takes its failures back. An account that doesn't exist is limited like one that does.

use std::time::Duration;

use super::Error;
use crate::context::Context;
use crate::domain::{attempts::Counted, time::Timestamp, token::sha256};
use crate::store::{self, Tx};

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Password,
    Code,
    /// Mails about a forgotten password.
    Reset,
}

/// Under what the tries of an account are counted.
pub(super) fn account(door: Door, email_key: &str) -> Vec<u8> {
    sha256(format!("{door:?} {email_key}").as_bytes())
}

/// Notes a try, or says how long to wait until the next one; who waits is not noted.
pub(super) async fn begin(
    cx: &Context,
    door: Door,
    email_key: &str,
    network: &str,
) -> Result<Option<Duration>, Error> {
    let now = cx.clock.now();
    let account = account(door, email_key);
    let mut tx = cx.db.begin().await?;
    let wait = wait(&mut tx, &account, email_key, network, now).await?;
    if wait.is_none() {
        store::login_attempts::insert(&mut tx, &account, network, now).await?;
    }
    tx.commit().await?;
    if wait.is_some() {
        tracing::warn!(network, ?door, "too many attempts");
    }
    Ok(wait)
}

async fn wait(
    tx: &mut Tx,
    account: &[u8],
    email_key: &str,
    network: &str,
    now: Timestamp,
) -> Result<Option<Duration>, Error> {
    use store::login_attempts::{of_account, of_network, of_pair};
    let since = |counted: Counted| now.minus(counted.window());
    let pair = of_pair(tx, account, network, since(Counted::Pair)).await?;
    let all = of_network(tx, network, since(Counted::Network)).await?;
    let mut waits = vec![Counted::Pair.wait(pair, now), Counted::Network.wait(all, now)];
    let known = match store::users::by_email_key(tx, email_key).await? {
        Some(user) => store::sessions::knows_network(tx, user.id, network, user.has_second_factor()).await?,
        None => false,
    };
    if !known {
        let everywhere = of_account(tx, account, since(Counted::Account)).await?;
        waits.push(Counted::Account.wait(everywhere, now));
    }
    Ok(waits.into_iter().flatten().max())
}
