//! What an operator writes in the file and the environment, and what is said when it is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use bellwether::config::{Config, ConfigError, EXAMPLE, Pipelining, Tls};
use bellwether::domain::{issue::Lane, subscription::Digest};

pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The shortest file that loads. Tests put lines in place of others, so that line numbers are plain to see.
pub const SHORT: &str = r#"[server]
secret = "0123456789abcdef0123456789abcdef"
[sender]
from = "Election Desk <desk@example.org>"
postal_address = "1 Main Street, Springfield"
[[relays]]
url = "smtp://relay.example.org"
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, "config.toml", &BTreeMap::new())
}

pub fn parse_with(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::parse(text, "config.toml", &env)
}

/// What is said about [`SHORT`] with `line` put in place of its line `number`.
fn error_with(number: usize, line: &str) -> String {
    let lines = SHORT.lines().enumerate().map(|(at, old)| if at + 1 == number { line } else { old });
    let text = lines.collect::<Vec<_>>().join("\n");
    parse(&text).expect_err(&text).to_string()
}

/// What is said about [`SHORT`] with `text` behind it.
fn error_after(text: &str) -> String {
    let text = format!("{SHORT}{text}");
    parse(&text).expect_err(&text).to_string()
}

#[test]
fn the_example_loads_but_its_secret_is_known_for_what_it_is() {
    let config = parse(EXAMPLE).unwrap();
    assert!(config.uses_example_secret());
    assert_eq!(config.server.public_url.as_str(), "https://news.example.org/");
    assert_eq!(config.feeds[0].topic, config.topics[0].slug);
    assert_eq!(config.relays[0].credentials.as_ref().unwrap().password.expose(), "pass");
}

#[test]
fn the_example_with_an_own_secret_may_serve() {
    let config = parse_with(EXAMPLE, &[("BELLWETHER_SERVER__SECRET", SECRET)]).unwrap();
    assert!(!config.uses_example_secret());
}

#[test]
fn the_examples_secret_is_refused_as_a_former_one_too() {
    let old = "[\"example: replace me, anyone can read this\"]";
    assert!(parse_with(SHORT, &[("BELLWETHER_SERVER__OLD_SECRETS", old)]).unwrap().uses_example_secret());
}

#[test]
fn every_setting_that_the_example_comments_out_exists() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, SECRET).unwrap();
    let mut checked = 0;
    for line in EXAMPLE.lines() {
        let Some((key, _)) = line.strip_prefix("# ").and_then(|line| line.split_once(" = ")) else {
            continue;
        };
        if key.contains(' ') {
            continue;
        }
        checked += 1;
        let uncommented = EXAMPLE.replace(line, &line[2..]);
        let said = parse(&uncommented).map_or_else(|error| error.to_string(), |_| String::new());
        assert!(!said.contains("no setting"), "{said}");
    }
    assert_eq!(checked, 17);
}

#[test]
fn a_short_file_stands_alone_on_the_defaults() {
    let config = parse(SHORT).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.public_url.as_str(), "http://127.0.0.1:8080/");
    assert_eq!(config.server.data, Path::new("data"));
    assert_eq!(config.database.url.expose(), "sqlite:data/bellwether.db");
    assert_eq!(config.sender.from.name.as_deref(), Some("Election Desk"));
    assert!(config.signup.alerts);
    assert_eq!(config.signup.digest, Digest::Daily);
    assert_eq!(config.signup.per_address, Duration::from_secs(600));
    assert_eq!(
        (config.signup.per_address_week, config.signup.per_network_hour, config.signup.per_hour),
        (3, 60, 5000)
    );
    let relay = &config.relays[0];
    assert_eq!((relay.name.as_str(), relay.host.as_str(), relay.port), ("primary", "relay.example.org", 587));
    assert_eq!((relay.tls, relay.connections, relay.rate), (Tls::Required, 10, None));
    assert_eq!((relay.messages_per_connection, relay.per_day, relay.weight), (None, None, 1));
    assert_eq!((relay.pipelining, relay.lanes.as_slice()), (Pipelining::Full, Lane::ALL));
    assert!(config.topics.is_empty() && config.feeds.is_empty());
    let schedules: Vec<_> = config.schedules.iter().map(|s| (s.name.as_str(), s.digest)).collect();
    assert_eq!(schedules, [("daily", Digest::Daily), ("weekly", Digest::Weekly)]);
    assert!(!config.uses_example_secret());
}

