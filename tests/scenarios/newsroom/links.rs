//! Where the links of a draft lead is looked at while somebody writes, and told before the release.

use std::time::Duration;

use bellwether::domain::{role::Role, time::MINUTE};
use serde_json::{Value, json};

use crate::stage::{Program, Setup, Site, Stage, both};

const ADA: &str = "ada@example.com";

async fn begins(desk: &Program<'_>, link: &str, markdown: &str) -> String {
    let text = json!({ "subject": "Polls are closed", "markdown": markdown, "url": link, "topics": ["election-alerts"] });
    let draft = desk.posts("/drafts", &text).await.is(201);
    format!("/drafts/{}", draft["id"].as_str().unwrap())
}

/// What is told of the links: code, and whether it stands in the way.
fn told(draft: &Value) -> Vec<&str> {
    let warnings = draft["warnings"].as_array().unwrap();
    warnings.iter().filter(|it| it["code"] == "dead-link").map(|it| it["text"].as_str().unwrap()).collect()
}

both! {
    async fn a_page_that_is_not_there_is_told_until_it_is(stage: Stage) {
        stage.imported(ADA).await;
        let site = Site::opens().await;
        let desk = stage.program("site", Role::Editor).await;
        let path = begins(&desk, &site.feed_url(), "First counts at nine.").await;
        assert_eq!(told(&desk.gets(&path).await.is(200)), [""; 0], "nobody looked yet");

        site.answers(404, &[], b"");
        assert_eq!(stage.looks_at_links().await, 1);
        let draft = desk.gets(&path).await.is(200);
        let said = format!("The link {} leads to no page: its site answers 404.", site.feed_url());
        assert_eq!(told(&draft), [said.as_str()]);
        assert_eq!(draft["warnings"][0]["blocks"], false, "it may be put there in time");
        assert_eq!(stage.looks_at_links().await, 0, "not again at once");

        site.recovers();
        stage.advance(Duration::from_secs(15)).await;
        assert_eq!(stage.looks_at_links().await, 1);
        assert_eq!(told(&desk.gets(&path).await.is(200)), [""; 0]);
        stage.advance(Duration::from_secs(60)).await;
        assert_eq!(stage.looks_at_links().await, 0, "a page that is there is looked at every five minutes");
        stage.advance(4 * MINUTE).await;
        assert_eq!(stage.looks_at_links().await, 1);
        stage.advance(6 * MINUTE).await;
        assert_eq!(stage.looks_at_links().await, 0, "nobody has it on the desk any more");
    }

    async fn links_in_the_text_are_looked_at_as_well(stage: Stage) {
        stage.imported(ADA).await;
        let site = Site::opens().await;
        site.answers(503, &[], b"");
        let desk = stage.program("site", Role::Editor).await;
        let words = format!("[Counts]({}#first) and [again]({}), or <mailto:desk@example.org>.", site.feed_url(), site.feed_url());
        let path = begins(&desk, "", &words).await;
        assert_eq!(stage.looks_at_links().await, 1, "one page, looked at once");
        let said = format!("The link {} leads to a site that answers with an error, 503.", site.feed_url());
        assert_eq!(told(&desk.gets(&path).await.is(200)), [said.as_str()]);
    }

    async fn a_site_that_lets_no_programs_in_is_no_dead_link(stage: Stage) {
        stage.imported(ADA).await;
        let site = Site::opens().await;
        let desk = stage.program("site", Role::Editor).await;
        let path = begins(&desk, &site.feed_url(), "First counts at nine.").await;
        for status in [401, 403, 429] {
            site.answers(status, &[], b"");
            assert_eq!(stage.looks_at_links().await, 1);
            assert_eq!(told(&desk.gets(&path).await.is(200)), [""; 0], "{status}");
            stage.advance(5 * MINUTE).await;
        }
    }

    async fn what_only_this_network_has_is_not_fetched(setup: Setup) {
        let site = Site::opens().await;
        let stage = setup.with("fetching.allow_networks.0", "10.0.0.0/8").open().await;
        stage.imported(ADA).await;
        let desk = stage.program("site", Role::Editor).await;
        let path = begins(&desk, &site.feed_url(), "First counts at nine.").await;
        assert_eq!(stage.looks_at_links().await, 1);
        let draft = desk.gets(&path).await.is(200);
        assert!(told(&draft)[0].ends_with("leads to 127.0.0.1, an address that is not on the open internet."), "{draft}");
        assert_eq!(site.requests(), 0);
    }

    async fn of_two_nodes_one_looks(stage: Stage) {
        stage.imported(ADA).await;
        let site = Site::opens().await;
        let desk = stage.program("site", Role::Editor).await;
        begins(&desk, &site.feed_url(), "First counts at nine.").await;
        let (one, other) = tokio::join!(stage.looks_at_links(), stage.looks_at_links());
        assert_eq!((one + other, site.requests()), (1, 1));
    }
}
