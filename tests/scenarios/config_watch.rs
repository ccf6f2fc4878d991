//! What an operator writes under `[watch]`, and what is said when it is wrong.

use std::time::Duration;

use bellwether::config::Config;

use super::config::{SHORT, parse_with};

const KEY: &str = "whsec_YSBrZXkgb2YgMjQgYnl0ZXMsIG5vLW5v";

const FEED: &str =
    "[[topics]]\nslug = \"news\"\n[[feeds]]\nurl = \"https://site.example.org/feed/\"\ntopic = \"news\"\n";

fn with(text: &str) -> Config {
    parse_with(&format!("{SHORT}{text}"), &[]).unwrap()
}

fn error(text: &str) -> String {
    parse_with(&format!("{SHORT}{text}"), &[]).expect_err(text).to_string()
}

#[test]
fn without_a_word_it_looks_and_tells_nobody() {
    let watch = with("").watch;
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    assert_eq!((watch.alert_within, watch.accepted_within), (minutes(10), minutes(15)));
    assert_eq!((watch.accepted_percent, watch.silent_after, watch.has_channel()), (95, None, false));
}

#[test]
fn everything_can_be_said_in_the_file_and_in_the_environment() {
    let text = format!(
        "[[relays]]\nname = \"backup\"\nurl = \"smtp://backup.example.org\"\nlanes = []\n\
         [watch]\nalert_within = \"5m\"\naccepted_within = \"2m\"\naccepted_percent = 99\n\
         to = \"grace@example.org\"\nrelay = \"backup\"\n\
         [[watch.webhooks]]\nurl = \"https://hooks.example.org/in?key=1\"\nsecret = \"{KEY}\"\n"
    );
    let env = [("BELLWETHER_WATCH__ACCEPTED_WITHIN", "90s")];
    let config = parse_with(&format!("{SHORT}{text}"), &env).unwrap();
    assert_eq!(config.watch.accepted_within, Duration::from_secs(90));
    assert_eq!(config.watch.webhooks[0].place(), "https://hooks.example.org");
    assert_eq!(config.watch.mail.as_ref().unwrap().to.as_str(), "grace@example.org");
    let watches: Vec<_> = config.relays.iter().map(|relay| relay.watch).collect();
    assert_eq!(watches, [false, true]);
    assert!(config.relays[1].lanes.is_empty(), "it carries nothing else");
    assert!(!format!("{:?}", config.watch).contains("YSBrZXkg"), "a secret is not shown");
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    let hook = "[[watch.webhooks]]\nurl = \"https://hooks.example.org\"\n";
    let config = with(&format!("{hook}secret_file = \"{}\"\n", file.display()));
    assert_eq!(config.watch.webhooks.len(), 1);
}

#[test]
fn each_feed_may_be_silent_for_a_time_of_its_own() {
    let of = |text: &str| with(text).feeds[0].silent_after;
    let hours = |hours: u64| Some(Duration::from_secs(3_600 * hours));
    assert_eq!(of(FEED), None);
    assert_eq!(of(&format!("{FEED}[watch]\nsilent_after = \"6h\"\n")), hours(6));
    assert_eq!(of(&format!("{FEED}silent_after = \"2h\"\n[watch]\nsilent_after = \"6h\"\n")), hours(2));
    assert_eq!(of(&format!("{FEED}silent_after = \"never\"\n[watch]\nsilent_after = \"6h\"\n")), None);
    let wrong = error(&format!("{FEED}silent_after = \"soon\"\n"));
    assert!(
        wrong.contains("feeds.0.silent_after: must be a time from 1s to 168h, as in 6h, or \"never\""),
        "{wrong}"
    );
}

#[test]
fn what_is_wrong_is_said_with_its_key() {
    let hook = "[[watch.webhooks]]\nurl = \"https://hooks.example.org\"\n";
    for (text, told) in [
        ("[watch]\nto = \"grace@example.org\"\n", "watch.relay: is missing: to is given"),
        ("[watch]\nrelay = \"primary\"\n", "watch.to: is missing: relay is given"),
        (
            "[watch]\nto = \"grace@example.org\"\nrelay = \"backup\"\n",
            "watch.relay: must be the name of one of [[relays]]: primary",
        ),
        ("[watch]\naccepted_percent = 101\n", "watch.accepted_percent: must be a whole number from 1 to 100"),
        ("[watch]\nalert_in = \"5m\"\n", "watch.alert_in: is no setting"),
        (hook, "watch.webhooks.0.secret: is missing"),
        (&format!("{hook}secret = \"hunter2\"\n"), "watch.webhooks.0.secret: must be whsec_ and 24"),
        (
            &format!("{hook}secret = \"{KEY}\"\n{hook}secret = \"{KEY}\"\n"),
            "watch.webhooks.1.url: is the same as watch.webhooks.0.url",
        ),
        (
            "[[relays]]\nname = \"backup\"\nurl = \"smtp://backup.example.org\"\nlanes = []\n",
            "relays: \"backup\" has no lanes: name some, leave `lanes` out for all, or name it as [watch] relay",
        ),
    ] {
        let error = error(text);
        assert!(error.contains(told), "{told} in\n{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
