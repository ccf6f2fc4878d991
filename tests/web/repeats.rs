//! Calls that are repeated with their Idempotency-Key: what mails somebody, or makes a key, does it once.

use bellwether::domain::role::Role;
use serde_json::json;

use crate::stage::{Span, Stage, both};

both! {
    async fn an_invitation_is_mailed_once_however_often_it_is_called(stage: Stage) {
        let office = stage.program("office", Role::Owner).await;
        let wanted = json!({ "email": "grace@example.org", "name": "Grace Moss", "role": "editor" });
        let first = office.posts_once("one", "/users", &wanted).await.is(201);
        assert_eq!(office.posts_once("one", "/users", &wanted).await.is(201), first);
        stage.deliver().await;
        assert_eq!(stage.inbox("grace@example.org").len(), 1);
        let other = json!({ "email": "ada@example.org", "name": "Ada Field", "role": "editor" });
        office.posts_once("one", "/users", &other).await.fails(422, "");
        let taken = office.posts_once("two", "/users", &wanted).await.fails(409, "name-taken");
        assert!(taken["detail"].as_str().unwrap().contains("already"), "{taken}");
        assert_eq!(office.gets("/users").await.is(200)["users"].as_array().unwrap().len(), 1);

        let link = format!("/users/{}/link", first["id"].as_str().unwrap());
        assert_eq!(office.posts_once("three", &link, &json!({})).await.is(202)["email"], "grace@example.org");
        office.posts_once("three", &link, &json!({})).await.is(202);
        stage.deliver().await;
        assert_eq!(stage.inbox("grace@example.org").len(), 2, "the invitation again, once");
        office.posts(&link, &json!({})).await.is(202);
        stage.deliver().await;
        assert_eq!(stage.inbox("grace@example.org").len(), 3, "without a key each call mails");
        office.posts("/users/7/link", &json!({})).await.fails(404, "");
    }

    async fn who_forgot_their_password_gets_a_link_and_who_is_kept_out_none(stage: Stage) {
        stage.employs("olga", Role::Owner).await;
        let ada = stage.employs("ada", Role::Editor).await;
        let office = stage.program("office", Role::Owner).await;
        let path = format!("/users/{}", ada.public_id);
        office.posts(&format!("{path}/link"), &json!({})).await.is(202);
        stage.deliver().await;
        assert!(stage.newest("ada@example.org").subject().starts_with("Choose a new password"));
        office.posts(&format!("{path}/disable"), &json!({})).await.is(200);
        office.posts(&format!("{path}/link"), &json!({})).await.fails(409, "");
        stage.deliver().await;
        assert_eq!(stage.inbox("ada@example.org").len(), 1);
        stage.program("desk", Role::Editor).await.posts(&format!("{path}/link"), &json!({})).await.fails(403, "role");
    }

    async fn a_repeated_call_for_a_token_makes_no_second_one_and_says_which_the_first_is(stage: Stage) {
        let office = stage.program("office", Role::Owner).await;
        let wanted = json!({ "name": "site", "role": "viewer" });
        let made = office.posts_once("one", "/tokens", &wanted).await.is(201);
        let repeat = office.posts_once("one", "/tokens", &wanted).await.fails(409, "shown-once");
        assert_eq!(repeat["id"], made["id"]);
        assert!(!repeat.to_string().contains(made["token"].as_str().unwrap()));
        assert_eq!(office.gets("/tokens").await.is(200)["tokens"].as_array().unwrap().len(), 2);
        let keys = "one, as another call";
        office.posts_once("one", "/tokens", &json!({ "name": "other", "role": "viewer" })).await.fails(422, "");
        assert_eq!(office.gets("/tokens").await.is(200)["tokens"].as_array().unwrap().len(), 2, "{keys}");
        stage.advance(31.days()).await;
        office.posts_once("one", "/tokens", &json!({ "name": "other", "role": "viewer" })).await.is(201);
    }

    async fn no_two_tokens_that_hold_have_one_name(stage: Stage) {
        let office = stage.program("office", Role::Owner).await;
        let wanted = json!({ "name": "site", "role": "viewer" });
        let made = office.posts("/tokens", &wanted).await.is(201);
        office.posts("/tokens", &json!({ "name": " site ", "role": "editor" })).await.fails(409, "name-taken");
        let mut ada = stage.owner("ada").await;
        let page = ada.fills_in("/admin/tokens", "name=site&role=viewer&days=7").await;
        assert_eq!(page.status, 422);
        page.says("There is a token of the name site");
        let ran = stage.operator(&["token", "create", "--name", "site", "--role", "viewer"]).await;
        assert_ne!(ran.code, 0);
        assert!(ran.err.contains("There is a token of the name site"), "{}", ran.err);
        office.posts(&format!("/tokens/{}/revoke", made["id"]), &json!({})).await.is(200);
        let for_a_week = json!({ "name": "site", "role": "viewer", "days": 7 });
        office.posts("/tokens", &for_a_week).await.is(201);
        stage.advance(8.days()).await;
        office.posts("/tokens", &wanted).await.is(201);
    }
}
