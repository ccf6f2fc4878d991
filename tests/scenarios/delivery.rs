//! From the queue to the relay: what a relay's answers mean, and that nothing is lost or sent twice differently.

use std::time::Duration;

use bellwether::domain::suppression::Kind;
use bellwether::store::{self, deliveries::Shown};
use uuid::Uuid;

use crate::stage::{Setup, Span, Stage, both};

const ADA: &str = "ada@example.org";

both! {
    async fn a_4xx_delays_with_growing_waits_and_the_mail_arrives_later(stage: Stage) {
        let who = "451-2-ada@example.org";
        stage.imported(who).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        let [delivery] = deliveries(&stage, issue).await.try_into().unwrap();
        assert_eq!((delivery.state.as_str(), delivery.attempts, delivery.reply_code), ("deferred", 1, Some(451)));
        assert!(delivery.reply_text.unwrap().contains("try again later"));
        let first_wait = delivery.retry_at.unwrap().since(stage.now());
        assert!(first_wait >= 15.seconds() && first_wait < 19.seconds(), "{first_wait:?}");

        stage.advance(14.seconds()).await;
        assert_eq!(stage.relay.asked_for(who), 1);
        stage.advance(5.seconds()).await;
        let [delivery] = deliveries(&stage, issue).await.try_into().unwrap();
        assert_eq!((delivery.state.as_str(), delivery.attempts), ("deferred", 2));
        assert!(delivery.retry_at.unwrap().since(stage.now()) >= 30.seconds());
        assert_eq!(stage.issue(issue).await.state.to_string(), "sending");

        stage.advance(38.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
        assert_eq!(stage.subjects(who), ["Polls close at eight"]);
        assert_eq!(stage.issue(issue).await.state.to_string(), "sent");
    }

    async fn after_five_days_a_mail_has_failed(stage: Stage) {
        stage.imported("451-ada@example.org").await;
        let issue = stage.alert("Polls close at eight").sent().await;
        stage.advance(4.days()).await;
        assert_eq!(stage.outcome(issue).await, "1 deferred");
        stage.advance(1.day()).await;
        assert_eq!(stage.outcome(issue).await, "1 failed");
        assert!(suppressions(&stage, "451-ada@example.org").await.is_empty());
    }

    async fn an_address_that_does_not_exist_is_suppressed(stage: Stage) {
        let who = "550-1-ada@example.org";
        stage.imported(who).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 bounced");
        assert_eq!(suppressions(&stage, who).await, [Kind::Undeliverable]);
        let published = stage.alert("Polls are closed").accepted().await;
        assert_eq!(published.audience, 0);
        stage.settle().await;
        assert_eq!(stage.relay.asked_for(who), 1);

        stage.visitor().signs_up(who).await;
        assert_eq!(stage.inbox(who).len(), 0, "no confirmation for 30 days");
        stage.advance(30.days()).await;
        stage.visitor().signs_up(who).await;
        stage.press(&stage.newest(who).link("confirm")).await;
        stage.alert("The count begins").sent().await;
        assert_eq!(stage.subjects(who), ["The count begins"]);
    }

    async fn a_full_mailbox_bounces_and_is_not_suppressed(stage: Stage) {
        let who = "552-1-ada@example.org";
        stage.imported(who).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 bounced");
        assert!(suppressions(&stage, who).await.is_empty());
        stage.alert("Polls are closed").sent().await;
        assert_eq!(stage.subjects(who), ["Polls are closed"]);
    }

    async fn relaying_denied_pauses_the_relay_suppresses_nobody_and_tells_the_operator_once(setup: Setup) {
        let stage = setup.with("sender.operator", "operator@example.org").open().await;
        let who = "relaying-denied-2-ada@example.org";
        stage.imported(who).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 deferred");
        assert!(suppressions(&stage, who).await.is_empty());
        let [trouble] = troubles(&stage).await.try_into().unwrap();
        assert!(trouble.paused && trouble.reason.contains("Relay access denied"), "{trouble:?}");
        stage.visitor().signs_up(ADA).await;
        assert!(stage.inbox(ADA).is_empty(), "everything waits");

        stage.live(1.hour(), 5.minutes()).await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
        assert_eq!(stage.inbox(ADA).len(), 1);
        assert!(troubles(&stage).await.is_empty());
        let notices = stage.inbox("operator@example.org");
        assert_eq!(notices.len(), 1);
        assert!(notices[0].subject().contains("refuses our mail"));
        assert!(!notices[0].text().contains("ada@example.org"), "{}", notices[0].text());
    }

    async fn one_recipient_that_a_relay_refuses_by_its_policy_does_not_hold_up_the_others(stage: Stage) {
        stage.imported("relaying-denied-ada@example.org").await;
        for n in 0..20 {
            stage.imported(&format!("reader-{n}@example.org")).await;
        }
        let issue = stage.alert("Polls close at eight").sent().await;
        stage.advance(5.minutes()).await;
        assert_eq!(stage.outcome(issue).await, "1 deferred, 20 sent");
        let later = stage.alert("Polls are closed").sent().await;
        stage.advance(5.minutes()).await;
        assert_eq!(stage.outcome(later).await, "1 deferred, 20 sent");
    }

    async fn a_relay_that_is_down_loses_nothing_and_counts_no_attempts(stage: Stage) {
        stage.reader(ADA).await;
        stage.relay.goes_down().await;
        let issue = stage.alert("Polls close at eight").sent().await;
        stage.live(1.hour(), 5.minutes()).await;
        assert_eq!(stage.outcome(issue).await, "1 queued");
        let [delivery] = deliveries(&stage, issue).await.try_into().unwrap();
        assert_eq!(delivery.attempts, 0);
        let [trouble] = troubles(&stage).await.try_into().unwrap();
        assert!(!trouble.reason.is_empty(), "it says why mail waits");
        assert_eq!(stage.visitor().signs_up("eve@example.org").await.status, 200, "sign-up goes on");

        stage.relay.comes_back().await;
        stage.advance(1.minutes()).await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
        assert_eq!(stage.inbox("eve@example.org").len(), 1);
        assert!(troubles(&stage).await.is_empty());
    }

    async fn a_rate_limit_slows_down_and_counts_no_failure(stage: Stage) {
        let who = "421-3-ada@example.org";
        stage.imported(who).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 deferred");
        stage.live(2.minutes(), 5.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
        let [delivery] = deliveries(&stage, issue).await.try_into().unwrap();
        assert_eq!((delivery.attempts, stage.relay.asked_for(who)), (1, 4));
    }

    async fn a_connection_that_the_relay_closed_costs_no_attempt(setup: Setup) {
        let setup = setup.with("relays.0.connections", "1").with("sender.bounces", "hangs-up+{id}@example.org");
        let stage = setup.open().await;
        let readers: Vec<_> = (0..5).map(|n| format!("reader-{n}@example.org")).collect();
        stage.imported_all(&readers).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "5 sent");
        assert!(deliveries(&stage, issue).await.iter().all(|delivery| delivery.attempts == 1));
        assert!(troubles(&stage).await.is_empty());
    }

    async fn who_turned_alerts_off_while_one_was_on_its_way_does_not_get_it_later(stage: Stage) {
        let who = "451-1-ada@example.org";
        stage.imported(who).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 deferred");
        // As if the wishes had changed while the relay was still asked: nothing cancels what is being sent.
        let mut tx = stage.cx.db.begin().await.unwrap();
        let ada = store::subscribers::by_key(&mut tx, who).await.unwrap().unwrap();
        for subscription in store::subscribers::subscriptions(&mut tx, ada.id).await.unwrap() {
            store::subscribers::subscribe(&mut tx, ada.id, subscription.topic_id, false, subscription.digest, 0).await.unwrap();
        }
        tx.commit().await.unwrap();
        stage.advance(1.minutes()).await;
        assert_eq!(stage.outcome(issue).await, "1 cancelled");
        assert!(stage.inbox(who).is_empty());
    }

    async fn a_rate_of_two_a_second_is_kept(setup: Setup) {
        let stage = setup.with("relays.0.rate", "2").open().await;
        for who in ["a", "b", "c", "d", "e"] {
            stage.imported(&format!("{who}@example.org")).await;
        }
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "4 queued, 1 sent");
        for outcome in ["3 queued, 2 sent", "2 queued, 3 sent", "1 queued, 4 sent", "5 sent"] {
            stage.advance(Duration::from_millis(500)).await;
            assert_eq!(stage.outcome(issue).await, outcome);
        }
    }

    async fn a_connection_that_breaks_before_the_end_costs_a_wait_and_no_mail(stage: Stage) {
        let who = "disconnect-in-data-ada@example.org";
        stage.imported(who).await;
        stage.imported(ADA).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 deferred, 1 sent");
        stage.advance(1.minutes()).await;
        assert_eq!(stage.outcome(issue).await, "2 sent");
        assert_eq!((stage.inbox(who).len(), stage.inbox(ADA).len()), (1, 1));
    }

    async fn a_second_copy_is_the_first_byte_for_byte_though_the_template_was_edited(setup: Setup) {
        let folder = setup.folder().join("templates");
        std::fs::create_dir_all(folder.join("alert")).unwrap();
        std::fs::create_dir_all(folder.join("digest")).unwrap();
        let stage = setup.with("mail.templates", folder.to_str().unwrap()).open().await;
        let who = "disconnect-after-data-2-ada@example.org";
        stage.imported(who).await;
        stage.alert("Polls close at eight").sent().await;
        stage.pushes("a", "The count begins", false).await;
        assert_eq!(stage.inbox(who).len(), 1);

        std::fs::write(folder.join("alert/subject.txt"), "EDITED {{ subject }}").unwrap();
        let stage = stage.restarted().await;
        stage.advance(1.minutes()).await;
        assert_eq!(stage.inbox(who).len(), 2, "its fate was unknown, so it went again");
        let copies = stage.inbox(who);
        assert_eq!(copies[0].raw(), copies[1].raw());
        stage.advance(1.hour()).await;
        let copies = stage.inbox(who);
        assert_eq!(copies.len(), 3);
        assert_eq!(copies[0].raw(), copies[2].raw());

        stage.alert("Polls are closed").sent().await;
        assert_eq!(stage.newest(who).subject(), "EDITED Polls are closed");
    }

    async fn what_was_accepted_before_a_kill_is_not_sent_again_and_the_rest_is(stage: Stage) {
        stage.imported(ADA).await;
        stage.imported("eve@example.org").await;
        let issue = stage.alert("Polls close at eight").queued().await;
        let (node, journal) = stage.journal();
        let mut tx = stage.cx.db.begin().await.unwrap();
        let claimed = store::claims::claim(&mut tx, node, 10, (0, 99), Default::default()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(stage.outcome(issue).await, "2 sending");
        let accepted = claimed.iter().find(|claimed| claimed.address == ADA).unwrap().id;
        let line = format!(
            "{{\"delivery\":{accepted},\"relay\":\"primary\",\"code\":250,\"enhanced\":\"2.0.0\",\"text\":\"Ok\"}}\n{{\"deliv"
        );
        let kept = std::fs::read_to_string(&journal).unwrap();
        std::fs::write(&journal, format!("{kept}{line}")).unwrap();

        let stage = stage.restarted().await;
        assert_eq!(stage.outcome(issue).await, "1 queued, 1 sent");
        stage.settle().await;
        assert_eq!(stage.outcome(issue).await, "2 sent");
        assert_eq!((stage.inbox(ADA).len(), stage.inbox("eve@example.org").len()), (0, 1));
        assert_eq!(std::fs::read_to_string(&journal).unwrap().lines().count(), 1, "only the node's name is left");
    }

    async fn a_kill_during_the_fan_out_loses_nobody(stage: Stage) {
        for who in ["a", "b", "c"] {
            stage.imported(&format!("{who}@example.org")).await;
        }
        let published = stage.alert("Polls close at eight").accepted().await;
        let stage = stage.restarted().await;
        stage.settle().await;
        assert_eq!(stage.outcome(published.id).await, "3 sent");
    }

    async fn thousands_of_readers_are_each_mailed_once(setup: Setup) {
        let stage = setup.with("relays.0.connections", "10").open().await;
        let readers: Vec<_> = (0..1_200).map(|n| format!("reader-{n}@example.org")).collect();
        stage.imported_all(&readers).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1200 sent");
        assert_eq!(stage.issue(issue).await.audience, 1_200);
        let mut to: Vec<_> = stage.mailbox.messages().iter().map(|mail| mail.to[0].clone()).collect();
        to.sort();
        let mut readers = readers;
        readers.sort();
        assert_eq!(to, readers);
    }
}

async fn deliveries(stage: &Stage, issue: Uuid) -> Vec<Shown> {
    let id = stage.issue(issue).await.id;
    let mut tx = stage.cx.db.read().await.unwrap();
    store::deliveries::page(&mut tx, id, None, 0, 100).await.unwrap()
}

async fn suppressions(stage: &Stage, address: &str) -> Vec<Kind> {
    let mut tx = stage.cx.db.read().await.unwrap();
    let found = store::suppressions::of(&mut tx, &stage.cx.hasher.hash(address)).await.unwrap();
    found.into_iter().map(|(kind, _)| kind).collect()
}

async fn troubles(stage: &Stage) -> Vec<store::nodes::Trouble> {
    let mut tx = stage.cx.db.read().await.unwrap();
    store::nodes::troubles(&mut tx).await.unwrap()
}
