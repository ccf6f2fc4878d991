//! The examples of the API's document: calls of one story, written down with what they were answered. They stand in
//! `src/web/api/examples.json`; where a call takes or answers something else, `BELLWETHER_EXAMPLES=write cargo test
//! examples` writes them anew, and then read the diff.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use bellwether::audit::Actor;
use bellwether::delivering::pausing;
use bellwether::domain::pause::{Kind, Pause};
use bellwether::domain::role::Role;
use bellwether::web::api::openapi;
use serde_json::{Map, Value, json};

use crate::stage::{Answer, PASSWORD, Program, Setup, Span, Stage, both};

const ADA: &str = "ada@example.com";
const GRACE: &str = "grace@example.com";

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/web/api/examples.json")
}

/// A program that calls all there is to call, and what it saw.
struct Tour<'a> {
    stage: &'a Stage,
    office: Program<'a>,
    seen: BTreeMap<String, Map<String, Value>>,
}

impl Tour<'_> {
    async fn get(&mut self, path: &str) -> Value {
        let answer = self.office.gets(path).await;
        self.noted("GET", path, None, answer)
    }

    async fn post(&mut self, path: &str, body: Value) -> Value {
        let answer = self.office.posts(path, &body).await;
        self.noted("POST", path, Some(body), answer)
    }

    /// A call without a body.
    async fn does(&mut self, path: &str) -> Value {
        let answer = self.office.posts(path, &json!({})).await;
        self.noted("POST", path, None, answer)
    }

    async fn once(&mut self, path: &str, body: Value) -> Value {
        let key = format!("key-{}", self.seen.len());
        let answer = self.office.posts_once(&key, path, &body).await;
        self.noted("POST", path, Some(body), answer)
    }

    async fn patch(&mut self, path: &str, body: Value) -> Value {
        let answer = self.office.patches(path, &body).await;
        self.noted("PATCH", path, Some(body), answer)
    }

    async fn import(&mut self, path: &str, rows: &str) -> Value {
        let answer = self.office.uploads(path, rows).await;
        self.noted("POST", path, Some(rows.into()), answer)
    }

    async fn export(&mut self, path: &str) {
        let body = self.office.downloads(path).await.into();
        self.noted("POST", path, None, Answer { status: 200, kind: "text/csv".to_owned(), body });
    }

    async fn events(&mut self, path: &str) {
        let told = self.office.hears(path).await.remove(0);
        let body = json!({ "data": self.plain(&told).to_string() });
        self.noted("GET", path, None, Answer { status: 200, kind: "text/event-stream".to_owned(), body });
    }

    async fn delete(&mut self, path: &str) -> Value {
        let answer = self.office.deletes(path).await;
        self.noted("DELETE", path, None, answer)
    }

    /// The first call of each operation is its example; of later ones only answers of another status are kept.
    fn noted(&mut self, method: &str, path: &str, body: Option<Value>, answer: Answer) -> Value {
        assert!(answer.status < 300, "{method} {path}: {}", answer.body);
        let id = operation(method, path);
        let shown = self.plain(&answer.body);
        let (path, body) = (self.plain(&path.into()), body.map(|body| self.plain(&body)));
        let call = self.seen.entry(id).or_default();
        call.entry("path").or_insert(path);
        if let Some(body) = body {
            call.entry("request").or_insert(body);
        }
        let answers = call.entry("answers").or_insert_with(|| json!({}));
        let answers = answers.as_object_mut().unwrap();
        answers.entry(answer.status.to_string()).or_insert(shown);
        answer.body
    }

    /// Without what is by chance: ids are counted, and a token is a sample.
    fn plain(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let member = |(name, it): (&String, &Value)| {
                    let shown = match (name.as_str(), it) {
                        // Mails are long, and change with their templates.
                        ("html", Value::String(html)) => {
                            format!("{}…", html.get(..15).unwrap_or(html)).into()
                        }
                        ("bytes", Value::Number(_)) => 20_000.into(),
                        ("text", Value::String(text)) if text.len() > 150 => {
                            format!("{}…", text.chars().take(120).collect::<String>()).into()
                        }
                        _ => self.plain(it),
                    };
                    (name.clone(), shown)
                };
                map.iter().map(member).collect()
            }
            Value::Array(list) => list.iter().map(|it| self.plain(it)).collect(),
            Value::String(text) if text.starts_with("bw_") => {
                "bw_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG".into()
            }
            Value::String(text) => text.replace("451-1-", "").into(),
            other => other.clone(),
        }
    }
}

