//! An issue under way: how far it is at each relay and mail domain, first and slowest.

use bellwether::domain::role::Role;
use bellwether::publishing::live::{Live, live};
use serde_json::json;
use uuid::Uuid;

use crate::stage::{Span, Stage, both, events};

async fn looks(stage: &Stage, issue: Uuid) -> Live {
    live(&stage.cx, issue).await.unwrap().unwrap()
}

/// As in "example.com 2/3".
fn domains(live: &Live) -> Vec<String> {
    let places = live.spread.domains.iter();
    places.map(|at| format!("{} {}/{}", at.name, at.accepted, at.audience)).collect()
}

both! {
    async fn the_slowest_domain_is_where_most_of_it_waits(stage: Stage) {
        stage.imported_all(&["ada@example.com", "eve@example.com", "kim@quick.example", "451-1-lee@slow.example"]).await;
        let issue = stage.alert("Polls are closed").queued().await;
        let before = looks(&stage, issue).await;
        assert_eq!(domains(&before), ["example.com 0/2", "quick.example 0/1", "slow.example 0/1"]);
        assert_eq!((&before.spread.first_accepted_at, &before.spread.slowest_domain), (&None, &None));

        stage.advance(2.seconds()).await;
        let mut viewer = stage.viewer("mary").await;
        let now = looks(&stage, issue).await;
        assert_eq!(domains(&now), ["example.com 2/2", "quick.example 1/1", "slow.example 0/1"]);
        assert_eq!(now.spread.slowest_domain.as_deref(), Some("slow.example"));
        assert_eq!(now.spread.relays.iter().map(|at| (at.accepted, at.waiting)).collect::<Vec<_>>(), [(3, 1)]);
        assert_eq!(now.spread.slowest_relay, None, "there is one alone");
        let page = viewer.opens(&format!("/admin/live/{issue}")).await;
        page.says("The first had it after 2 s, the last so far after 2 s.");
        page.says("<strong>slow.example</strong> <span class=\"tag warn\">slowest</span>");
        page.says("Look again");

        stage.advance(1.hour()).await;
        let late = looks(&stage, issue).await;
        assert_eq!(domains(&late), ["example.com 2/2", "quick.example 1/1", "slow.example 1/1"]);
        assert_eq!(late.spread.slowest_domain.as_deref(), Some("slow.example"), "it had it last");
        let page = viewer.opens(&format!("/admin/live/{issue}")).await;
        page.says("The first had it after 2 s, the last after 1 h.");
        let state = viewer.opens(&format!("/admin/live/{issue}/state")).await;
        state.says("\"slowest_domain\":\"slow.example\"");
        let events = viewer.opens(&format!("/admin/live/{issue}/events")).await;
        events.says("\"slowest_domain\":\"slow.example\"");
    }

    async fn who_may_not_look_any_more_hears_no_more(stage: Stage) {
        stage.imported("ada@example.com").await;
        let desk = stage.program("desk", Role::Editor).await;
        let words = json!({ "subject": "Polls are closed", "markdown": "First counts at nine.", "topics": ["election-alerts"] });
        let draft = desk.posts("/drafts", &words).await.is(201);
        let release = format!("/drafts/{}/release", draft["id"].as_str().unwrap());
        let issue = desk.posts_once("a", &release, &json!({ "audience": 1 })).await.is(202)["id"].as_str().unwrap().to_owned();

        // It is held, and the clock stands: these streams would go on.
        let look = stage.program("look", Role::Viewer).await;
        let mut viewer = stage.viewer("mary").await;
        let owner = stage.program("owner", Role::Owner).await;
        let mary = stage.user("mary").await.public_id;
        let (api, page) = (format!("/issues/{issue}/events"), format!("/admin/live/{issue}/events"));
        let tokens = owner.gets("/tokens").await.is(200);
        let id = tokens["tokens"].as_array().unwrap().iter().find(|it| it["name"] == "look").unwrap()["id"].clone();
        let (program, browser) = (look.listens(&api).await, viewer.listens(&page).await);
        owner.posts(&format!("/tokens/{id}/revoke"), &json!({})).await.is(200);
        owner.posts(&format!("/users/{mary}/sessions/end"), &json!({})).await.is(200);
        for heard in <[_; 2]>::from(tokio::join!(events(program), events(browser))) {
            assert!((1..=5).contains(&heard.len()), "{}", heard.len());
        }
        assert_eq!(viewer.opens(&page).await.status, 303);
    }

    async fn one_that_is_stopped_while_it_is_written_out_tells_of_all_its_readers(stage: Stage) {
        let readers: Vec<_> = (0..600).map(|n| format!("reader{n}@example.com")).collect();
        stage.imported_all(&readers).await;
        let issue = stage.alert("Polls are closed").accepted().await.id;
        assert!(bellwether::publishing::publish_next(&stage.cx).await.unwrap());
        stage.cancels(issue).await;
        stage.settle().await;
        let live = looks(&stage, issue).await;
        assert_eq!((live.audience, live.called_off, live.accepted, live.is_over()), (600, 500, 0, true));
    }
}
