//! The watch: what should have happened and didn't is told once, over a channel that doesn't hang on what failed.

use bellwether::app;
use bellwether::audit::Actor;
use bellwether::clock::{Clock, Entropy};
use bellwether::context::Context;
use bellwether::delivering::pausing;
use bellwether::domain::{pause, role::Role, time::Timestamp};
use bellwether::publishing;
use bellwether::store;
use bellwether::watching::{self, Caller};
use serde_json::json;

use crate::stage::{Hook, Post, Relay, Setup, Site, Span, Stage, both};

const ADA: &str = "ada@example.org";

async fn pauses(stage: &Stage, relay: &str) {
    let pause = pause::Pause {
        kind: pause::Kind::Relay,
        name: relay.to_owned(),
        reason: "its bill is unpaid".to_owned(),
        since: stage.now(),
    };
    pausing::pause(&stage.cx, &Actor::command(), pause).await.unwrap();
}

async fn resumes(stage: &Stage, relay: &str) {
    pausing::resume(&stage.cx, &Actor::command(), pause::Kind::Relay, relay).await.unwrap();
}

/// Time passes for the watch alone, which looks each minute.
async fn watched(stage: &Stage, minutes: u64) {
    for _ in 0..minutes {
        stage.cx.clock.advance(1.minutes());
        stage.watches().await;
    }
}

fn readers(count: usize, refused: usize) -> Vec<String> {
    let named = |number: usize| match number < refused {
        true => format!("550-no-{number}@example.org"),
        false => format!("reader-{number}@example.org"),
    };
    (0..count).map(named).collect()
}