/// What is called: `/drafts/{id}` of `/drafts/0198…`.
fn operation(method: &str, path: &str) -> String {
    let path = path.split('?').next().unwrap();
    let parts: Vec<_> = path.split('/').collect();
    let fits = |pattern: &str| {
        let pattern: Vec<_> = pattern.trim_start_matches("/api/v1").split('/').collect();
        let same = |(one, other): (&&str, &&str)| one == other || one.starts_with('{');
        pattern.len() == parts.len() && pattern.iter().zip(&parts).all(same)
    };
    let mut fitting: Vec<_> =
        openapi::operations().into_iter().filter(|it| it.method == method && fits(it.path)).collect();
    fitting.sort_by_key(|it| it.path.matches('{').count());
    fitting.first().unwrap_or_else(|| panic!("{method} {path}")).id()
}

/// Ids in the order that they are met.
fn with_counted_ids(text: &str) -> String {
    let is_id = |part: &str| {
        part.len() == 36
            && part.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    let (mut counted, mut known, mut at) = (String::new(), Vec::<String>::new(), 0);
    while at < text.len() {
        match text.get(at..at + 36).filter(|part| is_id(part)) {
            Some(id) => {
                let place = known.iter().position(|it| it == id).unwrap_or_else(|| {
                    known.push(id.to_owned());
                    known.len() - 1
                });
                counted += &format!("0198a5c0-0000-7000-8000-{:012}", place + 1);
                at += 36;
            }
            None => {
                let next = text[at..].chars().next().unwrap();
                counted.push(next);
                at += next.len_utf8();
            }
        }
    }
    counted
}

/// Where two differ in shape: in what there is, and of which kind. Which words and numbers they are may change.
fn differ(at: &str, kept: &Value, now: &Value, found: &mut Vec<String>) {
    match (kept, now) {
        (Value::Object(kept), Value::Object(now)) => {
            for name in kept.keys().chain(now.keys()).collect::<BTreeSet<_>>() {
                match (kept.get(name), now.get(name)) {
                    (Some(kept), Some(now)) => differ(&format!("{at}/{name}"), kept, now, found),
                    (kept, _) => {
                        found.push(format!("{at}/{name}: {}", if kept.is_some() { "gone" } else { "new" }))
                    }
                }
            }
        }
        (Value::Array(kept), Value::Array(now)) => {
            if let (Some(kept), Some(now)) = (kept.first(), now.first()) {
                differ(&format!("{at}/0"), kept, now, found);
            }
        }
        // What is sent is what the file says.
        _ if at.contains("/request") && kept != now => found.push(format!("{at}: {kept} before, {now} now")),
        (Value::Null, _) | (_, Value::Null) => {}
        _ if std::mem::discriminant(kept) == std::mem::discriminant(now) => {}
        _ => found.push(format!("{at}: {kept} before, {now} now")),
    }
}

fn id(of: &Value) -> String {
    of["id"].as_str().map_or_else(|| of["id"].to_string(), ToOwned::to_owned)
}

/// What the newsroom reads, and its readers.
async fn sources_and_readers(tour: &mut Tour<'_>) {
    let harbour = json!({ "slug": "harbour", "name": "Harbour news", "description": "Ships and tides.", "public": true });
    tour.post("/topics", harbour).await;
    tour.patch("/topics/harbour", json!({ "description": "Ships, tides and the fish market." })).await;
    tour.does("/topics/harbour/retire").await;
    tour.does("/topics/harbour/restore").await;
    tour.get("/topics/harbour").await;
    tour.get("/topics").await;
    let rows = "email,alerts,digest\nada@example.com,true,daily\ngrace@example.com,false,weekly\n451-1-finn@example.com,true,none\n";
    let list = "/subscribers/import?topic=election-alerts&source=Reader%20survey%202026&name=survey.csv&dry_run=false";
    tour.import(list, rows).await;
    tour.get("/subscribers/imports").await;
    let weekly = json!({ "name": "monday", "digest": "weekly", "cron": "0 7 * * MON", "timezone": "America/New_York", "public": true });
    tour.office.posts("/schedules/weekly/retire", &json!({})).await.is(200);
    tour.post("/schedules", weekly).await;
    tour.patch("/schedules/monday", json!({ "cron": "30 6 * * MON" })).await;
    tour.get("/schedules/monday").await;
    tour.get("/schedules").await;
    let post = json!({
        "guid": "polls-2026", "url": "https://site.example.org/polls", "title": "Polls are open",
        "summary": "All stations opened on time.", "html": "<p>All stations opened on time.</p>", "author": "Grace Moss",
        "topics": ["election-alerts"],
    });
    tour.post("/posts", post.clone()).await;
    tour.post("/posts", post).await;
    tour.get("/posts").await;
    tour.get("/schedules/monday/preview").await;
    tour.does("/schedules/monday/retire").await;
    tour.does("/schedules/monday/restore").await;
    let feed = json!({ "url": "https://site.example.org/harbour.xml", "topic": "harbour", "every": 600, "alert": false });
    let feed = format!("/feeds/{}", id(&tour.post("/feeds", feed).await));
    tour.patch(&feed, json!({ "every": 300 })).await;
    tour.get(&feed).await;
    tour.get("/feeds").await;
    tour.does(&format!("{feed}/restore")).await;
    tour.does(&format!("{feed}/retire")).await;
}

/// Alerts, from a draft and at once.
async fn alerts(tour: &mut Tour<'_>) {
    let alert = json!({
        "subject": "Polls close at eight", "markdown": "Two more hours. **Bring an ID.**",
        "url": "https://site.example.org/polls", "topics": ["election-alerts"], "level": "major",
    });
    let mut dry = alert.clone();
    dry["dry_run"] = true.into();
    let mut test = alert.clone();
    test["to"] = "editor@example.org".into();
    tour.post("/alerts/test", test).await;
    let begun = tour.once("/alerts", alert).await;
    tour.post("/alerts", dry).await;
    tour.stage.settle().await;
    let issue = format!("/issues/{}", id(&begun));
    let deliveries = tour.get(&format!("{issue}/deliveries")).await;
    let put_off =
        deliveries["deliveries"].as_array().unwrap().iter().find(|it| it["state"] == "deferred").unwrap();
    tour.get(&format!("/deliveries/{}", put_off["id"])).await;
    tour.does(&format!("/deliveries/{}/retry", put_off["id"])).await;
    tour.does(&format!("{issue}/retry")).await;
    tour.does(&format!("{issue}/pause")).await;
    tour.does(&format!("{issue}/resume")).await;
    tour.get(&format!("{issue}/progress")).await;
    tour.get(&format!("{issue}/mail")).await;
    tour.stage.settle().await;
    tour.get(&format!("{issue}/curve")).await;
    tour.events(&format!("{issue}/events")).await;
    tour.get(&issue).await;
    tour.patch(&issue, json!({ "public": true })).await;
    let right =
        json!({ "subject": "Polls close at nine", "markdown": "We said eight. They close at **nine**." });
    tour.once(&format!("{issue}/correct"), right).await;
    tour.get("/issues").await;

    let text = json!({
        "subject": "Polls are closed", "preheader": "First counts at nine", "markdown": "All stations closed on time.",
        "url": "https://site.example.org/counts", "level": "all", "topics": ["election-alerts"], "useful_for": 120,
    });
    let draft = tour.post("/drafts", text).await;
    let path = format!("/drafts/{}", id(&draft));
    tour.patch(&path, json!({ "version": 1, "preheader": "First counts at half past nine" })).await;
    tour.get(&path).await;
    tour.get(&format!("{path}/audience")).await;
    tour.get(&format!("{path}/mail?reader={ADA}")).await;
    tour.post(&format!("{path}/test"), json!({ "to": "editor@example.org" })).await;
    tour.does(&format!("{path}/ask")).await;
    tour.delete(&path).await;
    tour.does(&format!("{path}/restore")).await;
    tour.get("/drafts").await;
    let audience = tour.get(&path).await["audience"].clone();
    let held = tour.once(&format!("{path}/release"), json!({ "audience": audience, "version": 2 })).await;
    tour.does(&format!("/issues/{}/undo", id(&held))).await;
    let held = tour.once(&format!("{path}/release"), json!({ "audience": audience })).await;
    tour.does(&format!("/issues/{}/cancel", id(&held))).await;

    let race = json!({ "name": "Mayor of Springfield", "not_before": "2026-11-03T20:00:00-05:00", "timezone": "America/New_York", "topics": ["election-alerts"] });
    let race = tour.post("/races", race).await;
    let path = format!("/races/{}", id(&race));
    let outcome = json!({ "race": race["id"], "outcome": "Moss wins", "subject": "Moss elected mayor", "markdown": "Grace Moss wins." });
    tour.office.posts("/drafts", &outcome).await.is(201);
    tour.patch(&path, json!({ "name": "Mayor of Springfield, first round" })).await;
    let moment =
        json!({ "not_before": "2026-11-03T21:00:00-05:00", "confirm": "Mayor of Springfield, first round" });
    tour.post(&format!("{path}/moment"), moment).await;
    tour.does(&format!("{path}/close")).await;
    tour.does(&format!("{path}/reopen")).await;
    tour.get(&path).await;
    tour.get("/races").await;
}

/// Readers and people, and how it stands with all of it.
async fn people(tour: &mut Tour<'_>) {
    let found = tour.get("/subscribers?q=ada%40example&state=active").await;
    let reader = format!("/subscribers/{}", id(&found["subscribers"][0]));
    tour.get(&reader).await;
    let issues = tour.office.gets("/issues").await.is(200);
    let issue = issues["issues"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["subject"] == "Polls close at eight")
        .unwrap();
    tour.get(&format!("{reader}/why?issue={}", id(issue))).await;
    tour.export("/subscribers/export").await;
    tour.does(&format!("{reader}/suppress")).await;
    let grace = tour.office.gets(&format!("/subscribers?q={GRACE}")).await.is(200);
    tour.post(&format!("/subscribers/{}/erase", id(&grace["subscribers"][0])), json!({ "address": GRACE }))
        .await;

    tour.stage.owner("olga").await;
    tour.stage.browser("olga").signs_in(PASSWORD).await;
    let moss = json!({ "email": "moss@example.org", "name": "Grace Moss", "role": "contributor" });
    let moss = format!("/users/{}", id(&tour.once("/users", moss).await));
    tour.does(&format!("{moss}/link")).await;
    tour.post(&format!("{moss}/role"), json!({ "role": "editor" })).await;
    tour.does(&format!("{moss}/disable")).await;
    tour.does(&format!("{moss}/enable")).await;
    tour.does(&format!("{moss}/forget-codes")).await;
    tour.get(&moss).await;
    tour.get("/users").await;
    let of_olga = format!("/users/{}", tour.stage.user("olga").await.public_id);
    let sessions = tour.get(&format!("{of_olga}/sessions")).await;
    tour.does(&format!("{of_olga}/sessions/{}/end", id(&sessions["sessions"][0]))).await;
    tour.does(&format!("{of_olga}/sessions/end")).await;
    let site = json!({ "name": "site", "role": "contributor", "scope": ["posts"], "days": 365 });
    let site = tour.once("/tokens", site).await;
    tour.get("/tokens").await;
    tour.does(&format!("/tokens/{}/revoke", site["id"])).await;

    let pause = Pause {
        kind: Kind::Relay,
        name: "primary".to_owned(),
        reason: "they move house".to_owned(),
        since: tour.stage.now(),
    };
    pausing::pause(&tour.stage.cx, &Actor::command(), pause).await.unwrap();
    tour.stage.advance(10.minutes()).await;
    tour.stage.watches().await;
    tour.get("/incidents").await;
    tour.get("/overview").await;
    tour.does("/relays/primary/resume").await;
    tour.does("/lanes/digest/resume").await;
    tour.get("/audit?q=moss%40example.org&limit=2").await;
}

both! {
    async fn the_examples_of_the_document_are_calls_that_were_answered_so(setup: Setup) {
        let stage = setup
            .with("sender.test_addresses.0", "editor@example.org")
            .with("relays.0.name", "primary")
            .schedule("daily", "0 7 * * *", "America/New_York")
            .open()
            .await;
        let office = stage.program("office", Role::Owner).await;
        let mut tour = Tour { stage: &stage, office, seen: BTreeMap::new() };
        sources_and_readers(&mut tour).await;
        alerts(&mut tour).await;
        people(&mut tour).await;
        let written = serde_json::to_string_pretty(&tour.seen).unwrap();
        let written = with_counted_ids(&written) + "\n";
        if std::env::var("BELLWETHER_EXAMPLES").is_ok_and(|it| it == "write") {
            std::fs::write(file(), &written).unwrap();
        }
        let kept = std::fs::read_to_string(file()).unwrap();
        let [kept, now] = [&kept, &written].map(|text| serde_json::from_str::<Value>(text).unwrap());
        let mut different = Vec::new();
        differ("", &kept, &now, &mut different);
        assert!(different.is_empty(), "see the head of tests/web/examples.rs: {different:#?}");
    }
}

#[tokio::test]
async fn every_body_and_every_good_answer_of_the_document_has_an_example() {
    let stage = Stage::new().await;
    let document = openapi::document(&stage.cx);
    let mut without = BTreeSet::new();
    for (path, calls) in document["paths"].as_object().unwrap() {
        for (method, call) in calls.as_object().unwrap() {
            let of =
                |content: &Value| content.as_object().unwrap().values().all(|it| !it["example"].is_null());
            if !call["requestBody"].is_null() && !of(&call["requestBody"]["content"]) {
                without.insert(format!("{method} {path}, its body"));
            }
            for (status, answer) in call["responses"].as_object().unwrap() {
                if status.starts_with('2') && path != "/api/v1/openapi.json" && !of(&answer["content"]) {
                    without.insert(format!("{method} {path}: {status}"));
                }
            }
        }
    }
    assert!(without.is_empty(), "{without:#?}");
}
