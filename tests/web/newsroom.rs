//! What the newsroom has, for programs: people, tokens, the log of changes, readers, sources, and trying again.

use bellwether::domain::role::{Area, Role};
use bellwether::newsroom::tokens::Wanted;
use serde_json::{Value, json};

use crate::stage::{Setup, Span, Stage, both};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";

fn id(of: &Value) -> &str {
    of["id"].as_str().unwrap()
}

fn texts<'a>(list: &'a Value, member: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|it| it[member].as_str().unwrap()).collect()
}

both! {
    async fn an_owners_program_invites_and_says_who_may_what(stage: Stage) {
        stage.employs("olga", Role::Owner).await;
        let office = stage.program("office", Role::Owner).await;
        let wanted = json!({ "email": "Grace@example.org", "name": "Grace Moss", "role": "viewer" });
        let grace = office.posts("/users", &wanted).await.is(201);
        assert_eq!((&grace["state"], &grace["role"]), (&json!("invited"), &json!("viewer")), "{grace}");
        stage.deliver().await;
        assert_eq!(stage.inbox("Grace@example.org").len(), 1, "the invitation");
        office.posts("/users", &wanted).await.fails(409, "name-taken");
        stage.deliver().await;
        assert_eq!(stage.inbox("Grace@example.org").len(), 1, "a repeat mails nobody twice");

        let path = format!("/users/{}", id(&grace));
        let editor = office.posts(&format!("{path}/role"), &json!({ "role": "editor" })).await.is(200);
        assert_eq!(editor["role"], "editor");
        let out = office.posts(&format!("{path}/disable"), &json!({})).await.is(200);
        assert_eq!(out["state"], "disabled");
        assert_eq!(office.posts(&format!("{path}/enable"), &json!({})).await.is(200)["state"], "invited");
        let all = office.gets("/users").await.is(200);
        assert_eq!(texts(&all["users"], "email"), ["olga@example.org", "Grace@example.org"]);
        assert_eq!(office.gets(&path).await.is(200)["name"], "Grace Moss");
        let changes = office.gets("/audit?q=grace%40example.org").await.is(200);
        assert_eq!(texts(&changes["changes"], "action"), ["enabled", "disabled", "role changed", "invited"]);
        assert_eq!(changes["changes"][2]["before"], json!({ "role": "viewer" }));
        assert_eq!(changes["changes"][2]["actor"], "office");
    }

    async fn the_only_owner_stays_one(stage: Stage) {
        stage.employs("olga", Role::Owner).await;
        let office = stage.program("office", Role::Owner).await;
        let all = office.gets("/users").await.is(200);
        let path = format!("/users/{}", id(&all["users"][0]));
        office.posts(&format!("{path}/disable"), &json!({})).await.fails(409, "");
        office.posts(&format!("{path}/role"), &json!({ "role": "viewer" })).await.fails(409, "");
        assert_eq!(office.gets(&path).await.is(200)["role"], "owner");
        office.gets("/users/0198a5c0-0000-7000-8000-000000000000").await.fails(404, "");
        stage.program("desk", Role::Editor).await.gets("/users").await.fails(403, "role");
    }

    async fn a_token_is_made_shown_once_used_and_revoked(stage: Stage) {
        let office = stage.program("office", Role::Owner).await;
        let wanted = json!({ "name": "site", "role": "viewer", "scope": ["sources"], "days": 7 });
        let made = office.posts("/tokens", &wanted).await.is(201);
        let site = office.with(made["token"].as_str().unwrap());
        site.gets("/topics").await.is(200);
        site.gets("/issues").await.fails(403, "scope");
        let all = office.gets("/tokens").await.is(200);
        assert_eq!(texts(&all["tokens"], "name"), ["office", "site"]);
        assert_eq!(all["tokens"][1]["scope"], json!(["sources"]));
        assert!(!all.to_string().contains(made["token"].as_str().unwrap()));
        let revoke = format!("/tokens/{}/revoke", made["id"]);
        assert_eq!(office.posts(&revoke, &json!({})).await.is(200)["name"], "site");
        site.gets("/topics").await.fails(401, "");
        office.posts(&revoke, &json!({})).await.fails(404, "");
        let changes = office.gets("/audit?q=token&limit=2").await.is(200);
        assert_eq!(texts(&changes["changes"], "action"), ["token revoked", "token created"]);
        office.posts("/tokens", &json!({ "name": "site", "role": "viewer", "days": 0 })).await.fails(422, "");
        office.posts("/tokens", &json!({ "name": "", "role": "viewer" })).await.fails(422, "");
    }

    async fn a_token_makes_none_that_goes_further_or_lasts_longer_than_itself(stage: Stage) {
        let (areas, holds) = (vec![Area::Tokens, Area::Issues], Some(7.days()));
        let kept = Wanted { name: "kept".to_owned(), role: Role::Owner, areas, holds };
        let kept = stage.program_of(&kept).await;
        let asks = async |scope: Value, days: u32| {
            kept.posts("/tokens", &json!({ "name": "more", "role": "owner", "scope": scope, "days": days })).await
        };
        asks(json!(["issues"]), 7).await.is(201);
        asks(json!([]), 7).await.fails(422, "");
        asks(json!(["issues", "users"]), 7).await.fails(422, "");
        assert_eq!(asks(json!(["issues"]), 8).await.fails(422, "")["errors"][0]["pointer"], "/days");
        kept.posts("/tokens", &json!({ "name": "more", "role": "owner", "scope": ["issues"] })).await.fails(422, "");
    }

    async fn the_log_of_changes_is_searched_and_read_page_by_page(stage: Stage) {
        let office = stage.program("office", Role::Owner).await;
        for name in ["one", "two", "three"] {
            office.posts("/tokens", &json!({ "name": name, "role": "viewer" })).await.is(201);
        }
        let page = office.gets("/audit?q=office&limit=2").await.is(200);
        assert_eq!(texts(&page["changes"], "subject"), ["three", "two"]);
        let rest = format!("/audit?q=office&limit=2&cursor={}", page["next_cursor"].as_str().unwrap());
        let rest = office.gets(&rest).await.is(200);
        assert_eq!(texts(&rest["changes"], "subject"), ["one", "office"]);
        for wrong in ["q=%00", "state=open", "cursor=", "cursor=-1", "limit=0", "limit=%2B5", "p=1"] {
            office.gets(&format!("/audit?{wrong}")).await.fails(400, "");
        }
    }

    async fn a_reader_is_found_and_their_history_told(stage: Stage) {
        stage.reader(ADA).await;
        stage.imported(EVE).await;
        stage.leaves(EVE).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        let desk = stage.program("desk", Role::Editor).await;
        let all = desk.gets("/subscribers").await.is(200);
        assert_eq!(texts(&all["subscribers"], "address"), [EVE, ADA]);
        let found = desk.gets("/subscribers?q=ADA%40exa&state=active").await.is(200);
        assert_eq!(texts(&found["subscribers"], "address"), [ADA]);
        assert_eq!(desk.gets("/subscribers?state=unsubscribed").await.is(200)["subscribers"][0]["address"], EVE);
        assert_eq!(desk.gets("/subscribers?q=a%25da").await.is(200)["subscribers"], json!([]));
        desk.gets("/subscribers?state=gone").await.fails(400, "");

        let path = format!("/subscribers/{}", id(&found["subscribers"][0]));
        let reader = desk.gets(&path).await.is(200);
        assert_eq!(reader["deliveries"][0]["subject"], "Polls close at eight");
        assert_eq!(reader["consents"][0]["action"], "confirmed");
        let why = desk.gets(&format!("{path}/why?issue={issue}")).await.is(200);
        assert!(why["says"][0].as_str().unwrap().contains("they take alerts there"), "{why}");
        let missed = format!("/subscribers/{}/why?issue={issue}", id(&all["subscribers"][0]));
        let missed = desk.gets(&missed).await.is(200);
        assert_eq!(missed["delivery"], Value::Null);
        assert!(missed["says"][0].as_str().unwrap().contains("they have unsubscribed"), "{missed}");
        desk.gets(&format!("{path}/why")).await.fails(400, "");
        desk.gets(&format!("{path}/why?issue={}", id(&found["subscribers"][0]))).await.fails(404, "");
    }

    async fn a_reader_is_suppressed_by_an_editor_and_erased_by_an_owner_who_names_them(stage: Stage) {
        stage.reader(ADA).await;
        let desk = stage.program("desk", Role::Editor).await;
        let path = format!("/subscribers/{}", id(&desk.gets("/subscribers").await.is(200)["subscribers"][0]));
        stage.program("look", Role::Viewer).await.posts(&format!("{path}/suppress"), &json!({})).await.fails(403, "role");
        let left = desk.posts(&format!("{path}/suppress"), &json!({})).await.is(200);
        assert_eq!(left["state"], "unsubscribed");
        desk.posts(&format!("{path}/suppress"), &json!({})).await.is(200);
        stage.alert("Polls close at eight").sent().await;
        assert!(!stage.subjects(ADA).contains(&"Polls close at eight".to_owned()));

        let erase = format!("{path}/erase");
        desk.posts(&erase, &json!({ "address": ADA })).await.fails(403, "role");
        let office = stage.program("office", Role::Owner).await;
        let wrong = office.posts(&erase, &json!({ "address": EVE })).await.fails(422, "");
        assert_eq!(wrong["errors"][0]["pointer"], "/address");
        office.gets(&path).await.is(200);
        office.posts(&erase, &json!({ "address": "ADA@example.com" })).await.is(200);
        office.gets(&path).await.fails(404, "");
        office.posts(&erase, &json!({ "address": ADA })).await.fails(404, "");
        let changes = office.gets("/audit?q=subscriber").await.is(200);
        assert_eq!(texts(&changes["changes"], "action"), ["erased", "unsubscribed"], "once each");
    }

    async fn schedules_tell_their_next_times_and_the_days_on_which_the_clocks_change(setup: Setup) {
        let stage = setup.schedule("daily", "0 7 * * *", "America/New_York").open().await;
        stage.advance_to("2026-10-31T12:00:00Z").await;
        let look = stage.program("look", Role::Viewer).await;
        let topics = look.gets("/topics").await.is(200);
        assert!(texts(&topics["topics"], "slug").contains(&"election-alerts"), "{topics}");
        assert_eq!(look.gets("/feeds").await.is(200)["feeds"], json!([]));
        let schedules = look.gets("/schedules").await.is(200);
        let next = &schedules["schedules"][0]["next"];
        assert_eq!(next.as_array().unwrap().len(), 10);
        let first = json!({ "local": "2026-11-01T07:00:00", "at": "2026-11-01T12:00:00Z", "day_longer_by": 60 });
        assert_eq!((&next[0], &next[1]["day_longer_by"]), (&first, &json!(0)));
    }

    async fn what_was_put_off_is_tried_again(stage: Stage) {
        stage.imported_all(&["451-2-ada@example.org"]).await;
        let issue = stage.alert("Polls close at eight").queued().await;
        stage.deliver().await;
        let desk = stage.program("desk", Role::Editor).await;
        let path = format!("/issues/{issue}/retry");
        assert_eq!(desk.posts(&path, &json!({})).await.is(200), json!({ "retried": 1 }));
        assert_eq!(desk.posts(&path, &json!({})).await.is(200), json!({ "retried": 0 }), "a repeat does nothing more");
        stage.program("look", Role::Viewer).await.posts(&path, &json!({})).await.fails(403, "role");
        desk.posts("/issues/0198a5c0-0000-7000-8000-000000000000/retry", &json!({})).await.fails(404, "");
    }

    async fn what_is_no_text_is_a_problem_and_no_fault_of_ours(stage: Stage) {
        let office = stage.program("office", Role::Owner).await;
        for path in ["/drafts/%FF", "/issues/%00", "/users/%FF", "/tokens/1e9/revoke", "/subscribers/%F0%9F%97%B3"] {
            let answer = match path.ends_with("revoke") {
                true => office.posts(path, &json!({})).await,
                false => office.gets(path).await,
            };
            answer.fails(404, "");
        }
        let post = json!({ "guid": "1", "title": "a\u{0}b", "topics": ["election-alerts"] });
        assert_eq!(office.posts("/posts", &post).await.fails(422, "")["errors"][0]["pointer"], "/title");
        let post = json!({ "guid": "1", "title": "A", "html": "<p>a\u{0}b</p>", "tags": ["\u{0}"], "topics": ["election-alerts"] });
        assert_eq!(office.posts("/posts", &post).await.fails(422, "")["errors"][0]["pointer"], "/html");
        let invited = json!({ "email": "grace@example.org", "name": "\u{0}", "role": "viewer" });
        office.posts("/users", &invited).await.fails(422, "");
        office.gets("/nothing").await.fails(404, "");
        office.patches("/issues", &json!({})).await.fails(405, "");
    }
}
