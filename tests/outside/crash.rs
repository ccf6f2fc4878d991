//! A send to thousands survives whatever happens to the process: killed at random points, nobody is missed, and who
//! gets a second copy gets the same bytes; told to stop, it loses nothing and repeats nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bellwether::cli::demo::mailbox::Received;
use bellwether::clock::Entropy;
use serde_json::{Value, json};

use super::installation::{Installation, TOPIC};
use super::within;
use crate::stage::Backend;

const READERS: usize = 5_000;
const KILLS: usize = 20;
const CONNECTIONS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_killed_twenty_times_misses_nobody_on_sqlite() {
    killed(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_killed_twenty_times_misses_nobody_on_postgres() {
    if Backend::Postgres.is_here() {
        killed(Backend::Postgres).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_told_to_stop_repeats_nothing_on_sqlite() {
    stopped(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_told_to_stop_repeats_nothing_on_postgres() {
    if Backend::Postgres.is_here() {
        stopped(Backend::Postgres).await;
    }
}

async fn killed(backend: Backend) {
    let mut installation = with_readers(backend, READERS).await;
    let points = kill_points();
    let mut kills = Vec::new();
    let mut service = installation.serve().await;
    let id = alert(&installation).await;
    for (number, point) in points.into_iter().enumerate() {
        within("the next mails", installation.mailbox.wait_until(|mailbox| mailbox.len() >= point)).await;
        service.kill();
        installation.renew_relay().await;
        kills.push(installation.mailbox.len());
        if number == KILLS / 2 {
            edit_the_template(&installation);
        }
        service = installation.launch();
    }
    let issue = installation.sent(&id).await;
    assert_eq!(issue["audience"], json!(READERS));
    assert_eq!(issue["counts"]["sent"], json!(READERS), "{issue}");
    let second_copies = check(&installation.mailbox.messages(), READERS, &kills);
    // Killed between the end of a mail and its note in the journal, a connection leaves one mail of unknown fate.
    assert!(second_copies.iter().all(|count| *count <= CONNECTIONS), "{second_copies:?}");
    let (_, made) = installation.api("/api/v1/alerts", None, &body(true)).await;
    assert!(made.to_string().contains("Edited meanwhile"), "the edit is in force: {made}");
    assert_eq!(service.panic(), None);
    println!("second copies after each kill: {second_copies:?}");
}

async fn stopped(backend: Backend) {
    let readers = 2_000;
    let installation = with_readers(backend, readers).await;
    let mut service = installation.serve().await;
    let id = alert(&installation).await;
    for point in [1, 400, 1_000] {
        within("the next mails", installation.mailbox.wait_until(|mailbox| mailbox.len() >= point)).await;
        assert_eq!(service.terminate().await.code(), Some(0));
        service = installation.launch();
    }
    let issue = installation.sent(&id).await;
    assert_eq!(issue["counts"]["sent"], json!(readers), "{issue}");
    assert_eq!(check(&installation.mailbox.messages(), readers, &[]), [0], "second copies");
    assert_eq!(service.terminate().await.code(), Some(0));
}

/// After how many mails the process is killed: first before any, then at random.
fn kill_points() -> Vec<usize> {
    let seed = std::env::var("BELLWETHER_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from_le_bytes(Entropy::system().unwrap().bytes()));
    println!("to repeat: BELLWETHER_SEED={seed}");
    let dice = Entropy::seeded(seed);
    let span = (READERS * 9 / 10) as f64;
    let mut points: Vec<_> = (1..KILLS).map(|_| (dice.fraction() * span) as usize).collect();
    points.push(0);
    points.sort_unstable();
    points
}

async fn with_readers(backend: Backend, readers: usize) -> Installation {
    let installation =
        Installation::new(backend, CONNECTIONS, "[mail]\ntemplates = \"{folder}/templates\"").await;
    std::fs::create_dir_all(installation.folder().join("templates/alert")).unwrap();
    installation.import((0..readers).map(address));
    installation
}

fn address(number: usize) -> String {
    format!("reader-{number:05}@example.com")
}

fn body(dry_run: bool) -> Value {
    json!({ "subject": "Polls stay open", "markdown": "Until **ten**.", "topics": [TOPIC], "dry_run": dry_run })
}

async fn alert(installation: &Installation) -> String {
    let (status, accepted) = installation.api("/api/v1/alerts", Some("one"), &body(false)).await;
    assert_eq!(status, 202, "{accepted}");
    accepted["id"].as_str().unwrap().to_owned()
}

fn edit_the_template(installation: &Installation) {
    let template = include_str!("../../email-templates/alert/body.html");
    let edited = template.replace("{{ title }}", "{{ title }} (Edited meanwhile)");
    assert_ne!(edited, template);
    std::fs::write(installation.folder().join("templates/alert/body.html"), edited).unwrap();
}

/// Everybody has the mail, and who has it again has the same bytes. `kills` are the numbers of messages at each kill;
/// gives how many that came before it, and behind the last one, came once more later on.
fn check(messages: &[Arc<Received>], readers: usize, kills: &[usize]) -> Vec<usize> {
    let mut again = vec![0; kills.len() + 1];
    let mut copies: BTreeMap<&str, (usize, &Received)> = BTreeMap::new();
    for (index, message) in messages.iter().enumerate() {
        let [to] = message.to.as_slice() else { panic!("{:?}", message.to) };
        if let Some((earlier, copy)) = copies.insert(to, (index, message)) {
            let (first, second) = (String::from_utf8_lossy(&copy.raw), String::from_utf8_lossy(&message.raw));
            assert_eq!(first, second, "the second copy to {to} differs");
            assert_eq!(copy.from, message.from);
            again[kills.partition_point(|kill| *kill <= earlier)] += 1;
        }
    }
    let all: BTreeSet<_> = (0..readers).map(address).collect();
    let missing: Vec<_> = all.iter().filter(|address| !copies.contains_key(address.as_str())).collect();
    assert!(missing.is_empty(), "{} readers have no mail: {missing:?}", missing.len());
    let strangers: Vec<_> = copies.keys().filter(|address| !all.contains(**address)).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    again
}
