//! The desk for programs: drafts that are written, looked at, released by their number, and undone.

use bellwether::domain::role::Role;
use serde_json::{Value, json};

use crate::stage::{Answer, Program, Setup, Span, Stage, both};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";

fn ready() -> Value {
    json!({
        "subject": "Polls are closed", "markdown": "First counts at nine.", "url": "https://site.example.org/polls",
        "topics": ["election-alerts"],
    })
}

/// A new draft with this in it; where it is.
async fn writes(program: &Program<'_>, text: &Value) -> String {
    let draft = program.posts("/drafts", text).await.is(201);
    format!("/drafts/{}", draft["id"].as_str().unwrap())
}

async fn releases(program: &Program<'_>, draft: &str, key: &str, audience: i64) -> Answer {
    program.posts_once(key, &format!("{draft}/release"), &json!({ "audience": audience })).await
}

fn issue(released: &Value) -> String {
    format!("/issues/{}", released["id"].as_str().unwrap())
}

both! {
    async fn who_names_a_version_that_there_is_not_overwrites_nobody(stage: Stage) {
        let desk = stage.program("site", Role::Editor).await;
        let draft = desk.posts("/drafts", &json!({ "subject": "Polls" })).await.is(201);
        let path = format!("/drafts/{}", draft["id"].as_str().unwrap());
        for version in [999, -1, 0] {
            let edit = json!({ "version": version, "subject": "Mine" });
            let status = desk.patches(&path, &edit).await.status;
            assert!(status == 409 || status == 422, "{version}: {status}");
        }
        assert_eq!(desk.gets(&path).await.is(200)["subject"], "Polls");
    }

    async fn an_alert_is_written_released_by_its_number_held_and_sent(stage: Stage) {
        stage.imported_all(&[ADA, EVE]).await;
        let desk = stage.program("desk", Role::Editor).await;
        let draft = desk.posts("/drafts", &ready()).await.is(201);
        assert_eq!((draft["audience"].clone(), draft["state"].clone()), (json!(2), json!("open")), "{draft}");
        assert_eq!(draft["authors"], json!(["token desk"]));
        assert_eq!((draft["warnings"].clone(), draft["version"].clone()), (json!([]), json!(1)));
        let path = format!("/drafts/{}", draft["id"].as_str().unwrap());

        let released = releases(&desk, &path, "key-1", 2).await.is(202);
        assert_eq!((released["state"].clone(), released["audience"].clone()), (json!("held"), json!(2)));
        let until = stage.now().plus(30.seconds());
        assert_eq!(released["held_until"], json!(until));
        assert_eq!(desk.gets(&issue(&released)).await.is(200)["held_until"], json!(until));
        stage.advance(29.seconds()).await;
        assert!(stage.subjects(ADA).is_empty(), "it is held");
        stage.advance(1.seconds()).await;
        assert_eq!(stage.subjects(ADA), ["Polls are closed"]);
        assert_eq!(releases(&desk, &path, "key-1", 2).await.is(202), released, "the same answer to a repeat");
        let told = desk.hears(&format!("{}/events", issue(&released))).await;
        assert_eq!(told.last().unwrap()["accepted"], 2, "{told:?}");
        releases(&desk, &path, "key-2", 2).await.fails(409, "closed");
        assert_eq!(stage.issues().await.len(), 1);
    }

    async fn a_held_alert_is_undone_or_cancelled_and_its_draft_is_open_again(stage: Stage) {
        stage.imported(ADA).await;
        let desk = stage.program("desk", Role::Editor).await;
        let path = writes(&desk, &ready()).await;
        for (key, way) in [("key-1", "undo"), ("key-2", "cancel")] {
            let released = releases(&desk, &path, key, 1).await.is(202);
            let undone = desk.posts(&format!("{}/{way}", issue(&released)), &json!({})).await.is(200);
            assert_eq!((undone["state"].clone(), undone["audience"].clone()), (json!("cancelled"), json!(0)), "{way}");
            assert_eq!(desk.gets(&path).await.is(200)["state"], "open", "{way}");
        }
        stage.advance(1.hour()).await;
        assert!(stage.subjects(ADA).is_empty());

        let released = releases(&desk, &path, "key-3", 1).await.is(202);
        stage.advance(30.seconds()).await;
        desk.posts(&format!("{}/undo", issue(&released)), &json!({})).await.fails(409, "");
        desk.posts("/issues/7/undo", &json!({})).await.fails(404, "");
        assert_eq!(stage.subjects(ADA), ["Polls are closed"]);
    }

    async fn what_stands_in_the_way_of_a_release_is_told_as_a_problem(stage: Stage) {
        stage.imported_all(&[ADA, EVE]).await;
        let desk = stage.program("desk", Role::Editor).await;
        let path = writes(&desk, &ready()).await;
        let problem = releases(&desk, &path, "key-1", 3).await.fails(409, "audience-moved");
        assert_eq!(problem["audience"], 2, "{problem}");

        desk.patches(&path, &json!({ "version": 1, "subject": "TEST: polls" })).await.is(200);
        let problem = releases(&desk, &path, "key-1", 2).await.fails(409, "blocked");
        assert_eq!(problem["warnings"][0]["code"], "blocked-phrase", "{problem}");

        let body = json!({ "audience": 2, "version": 1 });
        let release = format!("{path}/release");
        let problem = desk.posts_once("key-1", &release, &body).await.fails(409, "changed");
        assert_eq!(problem["version"], 2, "{problem}");

        desk.posts(&release, &json!({ "audience": 2 })).await.fails(400, "");
        desk.posts_once("key-1", &release, &json!({})).await.fails(422, "");
        releases(&desk, "/drafts/7", "key-1", 2).await.fails(404, "");
        let writer = stage.program("writer", Role::Contributor).await;
        releases(&writer, &path, "key-1", 2).await.fails(403, "role");
        stage.advance(1.hour()).await;
        assert!(stage.subjects(ADA).is_empty());
    }

    async fn a_key_is_for_one_call_of_one_draft(stage: Stage) {
        stage.imported(ADA).await;
        let desk = stage.program("desk", Role::Editor).await;
        let (first, second) = (writes(&desk, &ready()).await, writes(&desk, &ready()).await);
        let answers = tokio::join!(releases(&desk, &first, "key-1", 1), releases(&desk, &first, "key-1", 1));
        assert_eq!(answers.0, answers.1, "two at once");
        answers.0.is(202);
        releases(&desk, &second, "key-1", 1).await.fails(422, "");
        let body = json!({ "audience": 1, "version": 1 });
        desk.posts_once("key-1", &format!("{first}/release"), &body).await.fails(422, "");
        let text = ready();
        let once = || desk.posts_once("key-2", "/drafts", &text);
        assert_eq!(once().await.is(201)["id"], once().await.is(201)["id"], "no second draft");
    }

    async fn two_programs_on_one_draft_lose_nothing(stage: Stage) {
        let (one, two) = (stage.program("one", Role::Contributor).await, stage.program("two", Role::Contributor).await);
        let path = writes(&one, &ready()).await;
        one.patches(&path, &json!({ "version": 1, "subject": "Polls are open" })).await.is(200);
        let both = two.patches(&path, &json!({ "version": 1, "markdown": "Counts at ten." })).await.is(200);
        assert_eq!((&both["subject"], &both["markdown"]), (&json!("Polls are open"), &json!("Counts at ten.")));
        assert_eq!((&both["version"], &both["authors"]), (&json!(3), &json!(["token one", "token two"])));

        let late = json!({ "version": 1, "subject": "Polls are shut", "level": "major" });
        let problem = two.patches(&path, &late).await.fails(409, "clash");
        assert_eq!((&problem["current"]["subject"], &problem["version"]), (&json!("Polls are open"), &json!(3)));
        assert_eq!(problem["errors"][0]["pointer"], "/subject", "{problem}");
        assert_eq!(one.gets(&path).await.is(200)["level"], "all", "nothing of it was saved");
        let same = json!({ "version": 1, "subject": "Polls are open" });
        assert_eq!(two.patches(&path, &same).await.is(200)["version"], 3, "both wrote the same");
        let mended = json!({ "version": 3, "subject": "Polls are shut" });
        assert_eq!(two.patches(&path, &mended).await.is(200)["subject"], "Polls are shut");
    }

    async fn a_program_and_a_person_write_in_one_draft(stage: Stage) {
        stage.imported(ADA).await;
        let desk = stage.program("desk", Role::Editor).await;
        let path = writes(&desk, &ready()).await;
        let mut kim = stage.editor("kim").await;
        let page = format!("/admin/desk/{}", path.trim_start_matches("/drafts/"));
        let base: String = url::form_urlencoded::byte_serialize(
            json!({ "subject": "Polls are closed", "body": "First counts at nine.", "link": "https://site.example.org/polls",
                    "topics": ["election-alerts"] }).to_string().as_bytes(),
        )
        .collect();
        let text = "subject=Closed&body=First+counts+at+nine.&link=https%3A%2F%2Fsite.example.org%2Fpolls&topic=election-alerts";
        assert_eq!(kim.sends(&page, &page, &format!("base={base}&{text}")).await.status, 303);
        desk.patches(&path, &json!({ "version": 1, "subject": "Polls" })).await.fails(409, "clash");
        let draft = desk.patches(&path, &json!({ "version": 1, "level": "major" })).await.is(200);
        assert_eq!((&draft["subject"], &draft["authors"]), (&json!("Closed"), &json!(["token desk", "kim@example.org"])));
    }

    async fn the_list_goes_on_where_the_page_before_ended(stage: Stage) {
        let desk = stage.program("desk", Role::Editor).await;
        for subject in ["First", "Second", "Third"] {
            writes(&desk, &json!({ "subject": subject })).await;
        }
        let subjects = |page: &Value| -> Vec<String> {
            page["drafts"].as_array().unwrap().iter().map(|it| it["subject"].as_str().unwrap().to_owned()).collect()
        };
        let page = desk.gets("/drafts?limit=2").await.is(200);
        assert_eq!(subjects(&page), ["Third", "Second"]);
        let next = page["next_cursor"].as_str().unwrap();
        let last = desk.gets(&format!("/drafts?limit=2&cursor={next}")).await.is(200);
        assert_eq!((subjects(&last), &last["next_cursor"]), (vec!["First".to_owned()], &Value::Null));
        let thrown = format!("/drafts/{}", last["drafts"][0]["id"].as_str().unwrap());
        assert_eq!(desk.deletes(&thrown).await.is(200)["state"], "thrown-away");
        assert_eq!(desk.deletes(&thrown).await.is(200)["state"], "thrown-away", "once more is harmless");
        assert_eq!(subjects(&desk.gets("/drafts?state=thrown-away").await.is(200)), ["First"]);
        desk.patches(&thrown, &json!({ "version": 1, "subject": "Again" })).await.fails(409, "closed");
        assert_eq!(desk.posts(&format!("{thrown}/restore"), &json!({})).await.is(200)["state"], "open");
        desk.gets("/drafts?state=held").await.fails(400, "");
    }

    async fn what_no_mail_could_carry_is_refused(stage: Stage) {
        let desk = stage.program("desk", Role::Editor).await;
        for (field, value) in [
            ("subject", json!("Polls\r\nBcc: all@example.org")),
            ("subject", json!("x".repeat(251))),
            ("markdown", json!("\u{0}")),
            ("useful_for", json!(600_000)),
            ("topics", json!(["no-such-topic"])),
            ("post_id", json!("019a0000-0000-7000-8000-000000000000")),
            ("level", json!("urgent")),
            ("html", json!("<p>")),
        ] {
            desk.posts("/drafts", &json!({ field: value })).await.fails(422, "");
        }
        desk.patches("/drafts/7", &json!({ "subject": "Polls" })).await.fails(422, "");
        assert_eq!(desk.gets("/drafts").await.is(200)["drafts"], json!([]));
    }

    async fn a_draft_from_a_post_has_its_words_under_what_is_given(stage: Stage) {
        stage.imported(ADA).await;
        let desk = stage.program("desk", Role::Editor).await;
        let post = stage.pushes("count", "The first count", false).await;
        let draft = desk.posts("/drafts", &json!({ "post_id": post.id, "subject": "Counting" })).await.is(201);
        assert_eq!((&draft["subject"], &draft["markdown"]), (&json!("Counting"), &json!("In short: The first count.")));
        let path = format!("/drafts/{}", draft["id"].as_str().unwrap());
        releases(&desk, &path, "key-1", 1).await.is(202);
        stage.advance(30.seconds()).await;
        assert_eq!(stage.subjects(ADA), ["Counting"]);
    }

    async fn a_test_goes_to_the_listed_address_alone_and_once_with_a_key(setup: Setup) {
        let stage = setup.with("sender.test_addresses.0", "editor@example.org").open().await;
        stage.imported(ADA).await;
        let desk = stage.program("desk", Role::Contributor).await;
        let path = writes(&desk, &ready()).await;
        let test = format!("{path}/test");
        let first = desk.posts_once("key-1", &test, &json!({})).await.is(202);
        assert_eq!(desk.posts_once("key-1", &test, &json!({})).await.is(202), first);
        desk.posts(&test, &json!({ "to": "eve@example.com" })).await.fails(422, "");
        stage.settle().await;
        let got: Vec<_> = stage.inbox("editor@example.org").iter().map(|mail| mail.subject()).collect();
        assert_eq!(got, ["[Test] Polls are closed"]);
        assert!(stage.subjects(ADA).is_empty());
        let empty = writes(&desk, &json!({ "subject": "Polls" })).await;
        desk.posts(&format!("{empty}/test"), &json!({})).await.fails(422, "");
    }

    async fn where_two_people_are_asked_for_no_token_is_the_second(setup: Setup) {
        let stage = setup.with("newsroom.two_person", "[\"critical\"]").with("newsroom.hold", "3s").open().await;
        stage.imported(ADA).await;
        let (desk, other) = (stage.program("desk", Role::Editor).await, stage.program("other", Role::Owner).await);
        let mut text = ready();
        text["level"] = json!("critical");
        let path = writes(&desk, &text).await;
        releases(&desk, &path, "key-1", 1).await.fails(409, "second-person");
        releases(&other, &path, "key-1", 1).await.fails(409, "second-person");
        assert_eq!(desk.posts(&format!("{path}/ask"), &json!({})).await.is(200)["asked_by"], "token desk");

        let mut kim = stage.editor("kim").await;
        let page = format!("/admin/desk/{}", path.trim_start_matches("/drafts/"));
        kim.opens("/admin/desk").await.says("waits for release");
        assert_eq!(kim.sends(&page, &format!("{page}/release"), "version=1&audience=1").await.status, 303);
        stage.advance(3.seconds()).await;
        assert_eq!(stage.subjects(ADA), ["Polls are closed"]);

        let alone = writes(&desk, &ready()).await;
        let released = releases(&desk, &alone, "key-2", 1).await.is(202);
        assert_eq!(released["held_until"], json!(stage.now().plus(10.seconds())), "nobody else looked at it");
    }

    async fn an_alert_that_two_people_are_asked_for_becomes_a_draft(setup: Setup) {
        let stage = setup.with("newsroom.two_person", "[\"critical\"]").open().await;
        stage.imported(ADA).await;
        let desk = stage.program("desk", Role::Editor).await;
        let alert = json!({
            "subject": "Polls are closed", "html": "<p>Counts at *nine*.</p>\n\n    <p>Not before.</p>", "level": "critical",
            "topics": ["election-alerts"], "expires_at": stage.now().plus(90.minutes()),
        });
        let answers =
            tokio::join!(desk.posts_once("key-1", "/alerts", &alert), desk.posts_once("key-1", "/alerts", &alert));
        assert_eq!(answers.0, answers.1, "two at once");
        let answer = answers.0.is(202);
        let id = answer["id"].as_str().unwrap();
        assert_eq!(answer, json!({ "id": id, "state": "draft", "url": format!("https://news.example.org/admin/desk/{id}") }));
        assert_eq!(desk.gets("/drafts").await.is(200)["drafts"].as_array().unwrap().len(), 1);
        let draft = desk.gets(&format!("/drafts/{id}")).await.is(200);
        assert_eq!((&draft["asked_by"], &draft["useful_for"]), (&json!("token desk"), &json!(90)), "{draft}");
        stage.advance(1.hour()).await;
        assert!(stage.subjects(ADA).is_empty());

        let mut kim = stage.editor("kim").await;
        let page = format!("/admin/desk/{id}");
        assert_eq!(kim.sends(&page, &format!("{page}/release"), "version=1&audience=1").await.status, 303);
        stage.advance(30.seconds()).await;
        assert_eq!(stage.subjects(ADA), ["Polls are closed"]);
        assert!(stage.newest(ADA).text().contains("Counts at *nine*."), "HTML stays HTML: {}", stage.newest(ADA).text());
        assert_eq!(desk.posts_once("key-1", "/alerts", &alert).await.is(202), answer, "still the same answer");

        let mut at_once = alert.clone();
        at_once["level"] = json!("major");
        assert_eq!(desk.posts_once("key-2", "/alerts", &at_once).await.is(202)["state"], "publishing");
        desk.posts_once("key-1", "/alerts", &at_once).await.fails(422, "");
        let long = json!({ "subject": "Long", "markdown": "x".repeat(20_001), "level": "critical", "topics": ["election-alerts"] });
        desk.posts_once("key-3", "/alerts", &long).await.fails(422, "");
    }
}