#[test]
fn a_file_of_nothing_is_told_all_that_is_required() {
    let said = parse("").unwrap_err().to_string();
    for key in ["server.secret", "sender.from", "sender.postal_address", "relays"] {
        assert!(said.contains(&format!("config.toml: {key}: is missing")), "{key}: {said}");
    }
    assert_eq!(said.lines().count(), 4, "{said}");
}

#[test]
fn all_errors_are_said_at_once_in_the_order_of_the_file() {
    let text = SHORT.replace("[sender]", "listen = 80\nlisten_on = 80\n[sender]\nform = \"a@example.org\"");
    let said = parse_with(&text, &[("BELLWETHER_SIGNUP__PER_HOUR", "lots")]).unwrap_err().to_string();
    assert_eq!(
        said,
        "config.toml, line 3: server.listen: must be a text in quotes\n\
         config.toml, line 4: server.listen_on: is no setting; there are: listen, public_url, secret, secret_file, \
         old_secrets, old_secrets_file, trusted_proxies, data\n\
         config.toml, line 6: sender.form: is no setting; did you mean from?\n\
         BELLWETHER_SIGNUP__PER_HOUR: signup.per_hour: must be a whole number from 1 to 10000000, without quotes"
    );
}

#[test]
fn a_wrong_line_is_named_with_its_key_and_what_is_allowed() {
    let cases = [
        (1, "[server", "config.toml, line 1: not valid TOML"),
        (2, "secret = 5", "config.toml, line 2: server.secret: must be a text in quotes"),
        (2, "secret = \"short\"", "line 2: server.secret: must be 32 characters or more, and has 5"),
        (2, "secret_file = \"/nowhere\"", "line 2: server.secret_file: must name a file that can be read"),
        (4, "from = \"Election Desk\"", "line 4: sender.from: there is a space inside"),
        (
            4,
            "from = \"Desk <desk@example.org>, Other <o@example.org>\"",
            "line 4: sender.from: must be a name and",
        ),
        (4, "from = \"Desk\\r\\nBcc: x <desk@example.org>\"", "line 4: sender.from: must be on one line"),
        (5, "postal_address = \" \"", "line 5: sender.postal_address: must not be empty"),
        (6, "[relays]", "config.toml, line 6: relays: must be a section for each, written [[relays]]"),
        (7, "tls = \"required\"", "line 6: relays.0.url: is missing: where mail is handed over"),
        (
            7,
            "url = \"https://relay.example.org\"",
            "line 7: relays.0.url: must be as in smtp://user:password@",
        ),
        (7, "host = \"relay example\"", "line 7: relays.0.host: must be a host's name or IP address alone"),
    ];
    for (number, line, expected) in cases {
        let said = error_with(number, line);
        assert!(said.contains(expected), "{line}\n said: {said}\n not: {expected}");
    }
}

