//! Lists of the API: each comes a page at a time, in the same words; and what a call doesn't know is named to whoever
//! asked.

use bellwether::domain::role::Role;
use bellwether::web::api::openapi;
use serde_json::{Value, json};

use crate::stage::{Program, Setup, Stage, both};

/// The only list in an answer.
fn rows(page: &Value) -> &Vec<Value> {
    let mut lists = page.as_object().unwrap().iter().filter(|(name, _)| *name != "relay_troubles");
    lists.find_map(|(_, value)| value.as_array()).unwrap()
}

/// The whole of a list, read in pages of one.
async fn one_by_one(program: &Program<'_>, path: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = program.gets(&format!("{path}?limit=1{cursor}")).await.is(200);
        assert_eq!(rows(&page).len(), 1, "{path}: no page is empty where there is something");
        all.extend(rows(&page).iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

async fn has_two_of_all(stage: &Stage, office: &Program<'_>) {
    let editor = json!({ "name": "one more", "role": "editor" });
    office.posts("/tokens", &editor).await.is(201);
    for name in ["ada", "grace"] {
        let user = json!({ "email": format!("{name}@example.org"), "name": name, "role": "viewer" });
        office.posts("/users", &user).await.is(201);
        office.posts("/topics", &json!({ "slug": name })).await.is(201);
        let feed = json!({ "url": format!("https://site.example.org/{name}.xml"), "topic": name });
        office.posts("/feeds", &feed).await.is(201);
        let race = json!({ "name": name, "not_before": "2026-11-03T20:00:00Z" });
        office.posts("/races", &race).await.is(201);
        office.posts("/drafts", &json!({ "subject": name })).await.is(201);
        stage.pushes(name, name, false).await;
        let list = format!("/subscribers/import?topic=election-alerts&source=fair&name={name}.csv");
        office.uploads(&list, &format!("email\n{name}@example.com\n")).await.is(200);
    }
    stage.alert("Polls close at eight").sent().await;
    stage.alert("Polls are closed").sent().await;
}

both! {
    async fn every_list_comes_a_page_at_a_time(setup: Setup) {
        let setup = setup.schedule("daily", "0 7 * * *", "UTC").schedule("weekly", "0 7 * * MON", "UTC");
        let stage = setup.open().await;
        let office = stage.program("office", Role::Owner).await;
        has_two_of_all(&stage, &office).await;
        let issue = office.gets("/issues").await.is(200)["issues"][0]["id"].as_str().unwrap().to_owned();
        let mut lists = Vec::new();
        for (path, calls) in openapi::document(&stage.cx)["paths"].as_object().unwrap() {
            let asked = calls["get"]["parameters"].as_array();
            if asked.into_iter().flatten().any(|it| it["name"] == "cursor") {
                lists.push(path.trim_start_matches("/api/v1").replace("{id}", &issue));
            }
        }
        assert!(lists.len() >= 13, "{lists:?}");
        for path in lists {
            let whole = office.gets(&path).await.is(200);
            assert_eq!(whole["next_cursor"], Value::Null, "{path}");
            if path == "/incidents" {
                assert_eq!(whole["incidents"], json!([]));
                continue;
            }
            assert!(rows(&whole).len() >= 2, "{path}: {whole}");
            assert_eq!(&one_by_one(&office, &path).await, rows(&whole), "{path}");
            assert_eq!(office.gets(&format!("{path}?limit=2")).await.is(200)["next_cursor"].is_null(), rows(&whole).len() == 2, "{path}");
            for wrong in ["limit=0", "limit=1001", "limit=many", "cursor=", "cursor=-1", "cursor=a", "limit=1&limit=2"] {
                office.gets(&format!("{path}?{wrong}")).await.fails(400, "");
            }
        }
    }

    async fn a_parameter_that_a_call_does_not_have_is_named_with_those_that_it_has(stage: Stage) {
        let office = stage.program("office", Role::Owner).await;
        for (path, name, known) in [
            ("/topics?page=2", "page", "there are: cursor, limit."),
            ("/drafts?q=polls", "q", "there are: state, cursor, limit."),
            ("/subscribers?Limit=1", "Limit", "there are: q, state, cursor, limit."),
            ("/users/7?full=true", "full", "this call takes none."),
            ("/overview?days=7", "days", "this call takes none."),
        ] {
            let problem = office.gets(path).await.fails(400, "");
            assert_eq!(problem["errors"][0]["field"], name, "{problem}");
            assert!(problem["detail"].as_str().unwrap().ends_with(known), "{problem}");
        }
        let problem = office.posts("/topics?dry_run=true", &json!({ "slug": "harbour" })).await.fails(400, "");
        assert_eq!(problem["errors"][0]["field"], "dry_run");
        office.gets("/topics/harbour").await.fails(404, "");
        let problem = office.posts("/topics", &json!({ "slug": "harbour", "colour": "red" })).await.fails(422, "");
        let detail = problem["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains("`colour`") && detail.contains("`description`"), "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], "/colour", "{problem}");
    }
}
