//! Random histories of an installation: whatever is asked of it, in whatever order, nobody becomes a reader without
//! having pressed a mailed button, and nobody who left is mailed.

use std::collections::BTreeMap;

use bellwether::domain::issue::Level;
use bellwether::store;
use proptest::prelude::*;

use super::{cases, run};
use crate::stage::{Backend, Setup, Span, Stage};

/// One of them is told to wait at its first mail, so that mails are under way when something else happens.
const PEOPLE: [&str; 3] = ["ada@example.org", "eve@example.org", "451-1-kim@example.org"];
const DOORS: [&str; 3] = ["confirm", "unsubscribe", "preferences"];

/// Something that happens. The numbers are folded into what there is.
#[derive(Clone, Debug)]
enum Event {
    SignsUp(usize),
    /// Opens some mailed link, as a mail scanner does.
    Looks(usize),
    /// Posts to a door a token that was mailed to nobody: cut, changed, or made up.
    Forges {
        door: usize,
        link: usize,
        flip: usize,
    },
    /// Posts a token to a door it was not made for.
    MistakesTheDoor {
        door: usize,
        link: usize,
    },
    /// Presses the button behind some mailed link of this kind.
    Confirms(usize),
    Unsubscribes(usize),
    Chooses {
        link: usize,
        alerts: bool,
        digest: usize,
    },
    Refuses(usize),
    /// An operator's file holds an address that had left.
    Imports(usize),
    Alert {
        critical: bool,
        expires: bool,
    },
    Post {
        alert: bool,
    },
    Waits {
        minutes: u64,
    },
    Restarts,
}

fn event() -> impl Strategy<Value = Event> {
    use Event::*;
    let any_link = || 0..1_000_usize;
    prop_oneof![
        5 => (0..3_usize).prop_map(SignsUp),
        1 => any_link().prop_map(Looks),
        2 => (0..3_usize, any_link(), 0..48_usize).prop_map(|(door, link, flip)| Forges { door, link, flip }),
        1 => (0..3_usize, any_link()).prop_map(|(door, link)| MistakesTheDoor { door, link }),
        5 => any_link().prop_map(Confirms),
        2 => any_link().prop_map(Unsubscribes),
        2 => (any_link(), any::<bool>(), 0..3_usize).prop_map(|(link, alerts, digest)| Chooses { link, alerts, digest }),
        1 => any_link().prop_map(Refuses),
        1 => (0..3_usize).prop_map(Imports),
        3 => (any::<bool>(), any::<bool>()).prop_map(|(critical, expires)| Alert { critical, expires }),
        3 => any::<bool>().prop_map(|alert| Post { alert }),
        4 => prop_oneof![1..15_u64, 60..2_000_u64].prop_map(|minutes| Waits { minutes }),
        1 => Just(Restarts),
    ]
}

/// What we know of each person: whether a button that was mailed to them, and no later one, made them a reader.
struct History {
    stage: Stage,
    agreed: BTreeMap<String, bool>,
    left: BTreeMap<String, bool>,
    /// How many mails have been looked at.
    seen: usize,
    posts: usize,
}

impl History {
    async fn on(backend: Backend) -> Self {
        let stage = Setup::on(backend).open().await;
        let nobody = || PEOPLE.iter().map(|who| ((*who).to_owned(), false)).collect();
        Self { stage, agreed: nobody(), left: nobody(), seen: 0, posts: 0 }
    }

