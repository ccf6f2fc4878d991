//! What an operator writes to have the mails signed, and what is said when it is wrong.

use std::fs;

use base64::{Engine, engine::general_purpose::STANDARD};
use bellwether::config::Config;
use bellwether::domain::signing_key::SigningKey;

use super::config::{SHORT, parse_with};
use crate::stage::dkim::{ED25519_KEY, RSA, pem};
use crate::stage::program;

/// RSA of 1024 bits, which nobody should trust.
const SHORT_RSA: &str = include_str!("../fixtures/dkim/rsa-1024.pem");

fn with(text: &str) -> Result<Config, String> {
    parse_with(&format!("{SHORT}{text}"), &[]).map_err(|error| error.to_string())
}

/// What is said of a `[dkim]` with these lines and one good key.
fn wrong(lines: &str) -> String {
    let key = &*ED25519_KEY;
    with(&format!("[dkim]\n{lines}\n[[dkim.keys]]\nselector = \"one\"\nkey = '''{key}'''\n")).unwrap_err()
}

/// What is said of a key with these lines.
fn wrong_key(lines: &str) -> String {
    with(&format!("[[dkim.keys]]\n{lines}\n")).unwrap_err()
}

#[test]
fn keys_may_stand_in_files_and_the_domain_is_the_senders() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    fs::write(&file, &*RSA).unwrap();
    let (file, ed) = (file.display(), &*ED25519_KEY);
    let keys = format!(
        "[[dkim.keys]]\nselector = \"News-2026a\"\nkey_file = \"{file}\"\n\
         [[dkim.keys]]\nselector = \"news-2026b\"\nkey = '''{ed}'''\nretired = true\n"
    );
    let dkim = with(&keys).unwrap().dkim;
    assert_eq!(dkim.domain, "example.org");
    let [rsa, ed] = &dkim.keys[..] else { panic!("two keys: {dkim:?}") };
    assert_eq!(
        (rsa.selector.as_str(), rsa.retired, rsa.key.algorithm()),
        ("news-2026a", false, "rsa-sha256")
    );
    assert_eq!(
        (ed.selector.as_str(), ed.retired, ed.key.algorithm()),
        ("news-2026b", true, "ed25519-sha256")
    );
    assert!(rsa.key.record().starts_with("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"));
    assert!(format!("{dkim:?}").contains("(secret rsa-sha256 key)"));
    assert!(with("").unwrap().dkim.keys.is_empty());
}

#[test]
fn an_rsa_key_of_the_older_form_is_the_same_key() {
    let der: String = RSA.lines().filter(|line| !line.starts_with('-')).collect();
    // In PKCS#8 the older structure stands behind 26 bytes.
    let old = pem("RSA PRIVATE KEY", &STANDARD.decode(der).unwrap()[26..]);
    let record = |key: &str| {
        let config = with(&format!("[[dkim.keys]]\nselector = \"one\"\nkey = '''{key}'''\n")).unwrap();
        config.dkim.keys[0].key.record()
    };
    assert_eq!(record(&old), record(&RSA));
}

#[test]
fn the_domain_is_the_senders_or_a_parent_of_it() {
    let from = |address: &str, domain: &str| {
        let key = &*ED25519_KEY;
        let text = SHORT.replace("desk@example.org", address);
        let text = format!(
            "{text}[dkim]\ndomain = \"{domain}\"\n[[dkim.keys]]\nselector = \"one\"\nkey = '''{key}'''\n"
        );
        parse_with(&text, &[]).map(|config| config.dkim.domain).map_err(|error| error.to_string())
    };
    assert_eq!(from("desk@News.Example.org", "example.org").unwrap(), "example.org");
    assert_eq!(
        from("desk@zeitung-münchen.example", "zeitung-münchen.example").unwrap(),
        "xn--zeitung-mnchen-osb.example"
    );
    for domain in ["example.com", "ample.org", "news.example.org"] {
        let error = from("desk@example.org", domain).unwrap_err();
        assert!(
            error.contains("config.toml, line 9: dkim.domain: must be example.org, the domain of"),
            "{error}"
        );
    }
    for domain in ["org", "", "exa mple.org", ".example.org", "https://example.org"] {
        assert!(from("desk@example.org", domain).unwrap_err().contains("must be a domain"), "{domain}");
    }
}

#[test]
fn what_is_wrong_with_a_key_is_said_with_its_line_and_without_the_key() {
    let key = |pem: &str| wrong_key(&format!("selector = \"one\"\nkey = '''{pem}'''"));
    let error = key(SHORT_RSA);
    assert!(
        error.starts_with("config.toml, line 10: dkim.keys.0.key: is an RSA key shorter than 2048 bits"),
        "{error}"
    );
    assert!(!error.contains(SHORT_RSA.lines().nth(1).unwrap()));
    for text in
        ["", "secret", &pem("PUBLIC KEY", b"123"), &pem("PRIVATE KEY", b"123"), &pem("EC PRIVATE KEY", b"1")]
    {
        let error = key(text);
        assert!(error.contains("dkim.keys.0.key: must be an RSA or Ed25519 private key in PEM"), "{error}");
        assert!(error.contains("openssl genpkey"), "{error}");
    }
    assert!(wrong_key("selector = \"one\"").contains("dkim.keys.0.key: is missing"));
    assert!(
        wrong_key("selector = \"one\"\nkey_file = \"none.pem\"")
            .contains("must name a file that can be read")
    );
    assert!(wrong_key(&format!("key = '''{}'''", *RSA)).contains("dkim.keys.0.selector: is missing"));
    for selector in ["", "a b", "-a", "a..b", "a@b", "ä", "a,b"] {
        let error = wrong_key(&format!("selector = \"{selector}\"\nkey = '''{}'''", *RSA));
        assert!(error.contains("line 9: dkim.keys.0.selector: must be letters"), "{selector}: {error}");
    }
    let twice = format!(
        "selector = \"one\"\nkey = '''{0}'''\n[[dkim.keys]]\nselector = \"ONE\"\nkey = '''{0}'''",
        *RSA
    );
    assert!(wrong_key(&twice).contains("is the same as dkim.keys.0.selector"), "{}", wrong_key(&twice));
    assert!(wrong("domains = \"example.org\"").contains("did you mean domain?"));
    assert!(with("[dkim]\ndomain = \"example.org\"\n").unwrap_err().contains("at least one [[dkim.keys]]"));
    assert!(with("[dkim]\nkeys = 5\n").unwrap_err().contains("written [[dkim.keys]], or DKIM__KEYS__0__"));
}

#[test]
fn check_says_what_to_publish() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ed.pem"), &*ED25519_KEY).unwrap();
    let text = SHORT.replace("smtp://relay.example.org", "smtp://127.0.0.1:1");
    let keys = "[[dkim.keys]]\nselector = \"news-2026b\"\nkey_file = \"ed.pem\"\n";
    fs::write(folder.path().join("config.toml"), format!("{text}{keys}")).unwrap();
    let ran = program::command(folder.path(), &["check"]).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    let record = SigningKey::from_pem(&ED25519_KEY).unwrap().record();
    let wanted = format!(
        "ok       [[dkim.keys]] news-2026b: signs every mail; publish news-2026b._domainkey.example.org TXT \"{record}\""
    );
    assert!(said.contains(&wanted), "{wanted}\n{said}");
}
