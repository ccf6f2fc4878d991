//! Alerts over the API: what is refused, and what a repeated call gets.

use std::future::Future;
use std::task::Poll;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use bellwether::domain::token::{Role, sha256};
use bellwether::store;
use serde_json::{Value, json};

use crate::stage::{Setup, Stage, both};

const TOKEN: &str = "bw_editor";

both! {
    async fn a_text_that_shows_nothing_is_refused(setup: Setup) {
        let stage = setup.with("sender.test_addresses.0", "editor@example.org").open().await;
        admit(&stage).await;
        for (field, text) in [
            ("html", ""),
            ("html", "<script>document.write('Polls have closed')</script>"),
            ("html", "<p>&nbsp;</p>"),
            ("markdown", " "),
            ("markdown", "<!-- to be written -->"),
        ] {
            let alert = json!({ "subject": "Polls have closed", "topics": ["election-alerts"], field: text });
            let mut dry_run = alert.clone();
            dry_run["dry_run"] = true.into();
            for (path, body) in [("", &alert), ("", &dry_run), ("/test", &alert)] {
                let (status, problem) = post(&stage, path, "key-1", body).await;
                assert_eq!(status, 422, "{path} {body}: {problem}");
                assert_eq!(problem["errors"][0]["pointer"], format!("/{field}"), "{problem}");
                assert!(problem["detail"].as_str().unwrap().contains("shows nothing"), "{problem}");
            }
        }
        stage.settle().await;
        assert!(stage.issues().await.is_empty() && stage.mailbox.is_empty());
    }

    async fn a_repeat_gets_the_first_answer_whatever_happened_since(stage: Stage) {
        admit(&stage).await;
        stage.imported("ada@example.org").await;
        let alert = json!({ "subject": "Polls have closed", "topics": ["election-alerts"], "markdown": "At eight." });
        let (first, second) = tokio::join!(post(&stage, "", "key-1", &alert), post(&stage, "", "key-1", &alert));
        assert_eq!((first.0, first.1["audience"].clone(), &first.1["state"]), (202, 1.into(), &"publishing".into()));
        assert_eq!(second, first, "two at once");
        stage.imported("eve@example.org").await;
        stage.settle().await;
        stage.cancels(first.1["id"].as_str().unwrap().parse().unwrap()).await;
        assert_eq!(post(&stage, "", "key-1", &alert).await, first, "not what it would be now");
        let mut other = alert.clone();
        other["markdown"] = "At nine.".into();
        assert_eq!(post(&stage, "", "key-1", &other).await.0, 422);
        assert_eq!(stage.issues().await.len(), 1);
    }

    async fn an_alert_leaves_before_its_readers_are_counted_and_a_repeat_counts_them(stage: Stage) {
        admit(&stage).await;
        stage.imported("ada@example.org").await;
        let alert = json!({ "subject": "Polls have closed", "topics": ["election-alerts"], "markdown": "At eight." });
        {
            // The caller hangs up as soon as the issue is there.
            let mut call = std::pin::pin!(post(&stage, "", "key-1", &alert));
            while stage.issues().await.is_empty() {
                let answer = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
                assert!(answer.is_pending(), "{answer:?}");
            }
        }
        let mut tx = stage.cx.db.read().await.unwrap();
        let [issue] = store::issues::page(&mut tx, None, i64::MAX, 9).await.unwrap().try_into().unwrap();
        assert_eq!(store::issues::expected(&mut tx, issue.id).await.unwrap().expected, None, "not counted");
        drop(tx);
        stage.settle().await;
        assert_eq!(stage.subjects("ada@example.org"), ["Polls have closed"]);

        let (status, answer) = post(&stage, "", "key-1", &alert).await;
        let id = issue.public_id.to_string();
        assert_eq!((status, answer), (202, json!({ "id": id, "state": "publishing", "audience": 1 })));
        stage.settle().await;
        assert_eq!(stage.subjects("ada@example.org").len(), 1);
    }

    async fn an_image_is_text_enough(stage: Stage) {
        admit(&stage).await;
        let html = "<img src=\"https://site.example.org/map.png\" alt=\"\">";
        let alert = json!({ "subject": "The map", "topics": ["election-alerts"], "html": html });
        assert_eq!(post(&stage, "", "key-1", &alert).await.0, 202);
    }
}

async fn admit(stage: &Stage) {
    let mut tx = stage.cx.db.begin().await.unwrap();
    let hash = sha256(TOKEN.as_bytes());
    store::tokens::insert(&mut tx, store::tokens::NewToken::new("desk", Role::Editor, &hash, stage.now()))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn post(stage: &Stage, path: &str, key: &str, body: &Value) -> (u16, Value) {
    let request = Request::post(format!("/api/v1/alerts{path}"))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = stage.send(request).await;
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}
