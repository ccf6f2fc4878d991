//! What the API answers, as types: they are written into the answers and into their description.

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::domain::{
    delivery, draft,
    issue::{Kind, Level, State},
    race,
    time::Timestamp,
    warning::Warning,
};
use crate::mail::preview::Preview;
use crate::publishing::{desk::Written, progress::Progress};
use crate::store::{deliveries::Shown, nodes::Trouble};

/// What was made or is on its way.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "IdOnly")]
pub struct Named {
    pub id: Uuid,
}

/// An alert that was accepted; or the draft that it became.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Accepted {
    Published {
        id: Uuid,
        state: State,
        /// How many would get it at the call.
        audience: i64,
    },
    Waiting {
        id: Uuid,
        /// `draft`: somebody else has to release it.
        state: &'static str,
        /// Its page at the desk.
        #[schemars(extend("format" = "uri"))]
        url: String,
    },
}

/// A dry run.
#[derive(Serialize, JsonSchema)]
pub struct DryRun {
    pub audience: i64,
    pub mail: Mail,
}

#[derive(Serialize, JsonSchema)]
pub struct Mail {
    pub subject: String,
    pub text: String,
    pub html: String,
    pub bytes: usize,
}

impl From<Preview> for Mail {
    fn from(Preview { subject, text, html, bytes }: Preview) -> Self {
        Self { subject, text, html, bytes }
    }
}

