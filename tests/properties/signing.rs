//! Whatever a mail says, each signature of it is valid, and no longer once a byte is changed or a field is added.

use std::sync::LazyLock;

use bellwether::config::{Dkim, DkimKey};
use bellwether::domain::{signing_key::SigningKey, time::Timestamp};
use bellwether::mail::compose::{Alert, Composer, Slots};
use bellwether::mail::sign::Signer;
use proptest::prelude::*;

use crate::scenarios::mails::{ISSUE, alert, config, slots};
use crate::stage::dkim::{ED25519_KEY, RSA, verify};

static COMPOSER: LazyLock<Composer> = LazyLock::new(|| Composer::new(&config()).unwrap());
static KEYS: LazyLock<Vec<DkimKey>> = LazyLock::new(|| {
    let key = |selector: &str, pem: &str| DkimKey {
        selector: selector.to_owned(),
        key: SigningKey::from_pem(pem).unwrap(),
        retired: false,
    };
    vec![key("rsa", &RSA), key("ed", &ED25519_KEY)]
});

/// How many signatures there are, and how many are valid.
fn verdicts(message: &[u8]) -> (usize, usize) {
    let records: Vec<_> = KEYS
        .iter()
        .map(|key| (format!("{}._domainkey.example.org", key.selector), key.key.record()))
        .collect();
    let verdicts = verify(message, &records);
    (verdicts.len(), verdicts.iter().filter(|(_, verdict)| verdict.is_ok()).count())
}

fn signed(message: &str, seconds: i64) -> String {
    let signer = Signer::new(&Dkim { domain: "example.org".to_owned(), keys: KEYS.clone() });
    signer.signed(signer.selectors(), message.to_owned(), Timestamp::from_micros(seconds * 1_000_000))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mail_of_ours_verifies_until_it_is_changed(
        subject in "\\PC{0,150}",
        html in "[ \t\na-z<>&ü.=]{0,600}",
        local in "[a-z0-9+]{1,40}",
        seconds in 0_i64..4_000_000_000,
        place in any::<prop::sample::Index>(),
        field in prop::sample::select(vec![
            "From: Eve <eve@example.com>", "Subject: Buy", "Reply-To: eve@example.com", "To: eve@example.com",
            "Content-Type: text/plain", "Date: Fri, 30 Oct 2026 12:00:00 +0000", "Cc: eve@example.com",
        ]),
    ) {
        let to = format!("{local}@example.com");
        let draft = COMPOSER.alert(ISSUE, &Alert { subject, html, ..alert() }).unwrap();
        let message = draft.splice(&Slots { to: &to, ..slots() });
        let sent = signed(&message, seconds);
        prop_assert!(sent.ends_with(&message));
        prop_assert_eq!(&sent, &signed(&message, seconds));
        prop_assert_eq!(verdicts(sent.as_bytes()), (2, 2));

        let added = format!("{field}\r\n{sent}");
        prop_assert_eq!(verdicts(added.as_bytes()), (2, 0), "{} was added", field);

        // White space may be changed on the way, and nobody signs Precedence.
        let start = sent.len() - message.len();
        let precedence = message.find("Precedence:").unwrap();
        let line = precedence..precedence + message[precedence..].find('\n').unwrap();
        let places: Vec<_> =
            (0..message.len()).filter(|at| message.as_bytes()[*at].is_ascii_graphic() && !line.contains(at)).collect();
        let at = start + places[place.index(places.len())];
        let mut changed = sent.into_bytes();
        changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
        prop_assert_eq!(verdicts(&changed), (2, 0), "byte {} of {}", at, message);
    }

    #[test]
    fn white_space_that_is_changed_on_the_way_breaks_nothing(
        lines in prop::collection::vec("[ \tab]{0,20}", 0..12),
        seconds in 0_i64..4_000_000_000,
    ) {
        let body = lines.join("\r\n");
        let message = format!("From: desk@example.org\r\nSubject:  one\r\n\t two \r\nTo: a@example.com\r\n\r\n{body}\r\n");
        let sent = signed(&message, seconds);
        prop_assert_eq!(verdicts(sent.as_bytes()), (2, 2), "{}", sent);
        let header = sent.replace("Subject:  one\r\n\t two ", "subject : one two");
        let trailing = format!("{header} \t\r\n\r\n \r\n");
        prop_assert_eq!(verdicts(trailing.as_bytes()), (2, 2), "{}", trailing);
    }
}
