//! One issue is paused and goes on: nobody gets it meanwhile, and nobody is lost.

use bellwether::audit::Actor;
use bellwether::delivering::Until;
use bellwether::domain::{delivery, role::Role, subscription::Digest};
use bellwether::publishing::{
    self,
    correcting::{self, Corrected, Correction},
    pausing::{self, Paused, Resumed},
};
use bellwether::store;
use serde_json::json;
use uuid::Uuid;

use crate::stage::{Setup, Span, Stage, both};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";
const CLOSED: &str = "The harbour is closed";

fn kim() -> Actor {
    Actor::user("kim@example.org", "")
}

async fn pauses(stage: &Stage, issue: Uuid) -> Paused {
    pausing::pause(&stage.cx, &kim(), issue).await.unwrap()
}

async fn resumes(stage: &Stage, issue: Uuid) -> Resumed {
    pausing::resume(&stage.cx, &kim(), issue).await.unwrap()
}

fn eight() -> Vec<String> {
    (0..8).map(|n| format!("reader{n}@example.com")).collect()
}

/// How many have it, and that nobody has it twice.
fn had(stage: &Stage, readers: &[String]) -> usize {
    let counts: Vec<_> = readers.iter().map(|reader| stage.subjects(reader).len()).collect();
    assert!(counts.iter().all(|count| *count <= 1), "{counts:?}");
    counts.iter().sum()
}

/// An alert that has begun to go out to eight, one a second.
async fn begun(setup: Setup) -> (Stage, Uuid, usize) {
    let stage = setup.with("relays.0.rate", "1").open().await;
    stage.imported_all(&eight()).await;
    let issue = stage.alert(CLOSED).queued().await;
    stage.deliver().await;
    let before = had(&stage, &eight());
    assert!(before > 0 && before < 8, "{before}");
    (stage, issue, before)
}

