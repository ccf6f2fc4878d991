//! The desk: an alert is written, looked at, released by typing how many it goes to, and can be undone while it is held.

use std::time::Duration;

use bellwether::domain::role::Role;
use bellwether::publishing::desk;
use serde_json::json;
use uuid::Uuid;

use crate::stage::{Colleague, Page, Setup, Span, Stage, both, form_token};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";
const READY: &str = "subject=Polls+are+closed&body=First+counts+at+nine.&link=https%3A%2F%2Fsite.example.org%2Fpolls&topic=election-alerts&level=all";

/// A new draft with this in it; its path.
async fn writes(colleague: &mut Colleague<'_>, text: &str) -> String {
    let page = colleague.sends("/admin/desk", "/admin/desk", "").await;
    assert_eq!(page.status, 303, "{}", page.body);
    let path = page.header("location").to_owned();
    assert_eq!(saves(colleague, &path, text).await.status, 303);
    path
}

/// Saves as a browser without scripts does: with the form's own base.
async fn saves(colleague: &mut Colleague<'_>, path: &str, text: &str) -> Page {
    let page = colleague.opens(path).await;
    let base = base_of(&page);
    posts_text(colleague, path, &page, &base, text).await
}

async fn posts_text(colleague: &mut Colleague<'_>, path: &str, page: &Page, base: &str, text: &str) -> Page {
    let base: String = url::form_urlencoded::byte_serialize(base.as_bytes()).collect();
    colleague.posts(path, &format!("csrf={}&base={base}&{text}", form_token(&page.body))).await
}

fn base_of(page: &Page) -> String {
    let html = scraper::Html::parse_document(&page.body);
    let input = scraper::Selector::parse("input[name=base]").unwrap();
    html.select(&input).next().unwrap().value().attr("value").unwrap().to_owned()
}

fn version_of(page: &Page) -> String {
    let html = scraper::Html::parse_document(&page.body);
    let input = scraper::Selector::parse("input[name=version]").unwrap();
    html.select(&input).next().unwrap().value().attr("value").unwrap().to_owned()
}

/// Looks at the draft and types the number.
async fn releases(colleague: &mut Colleague<'_>, path: &str, typed: &str) -> Page {
    let page = colleague.opens(path).await;
    let fields = format!("csrf={}&version={}&audience={typed}", form_token(&page.body), version_of(&page));
    colleague.posts(&format!("{path}/release"), &fields).await
}

fn issue_of(page: &Page) -> Uuid {
    assert_eq!(page.status, 303, "{}", page.body);
    page.header("location").strip_prefix("/admin/live/").unwrap().parse().unwrap()
}

