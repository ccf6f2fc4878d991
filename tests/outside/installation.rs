//! One installation: its configuration and data in a temporary folder, an SMTP server that takes its mail, and the
//! binary, which may be started, stopped and killed any number of times.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bellwether::app;
use bellwether::cli::demo::{
    mailbox::{Mailbox, Received, letter::Letter},
    smtp,
};
use bellwether::clock::{Clock, Entropy};
use bellwether::config::Config;
use bellwether::context::Context;
use scraper::{Html, Selector};
use serde_json::Value;

use super::{Process, shift::Shift, tail, until, within};
use crate::stage::{Backend, postgres, program};

/// The topic that every installation has.
pub const TOPIC: &str = "election-alerts";

pub struct Installation {
    pub mailbox: Mailbox,
    pub http: reqwest::Client,
    /// Where the service is, without a slash at the end.
    pub url: String,
    relay_port: u16,
    /// Of the API; made when it is first needed.
    token: OnceLock<String>,
    folder: tempfile::TempDir,
    /// Kept for its database.
    _database: Option<postgres::Database>,
}

/// The running binary. Dropped, it is killed.
pub struct Service {
    process: Process,
    log: PathBuf,
}

impl Installation {
    /// `connections` to the SMTP server, and `more` of the configuration, in TOML, where `{folder}` is this one's.
    pub async fn new(backend: Backend, connections: usize, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mailbox = Mailbox::unbounded();
        let relay_port = take_mail(mailbox.clone()).await;
        let port = free_port();
        let data = folder.path().join("data");
        let database = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(postgres::Database::create().await),
        };
        let database_url = match &database {
            None => format!("sqlite:{}/bellwether.db", data.display()),
            Some(database) => database.url(),
        };
        let config = format!(
            r#"
            [server]
            listen = "127.0.0.1:{port}"
            secret = "a secret of the tests, 32 characters long"
            data = "{data}"
            [database]
            url = "{database_url}"
            [sender]
            from = "Election Desk <desk@example.org>"
            postal_address = "1 Market Street, Springfield"
            [[relays]]
            {relay_lines}
            connections = {connections}
            [[topics]]
            slug = "{TOPIC}"
            name = "Election alerts"
            {more}
            "#,
            data = data.display(),
            relay_lines = relay_lines(relay_port),
            more = more.replace("{folder}", &folder.path().display().to_string()),
        );
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        Self { mailbox, http, url, relay_port, token: OnceLock::new(), folder, _database: database }
    }

    /// Where the SMTP server listens.
    pub fn relay_port(&self) -> u16 {
        self.relay_port
    }

    /// Puts another relay between, by these lines of its section.
    pub fn relay_through(&mut self, lines: &str) {
        let file = self.folder().join("config.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        let direct = relay_lines(self.relay_port());
        assert!(config.contains(&direct));
        std::fs::write(&file, config.replace(&direct, lines)).unwrap();
    }

    /// Changes what stands in the configuration, once.
    pub fn edit_config(&self, find: &str, replace: &str) {
        let file = self.folder().join("config.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        assert_eq!(config.matches(find).count(), 1, "{find}");
        std::fs::write(&file, config.replace(find, replace)).unwrap();
    }

    /// The same for another node's file, which begins as a copy; it gets a port and a data folder of its own.
    pub fn second_node(&self, name: &str, changes: &[(&str, &str)]) {
        let config = std::fs::read_to_string(self.folder().join("config.toml")).unwrap();
        let (port, data) = (self.url.rsplit(':').next().unwrap(), self.folder().join("data"));
        let (own_port, own_data) = (free_port().to_string(), self.folder().join(format!("{name}-data")));
        let mut config = config
            .replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{own_port}"))
            .replace(&data.display().to_string(), &own_data.display().to_string());
        for (find, replace) in changes {
            assert!(config.contains(find), "{find}");
            config = config.replace(find, replace);
        }
        std::fs::write(self.folder().join(format!("{name}.toml")), config).unwrap();
    }

    /// Makes these addresses readers, with alerts and no digest.
    pub fn import<A: AsRef<str>>(&self, addresses: impl IntoIterator<Item = A>) {
        let rows: String = addresses.into_iter().map(|address| format!("{}\n", address.as_ref())).collect();
        std::fs::write(self.folder().join("readers.csv"), format!("email\n{rows}")).unwrap();
        let arguments = ["--topic", TOPIC, "--digest", "none", "--confirmed"];
        self.bellwether(&[&["subscribers", "import", "readers.csv"], &arguments[..]].concat());
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Does `work` with the database as a command does beside the service.
    pub async fn with_database<T>(&self, work: impl AsyncFnOnce(&Context) -> T) -> T {
        self.with_database_at(Clock::System, work).await
    }

    /// The same at another time.
    pub async fn with_database_at<T>(&self, clock: Clock, work: impl AsyncFnOnce(&Context) -> T) -> T {
        let config = Config::load(Some(&self.folder().join("config.toml")), &BTreeMap::new()).unwrap();
        let cx = app::connect(config, clock, Entropy::system().unwrap()).await.unwrap();
        let done = work(&cx).await;
        cx.db.close().await;
        done
    }

    /// Where the database is.
    pub fn database_url(&self) -> String {
        let config = Config::load(Some(&self.folder().join("config.toml")), &BTreeMap::new()).unwrap();
        config.database.url.expose().to_owned()
    }

    /// Runs a command, which must succeed, and gives its standard output.
    pub fn bellwether(&self, arguments: &[&str]) -> String {
        super::run(self.command().args(arguments))
    }

    /// A command that may fail.
    pub fn command(&self) -> Command {
        program::command(self.folder(), &["--config", "config.toml"])
    }

    /// Starts the binary and waits until it answers.
    pub async fn serve(&self) -> Service {
        let mut service = self.launch();
        self.ready(&mut service).await;
        service
    }

    /// The same with a clock that a story sets forward.
    pub async fn serve_by(&self, clock: &Shift) -> Service {
        let mut service = self.launch_as("config", |command| clock.apply(command));
        self.ready(&mut service).await;
        service
    }

    /// Waits until the service answers.
    pub async fn ready(&self, service: &mut Service) {
        until("the service to be ready", async || {
            if let Some(status) = service.process.0.try_wait().unwrap() {
                panic!("the service ended with {status}:\n{}", tail(&service.log));
            }
            let answer = self.http.get(format!("{}/readyz", self.url)).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Starts the binary and waits for nothing.
    pub fn launch(&self) -> Service {
        self.launch_as("config", |_| {})
    }

    /// Starts a node by its configuration's name, prepared in some way, and waits for nothing.
    pub fn launch_as(&self, name: &str, prepare: impl FnOnce(&mut Command)) -> Service {
        let log = self.folder().join(if name == "config" { "log".to_owned() } else { format!("{name}.log") });
        let file: File = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let config = format!("{name}.toml");
        let mut command = program::command(self.folder(), &["--config", &config, "serve"]);
        prepare(&mut command);
        let process = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Service { process: Process(process), log }
    }

    /// Sends a form as a browser does, from a page of `site`.
    pub async fn post_form(&self, path: &str, site: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self
            .http
            .post(self.link(path))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Origin", site)
            .header("Accept", "text/html,application/xhtml+xml")
            .body(body);
        answer(request).await
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        answer(self.http.get(self.link(path))).await
    }

    /// A call of the API with a token.
    pub async fn api(&self, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
        let mut request = self.http.post(self.link(path)).bearer_auth(self.token()).json(body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let (status, body) = answer(request).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{status}: {error}: {body}")))
    }

    /// A change by the API.
    pub async fn patch(&self, path: &str, body: &Value) -> (u16, String) {
        answer(self.http.patch(self.link(path)).bearer_auth(self.token()).json(body)).await
    }

    /// What the API says of an issue; none while the service doesn't answer, or is too busy to.
    pub async fn issue(&self, id: &str) -> Option<Value> {
        let request = self.http.get(format!("{}/api/v1/issues/{id}", self.url)).bearer_auth(self.token());
        let answer = request.send().await.ok()?.error_for_status().ok()?.text().await.ok()?;
        serde_json::from_str(&answer).ok()
    }

    /// What the API answers to a GET.
    pub async fn read(&self, path: &str) -> Value {
        let (status, body) = answer(self.http.get(self.link(path)).bearer_auth(self.token())).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Waits until every mail of an issue has left.
    pub async fn sent(&self, id: &str) -> Value {
        until("the issue to be sent", async || self.issue(id).await.filter(|issue| issue["state"] == "sent"))
            .await
    }

    /// The first mail of a kind ("alert", "digest", "notice") to an address that is `wanted`; waits for it.
    pub async fn mail(&self, to: &str, kind: &str, wanted: impl Fn(&Letter) -> bool) -> Arc<Received> {
        let find = || {
            self.mailbox.to(to).into_iter().find(|received| {
                let letter = Letter::read(received);
                letter.kind == kind && wanted(&letter)
            })
        };
        let what = format!("a mail of the kind {kind} to {to}");
        within(&what, self.mailbox.wait_until(|_| find().is_some())).await;
        find().unwrap()
    }

    /// Signs up with the usual form, opens the mailed link and presses its button.
    pub async fn subscribe(&self, address: &str, site: &str) {
        let fields = [("topics", TOPIC), ("email", address), ("alerts", "true"), ("digest", "daily")];
        let (status, page) = self.post_form("/subscribe", site, &fields).await;
        assert_eq!(status, 200, "{page}");
        let mail = Letter::read(&*self.mail(address, "notice", |_| true).await);
        let link = link_to(mail.text.as_deref().unwrap(), &format!("{}/confirm/", self.url));
        let (status, page) = self.get(&link).await;
        assert_eq!(status, 200, "{page}");
        let (status, page) = self.post_form(&button(&page), &self.url, &[]).await;
        assert_eq!(status, 200, "{page}");
        assert!(page.contains("You’re in"), "{page}");
    }

    fn token(&self) -> &str {
        let create = || self.bellwether(&["token", "create", "--name", "tests", "--role", "owner"]);
        self.token.get_or_init(|| create().trim().to_owned())
    }

    fn link(&self, path: &str) -> String {
        if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) }
    }
}

/// Starts an SMTP server, and gives its port.
async fn take_mail(mailbox: Mailbox) -> u16 {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = smtp::Server::new(mailbox, Clock::System);
    tokio::spawn(server.run(listener, std::future::pending()));
    port
}

impl Service {
    /// SIGKILL: no chance to finish anything.
    pub fn kill(self) {
        drop(self);
    }

    pub fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// Sends a signal, as in `STOP`.
    pub fn signal(&self, name: &str) {
        super::run(Command::new("kill").args(["-s", name, &self.id().to_string()]));
    }

    /// Everything it logged so far, earlier runs of this node included.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGTERM, and waits for the end.
    pub async fn terminate(mut self) -> ExitStatus {
        self.stop().await
    }

    /// The same, for who goes on with another.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits for the end of one that was told to stop.
    pub async fn ended(&mut self) -> ExitStatus {
        until("the service to end", async || self.process.0.try_wait().unwrap()).await
    }

    /// The first mistake of the program itself in its log so far.
    pub fn panic(&self) -> Option<String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().find(|line| line.contains("panicked at")).map(ToOwned::to_owned)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the service's log ends with:\n{}", tail(&self.log));
        }
    }
}

fn relay_lines(port: u16) -> String {
    format!("url = \"smtp://127.0.0.1:{port}\"\ntls = \"none\"")
}

/// A port that nobody listens on, and that is given to no other test: of this run, or of another that runs beside it.
pub fn free_port() -> u16 {
    free_ports(1)
}

/// The first of so many such ports in a row.
pub fn free_ports(count: u32) -> u16 {
    // Below the range from which the system serves outgoing connections: none takes it while the service is down.
    const RANGE: std::ops::Range<u32> = 20_000..32_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // A lock on a file of each one's name, which ends with this process however that ends.
    static LOCKS: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let folder = std::env::temp_dir().join("bellwether-test-ports");
    std::fs::create_dir_all(&folder).unwrap();
    let begin = std::process::id().wrapping_mul(97);
    let lock = |port: u32| {
        let port = u16::try_from(port).unwrap();
        let lock = File::create(folder.join(port.to_string())).unwrap();
        let free = lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        free.then_some(lock)
    };
    loop {
        let number = begin.wrapping_add(TAKEN.fetch_add(count, Ordering::SeqCst));
        let first = RANGE.start + number % (RANGE.len() as u32 - count);
        if let Some(locks) = (first..first + count).map(lock).collect::<Option<Vec<_>>>() {
            LOCKS.lock().unwrap().extend(locks);
            return u16::try_from(first).unwrap();
        }
    }
}

/// The line of a mail's text that is a link and begins with `start`.
pub fn link_to(text: &str, start: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| line.starts_with(start));
    line.unwrap_or_else(|| panic!("no line begins with {start}:\n{text}")).to_owned()
}

/// Where the first form of a page is posted to.
fn button(page: &str) -> String {
    let form = Selector::parse("form[method=post]").unwrap();
    let page = Html::parse_document(page);
    page.select(&form).next().and_then(|form| form.attr("action")).unwrap().to_owned()
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, String) {
    let response = within("an answer", request.send()).await.unwrap();
    let status = response.status().as_u16();
    (status, response.text().await.unwrap())
}