    async fn goes_on(mut self, event: Event) -> Self {
        let stage = &self.stage;
        match event {
            Event::SignsUp(who) => drop(stage.visitor().signs_up(PEOPLE[who]).await),
            Event::Looks(link) => {
                let door = DOORS[link % 3];
                if let Some((_, link)) = self.link(door, link) {
                    assert_eq!(stage.open(&link).await.header("set-cookie"), "");
                }
            }
            Event::Forges { door, link, flip } => {
                let token = match self.link(DOORS[link % 3], link) {
                    Some((_, link)) => link.rsplit('/').next().unwrap().to_owned(),
                    None => "A".repeat(48),
                };
                let mut token = token.into_bytes();
                token[flip] = if token[flip] == b'A' { b'Q' } else { b'A' };
                let path = format!("/{}/{}", DOORS[door], String::from_utf8(token).unwrap());
                let page = stage.fills_in(&path, "alerts=true&digest=daily&topics=election-alerts").await;
                assert_eq!(page.status, 404);
            }
            Event::MistakesTheDoor { door, link } => {
                // A mail's own links open the same two doors; the button of the form says which is meant.
                let (from, to) = if link % 2 == 0 {
                    ("confirm", DOORS[1 + door % 2])
                } else {
                    (DOORS[1 + door % 2], "confirm")
                };
                if let Some((_, link)) = self.link(from, link) {
                    let path = link.replace(&format!("/{from}/"), &format!("/{to}/"));
                    assert_eq!(stage.press(&path).await.status, 404);
                }
            }
            Event::Confirms(link) => {
                if let Some((who, link)) = self.link("confirm", link) {
                    let before = self.is_active(&who).await;
                    self.stage.press(&link).await;
                    // A link that was pressed before, or is too old, changes nothing.
                    if !before && self.is_active(&who).await {
                        self.agreed.insert(who.clone(), true);
                        self.left.insert(who, false);
                    }
                }
            }
            Event::Unsubscribes(link) => {
                if let Some((who, link)) = self.link("unsubscribe", link) {
                    self.agreed.insert(who.clone(), false);
                    self.left.insert(who, true);
                    assert_eq!(self.stage.press(&link).await.status, 200);
                }
            }
            Event::Chooses { link, alerts, digest } => {
                if let Some((who, link)) = self.link("preferences", link) {
                    let digest = ["none", "daily", "weekly"][digest];
                    let nothing = !alerts && digest == "none";
                    if nothing {
                        self.agreed.insert(who.clone(), false);
                        self.left.insert(who.clone(), true);
                    }
                    let form = format!("topics=election-alerts&alerts={alerts}&digest={digest}");
                    assert_eq!(self.stage.fills_in(&link, &form).await.status, 200);
                    // Who left within the hour may take it back with this mailed link.
                    if !nothing && self.is_active(&who).await {
                        self.agreed.insert(who.clone(), true);
                        self.left.insert(who, false);
                    }
                }
            }
            Event::Refuses(link) => {
                if let Some((_, link)) = self.link("confirm", link) {
                    stage.press(&format!("{link}/refuse")).await;
                }
            }
            Event::Imports(who) => {
                if self.left[PEOPLE[who]] {
                    assert_eq!(stage.imports(&[PEOPLE[who]]).await.added, 0);
                }
            }
            Event::Alert { critical, expires } => {
                let level = if critical { Level::Critical } else { Level::All };
                let alert = stage.alert("Polls close at eight").level(level);
                let alert = if expires { alert.expires_in(1.minutes()) } else { alert };
                alert.accepted().await;
            }
            Event::Post { alert } => {
                self.posts += 1;
                stage.pushes(&format!("post-{}", self.posts), &format!("Story {}", self.posts), alert).await;
            }
            Event::Waits { minutes } => stage.cx.clock.advance(minutes.minutes()),
            Event::Restarts => self.stage = self.stage.restarted().await,
        }
        self.stage.settle().await;
        self
    }

    /// One of the links of this kind that were mailed, with whom it was mailed to.
    fn link(&self, door: &str, index: usize) -> Option<(String, String)> {
        let links: Vec<_> = PEOPLE
            .iter()
            .flat_map(|who| self.stage.inbox(who).into_iter().map(move |mail| (*who, mail)))
            .filter(|(_, mail)| mail.header("Auto-Submitted").is_some() == (door == "confirm"))
            .map(|(who, mail)| (who.to_owned(), mail.link(door)))
            .collect();
        links.get(index % links.len().max(1)).cloned()
    }

    async fn is_active(&self, who: &str) -> bool {
        let mut tx = self.stage.cx.db.read().await.unwrap();
        let reader = store::subscribers::by_key(&mut tx, who).await.unwrap();
        reader.is_some_and(|reader| reader.state == store::subscribers::State::Active)
    }

    async fn check(&mut self) {
        for who in PEOPLE {
            let active = self.is_active(who).await;
            assert!(!active || self.agreed[who], "{who} is a reader and pressed no mailed button");
            assert!(active || !self.agreed[who], "{who} agreed and is no reader");
        }
        let messages = self.stage.mailbox.messages();
        let new: Vec<_> = messages[self.seen..].iter().map(|message| message.to[0].clone()).collect();
        self.seen = messages.len();
        for who in PEOPLE {
            let count = new.iter().filter(|to| *to == who).count();
            let mut inbox = self.stage.inbox(who);
            let bulk = inbox.split_off(inbox.len() - count);
            let bulk = bulk.iter().filter(|mail| mail.header("List-Unsubscribe").is_some()).count();
            assert!(bulk == 0 || self.agreed[who], "{who} left, or never agreed, and was mailed");
        }
    }
}

fn on(backend: Backend) {
    let events = prop::collection::vec(event(), 1..50);
    run(backend, cases(6), events, async |events| {
        let mut history = History::on(backend).await;
        for event in events {
            history = history.goes_on(event).await;
            history.check().await;
        }
    });
}

#[test]
fn nobody_is_a_reader_unasked_and_nobody_who_left_is_mailed_on_sqlite() {
    on(Backend::Sqlite);
}

#[test]
fn nobody_is_a_reader_unasked_and_nobody_who_left_is_mailed_on_postgres() {
    on(Backend::Postgres);
}
