//! The types of problems that programs tell apart from others of the same status (RFC 9457, section 3.1.1): each is a
//! place on the page of the API.

use axum::http::StatusCode;

use crate::web::problem::Problem;

/// A problem's type: its URI reference and title, and what it means for whoever calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub uri: &'static str,
    pub title: &'static str,
    pub means: &'static str,
}

pub const CLOSED: Kind = Kind {
    uri: "/api/v1/docs#closed",
    title: "The draft is closed",
    means: "It is released or thrown away, so nothing of it can be changed.",
};

pub const CHANGED: Kind = Kind {
    uri: "/api/v1/docs#changed",
    title: "The draft was changed",
    means: "Somebody wrote in it since the version that the call names; `version` is the one that stands there.",
};

pub const CLASH: Kind = Kind {
    uri: "/api/v1/docs#clash",
    title: "Somebody else changed the same",
    means: "Both changed the same field since that version, so nothing was saved; `current` is the draft as it stands, \
            `version` its version.",
};

pub const AUDIENCE_MOVED: Kind = Kind {
    uri: "/api/v1/docs#audience-moved",
    title: "The audience has moved",
    means: "It goes to more than 1 % more or fewer by now; `audience` says how many.",
};

pub const BLOCKED: Kind = Kind {
    uri: "/api/v1/docs#blocked",
    title: "It can’t be released like that",
    means: "`warnings` says what stands in the way.",
};

pub const CORRECTED: Kind = Kind {
    uri: "/api/v1/docs#corrected",
    title: "It was corrected before",
    means: "All who have it are told already: `correction` is the issue that does it, `by` who made it and `at` when. A call that \
            names that `correction` corrects it once more.",
};

pub const SECOND_PERSON: Kind = Kind {
    uri: "/api/v1/docs#second-person",
    title: "Two people are asked for",
    means: "Alerts of this level are released by a person who wrote none of it, in the newsroom; a token is no person.",
};

pub const TOO_EARLY: Kind = Kind {
    uri: "/api/v1/docs#too-early",
    title: "It is too early",
    means: "It is an outcome of a race before its moment; `not_before` says when that is.",
};

pub const RETIRED: Kind = Kind {
    uri: "/api/v1/docs#retired",
    title: "Another outcome was released",
    means: "One outcome of a race is released; `outcome` says which was.",
};

pub const RACE_CLOSED: Kind = Kind {
    uri: "/api/v1/docs#race-closed",
    title: "The race is put away",
    means: "None of its outcomes can be released until somebody takes it out again.",
};

pub const ROLE: Kind = Kind {
    uri: "/api/v1/docs#role",
    title: "The token’s role may not",
    means: "Use a token of one of `roles`; an owner makes it.",
};

pub const SCOPE: Kind = Kind {
    uri: "/api/v1/docs#scope",
    title: "The token is kept to other parts",
    means: "Use a token that may be used for `scope`; an owner makes it.",
};

pub const NAME_TAKEN: Kind = Kind {
    uri: "/api/v1/docs#name-taken",
    title: "There is one of this name",
    means: "A token is known by its name, a person by their address; `detail` says what there is.",
};

pub const SHOWN_ONCE: Kind = Kind {
    uri: "/api/v1/docs#shown-once",
    title: "The token was shown before",
    means: "The first call with this Idempotency-Key made it, and nobody keeps what it is. Where that answer was lost, \
            revoke `id`, and make another with a fresh key.",
};

/// All of them, as the page lists them.
pub const ALL: &[Kind] = &[
    AUDIENCE_MOVED,
    BLOCKED,
    CHANGED,
    CLASH,
    CLOSED,
    CORRECTED,
    NAME_TAKEN,
    RACE_CLOSED,
    RETIRED,
    ROLE,
    SCOPE,
    SECOND_PERSON,
    SHOWN_ONCE,
    TOO_EARLY,
];

impl Kind {
    /// A 409 of this type.
    pub fn conflict(self, detail: impl Into<String>) -> Problem {
        self.problem(StatusCode::CONFLICT, detail)
    }

    pub fn problem(self, status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem::new(status, detail).of_type(self.uri, self.title)
    }

    /// Its place on the page: `closed`.
    pub fn anchor(self) -> &'static str {
        self.uri.rsplit('#').next().unwrap_or_default()
    }
}
