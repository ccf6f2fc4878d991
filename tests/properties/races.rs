//! Whatever is done with a race, in whatever order: no outcome of it is released before its moment, and never two.

use bellwether::audit::Actor;
use bellwether::domain::draft::LAPSE;
use bellwether::domain::race::State;
use bellwether::domain::time::Timestamp;
use bellwether::publishing::{
    desk,
    races::{self, Moved, Wanted},
    releasing::{self, Release, Undone},
};
use proptest::prelude::*;
use uuid::Uuid;

use super::{cases, run};
use crate::stage::{Backend, Setup, Span, Stage};

const ADA: &str = "ada@example.com";
const NAME: &str = "Mayor";
const OUTCOMES: [&str; 3] = ["Moss wins", "Field wins", "A runoff"];

#[derive(Clone, Debug)]
enum Event {
    Releases(usize),
    ReleaseAtOnce(usize, usize),
    Undoes,
    Stops,
    /// In seconds; what is longer than a hold and its grace is as if the service had been down.
    Waits(u64),
    Restarts,
    PutsAway,
    TakesOut,
    /// To so many seconds from now, and whether it is said that it may be open at once.
    Moves(i64, bool),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = 0..OUTCOMES.len();
    let event = prop_oneof![
        3 => one.clone().prop_map(Event::Releases),
        5 => (one, 1..OUTCOMES.len()).prop_map(|(a, on)| Event::ReleaseAtOnce(a, (a + on) % OUTCOMES.len())),
        5 => Just(Event::Undoes),
        1 => Just(Event::Stops),
        4 => prop_oneof![1..29_u64, 30..60_u64, 1..400_u64].prop_map(Event::Waits),
        1 => Just(Event::Restarts),
        1 => Just(Event::PutsAway),
        1 => Just(Event::TakesOut),
        2 => (-100..100_i64, any::<bool>()).prop_map(|(to, open)| Event::Moves(to, open)),
    ];
    prop::collection::vec(event, 4..24)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Uncalled,
    Held(Uuid, Timestamp),
    Out(Uuid),
}

/// What there is, and what there should be.
struct World {
    stage: Stage,
    race: Uuid,
    drafts: Vec<Uuid>,
    not_before: Timestamp,
    closed: bool,
    phase: Phase,
}

fn actor() -> Actor {
    Actor::user("kim@example.org", "")
}

impl World {
    async fn new(stage: Stage) -> Self {
        stage.imported(ADA).await;
        let lou = Actor::user("lou@example.org", "");
        let not_before = stage.now().plus(20.seconds());
        let wanted = Wanted {
            name: NAME.to_owned(),
            not_before,
            timezone: "UTC".to_owned(),
            open_now: false,
            topics: vec!["election-alerts".to_owned()],
        };
        let race = races::create(&stage.cx, &lou, &wanted).await.unwrap();
        let mut drafts = Vec::new();
        for outcome in OUTCOMES {
            let draft = desk::create_outcome(&stage.cx, &lou, race, outcome).await.unwrap();
            let written = desk::find(&stage.cx, draft).await.unwrap().unwrap();
            let mut text = written.text.clone();
            (text.subject, text.body) = (outcome.to_owned(), "By all counts.".to_owned());
            desk::save(&stage.cx, &lou, draft, &written.text, text).await.unwrap().unwrap();
            drafts.push(draft);
        }
        Self { stage, race, drafts, not_before, closed: false, phase: Phase::Uncalled }
    }

    fn may_release(&self) -> bool {
        self.phase == Phase::Uncalled && !self.closed && self.stage.now() >= self.not_before
    }

    async fn release(&self, outcome: usize) -> Option<(Uuid, Timestamp)> {
        let draft = self.drafts[outcome];
        let released = releasing::release(&self.stage.cx, &actor(), draft, 2, 1, None).await.unwrap();
        match released.unwrap() {
            Release::Held { issue, until, .. } => Some((issue, until)),
            _ => None,
        }
    }

