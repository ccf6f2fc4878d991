//! The keys that sign the mails, and for which domain.

use std::collections::BTreeMap;

use super::section::Section;
use super::{Dkim, DkimKey};
use crate::domain::signing_key::SigningKey;

/// Reads `[dkim]`. `from` is the domain of the From address in A-labels, none where that is wrong and was reported.
pub(super) fn dkim(s: &mut Section, from: Option<&str>) -> Dkim {
    let domain = s.text("domain", |text| aligned(text, from));
    let named = domain.is_some();
    let mut seen = BTreeMap::new();
    let given = s.has("keys");
    let keys = s.sections("keys", |s, _| key(s, &mut seen));
    if named && !given {
        s.problem(
            "keys",
            "is missing: at least one [[dkim.keys]] with its selector and key_file, or nothing is signed",
        );
    }
    Dkim { domain: domain.or_else(|| from.map(str::to_owned)).unwrap_or_default(), keys }
}

fn key(s: &mut Section, seen: &mut BTreeMap<String, String>) -> Option<DkimKey> {
    s.require("selector", "the name under which the key is published, as in news-2026a");
    s.require("key", "the private key in PEM; or key_file, the file it is in");
    let selector = s.text("selector", selector);
    if let Some(selector) = &selector {
        s.unique("selector", selector, seen);
    }
    let key = s.secret("key", SigningKey::from_pem);
    let retired = s.flag("retired").unwrap_or(false);
    Some(DkimKey { selector: selector?, key: key?, retired })
}

/// A signing domain that is `from` or a parent of it, else no receiver counts the signature for the From address
/// (relaxed alignment, RFC 7489, section 3.1.1).
fn aligned(text: &str, from: Option<&str>) -> Result<String, String> {
    let domain = idna::domain_to_ascii(text.trim()).unwrap_or_default();
    if !domain.contains('.') || !domain.split('.').all(is_label) {
        return Err("must be a domain, as in example.org".to_owned());
    }
    match from {
        Some(from) if from != domain && !from.ends_with(&format!(".{domain}")) => Err(format!(
            "must be {from}, the domain of [sender] from, or a parent of it; else receivers don't count the signature"
        )),
        _ => Ok(domain),
    }
}

/// Labels of a domain name (RFC 6376, section 3.1), lower-cased.
fn selector(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    if lower.len() <= 100 && lower.split('.').all(is_label) {
        return Ok(lower);
    }
    Err("must be letters, digits and - as in news-2026a, dots between them allowed, 100 at most".to_owned())
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}