#[test]
fn a_wrong_setting_is_named_with_its_key_and_what_is_allowed() {
    let topic = "[[topics]]\nslug = \"a\"\n";
    let cases = [
        // Of the relay, the last section there is.
        ("port = 0", "line 8: relays.0.port: must be a whole number from 1 to 65535"),
        (
            "connections = \"8\"",
            "line 8: relays.0.connections: must be a whole number from 1 to 1000, without",
        ),
        ("connections = 1001", "line 8: relays.0.connections: must be a whole number from 1 to 1000"),
        ("connections = 99999999999999999999", "relays.0.connections: must be a whole number from 1 to 1000"),
        ("rate = 0", "line 8: relays.0.rate: must be a number more than 0"),
        ("rate = inf", "line 8: relays.0.rate: must be a number more than 0"),
        ("rate = 2026-11-03", "line 8: relays.0.rate: must be a number more than 0"),
        ("tls = \"starttls\"", "line 8: relays.0.tls: must be one of: required, implicit, none"),
        ("tls = \"none\"", "line 8: relays.0.tls: none is for a relay on this machine only"),
        ("per_day = 0", "line 8: relays.0.per_day: must be a whole number from 1 to 1000000000"),
        ("weight = 0", "line 8: relays.0.weight: must be a whole number from 1 to 1000"),
        ("messages_per_connection = 0", "relays.0.messages_per_connection: must be a whole number from 1"),
        (
            "message_id = \"250 Ok {id}\"",
            "line 8: relays.0.message_id: has no \" -> \" in it; write what the relay answers with {id} for the id",
        ),
        (
            "message_id = \"Ok {id} -> <{id}@x>\"",
            "line 8: relays.0.message_id: must begin with the code of a mail",
        ),
        ("pipelining = \"on\"", "line 8: relays.0.pipelining: must be one of: full, envelope, off"),
        (
            "lanes = [\"urgent\"]",
            "line 8: relays.0.lanes.0: must be one of: transactional, correction, alert",
        ),
        (
            "lanes = [\"alert\"]",
            "relays: name each lane at one of them at least; none has transactional, correction, digest",
        ),
        ("ca_file = \"/nowhere.pem\"", "line 8: relays.0.ca_file: must name a file that exists"),
        ("host = \"other.example.org\"", "line 8: relays.0.host: stands in url already"),
        ("user = \"desk\"", "relays.0.password: is missing: user is given"),
        ("password = \"p\"", "relays.0.user: is missing: password is given"),
        ("conections = 3", "line 8: relays.0.conections: is no setting; did you mean connections?"),
        (
            "[[relays]]\nurl = \"smtp://b.example.org\"\nname = \"primary\"",
            "line 10: relays.1.name: is the same as relays.0.name",
        ),
        // Others.
        ("[database]\nurl = \"mysql://host/name\"", "line 9: database.url: must be as in sqlite:"),
        ("[database]\nurl = \"sqlite:\"", "line 9: database.url: must be as in sqlite:"),
        ("[signup]\nalerts = \"true\"", "line 9: signup.alerts: must be true or false, without quotes"),
        ("[signup]\ndigest = \"hourly\"", "line 9: signup.digest: must be one of: none, daily, weekly"),
        ("[signup]\nper_address = 10", "line 9: signup.per_address: must be a text in quotes"),
        ("[signup]\nper_address = \"10\"", "line 9: signup.per_address: must be a time from 1s to 168h"),
        ("[[signup]]", "line 8: signup: must be a section, written once as [signup]"),
        ("[[topics]]\nname = \"A\"", "line 8: topics.0.slug: is missing"),
        ("[[topics]]\nslug = \"A b\"", "line 9: topics.0.slug: must be 1 to 64 lower-case letters"),
        (
            "[[topics]]\nslug = \"a\"\n[[topics]]\nslug = \"a\"",
            "line 11: topics.1.slug: is the same as topics.0.slug",
        ),
        ("topics = 3", "line 8: relays.0.topics: is no setting"),
        (
            "[fetching]\nallow_networks = [\"127.0.0.0/8\", \"10.0.0.0/33\"]",
            "line 9: fetching.allow_networks.1: must be a network",
        ),
        (
            "[fetching]\nallow_networks = \"127.0.0.0/8\"",
            "line 9: fetching.allow_networks: must be a list of texts",
        ),
        ("[[schedules]]\ncron = \"0 0 7 * * *\"", "line 8: schedules.0.digest: is missing"),
        ("[[schedules]]\ndigest = \"none\"", "line 9: schedules.0.digest: must be daily or weekly"),
        ("[[schedules]]\ndigest = \"daily\"\ncron = \"whenever\"", "line 10: schedules.0.cron: "),
        ("[[schedules]]\ndigest = \"daily\"\ntimezone = \"Mars/Olympus\"", "line 10: schedules.0.timezone: "),
        (
            "[[schedules]]\ndigest = \"daily\"\n[[schedules]]\nname = \"second\"\ndigest = \"daily\"",
            "line 12: schedules.1.digest: is the same as schedules.0.digest",
        ),
        (
            "[[schedules]]\ndigest = \"daily\"\nname = \"weekly\"",
            "line 10: schedules.0.name: must not be the word for another digest",
        ),
        ("[mail]\ntemplates = \"/nowhere\"", "line 9: mail.templates: must name a folder that exists"),
        ("[sendr]\nfrom = \"a@example.org\"", "line 8: sendr: is no setting; did you mean sender?"),
    ];
    for (text, expected) in cases {
        let said = error_after(text);
        assert!(said.contains(expected), "{text}\n said: {said}\n not: {expected}");
    }
    let feeds = [
        (
            "url = \"ftp://site.example.org\"\ntopic = \"a\"",
            "line 11: feeds.0.url: must be an address as in https://",
        ),
        ("url = \"https://u:p@site.example.org\"\ntopic = \"a\"", "without user and password"),
        ("url = \"https://site.example.org\"", "line 10: feeds.0.topic: is missing"),
        (
            "url = \"https://site.example.org\"\ntopic = \"b\"",
            "feeds.0.topic: must be the slug of one of [[topics]]: a",
        ),
        (
            "url = \"https://a.example.org\"\ntopic = \"a\"\nevery = \"0s\"",
            "feeds.0.every: must be a time from 1s",
        ),
        (
            "url = \"https://a.example.org\"\ntopic = \"a\"\n[[feeds]]\nurl = \"https://a.example.org/\"\ntopic = \"a\"",
            "line 14: feeds.1.url: is the same as feeds.0.url",
        ),
    ];
    for (text, expected) in feeds {
        let said = error_after(&format!("{topic}[[feeds]]\n{text}"));
        assert!(said.contains(expected), "{text}\n said: {said}\n not: {expected}");
    }
}