    async fn goes_on(mut self, event: &Event) -> Self {
        let (may, now) = (self.may_release(), self.stage.now());
        match *event {
            Event::Releases(outcome) => {
                let held = self.release(outcome).await;
                assert_eq!(held.is_some(), may, "released");
                self.phase = held.map_or(self.phase, |(issue, until)| Phase::Held(issue, until));
            }
            Event::ReleaseAtOnce(one, other) => {
                let (one, other) = tokio::join!(self.release(one), self.release(other));
                assert!(!(one.is_some() && other.is_some()), "two at once");
                assert_eq!(one.is_some() || other.is_some(), may, "released");
                self.phase = one.or(other).map_or(self.phase, |(issue, until)| Phase::Held(issue, until));
            }
            Event::Undoes | Event::Stops => match self.phase {
                Phase::Uncalled => {}
                Phase::Held(issue, _) | Phase::Out(issue) => {
                    if matches!(event, Event::Stops) {
                        releasing::stop(&self.stage.cx, &actor(), issue).await.unwrap();
                    } else {
                        let undone = releasing::undo(&self.stage.cx, &actor(), issue).await.unwrap();
                        assert_eq!(undone == Undone::Yes, matches!(self.phase, Phase::Held(..)));
                    }
                    if matches!(self.phase, Phase::Held(..)) {
                        (self.phase, self.closed) = (Phase::Uncalled, false);
                    }
                }
            },
            Event::Waits(seconds) => {
                self.stage.advance(seconds.seconds()).await;
                let now = self.stage.now();
                if let Phase::Held(issue, until) = self.phase {
                    if now > until.plus(LAPSE) {
                        (self.phase, self.closed) = (Phase::Uncalled, false);
                    } else if now >= until {
                        self.phase = Phase::Out(issue);
                    }
                }
            }
            Event::Restarts => self.stage = self.stage.restarted().await,
            Event::PutsAway | Event::TakesOut => {
                let back = matches!(event, Event::TakesOut);
                let done = races::put_away(&self.stage.cx, &actor(), self.race, back).await.unwrap();
                assert_eq!(done, Some(self.closed == back));
                self.closed = !back;
            }
            Event::Moves(seconds, open_now) => {
                let to = Timestamp::from_micros(now.as_micros() + seconds * 1_000_000);
                let moved =
                    races::move_to(&self.stage.cx, &actor(), self.race, (to, "UTC", open_now), NAME).await;
                let refused = to <= now && !open_now;
                assert_eq!(moved.is_err(), refused, "{moved:?}");
                if !refused {
                    assert_eq!(moved.unwrap() == Moved::Yes, self.phase == Phase::Uncalled);
                }
                if !refused && self.phase == Phase::Uncalled {
                    self.not_before = to;
                }
            }
        }
        self
    }

    async fn holds(&self) {
        let race = races::find(&self.stage.cx, self.race).await.unwrap().unwrap();
        let called = match self.phase {
            Phase::Uncalled => None,
            Phase::Held(issue, _) | Phase::Out(issue) => Some(issue),
        };
        assert_eq!(race.call.as_ref().map(|call| call.issue), called);
        assert_eq!(race.state() == State::Open, self.may_release());
        let got = self.stage.subjects(ADA);
        assert!(got.len() <= usize::from(matches!(self.phase, Phase::Out(_))), "{got:?} in {:?}", self.phase);
    }
}

fn on(backend: Backend) {
    run(backend, cases(16), events(), async |events| {
        let mut world = World::new(Setup::on(backend).open().await).await;
        for event in &events {
            world = world.goes_on(event).await;
            world.holds().await;
        }
    });
}

#[test]
fn no_outcome_is_released_before_its_moment_and_never_two_on_sqlite() {
    on(Backend::Sqlite);
}

#[test]
fn no_outcome_is_released_before_its_moment_and_never_two_on_postgres() {
    on(Backend::Postgres);
}
