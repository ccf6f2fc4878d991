//! Two nodes on one PostgreSQL: one is stopped and wakes late, one is told to stop, one is
//! killed; the database is restarted.

use std::collections::BTreeSet;
use std::time::Duration;

use bellwether::clock::Clock;
use bellwether::domain::{delivery::State, time::Timestamp};
use bellwether::store::{self, Db};
use uuid::Uuid;

use super::{Trial, long, relay_lines, until, within};
use crate::outside::installation::{Installation, Service};
use crate::outside::{leave_out, shift::Shift};
use crate::stage::Backend;
use crate::stage::postgres::Cluster;
use crate::stage::sink::{Moment, Sink};

pub const CONNECTIONS: usize = 4;
pub const READERS: usize = 1_000;
/// How long a node lives without a heartbeat, and a little more.
const LIFE: Duration = Duration::from_secs(32);

/// Two nodes, each with a door of the sink to itself.
pub struct Pair {
    pub trial: Trial,
    second_door: usize,
    /// How far the nodes' wall clocks are ahead of the machine's.
    shift: Shift,
}

impl Pair {
    pub async fn new() -> Self {
        let trial = Trial::new(Backend::Postgres, CONNECTIONS, READERS).await;
        let second_door = trial.sink.door().await;
        let (first, second) = (relay_lines(trial.sink.port(0)), relay_lines(trial.sink.port(second_door)));
        trial.installation.second_node("second", &[(&first, &second)]);
        let shift = Shift::new(trial.installation.folder());
        Self { trial, second_door, shift }
    }

    pub fn launch(&self, name: &str) -> Service {
        self.trial.installation.launch_as(name, |command| {
            if !long() {
                self.shift.apply(command);
            }
        })
    }

    /// Time passes for both, up to `altogether` since their start; gives what they have for now.
    async fn passes(&self, altogether: Duration, step: Duration) -> Timestamp {
        if long() {
            tokio::time::sleep(step).await;
            return Clock::System.now();
        }
        self.shift.by(altogether);
        Clock::System.now().plus(altogether)
    }

    /// A node's life passes, for both.
    pub async fn outlive(&self) {
        if long() {
            tokio::time::sleep(LIFE).await;
        } else {
            self.shift.by(LIFE);
        }
    }
}

/// Waits until the database has all of an issue as sent; no node is asked.
pub async fn all_settled(db: &Db, issue: &str) {
    let all = READERS as i64;
    until("the rest to be sent", async || (super::progress(db, issue).await.0 == all).then_some(())).await;
}

