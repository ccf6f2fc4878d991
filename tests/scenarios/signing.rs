//! Mails signed by DKIM, from the configured keys to the recipient, and what a change of keys does to what waits.

use bellwether::domain::signing_key::SigningKey;

use crate::stage::dkim::{ED25519_KEY, RSA, verify};
use crate::stage::{Logs, Setup, Span, Stage, both};

const ADA: &str = "ada@example.org";

fn with_keys(setup: Setup) -> Setup {
    setup
        .with("dkim.keys.0.selector", "rsa")
        .with("dkim.keys.0.key", &RSA)
        .with("dkim.keys.1.selector", "ed")
        .with("dkim.keys.1.key", &ED25519_KEY)
}

/// What the operator published.
fn records() -> Vec<(String, String)> {
    let record = |selector: &str, pem: &str| {
        (format!("{selector}._domainkey.example.org"), SigningKey::from_pem(pem).unwrap().record())
    };
    vec![record("rsa", &RSA), record("ed", &ED25519_KEY), record("rsa-2", &RSA)]
}

/// The selectors of a mail's signatures, which are all valid.
fn valid(mail: &[u8]) -> Vec<String> {
    let verdicts = verify(mail, &records());
    verdicts
        .into_iter()
        .map(|(selector, verdict)| {
            verdict.unwrap_or_else(|wrong| panic!("{selector}: {wrong}\n{}", String::from_utf8_lossy(mail)));
            selector
        })
        .collect()
}

both! {
    async fn every_kind_of_mail_verifies_with_each_key_at_the_recipient(setup: Setup) {
        let stage = with_keys(setup).open().await;
        stage.reader(ADA).await;
        stage.alert("Polls close at eight, says Müller").sent().await;
        stage.pushes("a", "The count begins", false).await;
        stage.advance_to("2026-10-31T07:00:00Z").await;
        let mails = stage.inbox(ADA);
        assert_eq!(mails.len(), 3, "a confirmation, an alert, a digest");
        for mail in mails {
            assert_eq!(valid(mail.raw()), ["rsa", "ed"]);
        }
    }

    async fn without_keys_no_mail_is_signed(stage: Stage) {
        stage.reader(ADA).await;
        assert_eq!(valid(stage.newest(ADA).raw()), [""; 0]);
        assert!(stage.newest(ADA).raw().starts_with(b"Date: "));
    }

    async fn a_second_copy_after_a_rotation_bears_the_first_ones_signatures(setup: Setup) {
        let stage = with_keys(setup).open().await;
        let who = "disconnect-after-data-1-ada@example.org";
        stage.imported(who).await;
        stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.inbox(who).len(), 1);

        let rotated = |setup: Setup| {
            setup
                .with("dkim.keys.0.retired", "true")
                .with("dkim.keys.2.selector", "rsa-2")
                .with("dkim.keys.2.key", &RSA)
        };
        let stage = stage.restarted_with(rotated).await;
        stage.advance(1.minutes()).await;
        let copies = stage.inbox(who);
        assert_eq!(copies.len(), 2, "its fate was unknown, so it went again");
        assert_eq!(valid(copies[0].raw()), ["rsa", "ed"]);
        assert_eq!(copies[0].raw(), copies[1].raw());

        stage.alert("Polls are closed").sent().await;
        assert_eq!(valid(stage.newest(who).raw()), ["ed", "rsa-2"]);
    }

    async fn mail_whose_keys_are_gone_leaves_unsigned_with_one_warning(setup: Setup) {
        let stage = with_keys(setup).open().await;
        for who in ["a@example.org", "b@example.org"] {
            stage.imported(who).await;
        }
        stage.alert("Polls close at eight").queued().await;
        let logs = Logs::collected();
        let stage = stage.restarted_with(|setup| setup.without("dkim.")).await;
        stage.settle().await;
        for who in ["a@example.org", "b@example.org"] {
            assert_eq!(valid(stage.newest(who).raw()), [""; 0]);
        }
        let text = logs.text();
        let warnings: Vec<_> = text.lines().filter(|line| line.contains("WARN") && line.contains("dkim.keys")).collect();
        assert_eq!(warnings.len(), 2, "one for each key: {text}");
    }
}
