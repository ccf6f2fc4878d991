//! Newsletters: written by hand, released like an alert, at once or for a time, to everybody who wants mail on their topics.

use bellwether::audit::Actor;
use bellwether::domain::role::Role;
use bellwether::publishing::correcting::{self, Corrected, Correction};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{PASSWORD, Program, Setup, Span, Stage, both, form_token};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";

fn letter() -> Value {
    json!({
        "kind": "broadcast", "subject": "Our week", "topics": ["election-alerts"],
        "markdown": "## What we learned\n\n- One thing\n- Another\n\n![A map](https://site.example.org/map.png)\n\nSee [the count](https://site.example.org/count).",
    })
}

/// The same, to go out when a clock shows this.
fn letter_at(local: &str, zone: &str) -> Value {
    let mut letter = letter();
    letter["send_at"] = json!(local);
    letter["timezone"] = json!(zone);
    letter
}

/// Written and released by a program to so many; the issue.
async fn releases(desk: &Program<'_>, letter: &Value, audience: i64) -> (String, Uuid) {
    let draft = desk.posts("/drafts", letter).await.is(201);
    let path = format!("/drafts/{}", draft["id"].as_str().unwrap());
    let body = json!({ "audience": audience });
    let held = desk.posts_once(&path, &format!("{path}/release"), &body).await.is(202);
    (path, held["id"].as_str().unwrap().parse().unwrap())
}

