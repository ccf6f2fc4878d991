//! `GET /admin/audit`: who changed what, in words. Newest first, a page at a time, by a cursor; all that one asks for stays
//! from page to page.

mod things;
mod words;

use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use self::things::{Named, Names};
use super::{Answer, frame::Frame, when};
use crate::context::Context;
use crate::domain::address::EmailAddress;
use crate::domain::change::{Act, Thing};
use crate::domain::text::one_line;
use crate::domain::time::{DAY, Timestamp};
use crate::newsroom::Error;
use crate::store::{
    self, Tx,
    audit::{ActorKind, Entry, Sought},
};

const PAGE: usize = 50;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Words that an entry has, or the title of what it is about.
    q: String,
    /// As in "user:ada@example.org", "token".
    who: String,
    /// What it is about: a kind of things, and one of them.
    kind: String,
    thing: String,
    /// Days, as in "2026-11-03"; the last is in it.
    from: String,
    to: String,
    /// Entries before this one.
    before: String,
}

impl Asked {
    /// What one asks for, as it stands in an address.
    fn as_query(&self, before: Option<i64>) -> String {
        let mut query = Serializer::new(String::new());
        if let Some(before) = before {
            query.append_pair("before", &before.to_string());
        }
        let parts = [
            ("q", &self.q),
            ("who", &self.who),
            ("kind", &self.kind),
            ("thing", &self.thing),
            ("from", &self.from),
            ("to", &self.to),
        ];
        for (name, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        query.finish()
    }

    fn sought(&self) -> Sought {
        let (kind, name) = self.who.split_once(':').unwrap_or((&self.who, ""));
        let all = Sought::default();
        Sought {
            words: one_line(&self.q, LONGEST_WORDS).to_lowercase(),
            subjects: Vec::new(),
            actor_kind: kind.parse().ok(),
            actor: name.to_owned(),
            thing: self.kind.parse().ok(),
            subject: self.thing.clone(),
            from: day(&self.from).unwrap_or(all.from),
            until: day(&self.to).map_or(all.until, |day| day.plus(DAY)),
        }
    }
}

/// The most that is looked for at once, in characters.
const LONGEST_WORDS: usize = 200;

/// The beginning of a day, in UTC.
fn day(day: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(&format!("{day}T00:00:00Z")).ok()
}

pub async fn page(State(cx): State<Context>, frame: Frame, Query(asked): Query<Asked>) -> Answer {
    frame.ok("audit.html", &content(&cx, &asked).await?)
}

async fn content(cx: &Context, asked: &Asked) -> Result<Value, Error> {
    let before = asked.before.parse().ok();
    let mut tx = cx.db.read().await?;
    let mut sought = asked.sought();
    if !sought.words.is_empty() {
        sought.subjects = subjects(&mut tx, &sought.words).await?;
    }
    let limit = i64::try_from(PAGE).unwrap_or(i64::MAX) + 1;
    let entries = store::audit::page(&mut tx, &sought, before.unwrap_or(i64::MAX), limit).await?;
    let mut names = Names::read(&mut tx).await?;
    let mut shown = Vec::new();
    for entry in entries.iter().take(PAGE) {
        shown.push(show(&mut tx, &mut names, entry).await?);
    }
    let only = match sought.thing.filter(|_| !asked.thing.is_empty()) {
        Some(thing) => Some(names.of(&mut tx, thing, &asked.thing).await?),
        None => None,
    };
    let next =
        entries.get(PAGE - 1).filter(|_| entries.len() > PAGE).map(|last| asked.as_query(Some(last.id)));
    let narrowed =
        [&asked.who, &asked.kind, &asked.thing, &asked.from, &asked.to].iter().any(|it| !it.is_empty());
    Ok(json!({
        "entries": shown,
        "asked": json!({ "q": asked.q.trim(), "thing": asked.thing, "from": asked.from, "to": asked.to }),
        "only": only,
        "narrowed": narrowed,
        "people": people(&names, &asked.who),
        "kinds": kinds(&asked.kind),
        "older": next,
        "newest": before.map(|_| asked.as_query(None)),
    }))
}

/// What has these words in its name now, whatever it was called then; a reader by their whole address.
async fn subjects(tx: &mut Tx, words: &str) -> Result<Vec<String>, Error> {
    let mut subjects: Vec<String> =
        store::audit::named(tx, words).await?.iter().map(ToString::to_string).collect();
    for user in store::users::all(tx).await? {
        if user.name.to_lowercase().contains(words) {
            subjects.push(user.email);
        }
    }
    if let Ok(address) = words.parse::<EmailAddress>()
        && let Some(reader) = store::subscribers::by_key(tx, address.key()).await?
    {
        subjects.push(reader.public_id.to_string());
    }
    Ok(subjects)
}

fn people(names: &Names, chosen: &str) -> Vec<Value> {
    let people = names.users.iter().map(|user| (format!("user:{}", user.email), user.name.as_str()));
    let others = words::OTHERS.iter().map(|(kind, words)| (kind.to_string(), *words));
    let choice = |(word, words): (String, &str)| {
        let chosen = word == chosen;
        json!({ "word": word, "words": words, "chosen": chosen })
    };
    people.chain(others).map(choice).collect()
}

fn kinds(chosen: &str) -> Vec<Value> {
    let choice = |thing: &Thing| json!({ "word": thing, "words": words::kind(*thing), "chosen": thing.as_str() == chosen });
    Thing::ALL.iter().map(choice).collect()
}

async fn show(tx: &mut Tx, names: &mut Names, entry: &Entry) -> Result<Value, Error> {
    let who = match entry.actor_kind {
        ActorKind::User => names.person(&entry.actor),
        _ => None,
    };
    let who = who.unwrap_or_else(|| Named { name: words::other(entry.actor_kind, &entry.actor), link: None });
    let (act, thing) = (entry.action.parse::<Act>(), entry.subject_kind.parse::<Thing>());
    // A later version may have written what this one has no words for.
    let (says, what) = match (act, thing) {
        (Ok(act), Ok(thing)) => (words::says(act).to_owned(), names.of(tx, thing, &entry.subject).await?),
        _ => (
            format!("{}: {{}}", entry.action),
            Named { name: format!("{} {}", entry.subject_kind, entry.subject), link: None },
        ),
    };
    let own = entry.actor_kind == ActorKind::User && entry.actor == entry.subject;
    let (before, after) = says.split_once("{}").unwrap_or((&says, ""));
    let named = says.contains("{}");
    let (changes, note) = words::told(entry);
    let pretty = |json: &Option<String>| {
        let value = json.as_deref().and_then(|json| serde_json::from_str::<Value>(json).ok())?;
        serde_json::to_string_pretty(&value).ok()
    };
    Ok(json!({
        "id": entry.id,
        "at": when(entry.at),
        "who": who,
        "before": before,
        "what": named.then(|| if own { Named { name: "their own account".to_owned(), link: None } } else { what }),
        "after": after,
        "changes": changes,
        "note": note,
        "network": entry.network,
        "raw": {
            "action": entry.action,
            "actor": entry.actor,
            "subject_kind": entry.subject_kind,
            "subject": entry.subject,
            "before": pretty(&entry.before),
            "after": pretty(&entry.after),
        },
        "all": Asked { kind: entry.subject_kind.clone(), thing: entry.subject.clone(), ..Asked::default() }.as_query(None),
    }))
}
