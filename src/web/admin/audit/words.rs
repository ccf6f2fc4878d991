//! The log of changes in words: what was done, and what of it changed.

use serde_json::{Map, Value, json};

use crate::domain::change::{Act, Thing};
use crate::domain::time::Timestamp;
use crate::store::audit::{ActorKind, Entry};
use crate::web::admin::{figures::number, when};

/// So much of a text is shown, in characters; the rest stands below it.
const LONGEST: usize = 160;

/// What somebody did, as in "changed the role of {}", where `{}` stands for whom or what.
pub const fn says(act: Act) -> &'static str {
    match act {
        Act::FirstOwnerMade => "set up the first owner, {}",
        Act::InvitationAccepted => "accepted the invitation for {}",
        Act::PasswordReset => "set a new password for {}, by a link",
        Act::UserCreated => "made an account for {}",
        Act::Invited => "invited {}",
        Act::LinkMailed => "had a link mailed to {}",
        Act::LinkMade => "made a link for {}",
        Act::LinkAskedFor => "asked for a link to set a new password for {}",
        Act::Renamed => "changed the name of {}",
        Act::RoleChanged => "changed the role of {}",
        Act::Disabled => "kept out {}",
        Act::Enabled => "let in {} again",
        Act::PasswordChanged => "changed the password of {}",
        Act::SessionEnded => "ended a session of {}",
        Act::SessionsEnded => "ended the other sessions of {}",
        Act::SecondFactorSetUp => "set up a second factor for {}",
        Act::SecondFactorEnded => "switched off the second factor of {}",
        Act::RecoveryCodesRenewed => "made new recovery codes for {}",
        Act::PasswordAccepted => "gave the right password, and was asked for a code",
        Act::CodeRefused => "typed a wrong code when signing in",
        Act::SignedIn => "signed in",
        Act::SignedOut => "signed out",
        Act::TokenCreated | Act::TopicMade | Act::FeedMade | Act::ScheduleMade | Act::Prepared => "made {}",
        Act::TokenRevoked => "revoked {}",
        Act::TopicChanged | Act::FeedChanged | Act::ScheduleChanged | Act::Changed | Act::Wrote => {
            "changed {}"
        }
        Act::TopicRetired | Act::FeedRetired | Act::ScheduleRetired => "retired {}",
        Act::TopicRestored | Act::FeedRestored | Act::ScheduleRestored => "brought back {}",
        Act::Exported => "downloaded the list of {}",
        Act::ImportBegun => "began to import {}",
        Act::Imported => "imported {}",
        Act::Unsubscribed => "ended all mail to {}",
        Act::Erased => "erased {} for good",
        Act::Paused => "paused {}",
        Act::Resumed => "let {} go on",
        Act::PauseEnded => "ended the pause of {}",
        Act::TriedAgain => "asked for another try of {}",
        Act::Began => "began {}",
        Act::AskedToRelease => "asked for the release of {}",
        Act::ThrewAway => "threw away {}",
        Act::TookBack => "took {} back out of the bin",
        Act::Released => "released {}",
        Act::AlertReleased => "released {} at once",
        Act::ReleaseUndone => "undid the release of {}",
        Act::ReleaseLapsed => "did not send {}",
        Act::IssueCancelled => "stopped {}",
        Act::Corrected => "corrected {}",
        Act::PutIntoArchive => "put {} into the public archive",
        Act::TookOutOfArchive => "took {} out of the public archive",
        Act::MovedMoment => "moved the earliest moment of {}",
        Act::PutAway => "put away {}",
        Act::TookOut => "took {} out again",
    }
}

/// What there is of a kind, as a choice of the form says it.
pub const fn kind(thing: Thing) -> &'static str {
    match thing {
        Thing::User => "People",
        Thing::Token => "API tokens",
        Thing::Topic => "Topics",
        Thing::Feed => "Feeds",
        Thing::Schedule => "Schedules",
        Thing::Subscriber => "Single readers",
        Thing::Readers => "Downloads of all readers",
        Thing::List => "Imported lists",
        Thing::Draft => "Drafts",
        Thing::Issue => "Issues",
        Thing::Race => "Races",
        Thing::Delivery => "Single mails",
        Thing::Lane => "Lanes",
        Thing::Relay => "Relays",
        Thing::Queue => "All that waits",
    }
}

/// What is told first of a change; the rest follows by its name.
const FIRST: [&str; 7] = ["audience", "until", "subject", "outcome", "name", "body", "url"];

/// Who did it, where that is nobody of the newsroom.
pub fn other(kind: ActorKind, name: &str) -> String {
    match kind {
        ActorKind::User => name.to_owned(),
        ActorKind::Token => format!("The token “{name}”"),
        ActorKind::Command => "Somebody at the command line".to_owned(),
        ActorKind::Visitor => "Somebody not signed in".to_owned(),
        ActorKind::Service => "Bellwether itself".to_owned(),
    }
}

/// Whose changes the form offers beside those of each person, and its words for them.
pub const OTHERS: [(ActorKind, &str); 4] = [
    (ActorKind::Token, "API tokens"),
    (ActorKind::Command, "The command line"),
    (ActorKind::Service, "Bellwether itself"),
    (ActorKind::Visitor, "Not signed in"),
];

/// A field as pages call it.
fn field(name: &str) -> String {
    match name {
        "audience" => "readers",
        "alert" => "alerts at once",
        "bad" => "rows that can’t be read",
        "body" => "text",
        "cron" => "when",
        "ended" => "sessions ended",
        "ends" => "holds until",
        "every" => "read every",
        "known" => "readers already",
        "preheader" => "beside the subject",
        "public" => "in the public archive",
        "queued" => "mails",
        "scope" => "for",
        "send_at" => "goes out at",
        "source" => "where they agreed",
        "stopped" => "stopped on its way",
        "until" => "held until",
        "useful_for" => "useful for",
        "timezone" | "zone" => "on the clock of",
        other => return other.replace('_', " "),
    }
    .to_owned()
}

