//! The operator's commands as they are typed: the real program, its output and its exit codes.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use bellwether::cli::demo::{mailbox::Mailbox, smtp};
use bellwether::clock::Clock;
use bellwether::config::EXAMPLE;

use crate::stage::program::{self, Running};

/// A folder with a configuration, in which commands run.
pub struct Installation(tempfile::TempDir);

/// What a command gave.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Installation {
    pub fn new() -> Self {
        Self::with_relay_port(1)
    }

    fn with_relay_port(port: u16) -> Self {
        let installation = Self::without_configuration();
        // Nothing listens at port 1: no service runs.
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:1\"\nsecret = \"a secret of thirty-two characters\"\n\
             [sender]\nfrom = \"Election Desk <desk@example.org>\"\npostal_address = \"1 Example Street\"\n\
             [[relays]]\nurl = \"smtp://127.0.0.1:{port}\"\n\
             [[topics]]\nslug = \"election-alerts\"\nname = \"Election alerts\"\n\
             [[topics]]\nslug = \"culture\"\n"
        );
        installation.write("config.toml", &config);
        installation
    }

    fn without_configuration() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.path().join(file), text).unwrap();
    }

    /// Configures a free address to listen on.
    fn listens(&self) -> String {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        self.listens_at(&address);
        address
    }

    fn listens_at(&self, address: &str) {
        let config = fs::read_to_string(self.path().join("config.toml")).unwrap();
        let listen = format!("listen = \"{address}\"");
        self.write("config.toml", &config.replace("listen = \"127.0.0.1:1\"", &listen));
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        let output = program::command(self.path(), arguments).output().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What a command prints that must succeed.
    pub fn output(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        ran.out
    }

    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.output(arguments)).unwrap()
    }

    pub fn import(&self, csv: &str) -> serde_json::Value {
        self.write("readers.csv", csv);
        self.json(&[
            "subscribers",
            "import",
            "readers.csv",
            "--topic",
            "election-alerts",
            "--confirmed",
            "--json",
        ])
    }

    /// Whether a file below the folder `data` holds the text, in any case.
    fn data_holds(&self, text: &str) -> bool {
        let held = |entry: fs::DirEntry| {
            let bytes = fs::read(entry.path()).unwrap().to_ascii_lowercase();
            bytes.windows(text.len()).any(|part| part == text.as_bytes())
        };
        fs::read_dir(self.path().join("data")).unwrap().any(|entry| held(entry.unwrap()))
    }
}

/// The only line on standard error, without the program's name.
pub fn complaint(ran: &Ran) -> &str {
    let line = ran.err.strip_prefix("bellwether: ").unwrap_or_else(|| panic!("{}", ran.err)).trim_end();
    assert!(!line.contains('\n'), "one line: {line}");
    line
}

#[test]
fn the_help_names_every_command_and_the_exit_codes() {
    let here = Installation::without_configuration();
    let help = here.output(&["--help"]);
    let all = "demo config check serve migrate backup token subscribers alert issues queue";
    for command in all.split(' ') {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
        let own = here.output(&[command, "--help"]);
        assert!(own.contains("--config <FILE>"), "{command}: {own}");
    }
    assert!(help.contains("Exit codes:\n  0  done\n  1  failed"));
}

#[test]
fn config_prints_the_example_and_serve_refuses_its_secret() {
    let here = Installation::without_configuration();
    let example = here.output(&["config"]);
    assert_eq!(example, EXAMPLE);
    here.write("config.toml", &example);
    let refused = here.run(&["serve"]);
    assert_eq!(refused.code, 2);
    assert!(complaint(&refused).contains("openssl rand"));
    assert!(!here.path().join("data").exists(), "nothing was opened");
}

#[test]
fn without_a_configuration_a_command_says_how_to_write_one() {
    let here = Installation::without_configuration();
    let refused = here.run(&["issues"]);
    assert_eq!(refused.code, 2);
    assert!(complaint(&refused).contains("bellwether config > config.toml"));
}

