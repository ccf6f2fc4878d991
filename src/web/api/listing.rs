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

/// What a list may be asked for; each takes `cursor` and `limit`, and says which of the others. A parameter that a call
/// doesn't have is refused before ([`super::parameters`]).
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
    /// How many at most.
    #[schemars(with = "Option<u16>", range(min = 1, max = 1000), extend("default" = 100))]
    limit: Option<String>,
}

/// # Errors
/// 400 for a parameter that comes twice, or is no text.
pub fn asked<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
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

/// A page of at most `limit` of these, of which one more is read than it may hold, and where the next page begins: none
/// behind the last.
pub fn page<T>(mut rows: Vec<T>, limit: i64, id: impl Fn(&T) -> i64) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|last| id(last).to_string());
    (rows, next)
}

/// A page of what people made by hand, and is read whole, by the number that each has: in that order.
///
/// # Errors
/// 400 for a `cursor` or `limit` that is none.
pub fn cut<T>(
    mut all: Vec<T>,
    asked: &Asked,
    id: impl Fn(&T) -> i64,
) -> Result<(Vec<T>, Option<String>), Problem> {
    let (after, limit) = (asked.cursor()?.unwrap_or(0), asked.limit()?);
    all.retain(|it| id(it) > after);
    all.sort_by_key(&id);
    Ok(page(all, limit, id))
}

/// A parameter that is wrong.
pub fn parameter(name: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("{name} {detail}.")).at_field(name, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_names_no_next_one_also_when_it_is_full() {
        let read = |from: i64, limit: i64| page((from..=6).take(3).collect::<Vec<i64>>(), limit, |it| *it);
        assert_eq!(read(1, 2), (vec![1, 2], Some("2".to_owned())));
        assert_eq!(read(5, 2), (vec![5, 6], None));
        assert_eq!(read(7, 2), (vec![], None));
    }
}
