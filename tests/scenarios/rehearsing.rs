//! `bellwether rehearse`: what it tells weeks before the night, and that it reaches nobody and changes nothing.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwether::clock::Clock;
use bellwether::store;
use uuid::Uuid;

use crate::stage::{Span, Stage, both, program};

/// A relay of which every word that it hears is known.
struct Relay {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    /// It answers a login with `auth`, and offers PIPELINING or not.
    fn start(auth: &'static str, pipelining: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let notes = Arc::clone(&notes);
                std::thread::spawn(move || talk(stream.unwrap(), auth, pipelining, &notes));
            }
        });
        Self { port, heard }
    }

    /// The verbs it heard, in order and each once.
    fn verbs(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let mut verbs: Vec<_> = heard.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
        verbs.sort();
        verbs.dedup();
        verbs
    }
}

/// Ends when the other side leaves.
fn talk(mut stream: TcpStream, auth: &str, pipelining: bool, notes: &Mutex<Vec<String>>) {
    let offer = if pipelining { "250-PIPELINING\r\n" } else { "" };
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    stream.write_all(b"220 relay.example ESMTP\r\n").unwrap();
    for line in lines.map_while(Result::ok) {
        let answer = match line.get(..4) {
            Some("EHLO") => format!("250-relay.example\r\n{offer}250 AUTH PLAIN LOGIN"),
            Some("AUTH") => auth.to_owned(),
            Some("QUIT") => "221 Bye".to_owned(),
            _ => "250 OK".to_owned(),
        };
        notes.lock().unwrap().push(line);
        if stream.write_all(format!("{answer}\r\n").as_bytes()).is_err() {
            return;
        }
    }
}

const WELCOME: &str = "235 2.7.0 Welcome";

/// What the command gave.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn says(&self, text: &str) {
        assert!(self.out.contains(text), "no {text:?} in\n{}\n{}", self.out, self.err);
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}\n{}", self.out, self.err))
    }
}

/// Writes the configuration of an installation on the story's database, with these relays.
fn configure(stage: &Stage, relays: &str) {
    let config = format!(
        "[server]\npublic_url = \"https://news.example.org\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n\
         data = \"{}\"\n[database]\nurl = \"{}\"\n\
         [sender]\nfrom = \"Election Desk <desk@example.org>\"\npostal_address = \"1 Example Street\"\n\
         [[topics]]\nslug = \"election-alerts\"\nname = \"Election alerts\"\n{relays}",
        stage.folder().display(),
        stage.database_url()
    );
    std::fs::write(stage.folder().join("config.toml"), config).unwrap();
}

