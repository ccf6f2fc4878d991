//! Alerts over the API: what is refused, and what a repeated call gets.

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
    store::tokens::insert(&mut tx, "desk", Role::Editor, &hash, stage.now(), None).await.unwrap();
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
