//! What a schedule's preview says is what then goes out: to as many, and each story to as many, in full and as a line.

use std::collections::BTreeMap;

use bellwether::publishing::foreseeing;
use bellwether::store;
use proptest::prelude::*;

use super::{cases, run};
use crate::stage::{Backend, Setup, Span, Stage};

const WISHES: [&str; 6] = [
    "topics=election-alerts&alerts=true&digest=daily",
    "topics=harbour&alerts=false&digest=daily",
    "topics=election-alerts&topics=harbour&alerts=true&digest=daily",
    "topics=election-alerts&topics=harbour&alerts=false&digest=daily",
    "topics=election-alerts&alerts=true&digest=weekly",
    "topics=harbour&alerts=true&digest=none",
];

#[derive(Clone, Debug)]
enum Event {
    Joins(usize),
    Leaves(usize),
    Post {
        harbour: bool,
        alert: bool,
    },
    /// An alert that is of no use any more before it leaves.
    TooLate,
    Waits(u64),
}

fn event() -> impl Strategy<Value = Event> {
    use Event::*;
    prop_oneof![
        5 => (0..WISHES.len()).prop_map(Joins),
        1 => (0..9_usize).prop_map(Leaves),
        5 => (any::<bool>(), any::<bool>()).prop_map(|(harbour, alert)| Post { harbour, alert }),
        2 => Just(TooLate),
        2 => (1..30_u64).prop_map(Waits),
    ]
}

/// Lets it all happen, and gives those who take the daily digest and haven't left.
async fn happens(stage: &Stage, events: Vec<Event>) -> Vec<String> {
    let mut readers: BTreeMap<String, bool> = BTreeMap::new();
    for (at, event) in events.into_iter().enumerate() {
        let title = format!("Story ({at})");
        match event {
            Event::Joins(wishes) => {
                let address = format!("reader{at}@example.org");
                stage.reader_of(&address, WISHES[wishes]).await;
                readers.insert(address, WISHES[wishes].contains("digest=daily"));
            }
            Event::Leaves(which) => {
                let with_mail = readers.keys().filter(|it| !stage.subjects(it).is_empty());
                if let Some(address) = with_mail.cloned().collect::<Vec<_>>().get(which) {
                    stage.leaves(address).await;
                    readers.remove(address);
                }
            }
            Event::Post { harbour, alert } => {
                let topic = if harbour { "harbour" } else { "election-alerts" };
                let draft = bellwether::domain::post::PostDraft {
                    guid: at.to_string(),
                    summary: format!("In short: {title}."),
                    title,
                    ..Default::default()
                };
                stage.pushes_draft(draft, topic, alert).await;
                stage.settle().await;
            }
            Event::TooLate => {
                stage.alert(&title).expires_in(1.minutes()).accepted().await;
                stage.cx.clock.advance(2.minutes());
                stage.settle().await;
            }
            Event::Waits(hours) => stage.advance(hours.hours()).await,
        }
    }
    readers.into_iter().filter(|(_, daily)| *daily).map(|(address, _)| address).collect()
}

async fn keeps_its_word(backend: Backend, events: Vec<Event>) {
    let stage = Setup::on(backend).topic("harbour", "Harbour").open().await;
    let readers = happens(&stage, events).await;
    let mut tx = stage.cx.db.read().await.unwrap();
    let schedules = store::schedules::all_active(&mut tx).await.unwrap();
    drop(tx);
    let daily = schedules.into_iter().find(|schedule| schedule.name == "daily").unwrap();
    let at = foreseeing::moment(&daily, "", stage.now()).unwrap();
    let said = foreseeing::foresee(&stage.cx, &daily, at).await.unwrap();
    let again = foreseeing::foresee(&stage.cx, &daily, at).await.unwrap();
    assert_eq!(format!("{said:?}"), format!("{again:?}"), "looking changes nothing");
    assert_eq!(said.sooner, None);

    let before: Vec<usize> = readers.iter().map(|reader| stage.inbox(reader).len()).collect();
    stage.advance(at.since(stage.now())).await;
    let mails: Vec<String> = readers
        .iter()
        .zip(before)
        .flat_map(|(reader, had)| stage.inbox(reader).into_iter().skip(had).map(|mail| mail.text()))
        .collect();
    assert_eq!(mails.len() as u64, said.readers, "{said:?}");
    for story in &said.stories {
        let got = mails.iter().filter(|mail| mail.contains(&story.title)).count() as u64;
        assert_eq!(got, story.full + story.seen, "{story:?}\n{mails:#?}");
        // A post's summary, or the text of an alert that came too late.
        let texts = [format!("In short: {}.", story.title), format!("{}: what we know.", story.title)];
        let full = |mail: &&String| texts.iter().any(|text| mail.contains(text));
        assert_eq!(mails.iter().filter(full).count() as u64, story.full, "{story:?}\n{mails:#?}");
    }
    let told = mails.iter().map(|mail| mail.matches("Story (").count()).sum::<usize>();
    assert!(told == 0 || !said.stories.is_empty(), "{mails:#?}");
    let after = foreseeing::foresee(&stage.cx, &daily, at.plus(1.days())).await.unwrap();
    assert_eq!((after.readers, after.stories.len()), (0, 0), "nothing is told twice");
}

#[test]
fn what_is_foreseen_goes_out_on_sqlite() {
    let events = prop::collection::vec(event(), 3..14);
    run(Backend::Sqlite, cases(10), events, |events| keeps_its_word(Backend::Sqlite, events));
}

#[test]
fn what_is_foreseen_goes_out_on_postgres() {
    let events = prop::collection::vec(event(), 3..14);
    run(Backend::Postgres, cases(6), events, |events| keeps_its_word(Backend::Postgres, events));
}