/// The recipients whose mail the database doesn't show as sent.
pub async fn unsettled(db: &Db, issue: &str) -> BTreeSet<String> {
    let mut tx = db.read().await.unwrap();
    let issue = store::issues::by_public_id(&mut tx, issue.parse::<Uuid>().unwrap()).await.unwrap().unwrap();
    let rows = store::deliveries::page(&mut tx, issue.id, None, 0, 1_000_000).await.unwrap();
    rows.into_iter().filter(|row| row.state != State::Sent).map(|row| row.address).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_wakes_late_sends_no_further_body() {
    if !Backend::Postgres.is_here() {
        return;
    }
    let pair = Pair::new().await;
    let sink = &pair.trial.sink;
    // Each of its connections waits for leave to send a body: what it sends after this, it sends knowing better.
    let meetings: Vec<_> = (0..CONNECTIONS).map(|_| sink.meeting(Moment::Data, 0, 60)).collect();
    let mut first = pair.launch("config");
    pair.trial.installation.ready(&mut first).await;
    let issue = pair.trial.alert(1).await;
    within("the first node to be at work", sink.wait_until(Sink::is_held)).await;
    first.signal("STOP");
    let db = pair.trial.database().await;
    let open = unsettled(&db, &issue).await;
    let second = pair.launch("second");
    until("the second node to be there", async || second.log().contains("listening").then_some(())).await;
    pair.outlive().await;
    all_settled(&db, &issue).await;
    let before = sink.messages().iter().filter(|message| message.door == 0).count();
    first.signal("CONT");
    // Several looks at the queue, after which it could think itself alive and what it holds its own.
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(meetings);
    // It has looked at the clock and at the queue since, and is up to date.
    let next = pair.trial.alert(2).await;
    pair.trial.all_sent(&next).await;
    let again = sink.check(2, &pair.trial.readers);
    let late = sink.messages().into_iter().filter(|message| message.door == 0).skip(before);
    let late = late.filter(|message| message.name().0 == issue).count();
    assert_eq!(late, 0, "bodies of the late node; {} came again", again.len());
    assert!(again.iter().all(|again| open.contains(&again.to)), "settled mail came again");
    assert!(sink.messages().iter().any(|message| message.door == pair.second_door));
    assert_eq!((first.panic(), second.panic()), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_node_had_claimed_is_sent_by_the_other() {
    if !Backend::Postgres.is_here() {
        return;
    }
    let pair = Pair::new().await;
    let sink = &pair.trial.sink;
    let mut first = pair.launch("config");
    pair.trial.installation.ready(&mut first).await;
    let second = pair.launch("second");
    until("the second node to be there", async || second.log().contains("listening").then_some(())).await;
    let db = pair.trial.database().await;
    // So that it dies with a mail in its hands, however fast the two are through with all others.
    let mut meeting = sink.meeting(Moment::Dot, 0, 10);
    let issue = pair.trial.alert(1).await;
    within("the first node to be at work", meeting.met()).await;
    first.kill();
    drop(meeting);
    let open = unsettled(&db, &issue).await;
    pair.outlive().await;
    all_settled(&db, &issue).await;
    let again = sink.check(1, &pair.trial.readers);
    println!("{} came again, of {} that were not settled", again.len(), open.len());
    assert!(again.iter().all(|again| open.contains(&again.to)), "settled mail came again");
    assert!(second.log().contains("took over the deliveries of a node that is gone"));
    assert_eq!(second.panic(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_stop_lives_until_a_slow_relay_has_answered() {
    if !Backend::Postgres.is_here() {
        return;
    }
    let pair = Pair::new().await;
    let sink = &pair.trial.sink;
    let meetings: Vec<_> = (0..CONNECTIONS).map(|_| sink.meeting(Moment::Dot, 0, 60)).collect();
    let mut first = pair.launch("config");
    pair.trial.installation.ready(&mut first).await;
    let issue = pair.trial.alert(1).await;
    within("the first node to wait", sink.wait_until(Sink::is_held)).await;
    let second = pair.launch("second");
    until("the second node to be there", async || second.log().contains("listening").then_some(())).await;
    first.signal("TERM");
    let db = pair.trial.database().await;
    for step in 1..=3 {
        let now = pair.passes(step * Duration::from_secs(12), Duration::from_secs(12)).await;
        until("both hearts to beat", async || {
            let mut tx = db.read().await.unwrap();
            let living = store::nodes::living(&mut tx, now.minus(Duration::from_secs(6))).await.unwrap();
            (living == 2).then_some(())
        })
        .await;
    }
    drop(meetings);
    assert_eq!(first.ended().await.code(), Some(0));
    all_settled(&db, &issue).await;
    assert_eq!(sink.check(1, &pair.trial.readers).len(), 0, "second copies");
    assert_eq!((first.panic(), second.panic()), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_restarted_costs_nothing() {
    if !Backend::Postgres.is_here() {
        return;
    }
    let Some(mut cluster) = Cluster::start() else {
        return leave_out("the restart of a database", "no PostgreSQL is installed here");
    };
    let own = |installation: &Installation| {
        installation.edit_config(&installation.database_url(), cluster.url());
    };
    let trial = Trial::prepared(Backend::Postgres, CONNECTIONS, READERS, own).await;
    let service = trial.installation.serve().await;
    let issue = trial.alert(1).await;
    for point in [50, 350, 650] {
        trial.came(point).await;
        cluster.restart();
    }
    trial.all_sent(&issue).await;
    assert_eq!(trial.sink.check(1, &trial.readers).len(), 0, "second copies");
    assert!(service.log().contains("trying again") || service.log().contains("on hold"));
    assert_eq!(service.terminate().await.code(), Some(0));
}
