//! The public archive: what is marked public is listed for everybody, and nothing else ever is.

use bellwether::audit::Actor;
use bellwether::domain::role::Role;
use bellwether::domain::subscription::Digest;
use bellwether::publishing::{
    archive::{self, Marked},
    correcting::{self, Corrected, Correction},
    publish_digest,
};
use serde_json::json;
use uuid::Uuid;

use crate::stage::{Page, Setup, Span, Stage, both};

const ADA: &str = "ada@example.com";
const FEED: &str = "/archive/feed.atom";

/// With the first topic public, and a second that isn't.
async fn open(setup: Setup) -> Stage {
    setup.with("topics.0.public", "true").topic("members", "Members").open().await
}

async fn corrected(stage: &Stage, issue: Uuid, subject: &str) {
    let correction = Correction {
        subject: subject.to_owned(),
        body: "It was never *closed*.".to_owned(),
        link: Some("https://site.example.org/open/".to_owned()),
        seen: stage.correction_of(issue).await,
    };
    let actor = Actor::user("desk@example.org", "");
    let done = correcting::correct(&stage.cx, &actor, issue, &correction, None).await.unwrap();
    assert!(matches!(done, Corrected::Now(_)));
    stage.advance(2.seconds()).await;
}

async fn marks(stage: &Stage, issue: Uuid, public: bool) -> Marked {
    archive::mark(&stage.cx, &Actor::user("desk@example.org", ""), issue, public).await.unwrap()
}

/// The titles on a page of the archive, in order.
fn titles(page: &Page) -> Vec<String> {
    assert_eq!(page.status, 200, "{}", page.body);
    let html = scraper::Html::parse_document(&page.body);
    let titles = scraper::Selector::parse(".archive h2").unwrap();
    html.select(&titles).map(|title| title.text().collect()).collect()
}

/// (id, title, updated, content) of a feed's entries, read by another's eyes.
fn entries(page: &Page) -> Vec<(String, String, String, String)> {
    assert_eq!(page.header("content-type"), "application/atom+xml; charset=utf-8");
    let feed = feed_rs::parser::parse(page.body.as_bytes()).unwrap();
    let text = |text: Option<feed_rs::model::Text>| text.map(|text| text.content).unwrap_or_default();
    feed.entries
        .into_iter()
        .map(|it| {
            let content = it.content.and_then(|content| content.body).unwrap_or_default();
            (it.id, text(it.title), it.updated.unwrap().to_rfc3339(), content)
        })
        .collect()
}

