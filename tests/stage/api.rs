//! Programs that call the API, each with a token.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::response::Response;
use bellwether::audit::Actor;
use bellwether::domain::role::Role;
use bellwether::newsroom::tokens;
use bellwether::web::api::openapi;
use serde_json::Value;

use super::Stage;

/// A program and its token.
pub struct Program<'a> {
    stage: &'a Stage,
    token: String,
}

/// What a call got.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub kind: String,
    pub body: Value,
}

impl Stage {
    /// A program with a token of this name and role.
    pub async fn program(&self, name: &str, role: Role) -> Program<'_> {
        self.program_of(&tokens::Wanted { name: name.to_owned(), role, areas: vec![], holds: None }).await
    }

    /// A program whose token is kept to something.
    pub async fn program_of(&self, wanted: &tokens::Wanted) -> Program<'_> {
        let token = tokens::create(&self.cx, &Actor::command(), wanted).await.unwrap();
        Program { stage: self, token }
    }
}

impl Program<'_> {
    /// One that holds this token.
    pub fn with(&self, token: &str) -> Self {
        Program { stage: self.stage, token: token.to_owned() }
    }

    pub async fn gets(&self, path: &str) -> Answer {
        self.calls("GET", path, None, "").await
    }

    pub async fn posts(&self, path: &str, body: &Value) -> Answer {
        self.calls("POST", path, None, &body.to_string()).await
    }

    /// With an Idempotency-Key.
    pub async fn posts_once(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.calls("POST", path, Some(key), &body.to_string()).await
    }

    pub async fn patches(&self, path: &str, body: &Value) -> Answer {
        self.calls("PATCH", path, None, &body.to_string()).await
    }

    pub async fn deletes(&self, path: &str) -> Answer {
        self.calls("DELETE", path, None, "").await
    }

    /// A list, as CSV.
    pub async fn uploads(&self, path: &str, rows: &str) -> Answer {
        let mut request = self.request("POST", path, None, rows);
        request.headers_mut().insert("content-type", "text/csv".parse().unwrap());
        self.answered("POST", path, request).await
    }

    /// A file that a call hands out.
    pub async fn downloads(&self, path: &str) -> String {
        let response = self.stage.send(self.request("POST", path, None, "")).await;
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        self.is_described("POST", path, response.status().as_u16(), &kind);
        String::from_utf8(to_bytes(response.into_body(), 1 << 22).await.unwrap().to_vec()).unwrap()
    }

    /// The whole of a stream of events, by the JSON of each.
    pub async fn hears(&self, path: &str) -> Vec<Value> {
        events(self.listens(path).await).await
    }

    /// The beginning of a stream of events.
    pub async fn listens(&self, path: &str) -> Response {
        self.stage.send(self.request("GET", path, None, "")).await
    }

    async fn calls(&self, method: &str, path: &str, key: Option<&str>, body: &str) -> Answer {
        self.answered(method, path, self.request(method, path, key, body)).await
    }

    async fn answered(&self, method: &str, path: &str, request: Request<Body>) -> Answer {
        let response = self.stage.send(request).await;
        let status = response.status().as_u16();
        let kind = response.headers().get("content-type").map_or("", |it| it.to_str().unwrap()).to_owned();
        let body = to_bytes(response.into_body(), 1 << 22).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{status}: {body:?}"));
        self.is_described(method, path, status, &kind);
        Answer { status, kind, body }
    }

    /// The API's own document says that this call may be answered so.
    fn is_described(&self, method: &str, path: &str, status: u16, kind: &str) {
        let document = openapi::document(&self.stage.cx);
        let path = format!("/api/v1{}", path.split('?').next().unwrap());
        let parts: Vec<_> = path.split('/').collect();
        let fits = |pattern: &str| {
            let pattern: Vec<_> = pattern.split('/').collect();
            let same = |(one, other): (&&str, &&str)| one == other || one.starts_with('{');
            pattern.len() == parts.len() && pattern.iter().zip(&parts).all(same)
        };
        let paths = document["paths"].as_object().unwrap();
        // What has no place in it goes first: /alerts/test is no alert of that name.
        let found = paths.get_key_value(&path).or_else(|| paths.iter().find(|(pattern, _)| fits(pattern)));
        let Some((_, calls)) = found else {
            assert_eq!(status, 404, "{path} is in no document");
            return;
        };
        let Some(call) = calls.get(method.to_lowercase()) else {
            assert_eq!(status, 405, "{method} {path} is in no document");
            return;
        };
        let mut answer = &call["responses"][status.to_string()];
        if let Some(shared) = answer["$ref"].as_str() {
            answer = &document["components"]["responses"][shared.rsplit('/').next().unwrap()];
        }
        assert!(
            answer["content"][kind].is_object(),
            "{method} {path} answers {status} as {kind:?}: {answer}"
        );
    }

    fn request(&self, method: &str, path: &str, key: Option<&str>, body: &str) -> Request<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        request.body(Body::from(body.to_owned())).unwrap()
    }
}

impl Answer {
    /// It went well, and so.
    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// A problem of this status and type, where it has one.
    #[track_caller]
    pub fn fails(self, status: u16, kind: &str) -> Value {
        assert_eq!(self.kind, "application/problem+json", "{}", self.body);
        assert_eq!(
            (self.status, self.body["status"].as_u64()),
            (status, Some(status.into())),
            "{}",
            self.body
        );
        let own = self.body["type"].as_str().unwrap();
        assert_eq!(own.rsplit('#').next().unwrap(), if kind.is_empty() { "about:blank" } else { kind });
        self.body
    }
}

/// The JSON of each event of a stream, to its end.
pub async fn events(response: Response) -> Vec<Value> {
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let whole = tokio::time::timeout(Duration::from_secs(60), to_bytes(response.into_body(), 1 << 20));
    let text = whole.await.expect("the stream to end").unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|it| serde_json::from_str(it).unwrap())
        .collect()
}
