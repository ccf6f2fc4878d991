//! What stands in the place of a path, as in `/api/v1/drafts/{id}`.

use axum::extract::{FromRequestParts, Path};
use axum::http::{StatusCode, request::Parts};

use crate::web::problem::Problem;

/// The only place of a path, as text; each call knows what it names.
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    /// # Errors
    /// 404 for what is no text: nothing is called so.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unknown = |_| Problem::new(StatusCode::NOT_FOUND, "There is nothing with this id.");
        Path::from_request_parts(parts, state).await.map(|Path(id)| Self(id)).map_err(unknown)
    }
}