/// What is said of an entry beside the sentence: field by field what was and what is, as in "role: viewer → editor", and
/// what was noted in words.
pub fn told(entry: &Entry) -> (Vec<Value>, Option<String>) {
    let read = |json: &Option<String>| json.as_deref().and_then(|json| serde_json::from_str(json).ok());
    let (before, after): (Option<Value>, Option<Value>) = (read(&entry.before), read(&entry.after));
    if let Some(Value::String(note)) = after {
        return (Vec::new(), Some(note));
    }
    (changes(&flat(before), &flat(after)), None)
}

/// One level of fields; that a draft's text is one of them is of no interest.
fn flat(value: Option<Value>) -> Map<String, Value> {
    let Some(Value::Object(mut fields)) = value else { return Map::new() };
    if let Some(Value::Object(text)) = fields.remove("text") {
        fields.extend(text);
    }
    fields
}

fn changes(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Value> {
    let mut names: Vec<_> = before.keys().chain(after.keys()).collect();
    names.sort_by_key(|name| (FIRST.iter().position(|it| it == name).unwrap_or(FIRST.len()), *name));
    names.dedup();
    let mut told = Vec::new();
    for name in names {
        let (was, is) = (before.get(name), after.get(name));
        let ids = [was, is].into_iter().flatten().any(is_id);
        let usual = was.is_none() && name == "useful_for" && is == Some(&json!(0));
        if was == is || ids || usual || name == "kind" {
            continue;
        }
        let (was, is) = (was.and_then(|value| worded(name, value)), is.and_then(|value| worded(name, value)));
        if was.is_some() || is.is_some() {
            told.push(
                json!({ "name": field(name), "before": was, "after": is, "was": before.contains_key(name) }),
            );
        }
    }
    told
}

fn is_id(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<uuid::Uuid>().is_ok())
}

/// A value in words; none for what is empty.
fn worded(field: &str, value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Number(minutes) if field == "useful_for" => match minutes.as_i64() {
            Some(0) | None => Some("always".to_owned()),
            Some(minutes) if minutes % 60 == 0 => Some(format!("{} h", minutes / 60)),
            Some(minutes) => Some(format!("{minutes} min")),
        },
        Value::Number(count) => Some(count.as_i64().map_or_else(|| count.to_string(), number)),
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(match Timestamp::parse_rfc3339(text) {
            Ok(at) => when(at)["text"].as_str().unwrap_or_default().to_owned(),
            Err(_) => short(text),
        }),
        Value::Array(list) if list.is_empty() => None,
        Value::Array(list) => {
            Some(list.iter().filter_map(|it| worded(field, it)).collect::<Vec<_>>().join(", "))
        }
        Value::Object(_) => Some(short(&value.to_string())),
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    format!("{}…", text.chars().take(LONGEST).collect::<String>().trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(before: Option<Value>, after: Option<Value>) -> Entry {
        let text = |value: Option<Value>| value.map(|it| it.to_string());
        Entry {
            id: 1,
            at: Timestamp::from_micros(0),
            actor_kind: ActorKind::User,
            actor: "ada@example.org".to_owned(),
            action: Act::Wrote.to_string(),
            subject_kind: Thing::Draft.to_string(),
            subject: String::new(),
            before: text(before),
            after: text(after),
            network: String::new(),
        }
    }

    fn lines(before: Option<Value>, after: Option<Value>) -> Vec<String> {
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let (changes, _) = told(&entry(before, after));
        changes
            .iter()
            .map(|it| format!("{}: {} → {}", word(&it["name"]), word(&it["before"]), word(&it["after"])))
            .collect()
    }

    /// What nobody can be asked to read: the words that stand in the database, for whoever adds one.
    #[test]
    fn every_kind_of_change_has_words() {
        for act in Act::ALL {
            let says = says(*act);
            assert!(says.chars().next().is_some_and(char::is_lowercase), "{act}: {says}");
            assert!(says.matches("{}").count() <= 1 && !says.ends_with('.'), "{act}: {says}");
        }
        let mut kinds: Vec<_> = Thing::ALL.iter().map(|thing| kind(*thing)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), Thing::ALL.len(), "each its own");
    }

    #[test]
    fn what_changed_is_told_field_by_field_without_ids() {
        let id = "01900000-0000-7000-8000-000000000001";
        assert_eq!(
            lines(
                Some(json!({ "subject": "", "useful_for": 0, "topics": [] })),
                Some(
                    json!({ "subject": "Polls", "useful_for": 180, "topics": ["news", "city"], "kind": "alert" })
                )
            ),
            ["subject: - → Polls", "topics: - → news, city", "useful for: always → 3 h"]
        );
        assert_eq!(
            lines(
                None,
                Some(
                    json!({ "issue": id, "audience": 12345, "until": "2026-11-03T12:00:00Z", "text": { "subject": "Polls" } })
                )
            ),
            ["readers: - → 12,345", "held until: - → 3 Nov 2026, 12:00 UTC", "subject: - → Polls"]
        );
        let long = "word ".repeat(100);
        assert!(lines(None, Some(json!({ "body": long })))[0].chars().count() < 200);
        let (changes, note) = told(&entry(None, Some(json!("It is too late for it."))));
        assert_eq!((changes.len(), note.as_deref()), (0, Some("It is too late for it.")));
    }
}
