//! DKIM signatures of whole messages (RFC 6376; RSA by RFC 8301, Ed25519 by RFC 8463), relaxed/relaxed. The same message,
//! keys and time give the same bytes. Which keys sign an issue is written down with it when it is made.

mod canonical;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::config::{Dkim, DkimKey};
use crate::domain::time::Timestamp;

/// The fields that are signed, and whether one more than there are, so that none can be added: what a reader is shown
/// and what says how to read the body (RFC 6376, section 5.4; the list fields by RFC 8058, section 4).
const SIGNED: [(&str, bool); 15] = [
    ("From", true),
    ("To", true),
    ("Cc", true),
    ("Reply-To", true),
    ("Subject", true),
    ("Date", true),
    ("Message-ID", true),
    ("MIME-Version", true),
    ("Content-Type", true),
    ("Content-Transfer-Encoding", true),
    ("List-Id", false),
    ("List-Unsubscribe", false),
    ("List-Unsubscribe-Post", false),
    ("Feedback-ID", false),
    ("Auto-Submitted", false),
];

/// Lines end here at the latest, but for a domain or selector that is longer (RFC 5322, section 2.1.1).
const LINE: usize = 76;

/// The configured keys. Without any, nothing is signed.
#[derive(Debug)]
pub struct Signer {
    keys: Vec<DkimKey>,
    selectors: String,
    /// Selectors that were asked for and are gone: each is warned of once.
    missed: Mutex<BTreeSet<String>>,
}

impl Signer {
    pub fn new(dkim: &Dkim) -> Self {
        let signing = dkim.keys.iter().filter(|key| !key.retired).map(|key| key.selector.as_str());
        let signing = signing.collect::<Vec<_>>().join(",");
        let selectors = if signing.is_empty() { signing } else { format!("{signing}@{}", dkim.domain) };
        Self { keys: dkim.keys.clone(), selectors, missed: Mutex::default() }
    }

    /// What signs now, to be written down with a new issue: `one,other@example.org`, or nothing.
    pub fn selectors(&self) -> &str {
        &self.selectors
    }

    /// `message` with its signatures before it.
    pub fn signed(&self, selectors: &str, message: String, at: Timestamp) -> String {
        let mut signed = self.sign(selectors, message.as_bytes(), at);
        if signed.is_empty() {
            return message;
        }
        signed.push_str(&message);
        signed
    }

    /// The DKIM-Signature fields to put before `message`, whose lines end in CRLF: one for each of `selectors`, as
    /// [`Self::selectors`] gave them, without those that are configured no more. `at` is the time they bear.
    pub fn sign(&self, selectors: &str, message: &[u8], at: Timestamp) -> String {
        let Some((selectors, domain)) = selectors.split_once('@') else { return String::new() };
        let keys: Vec<_> = selectors.split(',').filter_map(|selector| self.key(selector)).collect();
        if keys.is_empty() {
            return String::new();
        }
        let (fields, body) = canonical::split(message);
        let mut body_hash = Context::new(&SHA256);
        canonical::body(body, |bytes| body_hash.update(bytes));
        let (names, header) = header(&fields);
        let seconds = at.as_micros().div_euclid(1_000_000);
        let shared =
            format!(" t={seconds};\r\n h={names};\r\n bh={};\r\n b=", STANDARD.encode(body_hash.finish()));

        let mut all = String::with_capacity(keys.len() * 1024);
        for DkimKey { selector, key, .. } in keys {
            let algorithm = key.algorithm();
            let field = format!(
                "DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed;\r\n d={domain};\r\n s={selector};\r\n{shared}"
            );
            let mut signed = header.clone();
            canonical::field(field.as_bytes(), |bytes| signed.extend_from_slice(bytes));
            match key.sign(&digest(&SHA256, &signed)) {
                Some(signature) => {
                    all.push_str(&field);
                    fold(&STANDARD.encode(signature), &mut all);
                }
                None => tracing::warn!(selector, "a mail could not be signed with this key"),
            }
        }
        all
    }

    fn key(&self, selector: &str) -> Option<&DkimKey> {
        let key = self.keys.iter().find(|key| key.selector == selector);
        if key.is_none() {
            let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
            if missed.insert(selector.to_owned()) {
                tracing::warn!(
                    selector,
                    "mail waits that was to be signed with a key that [[dkim.keys]] has no more; it leaves without that signature"
                );
            }
        }
        key
    }
}

/// The names for `h=`, folded, and the canonical fields in their order; of one name the last comes first (RFC 6376,
/// section 5.4.2).
fn header(fields: &[&[u8]]) -> (String, Vec<u8>) {
    let mut names = String::with_capacity(512);
    let mut canonical = Vec::with_capacity(2048);
    let mut width = " h=".len();
    let mut add = |name: &str| {
        if !names.is_empty() {
            names.push(':');
            width += 1;
        }
        // With what follows it, a colon or a semicolon.
        if width + name.len() + 1 > LINE {
            names.push_str("\r\n ");
            width = 1;
        }
        names.push_str(name);
        width += name.len();
    };
    for (name, one_more) in SIGNED {
        for field in
            fields.iter().rev().filter(|field| canonical::name(field).eq_ignore_ascii_case(name.as_bytes()))
        {
            canonical::field(field, |bytes| canonical.extend_from_slice(bytes));
            canonical.extend_from_slice(b"\r\n");
            add(name);
        }
        if one_more {
            add(name);
        }
    }
    (names, canonical)
}

