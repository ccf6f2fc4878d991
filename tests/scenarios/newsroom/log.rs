//! The log of changes.

use axum::body::Body;
use axum::http::Request;

use bellwether::domain::role::Role;
use bellwether::store;

use crate::stage::{Colleague, PASSWORD, Span, Stage, both, form_token};

/// A new draft that says this; its path.
async fn writes(who: &mut Colleague<'_>, fields: &str) -> String {
    let draft = who.sends("/admin/desk", "/admin/desk", "").await.header("location").to_owned();
    saves(who, &draft, fields).await;
    draft
}

async fn saves(who: &mut Colleague<'_>, draft: &str, fields: &str) {
    let page = who.opens(draft).await;
    let form = scraper::Html::parse_document(&page.body);
    let base = scraper::Selector::parse("input[name=base]").unwrap();
    let base = form.select(&base).next().unwrap().value().attr("value").unwrap().to_owned();
    let base: String = url::form_urlencoded::byte_serialize(base.as_bytes()).collect();
    drop(form);
    let saved = who.posts(draft, &format!("csrf={}&base={base}&{fields}", form_token(&page.body))).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
}

/// The changes of a page, as a reader has them: who, what, to what.
fn told(page: &str) -> Vec<String> {
    let page = scraper::Html::parse_document(page);
    let lines = scraper::Selector::parse(".log > li > p:first-child").unwrap();
    page.select(&lines).map(|line| line.text().collect::<String>().trim().to_owned()).collect()
}

