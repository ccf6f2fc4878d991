//! The first owner, invitations, resets, roles; the tokens; the operator's commands.

use bellwether::domain::role::Role;
use bellwether::newsroom::links;

use crate::stage::{PASSWORD, Span, Stage, both};

fn welcome(email: &str) -> String {
    format!("email={email}%40example.org&name=Ada+Field&password={}", PASSWORD.replace(' ', "+"))
}

fn path(link: &str) -> String {
    link.strip_prefix("https://news.example.org").unwrap().to_owned()
}

both! {
    async fn the_first_owner_is_made_by_a_link_that_then_is_gone(stage: Stage) {
        let old = path(&links::first_owner(&stage.cx).await.unwrap().unwrap());
        let link = path(&links::first_owner(&stage.cx).await.unwrap().unwrap());
        let mut ada = stage.browser("ada");
        assert_eq!(ada.opens(&old).await.status, 404, "each start makes a new one");
        ada.opens(&link).await.says("Make the first owner");
        assert_eq!(ada.fills_in(&link, "email=ada%40example.org&name=Ada&password=short").await.status, 422);
        assert_eq!(ada.fills_in(&link, &welcome("ada")).await.header("location"), "/admin");
        ada.opens("/admin/users").await.says("Ada Field");
        assert_eq!(stage.user("ada").await.role, Role::Owner);
        assert_eq!(stage.browser("eve").opens(&link).await.status, 404);
        assert!(links::first_owner(&stage.cx).await.unwrap().is_none());
    }

    async fn a_first_owners_link_holds_for_a_day(stage: Stage) {
        let link = path(&links::first_owner(&stage.cx).await.unwrap().unwrap());
        let mut eve = stage.browser("eve");
        stage.cx.clock.advance(1.day() - 1.seconds());
        assert_eq!(eve.opens(&link).await.status, 200);
        stage.cx.clock.advance(1.seconds());
        assert_eq!(eve.opens(&link).await.status, 404);
    }

    async fn a_first_owners_link_ends_when_somebody_is_there(stage: Stage) {
        let link = path(&links::first_owner(&stage.cx).await.unwrap().unwrap());
        stage.employs("ada", Role::Owner).await;
        assert_eq!(stage.browser("eve").opens(&link).await.status, 404);
    }

    async fn whoever_else_works_here_without_an_owner_there_is_a_link_for_one(stage: Stage) {
        stage.employs("grace", Role::Editor).await;
        let link = path(&links::first_owner(&stage.cx).await.unwrap().unwrap());
        stage.browser("ada").opens(&link).await.says("Make the first owner");
    }

    async fn an_invitation_comes_by_mail_and_works_once(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        let invite = "name=Grace+Moss&email=grace%40example.org&role=editor";
        assert_eq!(ada.fills_in("/admin/users", invite).await.status, 303);
        assert_eq!(ada.fills_in("/admin/users", invite).await.status, 422, "she is there already");
        stage.settle().await;
        let link = stage.newest("grace@example.org").link("admin/link");
        let mut grace = stage.browser("grace");
        grace.opens(&link).await.says("<strong>editor</strong>");
        let page = grace.fills_in(&link, "name=Grace&password=an+orchard+in+the+rain").await;
        assert_eq!(page.header("location"), "/admin");
        assert!(grace.is_in().await);
        let again = stage.browser("eve").opens(&link).await;
        assert_eq!(again.status, 404);
        again.says("work any more");
        assert_eq!(grace.opens("/admin/users").await.status, 403);
    }

    async fn an_invitation_ends_after_a_week_and_with_the_next_one(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        ada.fills_in("/admin/users", "name=Grace&email=grace%40example.org&role=viewer").await;
        stage.settle().await;
        let first = stage.newest("grace@example.org").link("admin/link");
        let page = format!("/admin/users/{}", stage.user("grace").await.public_id);
        stage.cx.clock.advance(1.minutes());
        ada.sends(&page, &format!("{page}/link"), "").await;
        stage.settle().await;
        let second = stage.newest("grace@example.org").link("admin/link");
        let mut grace = stage.browser("grace");
        assert_eq!(grace.opens(&first).await.status, 404);
        assert_eq!(grace.opens(&second).await.status, 200);
        stage.cx.clock.advance(7.days());
        assert_eq!(grace.opens(&second).await.status, 404);
    }

    async fn a_new_password_by_mail_signs_out_everywhere_else(stage: Stage) {
        let mut ada = stage.editor("ada").await;
        let mut other = stage.browser("ada");
        other.fills_in("/admin/forgotten", "email=ADA%40example.org").await;
        stage.settle().await;
        let link = stage.newest("ada@example.org").link("admin/link");
        assert_eq!(other.fills_in(&link, "password=ada%40example.org").await.status, 422);
        assert_eq!(other.fills_in(&link, "password=an+orchard+in+the+rain").await.header("location"), "/admin");
        assert!(other.is_in().await);
        assert!(!ada.is_in().await);
        assert_eq!(ada.signs_in(PASSWORD).await.status, 422);
        assert_eq!(ada.signs_in("an orchard in the rain").await.status, 303);

        other.fills_in("/admin/forgotten", "email=ada%40example.org").await;
        stage.settle().await;
        let link = stage.newest("ada@example.org").link("admin/link");
        stage.cx.clock.advance(1.hour());
        assert_eq!(other.opens(&link).await.status, 404, "it holds an hour");
    }

    async fn a_reset_does_not_pass_the_second_factor_by(stage: Stage) {
        let mut ada = stage.editor("ada").await;
        ada.sets_up_codes().await;
        let mut thief = stage.browser("ada");
        thief.fills_in("/admin/forgotten", "email=ada%40example.org").await;
        stage.settle().await;
        let link = stage.newest("ada@example.org").link("admin/link");
        let page = thief.fills_in(&link, "password=an+orchard+in+the+rain").await;
        assert!(page.header("location").starts_with("/admin/login/code"));
        assert!(!thief.is_in().await);
    }

    async fn the_last_owner_stays(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        let of = async |name: &str| format!("/admin/users/{}", stage.user(name).await.public_id);
        let own = of("ada").await;
        // Who was only invited can't stand in.
        ada.fills_in("/admin/users", "name=Eve&email=eve%40example.org&role=owner").await;
        let page = ada.sends(&own, &format!("{own}/role"), "role=viewer").await;
        assert_eq!(page.status, 422);
        page.says("only owner");
        assert_eq!(ada.sends(&own, &format!("{own}/disable"), "").await.status, 422);
        assert_eq!(stage.user("ada").await.role, Role::Owner);
        assert!(ada.is_in().await);

        stage.employs("grace", Role::Editor).await;
        let hers = of("grace").await;
        assert_eq!(ada.sends(&hers, &format!("{hers}/role"), "role=owner").await.status, 303);
        assert_eq!(ada.sends(&own, &format!("{own}/role"), "role=viewer").await.status, 303);
        assert_eq!(ada.opens("/admin/users").await.status, 403, "it holds from the next click");
    }

    async fn the_way_to_what_one_may_not_is_not_shown(stage: Stage) {
        let owners = ["/admin/users", "/admin/tokens", "/admin/audit"];
        let page = stage.viewer("mary").await.opens("/admin").await;
        page.says("look, and change nothing");
        assert!(owners.iter().all(|path| !page.body.contains(path)), "{}", page.body);
        let page = stage.owner("ada").await.opens("/admin").await;
        assert!(owners.iter().all(|path| page.body.contains(path)), "{}", page.body);
    }

    async fn tokens_are_made_shown_once_and_revoked(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        let form = "name=News+site&role=editor&areas=posts&days=7";
        let page = ada.fills_in("/admin/tokens", form).await;
        let token = page.body.split("bw_").nth(1).unwrap().split('<').next().unwrap().to_owned();
        assert!(!ada.opens("/admin/tokens").await.body.contains(&token));
        let call = async || {
            let request = axum::http::Request::post("/api/v1/posts").header("authorization", format!("Bearer bw_{token}"));
            stage.send(request.body(axum::body::Body::empty()).unwrap()).await.status().as_u16()
        };
        assert_eq!(call().await, 415);
        stage.cx.clock.advance(7.days());
        assert_eq!(call().await, 401, "it held a week");

        let mut ada = stage.browser("ada");
        ada.signs_in(PASSWORD).await;
        ada.fills_in("/admin/tokens", "name=Ticker&role=viewer&areas=issues&days=0").await;
        let page = ada.opens("/admin/tokens").await;
        let revoke = page.body.split("action=\"").find(|it| it.contains("/revoke")).unwrap();
        let revoke = revoke.split('"').next().unwrap().to_owned();
        assert_eq!(ada.sends("/admin/tokens", &revoke, "").await.status, 303);
        ada.opens("/admin/tokens").await.says("None yet");
    }

    async fn a_tokens_scope_is_listed(stage: Stage) {
        let create = ["token", "create", "--name", "site", "--role", "editor", "--scope", "posts,issues", "--days", "7"];
        stage.operator_reads(&create).await;
        let listed = stage.operator_reads_json(&["token", "list"]).await;
        assert_eq!(listed[0]["scope"], serde_json::json!(["posts", "issues"]));
        assert!(stage.operator_reads(&["token", "list"]).await.contains("for posts, issues alone"));
        assert_eq!(stage.operator(&["token", "create", "--name", "x", "--role", "viewer", "--scope", "all"]).await.code, 2);
    }

    async fn the_operator_makes_people_and_gives_them_links(stage: Stage) {
        let create = ["user", "create", "--email", "ada@example.org", "--name", "Ada", "--role", "owner"];
        let link = stage.operator_reads(&create).await;
        assert!(link.starts_with("https://news.example.org/admin/link/"), "{link}");
        assert_eq!(stage.operator(&create).await.code, 1, "she is there already");
        let shown = stage.operator_reads_json(&["user", "list"]).await;
        assert_eq!((&shown[0]["state"], &shown[0]["role"]), (&"invited".into(), &"owner".into()));
        let reset = stage.operator_reads(&["user", "reset-link", "ada@example.org"]).await;
        assert_ne!(reset, link);
        assert_eq!(stage.operator(&["user", "disable", "nobody@example.org"]).await.code, 1);
        let changes = stage.changes().await;
        assert_eq!(changes[0], "command line: user created user ada@example.org");
    }
}
