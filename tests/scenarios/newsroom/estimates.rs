//! How long a release would take is told before it, from what the relays allow and how the last large issue went.

use std::time::Duration;

use bellwether::domain::role::Role;
use serde_json::{Value, json};

use crate::stage::{Setup, Stage, both};

async fn readers(stage: &Stage, count: usize) {
    let mut readers: Vec<_> = (1..count).map(|number| format!("reader-{number:04}@example.org")).collect();
    // A server that wants patience.
    readers.push("451-greylisted@example.org".to_owned());
    stage.imported_all(&readers).await;
}

async fn looks(stage: &Stage) -> Value {
    let desk = stage.program("site", Role::Editor).await;
    let text = json!({
        "subject": "Polls are closed", "markdown": "First counts at nine.", "url": "https://site.example.org/polls",
        "topics": ["election-alerts"],
    });
    desk.posts("/drafts", &text).await.is(201)
}

both! {
    async fn a_relays_rate_and_its_day_bound_what_is_told(setup: Setup) {
        let stage = setup.with("relays.0.rate", "10").with("relays.0.per_day", "100").open().await;
        readers(&stage, 150).await;
        let draft = looks(&stage).await;
        assert_eq!(draft["takes"], 10, "for what goes today");
        assert_eq!(draft["warnings"], json!([{
            "code": "day-used-up", "blocks": false,
            "text": "50 of these readers would wait: the relays take no more within 24 hours (per_day).",
        }]));
    }

    async fn a_relay_that_serves_other_mail_alone_promises_nothing(setup: Setup) {
        let setup = setup.with("relays.0.rate", "10").with("relays.1.url", "smtp://127.0.0.1:9").with("relays.1.tls", "none");
        let stage = setup.with("relays.1.rate", "1000").with("relays.1.lanes.0", "digest").open().await;
        readers(&stage, 150).await;
        assert_eq!(looks(&stage).await["takes"], 15);
    }

    async fn nothing_is_told_where_nothing_is_known(stage: Stage) {
        readers(&stage, 150).await;
        assert_eq!(looks(&stage).await["takes"], Value::Null);
    }

    async fn the_last_large_issue_tells_how_fast_it_goes_whoever_is_late(setup: Setup) {
        let stage = setup.with("relays.0.rate", "100").open().await;
        readers(&stage, 600).await;
        stage.alert("Polls close at eight").queued().await;
        let began = stage.now();
        for _ in 0..100 {
            stage.advance(Duration::from_millis(500)).await;
            if stage.mailbox.len() >= 599 {
                break;
            }
        }
        let took = stage.now().since(began).as_secs();
        let stage = stage.restarted_with(|setup| setup.without("relays.0.rate")).await;
        let draft = looks(&stage).await;
        let takes = draft["takes"].as_u64().unwrap_or_else(|| panic!("{draft}"));
        assert!(took.abs_diff(takes) <= 1, "all but one had it after {took} s: {takes}");
    }
}
