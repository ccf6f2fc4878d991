//! What is kept, for how long, and what is left of it; what a restart keeps.

use bellwether::audit::Actor;
use bellwether::domain::delivery::State;
use bellwether::publishing::{self, Cancelled};
use bellwether::store::{self, deliveries::Settled};
use bellwether::subscribing::records::{self, Erased};

use crate::stage::{Backend, Logs, Span, Stage, both};

const ADA: &str = "ada@example.org";

both! {
    async fn after_90_days_deliveries_are_totals(stage: Stage) {
        let logs = Logs::collected();
        stage.reader(ADA).await;
        stage.imported("550-eve@example.org").await;
        let issue = stage.alert("Polls close at eight").sent().await;
        stage.advance(89.days()).await;
        publishing::keep_house(&stage.cx).await.unwrap();
        assert_eq!(stage.outcome(issue).await, "1 bounced, 1 sent");
        stage.advance(2.days()).await;
        let reduced = publishing::keep_house(&stage.cx).await.unwrap();
        assert!(reduced >= 1);
        assert_eq!(stage.outcome(issue).await, "");
        let totals = stage.issue(issue).await.totals.unwrap();
        assert_eq!(totals, r#"{"bounced":1,"sent":1}"#);
        assert!(logs.text().contains("deliveries_removed=3"), "{}", logs.text());
        assert_eq!(publishing::keep_house(&stage.cx).await.unwrap(), 0);
    }

    async fn an_issue_of_thousands_is_reduced_in_parts_and_taken_up_again(stage: Stage) {
        let readers: Vec<_> = (0..2_600).map(|n| format!("reader-{n}@example.org")).collect();
        stage.imported_all(&readers).await;
        let issue = stage.alert("Polls close at eight").queued().await;
        assert_eq!(stage.cancels(issue).await, Cancelled::Now { waiting: 2_600 });
        let id = stage.issue(issue).await.id;
        stage.advance(91.days()).await;
        // As a crash leaves it: the totals and a first part are through.
        let mut tx = stage.cx.db.begin().await.unwrap();
        assert!(store::issues::total(&mut tx, id, r#"{"cancelled":2600}"#).await.unwrap());
        assert_eq!(store::deliveries::delete_some(&mut tx, id, 100).await.unwrap(), 100);
        tx.commit().await.unwrap();
        assert_eq!(publishing::keep_house(&stage.cx).await.unwrap(), 1);
        assert_eq!(stage.outcome(issue).await, "");
        assert_eq!(stage.issue(issue).await.totals.unwrap(), r#"{"cancelled":2600}"#);
        let mut tx = stage.cx.db.begin().await.unwrap();
        assert!(!store::issues::total(&mut tx, id, "{}").await.unwrap(), "no other node writes them again");
        assert!(store::issues::fragment_names(&mut tx, id).await.unwrap().is_empty());
        drop(tx);
        assert_eq!(publishing::keep_house(&stage.cx).await.unwrap(), 0);
    }

    async fn a_signup_that_nobody_confirmed_goes_after_30_days(stage: Stage) {
        stage.visitor().signs_up(ADA).await;
        stage.advance(31.days()).await;
        publishing::keep_house(&stage.cx).await.unwrap();
        let mut tx = stage.cx.db.read().await.unwrap();
        assert_eq!(store::signups::count_all(&mut tx, stage.now().minus(60.days())).await.unwrap(), 0);
        assert_eq!(stage.open(&stage.newest(ADA).link("confirm")).await.status, 404);
    }

    async fn erasing_leaves_nothing_of_an_address_but_what_keeps_it_from_coming_back(stage: Stage) {
        stage.reader(ADA).await;
        stage.alert("Polls close at eight").sent().await;
        let waiting = stage.alert("Polls are closed").queued().await;
        let link = stage.newest(ADA).link("preferences");
        assert_eq!(records::erase(&stage.cx, &ADA.parse().unwrap(), &Actor::command()).await.unwrap(), Erased::Everywhere);
        stage.settle().await;
        assert_eq!(stage.outcome(waiting).await, "");
        assert_eq!(stage.open(&link).await.status, 404);
        let record = records::show(&stage.cx, &ADA.parse().unwrap()).await.unwrap().unwrap();
        assert!(record.subscriber.is_none());
        assert_eq!(record.suppressions[0].kind.to_string(), "erased");
        for file in std::fs::read_dir(stage.folder()).unwrap() {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(ADA.len()).any(|window| window == ADA.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }

    async fn an_erasure_calls_off_the_mail_that_is_on_its_way_and_waits_for_its_end(stage: Stage) {
        stage.imported(ADA).await;
        let issue = stage.alert("Polls close at eight").queued().await;
        let node = stage.cx.entropy.uuid(stage.now());
        let mut tx = stage.cx.db.begin().await.unwrap();
        store::nodes::beat(&mut tx, node, stage.now()).await.unwrap();
        let claimed = store::claims::claim(&mut tx, node, 1, (0, 99), Default::default()).await.unwrap().remove(0);
        tx.commit().await.unwrap();
        let the_other_node = async {
            loop {
                let mut tx = stage.cx.db.read().await.unwrap();
                let left = store::subscribers::left_since(&mut tx, stage.now().minus(5.seconds())).await.unwrap();
                if left == [claimed.subscriber_id.unwrap()] {
                    break;
                }
            }
            assert_eq!(stage.outcome(issue).await, "1 sending");
            let mut tx = stage.cx.db.begin().await.unwrap();
            let put_off = Settled {
                id: claimed.id,
                state: State::Deferred,
                tried: 0,
                retry_at: Some(stage.now().as_micros()),
                ended_at: None,
                relay: None,
                reply_code: None,
                reply_enhanced: None,
                reply_text: None,
            };
            assert_eq!(store::deliveries::settle(&mut tx, node, &[put_off]).await.unwrap(), 1);
            tx.commit().await.unwrap();
        };
        let address = ADA.parse().unwrap();
        let operator = Actor::command();
        let erasing = records::erase(&stage.cx, &address, &operator);
        let both = async { tokio::join!(erasing, the_other_node) };
        let (erased, ()) = tokio::time::timeout(10.seconds(), both).await.unwrap();
        assert_eq!(erased.unwrap(), Erased::Everywhere);
        assert_eq!(stage.outcome(issue).await, "");
    }

    async fn who_was_erased_may_sign_up_again_and_no_import_brings_them_back(stage: Stage) {
        stage.reader(ADA).await;
        records::erase(&stage.cx, &ADA.parse().unwrap(), &Actor::command()).await.unwrap();
        assert_eq!(stage.imports(&[ADA]).await.added, 0);
        stage.reader(ADA).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
    }

    async fn nobody_gets_the_mail_of_who_was_erased_in_place_of_an_alert(stage: Stage) {
        stage.visitor().signs_up(ADA).await;
        assert_eq!(records::erase(&stage.cx, &ADA.parse().unwrap(), &Actor::command()).await.unwrap(), Erased::Everywhere);
        stage.imported("eve@example.org").await;
        stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.newest("eve@example.org").subject(), "Polls close at eight");
    }

    async fn a_reader_stays_one_and_old_links_work_after_a_restart(stage: Stage) {
        stage.reader(ADA).await;
        let stage = stage.restarted().await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
        assert_eq!(stage.press(&stage.newest(ADA).link("unsubscribe")).await.status, 200);
    }
}

/// On SQLite only: PostgreSQL's log is its operator's.
#[tokio::test]
async fn an_erasure_says_when_a_long_read_keeps_the_text_in_the_log() {
    let stage = Stage::on(Backend::Sqlite).await;
    stage.imported(ADA).await;
    let mut reading = stage.cx.db.read().await.unwrap();
    store::topics::all(&mut reading).await.unwrap();
    let address = ADA.parse().unwrap();
    assert_eq!(records::erase(&stage.cx, &address, &Actor::command()).await.unwrap(), Erased::StillInLog);
    drop(reading);
    assert_eq!(
        records::erase(&stage.cx, &address, &Actor::command()).await.unwrap(),
        Erased::Everywhere,
        "at the second time"
    );
}
