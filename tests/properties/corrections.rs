//! Whatever happens around it, a correction reaches exactly those who got the alert, or may have, and are still readers.

use std::collections::BTreeSet;
use std::time::Duration;

use bellwether::audit::Actor;
use bellwether::publishing::correcting::{self, Corrected, Correction};
use proptest::prelude::*;
use uuid::Uuid;

use super::{cases, run};
use crate::stage::{Backend, Setup, Span, Stage};

const WRONG: &str = "The harbour is closed";
const RIGHT: &str = "Correction: The harbour is open";
/// Of whom the relay lets go in the middle of a mail: whether they have it nobody knows.
const PERHAPS: [&str; 2] = ["disconnect-in-data-2-one@example.com", "disconnect-in-data-2-two@example.com"];

fn readers() -> Vec<String> {
    let plain = (0..10).map(|n| format!("reader{n}@example.com"));
    let odd = ["451-1-late@example.com", "550-nobody@example.com"].into_iter().chain(PERHAPS);
    plain.chain(odd.map(ToOwned::to_owned)).collect()
}

/// Something that happens. The numbers are folded into what there is.
#[derive(Clone, Debug)]
enum Event {
    /// The senders have so many seconds; their relay takes two mails in each.
    Sends(u64),
    Leaves(usize),
    Waits {
        minutes: u64,
    },
    Restarts,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        5 => (0..4_u64).prop_map(Event::Sends),
        2 => (0..100_usize).prop_map(Event::Leaves),
        1 => (1..20_u64).prop_map(|minutes| Event::Waits { minutes }),
        1 => Just(Event::Restarts),
    ];
    prop::collection::vec(event, 0..8)
}

struct World {
    stage: Stage,
    left: BTreeSet<String>,
}

impl World {
    async fn goes_on(mut self, event: Event) -> Self {
        match event {
            Event::Sends(seconds) => {
                self.stage.deliver().await;
                for _ in 0..seconds {
                    self.stage.advance(1.seconds()).await;
                }
            }
            Event::Leaves(index) => {
                let readers = readers();
                let who = &readers[index % readers.len()];
                // Only who got a mail has a link in it.
                if !self.stage.inbox(who).is_empty() && self.left.insert(who.clone()) {
                    self.stage.leaves(who).await;
                }
            }
            Event::Waits { minutes } => self.stage.cx.clock.advance(minutes.minutes()),
            Event::Restarts => self.stage = self.stage.restarted().await,
        }
        self
    }

    fn got(&self, who: &str, subject: &str) -> usize {
        self.stage.subjects(who).iter().filter(|it| *it == subject).count()
    }
}

async fn corrects(stage: &Stage, issue: Uuid) {
    let correction = Correction {
        subject: "The harbour is open".to_owned(),
        body: "We were wrong.".to_owned(),
        link: None,
        seen: None,
    };
    let corrected =
        correcting::correct(&stage.cx, &Actor::service(), issue, &correction, None).await.unwrap();
    assert!(matches!(corrected, Corrected::Now(_)));
}

fn on(backend: Backend) {
    run(backend, cases(8), (events(), events()), async |(before, after)| {
        let stage = Setup::on(backend).with("relays.0.rate", "2").open().await;
        stage.imported_all(&readers()).await;
        let issue = stage.alert(WRONG).queued().await;
        let mut world = World { stage, left: BTreeSet::new() };
        for event in before {
            world = world.goes_on(event).await;
        }
        let left_before = world.left.clone();
        corrects(&world.stage, issue).await;
        for event in after {
            world = world.goes_on(event).await;
        }
        world.stage.live(20.seconds(), 1.seconds()).await;
        world.stage.live(1.day(), Duration::from_secs(30 * 60)).await;
        for who in &readers() {
            let (wrong, right) = (world.got(who, WRONG), world.got(who, RIGHT));
            assert!(right <= 1, "{who} was told {right} times");
            assert!(right == 0 || !left_before.contains(who), "{who} had left");
            if !PERHAPS.contains(&who.as_str()) {
                assert!(right <= wrong, "{who} was told of what they never got");
            }
            if wrong > 0 && !world.left.contains(who) {
                assert_eq!(right, 1, "{who} got the alert and is still a reader");
            }
        }
    });
}

#[test]
fn a_correction_reaches_exactly_who_got_the_alert_on_sqlite() {
    on(Backend::Sqlite);
}

#[test]
fn a_correction_reaches_exactly_who_got_the_alert_on_postgres() {
    on(Backend::Postgres);
}
