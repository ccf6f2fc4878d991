//! Keys to sign with, and a verifier of its own: slow, plain, written along RFC 6376 without a line of the service's.

use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
};
use aws_lc_rs::{digest, encoding::Pkcs8V1Der};
use base64::{Engine, engine::general_purpose::STANDARD};

/// An RSA key of 2048 bits in PEM, made for this run.
pub static RSA: LazyLock<String> = LazyLock::new(|| {
    let der: Pkcs8V1Der = RsaKeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
    pem("PRIVATE KEY", der.as_ref())
});

/// An Ed25519 key in PEM, made for this run.
pub static ED25519_KEY: LazyLock<String> = LazyLock::new(|| {
    let der: Pkcs8V1Der = Ed25519KeyPair::generate().unwrap().as_der().unwrap();
    pem("PRIVATE KEY", der.as_ref())
});

pub fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// What a verifier finds at each DKIM-Signature of `message`, the first first: selector and what is wrong, if anything.
/// `records` are the TXT records by their names.
pub fn verify(message: &[u8], records: &[(String, String)]) -> Vec<(String, Result<(), String>)> {
    let message = std::str::from_utf8(message).unwrap();
    let (header, body) = message.split_once("\r\n\r\n").unwrap();
    let mut fields: Vec<String> = Vec::new();
    for line in header.split("\r\n") {
        match fields.last_mut() {
            Some(field) if line.starts_with([' ', '\t']) => field.push_str(line),
            _ => fields.push(line.to_owned()),
        }
    }
    let signatures = fields.iter().filter(|field| name(field) == "dkim-signature");
    signatures.map(|signature| (tag(signature, "s"), verify_one(signature, &fields, body, records))).collect()
}

fn verify_one(
    signature: &str,
    fields: &[String],
    body: &str,
    records: &[(String, String)],
) -> Result<(), String> {
    let (selector, domain) = (tag(signature, "s"), tag(signature, "d"));
    if tag(signature, "v") != "1" || tag(signature, "c") != "relaxed/relaxed" {
        return Err("not of the kind we make".to_owned());
    }
    let at = format!("{selector}._domainkey.{domain}");
    let (_, record) = records.iter().find(|(name, _)| *name == at).ok_or("no record")?;
    let kind = tag(record, "k");
    if tag(signature, "a") != format!("{kind}-sha256") {
        return Err("the key is for another algorithm".to_owned());
    }
    let mut lines: Vec<String> = body.split("\r\n").map(|line| single_spaced(line, false)).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    let canonical: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    if STANDARD.encode(sha256(&canonical)) != tag(signature, "bh") {
        return Err("the body was changed".to_owned());
    }

    let mut left: Vec<&String> = fields.iter().collect();
    let mut signed = String::new();
    let names = tag(signature, "h").to_lowercase();
    if !names.split(':').any(|name| name == "from") {
        return Err("From is not signed".to_owned());
    }
    for wanted in names.split(':') {
        if let Some(at) = left.iter().rposition(|field| name(field) == wanted) {
            signed.push_str(&relaxed(left.remove(at)));
            signed.push_str("\r\n");
        }
    }
    let (before, _) = signature.rsplit_once(" b=").ok_or("no b= at the end")?;
    signed.push_str(&relaxed(&format!("{before} b=")));

    let key = STANDARD.decode(tag(record, "p")).map_err(|error| error.to_string())?;
    let bytes = STANDARD.decode(tag(signature, "b")).map_err(|error| error.to_string())?;
    let valid = match kind.as_str() {
        "rsa" => check(&RSA_PKCS1_2048_8192_SHA256, &key, signed.as_bytes(), &bytes),
        "ed25519" => check(&ED25519, &key, &sha256(&signed), &bytes),
        other => return Err(format!("a key of kind {other}")),
    };
    if valid { Ok(()) } else { Err("the header was changed".to_owned()) }
}

fn check(algorithm: &'static dyn VerificationAlgorithm, key: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(signed, signature).is_ok()
}

fn sha256(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
}

fn name(field: &str) -> String {
    field.split(':').next().unwrap().trim().to_lowercase()
}

fn relaxed(field: &str) -> String {
    let (_, value) = field.split_once(':').unwrap();
    format!("{}:{}", name(field), single_spaced(value, true))
}

/// Runs of white space as one space, none at the end, and none at the beginning if `trimmed`.
fn single_spaced(text: &str, trimmed: bool) -> String {
    let mut spaced = String::new();
    for c in text.chars() {
        let blank = c == ' ' || c == '\t';
        if !blank {
            spaced.push(c);
        } else if !spaced.ends_with(' ') {
            spaced.push(' ');
        }
    }
    let spaced = spaced.trim_end_matches(' ');
    if trimmed { spaced.trim_start_matches(' ').to_owned() } else { spaced.to_owned() }
}

/// A tag's value without any white space; empty where there is none.
fn tag(list: &str, wanted: &str) -> String {
    let list = list.strip_prefix("DKIM-Signature:").unwrap_or(list);
    let tags = list.split(';').filter_map(|tag| tag.split_once('='));
    let found = tags.filter(|(name, _)| name.trim() == wanted).map(|(_, value)| value);
    found.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect()
}
