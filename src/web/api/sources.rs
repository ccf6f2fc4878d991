//! `/api/v1/topics`, `…/feeds` and `…/schedules`: those of config.toml, which are changed there, and the newsroom's own. A
//! file for the calls of each.

pub mod feeds;
pub mod schedules;
pub mod topics;

use axum::http::StatusCode;

use super::{invalid, operation::Operation};
use crate::newsroom::sources::Error;
use crate::web::problem::Problem;

/// What a call may be refused for that changes one of config.toml.
const FILED: &str = "It stands in config.toml.";

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    [topics::operations(), feeds::operations(), schedules::operations()].into_iter().flatten().collect()
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            Error::Missing => Self::new(StatusCode::NOT_FOUND, "There is no such thing."),
            Error::Refused(why) => Self::new(StatusCode::CONFLICT, why),
            Error::Wrong(faults) => {
                let mut faults = faults.into_iter();
                let Some(first) = faults.next() else {
                    return Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Something is wrong.");
                };
                let problem = invalid(&format!("/{}", first.field), first.why);
                faults.fold(problem, |problem, fault| {
                    problem.at_pointer(format!("/{}", fault.field), fault.why)
                })
            }
        }
    }
}
