//! Digests: what stands in them, for whom, and when they are sent.

use bellwether::domain::{post::PostDraft, subscription, suppression};
use bellwether::store;

use crate::stage::{Logs, Setup, Span, Stage, both};

const ADA: &str = "ada@example.org";
const EVE: &str = "eve@example.org";

both! {
    async fn every_post_stands_in_one_digest_and_what_was_alerted_as_a_line(stage: Stage) {
        stage.reader(ADA).await;
        stage.reader_of(EVE, "alerts=false").await;
        stage.pushes("a", "The count begins", false).await;
        stage.advance(1.hour()).await;
        stage.pushes("b", "Polls close at eight", true).await;
        stage.settle().await;
        stage.live(3.days(), 1.hour()).await;
        assert_eq!(stage.subjects(ADA), ["Polls close at eight", "The count begins and 1 more"]);
        assert_eq!(stage.subjects(EVE), ["Polls close at eight and 1 more"], "the newest leads");

        let text = stage.newest(ADA).text();
        let (full, seen) = text.split_once("You already had these as alerts").unwrap();
        assert!(full.contains("In short: The count begins.") && !full.contains("Polls close"), "{text}");
        assert!(seen.contains("Polls close at eight") && !seen.contains("In short"), "{text}");
        assert!(text.contains("You get this because you asked Election Desk for the daily digest."), "{text}");
        assert!(!stage.newest(EVE).text().contains("You already had"));
    }

    async fn a_new_reader_gets_nothing_of_before_the_confirmation(stage: Stage) {
        stage.reader(EVE).await;
        stage.pushes("a", "Before", false).await;
        stage.advance(1.minutes()).await;
        stage.reader(ADA).await;
        stage.pushes("b", "After", false).await;
        stage.live(1.day(), 1.hour()).await;
        assert_eq!(stage.subjects(ADA), ["After"]);
        assert_eq!(stage.subjects(EVE), ["After and 1 more"]);
    }

    async fn weekly_readers_get_the_week_on_monday(stage: Stage) {
        stage.reader_of(ADA, "digest=weekly").await;
        stage.reader(EVE).await;
        stage.pushes("a", "On Friday", false).await;
        stage.advance_to("2026-10-31T08:00:00Z").await;
        stage.pushes("b", "On Saturday", false).await;
        stage.advance_to("2026-11-02T06:59:00Z").await;
        assert!(stage.subjects(ADA).is_empty());
        stage.advance_to("2026-11-02T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["On Saturday and 1 more"]);
        assert_eq!(stage.subjects(EVE), ["On Friday", "On Saturday"]);
        assert!(stage.newest(ADA).text().contains("Weekly digest"));
    }

    async fn readers_who_get_the_same_share_it_however_many_they_are(stage: Stage) {
        let people = |name: &str| (0..350).map(|n| format!("{name}-{n}@example.org")).collect::<Vec<_>>();
        stage.imported_all(&people("early")).await;
        stage.pushes("a", "The count begins", true).await;
        stage.settle().await;
        stage.imported_all(&people("late")).await;
        stage.advance(1.hour()).await;
        stage.pushes("b", "The count goes on", false).await;
        stage.mailbox.clear();
        stage.advance_to("2026-10-31T07:00:00Z").await;
        assert_eq!(stage.mailbox.len(), 700);
        for who in people("early") {
            assert_eq!(stage.subjects(&who), ["The count goes on and 1 more"], "{who}");
        }
        for who in people("late") {
            assert_eq!(stage.subjects(&who), ["The count goes on"], "{who}");
        }
        let variants = |who: &str| stage.newest(who).text().lines().filter(|l| !l.contains("https://news")).collect::<String>();
        assert_eq!(variants("early-0@example.org"), variants("early-349@example.org"));
        assert!(!variants("late-0@example.org").contains("The count begins"));
    }

    async fn an_empty_digest_is_skipped(stage: Stage) {
        stage.reader(ADA).await;
        stage.live(3.days(), 1.hour()).await;
        assert!(stage.subjects(ADA).is_empty());
        assert!(stage.issues().await.is_empty());
    }

    async fn digests_come_as_often_as_the_cron_says(setup: Setup) {
        let stage = setup.schedule("daily", "0 * * * * *", "UTC").open().await;
        stage.reader(ADA).await;
        for title in ["One", "Two", "Three"] {
            stage.pushes(title, title, false).await;
            stage.advance(1.minutes()).await;
        }
        assert_eq!(stage.subjects(ADA), ["One", "Two", "Three"]);
    }

    async fn readers_of_other_topics_get_no_digest_of_it(setup: Setup) {
        let stage = setup.topic("foreign-policy", "Foreign policy").open().await;
        stage.reader_of(ADA, "topics=foreign-policy").await;
        stage.reader_of(EVE, "topics=election-alerts&topics=foreign-policy").await;
        stage.pushes("a", "At home", false).await;
        stage.live(1.day(), 1.hour()).await;
        assert!(stage.subjects(ADA).is_empty());
        assert_eq!(stage.subjects(EVE), ["At home"]);
    }

    async fn posts_that_nobody_takes_make_no_digest(setup: Setup) {
        let stage = setup.topic("foreign-policy", "Foreign policy").open().await;
        stage.reader_of(ADA, "topics=foreign-policy").await;
        stage.reader_of(EVE, "topics=election-alerts&digest=weekly").await;
        stage.pushes("a", "At home", false).await;
        stage.live(1.day(), 1.hour()).await;
        assert!(stage.issues().await.is_empty(), "{:?}", stage.issues().await);
        stage.advance_to("2026-11-02T07:00:00Z").await;
        assert_eq!(stage.issues().await, ["digest: At home"]);
        assert_eq!(stage.subjects(EVE), ["At home"]);
    }

    async fn an_alert_that_only_a_suppressed_reader_missed_makes_no_digest(stage: Stage) {
        stage.reader(ADA).await;
        let alert = stage.alert("Polls close at eight").expires_in(1.minutes()).accepted().await;
        stage.cx.clock.advance(2.minutes());
        stage.prepare().await;
        assert_eq!(stage.outcome(alert.id).await, "1 expired");
        let mut tx = stage.cx.db.begin().await.unwrap();
        let ada = store::subscribers::by_key(&mut tx, ADA).await.unwrap().unwrap();
        let kind = suppression::Kind::Undeliverable;
        store::suppressions::insert(&mut tx, &ada.address_hash, kind, stage.now()).await.unwrap();
        tx.commit().await.unwrap();
        stage.live(1.day(), 1.hour()).await;
        assert_eq!(stage.issues().await, ["alert: Polls close at eight"]);
    }

    async fn a_digest_holds_the_300_newest_stories_and_the_operator_is_told(setup: Setup) {
        let stage = setup.with("sender.operator", "operator@example.org").open().await;
        stage.reader(ADA).await;
        for n in 0..305 {
            stage.pushes(&format!("{n}"), &format!("Story {n}."), false).await;
        }
        stage.advance_to("2026-10-31T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["Story 304. and 299 more"]);
        let text = stage.newest(ADA).text();
        assert!(text.contains("In short: Story 5..") && !text.contains("In short: Story 4.."), "{text}");
        let notice = stage.newest("operator@example.org").text();
        assert!(notice.contains("the other 5 are left out"), "{notice}");
        stage.pushes("more", "Afterwards", false).await;
        stage.advance_to("2026-11-01T07:00:00Z").await;
        assert_eq!(stage.newest(ADA).subject(), "Afterwards");
    }

    async fn a_digest_too_long_for_a_template_is_cut_and_not_stuck(stage: Stage) {
        stage.reader(ADA).await;
        let long = |name: &str| Some(format!("https://site.example.org/{name}/{}", "a".repeat(1_900)));
        for n in 0..260 {
            let draft = PostDraft {
                guid: format!("{n}"),
                url: long(&format!("{n}")),
                title: format!("Story {n}"),
                image: long("picture"),
                ..PostDraft::default()
            };
            stage.pushes_draft(draft, "election-alerts", false).await;
        }
        stage.advance_to("2026-10-31T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["Story 259 and 129 more"]);
    }

    async fn a_missed_run_is_made_up_for_once_within_the_grace_period(stage: Stage) {
        stage.reader(ADA).await;
        stage.pushes("a", "The count begins", false).await;
        stage.advance_to("2026-11-02T12:59:00Z").await;
        assert_eq!(stage.subjects(ADA), ["The count begins"], "three missed, one sent");
        stage.pushes("b", "The count goes on", false).await;
        stage.live(10.hours(), 1.hour()).await;
        assert_eq!(stage.subjects(ADA).len(), 1);
        stage.advance_to("2026-11-03T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["The count begins", "The count goes on"]);
    }

    async fn a_schedule_that_fails_holds_up_no_other(stage: Stage) {
        let logs = Logs::collected();
        stage.reader_of(ADA, "digest=weekly").await;
        stage.pushes("a", "The count begins", false).await;
        let mut tx = stage.cx.db.begin().await.unwrap();
        let (name, digest) = ("daily", subscription::Digest::Daily);
        let plan = store::schedules::Plan { name, cron: "nonsense", timezone: "UTC", digest, public: false };
        store::schedules::provision(&mut tx, plan, stage.now()).await.unwrap();
        tx.commit().await.unwrap();
        stage.advance_to("2026-11-02T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["The count begins"]);
        assert!(logs.text().contains("schedule=\"daily\" error="), "{}", logs.text());
    }

    async fn a_run_missed_for_longer_joins_the_next_digest(stage: Stage) {
        stage.reader(ADA).await;
        stage.pushes("a", "The count begins", false).await;
        stage.advance_to("2026-10-31T13:01:00Z").await;
        assert!(stage.subjects(ADA).is_empty());
        stage.pushes("b", "The count goes on", false).await;
        stage.advance_to("2026-11-01T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["The count goes on and 1 more"]);
    }

    async fn a_restart_neither_repeats_nor_loses_a_run(stage: Stage) {
        stage.reader(ADA).await;
        stage.pushes("a", "The count begins", false).await;
        stage.advance_to("2026-10-31T06:59:59Z").await;
        let stage = stage.restarted().await;
        stage.advance(1.seconds()).await;
        let stage = stage.restarted().await;
        stage.settle().await;
        assert_eq!(stage.subjects(ADA), ["The count begins"]);
    }

    async fn an_hour_that_repeats_in_autumn_fires_once_and_one_skipped_in_spring_fires(setup: Setup) {
        let stage = setup.schedule("daily", "0 30 1 * * *", "America/New_York").open().await;
        stage.reader(ADA).await;
        // 1:30 comes twice on 1 November 2026: at 5:30 and at 6:30 UTC.
        stage.advance_to("2026-10-31T06:00:00Z").await;
        stage.pushes("a", "One", false).await;
        stage.advance_to("2026-11-01T05:30:00Z").await;
        assert_eq!(stage.subjects(ADA), ["One"]);
        stage.pushes("b", "Two", false).await;
        stage.advance_to("2026-11-01T06:30:00Z").await;
        assert_eq!(stage.subjects(ADA), ["One"], "the second 1:30 of the night");
        stage.advance_to("2026-11-02T06:30:00Z").await;
        assert_eq!(stage.subjects(ADA), ["One", "Two"]);
    }

    async fn an_hour_that_is_skipped_in_spring_fires_after_the_gap(setup: Setup) {
        let stage = setup.schedule("daily", "0 30 2 * * *", "America/New_York").open().await;
        stage.reader(ADA).await;
        stage.cx.clock.advance(134.days());
        stage.advance_to("2027-03-14T06:59:00Z").await;
        stage.pushes("a", "One", false).await;
        stage.advance_to("2027-03-14T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["One"], "2:30 doesn't exist; at 3:00 the gap ends");
    }

    async fn changing_the_cadence_neither_drops_nor_repeats_a_story(stage: Stage) {
        stage.reader_of(ADA, "digest=weekly").await;
        stage.alert("Hello").sent().await;
        let link = stage.newest(ADA).link("preferences");
        stage.pushes("a", "On Friday", false).await;
        stage.advance_to("2026-10-31T12:00:00Z").await;
        stage.fills_in(&link, "digest=daily").await;
        stage.advance_to("2026-11-01T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["Hello", "On Friday"], "the week so far comes with the first daily one");
        stage.pushes("b", "On Sunday", false).await;
        stage.fills_in(&link, "digest=weekly").await;
        stage.advance_to("2026-11-02T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["Hello", "On Friday", "On Sunday"]);
    }

    async fn a_revised_post_is_told_once_as_it_reads_now(stage: Stage) {
        stage.reader(ADA).await;
        stage.pushes("a", "The count begins", false).await;
        stage.pushes("a", "The count has begun", false).await;
        stage.advance_to("2026-10-31T07:00:00Z").await;
        stage.pushes("a", "The count is over", false).await;
        stage.advance_to("2026-11-01T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["The count has begun"]);
    }

    async fn an_alert_that_never_arrived_is_told_in_full(stage: Stage) {
        stage.imported("552-1-ada@example.org").await;
        stage.pushes("a", "The count begins", true).await;
        stage.settle().await;
        assert!(stage.subjects("552-1-ada@example.org").is_empty());
        stage.advance_to("2026-10-31T07:00:00Z").await;
        let text = stage.newest("552-1-ada@example.org").text();
        assert!(text.contains("In short: The count begins."), "{text}");
        assert!(!text.contains("You already had"), "{text}");
    }
}