#[test]
fn a_wrong_setting_of_server_or_sender_is_named_with_what_is_allowed() {
    let cases = [
        ("[server]", "listen = \"localhost\"", "server.listen: must be an IP address and a port"),
        (
            "[server]",
            "public_url = \"http://news.example.org\"",
            "server.public_url: must begin with https://",
        ),
        (
            "[server]",
            "public_url = \"https://news.example.org/?a=b\"",
            "server.public_url: must have nothing behind ?",
        ),
        (
            "[server]",
            "public_url = \"https://news.example.org/#top\"",
            "server.public_url: must have nothing behind ?",
        ),
        (
            "[server]",
            "public_url = \"news.example.org\"",
            "server.public_url: must be an address as in https://",
        ),
        ("[server]", "trusted_proxies = [\"proxy\"]", "server.trusted_proxies.0: must be a network"),
        ("[server]", "old_secrets = [\"short\"]", "server.old_secrets.0: must be 32 characters or more"),
        ("[server]", "secret_file = \"Cargo.toml\"", "server.secret_file: secret is given as well"),
        ("[sender]", "reply_to = \"readers\"", "sender.reply_to: the @ is missing"),
        ("[sender]", "operator = \"operator\"", "sender.operator: the @ is missing"),
        (
            "[sender]",
            "test_addresses = [\"a@example.org\", \"b\"]",
            "sender.test_addresses.1: the @ is missing",
        ),
        (
            "[sender]",
            "bounces = \"bounces@example.org\"",
            "sender.bounces: must be an address with {id} once",
        ),
        (
            "[sender]",
            "bounces = \"{id}+{id}@example.org\"",
            "sender.bounces: must be an address with {id} once",
        ),
        (
            "[sender]",
            "bounces = \"bounces@{id}.example.org\"",
            "sender.bounces: must be an address with {id} once",
        ),
    ];
    for (section, line, expected) in cases {
        let text = SHORT.replace(section, &format!("{section}\n{line}"));
        let said = parse(&text).expect_err(line).to_string();
        assert!(said.contains(expected), "{line}\n said: {said}\n not: {expected}");
    }
}

