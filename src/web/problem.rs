//! Errors of the HTTP interface as RFC 9457 problem details: what a program that called us gets instead of a page.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

/// A problem, `application/problem+json`. Without a type of its own it is `about:blank` and its title is the
/// status' phrase (RFC 9457, section 4.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// `about:blank`, or a place on the page of the API that says what it means.
    #[serde(rename = "type")]
    #[schemars(extend("format" = "uri-reference"))]
    kind: &'static str,
    title: &'static str,
    #[serde(serialize_with = "as_number")]
    #[schemars(with = "u16")]
    status: StatusCode,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// Members of their own (RFC 9457, section 3.2).
    #[serde(flatten)]
    #[schemars(skip)]
    more: Option<Box<serde_json::Map<String, serde_json::Value>>>,
}

/// One thing that is wrong with the request, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fault {
    #[serde(flatten)]
    at: Place,
    detail: String,
}

/// Where in the request a fault is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In the JSON body, as a JSON pointer (RFC 6901).
    Pointer(String),
    /// In a form field, query parameter or header of this name.
    Field(String),
}

impl Problem {
    /// `detail` is a sentence for the person who reads the log: what is wrong, and what would be right.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { kind: "about:blank", title, status, detail: detail.into(), errors: Vec::new(), more: None }
    }

    /// Gives it a type that programs can tell from others of the same status: a URI reference and its title.
    #[must_use]
    pub fn of_type(mut self, uri: &'static str, title: &'static str) -> Self {
        self.kind = uri;
        self.title = title;
        self
    }

    /// Adds a member of its own.
    #[must_use]
    pub fn with_member(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.more.get_or_insert_default().insert(name.to_owned(), value.into());
        self
    }

    /// Adds a fault in the JSON body, by its pointer ("/topics/0"; "" is the whole body).
    #[must_use]
    pub fn at_pointer(self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.with(Place::Pointer(pointer.into()), detail.into())
    }

    /// Adds a fault in a field, parameter or header, by its name.
    #[must_use]
    pub fn at_field(self, field: impl Into<String>, detail: impl Into<String>) -> Self {
        self.with(Place::Field(field.into()), detail.into())
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    fn with(mut self, at: Place, detail: String) -> Self {
        self.errors.push(Fault { at, detail });
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(&self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

fn as_number<S: serde::Serializer>(status: &StatusCode, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u16(status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plain_problem_is_about_blank_with_the_phrase_of_its_status() {
        let problem = Problem::new(StatusCode::NOT_FOUND, "There is no issue with this id.");
        assert_eq!(
            serde_json::to_value(&problem).unwrap(),
            json!({"type": "about:blank", "title": "Not Found", "status": 404, "detail": "There is no issue with this id."})
        );
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn faults_say_where_they_are() {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "Two things are wrong.")
            .of_type("/problems/invalid", "Invalid input")
            .at_pointer("/topics/0", "There is no such topic.")
            .at_field("Idempotency-Key", "Too long.");
        let value = serde_json::to_value(&problem).unwrap();
        assert_eq!(value["type"], "/problems/invalid");
        assert_eq!(
            value["errors"],
            json!([
                {"pointer": "/topics/0", "detail": "There is no such topic."},
                {"field": "Idempotency-Key", "detail": "Too long."},
            ])
        );
    }
}
