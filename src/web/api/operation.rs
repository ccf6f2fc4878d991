//! What a call of the API takes and answers. Each file of calls says it of its own, beside the very types that it reads
//! and writes; `openapi` makes the document of it.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::kinds::Kind;

/// A call, beside what is the same for all.
pub struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    /// One sentence.
    pub does: &'static str,
    /// What else whoever calls must know.
    pub note: Option<&'static str>,
    pub asks: Option<Shape>,
    /// The format of what stands in the path's place; empty for a name.
    pub place: &'static str,
    /// Whether a list takes words to search for.
    pub searched: bool,
    /// The states that a list may be asked for.
    pub states: &'static [&'static str],
    pub takes: Option<Taken>,
    pub answers: Vec<Answer>,
    /// Why it may be 409: by types of their own, and in a sentence.
    pub conflicts: &'static [Kind],
    pub refuses: Option<&'static str>,
    pub key: Key,
}

/// Adds a type to a document and gives what refers to it.
pub type Shape = fn(&mut SchemaGenerator) -> Schema;

/// The body that a call takes.
#[derive(Clone, Copy)]
pub struct Taken {
    pub media_type: &'static str,
    pub shape: Shape,
}

/// A status, what it means, and the body.
pub struct Answer {
    pub status: u16,
    pub means: &'static str,
    pub media_type: &'static str,
    pub shape: Shape,
}

/// Whether a call takes an `Idempotency-Key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    None,
    Taken,
    Needed,
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Operation {
    pub fn get(path: &'static str, does: &'static str) -> Self {
        Self::new("GET", path, does)
    }

    pub fn post(path: &'static str, does: &'static str) -> Self {
        Self::new("POST", path, does)
    }

    pub fn patch(path: &'static str, does: &'static str) -> Self {
        Self::new("PATCH", path, does)
    }

    pub fn delete(path: &'static str, does: &'static str) -> Self {
        Self::new("DELETE", path, does)
    }

    fn new(method: &'static str, path: &'static str, does: &'static str) -> Self {
        Self {
            method,
            path,
            does,
            note: None,
            asks: None,
            place: "uuid",
            searched: false,
            states: &[],
            takes: None,
            answers: Vec::new(),
            conflicts: &[],
            refuses: None,
            key: Key::None,
        }
    }

    /// A sentence more.
    #[must_use]
    pub const fn note(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    /// The query's parameters, by the type that it is read into.
    #[must_use]
    pub fn asks<T: JsonSchema>(mut self) -> Self {
        self.asks = Some(of::<T>);
        self
    }

    /// The list may be searched by the parameter `q`.
    #[must_use]
    pub const fn searched(mut self) -> Self {
        self.searched = true;
        self
    }

    /// What stands in its path is a number.
    #[must_use]
    pub const fn numbered(mut self) -> Self {
        self.place = "int64";
        self
    }

    /// What stands in its path is a name.
    #[must_use]
    pub const fn called(mut self) -> Self {
        self.place = "";
        self
    }

    /// The words that the parameter `state` may be.
    #[must_use]
    pub const fn states(mut self, words: &'static [&'static str]) -> Self {
        self.states = words;
        self
    }

    /// The JSON body, by the type that it is read into.
    #[must_use]
    pub fn takes<T: JsonSchema>(mut self) -> Self {
        self.takes = Some(Taken { media_type: "application/json", shape: of::<T> });
        self
    }

    /// A list as its body.
    #[must_use]
    pub fn takes_csv(mut self) -> Self {
        self.takes = Some(Taken { media_type: "text/csv", shape: of::<String> });
        self
    }

    /// An answer, by the type that is written.
    #[must_use]
    pub fn gives<T: JsonSchema>(mut self, status: u16, means: &'static str) -> Self {
        self.answers.push(Answer { status, means, media_type: "application/json", shape: of::<T> });
        self
    }

    /// Text of another kind.
    #[must_use]
    pub fn hands(mut self, status: u16, means: &'static str, media_type: &'static str) -> Self {
        self.answers.push(Answer { status, means, media_type, shape: of::<String> });
        self
    }

    /// Server-sent events, whose data is JSON of this type.
    #[must_use]
    pub fn streams<T: JsonSchema>(mut self, means: &'static str) -> Self {
        self.answers.push(Answer { status: 200, means, media_type: "text/event-stream", shape: of::<T> });
        self
    }

    /// The types of the problems that it answers as 409.
    #[must_use]
    pub const fn conflicts(mut self, kinds: &'static [Kind]) -> Self {
        self.conflicts = kinds;
        self
    }

    /// Why it may be 409, where the problem has no type of its own.
    #[must_use]
    pub const fn refuses(mut self, why: &'static str) -> Self {
        self.refuses = Some(why);
        self
    }

    #[must_use]
    pub const fn key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    /// Its name in the document, and its place on the page: `post-drafts-id-release`.
    pub fn id(&self) -> String {
        let path = self.path.trim_start_matches("/api/v1/").replace(['/', '.'], "-").replace(['{', '}'], "");
        format!("{}-{path}", self.method.to_lowercase())
    }

    /// The part of the API that it belongs to: `drafts`.
    pub fn part(&self) -> &'static str {
        self.path.trim_start_matches("/api/v1/").split(['/', '.']).next().unwrap_or_default()
    }
}