fn rehearse(stage: &Stage, relays: &str, arguments: &[&str]) -> Ran {
    configure(stage, relays);
    let output = program::command(stage.folder(), &[&["rehearse"], arguments].concat()).output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn with_login(relay: &Relay) -> String {
    format!("[[relays]]\nurl = \"smtp://desk:hunter2@127.0.0.1:{}\"\n", relay.port)
}

/// 90 readers with alerts, the last of whom left; and 10 who have alerts off.
async fn a_list(stage: &Stage) {
    let readers: Vec<_> = (0..90).map(|number| format!("reader-{number:02}@example.org")).collect();
    stage.imported_all(&readers).await;
    stage.leaves("reader-89@example.org").await;
    let silent: Vec<_> = (0..10).map(|number| format!("silent-{number}@example.org")).collect();
    stage.imported_silent(&silent).await;
}

/// What a rehearsal must not change: (issues, deliveries that wait, relays' hours, readers).
async fn state(stage: &Stage) -> (usize, String, String, i64) {
    let mut tx = stage.cx.db.read().await.unwrap();
    let issues = store::issues::page(&mut tx, None, i64::MAX, 100).await.unwrap();
    let waiting = store::deliveries::open_counts(&mut tx).await.unwrap();
    let hours = store::relays::hours(&mut tx, 0).await.unwrap();
    let last = store::subscribers::last_id(&mut tx).await.unwrap();
    (issues.len(), format!("{waiting:?}"), format!("{hours:?}"), last)
}

/// The rehearsals' folders that are there.
fn folders(stage: &Stage) -> Vec<String> {
    let names = std::fs::read_dir(stage.folder()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("rehearsal-")).collect()
}

both! {
    async fn a_rehearsal_tells_when_the_last_mail_is_out_and_reaches_nobody(stage: Stage) {
        a_list(&stage).await;
        let before = state(&stage).await;
        let relay = Relay::start(WELCOME, true);
        let relays = format!("{}rate = 0.5\n", with_login(&relay));
        // Of a rehearsal that was killed.
        std::fs::create_dir(stage.folder().join("rehearsal-old")).unwrap();

        let ran = rehearse(&stage, &relays, &["--topic", "election-alerts"]);
        assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
        ran.says("Rehearsed: a sample alert, level all, to the readers of election-alerts. Nobody was mailed.");
        ran.says("  89 readers would get a mail of ");
        ran.says("  answers, not encrypted, logged in as desk\n");
        ran.says("  its rate of 0.5 a second: 89 mails need 2 min 58 s");
        ran.says("  what limits it: the rate of relay primary, 0.5 a second");
        ran.says("ask who runs relay primary for a higher rate");
        ran.says("  9 of its 10 connections carry ");
        assert_eq!(relay.verbs(), ["AUTH", "EHLO", "NOOP", "QUIT"]);
        assert_eq!(state(&stage).await, before, "the real queue is untouched");
        assert!(folders(&stage).is_empty(), "{:?}", folders(&stage));
        assert!(!ran.out.contains("hunter2") && !ran.err.contains("hunter2"), "no output shows the password");

        // To everybody who confirmed.
        let ran = rehearse(&stage, &relays, &["--topic", "election-alerts", "--level", "critical", "--json"]);
        let told = ran.json();
        assert_eq!((&told["readers"], &told["measured"]["mails"]), (&99.into(), &99.into()));
        assert_eq!(told["night"]["cut_off"], 0);
    }

    async fn it_tells_whom_a_days_limit_cuts_off(stage: Stage) {
        a_list(&stage).await;
        let relay = Relay::start(WELCOME, true);
        let relays = format!("{}per_day = 50\n", with_login(&relay));
        let mut tx = stage.cx.db.begin().await.unwrap();
        // The command's clock is the machine's.
        let hour = Clock::System.now().hour();
        store::relays::accepted(&mut tx, "primary", hour, 20).await.unwrap();
        store::relays::accepted(&mut tx, "primary", hour - 30, 1_000).await.unwrap();
        tx.commit().await.unwrap();

        let ran = rehearse(&stage, &relays, &["--topic", "election-alerts"]);
        assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
        ran.says("  its day of 50 mails: 20 were taken in the last 24 hours, 30 are left");
        ran.says("  cut off: the last 59 readers would wait until the next day");
        assert_eq!(ran.err, "");
    }

    async fn a_relay_that_refuses_the_login_is_told_and_the_others_are_counted_on(stage: Stage) {
        a_list(&stage).await;
        let good = Relay::start(WELCOME, false);
        let bad = Relay::start("535 5.7.8 Bad credentials", true);
        let relays = format!("{}{}name = \"spare\"\n", with_login(&good), with_login(&bad));
        let ran = rehearse(&stage, &relays, &["--topic", "election-alerts", "--json"]);
        assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
        let told = ran.json();
        let (first, second) = (&told["relays"][0], &told["relays"][1]);
        assert_eq!((&first["answers"], &first["mails"], &first["pipelining"]), (&true.into(), &89.into(), &"off".into()));
        assert_eq!((&second["answers"], &second["mails"]), (&false.into(), &0.into()));
        assert!(second["text"].as_str().unwrap().contains("535 5.7.8 Bad credentials"), "{second}");
        assert_eq!(told["advice"][0], "see to relay spare; what stands above is reckoned without it");
        assert!(!bad.verbs().contains(&"MAIL".to_owned()));

        let ran = rehearse(&stage, &with_login(&bad), &["--topic", "election-alerts"]);
        assert_eq!(ran.code, 1);
        ran.says("as it is nobody gets anything");
        ran.says("what limits it: not known, for no relay answers");
    }

    async fn an_issue_is_rehearsed_with_its_own_mail(stage: Stage) {
        a_list(&stage).await;
        stage.pushes("a", "The count begins", false).await;
        stage.pushes("b", "The count ends", false).await;
        let alert = stage.alert("Polls close at eight").sent().await;
        stage.live(1.days(), 1.hour()).await;
        let mut tx = stage.cx.db.read().await.unwrap();
        let issues = store::issues::page(&mut tx, None, i64::MAX, 10).await.unwrap();
        drop(tx);
        let digest = issues.iter().find(|issue| issue.public_id != alert).unwrap();
        let (alert, digest) = (alert.to_string(), digest.public_id.to_string());
        let before = state(&stage).await;
        let mails = stage.mailbox.len();
        let relay = Relay::start(WELCOME, true);

        let ran = rehearse(&stage, &with_login(&relay), &["--issue", &alert]);
        assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
        ran.says("Rehearsed: the alert \"Polls close at eight\", level all");
        ran.says("  89 readers would get a mail of ");

        let ran = rehearse(&stage, &with_login(&relay), &["--issue", &digest, "--limit", "40", "--json"]);
        let told = ran.json();
        assert!(told["what"].as_str().unwrap().starts_with("the longest mail of the daily digest"), "{told}");
        assert_eq!((&told["readers"], &told["measured"]["mails"]), (&99.into(), &40.into()));
        // 10 connections, of which one is kept for confirmations and one for alerts.
        assert_eq!(told["relays"][0]["connections_of_lane"], 8);

        assert_eq!(relay.verbs(), ["AUTH", "EHLO", "NOOP", "QUIT"]);
        assert_eq!((state(&stage).await, stage.mailbox.len()), (before, mails));

        let unknown = Uuid::from_u128(7).to_string();
        let ran = rehearse(&stage, &with_login(&relay), &["--issue", &unknown]);
        assert_eq!((ran.code, ran.err.contains("there is no issue")), (1, true), "{}", ran.err);
    }

    async fn a_topic_that_nobody_reads_is_said_to_be_one(stage: Stage) {
        let relay = Relay::start(WELCOME, true);
        let ran = rehearse(&stage, &with_login(&relay), &["--topic", "election-alerts"]);
        assert_eq!(ran.code, 1);
        assert!(ran.err.starts_with("bellwether: nobody would get it"), "{}", ran.err);
        assert_eq!(rehearse(&stage, &with_login(&relay), &["--topic", "weather"]).code, 2);
        assert_eq!(rehearse(&stage, &with_login(&relay), &[]).code, 2);
        assert!(relay.verbs().is_empty(), "no relay is asked for nothing");
    }
}

#[tokio::test]
async fn a_rehearsal_that_is_stopped_leaves_nothing_behind() {
    let stage = Stage::new().await;
    let readers: Vec<_> = (0..3_000).map(|number| format!("reader-{number}@example.org")).collect();
    stage.imported_all(&readers).await;
    let relay = Relay::start(WELCOME, true);
    configure(&stage, &with_login(&relay));
    for signal in ["INT", "HUP"] {
        let mut command = program::command(stage.folder(), &["rehearse", "--topic", "election-alerts"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let there = async {
            while folders(&stage).is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), there).await.unwrap();
        let mode = std::fs::metadata(stage.folder().join(&folders(&stage)[0])).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "nobody else may look at the addresses");
        let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert_eq!(
            err,
            "bellwether: stopped before the end; nobody was mailed, and the copy of the list is deleted\n"
        );
        assert!(folders(&stage).is_empty(), "{:?}", folders(&stage));
    }
}

#[test]
fn the_help_names_it() {
    let help = program::command(std::path::Path::new("/"), &["--help"]).output().unwrap();
    assert!(String::from_utf8(help.stdout).unwrap().contains("\n  rehearse "));
}
