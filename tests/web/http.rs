//! What holds for every answer, whichever page it is: headers, caching, methods, sizes, and the answer's kind.

use std::net::SocketAddr;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::stage::Stage;

async fn send(request: axum::http::request::Builder, body: impl Into<Body>) -> Response<Body> {
    Stage::new().await.send(request.body(body.into()).unwrap()).await
}

async fn get(path: &str) -> Response<Body> {
    send(Request::get(path), Body::empty()).await
}

async fn subscribe(content_type: &str, body: impl Into<Body>) -> Response<Body> {
    send(Request::post("/subscribe").header("content-type", content_type), body).await
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn an_unknown_page_is_a_page_and_an_unknown_call_a_problem() {
    let page = get("/nowhere").await;
    assert_eq!(page.status(), StatusCode::NOT_FOUND);
    assert!(header(&page, "content-type").starts_with("text/html"));
    assert!(text(page).await.contains("There is no such page"));
    let call = get("/api/v1/nowhere").await;
    assert_eq!(call.status(), StatusCode::NOT_FOUND);
    assert_eq!(header(&call, "content-type"), "application/problem+json");
}

#[tokio::test]
async fn every_answer_carries_strict_headers() {
    for path in ["/nowhere", "/api/v1/nowhere", "/static/style.css"] {
        let response = get(path).await;
        let policy = header(&response, "content-security-policy");
        for rule in ["default-src 'none'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(header(&response, "referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff", "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_which_is_right() {
    let response = get("/subscribe").await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(header(&response, "allow").contains("POST"), "{:?}", response.headers());
    for path in ["/", "/static/style.css"] {
        let response = send(Request::delete(path), Body::empty()).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(header(&response, "allow"), "GET,HEAD");
    }
}

#[tokio::test]
async fn a_click_that_asks_before_it_sends_is_answered_without_its_body() {
    let stage = Stage::new().await;
    stage.reader("ada@example.org").await;
    stage.alert("Polls close at eight").sent().await;
    let path = stage.newest("ada@example.org").link("unsubscribe");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = bellwether::web::router(stage.cx.clone());
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(axum::serve(listener, service).into_future());
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: news.example.org\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: 26\r\nExpect: 100-continue\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let issue = stage.alert("Polls are closed").sent().await;
    assert_eq!(stage.outcome(issue).await, "", "who clicked has left");
}

#[tokio::test]
async fn a_script_on_any_site_may_sign_up_without_credentials() {
    let preflight = Request::options("/subscribe")
        .header("origin", "https://site.example.org")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let response = send(preflight, Body::empty()).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    assert_eq!(header(&response, "access-control-allow-methods"), "POST");
    assert_eq!(header(&response, "access-control-allow-headers"), "content-type");
    assert_eq!(header(&response, "access-control-allow-credentials"), "");
    let refused = subscribe("application/json", "{").await;
    assert_eq!(header(&refused, "access-control-allow-origin"), "*");
}

#[tokio::test]
async fn the_answer_is_of_the_kind_of_the_request() {
    let problem = subscribe("application/json", "{\"email\": ").await;
    assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
    assert_eq!(header(&problem, "content-type"), "application/problem+json");
    let page = subscribe("multipart/form-data; boundary=x", "--x\r\ncut short").await;
    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    assert!(header(&page, "content-type").starts_with("text/html"));
    let neither = subscribe("text/plain", "email=ada%40example.org").await;
    assert_eq!(neither.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(header(&neither, "content-type"), "application/problem+json");
}

#[tokio::test]
async fn more_than_a_form_can_hold_is_refused() {
    let megabyte = "a".repeat(1 << 20);
    for content_type in ["application/x-www-form-urlencoded", "application/json"] {
        let response = subscribe(content_type, format!("email={megabyte}")).await;
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE, "{content_type}");
    }
    let part =
        format!("--x\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\n{megabyte}\r\n--x--\r\n");
    let response = subscribe("multipart/form-data; boundary=x", part).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(header(&response, "content-type").starts_with("text/html"));
}

#[tokio::test]
async fn an_asset_is_kept_for_good_by_its_hash_and_asked_for_anew_without() {
    let page = text(get("/nowhere").await).await;
    let start = page.find("/static/style.css?v=").unwrap();
    let pinned = &page[start..start + page[start..].find('"').unwrap()];
    let response = get(pinned).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "text/css; charset=utf-8");
    assert!(header(&response, "cache-control").contains("immutable"));
    for other in ["/static/style.css", "/static/style.css?v=0000", "/static/style.css?x&v=1&v=2"] {
        assert_eq!(header(&get(other).await, "cache-control"), "no-cache", "{other}");
    }
    let tag = header(&response, "etag").to_owned();
    let again = send(Request::get("/static/style.css").header("if-none-match", &tag), Body::empty()).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    let changed =
        send(Request::get("/static/style.css").header("if-none-match", "\"old\""), Body::empty()).await;
    assert_eq!(changed.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_asset_is_not_found() {
    for path in ["/static/nothing.css", "/static/", "/static/..%2fmod.rs", "/static/%ff"] {
        assert_eq!(get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let request = Request::builder().method(Method::HEAD).uri("/static/icon.svg");
    let response = send(request, Body::empty()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "image/svg+xml");
    assert_eq!(text(response).await, "");
}
