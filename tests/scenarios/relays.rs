//! Several relays share the mail, each within what it allows; and what is more pressing overtakes what is less.

use std::time::Duration;

use bellwether::cli::demo::mailbox::Received;
use bellwether::config::Pipelining;
use bellwether::delivering::Until;
use bellwether::domain::issue::Level;

use crate::stage::{Logs, Relay, Setup, Span, Stage, both};

/// A second relay, known to the setup by its port.
async fn beside(setup: Setup) -> (Setup, Relay) {
    let clock = bellwether::clock::Clock::simulated(bellwether::domain::time::Timestamp::from_micros(0));
    let second = Relay::start(clock).await;
    let url = format!("smtp://127.0.0.1:{}", second.port);
    (setup.with("relays.1.url", &url).with("relays.1.tls", "none"), second)
}

async fn readers(stage: &Stage, count: usize) {
    let readers: Vec<_> = (0..count).map(|number| format!("reader-{number:04}@example.org")).collect();
    stage.imported_all(&readers).await;
}

/// Whether the mail has this subject.
fn is_about(message: &Received, subject: &str) -> bool {
    String::from_utf8_lossy(&message.raw).contains(&format!("\r\nSubject: {subject}"))
}

both! {
    async fn relays_share_the_mail_by_their_weights(setup: Setup) {
        let (setup, second) = beside(setup.with("relays.0.weight", "3")).await;
        let stage = setup.open().await;
        readers(&stage, 400).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "400 sent");
        let (first, second) = (stage.mailbox.len(), second.mailbox.len());
        assert!((270..=330).contains(&first), "{first} and {second}");
    }

    async fn a_relay_that_is_down_leaves_its_share_to_the_others_until_it_is_back(setup: Setup) {
        let (setup, second) = beside(setup).await;
        let stage = setup.open().await;
        readers(&stage, 40).await;
        second.goes_down().await;
        let issue = stage.alert("Polls close at eight").sent().await;
        stage.live(30.seconds(), 1.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "40 sent");
        assert_eq!(stage.mailbox.len(), 40);
        second.comes_back().await;
        stage.advance(1.minutes()).await;
        stage.alert("Polls are closed").sent().await;
        let tried = second.mailbox.len();
        assert!(tried >= 1, "one mail tries it at least");
        stage.alert("First counts").sent().await;
        assert!(second.mailbox.len() >= tried + 10, "{} after {tried}", second.mailbox.len());
        assert_eq!(stage.mailbox.len() + second.mailbox.len(), 120);
    }

    async fn a_relay_that_breaks_off_in_every_mail_is_left_alone_and_the_other_sends_them(setup: Setup) {
        let (setup, second) = beside(setup.with("relays.1.connections", "2")).await;
        let stage = setup.open().await;
        second.breaks_off();
        readers(&stage, 200).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        let tried = second.asked();
        assert!((3..=12).contains(&tried), "{tried}: three, and what was on its way beside them");
        stage.live(30.minutes(), 15.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "200 sent");
        assert!(second.asked() <= tried + 20, "{} after {tried}: one at a time, and not often", second.asked());
        let said = stage.operator_reads(&["queue"]).await;
        assert!(said.contains("rests since ") && said.contains("the connection broke at "), "{said}");
    }

    async fn a_relay_that_says_nothing_is_shown_so_before_its_time_is_up(stage: Stage) {
        let who = "silence@example.org";
        stage.imported(who).await;
        stage.alert("Polls close at eight").queued().await;
        let looks = async || {
            stage.engine.tend().await.unwrap();
            stage.operator_reads(&["queue"]).await
        };
        let meanwhile = async {
            while stage.relay.asked_for(who) == 0 {
                tokio::task::yield_now().await;
            }
            stage.cx.clock.advance(9.seconds());
            assert!(looks().await.contains("primary  working"));
            stage.cx.clock.advance(1.seconds());
            let said = looks().await;
            assert!(said.contains("primary  has not answered since 2026-10-30 12:00:00 UTC"), "{said}");
            stage.viewer("mary").await.opens("/admin").await.says("has not answered since");
        };
        tokio::select! {
            sent = stage.engine.pump(Until::Idle) => panic!("{sent:?}"),
            () = meanwhile => {}
        }
        looks().await;
        assert!(looks().await.contains("primary  working"), "nothing is asked of it any more");
        let stage = stage.restarted().await;
        stage.settle().await;
        assert_eq!(stage.mailbox.len(), 1);
    }

    async fn a_relay_gets_no_other_lanes_than_its_own(setup: Setup) {
        let (setup, second) = beside(setup).await;
        let setup = setup.with("relays.1.lanes.0", "alert");
        let setup = setup.with("relays.0.lanes.0", "transactional").with("relays.0.lanes.1", "correction");
        let stage = setup.with("relays.0.lanes.2", "digest").with("relays.0.lanes.3", "broadcast").open().await;
        stage.reader("ada@example.org").await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
        assert_eq!(second.mailbox.len(), 1, "the alert");
        assert_eq!(stage.mailbox.len(), 1, "the confirmation");
    }

    async fn what_is_beyond_a_relays_day_waits_for_the_next_one(setup: Setup) {
        let logs = Logs::collected();
        let stage = setup.with("relays.0.per_day", "3").open().await;
        readers(&stage, 5).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "2 queued, 3 sent");
        stage.deliver().await;
        assert_eq!(logs.text().matches("the relay's day is used up").count(), 1, "{}", logs.text());
        let stage = stage.restarted().await;
        stage.live(20.hours(), 1.hour()).await;
        assert_eq!(stage.outcome(issue).await, "2 queued, 3 sent", "also after a restart");
        stage.live(6.hours(), 1.hour()).await;
        assert_eq!(stage.outcome(issue).await, "5 sent");
    }

    async fn a_confirmation_and_a_critical_alert_overtake_an_alert_that_is_being_sent(setup: Setup) {
        let stage = setup.with("relays.0.rate", "2").open().await;
        readers(&stage, 20).await;
        stage.alert("Polls close at eight").queued().await;
        for _ in 0..4 {
            stage.advance(Duration::from_millis(500)).await;
        }
        let before = stage.mailbox.len();
        assert!((2..=8).contains(&before), "{before}");
        stage.alert("Recount ordered").level(Level::Critical).accepted().await;
        stage.visitor().signs_up("ada@example.org").await;
        for _ in 0..60 {
            stage.advance(Duration::from_millis(500)).await;
        }
        let messages = stage.mailbox.messages();
        assert_eq!(messages[before].to, ["ada@example.org"], "the confirmation goes first");
        let overtakers = &messages[before + 1..before + 21];
        assert!(overtakers.iter().all(|message| is_about(message, "Recount ordered")));
        assert_eq!(messages.len(), 41);
    }

    async fn a_digest_waits_while_an_alert_is_still_being_fanned_out(stage: Stage) {
        stage.reader("ada@example.org").await;
        stage.pushes("harbour", "The harbour opens", false).await;
        stage.cx.clock.advance(20.hours());
        stage.prepare().await;
        stage.alert("Polls close at eight").accepted().await;
        stage.deliver().await;
        assert_eq!(stage.mailbox.len(), 1, "the confirmation of yesterday");
        stage.settle().await;
        let messages = stage.mailbox.messages();
        assert_eq!(messages.len(), 3);
        assert!(is_about(&messages[1], "Polls close at eight"));
        assert!(!is_about(&messages[2], "Polls close at eight"));
    }

    async fn a_relay_that_complains_gets_less_and_no_attempt_is_counted(setup: Setup) {
        let stage = setup.with("relays.0.rate", "100").open().await;
        stage.imported("421-1-ada@example.org").await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 deferred");
        stage.advance(1.minutes()).await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
    }

    async fn every_way_of_sending_ahead_brings_the_same_mails(setup: Setup) {
        // 550 for one in ten: whoever comes behind it in the same connection is not mixed up with it.
        let stage = setup.with("relays.0.connections", "2").open().await;
        let numbered = |number: usize| match number % 10 {
            3 => format!("550-{number}@example.org"),
            _ => format!("reader-{number}@example.org"),
        };
        stage.imported_all(&(0..60).map(numbered).collect::<Vec<_>>()).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "6 bounced, 54 sent");
        for message in stage.mailbox.messages() {
            let [to] = message.to.as_slice() else { panic!("{:?}", message.to) };
            let raw = String::from_utf8_lossy(&message.raw);
            assert!(raw.contains(&format!("To: {to}\r\n")), "{to} got somebody else's mail");
        }
    }
}

#[tokio::test]
async fn a_step_down_is_one_at_a_time() {
    assert_eq!(Pipelining::Full.less(), Pipelining::Envelope);
    assert_eq!(Pipelining::Envelope.less(), Pipelining::Off);
    assert_eq!(Pipelining::Off.less(), Pipelining::Off);
}
