//! The SQL that counts an alert's audience, and the fan-out, against the one decision.

use bellwether::domain::{
    decision::{Decision, Matter, Reader, Subscription, decide},
    issue::{Kind, Level},
    subscription::Digest,
    suppression,
};
use bellwether::store::{self, subscribers::NewSubscriber};
use proptest::prelude::*;

use super::{cases, run};
use crate::stage::{Backend, Setup, Stage};

const TOPICS: [&str; 3] = ["election-alerts", "foreign-policy", "state:ga"];

/// One person as the database may know one.
#[derive(Clone, Debug)]
struct Person {
    active: bool,
    suppressed: Option<suppression::Kind>,
    /// For each topic alerts and digest, where subscribed.
    subscriptions: [Option<(bool, Digest)>; 3],
}

fn person() -> impl Strategy<Value = Person> {
    let suppressed =
        prop_oneof![4 => Just(None), 1 => prop::sample::select(suppression::Kind::ALL).prop_map(Some)];
    let subscription = || prop::option::of((any::<bool>(), prop::sample::select(Digest::ALL)));
    (prop::bool::weighted(0.8), suppressed, [subscription(), subscription(), subscription()])
        .prop_map(|(active, suppressed, subscriptions)| Person { active, suppressed, subscriptions })
}

async fn open(backend: Backend) -> Stage {
    Setup::on(backend).topic(TOPICS[1], "Foreign policy").topic(TOPICS[2], "Georgia").open().await
}

async fn add(stage: &Stage, name: usize, person: &Person, topics: &[i64]) {
    let address = format!("reader-{name}@example.org");
    let hash = stage.cx.hasher.hash(&address);
    let now = stage.now();
    let mut tx = stage.cx.db.begin().await.unwrap();
    let new = NewSubscriber {
        public_id: stage.cx.entropy.uuid(now),
        address: &address,
        address_key: &address,
        address_hash: &hash,
        now,
    };
    let id = store::subscribers::activate(&mut tx, &new).await.unwrap();
    for (topic, wish) in topics.iter().zip(person.subscriptions) {
        if let Some((alerts, digest)) = wish {
            store::subscribers::subscribe(&mut tx, id, *topic, alerts, digest, 0).await.unwrap();
        }
    }
    if !person.active {
        store::subscribers::unsubscribe(&mut tx, id, now).await.unwrap();
    }
    if let Some(kind) = person.suppressed {
        store::suppressions::insert(&mut tx, &hash, kind, now).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// How many of `people` the one decision mails now.
fn decided(
    people: &[Person],
    topics: &[i64],
    all_topics: &[i64],
    (kind, level): (Kind, Level),
    stage: &Stage,
) -> i64 {
    let gets = |person: &&Person| {
        let subscriptions: Vec<_> = all_topics
            .iter()
            .zip(person.subscriptions)
            .filter_map(|(topic, wish)| {
                wish.map(|(alerts, digest)| Subscription { topic: *topic, alerts, digest, digest_after: 0 })
            })
            .collect();
        let suppressed = person.suppressed.is_some_and(|kind| kind != suppression::Kind::Refused);
        let reader = Reader { active: person.active, suppressed, subscriptions: &subscriptions };
        let matter = Matter { kind, level, topics, digest: Digest::None, expires_at: None };
        decide(&reader, &matter, stage.now()) == Decision::Now
    };
    i64::try_from(people.iter().filter(gets).count()).unwrap()
}

async fn the_audience_is_what_the_decision_says(backend: Backend, people: Vec<Person>, level: Level) {
    let stage = open(backend).await;
    let mut tx = stage.cx.db.read().await.unwrap();
    let ids: Vec<i64> = store::topics::all(&mut tx).await.unwrap().iter().map(|topic| topic.id).collect();
    drop(tx);
    for (name, person) in people.iter().enumerate() {
        add(&stage, name, person, &ids).await;
    }
    for wanted in 0..8_usize {
        let topics: Vec<i64> =
            (0..3).filter(|topic| wanted >> topic & 1 == 1).map(|topic| ids[topic]).collect();
        for level in Level::ALL {
            let mut tx = stage.cx.db.read().await.unwrap();
            let critical = *level == Level::Critical;
            let counted = store::subscribers::count_audience(&mut tx, &topics, critical).await.unwrap();
            assert_eq!(
                counted,
                decided(&people, &topics, &ids, (Kind::Alert, *level), &stage),
                "{level} on {topics:?}"
            );
        }
        let mut tx = stage.cx.db.read().await.unwrap();
        let counted = store::subscribers::count_newsletter_audience(&mut tx, &topics).await.unwrap();
        let newsletter = (Kind::Broadcast, Level::All);
        assert_eq!(
            counted,
            decided(&people, &topics, &ids, newsletter, &stage),
            "a newsletter on {topics:?}"
        );
    }
    let published = stage.alert("Polls close at eight").on(&TOPICS[..2]).level(level).accepted().await;
    assert_eq!(published.audience, decided(&people, &ids[..2], &ids, (Kind::Alert, level), &stage));
    stage.settle().await;
    assert_eq!(stage.issue(published.id).await.audience, published.audience, "the fan-out");
    assert_eq!(i64::try_from(stage.mailbox.len()).unwrap(), published.audience, "the relay");

    let newsletter = stage.alert("Our week").on(&TOPICS[..2]).newsletter().accepted().await;
    stage.settle().await;
    let expected = decided(&people, &ids[..2], &ids, (Kind::Broadcast, Level::All), &stage);
    assert_eq!(stage.issue(newsletter.id).await.audience, expected, "the fan-out of a newsletter");
    let mailed = i64::try_from(stage.mailbox.len()).unwrap() - published.audience;
    assert_eq!(mailed, expected, "what the claim asks once more");
}

fn on(backend: Backend) {
    let people = prop::collection::vec(person(), 0..40);
    let level = prop::sample::select(Level::ALL);
    run(backend, cases(4), (people, level), async |(people, level)| {
        the_audience_is_what_the_decision_says(backend, people, level).await;
    });
}

#[test]
fn the_audience_is_what_the_decision_says_on_sqlite() {
    on(Backend::Sqlite);
}

#[test]
fn the_audience_is_what_the_decision_says_on_postgres() {
    on(Backend::Postgres);
}