#[test]
fn the_environment_goes_before_the_file_and_takes_the_type_of_its_key() {
    let config = parse_with(
        SHORT,
        &[
            ("BELLWETHER_SERVER__LISTEN", "[::1]:9000"),
            ("BELLWETHER_SERVER__TRUSTED_PROXIES__0", "10.0.0.0/8"),
            ("BELLWETHER_FETCHING__ALLOW_NETWORKS", "[\"127.0.0.0/8\", '::1']"),
            ("BELLWETHER_SENDER__POSTAL_ADDRESS", "8"),
            ("BELLWETHER_SIGNUP__ALERTS", "false"),
            ("BELLWETHER_SIGNUP__PER_HOUR", "8"),
            ("BELLWETHER_RELAYS__0__RATE", "0.5"),
            ("BELLWETHER_RELAYS__1__URL", "smtps://backup.example.org"),
            ("BELLWETHER_TOPICS__0__SLUG", "2026"),
            ("BELLWETHER_CONFIG", "elsewhere.toml"),
            ("BELLWETHER_LOG", "debug"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.public_url.as_str(), "http://[::1]:9000/");
    assert!(config.server.trusted_proxies[0].contains("10.1.1.1".parse().unwrap()));
    assert_eq!(config.fetching.allow_networks.len(), 2);
    assert_eq!(config.sender.postal_address, "8");
    assert_eq!((config.signup.alerts, config.signup.per_hour), (false, 8));
    assert_eq!(config.relays[0].rate, Some(0.5));
    let backup = &config.relays[1];
    assert_eq!((backup.name.as_str(), backup.tls, backup.port), ("relay-2", Tls::Implicit, 465));
    assert_eq!(config.topics[0].name, "2026");
}

#[test]
fn the_environment_alone_may_say_all_that_is_required() {
    let env = [
        ("BELLWETHER_SERVER__SECRET", SECRET),
        ("BELLWETHER_SENDER__FROM", "desk@example.org"),
        ("BELLWETHER_SENDER__POSTAL_ADDRESS", "1 Main Street"),
        ("BELLWETHER_RELAYS__0__URL", "smtp://127.0.0.1"),
    ];
    let config = parse_with("", &env).unwrap();
    assert_eq!((config.relays[0].tls, config.relays[0].port), (Tls::None, 25));
}

#[test]
fn a_variable_that_is_no_setting_is_an_error() {
    let cases = [
        (
            "BELLWETHER_SERVER__LISEN",
            "BELLWETHER_SERVER__LISEN: server.lisen: is no setting; did you mean listen?",
        ),
        (
            "BELLWETHER_LISTEN",
            "BELLWETHER_LISTEN: listen: is no setting; there are: server, database, sender,",
        ),
        ("BELLWETHER_SERVER", "BELLWETHER_SERVER: server: must be a section, written once as [server]"),
        (
            "BELLWETHER_RELAYS__URL",
            "BELLWETHER_RELAYS__URL: relays.url: is no setting; a list's items are numbered",
        ),
        ("BELLWETHER_SERVER__SECRET__X", "BELLWETHER_SERVER__SECRET__X: server.secret.x: is no setting"),
        (
            "BELLWETHER_RELAYS__2__URL",
            "BELLWETHER_RELAYS__2__URL: relays.2: is given but not the one before it",
        ),
        ("BELLWETHER_", "BELLWETHER_: "),
    ];
    for (name, expected) in cases {
        let said = parse_with(SHORT, &[(name, "smtp://127.0.0.1")]).expect_err(name).to_string();
        assert!(said.contains(expected), "{name}\n said: {said}\n not: {expected}");
    }
}

#[test]
fn a_form_that_does_not_ask_must_not_ask_for_nothing() {
    let text = format!("{SHORT}\n[signup]\nalerts = false\ndigest = \"none\"\n");
    let error = parse(&text).unwrap_err().to_string();
    assert!(error.contains("signup.digest: must be daily or weekly"), "{error}");
}

#[test]
fn the_parts_of_a_relay_may_stand_apart() {
    let parts = "host = \"127.0.0.1\"\nport = 2525\nuser = \"desk\"\npassword = \"p@ss%\"";
    let config = parse(&SHORT.replace("url = \"smtp://relay.example.org\"", parts)).unwrap();
    let relay = &config.relays[0];
    assert_eq!((relay.host.as_str(), relay.port, relay.tls), ("127.0.0.1", 2525, Tls::None));
    assert_eq!(relay.credentials.as_ref().unwrap().password.expose(), "p@ss%");
}

#[test]
fn the_database_is_in_the_data_folder_unless_said_otherwise() {
    let config = parse_with(SHORT, &[("BELLWETHER_SERVER__DATA", "/var/lib/100%")]).unwrap();
    assert_eq!(config.database.url.expose(), "sqlite:/var/lib/100%25/bellwether.db");
}

#[test]
fn no_secret_is_in_an_error_or_in_debug() {
    let hidden = "hunter2";
    let long = "hunter2-hunter2-hunter2-hunter2-hunter2";
    let text = SHORT
        .replace(SECRET, long)
        .replace("smtp://relay", "smtp://user:hunter2@relay")
        .replace("[sender]", "old_secrets = [\"hunter2-0123456789abcdef0123456789\"]\n[sender]")
        + "[database]\nurl = \"postgres://u:hunter2@localhost/news\"";
    let config = parse(&text).unwrap();
    assert_eq!(config.server.secret.expose(), long);
    assert!(!format!("{config:?} {config:#?}").contains(hidden));

    let broken = [
        SHORT.replace(SECRET, hidden),
        SHORT.replace(SECRET, "hunter2\\q"),
        SHORT.replace(SECRET, "hunter2\n"),
        SHORT.replace("\"0123", "hunter2 = \"0123"),
        SHORT.replace("smtp://relay", "smpt://user:hunter2@relay"),
        SHORT.replace("smtp://relay.example.org", "smtp://user:hunter2/@relay.example.org"),
        format!("{SHORT}password = [\"hunter2\"]"),
        format!("{SHORT}[database]\nurl = \"mysql://u:hunter2@localhost\""),
        format!("{SHORT}[database]\nurl = {{ is = \"hunter2\" }}"),
    ];
    for text in broken {
        let error = parse(&text).expect_err(&text);
        assert!(!format!("{error} {error:?}").contains(hidden), "{error}");
    }
    let env = [("BELLWETHER_SERVER__SECRET", hidden), ("BELLWETHER_RELAYS__0__URL", hidden)];
    let error = parse_with(SHORT, &env).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(hidden), "{error}");
}

#[test]
fn without_a_file_the_error_says_how_to_write_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let said = Config::load(Some(&path), &BTreeMap::new()).unwrap_err().to_string();
    assert!(said.contains(&format!("bellwether config > {}", path.display())), "{said}");
    let said = Config::load(Some(folder.path()), &BTreeMap::new()).unwrap_err().to_string();
    assert!(said.contains("can't be read"), "{said}");
}

#[test]
fn the_file_is_the_one_that_is_named_or_else_the_one_in_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("named.toml");
    let other = folder.path().join("other.toml");
    fs::write(&named, SHORT).unwrap();
    fs::write(&other, "").unwrap();
    let env =
        |path: &Path| BTreeMap::from([("BELLWETHER_CONFIG".to_owned(), path.to_str().unwrap().to_owned())]);
    assert!(Config::load(Some(&named), &env(&other)).is_ok());
    assert!(Config::load(None, &env(&named)).is_ok());
    let said = Config::load(None, &env(&other)).unwrap_err().to_string();
    assert!(said.contains("other.toml: server.secret: is missing"), "{said}");
}
