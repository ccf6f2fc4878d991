//! An alert is stopped, or corrected, while its mails are handed over, and the process is killed before it knows of all who
//! have it: the correction goes to all of them, and to nobody who can't have it.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Trial, until, within};
use crate::stage::Backend;
use crate::stage::sink::Moment;

const CONNECTIONS: usize = 4;
const READERS: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_after_a_kill_in_a_stop_reaches_who_may_have_it_on_sqlite() {
    stopped(Backend::Sqlite, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_after_a_kill_in_a_stop_reaches_who_may_have_it_on_postgres() {
    if Backend::Postgres.is_here() {
        stopped(Backend::Postgres, true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_that_a_kill_follows_reaches_who_may_have_it_on_sqlite() {
    stopped(Backend::Sqlite, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_that_a_kill_follows_reaches_who_may_have_it_on_postgres() {
    if Backend::Postgres.is_here() {
        stopped(Backend::Postgres, false).await;
    }
}

/// With the kill after a stop, and the correction behind it; or right after the correction.
async fn stopped(backend: Backend, stop_first: bool) {
    let trial = Trial::new(backend, CONNECTIONS, READERS).await;
    let mut service = trial.installation.serve().await;
    // The other connections go on for a while, and not to the end.
    let mut meetings = [40, 300, 300, 300].map(|passes| trial.sink.meeting(Moment::Dot, 0, passes));
    let issue = trial.alert(0).await;
    within("a mail whose answer is held back", meetings[0].met()).await;
    let path = |what: &str| format!("/api/v1/issues/{issue}/{what}");
    let words = json!({ "subject": "Polls close at eight", "markdown": "They do not stay open." });
    let correct = async || {
        let (status, begun) = trial.installation.api(&path("correct"), Some("key correction"), &words).await;
        assert_eq!(status, 202, "{begun}");
        begun["id"].as_str().unwrap().to_owned()
    };
    let corrected = match stop_first {
        true => {
            assert_eq!(trial.installation.api(&path("cancel"), None, &json!({})).await.0, 200);
            None
        }
        false => Some(correct().await),
    };
    service.kill();
    trial.sink.forget_meetings();
    drop(meetings);
    within("the sink to read what was sent", trial.sink.quiet()).await;
    service = trial.installation.launch();
    trial.installation.ready(&mut service).await;
    let corrected = match corrected {
        Some(corrected) => corrected,
        None => correct().await,
    };
    let correction = until("the correction to be sent", async || {
        trial.installation.issue(&corrected).await.filter(|issue| issue["state"] == "sent")
    })
    .await;

    let messages = trial.sink.messages();
    let to = |of: &str| -> BTreeSet<String> {
        messages
            .iter()
            .filter(|message| message.name().0 == of)
            .map(|message| message.to[0].clone())
            .collect()
    };
    let (had, told) = (to(&issue), to(&corrected));
    assert!(had.len() > 40 && had.len() < READERS, "{}", had.len());
    assert_eq!(
        had.difference(&told).collect::<Vec<_>>(),
        [""; 0],
        "they had it and were not told; {correction}"
    );
    // What a connection was in the middle of may have arrived.
    let beside = told.difference(&had).count();
    assert!(beside < CONNECTIONS, "{beside} were told who can't have it");
    let original = trial.installation.issue(&issue).await.unwrap();
    assert_eq!(original["state"], "cancelled", "{original}");
    assert_eq!(service.panic(), None);
}