/// A release, as it was at the call.
#[derive(Serialize, JsonSchema)]
pub struct Held {
    /// The issue's.
    pub id: Uuid,
    pub state: State,
    /// How many readers it goes to, as counted at the release.
    pub audience: Option<i64>,
    /// Nobody gets it before.
    pub held_until: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
pub struct Issue {
    pub id: Uuid,
    pub kind: Kind,
    pub state: State,
    pub subject: String,
    pub level: Level,
    pub audience: i64,
    pub counts: Counts,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub held_until: Option<Timestamp>,
    /// Whether it stands in the public archive.
    pub public: bool,
    /// Nobody more gets it until it is resumed.
    pub paused_at: Option<Timestamp>,
}

/// How many deliveries are tried again.
#[derive(Serialize, JsonSchema)]
pub struct Retried {
    pub retried: u64,
}

/// How many sessions ended.
#[derive(Serialize, JsonSchema)]
pub struct Ended {
    pub ended: u64,
}

/// How many deliveries are in each state.
#[derive(Serialize, JsonSchema)]
pub struct Counts {
    pub queued: i64,
    pub sending: i64,
    pub deferred: i64,
    pub sent: i64,
    pub bounced: i64,
    pub failed: i64,
    pub cancelled: i64,
    pub expired: i64,
}

impl From<&Progress> for Counts {
    fn from(progress: &Progress) -> Self {
        use delivery::State::{Bounced, Cancelled, Deferred, Expired, Failed, Queued, Sending, Sent};
        let of = |state| progress.count(&[state]);
        Self {
            queued: of(Queued),
            sending: of(Sending),
            deferred: of(Deferred),
            sent: of(Sent),
            bounced: of(Bounced),
            failed: of(Failed),
            cancelled: of(Cancelled),
            expired: of(Expired),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Undone {
    #[serde(flatten)]
    pub issue: Issue,
    /// The draft that is open again.
    pub draft: Option<Uuid>,
}

#[derive(Serialize, JsonSchema)]
pub struct Issues {
    pub issues: Vec<Issue>,
    pub next_cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Deliveries {
    pub deliveries: Vec<Delivery>,
    pub next_cursor: Option<String>,
    /// The relays that take no mail now.
    pub relay_troubles: Vec<RelayTrouble>,
}

#[derive(Serialize, JsonSchema)]
pub struct Delivery {
    pub id: i64,
    pub subscriber: Option<Uuid>,
    #[schemars(extend("format" = "idn-email"))]
    pub address: String,
    pub state: delivery::State,
    pub attempts: i64,
    pub relay: Option<String>,
    pub reply: Reply,
    pub due_at: Timestamp,
    pub retry_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

/// The server's last word.
#[derive(Serialize, JsonSchema)]
pub struct Reply {
    pub code: Option<i64>,
    pub enhanced: Option<String>,
    pub text: Option<String>,
}

impl From<Shown> for Delivery {
    fn from(shown: Shown) -> Self {
        Self {
            id: shown.id,
            subscriber: shown.subscriber,
            address: shown.address,
            state: shown.state,
            attempts: shown.attempts,
            relay: shown.relay,
            reply: Reply { code: shown.reply_code, enhanced: shown.reply_enhanced, text: shown.reply_text },
            due_at: shown.due_at,
            retry_at: shown.retry_at,
            ended_at: shown.ended_at,
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct RelayTrouble {
    pub relay: String,
    pub paused: bool,
    pub reason: String,
    pub since: Timestamp,
    pub next_try_at: Timestamp,
}

impl From<Trouble> for RelayTrouble {
    fn from(Trouble { relay, paused, reason, since, until }: Trouble) -> Self {
        Self { relay, paused, reason, since, next_try_at: until }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Draft {
    pub id: Uuid,
    pub kind: draft::Kind,
    pub state: draft::State,
    pub version: i64,
    pub subject: String,
    pub preheader: String,
    pub markdown: String,
    pub url: String,
    pub level: Level,
    pub topics: Vec<String>,
    /// In minutes, from the release; 0 for no end.
    pub useful_for: u32,
    /// Whether it stands in the public archive; null for where all of its topics do.
    pub public: Option<bool>,
    /// When a newsletter goes out, on the clock of `timezone`, as in `2026-11-03T07:00`; null for at once.
    pub send_at: Option<String>,
    /// An IANA time zone.
    pub timezone: String,
    /// That moment: a time that the clock skips is where it goes on, one that it shows twice the first.
    pub goes_at: Option<Timestamp>,
    /// What it says will have come true; empty but for an outcome of a race.
    pub outcome: String,
    /// Users by their address, tokens as `token` and their name.
    pub authors: Vec<String>,
    /// Who asks for its release.
    pub asked_by: Option<String>,
    /// Why it is open again.
    pub note: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub updated_by: String,
}

impl From<&Written> for Draft {
    fn from(written: &Written) -> Self {
        let (draft, text, authors) = (&written.draft, written.text.clone(), written.authors());
        let (timezone, goes_at) = (text.timezone_or_utc().to_owned(), text.goes_at().ok().flatten());
        Self {
            id: draft.public_id,
            kind: text.kind,
            state: draft.state,
            version: draft.version,
            subject: text.subject,
            preheader: text.preheader,
            markdown: text.body,
            url: text.link,
            level: text.level,
            topics: text.topics,
            useful_for: text.useful_for,
            public: text.public,
            send_at: Some(text.send_at).filter(|at| !at.is_empty()),
            timezone,
            goes_at,
            outcome: text.outcome,
            authors,
            asked_by: draft.asked_by.clone(),
            note: draft.note.clone(),
            created_at: draft.created_at,
            updated_at: draft.updated_at,
            updated_by: draft.updated_by.clone(),
        }
    }
}

/// Outcomes that are written beforehand, of which one is released.
#[derive(Serialize, JsonSchema)]
pub struct Race {
    pub id: Uuid,
    /// `waiting` is before `not_before`: no role releases an outcome then.
    pub state: race::State,
    pub name: String,
    pub not_before: Timestamp,
    /// An IANA time zone, in whose clocks people are told.
    pub timezone: String,
    /// With which its drafts begin.
    pub topics: Vec<String>,
    pub outcomes: Vec<Outcome>,
    pub called: Option<Called>,
    /// When it was put away.
    pub closed_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub created_by: String,
}

#[derive(Serialize, JsonSchema)]
pub struct Outcome {
    pub draft: Uuid,
    pub outcome: String,
    pub subject: String,
    pub state: draft::State,
    /// Another one was released.
    pub retired: bool,
    pub asked_by: Option<String>,
}

/// The outcome that was released.
#[derive(Serialize, JsonSchema)]
pub struct Called {
    pub draft: Uuid,
    pub outcome: String,
    pub issue: Uuid,
    pub by: String,
    /// When it was published; while it is held, released.
    pub at: Timestamp,
    /// The newest issue that corrects it.
    pub correction: Option<Uuid>,
}

#[derive(Serialize, JsonSchema)]
pub struct Races {
    pub races: Vec<Race>,
    pub next_cursor: Option<String>,
}

/// An issue that has just begun, as it was at the call.
#[derive(Serialize, JsonSchema)]
pub struct Begun {
    pub id: Uuid,
    pub state: State,
}

#[derive(Serialize, JsonSchema)]
pub struct Drafts {
    pub drafts: Vec<Draft>,
    pub next_cursor: Option<String>,
}

/// A draft with how it stands with it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FullDraft")]
pub struct Looked {
    #[serde(flatten)]
    pub draft: Draft,
    /// The race whose outcome it is.
    pub race: Option<Uuid>,
    /// Why an outcome can't be released now.
    pub barred: Option<String>,
    /// How many would get it now.
    pub audience: i64,
    pub warnings: Vec<Warned>,
    /// In seconds to the last mail; null where that isn't known.
    pub takes: Option<u64>,
    /// The mail's size; null while it can't be made.
    pub bytes: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Warning")]
pub struct Warned {
    pub code: &'static str,
    /// It can't be released like that.
    pub blocks: bool,
    pub text: String,
}

impl Warned {
    pub fn all(warnings: &[Warning], now: Timestamp) -> Vec<Self> {
        let of = |warning: &Warning| Self {
            code: warning.code(),
            blocks: warning.blocks(),
            text: warning.as_sentence(now),
        };
        warnings.iter().map(of).collect()
    }
}