both! {
    async fn what_must_not_go_out_goes_by_no_other_way(stage: Stage) {
        stage.imported(ADA).await;
        let program = stage.program("site", Role::Owner).await;
        let alert = |text: &str| json!({ "subject": "Polls", "markdown": text, "topics": ["election-alerts"] });
        let refused = program.posts_once("a", "/alerts", &alert("DO NOT PUBLISH before nine.")).await;
        assert_eq!(refused.status, 422, "{:?}", refused.body);
        let mut dry = alert("This is a TEST.");
        dry["dry_run"] = json!(true);
        assert_eq!(program.posts("/alerts", &dry).await.status, 422, "a dry run says so");
        stage.pushes("a", "TEST of the new site", true).await;
        stage.pushes("b", "Contests are open", true).await;
        stage.settle().await;
        assert_eq!(stage.subjects(ADA), ["Contests are open"], "a part of a word is none of it");

        let issue = stage.alert("Polls close at eight").sent().await;
        let wrong = json!({ "subject": "TEST", "markdown": "They close at nine." });
        let path = format!("/issues/{issue}/correct");
        assert_eq!(program.posts_once("c", &path, &wrong).await.status, 422);
        stage.settle().await;
        assert_eq!(stage.subjects(ADA).len(), 2);
    }

    async fn an_alert_is_written_released_by_its_number_and_leaves_when_the_hold_is_over(stage: Stage) {
        stage.imported_all(&[ADA, EVE]).await;
        let mut editor = stage.editor("kim").await;
        let path = writes(&mut editor, READY).await;
        let page = editor.opens(&path).await;
        page.says("2 get alerts");
        let issue = issue_of(&releases(&mut editor, &path, "2").await);

        stage.settle().await;
        editor.opens(&format!("/admin/live/{issue}")).await.says("Nobody has it yet");
        stage.advance(29.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "", "it is held");
        stage.advance(1.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "2 sent");
        assert_eq!(stage.subjects(ADA), ["Polls are closed"]);
        editor.opens(&format!("/admin/live/{issue}")).await.says("Everybody has it");
        let changes = stage.changes().await;
        assert!(changes.iter().any(|it| it.starts_with("kim@example.org: released draft")), "{changes:?}");
        assert_eq!(saves(&mut editor, &path, READY).await.status, 409, "a released draft is closed");
    }

    async fn who_comes_in_the_hold_does_not_make_it_go_to_more_than_were_counted(stage: Stage) {
        stage.imported_all(&[ADA, EVE]).await;
        let mut editor = stage.editor("kim").await;
        let path = writes(&mut editor, READY).await;
        let issue = issue_of(&releases(&mut editor, &path, "2").await);
        let late: Vec<_> = (0..300).map(|n| format!("late{n}@example.net")).collect();
        stage.imported_all(&late).await;
        stage.advance(30.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "2 sent");
        assert_eq!(stage.subjects("late7@example.net").len(), 0);
    }

    async fn who_undoes_in_the_hold_has_the_draft_back_and_nobody_got_it(stage: Stage) {
        stage.imported(ADA).await;
        let mut editor = stage.editor("kim").await;
        let path = writes(&mut editor, READY).await;
        let issue = issue_of(&releases(&mut editor, &path, "1").await);
        let live = format!("/admin/live/{issue}");
        let page = editor.sends(&live, &format!("{live}/undo"), "").await;
        assert_eq!(page.header("location"), format!("{path}?done=undone"));
        stage.advance(1.hour()).await;
        assert!(stage.subjects(ADA).is_empty());
        assert_eq!(stage.issue(issue).await.state.to_string(), "cancelled");
        editor.opens("/admin/issues").await.says("before anyone got it");
        let page = editor.opens(&format!("/admin/issues/{issue}")).await;
        page.says("before anyone got it");
        assert!(!page.body.contains("stopped") && !page.body.contains(">Follow, stop"), "{}", page.body);
        let page = editor.opens(&live).await;
        page.says("Undone. Nobody got it.");
        assert!(page.body.contains("data-links hidden"), "its page for readers is none");
        assert_eq!(stage.open(&format!("/a/{issue}")).await.status, 404);

        let again = issue_of(&releases(&mut editor, &path, "1").await);
        let late = format!("/admin/live/{again}");
        stage.advance(30.seconds()).await;
        let page = editor.sends(&live, &format!("{late}/undo"), "").await;
        assert_eq!(page.header("location"), format!("{late}?done=too-late"));
        assert_eq!(stage.subjects(ADA), ["Polls are closed"]);
    }

    async fn a_number_that_is_not_the_audience_is_asked_again(stage: Stage) {
        stage.imported_all(&[ADA, EVE]).await;
        let mut editor = stage.editor("kim").await;
        let path = writes(&mut editor, READY).await;
        for (typed, status) in [("3", 409), ("1", 409), ("many", 422), ("", 422)] {
            assert_eq!(releases(&mut editor, &path, typed).await.status, status, "{typed}");
        }
        releases(&mut editor, &path, "3").await.says("It goes to 2 readers now, and 3 was typed");
        stage.advance(1.hour()).await;
        assert!(stage.subjects(ADA).is_empty());
    }

    async fn the_audience_may_move_by_one_in_a_hundred_and_no_more(stage: Stage) {
        let readers: Vec<_> = (0..200).map(|n| format!("reader{n}@example.com")).collect();
        stage.imported_all(&readers).await;
        let mut editor = stage.editor("kim").await;
        let path = writes(&mut editor, READY).await;
        stage.imported_all(&["one@example.com", "two@example.com", "three@example.com"]).await;
        releases(&mut editor, &path, "200").await.says("It goes to 203 readers now");
        stage.leaves("three@example.com").await;
        issue_of(&releases(&mut editor, &path, "200").await);
    }

    async fn while_somebody_types_readers_are_counted_now_and_then_and_for_a_release_anew(stage: Stage) {
        stage.imported(ADA).await;
        let mut editor = stage.editor("kim").await;
        let path = writes(&mut editor, READY).await;
        let id = path.rsplit('/').next().unwrap().parse().unwrap();
        let written = desk::find(&stage.cx, id).await.unwrap().unwrap();
        let counts = async |meanwhile: bool| {
            let look = match meanwhile {
                true => desk::look_meanwhile(&stage.cx, &written, ADA).await,
                false => desk::look(&stage.cx, &written, ADA).await,
            };
            look.unwrap().audience
        };
        assert_eq!(counts(true).await, 1);
        stage.imported(EVE).await;
        assert_eq!(counts(true).await, 1, "as it was counted a moment ago");
        assert_eq!(counts(false).await, 2);
        stage.imported("cy@example.com").await;
        stage.cx.clock.advance(16.seconds());
        assert_eq!(counts(true).await, 3, "a count gets old");
        stage.imported("dot@example.com").await;
        releases(&mut editor, &path, "3").await.says("It goes to 4 readers now");
    }

    async fn what_is_not_ready_or_marked_is_not_released(stage: Stage) {
        stage.imported(ADA).await;
        let mut editor = stage.editor("kim").await;
        let stands = [
            ("subject=&body=Words.&topic=election-alerts&level=all", "It has no subject"),
            ("subject=Polls&body=&topic=election-alerts&level=all", "It has no text"),
            ("subject=Polls&body=Words.&level=all", "Choose at least one topic"),
            ("subject=TEST+polls&body=Words.&topic=election-alerts&level=all", "“TEST” stands in it"),
            ("subject=Polls&body=DO+NOT+**PUBLISH**&topic=election-alerts&level=all", "“DO NOT PUBLISH” stands in it"),
            ("subject=Polls&body=Words.&link=nowhere&topic=election-alerts&level=all", "The link is no web address"),
        ];
        for (text, warning) in stands {
            let path = writes(&mut editor, text).await;
            editor.opens(&path).await.says(warning);
            let page = releases(&mut editor, &path, "1").await;
            assert_eq!(page.status, 409, "{warning}: {}", page.body);
        }
        stage.advance(1.hour()).await;
        assert!(stage.subjects(ADA).is_empty());
    }

    async fn what_was_changed_after_the_look_is_not_released(stage: Stage) {
        stage.imported(ADA).await;
        let (mut kim, mut lou) = (stage.editor("kim").await, stage.editor("lou").await);
        let path = writes(&mut kim, READY).await;
        let looked = kim.opens(&path).await;
        assert_eq!(saves(&mut lou, &path, &READY.replace("closed", "open")).await.status, 303);
        let fields = format!("csrf={}&version={}&audience=1", form_token(&looked.body), version_of(&looked));
        let page = kim.posts(&format!("{path}/release"), &fields).await;
        assert_eq!(page.status, 409);
        page.says("changed since you looked at it");
    }

    async fn two_who_write_at_once_lose_nothing(stage: Stage) {
        let (mut kim, mut lou) = (stage.editor("kim").await, stage.editor("lou").await);
        let path = writes(&mut kim, READY).await;
        let (kims, lous) = (kim.opens(&path).await, lou.opens(&path).await);
        let base = base_of(&kims);
        let with_text = READY.replace("First+counts+at+nine.", "First+counts+at+ten.");
        assert_eq!(posts_text(&mut kim, &path, &kims, &base, &with_text).await.status, 303);
        let with_subject = READY.replace("closed", "open");
        assert_eq!(posts_text(&mut lou, &path, &lous, &base, &with_subject).await.status, 303);
        let both = kim.opens(&path).await;
        both.says("First counts at ten.");
        both.says("Polls are open");

        let clash = READY.replace("closed", "shut");
        let page = posts_text(&mut kim, &path, &both, &base, &clash).await;
        assert_eq!(page.status, 409, "both changed the subject");
        page.says("Somebody else changed the subject");
    }

    async fn where_two_people_are_asked_for_nobody_releases_their_own(setup: Setup) {
        let stage = setup.with("newsroom.two_person", "[\"critical\"]").with("newsroom.hold", "3s").open().await;
        stage.imported(ADA).await;
        let (mut kim, mut lou) = (stage.editor("kim").await, stage.editor("lou").await);
        let path = writes(&mut kim, &READY.replace("level=all", "level=critical")).await;
        let own = kim.opens(&path).await;
        own.says("Somebody who wrote none of it has to release");
        assert_eq!(kim.sends(&path, &format!("{path}/ask"), "").await.status, 303);
        lou.opens("/admin/desk").await.says("waits for release");
        let version = version_of(&lou.opens(&path).await);
        let fields = format!("csrf={}&version={version}&audience=1", form_token(&own.body));
        let page = kim.posts(&format!("{path}/release"), &fields).await;
        assert_eq!(page.status, 409, "also not past the page");

        let issue = issue_of(&releases(&mut lou, &path, "1").await);
        stage.advance(3.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "1 sent", "two looked at it, so the hold is as short as configured");
    }

    async fn an_owner_is_no_second_person_to_what_their_own_program_wrote(setup: Setup) {
        let stage = setup.with("newsroom.two_person", "[\"critical\"]").open().await;
        stage.imported(ADA).await;
        let (mut grace, mut lou) = (stage.owner("grace").await, stage.editor("lou").await);
        let page = grace.fills_in("/admin/tokens", "name=Mine&role=owner&days=0").await;
        let token = page.body.split("bw_").nth(1).unwrap().split('<').next().unwrap().to_owned();
        let theirs = stage.program("other", Role::Owner).await.with(&format!("bw_{token}"));
        // A token that this one made is hers as well.
        let more = theirs.posts("/tokens", &json!({ "name": "more", "role": "editor" })).await.is(201);
        for program in [theirs.with(&format!("bw_{token}")), theirs.with(more["token"].as_str().unwrap())] {
            let text = json!({
                "subject": "Polls are closed", "markdown": "First counts at nine.", "level": "critical", "topics": ["election-alerts"],
            });
            let draft = program.posts("/drafts", &text).await.is(201);
            let path = format!("/admin/desk/{}", draft["id"].as_str().unwrap());
            grace.opens(&path).await.says("Somebody who wrote none of it has to release");
            assert!(lou.opens(&path).await.body.contains("name=\"audience\""), "a second person may");
        }
    }

    async fn one_person_alone_waits_ten_seconds_at_least(setup: Setup) {
        let stage = setup.with("newsroom.hold", "3s").open().await;
        stage.imported(ADA).await;
        let mut editor = stage.editor("kim").await;
        let path = writes(&mut editor, READY).await;
        let issue = issue_of(&releases(&mut editor, &path, "1").await);
        stage.advance(9.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "");
        stage.advance(1.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
    }

    async fn a_contributor_writes_and_asks_and_does_not_release(stage: Stage) {
        stage.imported(ADA).await;
        let mut contributor = stage.contributor("sam").await;
        let path = writes(&mut contributor, READY).await;
        let page = contributor.opens(&path).await;
        let fields = format!("csrf={}&version=2&audience=1", form_token(&page.body));
        assert_eq!(contributor.posts(&format!("{path}/release"), &fields).await.status, 403);
        assert_eq!(contributor.sends(&path, &format!("{path}/ask"), "").await.status, 303);
        let mut editor = stage.editor("kim").await;
        editor.opens(&path).await.says("sam@example.org asks for its release");
        issue_of(&releases(&mut editor, &path, "1").await);
    }

    async fn a_short_absence_in_the_hold_sends_it_and_a_long_one_asks_again(stage: Stage) {
        stage.imported(ADA).await;
        let mut editor = stage.editor("kim").await;
        let path = writes(&mut editor, READY).await;
        issue_of(&releases(&mut editor, &path, "1").await);
        let stage = stage.restarted().await;
        stage.advance(90.seconds()).await;
        assert_eq!(stage.subjects(ADA), ["Polls are closed"]);

        let mut editor = stage.browser("kim");
        editor.signs_in(crate::stage::PASSWORD).await;
        let second = READY.replace("closed", "open");
        let path = writes(&mut editor, &second).await;
        let issue = issue_of(&releases(&mut editor, &path, "1").await);
        let stage = stage.restarted().await;
        stage.advance(3.hours()).await;
        assert_eq!(stage.subjects(ADA), ["Polls are closed"], "the service was away for hours: it is not sent");
        assert_eq!(stage.issue(issue).await.state.to_string(), "cancelled");
        let mut editor = stage.browser("kim");
        editor.signs_in(crate::stage::PASSWORD).await;
        editor.opens(&path).await.says("the service was down when its hold ended");
    }

    async fn what_is_stopped_stays_stopped(setup: Setup) {
        let stage = setup.with("relays.0.rate", "1").open().await;
        let readers: Vec<_> = (0..20).map(|n| format!("reader{n}@example.com")).collect();
        stage.imported_all(&readers).await;
        let mut editor = stage.editor("kim").await;
        let path = writes(&mut editor, READY).await;
        let issue = issue_of(&releases(&mut editor, &path, "20").await);
        stage.cx.clock.advance(30.seconds());
        stage.prepare().await;
        let live = format!("/admin/live/{issue}");
        assert_eq!(editor.sends(&live, &format!("{live}/stop"), "").await.header("location"), format!("{live}?done=stopped"));
        let stage = stage.restarted().await;
        stage.live(2.minutes(), Duration::from_secs(10)).await;
        assert_eq!(stage.outcome(issue).await, "20 cancelled");
        assert!(readers.iter().all(|reader| stage.subjects(reader).is_empty()));
    }

    async fn a_draft_from_a_post_has_its_words_and_alerts_it(stage: Stage) {
        stage.imported(ADA).await;
        stage.pushes("count", "The first count", false).await;
        let mut editor = stage.editor("kim").await;
        let desk = editor.opens("/admin/desk").await;
        let html = scraper::Html::parse_document(&desk.body);
        let post = scraper::Selector::parse("input[name=post]").unwrap();
        let post = html.select(&post).next().unwrap().value().attr("value").unwrap().to_owned();
        let made = editor.sends("/admin/desk", "/admin/desk", &format!("post={post}")).await;
        let path = made.header("location").to_owned();
        let page = editor.opens(&path).await;
        page.says("In short: The first count.");
        issue_of(&releases(&mut editor, &path, "1").await);
        stage.advance(30.seconds()).await;
        assert_eq!(stage.subjects(ADA), ["The first count"]);
        let again = editor.sends("/admin/desk", "/admin/desk", &format!("post={post}")).await;
        let again = again.header("location").to_owned();
        editor.opens(&again).await.says("This post was alerted before");
    }

    async fn a_test_goes_to_whoever_asks_and_to_nobody_else(stage: Stage) {
        stage.imported(ADA).await;
        let mut editor = stage.editor("kim").await;
        let path = writes(&mut editor, READY).await;
        assert_eq!(editor.sends(&path, &format!("{path}/test"), "").await.status, 303);
        stage.settle().await;
        assert_eq!(stage.newest("kim@example.org").subject(), "[Test] Polls are closed");
        assert!(stage.subjects(ADA).is_empty());
    }

    async fn who_may_not_release_throws_away_only_what_they_wrote_in(stage: Stage) {
        let (mut editor, mut sam) = (stage.editor("kim").await, stage.contributor("sam").await);
        let path = writes(&mut editor, READY).await;
        assert!(!sam.opens(&path).await.body.contains("Throw away"));
        let refused = sam.sends(&path, &format!("{path}/discard"), "").await;
        assert_eq!(refused.status, 403);
        refused.says("Only who wrote in it, or may release it, throws a draft away.");
        let writer = stage.program("writer", Role::Contributor).await;
        let draft = format!("/drafts/{}", path.rsplit('/').next().unwrap());
        let problem = writer.deletes(&draft).await.fails(403, "role");
        assert_eq!(problem["roles"], json!(["owner", "editor"]));
        editor.opens("/admin/desk").await.says("Polls are closed");

        let own = writes(&mut sam, READY).await;
        sam.opens(&own).await.says("Throw away");
        sam.sends(&own, &format!("{own}/discard"), "").await;
        sam.opens(&own).await.says("This draft is in the bin");
        let begun = writer.posts("/drafts", &json!({ "subject": "Ours" })).await.is(201);
        writer.deletes(&format!("/drafts/{}", begun["id"].as_str().unwrap())).await.is(200);
        let desk = stage.program("desk", Role::Editor).await;
        desk.deletes(&draft).await.is(200);
    }

    async fn a_release_answers_to_how_many_it_goes_and_not_what_was_typed(stage: Stage) {
        let readers: Vec<_> = (0..200).map(|n| format!("reader{n}@example.com")).collect();
        stage.imported_all(&readers).await;
        let desk = stage.program("desk", Role::Editor).await;
        let text = json!({ "subject": "Polls are closed", "markdown": "At last.", "topics": ["election-alerts"] });
        let draft = desk.posts("/drafts", &text).await.is(201);
        let release = format!("/drafts/{}/release", draft["id"].as_str().unwrap());
        for typed in [json!(20.0), json!("200"), json!(null)] {
            desk.posts_once("key-0", &release, &json!({ "audience": typed })).await.fails(422, "");
        }
        let held = desk.posts_once("key-1", &release, &json!({ "audience": 199 })).await.is(202);
        assert_eq!(held["audience"], 200, "{held}");
        assert_eq!(desk.posts_once("key-1", &release, &json!({ "audience": 199 })).await.is(202), held);
        let issue = held["id"].as_str().unwrap();
        assert_eq!(desk.gets(&format!("/issues/{issue}/progress")).await.is(200)["audience"], 200);
    }

    async fn a_number_is_typed_as_it_stands_there_or_refused(stage: Stage) {
        let readers: Vec<_> = (0..200).map(|n| format!("reader{n}@example.com")).collect();
        stage.imported_all(&readers).await;
        let mut editor = stage.editor("kim").await;
        let path = writes(&mut editor, READY).await;
        for typed in ["20.0", "%2B200", "200%2C", "-200", "2e2", "", "200+readers"] {
            let page = releases(&mut editor, &path, typed).await;
            assert_eq!(page.status, 422, "{typed}");
            page.says("Type the number of readers as it stands here.");
        }
        assert_eq!(releases(&mut editor, &path, "+200+").await.status, 303);
    }

    async fn a_hold_says_its_seconds_and_is_ten_at_least_for_who_releases_alone(setup: Setup) {
        let stage = setup.with("newsroom.hold", "1s").open().await;
        stage.imported(ADA).await;
        let (mut editor, mut grace) = (stage.editor("kim").await, stage.editor("grace").await);
        let path = writes(&mut editor, READY).await;
        editor.opens(&path).await.says("It is held for 10 seconds, and can be undone");
        grace.opens(&path).await.says("It is held for 1 second, and can be undone");
        let issue = issue_of(&releases(&mut editor, &path, "1").await);
        stage.advance(9.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "", "one person alone has ten seconds");
        editor.opens(&format!("/admin/live/{issue}")).await.says("<span data-seconds>seconds</span>");
        stage.advance(1.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "1 sent");

        let path = writes(&mut editor, READY).await;
        let issue = issue_of(&releases(&mut grace, &path, "1").await);
        grace.opens(&format!("/admin/live/{issue}")).await.says("<span data-seconds>second");
        stage.advance(1.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
    }

    async fn what_is_thrown_away_can_be_taken_back(stage: Stage) {
        let mut editor = stage.editor("kim").await;
        let path = writes(&mut editor, READY).await;
        editor.sends(&path, &format!("{path}/discard"), "").await;
        editor.opens("/admin/desk").await.says("No draft is open");
        editor.sends(&path, &format!("{path}/restore"), "").await;
        editor.opens("/admin/desk").await.says("Polls are closed");
    }
}
