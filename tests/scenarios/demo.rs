//! `bellwether demo` as a newcomer meets it: the real program, its three pages, and mail within seconds.

use std::time::Duration;

use serde_json::Value;

use crate::stage::program::Running;

const PATIENCE: Duration = Duration::from_secs(60);

/// A demo that runs in its own folder, and a visitor's browser.
struct Demo {
    running: Running,
    http: reqwest::Client,
    service: String,
    site: String,
    mailbox: String,
}

impl Demo {
    fn start(folder: &std::path::Path, arguments: &[&str]) -> Self {
        let running = Running::start(folder, &[&["demo"], arguments].concat(), "Ctrl-C ends the demo");
        let url = |name: &str| {
            let line = running.said.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
            line.split_whitespace()
                .find(|word| word.starts_with("http"))
                .unwrap()
                .trim_end_matches('/')
                .to_owned()
        };
        let (service, site, mailbox) = (url("Service"), url("News site"), url("Mailbox"));
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { running, http, service, site, mailbox }
    }

    async fn post(&self, url: &str, form: &'static str) -> String {
        let request =
            self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{url}: {}", response.status());
        response.text().await.unwrap()
    }

    /// The first mail of a kind; waits for it.
    async fn mail(&self, kind: &str) -> Value {
        let mut changes = self.http.get(format!("{}/changes", self.mailbox)).send().await.unwrap();
        loop {
            let mails: Vec<Value> = {
                let response = self.http.get(format!("{}/messages.json", self.mailbox)).send().await.unwrap();
                response.json().await.unwrap()
            };
            if let Some(mail) = mails.into_iter().rev().find(|mail| mail["kind"] == kind) {
                return mail;
            }
            changes.chunk().await.expect("a change in time");
        }
    }

    /// The link on the service with this path in a mail's text.
    fn link(&self, mail: &Value, path: &str) -> String {
        let start = format!("{}{path}", self.service);
        let text = mail["text"].as_str().unwrap();
        text.split_whitespace().find(|word| word.starts_with(&start)).unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_signs_up_and_sees_an_alert_and_a_digest_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), &[]);
    let form = "email=ada%40example.org&topics=election-alerts&alerts=true&digest=daily";
    demo.post(&format!("{}/subscribe", demo.service), form).await;
    let confirm = demo.link(&demo.mail("notice").await, "/confirm/");
    demo.post(&confirm, "").await;

    demo.post(&format!("{}/publish", demo.site), "").await;
    let alert = demo.mail("alert").await;
    assert_eq!(alert["to"][0], "ada@example.org");
    let said = demo.post(&format!("{}/digest", demo.site), "").await;
    assert!(said.contains("digest"), "{said}");
    let digest = demo.mail("digest").await;
    assert!(digest["text"].as_str().unwrap().contains(alert["subject"].as_str().unwrap()));

    assert_eq!(demo.running.stop("INT"), 0);
    assert!(folder.path().join("data/demo/bellwether.db").exists(), "readers are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_breaking_news_button_sends_through_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), &["--fresh"]);
    let form = "email=bob%40example.org&topics=election-alerts&alerts=true&digest=none";
    demo.post(&format!("{}/subscribe", demo.service), form).await;
    let confirm = demo.link(&demo.mail("notice").await, "/confirm/");
    demo.post(&confirm, "").await;

    let news = "key=0192f0c1-8a4e-7c3b-9d55-2f1e6f0a7b10&subject=Polls+have+closed&markdown=Counting+begins.";
    let said = demo.post(&format!("{}/alert", demo.site), news).await;
    assert!(said.contains("on its way to 1 reader"), "{said}");
    assert_eq!(demo.mail("alert").await["subject"], "Polls have closed");

    let issues = ["issues", "--config", "data/demo/config.toml"];
    let listed = crate::stage::program::command(folder.path(), &issues).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains("Polls have closed"), "{listed:?}");
}

#[test]
fn fresh_empties_a_demo_and_no_other_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data/demo");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("thesis.txt"), "years of work").unwrap();
    let refused = crate::stage::program::command(folder.path(), &["demo", "--fresh"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(data.join("thesis.txt").exists());

    std::fs::remove_file(data.join("thesis.txt")).unwrap();
    assert_eq!(Demo::start(folder.path(), &[]).running.stop("TERM"), 0);
    let secret = std::fs::read(data.join("secret")).unwrap();
    let demo = Demo::start(folder.path(), &[]);
    let second = crate::stage::program::command(folder.path(), &["demo", "--fresh"]).output().unwrap();
    assert!(String::from_utf8_lossy(&second.stderr).contains("a demo runs in data/demo already"));
    assert_eq!(demo.running.stop("INT"), 0);
    assert_eq!(std::fs::read(data.join("secret")).unwrap(), secret, "kept between runs");
    assert_eq!(Demo::start(folder.path(), &["--fresh"]).running.stop("INT"), 0);
    assert_ne!(std::fs::read(data.join("secret")).unwrap(), secret);
}
