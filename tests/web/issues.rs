//! The list of issues in the API: a page at a time, of one state or of all.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use bellwether::domain::token::{Role, sha256};
use bellwether::store;
use serde_json::Value;

use crate::stage::{Stage, both};

const TOKEN: &str = "bw_viewer";

both! {
    async fn the_list_goes_on_where_the_page_before_ended(stage: Stage) {
        admit(&stage).await;
        for subject in ["First", "Second", "Third"] {
            stage.alert(subject).accepted().await;
        }
        let (_, page) = get(&stage, "?limit=2").await;
        assert_eq!(subjects(&page), ["Third", "Second"]);
        let (_, last) = get(&stage, &format!("?limit=2&cursor={}", page["next_cursor"].as_str().unwrap())).await;
        assert_eq!(subjects(&last), ["First"]);
        assert_eq!(last["next_cursor"], Value::Null);
        assert_eq!(get(&stage, "?cursor=x").await.0, 400);
    }

    async fn the_list_may_be_of_one_state(stage: Stage) {
        admit(&stage).await;
        let first = stage.alert("First").accepted().await;
        stage.alert("Second").accepted().await;
        stage.cancels(first.id).await;
        assert_eq!(subjects(&get(&stage, "?state=cancelled").await.1), ["First"]);
        assert_eq!(subjects(&get(&stage, "?state=publishing").await.1), ["Second"]);
        let (status, problem) = get(&stage, "?state=queued").await;
        assert_eq!(status, 400);
        assert!(problem["detail"].as_str().unwrap().contains("publishing, sending, sent, cancelled"), "{problem}");
    }
}

async fn admit(stage: &Stage) {
    let mut tx = stage.cx.db.begin().await.unwrap();
    let hash = sha256(TOKEN.as_bytes());
    store::tokens::insert(&mut tx, store::tokens::NewToken::new("viewer", Role::Viewer, &hash, stage.now()))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn get(stage: &Stage, query: &str) -> (u16, Value) {
    let request = Request::get(format!("/api/v1/issues{query}"));
    let request = request.header("authorization", format!("Bearer {TOKEN}")).body(Body::empty()).unwrap();
    let response = stage.send(request).await;
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

fn subjects(page: &Value) -> Vec<&str> {
    page["issues"].as_array().unwrap().iter().map(|issue| issue["subject"].as_str().unwrap()).collect()
}
