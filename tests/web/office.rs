//! What the newsroom looks at, for programs: the overview, incidents, one mail and its tries, a draft through a reader's
//! eyes, lists in and out, and who is signed in.

use bellwether::audit::Actor;
use bellwether::delivering::pausing;
use bellwether::domain::pause::{Kind, Pause};
use bellwether::domain::role::{Area, Role};
use bellwether::newsroom::tokens::Wanted;
use serde_json::{Value, json};

use crate::stage::{PASSWORD, Setup, Span, Stage, both};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";

both! {
    async fn the_overview_tells_readers_what_waits_and_what_is_amiss(stage: Stage) {
        stage.imported_all(&[ADA, EVE]).await;
        stage.leaves(EVE).await;
        stage.alert("Polls close at eight").queued().await;
        let pause = Pause { kind: Kind::Lane, name: "alert".to_owned(), reason: "a test".to_owned(), since: stage.now() };
        pausing::pause(&stage.cx, &Actor::command(), pause).await.unwrap();
        let look = stage.program("look", Role::Viewer).await;
        let seen = look.gets("/overview").await.is(200);
        assert_eq!((&seen["readers"]["active"], &seen["readers"]["days"][0]["came"]), (&json!(1), &json!(2)), "{seen}");
        assert_eq!(seen["readers"]["days"][0]["gone"], 1);
        let lane = seen["lanes"].as_array().unwrap().iter().find(|it| it["lane"] == "alert").unwrap();
        assert_eq!((&lane["queued"], &lane["paused"]["reason"]), (&json!(1), &json!("a test")), "{lane}");
        assert_eq!(seen["relays"][0]["configured"], true, "{seen}");
        look.posts("/lanes/alert/resume", &json!({})).await.fails(403, "role");
        let desk = stage.program("desk", Role::Editor).await;
        assert_eq!(desk.posts("/lanes/alert/resume", &json!({})).await.is(200), json!({ "lifted": true, "tried": false }));
        assert_eq!(desk.posts("/lanes/alert/resume", &json!({})).await.is(200)["lifted"], false, "a repeat");
        desk.posts("/lanes/fast/resume", &json!({})).await.fails(404, "");
        desk.posts("/relays/nowhere/resume", &json!({})).await.fails(404, "");
        let relay = seen["relays"][0]["name"].as_str().unwrap();
        assert_eq!(desk.posts(&format!("/relays/{relay}/resume"), &json!({})).await.is(200)["lifted"], false);
        stage.deliver().await;
        assert_eq!(stage.subjects(ADA), ["Polls close at eight"]);
    }

    async fn incidents_are_listed_while_they_last_and_after(setup: Setup) {
        let stage = setup.open().await;
        let pause = Pause { kind: Kind::Relay, name: stage.cx.config.relays[0].name.clone(), reason: String::new(), since: stage.now() };
        pausing::pause(&stage.cx, &Actor::command(), pause.clone()).await.unwrap();
        stage.advance(10.minutes()).await;
        stage.watches().await;
        let look = stage.program("look", Role::Viewer).await;
        let all = look.gets("/incidents").await.is(200);
        let told = &all["incidents"][0];
        assert_eq!((&told["kind"], &told["ended_at"]), (&json!("relay.paused"), &Value::Null), "{all}");
        assert!(!told["todo"].as_str().unwrap().is_empty());
        assert_eq!(look.gets("/incidents?state=open").await.is(200)["incidents"], all["incidents"]);
        assert_eq!(look.gets("/overview").await.is(200)["incidents"], all["incidents"]);
        look.gets("/incidents?state=new").await.fails(400, "");
        pausing::resume(&stage.cx, &Actor::command(), Kind::Relay, &pause.name).await.unwrap();
        for _ in 0..2 {
            stage.watches().await;
            stage.advance(6.minutes()).await;
        }
        stage.watches().await;
        assert_eq!(look.gets("/incidents?state=open").await.is(200)["incidents"], json!([]));
        assert!(look.gets("/incidents?state=over").await.is(200)["incidents"][0]["ended_at"].is_string());
    }

    async fn one_mail_is_looked_at_and_tried_again(stage: Stage) {
        stage.imported_all(&["451-2-ada@example.org"]).await;
        let issue = stage.alert("Polls close at eight").queued().await;
        stage.deliver().await;
        let desk = stage.program("desk", Role::Editor).await;
        let all = desk.gets(&format!("/issues/{issue}/deliveries")).await.is(200);
        let path = format!("/deliveries/{}", all["deliveries"][0]["id"]);
        let one = desk.gets(&path).await.is(200);
        assert_eq!((&one["state"], &one["subject"]), (&json!("deferred"), &json!("Polls close at eight")), "{one}");
        assert_eq!((&one["tried"][0]["code"], &one["subscriber"]), (&json!(451), &all["deliveries"][0]["subscriber"]));
        assert!(!one["says"].as_array().unwrap().is_empty(), "{one}");
        stage.program("look", Role::Viewer).await.posts(&format!("{path}/retry"), &json!({})).await.fails(403, "role");
        assert_eq!(desk.posts(&format!("{path}/retry"), &json!({})).await.is(200), json!({ "retried": 1 }));
        let again = desk.posts(&format!("{path}/retry"), &json!({})).await.fails(409, "");
        assert!(again["detail"].as_str().unwrap().contains("queued"), "{again}");
        for nothing in ["/deliveries/0", "/deliveries/x"] {
            desk.gets(nothing).await.fails(404, "");
        }
    }

    async fn an_issue_tells_once_how_far_it_is_how_it_was_accepted_and_what_it_said(stage: Stage) {
        stage.imported_all(&[ADA, EVE]).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        let look = stage.program("look", Role::Viewer).await;
        let progress = look.gets(&format!("/issues/{issue}/progress")).await.is(200);
        assert_eq!((&progress["accepted"], &progress["kind"]), (&json!(2), &json!("alert")), "{progress}");
        assert_eq!(look.hears(&format!("/issues/{issue}/events")).await.last(), Some(&progress), "the same as the stream");
        let curve = look.gets(&format!("/issues/{issue}/curve")).await.is(200);
        assert_eq!((&curve["accepted"], &curve["points"].as_array().unwrap().last().unwrap()["accepted"]), (&json!(2), &json!(2)));
        let mail = look.gets(&format!("/issues/{issue}/mail")).await.is(200);
        assert_eq!(mail["subject"], "Polls close at eight");
        assert!(mail["html"].as_str().unwrap().contains("Polls close at eight"), "{mail}");
        for part in ["progress", "curve", "mail"] {
            look.gets(&format!("/issues/019a0000-0000-7000-8000-000000000000/{part}")).await.fails(404, "");
        }
    }

    async fn a_draft_is_seen_through_a_readers_eyes_and_counted_by_topic(stage: Stage) {
        stage.imported_all(&[ADA, EVE]).await;
        stage.imported_silent(&["gus@example.com"]).await;
        stage.leaves(EVE).await;
        let desk = stage.program("desk", Role::Contributor).await;
        let text = json!({ "subject": "Polls are closed", "markdown": "First counts at nine.", "topics": ["election-alerts"] });
        let draft = desk.posts("/drafts", &text).await.is(201);
        let path = format!("/drafts/{}", draft["id"].as_str().unwrap());
        let audience = desk.gets(&format!("{path}/audience")).await.is(200);
        let topic = &audience["topics"][0];
        assert_eq!((&audience["audience"], &topic["now"], &topic["later"]), (&json!(1), &json!(1), &json!(1)), "{audience}");
        let plain = desk.gets(&format!("{path}/mail")).await.is(200);
        assert_eq!((&plain["mail"]["subject"], &plain["reader"]), (&json!("Polls are closed"), &Value::Null));
        let ada = desk.gets(&format!("{path}/mail?reader={ADA}")).await.is(200);
        assert_eq!((&ada["reader"]["gets"], &ada["reader"]["says"]), (&json!(true), &json!("They would get it now.")));
        let eve = desk.gets(&format!("{path}/mail?reader={EVE}")).await.is(200);
        assert_eq!(eve["reader"]["gets"], false);
        let by_id = format!("{path}/mail?reader={}", ada["reader"]["id"].as_str().unwrap());
        assert_eq!(desk.gets(&by_id).await.is(200)["reader"]["address"], ADA);
        desk.gets(&format!("{path}/mail?reader=nobody@example.com")).await.fails(404, "");
        let empty = desk.posts("/drafts", &json!({})).await.is(201);
        let empty = desk.gets(&format!("/drafts/{}/mail", empty["id"].as_str().unwrap())).await.is(200);
        assert_eq!(empty["mail"], Value::Null);
    }

    async fn a_list_is_looked_at_taken_and_handed_out(stage: Stage) {
        stage.imported(EVE).await;
        stage.leaves(EVE).await;
        let office = stage.program("office", Role::Owner).await;
        let rows = "email,plan\nada@example.com,gold\nnobody\neve@example.com,\nada@example.com,\n";
        let place = "/subscribers/import?topic=election-alerts&source=Spring%20fair&name=fair.csv";
        let dry = office.uploads(&format!("{place}&dry_run=true"), rows).await.is(200);
        assert_eq!((&dry["added"], &dry["left_out"], &dry["duplicates"]), (&json!(1), &json!(1), &json!(1)), "{dry}");
        assert_eq!((&dry["bad"], &dry["bad_rows"][0]["line"]), (&json!(1), &json!(3)), "{dry}");
        assert_eq!(dry["passed_over_columns"], json!(["plan"]));
        assert_eq!(office.gets("/subscribers?state=active").await.is(200)["subscribers"], json!([]));
        let done = office.uploads(place, rows).await.is(200);
        assert_eq!((&done["added"], &done["dry_run"]), (&json!(1), &json!(false)));
        assert_eq!(office.uploads(place, rows).await.is(200)["known"], 1, "a repeat changes nothing more");
        let mapped = "Wer,Was\ngrace@example.com,daily\n";
        office.uploads(place, mapped).await.fails(422, "");
        let said = format!("{place}&columns=email,digest&alerts=false");
        assert_eq!(office.uploads(&said, mapped).await.is(200)["added"], 1);
        let nowhere = "/subscribers/import?topic=nowhere&source=fair";
        assert_eq!(office.uploads(nowhere, rows).await.fails(422, "")["errors"][0]["field"], "topic");
        for wrong in ["topic=A%20B", "digest=hourly", "alerts=yes", "dry_run=1", "columns=address", "source="] {
            let (name, _) = wrong.split_once('=').unwrap();
            let mut place = "/subscribers/import?".to_owned();
            let right = [("topic", "election-alerts"), ("source", "fair")];
            right.iter().filter(|it| it.0 != name).for_each(|(name, value)| place += &format!("{name}={value}&"));
            let problem = office.uploads(&format!("{place}{wrong}"), rows).await.fails(400, "");
            assert_eq!(problem["errors"][0]["field"], name, "{problem}");
        }
        office.posts(place, &json!({})).await.fails(415, "");
        let list = office.downloads("/subscribers/export").await;
        assert!(list.starts_with("email,state,") && list.contains("ada@example.com,active,"), "{list}");
        let changes = office.gets("/audit?q=list").await.is(200);
        assert_eq!(changes["changes"][0]["action"], "imported", "{changes}");
        assert_eq!(office.gets("/audit?q=exported").await.is(200)["changes"][0]["actor"], "office");
        stage.program("desk", Role::Editor).await.uploads(place, rows).await.fails(403, "role");
    }

    async fn an_owners_program_sees_who_is_signed_in_and_signs_them_out(stage: Stage) {
        let mut ada = stage.editor("ada").await;
        stage.employs("olga", Role::Owner).await;
        let office = stage.program("office", Role::Owner).await;
        let path = format!("/users/{}", stage.user("ada").await.public_id);
        let sessions = office.gets(&format!("{path}/sessions")).await.is(200);
        let one = &sessions["sessions"][0];
        assert_eq!((sessions["sessions"].as_array().unwrap().len(), &one["second_factor"]), (1, &json!(false)), "{sessions}");
        let end = format!("{path}/sessions/{}/end", one["id"].as_str().unwrap());
        assert!(ada.is_in().await);
        assert_eq!(office.posts(&end, &json!({})).await.is(200), json!({ "ended": 1 }));
        assert!(!ada.is_in().await);
        office.posts(&end, &json!({})).await.fails(404, "");
        ada.signs_in(PASSWORD).await;
        ada.sets_up_codes().await;
        assert_eq!(office.posts(&format!("{path}/sessions/end"), &json!({})).await.is(200), json!({ "ended": 1 }));
        assert!(!ada.is_in().await);
        assert_eq!(office.gets(&path).await.is(200)["second_factor"], true);
        assert_eq!(office.posts(&format!("{path}/forget-codes"), &json!({})).await.is(200)["second_factor"], false);
    }

    async fn a_token_is_told_what_it_lacks(stage: Stage) {
        let look = stage.program("look", Role::Viewer).await;
        let low = look.posts("/drafts", &json!({})).await.fails(403, "role");
        assert_eq!(low["roles"], json!(["owner", "editor", "contributor"]));
        assert!(low["detail"].as_str().unwrap().contains("role viewer, which may not write"), "{low}");
        let kept = Wanted { name: "kept".to_owned(), role: Role::Owner, areas: vec![Area::Posts], holds: None };
        let narrow = stage.program_of(&kept).await.gets("/drafts").await.fails(403, "scope");
        assert_eq!(narrow["scope"], "alerts");
        assert!(narrow["detail"].as_str().unwrap().contains("kept to posts, and this call is of alerts"), "{narrow}");
    }
}
