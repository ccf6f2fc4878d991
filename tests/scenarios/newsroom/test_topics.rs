//! A topic that is a test: what is published on it reaches nobody but the test addresses, whatever is done.

use bellwether::audit::Actor;
use bellwether::domain::{draft::Kind, issue::Level, post::PostDraft};
use bellwether::publishing::{
    alerting::{self, AlertRequest, Body},
    correcting::{self, Corrected, Correction},
};
use uuid::Uuid;

use crate::stage::{Setup, Span, Stage, both};

/// A test address.
const ADA: &str = "ada@example.org";
const EVE: &str = "eve@example.org";
const BOTH: &str = "topics=election-alerts&topics=drill&alerts=true&digest=daily";

fn with_drill(setup: Setup) -> Setup {
    setup
        .topic("drill", "Drill")
        .with("topics.1.test", "true")
        .with("sender.test_addresses.0", "Ada@example.org")
}

/// Both read both topics.
async fn open(setup: Setup) -> Stage {
    let stage = with_drill(setup).open().await;
    for reader in [ADA, EVE] {
        stage.reader_of(reader, BOTH).await;
    }
    stage
}

async fn corrects(stage: &Stage, issue: Uuid) -> Uuid {
    let correction =
        Correction { subject: "Not so".to_owned(), body: "It was wrong.".to_owned(), link: None, seen: None };
    let corrected =
        correcting::correct(&stage.cx, &Actor::command(), issue, &correction, None).await.unwrap();
    let Corrected::Now(correction) = corrected else { panic!("{corrected:?}") };
    stage.live(5.seconds(), 1.seconds()).await;
    correction
}

both! {
    async fn an_alert_and_its_correction_reach_test_addresses_alone_also_on_other_topics(setup: Setup) {
        let stage = open(setup).await;
        let issue = stage.alert("Is this on?").on(&["election-alerts", "drill"]).sent().await;
        assert_eq!(stage.outcome(issue).await, "1 cancelled, 1 sent");
        let why = stage.operator_reads(&["queue", "why", EVE]).await;
        assert!(why.contains("It was a test, and this is none of [sender] test_addresses"), "{why}");
        assert!(why.contains("it is on a test topic"), "{why}");
        stage.viewer("mary").await.opens(&format!("/admin/live/{issue}")).await.says("A test: its topic reaches nobody");

        // Also when the topic is none any more.
        let stage = stage.restarted_with(|setup| setup.with("topics.1.test", "false")).await;
        let correction = corrects(&stage, issue).await;
        assert_eq!(stage.outcome(correction).await, "1 sent");
        assert_eq!(stage.subjects(ADA), ["Is this on?", "Correction: Not so"]);
        assert!(stage.subjects(EVE).is_empty());
        stage.alert("This is real").on(&["drill"]).sent().await;
        assert_eq!(stage.subjects(EVE), ["This is real"]);
    }

    async fn a_newsletter_does_not_leave_for_others_either(setup: Setup) {
        let stage = open(setup).await;
        let issue = stage.alert("The long read").on(&["drill"]).newsletter().sent().await;
        assert_eq!(stage.outcome(issue).await, "1 cancelled, 1 sent");
        assert!(stage.subjects(EVE).is_empty());
    }

    async fn what_waits_is_kept_back_once_its_topic_is_a_test(setup: Setup) {
        let stage = open(setup.with("sender.test_addresses.0", ADA)).await;
        let stage = stage.restarted_with(|setup| setup.with("topics.1.test", "false")).await;
        let issue = stage.alert("Nearly gone").on(&["drill"]).queued().await;
        let stage = stage.restarted_with(|setup| setup.with("topics.1.test", "true")).await;
        stage.settle().await;
        assert_eq!(stage.outcome(issue).await, "1 cancelled, 1 sent");
        assert!(stage.subjects(EVE).is_empty());
    }

    async fn a_test_that_is_stopped_or_too_late_reaches_nobody(setup: Setup) {
        let stage = open(setup).await;
        let late = stage.alert("Too late").on(&["drill"]).expires_in(10.seconds()).accepted().await;
        let stopped = stage.alert("Stopped").on(&["drill"]).queued().await;
        stage.cancels(stopped).await;
        stage.cx.clock.advance(1.minutes());
        stage.live(2.days(), 1.hour()).await;
        assert_eq!(stage.subjects(ADA), ["Too late"], "in a digest");
        assert!(stage.subjects(EVE).is_empty());
        assert_eq!(stage.outcome(late.id).await, "1 cancelled, 1 expired");
    }

    async fn a_digest_tells_a_test_to_test_addresses_and_the_rest_to_all(setup: Setup) {
        let stage = open(setup).await;
        stage.pushes("a", "The count begins", false).await;
        let drill = PostDraft {
            guid: "b".to_owned(),
            title: "Only a drill".to_owned(),
            summary: "Nothing happened.".to_owned(),
            ..PostDraft::default()
        };
        stage.pushes_draft(drill, "drill", false).await;
        stage.live(1.day(), 1.hour()).await;
        assert_eq!(stage.subjects(ADA), ["Only a drill and 1 more"]);
        assert_eq!(stage.subjects(EVE), ["The count begins"]);
        assert!(!stage.newest(EVE).text().contains("drill"));
    }

    async fn a_corrected_test_about_a_real_post_changes_no_digest_of_others(setup: Setup) {
        let stage = open(setup).await;
        let post = stage.pushes("a", "The count begins", false).await;
        let request = AlertRequest {
            kind: Kind::Alert,
            subject: Some("A drill".to_owned()),
            preheader: None,
            body: Body::Markdown("We try this out.".to_owned()),
            about: Some(post.id),
            link: None,
            topics: vec!["drill".parse().unwrap()],
            level: Level::All,
            expires_at: None,
            public: None,
        };
        let alert = alerting::publish(&stage.cx, &request, &Actor::command(), None).await.unwrap().unwrap();
        stage.settle().await;
        corrects(&stage, alert.id).await;
        stage.live(1.day(), 1.hour()).await;
        assert_eq!(stage.subjects(EVE), ["The count begins"]);
        assert!(!stage.newest(EVE).text().contains("It was wrong"));
        assert_eq!(stage.subjects(ADA)[..2], ["A drill", "Correction: Not so"]);
    }

    async fn the_desk_says_whom_a_test_reaches_and_the_archive_has_none_of_it(setup: Setup) {
        let stage = open(setup).await;
        let mut editor = stage.editor("kim").await;
        let page = editor.sends("/admin/desk", "/admin/desk", "").await;
        let path = page.header("location").to_owned();
        let text = "subject=Drill&body=Nothing.&link=https%3A%2F%2Fsite.example.org%2F&topic=drill&level=all&public=yes";
        assert_eq!(editor.sends(&path, &path, text).await.status, 303);
        let page = editor.opens(&path).await;
        page.says("A test topic: only test addresses get it, 1 of these readers.");
        page.says("<strong>Drill</strong> <span class=\"tag warn\">test</span>");
        editor.opens(&format!("{path}?reader={EVE}")).await.says("it is a test, and they are no test address");
        editor.opens(&format!("{path}?reader={ADA}")).await.says("They would get it now.");
        let version = page.body.split("name=\"version\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let released =
            editor.sends(&path, &format!("{path}/release"), &format!("version={version}&audience=2")).await;
        assert_eq!(released.status, 303, "{}", released.body);
        stage.advance(30.seconds()).await;
        assert_eq!((stage.subjects(ADA).len(), stage.subjects(EVE).len()), (1, 0));
        assert!(!stage.open("/archive").await.body.contains("Drill</a>"));
    }
}
