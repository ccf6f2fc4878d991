//! The API against its own document: Schemathesis reads `/api/v1/openapi.json` and sends the binary what is right, nearly
//! right and wrong by it. Nothing is answered that the document doesn't say, and nothing with a 500.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::find;
use super::installation::{Installation, Service, TOPIC};
use crate::stage::Backend;

const WHAT: &str = "calling the API by its document";

/// With `BELLWETHER_LONG=1` fifty times as many calls, and others at each run.
fn is_long() -> bool {
    std::env::var("BELLWETHER_LONG").is_ok_and(|long| long == "1")
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_called_is_answered_as_the_document_says() {
    let Some(program) = find("schemathesis", WHAT) else { return };
    let newsroom = Newsroom::open(Backend::Sqlite).await;
    newsroom.is_called(&program, &["--role", "owner"]).await;
    for kept in [
        &["--role", "editor"][..],
        &["--role", "contributor"],
        &["--role", "viewer"],
        &["--role", "owner", "--scope", "posts,subscribers"],
    ] {
        newsroom.refuses(&program, kept).await;
    }
    newsroom.loses_tokens(&program).await;
    assert_eq!(newsroom.service.panic(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_answers_whatever_is_called_as_the_document_says() {
    let Some(program) = find("schemathesis", WHAT) else { return };
    if !Backend::Postgres.is_here() {
        return;
    }
    let newsroom = Newsroom::open(Backend::Postgres).await;
    newsroom.is_called(&program, &["--role", "owner"]).await;
    newsroom.loses_tokens(&program).await;
    assert_eq!(newsroom.service.panic(), None);
}

/// One in which there is something to ask for.
struct Newsroom {
    installation: Installation,
    service: Service,
}

/// The one call that could take the caller's own token away.
const REVOKE: &str = "post-tokens-id-revoke";

impl Newsroom {
    async fn open(backend: Backend) -> Self {
        let installation = Installation::new(backend, 2, "").await;
        installation.edit_config("[sender]", "[sender]\ntest_addresses = [\"desk@example.org\"]");
        installation.import(["ada@example.com", "bea@example.com"]);
        let service = installation.serve().await;
        let newsroom = Self { installation, service };
        newsroom.has_settings().await;
        newsroom
    }

    /// Publishes an alert, and tells the settings which issue there is: no call makes one by itself.
    async fn has_settings(&self) {
        let alert = json!({ "subject": "Polls stay open", "markdown": "Until ten.", "topics": [TOPIC] });
        let (status, accepted) = self.installation.api("/api/v1/alerts", Some("one"), &alert).await;
        assert_eq!(status, 202, "{accepted}");
        let issue = accepted["id"].as_str().unwrap();
        self.installation.sent(issue).await;
        let readers = self.installation.read("/api/v1/subscribers").await;
        let reader = readers["subscribers"][0]["id"].as_str().unwrap();
        let mut settings = include_str!("schemathesis.toml").to_owned();
        for (path, id) in [("issues", issue), ("subscribers", reader)] {
            let known = format!(
                "\n[[operations]]\ninclude-path-regex = \"^/api/v1/{path}/\"\nparameters = {{ id = \"{id}\" }}\n"
            );
            settings.push_str(&known);
        }
        std::fs::write(self.installation.folder().join("schemathesis.toml"), settings).unwrap();
    }

    /// Everything, by one that may all.
    async fn is_called(&self, program: &Path, owner: &[&str]) {
        let which = ["--exclude-operation-id", REVOKE];
        let examples = if is_long() { 1_000 } else { 20 };
        let token = self.calls(program, owner, which, ("coverage,fuzzing,stateful", examples)).await;
        let look = self.installation.http.get(format!("{}/api/v1/topics", self.installation.url));
        assert_eq!(
            look.bearer_auth(token).send().await.unwrap().status(),
            200,
            "it had its token to the end"
        );
    }

    /// Everything, by one that may some of it.
    async fn refuses(&self, program: &Path, kept: &[&str]) {
        let phases = if is_long() { "coverage,fuzzing,stateful" } else { "coverage" };
        self.calls(program, kept, ["--exclude-operation-id", REVOKE], (phases, 50)).await;
    }

    /// By one that may end tokens, also its own.
    async fn loses_tokens(&self, program: &Path) {
        let which = ["--include-operation-id", REVOKE];
        self.calls(program, &["--role", "owner"], which, ("coverage,fuzzing", 20)).await;
    }

    /// Gives the token, which is made for this.
    async fn calls(
        &self,
        program: &Path,
        token: &[&str],
        which: [&str; 2],
        (phases, examples): (&str, usize),
    ) -> String {
        let name = format!("{} {}", token[1..].join(" "), which[0]);
        let whose = name.clone();
        let create = [&["token", "create", "--name", &name], token].concat();
        let token = self.installation.bellwether(&create).trim().to_owned();
        let examples = examples.to_string();
        let seed = if is_long() { std::process::id() } else { 1 }.to_string();
        let mut command = Command::new(program);
        command
            .current_dir(self.installation.folder())
            .args(["--config-file", "schemathesis.toml"])
            .args(["run", &format!("{}/api/v1/openapi.json", self.installation.url)])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .args(which)
            .args(["--checks", "all", "--phases", phases, "--continue-on-failure"])
            .args(["--max-examples", &examples, "--seed", &seed])
            .args(["--request-timeout", "20", "--warnings", "off", "--no-color"]);
        let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "as {whose}:\n{said}\n{}", String::from_utf8_lossy(&done.stderr));
        // Also where a document is so wrong that nothing is found in it.
        assert!(said.contains(" generated, "), "{said}");
        token
    }
}
