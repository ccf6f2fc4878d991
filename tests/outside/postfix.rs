//! A real Postfix between the service and the mailbox: STARTTLS, its replies, and a recipient that it refuses.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use bellwether::cli::demo::mailbox::letter::Letter;
use serde_json::json;

use super::installation::{Installation, TOPIC, free_port};
use super::{find, run};
use crate::stage::Backend;

#[tokio::test(flavor = "multi_thread")]
async fn a_postfix_takes_what_it_takes_and_refuses_whom_it_refuses() {
    const WHAT: &str = "sending through a real Postfix";
    let (Some(postfix), Some(openssl)) = (find("postfix", WHAT), find("openssl", WHAT)) else { return };
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return super::leave_out(WHAT, "it is started by root only");
    }
    let mut installation = Installation::new(Backend::Sqlite, 2, "").await;
    let folder = tempfile::Builder::new().prefix("postfix").tempdir().unwrap();
    let relay = Postfix::start(&postfix, &openssl, folder.path(), installation.relay_port());
    installation.relay_through(&format!(
        "url = \"smtp://localhost:{}\"\ntls = \"required\"\nca_file = \"{}/certificate.pem\"",
        relay.port,
        folder.path().display()
    ));
    let readers = ["ada@example.com", "gone@example.com", "bea@example.com"];
    installation.import(readers);
    let _service = installation.serve().await;

    let body = json!({ "subject": "Polls stay open", "markdown": ".Until\n.ten.", "topics": [TOPIC] });
    let (status, accepted) = installation.api("/api/v1/alerts", Some("one"), &body).await;
    assert_eq!(status, 202, "{accepted}");
    let issue = installation.sent(accepted["id"].as_str().unwrap()).await;
    assert_eq!((&issue["counts"]["sent"], &issue["counts"]["bounced"]), (&json!(2), &json!(1)), "{issue}");
    for reader in ["ada@example.com", "bea@example.com"] {
        let letter = Letter::read(&*installation.mail(reader, "alert", |_| true).await);
        assert!(letter.text.as_deref().unwrap().contains(".Until .ten."), "what begins with a dot arrives");
        assert!(letter.header("Received").unwrap().contains("ESMTPS"), "over TLS");
    }
    let path = format!("/api/v1/issues/{}/deliveries?state=bounced", accepted["id"].as_str().unwrap());
    let bounced = &installation.read(&path).await["deliveries"][0];
    assert_eq!(bounced["address"], "gone@example.com");
    assert_eq!(bounced["reply"]["enhanced"], "5.1.1", "{bounced}");

    // Who was refused so is not tried again.
    let (_, accepted) = installation.api("/api/v1/alerts", Some("two"), &body).await;
    let issue = installation.sent(accepted["id"].as_str().unwrap()).await;
    assert_eq!(issue["audience"], 2, "{issue}");
}

/// A Postfix in a folder of its own, which hands everything on to the mailbox; stopped when it is dropped.
struct Postfix<'a> {
    postfix: &'a Path,
    folder: &'a Path,
    port: u16,
}

impl<'a> Postfix<'a> {
    fn start(postfix: &'a Path, openssl: &Path, folder: &'a Path, mailbox_port: u16) -> Self {
        let port = free_port();
        let here = folder.display();
        run(Command::new(openssl).current_dir(folder).args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-keyout",
            "key.pem",
            "-out",
            "certificate.pem",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]));
        for name in ["queue", "data"] {
            std::fs::create_dir(folder.join(name)).unwrap();
        }
        run(Command::new("chown").arg("postfix").arg(folder.join("data")));
        // Postfix's own users pass through it.
        run(Command::new("chmod").arg("755").arg(folder));
        let main = format!(
            "compatibility_level = 3.6
queue_directory = {here}/queue
data_directory = {here}/data
maillog_file = {here}/log
maillog_file_prefixes = {here}
myhostname = localhost
mydestination =
alias_maps =
inet_interfaces = loopback-only
default_transport = smtp:[127.0.0.1]:{mailbox_port}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{{{gone@example.com = 550 5.1.1 no such user}}}}, permit_mynetworks, reject
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = {here}/certificate.pem
smtpd_tls_key_file = {here}/key.pem
smtpd_tls_received_header = yes
"
        );
        std::fs::write(folder.join("main.cf"), main).unwrap();
        let mut master = format!("127.0.0.1:{port} inet n - n - - smtpd\n");
        for service in [
            "cleanup unix n - n - 0 cleanup",
            "qmgr unix n - n 300 1 qmgr",
            "tlsmgr unix - - n 1000? 1 tlsmgr",
            "rewrite unix - - n - - trivial-rewrite",
            "bounce unix - - n - 0 bounce",
            "defer unix - - n - 0 bounce",
            "trace unix - - n - 0 bounce",
            "proxymap unix - - n - - proxymap",
            "smtp unix - - n - - smtp",
            "error unix - - n - - error",
            "retry unix - - n - - error",
            "anvil unix - - n - 1 anvil",
            "scache unix - - n - 1 scache",
            "postlog unix-dgram n - n - 1 postlogd",
        ] {
            master.push_str(service);
            master.push('\n');
        }
        std::fs::write(folder.join("master.cf"), master).unwrap();
        let relay = Self { postfix, folder, port };
        relay.tell("start");
        relay
    }

    fn tell(&self, command: &str) {
        let told = Command::new(self.postfix).arg("-c").arg(self.folder).arg(command).output().unwrap();
        let log = super::tail(&self.folder.join("log"));
        assert!(told.status.success(), "{told:?}\n{log}");
    }
}

impl Drop for Postfix<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("Postfix's log ends with:\n{}", super::tail(&self.folder.join("log")));
        }
        // It may not have started.
        let _ = Command::new(self.postfix).arg("-c").arg(self.folder).arg("abort").output();
    }
}
