//! Lists a page at a time: `?state=&cursor=&limit=`.

use std::str::FromStr;

use axum::extract::{Query, rejection::QueryRejection};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::web::problem::Problem;

const PAGE: i64 = 100;
const LARGEST_PAGE: i64 = 1_000;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Only what is in this state.
    state: Option<String>,
    /// The `next_cursor` of the page before.
    #[schemars(with = "String", regex(pattern = "^[0-9]{1,18}$"))]
    cursor: Option<String>,
    #[schemars(with = "u16", range(min = 1, max = 1000), extend("default" = 100))]
    limit: Option<String>,
}

/// # Errors
/// 400 for parameters there are not.
pub fn asked(query: Result<Query<Asked>, QueryRejection>) -> Result<Asked, Problem> {
    query.map(|Query(asked)| asked).map_err(|error| {
        let detail = format!("{}; the parameters are state, cursor and limit.", error.body_text());
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })
}

impl Asked {
    /// Of issues, of deliveries, of drafts.
    pub fn state<S: FromStr<Err = String>>(&self) -> Result<Option<S>, Problem> {
        let word = self.state.as_deref().filter(|word| !word.is_empty());
        word.map(|word| word.parse().map_err(|error: String| parameter("state", &error))).transpose()
    }

    pub fn cursor(&self) -> Result<Option<i64>, Problem> {
        let cursor = self.cursor.as_deref().filter(|cursor| !cursor.is_empty());
        let wrong = |_| parameter("cursor", "must be the next_cursor of the page before");
        cursor.map(|cursor| cursor.parse().map_err(wrong)).transpose()
    }

    pub fn limit(&self) -> Result<i64, Problem> {
        let limit = self.limit.as_deref().map_or(Some(PAGE), |limit| limit.parse().ok());
        limit
            .filter(|limit| (1..=LARGEST_PAGE).contains(limit))
            .ok_or_else(|| parameter("limit", &format!("must be a number from 1 to {LARGEST_PAGE}")))
    }
}

/// Where the next page begins; none behind the last.
pub fn next_cursor<T>(page: &[T], limit: i64, id: impl Fn(&T) -> i64) -> Option<String> {
    let full = i64::try_from(page.len()).is_ok_and(|count| count == limit);
    page.last().filter(|_| full).map(|last| id(last).to_string())
}

fn parameter(name: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("{name} {detail}.")).at_field(name, detail)
}