both! {
    async fn the_log_is_only_added_to(stage: Stage) {
        stage.owner("ada").await;
        for sql in ["DELETE FROM audit_log", "UPDATE audit_log SET actor = 'nobody'"] {
            let mut tx = stage.cx.db.begin().await.unwrap();
            let refused = match &mut tx {
                store::Tx::Sqlite(tx) => sqlx::query(sql).execute(&mut **tx).await.map(|_| ()),
                store::Tx::Postgres(tx) => sqlx::query(sql).execute(&mut **tx).await.map(|_| ()),
            };
            assert!(refused.unwrap_err().to_string().contains("only added to"), "{sql}");
        }
    }

    async fn every_change_is_written_down_with_who_what_and_from_where(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        stage.employs("grace", Role::Editor).await;
        let page = format!("/admin/users/{}", stage.user("grace").await.public_id);
        ada.sends(&page, &format!("{page}/role"), "role=viewer").await;
        ada.sends("/admin/account", "/admin/account/name", "name=Ada+L.").await;
        ada.fills_in("/admin/tokens", "name=Site&role=viewer&days=0").await;
        ada.sends(&page, &format!("{page}/disable"), "").await;
        assert_eq!(
            stage.changes().await,
            [
                "command line: user created user ada@example.org",
                "ada@example.org: signed in user ada@example.org",
                "command line: user created user grace@example.org",
                "ada@example.org: role changed user grace@example.org",
                "ada@example.org: renamed user ada@example.org",
                "ada@example.org: token created token Site",
                "ada@example.org: disabled user grace@example.org",
            ]
        );
        let shown = ada.opens("/admin/audit?q=GRACE").await;
        shown.says("role: editor → viewer");
        shown.says("from 192.0.2.10");
        assert!(!shown.body.contains("the token"));
        ada.opens("/admin/audit?q=%25").await.says("Nothing was changed that fits");
    }

    async fn the_log_is_read_page_by_page(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        for number in 0..60 {
            stage.cx.clock.advance(1.seconds());
            ada.sends("/admin/account", "/admin/account/name", &format!("name=Ada+{number}x")).await;
        }
        let first = ada.opens("/admin/audit?q=renamed").await;
        first.says("Ada 59x");
        assert!(!first.body.contains("Ada 8x"));
        let older = first.body.split("href=\"").find(|it| it.starts_with("/admin/audit?before=")).unwrap();
        let older = older.split('"').next().unwrap().replace("&amp;", "&");
        assert!(older.ends_with("&q=renamed"), "what was asked for stays: {older}");
        let second = ada.opens(&older).await;
        second.says("Ada 8x");
        second.says("Ada 0x");
        assert!(!second.body.contains(">Older<"));
    }

    async fn a_change_is_told_in_words_with_the_names_that_things_have_now(stage: Stage) {
        stage.imported("eve@example.com").await;
        let mut ada = stage.owner("ada").await;
        let mut kim = stage.editor("kim").await;
        let draft = writes(&mut kim, "subject=The+bridge+is+lost&body=What+we+know.&level=all").await;
        stage.cx.clock.advance(2.minutes());
        saves(&mut kim, &draft, "subject=The+bridge+stands&body=What+we+know.&level=major").await;
        let mut tx = stage.cx.db.read().await.unwrap();
        let reader = store::subscribers::by_key(&mut tx, "eve@example.com").await.unwrap().unwrap().public_id;
        drop(tx);
        let reader = format!("/admin/subscribers/{reader}");
        ada.sends(&reader, &format!("{reader}/suppress"), "").await;

        let page = ada.opens("/admin/audit").await;
        let lines = told(&page.body);
        assert_eq!(
            lines[..3],
            [
                "ada ended all mail to the reader eve@example.com",
                "kim changed the alert “The bridge stands”",
                "kim began the alert “The bridge stands”",
            ]
        );
        page.says(&format!("href=\"{draft}\""));
        page.says("subject: The bridge is lost → The bridge stands");
        page.says("level: all → major");
        let found = told(&ada.opens("/admin/audit?q=eve@example.com").await.body);
        assert_eq!(found, lines[..1], "a reader is found by their address, which the log has not");

        ada.sends(&reader, &format!("{reader}/erase"), "address=eve@example.com").await;
        let page = ada.opens("/admin/audit").await;
        assert!(!page.body.contains("eve@example.com"), "what an erasure takes out is nowhere else");
        page.says("ended all mail to a reader who is erased");
    }

    async fn the_log_is_narrowed_by_person_kind_thing_title_and_day(stage: Stage) {
        stage.owner("ada").await;
        let mut kim = stage.editor("kim").await;
        let bridge = writes(&mut kim, "subject=The+bridge+is+lost&body=What+we+know.").await;
        stage.cx.clock.advance(2.days());
        let (mut ada, mut kim) = (stage.browser("ada"), stage.browser("kim"));
        ada.signs_in(PASSWORD).await;
        kim.signs_in(PASSWORD).await;
        writes(&mut kim, "subject=The+ferry+waits&body=Until+noon.").await;
        let mut found = async |query: &str| told(&ada.opens(&format!("/admin/audit?{query}")).await.body);

        let both = found("who=user:kim@example.org&kind=draft").await;
        assert_eq!(
            both,
            [
                "kim began the alert “The ferry waits”",
                "kim began the alert “The bridge is lost”"
            ]
        );
        let thing = bridge.rsplit('/').next().unwrap();
        assert_eq!(found(&format!("kind=draft&thing={thing}")).await, both[1..]);
        assert_eq!(found("q=the+BRIDGE&kind=draft").await, both[1..], "by the title that it has");
        let day = stage.now().to_jiff().strftime("%Y-%m-%d").to_string();
        assert_eq!(found(&format!("kind=draft&from={day}")).await, both[..1], "since that day");
        assert_eq!(found(&format!("kind=draft&to={day}")).await, both, "the last day counts");
        assert!(found("who=command&kind=draft").await.is_empty());
        let commands = found("who=command").await;
        assert_eq!(commands.last().unwrap(), "Somebody at the command line made an account for ada");
    }

    async fn words_are_found_in_any_case_also_beyond_ascii_and_nothing_in_them_is_a_pattern(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        let mut kim = stage.editor("kim").await;
        writes(&mut kim, "subject=%C3%9Cberfahrt+nach+%C3%85land&body=What+we+know.").await;
        ada.sends("/admin/account", "/admin/account/name", "name=Zo%C3%8B").await;
        let mut found = async |query: &str| told(&ada.opens(&format!("/admin/audit?kind=draft&q={query}")).await.body);
        let one = ["kim began the alert “Überfahrt nach Åland”"];
        for words in ["%C3%BCBERFAHRT", "%C3%9Cberfahrt", "NACH+%C3%A5land", "%C3%85LAND"] {
            assert_eq!(found(words).await, one, "{words}");
        }
        for pattern in ["nach*", "berfahrt?nach", "berfahrt.nach", "nach+_", "%5B%C3%BCx%5D", "nach%5C", "(nach)"] {
            assert!(found(pattern).await.is_empty(), "{pattern}");
        }
        let hers = told(&ada.opens("/admin/audit?q=zo%C3%AB").await.body);
        assert_eq!(hers.len(), 3, "what she did, and what was done to her, by her name: {hers:?}");
    }

    async fn what_programs_change_is_written_down_too(stage: Stage) {
        let token = stage.operator_reads(&["token", "create", "--name", "site", "--role", "editor"]).await;
        let issue = stage.alert("Polls close at eight").accepted().await.id;
        let request = Request::post(format!("/api/v1/issues/{issue}/cancel"))
            .header("authorization", format!("Bearer {}", token.trim()));
        assert_eq!(stage.send(request.body(Body::empty()).unwrap()).await.status(), 200);
        let changes = stage.changes().await;
        assert_eq!(changes.last().unwrap(), &format!("site: issue cancelled issue {issue}"));
    }
}
