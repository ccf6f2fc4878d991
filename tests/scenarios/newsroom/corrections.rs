//! Corrections: exactly those who got the wrong word get the right one, before anything else.

use bellwether::audit::Actor;
use bellwether::domain::role::Role;
use bellwether::publishing::correcting::{self, Corrected, Correction};
use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use crate::stage::{Setup, Span, Stage, both};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";
const KIM: &str = "kim@example.com";

async fn corrects(stage: &Stage, issue: Uuid, subject: &str) -> Corrected {
    let correction = Correction {
        subject: subject.to_owned(),
        body: "What we said was wrong.".to_owned(),
        link: None,
        seen: stage.correction_of(issue).await,
    };
    correcting::correct(&stage.cx, &Actor::user("desk@example.org", ""), issue, &correction, None)
        .await
        .unwrap()
}

/// Corrected, and everything done that follows.
async fn corrected(stage: &Stage, issue: Uuid) -> Uuid {
    let Corrected::Now(correction) = corrects(stage, issue, "The harbour is open").await else { panic!() };
    stage.settle().await;
    stage.advance(2.seconds()).await;
    correction
}

both! {
    async fn who_got_it_gets_the_correction_under_it_and_who_left_does_not(stage: Stage) {
        stage.imported_all(&[ADA, EVE]).await;
        let issue = stage.alert("The harbour is closed").sent().await;
        stage.leaves(EVE).await;
        stage.imported(KIM).await;
        let correction = corrected(&stage, issue).await;
        assert_eq!(stage.outcome(correction).await, "1 sent");
        let mail = stage.newest(ADA);
        assert_eq!(mail.subject(), "Correction: The harbour is open");
        let original = stage.inbox(ADA)[0].header("Message-ID").unwrap();
        assert_eq!(mail.header("In-Reply-To"), Some(original.clone()));
        assert_eq!(mail.header("References"), Some(original));
        assert_ne!(mail.header("Message-ID"), mail.header("In-Reply-To"));
        assert_eq!(stage.subjects(EVE), ["The harbour is closed"]);
        assert!(stage.subjects(KIM).is_empty(), "they came later");
        assert_eq!(stage.issue(correction).await.state.to_string(), "sent");
        assert!(stage.changes().await.iter().any(|it| it.starts_with("desk@example.org: corrected issue")));
    }

    async fn a_correction_stops_the_rest_and_reaches_only_who_had_it(setup: Setup) {
        let stage = setup.with("relays.0.rate", "1").open().await;
        let readers: Vec<_> = (0..8).map(|n| format!("reader{n}@example.com")).collect();
        stage.imported_all(&readers).await;
        let issue = stage.alert("The harbour is closed").queued().await;
        stage.deliver().await;
        let had: Vec<_> = readers.iter().filter(|reader| !stage.subjects(reader).is_empty()).collect();
        assert!(!had.is_empty() && had.len() < 8, "{}", had.len());
        let Corrected::Now(correction) = corrects(&stage, issue, "The harbour is open").await else { panic!() };
        let stage = stage.restarted().await;
        stage.live(2.minutes(), 5.seconds()).await;
        for reader in &readers {
            let expected: &[&str] = match had.contains(&reader) {
                true => &["The harbour is closed", "Correction: The harbour is open"],
                false => &[],
            };
            assert_eq!(stage.subjects(reader), expected, "{reader}");
        }
        assert_eq!(stage.issue(issue).await.state.to_string(), "cancelled");
        assert_eq!(stage.issue(correction).await.audience, had.len() as i64);
    }

    async fn a_correction_overtakes_alerts(setup: Setup) {
        let stage = setup.with("relays.0.connections", "1").open().await;
        stage.imported(ADA).await;
        let issue = stage.alert("The harbour is closed").sent().await;
        stage.alert("Something else").queued().await;
        corrected(&stage, issue).await;
        assert_eq!(stage.subjects(ADA), ["The harbour is closed", "Correction: The harbour is open", "Something else"]);
    }

    async fn who_may_have_got_it_is_told_as_well(stage: Stage) {
        let odd = "disconnect-in-data@example.com";
        stage.imported(odd).await;
        let issue = stage.alert("The harbour is closed").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 deferred", "the relay broke off in the middle of it");
        let correction = corrected(&stage, issue).await;
        assert_eq!(stage.issue(correction).await.audience, 1);
        assert_eq!(stage.outcome(issue).await, "1 cancelled");
    }

    async fn only_an_alert_that_left_can_be_corrected(stage: Stage) {
        stage.imported(ADA).await;
        assert_eq!(corrects(&stage, Uuid::from_u128(7), "What?").await, Corrected::Unknown);
        let issue = stage.alert("The harbour is closed").sent().await;
        assert_eq!(corrects(&stage, issue, " ").await, Corrected::Blank);
        let correction = corrected(&stage, issue).await;
        assert_eq!(corrects(&stage, correction, "And again").await, Corrected::NotThis);
        assert!(matches!(corrects(&stage, issue, "Once more").await, Corrected::Now(_)));
    }

    async fn an_alerts_own_page_says_first_that_it_was_corrected(stage: Stage) {
        stage.imported(ADA).await;
        let issue = stage.alert("The harbour is closed").sent().await;
        let path = format!("/a/{issue}");
        assert!(stage.newest(ADA).text().contains(&path), "every alert links to its page");
        let page = stage.open(&path).await;
        page.says("The harbour is closed: what we know.");
        page.says("It still stands");
        let correction = corrected(&stage, issue).await;
        let page = stage.open(&path).await;
        page.says("Corrected");
        let (right, wrong) = (page.body.find("The harbour is open").unwrap(), page.body.find("The harbour is closed: what").unwrap());
        assert!(right < wrong && !page.body.contains("It still stands"));
        assert_eq!(stage.open(&format!("/a/{correction}")).await.status, 200);
        for other in ["/a/7", "/a/01a21250-49c5-7b68-b8aa-4febf2ae26fd"] {
            assert_eq!(stage.open(other).await.status, 404);
        }
    }

    async fn a_stopped_alert_no_longer_stands_and_a_held_one_is_not_shown(setup: Setup) {
        let stage = setup.with("relays.0.rate", "1").open().await;
        stage.imported_all(&[ADA, EVE, KIM]).await;
        let issue = stage.alert("The harbour is closed").queued().await;
        stage.cancels(issue).await;
        stage.open(&format!("/a/{issue}")).await.says("We stopped this alert");
    }

    async fn a_correction_that_is_corrected_stands_no_more(stage: Stage) {
        stage.imported(ADA).await;
        let issue = stage.alert("The harbour is closed").sent().await;
        let first = corrected(&stage, issue).await;
        stage.open(&format!("/a/{first}")).await.says("It still stands");
        stage.advance(5.minutes()).await;
        let Corrected::Now(second) = corrects(&stage, issue, "The harbour opens at nine").await else { panic!() };
        stage.settle().await;
        let page = stage.open(&format!("/a/{first}")).await;
        assert!(!page.body.contains("It still stands"), "{}", page.body);
        page.says("The harbour opens at nine");
        stage.open(&format!("/a/{second}")).await.says("It still stands");
    }

    async fn who_was_sent_nothing_yet_is_not_corrected_though_a_sender_had_claimed_it(setup: Setup) {
        let stage = setup.with("relays.0.rate", "1").open().await;
        let readers: Vec<_> = (0..30).map(|n| format!("reader{n:02}@example.com")).collect();
        stage.imported_all(&readers).await;
        let issue = stage.alert("The harbour is closed").queued().await;
        stage.deliver().await;
        let Corrected::Now(correction) = corrects(&stage, issue, "The harbour is open").await else { panic!() };
        stage.prepare().await;
        let later = stage.alert("Polls close at eight").accepted().await;
        stage.prepare().await;
        assert_eq!(stage.issue(later.id).await.state.to_string(), "sending", "it waits for no correction");
        stage.live(2.minutes(), 1.seconds()).await;
        for reader in &readers {
            let subjects = stage.subjects(reader);
            let had = subjects.iter().any(|it| it == "The harbour is closed");
            assert_eq!(had, subjects.iter().any(|it| it == "Correction: The harbour is open"), "{reader}: {subjects:?}");
        }
        assert_eq!(stage.issue(correction).await.state.to_string(), "sent");
    }

    async fn an_editor_corrects_from_the_page_that_shows_it_go(stage: Stage) {
        stage.imported(ADA).await;
        let issue = stage.alert("The harbour is closed").sent().await;
        let mut editor = stage.editor("kim").await;
        let live = format!("/admin/live/{issue}");
        let fields = "subject=The+harbour+is+open&body=It+was+never+closed.&link=";
        let page = editor.sends(&live, &format!("{live}/correct"), fields).await;
        assert_eq!(page.status, 303, "{}", page.body);
        stage.settle().await;
        assert_eq!(stage.newest(ADA).subject(), "Correction: The harbour is open");
        editor.opens(&live).await.says("It was corrected");
        let mut contributor = stage.contributor("sam").await;
        let page = contributor.sends(&live, &format!("{live}/correct"), fields).await;
        assert_eq!(page.status, 403);
    }

    async fn of_two_desks_that_correct_in_the_same_instant_one_does_and_the_other_is_told(stage: Stage) {
        stage.imported(ADA).await;
        let issue = stage.alert("The harbour is closed").sent().await;
        let correct = format!("/issues/{issue}/correct");
        let desk = stage.program("desk", Role::Editor).await;
        let words = |n: usize| json!({ "subject": format!("The harbour is open, says {n}"), "markdown": "We were wrong." });
        let calls = (0..6).map(|n| {
            let (desk, correct, words) = (&desk, &correct, words(n));
            async move { desk.posts_once(&format!("key-{n}"), correct, &words).await }
        });
        let (won, lost): (Vec<_>, Vec<_>) = join_all(calls).await.into_iter().partition(|it| it.status == 202);
        assert_eq!((won.len(), lost.len()), (1, 5), "{lost:?}");
        let first = won[0].body["id"].as_str().unwrap().to_owned();
        for answer in lost {
            let problem = answer.fails(409, "corrected");
            assert_eq!(problem["correction"], first.as_str());
            assert_eq!((&problem["by"], &problem["at"]), (&json!("token desk"), &json!(stage.now())));
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.starts_with("token desk corrected it on ") && detail.contains("“Correction: The harbour is open, says"), "{detail}");
        }
        let again = |n: usize, correction: &str| {
            let mut words = words(n);
            words["correction"] = json!(correction);
            words
        };
        desk.posts_once("key-7", &correct, &words(7)).await.fails(409, "corrected");
        let meant = join_all((8..10).map(|n| {
            let (desk, correct, words) = (&desk, &correct, again(n, &first));
            async move { desk.posts_once(&format!("key-{n}"), correct, &words).await.status }
        }));
        let mut meant = meant.await;
        meant.sort_unstable();
        assert_eq!(meant, [202, 409], "what is meant goes out once as well");
        stage.settle().await;
        stage.advance(2.seconds()).await;
        assert_eq!(stage.subjects(ADA).len(), 3, "{:?}", stage.subjects(ADA));
    }

    async fn a_correction_that_there_is_not_can_not_be_corrected_over(stage: Stage) {
        stage.imported(ADA).await;
        let issue = stage.alert("The harbour is closed").sent().await;
        let desk = stage.program("desk", Role::Editor).await;
        let words = json!({ "subject": "The harbour is open", "markdown": "We were wrong.", "correction": issue });
        let problem = desk.posts_once("key-1", &format!("/issues/{issue}/correct"), &words).await.fails(422, "");
        assert_eq!(problem["errors"][0]["pointer"], "/correction");
    }

    async fn two_pages_that_correct_the_same_send_one_correction_and_lead_to_it(stage: Stage) {
        stage.imported(ADA).await;
        let issue = stage.alert("The harbour is closed").sent().await;
        let (mut kim, mut eve) = (stage.editor("kim").await, stage.editor("eve").await);
        let live = format!("/admin/live/{issue}");
        let correct = format!("{live}/correct");
        let fields = "subject=The+harbour+is+open&body=It+was+never+closed.&link=&seen=";
        let (one, other) = tokio::join!(kim.sends(&live, &correct, fields), eve.sends(&live, &correct, fields));
        let (won, lost, winner) = if one.status == 303 { (one, other, "kim") } else { (other, one, "eve") };
        assert_eq!((won.status, lost.status), (303, 409), "{}", lost.body);
        let correction = won.header("location").split('?').next().unwrap().to_owned();
        lost.says(&format!("{winner}@example.org corrected it on "));
        lost.says("“Correction: The harbour is open”");
        assert!(lost.body.contains(&format!("href=\"{correction}\"")), "{}", lost.body);
        stage.settle().await;
        assert_eq!(stage.subjects(ADA), ["The harbour is closed", "Correction: The harbour is open"]);

        let seen = correction.rsplit('/').next().unwrap();
        let again = kim.sends(&live, &correct, &format!("{fields}{seen}")).await;
        assert_eq!(again.status, 303, "once more is possible, for who has seen it: {}", again.body);
    }

    async fn a_digest_made_after_a_correction_says_what_is_right(stage: Stage) {
        stage.reader_of(ADA, "alerts=on&digest=daily").await;
        stage.imported_silent(&[EVE]).await;
        stage.pushes("harbour", "The harbour is closed", true).await;
        stage.pushes("bridge", "The bridge is open", false).await;
        stage.settle().await;
        let issue = stage.newest(ADA).text();
        let issue = issue.split("/a/").nth(1).unwrap().lines().next().unwrap().trim().parse().unwrap();
        corrects(&stage, issue, "The harbour is shut on Sundays").await;
        corrected(&stage, issue).await;
        stage.advance_to("2026-10-31T07:00:00Z").await;

        let told = stage.newest(EVE);
        assert_eq!(told.subject(), "The bridge is open and 1 more");
        let (text, html) = (told.text(), told.html());
        assert!(text.contains("CORRECTED\nThe harbour is open") && text.contains("What we said was wrong."), "{text}");
        assert!(html.contains(">Corrected<") && html.contains("The harbour is open"), "{html}");
        let had = stage.newest(ADA).text();
        assert!(had.contains("Corrected: The harbour is open"), "{had}");
        for digest in [text, html, had] {
            assert!(!digest.contains("harbour is closed") && !digest.contains("In short: The harbour"), "{digest}");
            assert!(!digest.contains("on Sundays"), "the newest correction counts: {digest}");
            assert!(!digest.contains("CORRECTED\nThe bridge"), "{digest}");
        }
    }

    async fn who_missed_an_alert_finds_what_is_right_of_it(stage: Stage) {
        stage.imported_all(&[ADA]).await;
        let issue = stage.alert("The harbour is closed").expires_in(1.minutes()).accepted().await.id;
        stage.cx.clock.advance(2.minutes());
        stage.settle().await;
        assert!(stage.subjects(ADA).is_empty(), "it was too late");
        corrected(&stage, issue).await;
        stage.advance_to("2026-10-31T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["Corrected: The harbour is open"]);
        let text = stage.newest(ADA).text();
        assert!(text.contains("What we said was wrong.") && !text.contains("closed"), "{text}");
    }
}