#[test]
fn the_configuration_may_be_named_before_or_after_the_arguments() {
    let here = Installation::new();
    fs::rename(here.path().join("config.toml"), here.path().join("other.toml")).unwrap();
    here.output(&["--config", "other.toml", "issues"]);
    here.output(&["issues", "--config", "other.toml"]);
    let nobody = "0192f0c1-8a4e-7c3b-9d55-2f1e6f0a7b10";
    assert_eq!(here.run(&["issues", "--config", "other.toml", "--json", "show", nobody]).code, 1);
    here.output(&["subscribers", "export", "--config", "other.toml"]);
}

#[test]
fn a_mistake_in_the_configuration_is_named_with_its_line() {
    let here = Installation::new();
    here.write("config.toml", "[server]\nlisten = 8080\n");
    let refused = here.run(&["check"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("config.toml, line 2: server.listen"), "{}", refused.err);
    assert!(refused.err.lines().all(|line| line.starts_with("bellwether: ")));
}

#[test]
fn wrong_usage_exits_with_2() {
    let here = Installation::new();
    here.write("blank.md", "<!-- to be written -->");
    for arguments in [
        &["nonsense"][..],
        &["token", "create", "--name", "site", "--role", "king"],
        &["subscribers", "show", "no address"],
        &["alert", "--topic", "election-alerts", "--subject", " ", "config.toml"],
        &["alert", "--topic", "weather", "--subject", "Rain", "config.toml"],
        &["alert", "--topic", "election-alerts", "--subject", "Rain", "blank.md"],
        &["subscribers", "erase", "ada@example.org"],
    ] {
        assert_eq!(here.run(arguments).code, 2, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_talks_to_the_relay_and_has_no_error_where_all_is_well() {
    let port = relay(&Mailbox::unbounded()).await;
    let here = Installation::with_relay_port(port);

    let findings = here.output(&["check"]);
    let relay = format!("ok       relay primary (127.0.0.1:{port}): answers");
    for line in [
        "ok       configuration: ",
        "ok       database: ",
        "ok       templates: ",
        "ok       schedule daily: the next daily digest leaves on ",
        "warning  [server] public_url: ",
        &relay,
    ] {
        assert!(findings.contains(line), "{line}: {findings}");
    }
    assert!(!findings.contains("error "), "{findings}");
}

#[test]
fn check_exits_with_1_where_the_relay_does_not_answer() {
    let here = Installation::new();
    let ran = here.run(&["check", "--json"]);
    assert_eq!(ran.code, 1);
    let findings: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let errors: Vec<_> =
        findings.as_array().unwrap().iter().filter(|finding| finding["severity"] == "error").collect();
    assert_eq!(errors.len(), 1, "{findings}");
    assert_eq!(errors[0]["about"], "relay primary (127.0.0.1:1)");
    assert!(errors[0]["text"].as_str().unwrap().contains("look at the host and port"));
}

#[test]
fn check_says_what_to_do_when_the_relay_refuses_the_login() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let relay = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        stream.write_all(b"220 relay.example ESMTP\r\n").unwrap();
        for answer in ["250-relay.example\r\n250 AUTH PLAIN\r\n", "535 5.7.8 Bad credentials\r\n"] {
            lines.next().unwrap().unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let here = Installation::new();
    let config = fs::read_to_string(here.path().join("config.toml")).unwrap();
    here.write(
        "config.toml",
        &config.replace("smtp://127.0.0.1:1\"", &format!("smtp://desk:wrong@127.0.0.1:{port}\"")),
    );
    let ran = here.run(&["check"]);
    relay.join().unwrap();
    assert_eq!(ran.code, 1);
    let error = ran.out.lines().find(|line| line.starts_with("error ")).unwrap();
    assert!(error.contains("535 5.7.8 Bad credentials"), "{error}");
    assert!(error.contains("look at the user and password"), "{error}");
    assert!(!ran.out.contains("wrong"), "no output shows the password");
}

#[test]
fn a_token_is_printed_once_and_kept_as_a_hash() {
    let here = Installation::new();
    let token = here.output(&["token", "create", "--name", "news site", "--role", "editor"]);
    let token = token.strip_suffix('\n').unwrap();
    assert!(token.starts_with("bw_") && !token.contains('\n'), "{token}");
    assert!(here.output(&["token", "list"]).starts_with("editor      news site"));
    assert!(!here.data_holds(&token.to_ascii_lowercase()));

    here.output(&["token", "revoke", "news site"]);
    assert_eq!(here.json(&["token", "list", "--json"]), serde_json::json!([]));
    assert_eq!(here.run(&["token", "revoke", "news site"]).code, 1);
}

#[test]
fn who_is_erased_stands_in_no_file_any_more() {
    let here = Installation::new();
    here.import("email,source\nada.field@example.org,from ada.field@example.org\nbob@example.org,\n");
    here.write("news.md", "**Counting** has begun.");
    here.output(&["alert", "--topic", "election-alerts", "--subject", "Polls have closed", "news.md"]);
    assert!(here.data_holds("ada.field@"));
    here.output(&["subscribers", "erase", "Ada.Field@example.org", "--yes"]);
    assert!(!here.data_holds("ada.field"));
    assert!(here.data_holds("bob@example.org"), "the search finds what is there");
    assert_eq!(here.run(&["subscribers", "erase", "eve@example.org", "--yes"]).code, 1);
}

#[test]
fn a_backup_is_a_whole_database_and_replaces_no_file() {
    let here = Installation::new();
    here.import("email\nada@example.org\n");
    here.output(&["backup", "copy.db"]);
    assert_eq!(here.run(&["backup", "copy.db"]).code, 2);
    let restored = Installation::new();
    fs::create_dir(restored.path().join("data")).unwrap();
    fs::copy(here.path().join("copy.db"), restored.path().join("data/bellwether.db")).unwrap();
    assert_eq!(restored.output(&["subscribers", "export"]), here.output(&["subscribers", "export"]));
}

#[test]
fn an_alert_is_queued_when_no_service_runs_and_can_be_cancelled() {
    let here = Installation::new();
    assert_eq!(here.output(&["issues"]), "Nothing has been published yet.\n");
    here.import("email\nada@example.org\n");
    here.write("news.md", "**Counting** has begun.");
    let alert = ["alert", "--topic", "election-alerts", "--subject", "Polls have closed", "news.md"];
    let dry = here.output(&[&alert[..], &["--dry-run"]].concat());
    assert!(dry.contains("1 reader\n") && dry.contains("Counting has begun."), "{dry}");
    assert_eq!(here.json(&["issues", "--json"]), serde_json::json!([]), "a dry run publishes nothing");

    let taken = here.json(&[&alert[..], &["--json"]].concat());
    assert_eq!((&taken["audience"], &taken["queued"]), (&1.into(), &true.into()));
    let id = taken["id"].as_str().unwrap();
    assert!(here.output(&["issues"]).contains("Polls have closed"));
    assert_eq!(here.json(&["issues", "show", id, "--json"])["state"], "publishing");
    assert!(here.output(&["issues", "pause", id]).contains(&format!("bellwether issues resume {id}")));
    assert!(here.output(&["issues", "show", id]).contains("paused since "));
    assert_eq!(here.output(&["issues", "pause", id]), "It was paused before.\n");
    assert_eq!(here.output(&["issues", "resume", id]), "It goes on.\n");
    assert!(complaint(&here.run(&["issues", "resume", id])).contains("it isn't paused"));
    here.output(&["issues", "cancel", id]);
    assert!(complaint(&here.run(&["issues", "pause", id])).contains("it isn't on its way"));
    assert_eq!(here.json(&["issues", "show", id, "--json"])["state"], "cancelled");
    here.output(&["issues", "cancel", id]);
    let nobody = "00000000-0000-0000-0000-000000000000";
    for action in ["pause", "resume", "cancel"] {
        assert_eq!(here.run(&["issues", action, nobody]).code, 1);
    }

    let queued = here.output(&alert);
    assert!(queued.contains("no service answers at 127.0.0.1:1."), "{queued}");
    assert!(queued.contains("will be sent when bellwether serve starts"), "{queued}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_queued_when_the_service_that_answers_is_another_installations() {
    let relay = relay(&Mailbox::unbounded()).await;
    let there = Installation::with_relay_port(relay);
    let address = there.listens();
    let service = Running::start(there.path(), &["serve"], "listening on");
    let here = Installation::new();
    here.listens_at(&address);
    here.import("email\nada@example.org\n");
    here.write("news.md", "**Counting** has begun.");
    let alert = ["alert", "--topic", "election-alerts", "--subject", "Polls have closed", "news.md"];
    let queued = here.output(&alert);
    let why = format!("Queued for 1 reader: the service at {address} is another installation's.");
    assert!(queued.starts_with(&why), "{queued}");
    assert!(!here.output(&["token", "list"]).contains("bellwether alert"), "nobody else is handed a token");
    let ours = there.output(&["check"]);
    assert!(ours.contains(&format!("service: runs at {address}")), "{ours}");
    let theirs = here.run(&["check"]).out;
    assert!(
        theirs.contains(&format!("warning  service: the one at {address} works on another database")),
        "{theirs}"
    );
    assert_eq!(there.output(&["issues"]), "Nothing has been published yet.\n");
    assert_eq!(service.stop("TERM"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_goes_through_the_running_service_and_is_watched_until_it_is_sent() {
    let mailbox = Mailbox::unbounded();
    let relay = relay(&mailbox).await;
    let here = Installation::with_relay_port(relay);
    here.import("email\nada@example.org\nbob@example.org\n");
    here.write("news.md", "**Counting** has begun.");
    let address = here.listens();
    let service = Running::start(here.path(), &["serve"], "listening on");

    let busy = here.run(&["serve"]);
    assert_eq!(busy.code, 1);
    assert!(busy.err.contains(&address), "{}", busy.err);
    assert!(here.output(&["check"]).contains(&format!("service: runs at {address}")));

    let alert = ["alert", "--topic", "election-alerts", "--subject", "Polls have closed", "news.md"];
    let said = here.output(&alert);
    assert!(said.contains("On its way to 2 readers") && said.ends_with("Done: 2 sent.\n"), "{said}");
    assert_eq!(mailbox.len(), 2);
    let issue = &here.json(&["issues", "--json"])[0];
    assert_eq!(issue["counts"], serde_json::json!({ "sent": 2 }));
    assert_eq!(here.run(&["issues", "cancel", issue["id"].as_str().unwrap()]).code, 1, "everybody has it");
    assert_eq!(service.stop("TERM"), 0);
}

#[test]
fn several_commands_may_be_the_first_on_a_sqlite_database() {
    for _ in 0..5 {
        let here = Installation::new();
        let first: Vec<_> = (0..4)
            .map(|_| {
                let mut command = program::command(here.path(), &["migrate"]);
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for command in first {
            let output = command.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn a_sqlite_database_has_one_service_whatever_the_data_folder() {
    let here = Installation::new();
    here.listens();
    let service = Running::start(here.path(), &["serve"], "listening on");
    let there = Installation::new();
    there.listens();
    let link = there.path().join("link.db");
    std::os::unix::fs::symlink(here.path().join("data/bellwether.db"), &link).unwrap();
    let config = fs::read_to_string(there.path().join("config.toml")).unwrap();
    there.write("config.toml", &format!("{config}[database]\nurl = \"sqlite:{}\"\n", link.display()));
    let refused = there.run(&["serve"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("another bellwether serves the database"), "{}", refused.err);
    assert_eq!(
        there.output(&["issues"]),
        "Nothing has been published yet.\n",
        "other commands work beside it"
    );
    assert_eq!(service.stop("TERM"), 0);
}

/// A relay that takes all mail; its port.
async fn relay(mailbox: &Mailbox) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = smtp::Server::new(mailbox.clone(), Clock::System);
    tokio::spawn(server.run(listener, std::future::pending()));
    port
}
