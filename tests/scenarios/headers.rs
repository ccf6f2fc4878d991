//! What stands in the header and the envelope of each kind of mail, and what never stands in a log.

use crate::stage::{Logs, Mail, Setup, Span, Stage, both};

const ADA: &str = "ada@example.org";

/// What every mail has.
fn common(mail: &Mail, date: &str) {
    assert_eq!(mail.header("From").unwrap(), "Election Desk <desk@example.org>");
    assert_eq!(mail.header("To").unwrap(), ADA);
    assert_eq!(mail.header("Date").unwrap(), date);
    assert_eq!(mail.header("MIME-Version").unwrap(), "1.0");
    let id = mail.header("Message-ID").unwrap();
    assert!(id.starts_with('<') && id.ends_with("@example.org>"), "{id}");
    assert!(mail.header("Content-Type").unwrap().starts_with("multipart/alternative"));
    assert!(mail.text().contains("1 Example Street, Springfield"));
    assert!(mail.html().contains("1 Example Street, Springfield"));
    let text = mail.text();
    for line in text.lines().filter(|line| line.contains("https://news.example.org/")) {
        assert!(line.starts_with("https://"), "a link stands alone on its line: {line}");
    }
}

/// What a mail to many has, and one to a single person has not.
fn bulk(mail: &Mail, kind: &str) {
    let link = format!("<https://news.example.org{}>", mail.link("unsubscribe"));
    assert_eq!(mail.header("List-Unsubscribe").unwrap(), link);
    assert_eq!(mail.header("List-Unsubscribe-Post").unwrap(), "List-Unsubscribe=One-Click");
    assert_eq!(mail.header("List-Id").unwrap(), "Election Desk <list.news.example.org>");
    assert_eq!(mail.header("Precedence").unwrap(), "bulk");
    assert!(mail.header("Feedback-ID").unwrap().ends_with(&format!(":{kind}:bellwether")));
    assert_eq!(mail.header("Auto-Submitted"), None);
    mail.link("preferences");
}

both! {
    async fn each_kind_of_mail_has_its_header(stage: Stage) {
        stage.reader(ADA).await;
        let confirmation = stage.newest(ADA);
        common(&confirmation, "Fri, 30 Oct 2026 12:00:00 +0000");
        assert_eq!(confirmation.header("Auto-Submitted").unwrap(), "auto-generated");
        for absent in ["List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Precedence", "Feedback-ID"] {
            assert_eq!(confirmation.header(absent), None, "{absent}");
        }

        stage.alert("Polls close at eight").sent().await;
        let alert = stage.newest(ADA);
        common(&alert, "Fri, 30 Oct 2026 12:00:00 +0000");
        bulk(&alert, "alert");
        stage.pushes("a", "The count begins", false).await;
        stage.advance_to("2026-10-31T07:00:00Z").await;
        let digest = stage.newest(ADA);
        common(&digest, "Sat, 31 Oct 2026 07:00:00 +0000");
        bulk(&digest, "digest");
        assert_ne!(digest.header("Message-ID"), alert.header("Message-ID"));
    }

    async fn the_date_is_when_a_mail_was_due_however_late_it_leaves(stage: Stage) {
        stage.imported("451-3-ada@example.org").await;
        stage.alert("Polls close at eight").sent().await;
        stage.live(1.hour(), 5.minutes()).await;
        let mail = stage.newest("451-3-ada@example.org");
        assert_eq!(mail.header("Date").unwrap(), "Fri, 30 Oct 2026 12:00:00 +0000");
    }

    async fn the_return_path_is_the_from_address(setup: Setup) {
        let stage = setup.with("sender.reply_to", "Letters <letters@example.org>").open().await;
        stage.reader(ADA).await;
        stage.alert("Polls close at eight").sent().await;
        for mail in stage.inbox(ADA) {
            assert_eq!(mail.return_path(), "desk@example.org");
            assert_eq!(mail.header("Reply-To").unwrap(), "Letters <letters@example.org>");
        }
    }

    async fn a_return_path_of_its_own_names_the_delivery(setup: Setup) {
        let stage = setup.with("sender.bounces", "bounces+{id}@example.org").open().await;
        stage.reader(ADA).await;
        stage.alert("Polls close at eight").sent().await;
        let mut paths: Vec<_> = stage.inbox(ADA).iter().map(|mail| mail.return_path().to_owned()).collect();
        for (path, mail) in paths.iter().zip(stage.inbox(ADA)) {
            let id = path.strip_prefix("bounces+").unwrap().strip_suffix("@example.org").unwrap();
            assert!(id.parse::<i64>().is_ok(), "{path}");
            assert!(mail.header("Message-ID").unwrap().starts_with(&format!("<{id}.")));
        }
        paths.dedup();
        assert_eq!(paths.len(), 2);
    }

    async fn the_log_names_nobodys_address(stage: Stage) {
        let logs = Logs::collected();
        for who in ["550-ada", "552-ada", "451-ada", "421-1-ada", "disconnect-in-data-ada", "ada", "relaying-denied-1-ada"] {
            stage.imported(&format!("{who}@example.org")).await;
        }
        stage.reader("eve@example.org").await;
        stage.alert("Polls close at eight").sent().await;
        stage.live(1.hour(), 5.minutes()).await;
        stage.press(&stage.newest("eve@example.org").link("unsubscribe")).await;
        stage.visitor().signs_up("eve@example.org").await;
        stage.visitor().signs_up("eve@example.org").await;
        let text = logs.text();
        for said in ["confirmed", "unsubscribed", "not accepted", "alert published"] {
            assert!(text.contains(said), "{said}:\n{text}");
        }
        let named: Vec<_> = text.lines().filter(|line| line.contains("ada") || line.contains("eve@")).collect();
        assert!(named.is_empty(), "{named:#?}");
        assert!(!text.contains("example.org\""), "{text}");
    }
}
