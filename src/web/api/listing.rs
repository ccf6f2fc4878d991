//! Lists a page at a time: `?q=&state=&cursor=&limit=`.

use std::str::FromStr;

use axum::extract::{Query, rejection::QueryRejection};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::web::problem::Problem;

const PAGE: i64 = 100;
const LARGEST_PAGE: i64 = 1_000;
/// In characters.
const LONGEST_SEARCH: usize = 200;

/// What a list may be asked for; each takes `cursor` and `limit`, and says which of the others.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Words that it must have; at most 200 characters.
    #[schemars(with = "Option<String>", length(max = 200), regex(pattern = r"^[^\u0000]*$"))]
    q: Option<String>,
    /// Only what is in this state.
    state: Option<String>,
    /// The `next_cursor` of the page before.
    #[schemars(with = "Option<String>", regex(pattern = "^[0-9]{1,18}$"))]
    cursor: Option<String>,
    #[schemars(with = "Option<u16>", range(min = 1, max = 1000), extend("default" = 100))]
    limit: Option<String>,
}

/// A list that takes a state.
///
/// # Errors
/// 400 for parameters there are not.
pub fn asked(query: Result<Query<Asked>, QueryRejection>) -> Result<Asked, Problem> {
    let asked = found(query)?;
    if asked.q.is_some() {
        return Err(parameter("q", "is no parameter of this list"));
    }
    Ok(asked)
}

/// A list that takes words.
///
/// # Errors
/// 400 for parameters there are not.
pub fn searched(query: Result<Query<Asked>, QueryRejection>) -> Result<Asked, Problem> {
    let asked = found(query)?;
    if asked.state.is_some() {
        return Err(parameter("state", "is no parameter of this list"));
    }
    Ok(asked)
}

/// A list that takes both.
///
/// # Errors
/// 400 for parameters there are not.
pub fn found(query: Result<Query<Asked>, QueryRejection>) -> Result<Asked, Problem> {
    query.map(|Query(asked)| asked).map_err(|error| {
        let detail = format!("{}; see /api/v1/docs.", error.body_text());
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })
}

impl Asked {
    /// Of issues, of deliveries, of drafts.
    pub fn state<S: FromStr<Err = String>>(&self) -> Result<Option<S>, Problem> {
        self.state
            .as_deref()
            .map(|word| word.parse().map_err(|error: String| parameter("state", &error)))
            .transpose()
    }

    /// One of these words; empty where none is asked for.
    pub fn state_of(&self, words: &[&'static str]) -> Result<&'static str, Problem> {
        let Some(asked) = self.state.as_deref() else { return Ok("") };
        let wrong = || parameter("state", &format!("must be one of: {}", words.join(", ")));
        words.iter().find(|word| **word == asked).copied().ok_or_else(wrong)
    }

    /// What is searched for; empty for all.
    pub fn words(&self) -> Result<&str, Problem> {
        let words = self.q.as_deref().unwrap_or_default();
        if words.chars().count() > LONGEST_SEARCH || words.contains('\0') {
            let detail = format!("may have {LONGEST_SEARCH} characters at most, and not U+0000");
            return Err(parameter("q", &detail));
        }
        Ok(words.trim())
    }

    pub fn cursor(&self) -> Result<Option<i64>, Problem> {
        let wrong = || parameter("cursor", "must be the next_cursor of the page before");
        self.cursor.as_deref().map(|cursor| number(cursor).ok_or_else(wrong)).transpose()
    }

    pub fn limit(&self) -> Result<i64, Problem> {
        let limit = self.limit.as_deref().map_or(Some(PAGE), number);
        limit
            .filter(|limit| (1..=LARGEST_PAGE).contains(limit))
            .ok_or_else(|| parameter("limit", &format!("must be a number from 1 to {LARGEST_PAGE}")))
    }
}

/// Digits alone, of which there are 18 at most: what is longer is no number of ours.
fn number(text: &str) -> Option<i64> {
    let right = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    right.then(|| text.parse().ok()).flatten()
}

/// Where the next page begins; none behind the last.
pub fn next_cursor<T>(page: &[T], limit: i64, id: impl Fn(&T) -> i64) -> Option<String> {
    let full = i64::try_from(page.len()).is_ok_and(|count| count == limit);
    page.last().filter(|_| full).map(|last| id(last).to_string())
}

/// A parameter that is wrong.
pub fn parameter(name: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("{name} {detail}.")).at_field(name, detail)
}
