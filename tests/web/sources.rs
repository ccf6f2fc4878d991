//! Topics, feeds and schedules, for programs.

use bellwether::domain::role::Role;
use serde_json::{Value, json};

use crate::stage::{Site, Span, Stage, both};

fn named<'a>(list: &'a Value, member: &str, name: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|it| it[member] == name).unwrap()
}

both! {
    async fn an_owners_program_makes_changes_retires_and_restores_a_topic(stage: Stage) {
        let office = stage.program("office", Role::Owner).await;
        let made = office.posts("/topics", &json!({ "slug": "harbour" })).await.is(201);
        assert_eq!((&made["name"], &made["provisioned"], &made["retired"]), (&json!("harbour"), &json!(false), &json!(false)));
        let fault = office.posts("/topics", &json!({ "slug": "harbour" })).await.fails(422, "");
        assert_eq!(fault["errors"][0]["pointer"], "/slug", "{fault}");
        let changed = office.patches("/topics/harbour", &json!({ "name": "Harbour news" })).await.is(200);
        assert_eq!(changed["name"], "Harbour news");
        assert_eq!(office.posts("/topics/harbour/retire", &json!({})).await.is(200)["retired"], true);
        assert_eq!(office.posts("/topics/harbour/retire", &json!({})).await.is(200)["retired"], true, "a repeat");
        assert_eq!(office.posts("/topics/harbour/restore", &json!({})).await.is(200)["retired"], false);
        office.patches("/topics/election-alerts", &json!({ "name": "Ours" })).await.fails(409, "");
        office.posts("/topics/election-alerts/retire", &json!({})).await.fails(409, "");
        office.patches("/topics/nowhere", &json!({})).await.fails(404, "");
        office.patches("/topics/a%00b", &json!({})).await.fails(404, "");
        let all = office.gets("/topics").await.is(200);
        assert_eq!(named(&all["topics"], "slug", "election-alerts")["provisioned"], true);
        let editor = stage.program("desk", Role::Editor).await;
        editor.posts("/topics", &json!({ "slug": "b" })).await.fails(403, "role");
        let mut changes = stage.changes().await;
        changes.retain(|change| change.starts_with("office: "));
        assert_eq!(changes, [
            "office: topic made topic harbour",
            "office: topic changed topic harbour",
            "office: topic retired topic harbour",
            "office: topic restored topic harbour",
        ]);
    }

    async fn a_program_adds_a_feed_that_is_read(stage: Stage) {
        let site = Site::opens().await;
        let office = stage.program("office", Role::Owner).await;
        let wanted = json!({ "url": site.feed_url(), "topic": "election-alerts", "every": 60 });
        let made = office.posts("/feeds", &wanted).await.is(201);
        assert_eq!((&made["every"], &made["alert"]), (&json!(60), &json!(false)));
        let path = format!("/feeds/{}", made["id"]);
        stage.settle().await;
        let feeds = office.gets("/feeds").await.is(200);
        assert!(feeds["feeds"][0]["last_success_at"].is_string(), "{feeds}");
        let changed = office.patches(&path, &json!({ "alert": true })).await.is(200);
        assert_eq!((&changed["every"], &changed["alert"]), (&json!(60), &json!(true)), "what is absent stays");
        assert_eq!(office.posts(&format!("{path}/retire"), &json!({})).await.is(200)["retired"], true);
        let asked = site.requests();
        stage.advance(1.hours()).await;
        assert_eq!(site.requests(), asked);
        assert_eq!(office.posts(&format!("{path}/restore"), &json!({})).await.is(200)["retired"], false);
        let fault = office.posts("/feeds", &json!({ "url": "http://169.254.169.254/", "topic": "x" })).await.fails(422, "");
        assert_eq!((&fault["errors"][0]["pointer"], &fault["errors"][1]["pointer"]), (&json!("/url"), &json!("/topic")));
        office.patches("/feeds/99999", &json!({})).await.fails(404, "");
        office.patches("/feeds/x", &json!({})).await.fails(404, "");
    }

    async fn a_program_moves_a_schedule_and_asks_what_would_go_out(stage: Stage) {
        stage.reader_of("ada@example.org", "digest=daily").await;
        stage.pushes("a", "The count begins", false).await;
        let office = stage.program("office", Role::Owner).await;
        let moved = json!({ "name": "At six", "cron": "0 18 * * *", "timezone": "Europe/Berlin" });
        let changed = office.patches("/schedules/daily", &moved).await.is(200);
        assert_eq!((&changed["name"], &changed["digest"]), (&json!("At six"), &json!("daily")));
        assert_eq!(changed["next"][0]["at"], "2026-10-30T17:00:00Z");
        let look = stage.program("look", Role::Viewer).await;
        let told = look.gets("/schedules/At%20six/preview").await.is(200);
        assert_eq!((&told["at"], &told["readers"], &told["sooner"]), (&json!("2026-10-30T17:00:00Z"), &json!(1), &Value::Null));
        assert_eq!(told["stories"][0]["title"], "The count begins");
        let later = look.gets("/schedules/At%20six/preview?at=2026-10-31T09:00").await.is(200);
        assert_eq!((&later["at"], &later["sooner"]), (&json!("2026-10-31T08:00:00Z"), &json!("2026-10-30T17:00:00Z")));
        look.gets("/schedules/At%20six/preview?at=yesterday").await.fails(400, "");
        look.gets("/schedules/At%20six/preview?when=now").await.fails(400, "");
        look.gets("/schedules/daily/preview").await.fails(404, "");
        stage.advance_to("2026-10-30T17:00:00Z").await;
        assert_eq!(stage.subjects("ada@example.org"), ["The count begins"]);

        let rival = json!({ "digest": "daily", "cron": "0 7 * * *", "timezone": "UTC" });
        let fault = office.posts("/schedules", &rival).await.fails(422, "");
        assert_eq!(fault["errors"][0]["pointer"], "/digest");
        office.posts("/schedules/At%20six/retire", &json!({})).await.is(200);
        let made = office.posts("/schedules", &rival).await.is(201);
        assert_eq!(made["name"], "daily");
        office.posts("/schedules/At%20six/restore", &json!({})).await.fails(409, "");
    }
}
