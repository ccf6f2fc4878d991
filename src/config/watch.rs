//! `[watch]`: what the newsroom is told when it doesn't happen, and over which channels.

use std::collections::BTreeMap;
use std::time::Duration;

use super::section::Section;
use super::values::{self, address};
use super::{Relay, Watch, WatchMail, Webhook};
use crate::domain::webhook::Key;

/// What turns a default off.
const NEVER: &str = "never";

/// Reads `[watch]`; the relay that it names is one of those that [`carry`] is handed.
pub(super) fn watch(s: &mut Section) -> Watch {
    let usual = Watch::default();
    let to = s.text("to", address);
    let relay = s.text("relay", values::name);
    if to.is_some() != relay.is_some() {
        let (given, absent) = if to.is_some() { ("to", "relay") } else { ("relay", "to") };
        s.problem(
            absent,
            format!("is missing: {given} is given, and mail of the watch goes to one address over one relay"),
        );
    }
    let mut seen = BTreeMap::new();
    Watch {
        alert_within: s.duration("alert_within").unwrap_or(usual.alert_within),
        accepted_within: s.duration("accepted_within").unwrap_or(usual.accepted_within),
        accepted_percent: s.whole("accepted_percent", 1..=100).unwrap_or(usual.accepted_percent),
        silent_after: silent_after(s).flatten(),
        mail: to.zip(relay).map(|(to, relay)| WatchMail { to, relay }),
        webhooks: s.sections("webhooks", |s, _| webhook(s, &mut seen)),
    }
}

fn webhook(s: &mut Section, seen: &mut BTreeMap<String, String>) -> Option<Webhook> {
    s.require("url", "where it is told, as in https://hooks.example.org/bellwether");
    s.require("secret", "what signs the calls, as `echo whsec_$(openssl rand -base64 32)` makes it");
    let url = s.text("url", values::web_url);
    if let Some(url) = &url {
        s.unique("url", url.as_str(), seen);
    }
    let key = s.secret("secret", str::parse::<Key>);
    Some(Webhook { url: url?, key: key? })
}

/// A time, or none for "never"; the outer one is none where nothing is said.
pub(super) fn silent_after(s: &mut Section) -> Option<Option<Duration>> {
    s.text("silent_after", |text| match text {
        NEVER => Ok(None),
        _ => values::duration(text)
            .map(Some)
            .map_err(|_| format!("must be a time from 1s to 168h, as in 6h, or \"{NEVER}\"")),
    })
}

/// Gives the relay that the watch names its mail; one that takes nothing else than that is said so, or is wrong.
pub(super) fn carry(root: &mut Section, relays: &mut [Relay], watch: Option<&Watch>) {
    if let Some(mail) = watch.and_then(|watch| watch.mail.as_ref()) {
        match relays.iter_mut().find(|relay| relay.name == mail.relay) {
            Some(relay) => relay.watch = true,
            None => {
                let names: Vec<_> = relays.iter().map(|relay| relay.name.as_str()).collect();
                let message = format!("must be the name of one of [[relays]]: {}", names.join(", "));
                root.problem("watch.relay", message);
            }
        }
    }
    for relay in relays.iter().filter(|relay| relay.lanes.is_empty() && !relay.watch) {
        let message = format!(
            "\"{}\" has no lanes: name some, leave `lanes` out for all, or name it as [watch] relay",
            relay.name
        );
        root.problem("relays", message);
    }
}
