//! What a sign-up or preferences form says, however it was sent, and whether that can be done.

use std::time::Duration;

use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use crate::domain::{
    address::{AddressError, EmailAddress},
    subscription::{Digest, Wishes},
    topic::Slug,
};
use crate::web::{
    body::{self, Unreadable},
    json,
    problem::Problem,
};

/// The largest body of a form, in bytes; an honest one has some hundred.
pub const LARGEST: usize = 64 * 1024;

/// How long a form may take to arrive; an honest one takes no second.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A form as it was sent. What is `None` was not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    #[serde(default)]
    pub email: String,
    pub topics: Option<Vec<String>>,
    #[serde(default, deserialize_with = "word")]
    pub alerts: Option<String>,
    pub digest: Option<String>,
    /// A field that people don't see; what fills it in is a robot.
    #[serde(skip)]
    pub website: String,
}

/// How a request says what it says; the answer comes in kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Urlencoded,
    Multipart,
    Json,
}

/// A field that something is wrong with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Email,
    Topics,
    Alerts,
    Digest,
}

/// What is wrong with a field, as a sentence for the person who filled it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub field: Field,
    /// Which of several values it is, counted from 0.
    pub index: Option<usize>,
    pub detail: String,
}

impl Kind {
    /// By the request's Content-Type; none where we read no such thing.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        match value.split(';').next()?.trim().to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => Some(Self::Urlencoded),
            "multipart/form-data" => Some(Self::Multipart),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl Form {
    /// Reads a request's body.
    ///
    /// # Errors
    /// 400 where the body can't be read, 408 where it takes longer than [`PATIENCE`], 413 above [`LARGEST`], 415 for
    /// another Content-Type, 422 for JSON fields that are unknown or of the wrong type.
    pub async fn read(request: Request) -> Result<Self, Problem> {
        let kind = Kind::of(request.headers()).ok_or_else(|| {
            Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send a form (application/x-www-form-urlencoded or multipart/form-data) or application/json.",
            )
        })?;
        let (head, body) = request.into_parts();
        let body = body::read(body, LARGEST, PATIENCE).await.map_err(unreadable)?;
        match kind {
            Kind::Json => json::read(&body),
            Kind::Urlencoded => Ok(Self::from_pairs(url::form_urlencoded::parse(&body).into_owned())),
            Kind::Multipart => Ok(Self::from_pairs(parts(Request::from_parts(head, body.into())).await?)),
        }
    }

    /// From the fields of an HTML form: the last value of a field wins, `topics` adds up. A field of `topics` without a
    /// value says that topics were asked for. Fields that aren't ours are left alone.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut form = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "email" => form.email = value,
                "topics" => {
                    let topics = form.topics.get_or_insert_default();
                    if !value.is_empty() {
                        topics.push(value);
                    }
                }
                "alerts" => form.alerts = Some(value),
                "digest" => form.digest = Some(value),
                "website" => form.website = value,
                _ => {}
            }
        }
        form
    }

    /// The address to mail.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn address(&self) -> Result<EmailAddress, Fault> {
        // A line break at the end would be trimmed away with the spaces that people leave; nobody types one.
        let parsed = if self.email.contains(char::is_control) {
            Err(AddressError::Invisible)
        } else {
            self.email.parse()
        };
        parsed.map_err(|error| fault(Field::Email, &sentence(&error.to_string())))
    }

    /// What is asked for, of the topics `offered`; `otherwise` answers what the form did not ask.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn wishes(&self, offered: &[Slug], otherwise: &Wishes) -> Result<Wishes, Vec<Fault>> {
        let mut faults = Vec::new();
        let topics = match &self.topics {
            None => otherwise.topics.clone(),
            Some(slugs) => known(slugs, offered, &mut faults),
        };
        let alerts = match self.alerts.as_deref() {
            None => otherwise.alerts,
            Some("true" | "on") => true,
            Some("false" | "off") => false,
            Some(_) => {
                faults.push(fault(Field::Alerts, "Alerts can be true or false, on or off."));
                false
            }
        };
        let digest = self.digest.as_deref().map_or(Ok(otherwise.digest), str::parse).unwrap_or_else(|_| {
            let words = Digest::WORDS.join(", ");
            faults.push(fault(Field::Digest, &format!("The digest can be one of: {words}.")));
            Digest::None
        });
        if faults.is_empty() { Ok(Wishes { topics, alerts, digest }) } else { Err(faults) }
    }
}

/// What a sign-up lacks that asks for nothing; none where it asks for something.
pub fn nothing_asked(wishes: &Wishes) -> Vec<Fault> {
    let mut faults = Vec::new();
    if wishes.topics.is_empty() {
        faults.push(fault(Field::Topics, "Choose at least one topic."));
    }
    if !wishes.alerts && wishes.digest == Digest::None {
        faults.push(fault(Field::Alerts, "Choose alerts, a digest, or both."));
    }
    faults
}

impl Field {
    /// Its name in forms and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Topics => "topics",
            Self::Alerts => "alerts",
            Self::Digest => "digest",
        }
    }
}

impl Fault {
    /// Where it is in a JSON body (RFC 6901).
    pub fn pointer(&self) -> String {
        let name = self.field.as_str();
        self.index.map_or_else(|| format!("/{name}"), |index| format!("/{name}/{index}"))
    }
}

/// The topics that exist, each once; of the others a fault.
fn known(slugs: &[String], offered: &[Slug], faults: &mut Vec<Fault>) -> Vec<Slug> {
    let mut topics: Vec<Slug> = Vec::new();
    for (index, slug) in slugs.iter().enumerate() {
        match offered.iter().find(|topic| topic.as_str() == slug) {
            Some(topic) if topics.contains(topic) => {}
            Some(topic) => topics.push(topic.clone()),
            None => {
                let shown: String = slug.chars().filter(|c| !c.is_control()).take(64).collect();
                let detail = format!("There is no topic “{shown}”.");
                faults.push(Fault { field: Field::Topics, index: Some(index), detail });
            }
        }
    }
    topics
}

fn fault(field: Field, detail: &str) -> Fault {
    Fault { field, index: None, detail: detail.to_owned() }
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{stop}", first.collect::<String>(), letters.as_str())
}

/// JSON says true or false where a form says a word.
fn word<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<bool>::deserialize(d)?.map(|alerts| alerts.to_string()))
}

async fn parts(request: Request) -> Result<Vec<(String, String)>, Problem> {
    let damaged = || unreadable(Unreadable::CutShort);
    let mut multipart = Multipart::from_request(request, &()).await.map_err(|_| damaged())?;
    let mut pairs = Vec::new();
    while let Some(part) = multipart.next_field().await.map_err(|_| damaged())? {
        let name = part.name().unwrap_or_default().to_owned();
        pairs.push((name, part.text().await.map_err(|_| damaged())?));
    }
    Ok(pairs)
}

fn unreadable(why: Unreadable) -> Problem {
    match why {
        Unreadable::TooLarge => {
            let detail = format!("That is more than a form can hold ({} KB).", LARGEST / 1024);
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
        }
        Unreadable::TooSlow => Problem::new(StatusCode::REQUEST_TIMEOUT, "The form took too long to arrive."),
        Unreadable::CutShort => {
            Problem::new(StatusCode::BAD_REQUEST, "The form arrived damaged or cut short.")
        }
    }
}
