//! What a form may say, and how it is understood.

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use bellwether::domain::{
    subscription::{Digest, Wishes},
    topic::Slug,
};
use bellwether::web::problem::Problem;
use bellwether::web::public::form::{self, Field, Form};

const URLENCODED: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

async fn read(content_type: &str, body: impl Into<Body>) -> Result<Form, Problem> {
    Form::read(Request::builder().header("content-type", content_type).body(body.into()).unwrap()).await
}

async fn refused(content_type: &str, body: impl Into<Body>) -> StatusCode {
    read(content_type, body).await.unwrap_err().status()
}

fn offered() -> Vec<Slug> {
    ["election-alerts", "foreign-policy"].iter().map(|slug| slug.parse().unwrap()).collect()
}

fn defaults() -> Wishes {
    Wishes { topics: offered(), alerts: true, digest: Digest::Daily }
}

fn wishes(topics: &[&str], alerts: bool, digest: Digest) -> Wishes {
    Wishes { topics: topics.iter().map(|slug| slug.parse().unwrap()).collect(), alerts, digest }
}

async fn asked(body: &'static str) -> Wishes {
    read(URLENCODED, body).await.unwrap().wishes(&offered(), &defaults()).unwrap()
}

/// The fields that something is wrong with.
async fn wrong(body: &'static str) -> Vec<Field> {
    let faults = read(URLENCODED, body).await.unwrap().wishes(&offered(), &defaults()).unwrap_err();
    faults.iter().map(|fault| fault.field).collect()
}

#[tokio::test]
async fn a_form_that_does_not_ask_gives_the_defaults() {
    assert_eq!(asked("email=ada%40example.org").await, defaults());
}

#[tokio::test]
async fn the_last_value_wins_and_topics_add_up() {
    let body =
        "alerts=false&alerts=true&digest=daily&digest=weekly&topics=election-alerts&topics=foreign-policy";
    assert_eq!(asked(body).await, wishes(&["election-alerts", "foreign-policy"], true, Digest::Weekly));
    assert_eq!(asked("topics=foreign-policy&topics=foreign-policy").await.topics.len(), 1);
}

#[tokio::test]
async fn a_box_without_a_tick_is_no_consent() {
    assert!(!asked("alerts=false").await.alerts);
    assert!(asked("alerts=false&alerts=on").await.alerts);
    assert!(!asked("alerts=off").await.alerts);
    assert_eq!(asked("topics=").await.topics, []);
    assert_eq!(
        asked("topics=&topics=foreign-policy").await,
        wishes(&["foreign-policy"], true, Digest::Daily)
    );
}

#[tokio::test]
async fn words_that_mean_nothing_are_named() {
    assert_eq!(wrong("alerts=yes").await, [Field::Alerts]);
    assert_eq!(wrong("digest=hourly").await, [Field::Digest]);
    assert_eq!(
        wrong("topics=sports&alerts=maybe&digest=").await,
        [Field::Topics, Field::Alerts, Field::Digest]
    );
}

#[tokio::test]
async fn a_line_break_in_any_field_is_refused() {
    assert_eq!(wrong("topics=election-alerts%0d%0a").await, [Field::Topics]);
    assert_eq!(wrong("alerts=true%0d%0a").await, [Field::Alerts]);
    assert_eq!(wrong("digest=daily%0a").await, [Field::Digest]);
    for email in
        ["ada%40example.org%0d%0aBcc%3a+eve%40example.org", "ada%40example.org%0d%0a", "%00ada%40example.org"]
    {
        let form = read(URLENCODED, format!("email={email}")).await.unwrap();
        assert_eq!(form.address().unwrap_err().field, Field::Email, "{email}");
    }
}

#[tokio::test]
async fn an_address_is_taken_as_typed_without_the_spaces_around_it() {
    let form = read(URLENCODED, "email=+Ada%40Example.org+").await.unwrap();
    assert_eq!(form.address().unwrap().as_str(), "Ada@Example.org");
}