both! {
    async fn what_is_published_on_a_public_topic_is_listed_and_nothing_else(setup: Setup) {
        let stage = open(setup).await;
        stage.imported(ADA).await;
        stage.open("/archive").await.says("Nothing has been published here yet");
        let polls = stage.alert("Polls close at eight").sent().await;
        stage.advance(1.minutes()).await;
        stage.alert("For members").on(&["members"]).sent().await;
        stage.alert("For both").on(&["election-alerts", "members"]).sent().await;
        stage.alert("Nobody sees a test").tested("kim@example.org").await;
        stage.settle().await;
        let count = stage.alert("The count begins").sent().await;

        let page = stage.open("/archive").await;
        assert_eq!(titles(&page), ["The count begins", "Polls close at eight"]);
        page.says(&format!("href=\"/a/{polls}\""));
        page.says("Polls close at eight: what we know.");
        assert_eq!((page.header("cache-control"), page.header("x-robots-tag")), ("no-cache", ""));
        let own = stage.open(&format!("/a/{count}")).await;
        own.says("It still stands");
        assert_eq!(own.header("x-robots-tag"), "");
        stage.open("/").await.says("href=\"/archive\"");
        let ids: Vec<_> = entries(&stage.open(FEED).await).into_iter().map(|it| it.0).collect();
        assert_eq!(ids, [format!("urn:uuid:{count}"), format!("urn:uuid:{polls}")]);
        for private in [ADA, "unsubscribe", "preferences", "For members", "For both", "a test"] {
            assert!(!page.body.contains(private) && !own.body.contains(private), "{private}");
        }
    }

    async fn what_is_held_or_was_stopped_before_anybody_had_it_is_not_listed(setup: Setup) {
        let stage = open(setup).await;
        stage.imported(ADA).await;
        let desk = stage.program("desk", Role::Editor).await;
        let draft = json!({ "subject": "Held", "markdown": "Words.", "topics": ["election-alerts"], "public": true });
        let draft = desk.posts("/drafts", &draft).await.is(201);
        assert_eq!(draft["public"], true);
        let path = format!("/drafts/{}/release", draft["id"].as_str().unwrap());
        let held = desk.posts_once("key-1", &path, &json!({ "audience": 1 })).await.is(202);
        assert!(titles(&stage.open("/archive").await).is_empty(), "it is held");
        let undo = format!("/issues/{}/undo", held["id"].as_str().unwrap());
        desk.posts(&undo, &json!({})).await.is(200);
        let stopped = stage.alert("Stopped in time").queued().await;
        stage.cancels(stopped).await;
        stage.advance(1.minutes()).await;
        assert!(titles(&stage.open("/archive").await).is_empty());
        assert!(entries(&stage.open(FEED).await).is_empty());
    }

    async fn an_installation_in_test_mode_shows_nothing(setup: Setup) {
        let stage = open(setup.with("sender.test_mode", "true").with("sender.test_addresses.0", ADA)).await;
        stage.imported(ADA).await;
        let issue = stage.alert("Only a try").sent().await;
        assert_eq!(stage.subjects(ADA), ["Only a try"], "a test address has it");
        assert!(titles(&stage.open("/archive").await).is_empty());
        assert_eq!(marks(&stage, issue, true).await, Marked::NotThis);
        let stage = stage.restarted_with(|setup| setup.with("sender.test_mode", "false")).await;
        assert_eq!(marks(&stage, issue, true).await, Marked::NotThis, "also later");
        assert!(titles(&stage.open("/archive").await).is_empty());
    }

    async fn a_draft_says_otherwise_than_its_topics(setup: Setup) {
        let stage = open(setup).await;
        stage.reader_of(ADA, "topics=election-alerts&topics=members&alerts=on").await;
        let desk = stage.program("desk", Role::Editor).await;
        for (subject, topic, public) in [
            ("Kept back", "election-alerts", json!(false)),
            ("Let out", "members", json!(true)),
            ("As the topic says", "election-alerts", json!(null)),
        ] {
            let alert = json!({ "subject": subject, "markdown": "Words.", "topics": [topic], "public": public });
            desk.posts_once(subject, "/alerts", &alert).await.is(202);
            stage.settle().await;
        }
        assert_eq!(titles(&stage.open("/archive").await), ["As the topic says", "Let out"]);
    }

    async fn an_issue_is_taken_out_and_put_back_and_the_log_says_who(setup: Setup) {
        let stage = open(setup).await;
        stage.imported(ADA).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        let mut editor = stage.editor("kim").await;
        let page = format!("/admin/issues/{issue}");
        editor.opens(&page).await.says("Take it out");
        let done = editor.sends(&page, &format!("{page}/archive"), "public=no").await;
        assert_eq!(done.header("location"), format!("{page}?done=not-archived"));
        assert!(titles(&stage.open("/archive").await).is_empty());
        assert_eq!(stage.open(&format!("/a/{issue}")).await.header("x-robots-tag"), "noindex", "its readers find it still");

        let desk = stage.program("desk", Role::Editor).await;
        let path = format!("/issues/{issue}");
        assert_eq!(desk.gets(&path).await.is(200)["public"], false);
        assert_eq!(desk.patches(&path, &json!({ "public": true })).await.is(200)["public"], true);
        assert_eq!(titles(&stage.open("/archive").await), ["Polls close at eight"]);
        desk.patches(&path, &json!({})).await.fails(422, "");
        desk.patches("/issues/7", &json!({ "public": true })).await.fails(404, "");
        let writer = stage.program("writer", Role::Contributor).await;
        writer.patches(&path, &json!({ "public": false })).await.fails(403, "role");
        let changes = stage.changes().await;
        for line in [format!("kim@example.org: took out of the archive issue {issue}"), format!("desk: put into the archive issue {issue}")] {
            assert!(changes.contains(&line), "{line}: {changes:?}");
        }
    }

    async fn a_corrected_issue_says_what_is_right_and_its_entry_is_new(setup: Setup) {
        let stage = open(setup).await;
        stage.imported(ADA).await;
        let issue = stage.alert("The harbour is closed").sent().await;
        let before = entries(&stage.open(FEED).await).remove(0);
        stage.advance(1.minutes()).await;
        corrected(&stage, issue, "The harbour is open").await;
        let page = stage.open("/archive").await;
        assert_eq!(titles(&page), ["The harbour is open"]);
        page.says("Corrected");
        page.says("It was never closed.");
        let (id, title, updated, content) = entries(&stage.open(FEED).await).remove(0);
        assert_eq!((&id, title.as_str()), (&before.0, "CORRECTED: The harbour is open"));
        assert!(updated > before.2, "{updated} after {}", before.2);
        assert!(content.contains("<em>closed</em>") && content.contains("https://site.example.org/open/"), "{content}");
        assert!(!content.contains("what we know"), "{content}");
        stage.open(&format!("/a/{issue}")).await.says("What the alert had said");
    }

    async fn what_was_stopped_under_way_is_listed_as_withdrawn(setup: Setup) {
        let stage = open(setup.with("relays.0.rate", "1")).await;
        let readers: Vec<_> = (0..6).map(|n| format!("reader{n}@example.com")).collect();
        stage.imported_all(&readers).await;
        let issue = stage.alert("The harbour is closed").queued().await;
        stage.deliver().await;
        stage.cancels(issue).await;
        stage.settle().await;
        stage.open("/archive").await.says("Withdrawn");
        assert_eq!(entries(&stage.open(FEED).await)[0].1, "WITHDRAWN: The harbour is closed");
        stage.advance(91.days()).await;
        bellwether::publishing::keep_house(&stage.cx).await.unwrap();
        assert_eq!(titles(&stage.open("/archive").await), ["The harbour is closed"], "also when its mails are gone");
        stage.open(&format!("/a/{issue}")).await.says("what we know");
    }

    async fn a_correction_that_is_a_test_changes_nothing_that_is_public(setup: Setup) {
        let stage = open(setup.with("sender.test_addresses.0", ADA)).await;
        stage.imported(ADA).await;
        stage.pushes("harbour", "The harbour is closed", true).await;
        stage.settle().await;
        let issue = stage.newest_issue().await;
        let before = stage.open(FEED).await;
        let stage = stage.restarted_with(|setup| setup.with("sender.test_mode", "true")).await;
        corrected(&stage, issue, "We only try this").await;
        assert_eq!(stage.newest(ADA).subject(), "Correction: We only try this");
        let stage = stage.restarted_with(|setup| setup.with("sender.test_mode", "false")).await;
        let page = stage.open(&format!("/a/{issue}")).await;
        page.says("It still stands");
        assert!(!page.body.contains("We only try this"), "{}", page.body);
        assert_eq!(titles(&stage.open("/archive").await), ["The harbour is closed"]);
        assert_eq!(stage.open(FEED).await.body, before.body);
        corrected(&stage, issue, "The harbour is open").await;
        stage.open(&format!("/a/{issue}")).await.says("The harbour is open");
        assert_eq!(titles(&stage.open("/archive").await), ["The harbour is open"]);
    }

    async fn a_digest_takes_no_word_from_a_correction_that_was_a_test(setup: Setup) {
        let stage = open(setup.with("sender.test_addresses.0", ADA)).await;
        stage.imported_silent(&["kim@example.com"]).await;
        stage.imported(ADA).await;
        stage.pushes("harbour", "The harbour is closed", true).await;
        stage.settle().await;
        let issue = stage.newest_issue().await;
        let stage = stage.restarted_with(|setup| setup.with("sender.test_mode", "true")).await;
        corrected(&stage, issue, "We only try this").await;
        let stage = stage.restarted_with(|setup| setup.with("sender.test_mode", "false")).await;
        publish_digest(&stage.cx, Digest::Daily).await.unwrap().unwrap();
        stage.settle().await;
        let text = stage.newest("kim@example.com").text();
        assert!(text.contains("The harbour is closed") && !text.contains("We only try this"), "{text}");
    }

    async fn search_engines_are_told_what_is_for_them(setup: Setup) {
        let stage = open(setup).await;
        let page = stage.open("/robots.txt").await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/plain; charset=utf-8"));
        assert_eq!(page.body, "User-agent: *\nDisallow: /admin/\nDisallow: /api/\n");
        stage.reader(ADA).await;
        for purpose in ["unsubscribe", "preferences"] {
            stage.alert("Polls close at eight").sent().await;
            let page = stage.open(&stage.newest(ADA).link(purpose)).await;
            assert_eq!((page.status, page.header("x-robots-tag")), (200, "noindex"), "{purpose}");
        }
    }

    async fn a_digests_page_tells_what_is_public_anyway(setup: Setup) {
        let stage = open(setup.with("schedules.0.digest", "daily").with("schedules.0.public", "true")).await;
        stage.reader_of(ADA, "topics=election-alerts&topics=members&digest=daily").await;
        stage.pushes("public", "A public story", false).await;
        let draft = bellwether::domain::post::PostDraft {
            guid: "secret".to_owned(), title: "For members only".to_owned(), ..Default::default()
        };
        stage.pushes_draft(draft, "members", false).await;
        let issue = publish_digest(&stage.cx, Digest::Daily).await.unwrap().unwrap();
        stage.settle().await;
        assert!(stage.newest(ADA).text().contains("For members only"));
        let page = stage.open("/archive").await;
        assert_eq!(titles(&page), ["A public story"]);
        let own = stage.open(&format!("/a/{issue}")).await;
        own.says("In short: A public story.");
        for private in ["For members only", ADA, "unsubscribe"] {
            assert!(!own.body.contains(private) && !page.body.contains(private), "{private}");
        }
        marks(&stage, issue, false).await;
        assert_eq!(stage.open(&format!("/a/{issue}")).await.status, 404);
    }

    async fn the_list_goes_on_where_the_page_before_ended(setup: Setup) {
        let stage = open(setup.topic("courts", "Courts").with("topics.1.public", "true")).await;
        stage.imported(ADA).await;
        for n in 0..28 {
            stage.alert(&format!("News {n}")).on(&[if n % 7 == 0 { "courts" } else { "election-alerts" }]).accepted().await;
        }
        stage.settle().await;
        let page = stage.open("/archive").await;
        assert_eq!((titles(&page).len(), titles(&page)[0].as_str()), (25, "News 27"));
        let older = page.body.split("href=\"/archive?before=").nth(1).unwrap().split('"').next().unwrap();
        let last = stage.open(&format!("/archive?before={older}")).await;
        assert_eq!(titles(&last), ["News 2", "News 1", "News 0"]);
        assert_eq!(last.header("x-robots-tag"), "noindex");
        assert!(!last.body.contains(">Older<"));
        assert_eq!(titles(&stage.open("/archive?topic=courts").await), ["News 21", "News 14", "News 7", "News 0"]);
        assert_eq!(entries(&stage.open(&format!("{FEED}?topic=courts")).await).len(), 4);
        for nothing in ["before=7", "before=01a21250-49c5-7b68-b8aa-4febf2ae26fd", "topic=nothing", "topic=%00"] {
            assert_eq!(stage.open(&format!("/archive?{nothing}")).await.status, 404, "{nothing}");
            assert_eq!(stage.open(&format!("{FEED}?{nothing}")).await.status, 404, "{nothing}");
        }
    }

    async fn who_has_the_feed_as_it_is_gets_no_body(setup: Setup) {
        let stage = open(setup).await;
        stage.imported(ADA).await;
        let issue = stage.alert("Fish & <chips>").sent().await;
        let first = stage.open(FEED).await;
        assert_eq!(entries(&first)[0].1, "Fish & <chips>");
        assert_eq!(first.header("cache-control"), "public, max-age=60");
        let (tag, date) = (first.header("etag").to_owned(), first.header("last-modified").to_owned());
        let ask = async |name: &str, value: &str| {
            let request = axum::http::Request::get(FEED).header(name, value);
            stage.send(request.body(axum::body::Body::empty()).unwrap()).await.status().as_u16()
        };
        assert_eq!((ask("if-none-match", &tag).await, ask("if-modified-since", &date).await), (304, 304));
        assert_eq!((ask("if-none-match", "\"other\"").await, ask("if-modified-since", "yesterday").await), (200, 200));
        stage.advance(2.minutes()).await;
        marks(&stage, issue, false).await;
        assert_eq!((ask("if-none-match", &tag).await, ask("if-modified-since", &date).await), (200, 200));
    }
}