/// Adds the value of `b=`, the last of its field, in lines.
fn fold(signature: &str, field: &mut String) {
    let (first, mut rest) = signature.split_at(signature.len().min(LINE - " b=".len()));
    field.push_str(first);
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE - 1));
        // Writing to a text can't fail.
        let _ = write!(field, "\r\n {line}");
        rest = more;
    }
    field.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::signing_key::SigningKey;

    /// RFC 8463, appendix A: the key of its Ed25519 signature, which is published for everybody to test with.
    const SEED: &str = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    const PUBLIC: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    const MESSAGE: &str = "From: Joe SixPack <joe@football.example.com>\r\n\
        To: Suzie Q <suzie@shopping.example.net>\r\n\
        Subject: Is dinner ready?\r\n\
        Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
        Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
        \r\n\
        Hi.\r\n\
        \r\n\
        We lost the game.  Are you hungry yet?\r\n\
        \r\n\
        Joe.\r\n";

    fn key() -> SigningKey {
        // A PKCS#8 structure around the seed (RFC 8410, section 7).
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend(STANDARD.decode(SEED).unwrap());
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
        SigningKey::from_pem(&pem).unwrap()
    }

    fn signer(keys: &[(&str, bool)]) -> Signer {
        let keys = keys.iter().map(|(selector, retired)| DkimKey {
            selector: (*selector).to_owned(),
            key: key(),
            retired: *retired,
        });
        Signer::new(&Dkim { domain: "football.example.com".to_owned(), keys: keys.collect() })
    }

    fn at() -> Timestamp {
        Timestamp::from_micros(1_528_637_909_999_999)
    }

    #[test]
    fn the_example_of_rfc_8463_gets_the_signature_that_stands_there() {
        assert_eq!(key().record(), format!("v=DKIM1; k=ed25519; p={PUBLIC}"));
        let (fields, body) = canonical::split(MESSAGE.as_bytes());
        let mut body_hash = Context::new(&SHA256);
        canonical::body(body, |bytes| body_hash.update(bytes));
        assert_eq!(STANDARD.encode(body_hash.finish()), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");

        let signature = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n \
            d=football.example.com; i=@football.example.com;\r\n \
            q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n \
            subject : date : message-id : from : subject : date;\r\n \
            bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=";
        let mut signed = Vec::new();
        for field in &fields {
            canonical::field(field, |bytes| signed.extend_from_slice(bytes));
            signed.extend_from_slice(b"\r\n");
        }
        canonical::field(signature.as_bytes(), |bytes| signed.extend_from_slice(bytes));
        assert_eq!(
            STANDARD.encode(key().sign(&digest(&SHA256, &signed)).unwrap()),
            "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
        );
    }

    #[test]
    fn a_signature_is_one_field_in_short_lines_with_the_mails_time() {
        let signer = signer(&[("brisbane", false)]);
        let signed = signer.sign(signer.selectors(), MESSAGE.as_bytes(), at());
        let lines: Vec<_> = signed.strip_suffix("\r\n").unwrap().split("\r\n").collect();
        assert_eq!(
            lines[..8],
            [
                "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;",
                " d=football.example.com;",
                " s=brisbane;",
                " t=1528637909;",
                " h=From:From:To:To:Cc:Reply-To:Subject:Subject:Date:Date:Message-ID:",
                " Message-ID:MIME-Version:Content-Type:Content-Transfer-Encoding;",
                " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;",
                lines[7],
            ]
        );
        assert!(lines[7].starts_with(" b="));
        assert!(lines.iter().all(|line| line.len() <= 78), "{lines:#?}");
        assert!(lines[1..].iter().all(|line| line.starts_with(' ')), "{lines:#?}");
        assert_eq!(signer.sign(signer.selectors(), MESSAGE.as_bytes(), at()), signed);
    }

    #[test]
    fn what_is_written_down_names_the_keys_that_sign_and_the_domain() {
        assert_eq!(signer(&[]).selectors(), "");
        assert_eq!(signer(&[("old", true)]).selectors(), "");
        let signer = signer(&[("a", false), ("old", true), ("b.c", false)]);
        assert_eq!(signer.selectors(), "a,b.c@football.example.com");
        let sign = |selectors: &str| signer.sign(selectors, MESSAGE.as_bytes(), at());
        assert_eq!(sign(signer.selectors()).matches("DKIM-Signature:").count(), 2);
        assert!(sign("old@shopping.example.net").contains(" d=shopping.example.net;\r\n s=old;\r\n"));
        assert_eq!(sign("gone,a@football.example.com"), sign("a@football.example.com"));
        assert_eq!(sign("gone@football.example.com"), "");
        assert_eq!(signer.signed("", MESSAGE.into(), at()), MESSAGE);
    }
}