#[tokio::test]
async fn an_empty_address_is_told_in_a_sentence() {
    for body in ["", "email=", "email=++"] {
        let detail = read(URLENCODED, body).await.unwrap().address().unwrap_err().detail;
        assert!(detail.starts_with(char::is_uppercase) && detail.ends_with('.'), "{detail}");
    }
}

#[tokio::test]
async fn a_multipart_form_says_the_same() {
    let body = "--x\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\nada@example.org\r\n\
        --x\r\nContent-Disposition: form-data; name=\"topics\"\r\n\r\nforeign-policy\r\n\
        --x\r\nContent-Disposition: form-data; name=\"digest\"\r\n\r\nnone\r\n--x--\r\n";
    let form = read("multipart/form-data; boundary=x", body).await.unwrap();
    assert_eq!(form.email, "ada@example.org");
    let wanted = wishes(&["foreign-policy"], true, Digest::None);
    assert_eq!(form.wishes(&offered(), &defaults()).unwrap(), wanted);
    assert_eq!(refused("multipart/form-data; boundary=x", "--x\r\nnonsense").await, StatusCode::BAD_REQUEST);
    assert_eq!(refused("multipart/form-data", body).await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn json_says_the_same() {
    let body =
        r#"{"email": "ada@example.org", "topics": ["foreign-policy"], "alerts": false, "digest": "weekly"}"#;
    let form = read("application/json; charset=utf-8", body).await.unwrap();
    let wanted = wishes(&["foreign-policy"], false, Digest::Weekly);
    assert_eq!(form.wishes(&offered(), &defaults()).unwrap(), wanted);
    let form = read(JSON, r#"{"email": "ada@example.org"}"#).await.unwrap();
    assert_eq!(form.wishes(&offered(), &defaults()).unwrap(), defaults());
}

#[tokio::test]
async fn json_of_the_wrong_shape_is_unprocessable_and_no_json_is_a_bad_request() {
    for body in [
        r#"{"email": 7}"#,
        r#"{"email": "ada@example.org", "alerts": "yes"}"#,
        r#"{"email": "ada@example.org", "topics": "foreign-policy"}"#,
        r#"{"email": "ada@example.org", "name": "Ada"}"#,
        r#"{"email": "ada@example.org", "website": "x"}"#,
        r#"["ada@example.org"]"#,
        "null",
    ] {
        assert_eq!(refused(JSON, body).await, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    }
    for body in ["", "{", "email=ada", "{\"email\": \"ada\u{7}\"}"] {
        assert_eq!(refused(JSON, body).await, StatusCode::BAD_REQUEST, "{body}");
    }
}

#[tokio::test]
async fn an_unknown_topic_in_json_is_pointed_at() {
    let form = read(JSON, r#"{"email": "a@b.org", "topics": ["election-alerts", "sports"]}"#).await.unwrap();
    let faults = form.wishes(&offered(), &defaults()).unwrap_err();
    assert_eq!(faults[0].pointer(), "/topics/1");
}

#[tokio::test]
async fn what_is_no_form_is_an_unsupported_media_type() {
    assert_eq!(refused("text/plain", "email=ada%40example.org").await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let untyped = Request::builder().body(Body::from("email=ada")).unwrap();
    assert_eq!(Form::read(untyped).await.unwrap_err().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[test]
fn who_asks_for_nothing_is_asked_to_choose() {
    let fields = |wishes| form::nothing_asked(&wishes).iter().map(|fault| fault.field).collect::<Vec<_>>();
    assert_eq!(fields(wishes(&["foreign-policy"], false, Digest::None)), [Field::Alerts]);
    assert_eq!(fields(wishes(&[], false, Digest::None)), [Field::Topics, Field::Alerts]);
    assert_eq!(fields(wishes(&["foreign-policy"], false, Digest::Weekly)), []);
    assert_eq!(fields(wishes(&["foreign-policy"], true, Digest::None)), []);
}