both! {
    async fn a_newsletter_goes_to_everybody_who_wants_mail_on_its_topics(setup: Setup) {
        let stage = setup.topic("courts", "Courts").with("topics.0.public", "true").open().await;
        stage.reader_of(ADA, "topics=election-alerts&alerts=on&digest=none").await;
        stage.reader_of(EVE, "topics=election-alerts&digest=weekly").await;
        stage.reader_of("kim@example.com", "topics=courts&alerts=on").await;
        let desk = stage.program("desk", Role::Editor).await;
        let (_, issue) = releases(&desk, &letter(), 2).await;
        stage.advance(29.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "", "it is held");
        stage.advance(1.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "2 sent");

        for reader in [ADA, EVE] {
            let mail = stage.newest(reader);
            assert_eq!(mail.subject(), "Our week");
            assert!(mail.header("List-Unsubscribe-Post").is_some() && mail.header("List-Unsubscribe").is_some());
            let (text, html) = (mail.text(), mail.html());
            assert!(text.contains("What we learned") && text.contains("- One thing") && text.contains("A map"), "{text}");
            assert!(html.contains("What we learned</h2>") && html.contains("https://site.example.org/map.png"), "{html}");
            assert!(!html.contains("<img") && html.contains("Newsletter") && html.contains("because you asked for mail on Election alerts"));
            assert!(mail.link("unsubscribe").contains("/unsubscribe/"));
        }
        assert!(stage.inbox("kim@example.com").iter().all(|mail| mail.subject() != "Our week"));
        stage.open(&format!("/a/{issue}")).await.says("What we learned</h2>");
        stage.open("/archive").await.says("Our week");
        let shown = desk.gets(&format!("/issues/{issue}")).await.is(200);
        assert_eq!((&shown["kind"], &shown["public"]), (&json!("broadcast"), &json!(true)));
    }

    async fn a_newsletter_waits_for_its_time_on_its_own_clock_and_goes_to_who_reads_then(stage: Stage) {
        stage.imported_all(&[ADA, EVE]).await;
        let desk = stage.program("desk", Role::Editor).await;
        // On Sunday the clocks of New York go back: 7:00 is 12:00 UTC then, not 11:00.
        let (path, issue) = releases(&desk, &letter_at("2026-11-02T07:00", "America/New_York"), 2).await;
        let draft = desk.gets(&path).await.is(200);
        assert_eq!((&draft["goes_at"], &draft["state"]), (&json!("2026-11-02T12:00:00Z"), &json!("released")));
        assert_eq!(desk.gets(&format!("/issues/{issue}")).await.is(200)["held_until"], "2026-11-02T12:00:00Z");
        let mut editor = stage.editor("kim").await;
        editor.opens(&format!("/admin/live/{issue}")).await.says("It goes out on Mon 2 Nov 2026, 07:00 EST (America/New_York)");
        editor.opens("/admin/desk").await.says("Released, not gone yet");
        editor.opens("/admin/issues").await.says("to 2 readers, goes out 2 Nov 2026, 12:00 UTC");
        stage.imported("late@example.com").await;
        stage.leaves(EVE).await;
        stage.advance_to("2026-11-02T11:59:59Z").await;
        assert!(!stage.subjects(ADA).contains(&"Our week".to_owned()));
        stage.advance_to("2026-11-02T12:00:00Z").await;
        assert_eq!(stage.outcome(issue).await, "2 sent");
        assert_eq!(stage.newest(ADA).subject(), "Our week");
        assert_eq!(stage.newest("late@example.com").subject(), "Our week");
        let open = desk.posts(&format!("/issues/{issue}/undo"), &json!({})).await;
        open.fails(409, "");
    }

    async fn until_its_time_it_can_be_undone(stage: Stage) {
        stage.imported(ADA).await;
        let desk = stage.program("desk", Role::Editor).await;
        let (path, issue) = releases(&desk, &letter_at("2026-10-31T07:00", "UTC"), 1).await;
        stage.advance_to("2026-10-31T06:59:00Z").await;
        desk.posts(&format!("/issues/{issue}/undo"), &json!({})).await.is(200);
        assert_eq!(desk.gets(&path).await.is(200)["state"], "open");
        stage.advance(1.days()).await;
        assert!(stage.subjects(ADA).is_empty());
        assert_eq!(desk.gets(&path).await.is(200)["warnings"][0]["code"], "time-passed");
        let body = json!({ "audience": 1 });
        desk.posts_once("again", &format!("{path}/release"), &body).await.fails(409, "blocked");
    }

    async fn a_service_that_was_down_sends_it_up_to_six_hours_late_and_then_asks(setup: Setup) {
        let stage = setup.with("sender.operator", "operator@example.org").open().await;
        stage.imported(ADA).await;
        let desk = stage.program("desk", Role::Editor).await;
        let (_, first) = releases(&desk, &letter_at("2026-10-30T18:00", "UTC"), 1).await;
        stage.advance_to("2026-10-30T23:59:00Z").await;
        assert_eq!(stage.outcome(first).await, "1 sent");

        let (path, second) = releases(&desk, &letter_at("2026-10-31T18:00", "UTC"), 1).await;
        stage.advance_to("2026-11-01T00:01:00Z").await;
        assert_eq!(stage.issue(second).await.state.to_string(), "cancelled");
        assert_eq!(stage.subjects(ADA), ["Our week"], "once");
        assert_eq!(stage.newest("operator@example.org").subject(), "A released newsletter was not sent");
        let draft = desk.gets(&path).await.is(200);
        assert_eq!(draft["state"], "open");
        assert!(draft["note"].as_str().unwrap().contains("six hours"), "{draft}");
    }

    async fn an_alert_overtakes_a_newsletter_under_way(setup: Setup) {
        let stage = setup.with("relays.0.connections", "1").with("relays.0.rate", "1").open().await;
        let readers: Vec<_> = (0..20).map(|n| format!("reader{n}@example.com")).collect();
        stage.imported_all(&readers).await;
        let desk = stage.program("desk", Role::Editor).await;
        let (_, issue) = releases(&desk, &letter(), 20).await;
        stage.cx.clock.advance(30.seconds());
        stage.prepare().await;
        let alert = stage.alert("Polls are closed").queued().await;
        stage.live(30.seconds(), 1.seconds()).await;
        assert_eq!(stage.outcome(alert).await, "20 sent");
        assert!(stage.outcome(issue).await.contains("queued"), "{}", stage.outcome(issue).await);
        stage.live(30.seconds(), 1.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "20 sent");
    }

    async fn where_two_people_are_asked_for_nobody_releases_their_own_newsletter(setup: Setup) {
        let stage = setup.with("newsroom.two_person", "[\"broadcast\"]").open().await;
        stage.imported(ADA).await;
        let desk = stage.program("desk", Role::Editor).await;
        let draft = desk.posts("/drafts", &letter()).await.is(201);
        let path = format!("/drafts/{}", draft["id"].as_str().unwrap());
        let body = json!({ "audience": 1 });
        desk.posts_once("key-1", &format!("{path}/release"), &body).await.fails(409, "second-person");
        let mut kim = stage.editor("kim").await;
        let page = format!("/admin/desk/{}", draft["id"].as_str().unwrap());
        assert_eq!(kim.sends(&page, &format!("{page}/release"), "version=1&audience=1").await.status, 303);
        stage.advance(30.seconds()).await;
        assert_eq!(stage.subjects(ADA), ["Our week"]);
        let issue = stage.newest_issue().await;
        let words = json!({ "subject": "Our real week", "markdown": "It was longer." });
        desk.posts_once("key-3", &format!("/issues/{issue}/correct"), &words).await.fails(409, "second-person");
        let alert = json!({ "subject": "An alert", "markdown": "Words.", "topics": ["election-alerts"] });
        desk.posts_once("key-2", "/alerts", &alert).await.is(202);
        stage.settle().await;
        assert_eq!(stage.newest(ADA).subject(), "An alert", "of alerts nobody said so");
    }

    async fn where_two_people_are_asked_for_of_alerts_a_program_corrects_a_newsletter(setup: Setup) {
        let stage = setup.with("newsroom.two_person", "[\"all\", \"major\", \"critical\"]").open().await;
        stage.imported(ADA).await;
        let desk = stage.program("desk", Role::Editor).await;
        let (_, issue) = releases(&desk, &letter(), 1).await;
        stage.advance(30.seconds()).await;
        let words = json!({ "subject": "Our real week", "markdown": "It was longer." });
        desk.posts_once("key-1", &format!("/issues/{issue}/correct"), &words).await.is(202);
        stage.advance(2.seconds()).await;
        assert_eq!(stage.subjects(ADA), ["Our week", "Correction: Our real week"]);
    }

    async fn a_newsletter_is_corrected_like_an_alert(stage: Stage) {
        stage.imported(ADA).await;
        let desk = stage.program("desk", Role::Editor).await;
        let (_, issue) = releases(&desk, &letter(), 1).await;
        stage.advance(30.seconds()).await;
        let right = Correction { subject: "Our real week".to_owned(), body: "It was *longer*.".to_owned(), link: None, seen: None };
        let done = correcting::correct(&stage.cx, &Actor::user("kim@example.org", ""), issue, &right, None).await.unwrap();
        assert!(matches!(done, Corrected::Now(_)));
        stage.advance(2.seconds()).await;
        let mail = stage.newest(ADA);
        assert_eq!(mail.subject(), "Correction: Our real week");
        assert!(mail.html().contains("because you asked for mail on"), "{}", mail.html());
        stage.open(&format!("/a/{issue}")).await.says("What the newsletter had said");
    }

    async fn an_editor_writes_one_at_the_desk_and_sends_it(stage: Stage) {
        stage.imported_silent(&[ADA]).await;
        let mut editor = stage.editor("kim").await;
        let made = editor.sends("/admin/desk", "/admin/desk", "kind=broadcast").await;
        let path = made.header("location").to_owned();
        let page = editor.opens(&path).await;
        page.says("<h1>Newsletter</h1>");
        page.says("1 reader<");
        assert!(!page.body.contains("How much it matters") && !page.body.contains("name=\"useful_for\""));
        let long = "word+".repeat(6_000);
        let text = format!("subject=Our+week&body={long}&topic=election-alerts&send_at=2026-10-31T07%3A00&timezone=Europe%2FBerlin&level=critical");
        assert_eq!(editor.sends(&path, &path, &text).await.status, 303);
        let page = editor.opens(&path).await;
        page.says("It goes out on Sat 31 Oct 2026, 07:00 CET (Europe/Berlin)");
        assert!(page.body.matches("word ").count() >= 5_999, "longer than an alert may be");
        let fields = format!("csrf={}&version=2&audience=1", form_token(&page.body));
        let held = editor.posts(&format!("{path}/release"), &fields).await;
        assert_eq!(held.status, 303, "{}", held.body);
        stage.advance_to("2026-10-31T05:59:59Z").await;
        assert!(stage.subjects(ADA).is_empty());
        stage.advance(1.seconds()).await;
        assert_eq!(stage.subjects(ADA), ["Our week"]);
        editor.signs_in(PASSWORD).await;
        editor.opens("/admin/desk").await.says("No draft is open");
    }

    async fn a_test_of_it_looks_like_it(setup: Setup) {
        let stage = setup.with("sender.test_addresses.0", "editor@example.org").open().await;
        let desk = stage.program("desk", Role::Contributor).await;
        let draft = desk.posts("/drafts", &letter()).await.is(201);
        desk.posts(&format!("/drafts/{}/test", draft["id"].as_str().unwrap()), &json!({})).await.is(202);
        stage.settle().await;
        let mail = stage.newest("editor@example.org");
        assert_eq!(mail.subject(), "[Test] Our week");
        assert!(mail.html().contains("Newsletter") && mail.header("List-Unsubscribe").is_none());
    }

    async fn what_no_newsletter_can_be_is_refused(stage: Stage) {
        let desk = stage.program("desk", Role::Editor).await;
        let with = |key: &str, value: Value| {
            let mut letter = letter();
            letter[key] = value;
            letter
        };
        for (key, value) in [
            ("kind", json!("digest")),
            ("send_at", json!("tomorrow")),
            ("send_at", json!("2026-11-02T25:00")),
            ("timezone", json!("Mars/Olympus")),
            ("post_id", json!("019a0000-0000-7000-8000-000000000000")),
            ("markdown", json!("x".repeat(100_001))),
            ("level", json!("critical")),
            ("useful_for", json!(30)),
        ] {
            desk.posts("/drafts", &with(key, value)).await.fails(422, "");
        }
        let alert = json!({ "subject": "An alert", "send_at": "2026-11-02T07:00" });
        desk.posts("/drafts", &alert).await.fails(422, "");
        let draft = desk.posts("/drafts", &letter()).await.is(201);
        assert_eq!((&draft["kind"], &draft["level"]), (&json!("broadcast"), &json!("all")), "it has no levels");
        let path = format!("/drafts/{}", draft["id"].as_str().unwrap());
        let later = json!({ "version": 1, "send_at": "2026-11-02T07:00", "zone": "Europe/Berlin" });
        let later = desk.patches(&path, &later).await.is(200);
        assert_eq!(later["goes_at"], "2026-11-02T06:00:00Z", "by the word that it had before");
        assert_eq!((&later["timezone"], &later["zone"]), (&json!("Europe/Berlin"), &Value::Null));
        let at_once = json!({ "version": 2, "send_at": null });
        assert_eq!(desk.patches(&path, &at_once).await.is(200)["goes_at"], Value::Null);
        desk.patches(&path, &json!({ "version": 3, "kind": "alert" })).await.fails(422, "");
        let major = desk.patches(&path, &json!({ "version": 3, "level": "major" })).await.fails(422, "");
        assert_eq!(major["errors"][0]["pointer"], "/level");
    }
}
