//! The real program, `bellwether serve`, with a configuration in a folder of its own; and what is asked of it over HTTP.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Result;
use super::counts;
use super::stock::{Copy, Stock};

pub const SUBJECT: &str = "Island ballots are counted";
pub const LINK: &str = "https://site.example.org/island-ballots-are-counted";
/// How long it may take to be ready, and to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// Another build of the program, which is run in place of the one that was built with the benchmark.
pub static OTHER: OnceLock<PathBuf> = OnceLock::new();

/// What a run's configuration says, besides what all of them say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where the SMTP server listens.
    pub relay_port: u16,
    pub connections: u32,
    /// More lines of its section.
    pub relay: String,
    /// More sections.
    pub more: String,
}

/// What came of a start.
pub enum Start {
    Running(Box<Program>),
    /// The program does not take this configuration; what it said.
    Refused(String),
}

/// The running program. Dropped, it is killed.
pub struct Program {
    child: Child,
    url: String,
    token: String,
    http: reqwest::Client,
    copy: Option<Copy>,
}

/// An alert that was published.
pub struct Published {
    pub id: String,
    /// Microseconds since 1970: just before the call, and when its answer was there.
    pub called: i64,
    pub answered: i64,
}

impl Program {
    /// Starts it on a copy of a stock, and waits until it is ready.
    pub async fn start(stock: &Stock, settings: &Settings) -> Result<Start> {
        let copy = stock.copy().await?;
        let url = write_config(copy.folder.path(), &copy.database_url, settings)?;
        let log = std::fs::File::create(copy.folder.path().join("log"))?;
        let mut child = command(copy.folder.path(), &["serve"]).stdout(Stdio::null()).stderr(log).spawn()?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let began = Instant::now();
        loop {
            if child.try_wait()?.is_some() {
                let said = std::fs::read_to_string(copy.folder.path().join("log"))?;
                copy.remove().await?;
                return Ok(Start::Refused(said.trim().to_owned()));
            }
            let answer = http.get(format!("{url}/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                break;
            }
            if began.elapsed() > PATIENCE {
                let _ = child.kill();
                return Err("bellwether serve is not ready after a minute".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let program = Self { child, url, token: stock.token.clone(), http, copy: Some(copy) };
        Ok(Start::Running(Box::new(program)))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `POST /api/v1/alerts` with this text to a topic's readers.
    pub async fn alert(&self, topic: &str, level: &str, text: &str) -> Result<Published> {
        let body =
            json!({ "subject": SUBJECT, "markdown": text, "url": LINK, "topics": [topic], "level": level });
        let called = counts::now();
        let answer = self.post("/api/v1/alerts", &body, Some(called.to_string())).await?;
        let id = answer["id"].as_str().ok_or("the answer has no id")?.to_owned();
        Ok(Published { id, called, answered: counts::now() })
    }

    /// `POST /api/v1/posts`: goes into the next digest.
    pub async fn post_story(&self, topic: &str) -> Result<()> {
        let body = json!({
            "guid": counts::now().to_string(), "url": LINK, "title": SUBJECT, "topics": [topic],
            "summary": "The commission counted the last of the island ballots at a quarter past nine.",
        });
        self.post("/api/v1/posts", &body, None).await.map(|_| ())
    }

    /// A visitor signs up; gives when that was called, in microseconds since 1970.
    pub async fn sign_up(&self, address: &str, topic: &str) -> Result<i64> {
        let called = counts::now();
        self.post("/subscribe", &json!({ "email": address, "topics": [topic] }), None).await?;
        Ok(called)
    }

    /// What the API says of an issue.
    pub async fn issue(&self, id: &str) -> Result<Value> {
        let request = self.http.get(format!("{}/api/v1/issues/{id}", self.url)).bearer_auth(&self.token);
        Ok(serde_json::from_str(&request.send().await?.text().await?)?)
    }

    /// Waits until the database has every delivery of an issue settled.
    pub async fn settled(&self, id: &str) -> Result<Value> {
        let began = Instant::now();
        loop {
            let issue = self.issue(id).await?;
            if issue["state"] == "sent" {
                return Ok(issue);
            }
            if began.elapsed() > PATIENCE {
                return Err(
                    format!("everything was accepted, and a minute later the issue is {issue}").into()
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// SIGTERM, waits for the end, and removes what the run left.
    pub async fn stop(mut self: Box<Self>) -> Result<()> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if began.elapsed() > PATIENCE {
                return Err("bellwether serve is still there a minute after SIGTERM".into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        if let Some(copy) = self.copy.take() {
            let log = std::fs::read_to_string(copy.folder.path().join("log"))?;
            copy.remove().await?;
            if !status.success() {
                return Err(format!("bellwether serve ended with {status}; it said:\n{log}").into());
            }
        }
        Ok(())
    }

    async fn post(&self, path: &str, body: &Value, key: Option<String>) -> Result<Value> {
        let mut request = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.token).json(body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            return Err(format!("POST {path}: {status}: {text}").into());
        }
        Ok(serde_json::from_str(&text)?)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes `config.toml`; gives the URL where the program will be.
pub fn write_config(folder: &Path, database_url: &str, settings: &Settings) -> Result<String> {
    let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let text = format!(
        r#"[server]
listen = "{listen}"
secret = "a secret of the benchmark, longer than 32 characters"
data = "{folder}/data"
[database]
url = "{database_url}"
[sender]
from = "Election Desk <desk@example.org>"
postal_address = "1 Market Street, Springfield"
bounces = "bounces+{{id}}@example.org"
[[relays]]
url = "smtp://127.0.0.1:{port}"
tls = "none"
connections = {connections}
{relay}
[[topics]]
slug = "news"
[[topics]]
slug = "bulk"
{more}
"#,
        folder = folder.display(),
        port = settings.relay_port.max(1),
        connections = settings.connections.max(1),
        relay = settings.relay,
        more = settings.more.replace("{folder}", &folder.display().to_string()),
    );
    std::fs::write(folder.join("config.toml"), text)?;
    Ok(format!("http://{listen}"))
}

/// Runs a command to its end; gives its standard output.
pub fn run(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = command(folder, arguments).output()?;
    if !output.status.success() {
        return Err(format!(
            "bellwether {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The program without the settings of the environment.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let program = OTHER.get().map_or(Path::new(env!("CARGO_BIN_EXE_bellwether")), PathBuf::as_path);
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BELLWETHER_") {
            command.env_remove(name);
        }
    }
    command.args(["--config", "config.toml"]).args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}