both! {
    async fn a_paused_alert_waits_over_a_restart_and_everybody_has_it_once_in_the_end(setup: Setup) {
        let (stage, issue, before) = begun(setup).await;
        assert_eq!(pauses(&stage, issue).await, Paused::Now);
        assert_eq!(pauses(&stage, issue).await, Paused::Already);
        // Killed before its mail was put by: the claim asks, and after that it is put by.
        let stage = stage.restarted().await;
        stage.engine.pump(Until::Idle).await.unwrap();
        assert_eq!(had(&stage, &eight()), before);
        stage.live(1.hour(), 1.minutes()).await;
        assert_eq!(had(&stage, &eight()), before);
        assert_eq!(stage.outcome(issue).await, format!("{} deferred, {before} sent", 8 - before));

        assert_eq!(resumes(&stage, issue).await, Resumed::Now);
        assert_eq!(resumes(&stage, issue).await, Resumed::Already);
        // Killed before any of it was queued again.
        let stage = stage.restarted().await;
        stage.live(1.minutes(), 5.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "8 sent");
        assert_eq!(had(&stage, &eight()), 8);
        assert_eq!(stage.issue(issue).await.state.to_string(), "sent");
        let changes = stage.changes().await;
        for action in ["paused", "resumed"] {
            assert_eq!(changes.iter().filter(|it| it.starts_with(&format!("kim@example.org: {action} issue"))).count(), 1, "{changes:?}");
        }
    }

    async fn what_is_not_written_out_yet_is_not_while_it_is_paused_and_others_go_by(stage: Stage) {
        stage.imported_all(&[ADA, EVE]).await;
        let issue = stage.alert(CLOSED).accepted().await.id;
        pauses(&stage, issue).await;
        stage.alert("Something else").sent().await;
        stage.live(10.minutes(), 1.minutes()).await;
        assert_eq!((stage.outcome(issue).await.as_str(), stage.subjects(ADA)), ("", vec!["Something else".to_owned()]));
        stage.leaves(EVE).await;
        resumes(&stage, issue).await;
        stage.advance(1.seconds()).await;
        assert_eq!(stage.subjects(ADA), ["Something else", CLOSED]);
        assert_eq!(stage.subjects(EVE), ["Something else"], "they left meanwhile");
    }

    async fn who_leaves_while_it_is_paused_does_not_get_it(setup: Setup) {
        let (stage, issue, before) = begun(setup).await;
        pauses(&stage, issue).await;
        stage.advance(1.minutes()).await;
        let leaver = eight().into_iter().find(|reader| stage.subjects(reader).is_empty()).unwrap();
        stage.leaves(&leaver).await;
        resumes(&stage, issue).await;
        stage.live(1.minutes(), 5.seconds()).await;
        assert!(before < 8 && stage.subjects(&leaver).is_empty());
        assert_eq!(stage.outcome(issue).await, "1 cancelled, 7 sent");
    }

    async fn what_was_put_off_is_not_tried_again_while_it_is_paused(stage: Stage) {
        let late = "451-2-ada@example.org";
        stage.imported(late).await;
        let issue = stage.alert(CLOSED).sent().await;
        assert_eq!(stage.outcome(issue).await, "1 deferred");
        pauses(&stage, issue).await;
        stage.live(2.hours(), 5.minutes()).await;
        assert_eq!(stage.outcome(issue).await, "1 deferred");
        resumes(&stage, issue).await;
        stage.live(10.minutes(), 5.seconds()).await;
        assert_eq!((stage.outcome(issue).await.as_str(), stage.subjects(late).len()), ("1 sent", 1));
    }

    async fn a_paused_alert_is_stopped_for_good(setup: Setup) {
        let (stage, issue, before) = begun(setup).await;
        pauses(&stage, issue).await;
        stage.cancels(issue).await;
        // Killed before anything was called off.
        let stage = stage.restarted().await;
        assert_eq!(resumes(&stage, issue).await, Resumed::Already);
        assert_eq!(pauses(&stage, issue).await, Paused::NotUnderWay);
        stage.live(1.hour(), 1.minutes()).await;
        assert_eq!(stage.outcome(issue).await, format!("{} cancelled, {before} sent", 8 - before));
        assert_eq!(had(&stage, &eight()), before);
    }

    async fn a_correction_of_a_paused_alert_reaches_who_had_it_and_nobody_else(setup: Setup) {
        let (stage, issue, before) = begun(setup).await;
        pauses(&stage, issue).await;
        stage.advance(1.minutes()).await;
        let with_it: Vec<_> = eight().into_iter().filter(|reader| !stage.subjects(reader).is_empty()).collect();
        let words = Correction { subject: "The harbour is open".to_owned(), body: "We were wrong.".to_owned(), link: None, seen: None };
        let corrected = correcting::correct(&stage.cx, &kim(), issue, &words, None).await.unwrap();
        assert!(matches!(corrected, Corrected::Now(_)));
        let stage = stage.restarted().await;
        stage.live(2.minutes(), 5.seconds()).await;
        assert_eq!(with_it.len(), before);
        for reader in eight() {
            let expected = if with_it.contains(&reader) { 2 } else { 0 };
            assert_eq!(stage.subjects(&reader).len(), expected, "{reader}");
        }
    }

    async fn an_alert_that_is_of_no_use_any_more_goes_into_the_digest_and_to_nobody(setup: Setup) {
        let stage = setup.with("relays.0.rate", "1").open().await;
        stage.imported_all(&eight()).await;
        let issue = stage.alert(CLOSED).expires_in(1.hour()).queued().await;
        stage.deliver().await;
        let before = had(&stage, &eight());
        pauses(&stage, issue).await;
        stage.live(1.hour(), 5.minutes()).await;
        assert!(stage.issue(issue).await.paused_at.is_some(), "all nodes must agree on it");
        stage.live(10.minutes(), 1.minutes()).await;
        assert_eq!(stage.outcome(issue).await, format!("{} expired, {before} sent", 8 - before));
        assert_eq!(had(&stage, &eight()), before);
    }

    async fn a_digest_is_paused_as_well(stage: Stage) {
        stage.reader(ADA).await;
        stage.pushes("a", "The count begins", false).await;
        let digest = publishing::publish_digest(&stage.cx, Digest::Daily).await.unwrap().unwrap();
        assert_eq!(pauses(&stage, digest).await, Paused::Now);
        stage.advance(1.minutes()).await;
        assert!(stage.subjects(ADA).is_empty());
        resumes(&stage, digest).await;
        stage.advance(1.seconds()).await;
        assert_eq!(stage.subjects(ADA), ["The count begins"]);
    }

    async fn the_pages_show_the_pause_and_both_buttons(setup: Setup) {
        let (stage, issue, _) = begun(setup).await;
        let mut editor = stage.editor("kim").await;
        let live = format!("/admin/live/{issue}");
        let page = editor.sends(&live, &format!("{live}/pause"), "").await;
        assert_eq!(page.header("location"), format!("{live}?done=paused"));
        editor.opens(&live).await.says("Paused. Nobody more gets it.");
        editor.opens("/admin/issues").await.says("paused");
        editor.opens("/admin").await.says("nobody gets it until somebody resumes it");
        let mut tx = stage.cx.db.read().await.unwrap();
        let found = store::issues::by_public_id(&mut tx, issue).await.unwrap().unwrap();
        let waiting = store::deliveries::page(&mut tx, found.id, Some(delivery::State::Queued), 0, 1).await.unwrap();
        drop(tx);
        editor.opens(&format!("/admin/deliveries/{}", waiting[0].id)).await.says("Its issue is paused since");
        stage.advance(1.seconds()).await;
        editor.opens(&format!("/admin/deliveries/{}", waiting[0].id)).await.says("put by until its issue goes on");
        let page = editor.sends(&live, &format!("{live}/resume"), "").await;
        assert_eq!(page.header("location"), format!("{live}?done=resumed"));
        let page = editor.sends(&live, &format!("{live}/resume"), "").await;
        assert_eq!(page.header("location"), format!("{live}?done=not-under-way"));
        stage.live(1.minutes(), 5.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "8 sent");
    }

    async fn programs_pause_resume_and_correct(setup: Setup) {
        let (stage, issue, before) = begun(setup).await;
        let desk = stage.program("desk", Role::Editor).await;
        let path = format!("/issues/{issue}");
        desk.posts(&format!("{path}/resume"), &json!({})).await.fails(409, "");
        let paused = desk.posts(&format!("{path}/pause"), &json!({})).await.is(200);
        assert_eq!(paused["paused_at"], json!(stage.now()), "{paused}");
        desk.posts(&format!("{path}/pause"), &json!({})).await.is(200);
        stage.live(1.minutes(), 5.seconds()).await;
        assert_eq!(had(&stage, &eight()), before);
        assert_eq!(desk.posts(&format!("{path}/resume"), &json!({})).await.is(200)["paused_at"], json!(null));
        stage.live(1.minutes(), 5.seconds()).await;
        desk.posts(&format!("{path}/pause"), &json!({})).await.fails(409, "");
        desk.posts("/issues/7/pause", &json!({})).await.fails(404, "");
        desk.posts("/issues/7/resume", &json!({})).await.fails(404, "");

        let correct = format!("{path}/correct");
        let words = json!({ "subject": "The harbour is open", "markdown": "We were wrong.", "url": "https://site.example.org/" });
        desk.posts(&correct, &words).await.fails(400, "");
        for (field, value) in [("markdown", json!("<!-- -->")), ("subject", json!("a\r\nb")), ("url", json!("nowhere")), ("body", json!("x"))] {
            let mut wrong = words.clone();
            wrong[field] = value;
            desk.posts_once("key-0", &correct, &wrong).await.fails(422, "");
        }
        desk.posts_once("key-1", "/issues/7/correct", &words).await.fails(404, "");
        let writer = stage.program("writer", Role::Contributor).await;
        writer.posts_once("key-1", &correct, &words).await.fails(403, "role");
        let two = tokio::join!(desk.posts_once("key-1", &correct, &words), desk.posts_once("key-1", &correct, &words));
        assert_eq!(two.0, two.1, "two at once");
        let answer = two.0.is(202);
        stage.live(1.minutes(), 2.seconds()).await;
        assert_eq!(desk.posts_once("key-1", &correct, &words).await.is(202), answer);
        stage.live(1.minutes(), 2.seconds()).await;
        assert_eq!(stage.subjects("reader0@example.com"), [CLOSED, "Correction: The harbour is open"]);
        let correction = answer["id"].as_str().unwrap();
        desk.posts_once("key-2", &format!("/issues/{correction}/correct"), &words).await.fails(409, "");
    }

    async fn where_two_people_are_asked_for_no_token_corrects_alone(setup: Setup) {
        let stage = setup.with("newsroom.two_person", "[\"all\"]").open().await;
        stage.imported(ADA).await;
        let issue = stage.alert(CLOSED).sent().await;
        let desk = stage.program("desk", Role::Owner).await;
        let words = json!({ "subject": "The harbour is open", "markdown": "We were wrong." });
        desk.posts_once("key-1", &format!("/issues/{issue}/correct"), &words).await.fails(409, "second-person");
        stage.advance(1.minutes()).await;
        assert_eq!(stage.subjects(ADA), [CLOSED]);
    }

    async fn what_was_paused_for_days_is_not_given_up_for_that(stage: Stage) {
        let late = "451-2-late@example.com";
        stage.imported(late).await;
        let issue = stage.alert(CLOSED).expires_in(30.days()).sent().await;
        assert_eq!(stage.outcome(issue).await, "1 deferred");
        pauses(&stage, issue).await;
        stage.live(6.days(), 12.hours()).await;
        resumes(&stage, issue).await;
        stage.settle().await;
        assert_eq!(stage.relay.asked_for(late), 2);
        assert_eq!(stage.outcome(issue).await, "1 deferred", "its five days are not over");
        stage.advance(1.hour()).await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
    }

    async fn what_is_useful_until_a_time_is_so_over_a_pause(stage: Stage) {
        let late = "451-1-late@example.com";
        stage.imported(late).await;
        let issue = stage.alert(CLOSED).expires_in(1.hour()).sent().await;
        pauses(&stage, issue).await;
        stage.live(2.hours(), 10.minutes()).await;
        assert_eq!(stage.outcome(issue).await, "1 expired");
        assert_eq!(resumes(&stage, issue).await, Resumed::Already);
    }
}