both! {
    async fn a_post_without_its_alert_is_told_once_and_when_it_is_over(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).open().await;
        // Nobody publishes.
        stage.pushes("count", "The count begins", true).await;
        stage.pushes("ferry", "A ferry is late", false).await;
        watched(&stage, 9).await;
        assert_eq!(hook.kinds(), [""; 0]);
        watched(&stage, 30).await;
        assert_eq!(hook.kinds(), ["alert.missing"], "once");
        let told = hook.calls()[0].event();
        let data = &told["data"];
        assert_eq!(told["timestamp"], "2026-10-30T12:10:00Z");
        assert_eq!(data["title"], "No alert: The count begins");
        assert_eq!(data["since"], "2026-10-30T12:00:00Z");
        assert_eq!(data["link"], "https://news.example.org/admin/desk");
        assert!(data["what"].as_str().unwrap().contains("came in at 12:00 UTC on 30 Oct"), "{data}");
        assert!(data["todo"].as_str().unwrap().starts_with("Write the alert at the desk"), "{data}");

        stage.prepare().await;
        stage.watches().await;
        assert_eq!(hook.kinds(), ["alert.missing", "alert.missing.resolved"]);
        let over = hook.calls()[1].event()["data"].clone();
        assert_eq!(over["incident"], data["incident"]);
        assert_eq!(over["title"], "Over: No alert: The count begins");
        assert_eq!(over["what"], "There is an alert of it since 12:39 UTC on 30 Oct.");
        assert_ne!(hook.calls()[1].id, hook.calls()[0].id, "another message");

        stage.pushes("result", "A result", true).await;
        watched(&stage, 11).await;
        assert_eq!(hook.kinds().len(), 3, "the next one is told as well");
        assert!(hook.calls().iter().all(|call| call.is_signed()));
    }

    async fn a_post_whose_alert_was_stopped_or_is_held_is_not_missing(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).open().await;
        stage.imported(ADA).await;
        stage.pushes("count", "The count begins", true).await;
        stage.prepare().await;
        stage.cancels(stage.newest_issue().await).await;
        watched(&stage, 20).await;
        assert_eq!(hook.kinds(), [""; 0], "it is neither missing nor slow");
    }

    async fn what_nobody_wrote_is_no_news_after_a_day(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).open().await;
        stage.pushes("count", "The count begins", true).await;
        watched(&stage, 10).await;
        stage.cx.clock.advance(1.day());
        watched(&stage, 2).await;
        assert_eq!(hook.kinds(), ["alert.missing"], "it is not over, it is past");
        let mut tx = stage.cx.db.read().await.unwrap();
        assert!(store::incidents::open(&mut tx).await.unwrap().is_empty());
    }

    async fn an_alert_that_waits_for_a_second_person_is_told(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).with("newsroom.two_person", "[\"critical\"]").open().await;
        stage.imported(ADA).await;
        let ticker = stage.program("ticker", Role::Editor).await;
        let alert = json!({ "subject": "Results are in", "markdown": "At last.", "topics": ["election-alerts"], "level": "critical" });
        let draft = ticker.posts_once("k-1", "/alerts", &alert).await.is(202);
        assert_eq!(draft["state"], "draft");
        watched(&stage, 9).await;
        assert_eq!(hook.kinds(), [""; 0]);
        watched(&stage, 20).await;
        assert_eq!(hook.kinds(), ["alert.missing"]);
        let data = hook.calls()[0].event()["data"].clone();
        assert_eq!(data["title"], "Waits for its release: Results are in");
        let id = draft["id"].as_str().unwrap();
        assert_eq!(data["link"], format!("https://news.example.org/admin/desk/{id}"));
        let mut grace = stage.editor("grace").await;
        grace.sends(&format!("/admin/desk/{id}"), &format!("/admin/desk/{id}/discard"), "").await;
        stage.watches().await;
        assert_eq!(hook.kinds(), ["alert.missing", "alert.missing.resolved"]);
        assert_eq!(hook.calls()[1].event()["data"]["what"], "It was thrown away.");
    }

    async fn the_time_in_which_an_alert_is_paused_makes_it_no_slower(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).with("relays.0.rate", "0.02").open().await;
        stage.imported_all(&readers(20, 0)).await;
        let alert = stage.alert("Polls close at eight").sent().await;
        watched(&stage, 10).await;
        let kim = Actor::user("kim@example.org", "");
        publishing::pausing::pause(&stage.cx, &kim, alert).await.unwrap();
        watched(&stage, 40).await;
        assert_eq!(hook.kinds(), [""; 0], "it waits because somebody wants it to");
        publishing::pausing::resume(&stage.cx, &kim, alert).await.unwrap();
        watched(&stage, 4).await;
        assert_eq!(hook.kinds(), [""; 0], "ten minutes and four were its own");
        watched(&stage, 1).await;
        assert_eq!(hook.kinds(), ["alert.slow"]);
        publishing::pausing::pause(&stage.cx, &kim, alert).await.unwrap();
        watched(&stage, 1).await;
        assert_eq!(hook.kinds(), ["alert.slow", "alert.slow.resolved"]);
        assert_eq!(hook.calls()[1].event()["data"]["what"], "It was paused at 12:55 UTC on 30 Oct. 1 of 20 have it.");
    }

    async fn an_alert_that_too_few_have_is_told_and_that_it_is_over(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).with("relays.0.rate", "0.02").open().await;
        stage.imported_all(&readers(20, 0)).await;
        let alert = stage.alert("Polls close at eight").sent().await;
        watched(&stage, 14).await;
        assert_eq!(hook.kinds(), [""; 0]);
        watched(&stage, 10).await;
        assert_eq!(hook.kinds(), ["alert.slow"]);
        let data = hook.calls()[0].event()["data"].clone();
        assert_eq!(data["link"], format!("https://news.example.org/admin/issues/{alert}"));
        let what = data["what"].as_str().unwrap();
        assert!(what.starts_with("The alert “Polls close at eight” went out at 12:00 UTC on 30 Oct. 1 of 20 have it, 19 wait"), "{what}");
        stage.live(30.minutes(), 15.seconds()).await;
        assert_eq!(stage.outcome(alert).await, "20 sent");
        watched(&stage, 5).await;
        assert_eq!(hook.kinds(), ["alert.slow", "alert.slow.resolved"]);
        assert_eq!(hook.calls()[1].event()["data"]["what"], "20 of 20 have it.");
    }

    async fn ninety_five_in_a_hundred_are_enough_and_ninety_four_are_not(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).open().await;
        stage.imported_all(&readers(20, 1)).await;
        let alert = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(alert).await, "1 bounced, 19 sent");
        watched(&stage, 20).await;
        assert_eq!(hook.kinds(), [""; 0]);
        // The one is suppressed by now.
        stage.imported_all(&["550-no-8@example.org", "550-no-9@example.org"]).await;
        let alert = stage.alert("Polls are closed").sent().await;
        assert_eq!(stage.outcome(alert).await, "2 bounced, 19 sent");
        watched(&stage, 20).await;
        assert_eq!(hook.kinds(), ["alert.slow"], "a relay that refuses many is no good news");
        stage.alert("For nobody").on(&[]).accepted().await;
        stage.prepare().await;
        watched(&stage, 20).await;
        assert_eq!(hook.kinds().len(), 1, "whoever is to be reached has it where that is nobody");
    }

    async fn an_alert_that_is_not_even_written_out_is_slow_and_a_stopped_one_is_not(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).open().await;
        stage.imported(ADA).await;
        let alert = stage.alert("Polls close at eight").accepted().await;
        watched(&stage, 15).await;
        assert_eq!(hook.kinds(), ["alert.slow"]);
        stage.cancels(alert.id).await;
        watched(&stage, 1).await;
        assert_eq!(hook.kinds(), ["alert.slow", "alert.slow.resolved"]);
        assert_eq!(hook.calls()[1].event()["data"]["what"], "It was stopped. 0 have it.");
        let stopped = stage.alert("Not so fast").accepted().await;
        stage.cancels(stopped.id).await;
        watched(&stage, 20).await;
        assert_eq!(hook.kinds().len(), 2);
    }

    async fn a_feed_that_brings_nothing_new_is_told_until_it_does(setup: Setup) {
        let hook = Hook::opens().await;
        let (site, quiet) = (Site::opens().await, Site::opens().await);
        let setup = setup.webhook(&hook).feed(&site).feed_for(&quiet, "election-alerts", false);
        let stage = setup.with("watch.silent_after", "6h").with("feeds.1.silent_after", "never").open().await;
        let looks = async |hours: u64| {
            for _ in 0..hours {
                stage.advance(1.hour()).await;
                stage.watches().await;
            }
        };
        site.publishes(Post::titled("Before us"));
        stage.settle().await;
        looks(5).await;
        assert_eq!(hook.kinds(), [""; 0]);
        looks(10).await;
        assert_eq!(hook.kinds(), ["feed.silent"], "told once, and not of the other");
        let data = hook.calls()[0].event()["data"].clone();
        assert_eq!(data["subject"], format!("feed {}", site.feed_url()));
        assert_eq!(data["since"], "2026-10-30T12:00:00Z");
        site.publishes(Post::titled("A word at last"));
        looks(1).await;
        assert_eq!(hook.kinds(), ["feed.silent", "feed.silent.resolved"]);
        let over = hook.calls()[1].event()["data"]["what"].as_str().unwrap().to_owned();
        assert!(over.starts_with(&format!("The last that was new came from {} at ", site.feed_url())), "{over}");
        // A change of what is known is no sign of life.
        site.answers(500, &[], b"");
        looks(8).await;
        assert_eq!(hook.kinds().len(), 3);
        let what = hook.calls()[2].event()["data"]["what"].as_str().unwrap().to_owned();
        assert!(what.contains("It can’t be read: the site answers 500"), "{what}");
    }

    async fn a_service_that_was_down_asks_before_it_calls_a_feed_silent(setup: Setup) {
        let hook = Hook::opens().await;
        let site = Site::opens().await;
        let stage = setup.webhook(&hook).feed(&site).with("watch.silent_after", "6h").open().await;
        stage.settle().await;
        stage.cx.clock.advance(2.days());
        let stage = stage.restarted().await;
        stage.watches().await;
        assert_eq!(hook.kinds(), [""; 0]);
        site.publishes(Post::titled("While you slept"));
        stage.settle().await;
        stage.watches().await;
        assert_eq!(hook.kinds(), [""; 0]);
    }

    async fn a_relay_that_is_paused_is_told_once_also_when_it_is_tried_between(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).open().await;
        pauses(&stage, "primary").await;
        watched(&stage, 10).await;
        assert_eq!(hook.kinds(), ["relay.paused"]);
        let data = hook.calls()[0].event()["data"].clone();
        assert_eq!(data["title"], "Relay primary is paused");
        assert!(data["what"].as_str().unwrap().ends_with("paused by hand at 12:00 UTC on 30 Oct: its bill is unpaid."), "{data}");
        assert!(data["todo"].as_str().unwrap().ends_with("Until then its mail waits."), "there is no other: {data}");
        resumes(&stage, "primary").await;
        watched(&stage, 4).await;
        pauses(&stage, "primary").await;
        watched(&stage, 10).await;
        assert_eq!(hook.kinds(), ["relay.paused"], "it is the same trouble");
        resumes(&stage, "primary").await;
        watched(&stage, 6).await;
        assert_eq!(hook.kinds(), ["relay.paused", "relay.paused.resolved"]);
        assert_eq!(hook.calls()[1].event()["data"]["what"], "Relay primary may be handed mail again.");
        pauses(&stage, "primary").await;
        watched(&stage, 1).await;
        assert_eq!(hook.kinds().len(), 3, "anew");
    }

    async fn what_a_paused_relay_leaves_to_others_is_what_they_take(setup: Setup) {
        let hook = Hook::opens().await;
        let setup = setup.webhook(&hook).with("relays.1.url", "smtp://127.0.0.1:9").with("relays.2.url", "smtp://127.0.0.1:9");
        let setup = setup.with("relays.1.lanes", "[\"digest\", \"broadcast\"]").with("relays.2.lanes", "[]");
        let stage = setup.with("watch.to", "grace@example.org").with("watch.relay", "relay-3").open().await;
        let todo = |call: usize| hook.calls()[call].event()["data"]["todo"].as_str().unwrap().to_owned();
        pauses(&stage, "primary").await;
        stage.watches().await;
        let told = "Until then its mail of these lanes waits: transactional, correction, alert. The rest goes by other relays.";
        assert!(todo(0).ends_with(told), "{}", todo(0));
        resumes(&stage, "primary").await;
        pauses(&stage, "relay-2").await;
        pauses(&stage, "relay-3").await;
        stage.watches().await;
        assert!(todo(1).ends_with("Until then its mail goes by other relays."), "{}", todo(1));
        assert!(todo(2).ends_with("Until then the watch can’t mail."), "{}", todo(2));
    }

    async fn a_relay_that_refuses_us_is_told_by_mail_over_another_one(setup: Setup) {
        let clock = Clock::simulated(Timestamp::from_micros(0));
        let second = Relay::start(clock).await;
        let setup = setup.with("relays.1.url", &format!("smtp://127.0.0.1:{}", second.port)).with("relays.1.lanes", "[]");
        let stage = setup.with("watch.to", "grace@example.org").with("watch.relay", "relay-2").open().await;
        stage.imported("relaying-denied@example.org").await;
        stage.alert("Polls close at eight").sent().await;
        stage.watches().await;
        stage.deliver().await;
        stage.watches().await;
        stage.deliver().await;
        assert_eq!(stage.mailbox.len(), 0);
        let [mail] = &second.mailbox.messages()[..] else { panic!("{}", second.mailbox.len()) };
        assert_eq!(mail.to, ["grace@example.org"], "the watch's mail and nothing else goes there");
        let raw = String::from_utf8_lossy(&mail.raw);
        assert!(raw.replace("=\r\n", "").contains("Until then its mail waits."), "the other is not for it: {raw}");
        assert!(raw.contains("Subject: Relay primary refuses our mail\r\n"), "{raw}");
        assert!(raw.contains("https://news.example.org/admin"), "{raw}");
        // The other way round: it waits for its relay, and takes no other.
        pauses(&stage, "relay-2").await;
        stage.watches().await;
        stage.advance(1.minutes()).await;
        assert_eq!((stage.mailbox.len(), second.mailbox.len()), (0, 1));
        let why = stage.operator_reads(&["queue", "why", "grace@example.org"]).await;
        assert!(why.contains("Relay relay-2 is paused") && !why.contains("→ Relay primary"), "{why}");
        resumes(&stage, "relay-2").await;
        stage.advance(1.minutes()).await;
        assert_eq!((stage.mailbox.len(), second.mailbox.len()), (0, 2));
    }

    async fn two_nodes_tell_once(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).open().await;
        let other = another(&stage).await;
        stage.pushes("count", "The count begins", true).await;
        stage.cx.clock.advance(10.minutes());
        for _ in 0..5 {
            let looks = tokio::join!(watching::look(&stage.cx), watching::look(&other));
            assert_eq!((looks.0.unwrap(), looks.1.unwrap()), (1, 1));
        }
        let caller = Caller::new().unwrap();
        let calls = tokio::join!(caller.call_due(&stage.cx), caller.call_due(&other));
        assert_eq!(calls.0.unwrap() + calls.1.unwrap(), 1);
        assert_eq!(hook.kinds(), ["alert.missing"]);
        stage.prepare().await;
        tokio::join!(watching::look(&stage.cx), watching::look(&other)).0.unwrap();
        stage.calls_webhooks().await;
        assert_eq!(hook.kinds(), ["alert.missing", "alert.missing.resolved"]);
        other.db.close().await;
    }

    async fn what_is_amiss_is_on_the_overview_once_and_in_the_metrics(setup: Setup) {
        let site = Site::opens().await;
        let stage = setup.feed(&site).with("watch.silent_after", "1h").with("watch.alert_within", "2m").open().await;
        stage.settle().await;
        stage.pushes("count", "The count begins", true).await;
        pauses(&stage, "primary").await;
        stage.cx.clock.advance(2.hours());
        let mut poller = stage.poller();
        poller.start_due().await.unwrap();
        poller.finish().await;
        stage.engine.tend().await.unwrap();
        stage.watches().await;
        let mut mary = stage.viewer("mary").await;
        let page = mary.opens("/admin").await;
        page.says("The post “The count begins” came in at 12:00 UTC on 30 Oct and was to be an alert. There is none.");
        page.says(&format!("Nothing new came from {} since 12:00 UTC on 30 Oct.", site.feed_url()));
        assert_eq!(page.body.matches("Relay primary").count(), 1, "{}", page.body);
        let text = stage.cx.metrics.text();
        for line in [
            "bellwether_incidents{kind=\"alert.missing\"} 1",
            "bellwether_incidents{kind=\"alert.slow\"} 0",
            "bellwether_incidents{kind=\"feed.silent\"} 1",
            "bellwether_incidents{kind=\"relay.paused\"} 1",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
        }
        let said = stage.operator_reads(&["watch"]).await;
        assert!(said.contains("alert.missing") && said.contains("What to do: Write the alert at the desk"), "{said}");
        // What the overview tells by itself already is not told twice.
        let mut tx = stage.cx.db.begin().await.unwrap();
        let post = store::posts::last_id(&mut tx).await.unwrap();
        store::posts::give_up_alert(&mut tx, post).await.unwrap();
        tx.commit().await.unwrap();
        let page = mary.opens("/admin").await;
        assert_eq!(page.body.matches("The count begins").count(), 1, "{}", page.body);
    }

    async fn what_is_over_is_kept_for_a_quarter(setup: Setup) {
        let hook = Hook::opens().await;
        let stage = setup.webhook(&hook).open().await;
        pauses(&stage, "primary").await;
        stage.watches().await;
        resumes(&stage, "primary").await;
        watched(&stage, 6).await;
        for (days, left) in [(89, 2), (2, 0)] {
            stage.cx.clock.advance(days.days());
            watching::keep_house(&stage.cx).await.unwrap();
            let mut tx = stage.cx.db.begin().await.unwrap();
            let forgotten = store::webhook_calls::forget(&mut tx, stage.now()).await.unwrap();
            assert_eq!(forgotten, left, "rolled back");
        }
    }
}

/// Another node on the same database.
async fn another(stage: &Stage) -> Context {
    let config = (*stage.cx.config).clone();
    app::connect(config, stage.cx.clock.clone(), Entropy::seeded(77)).await.unwrap()
}
