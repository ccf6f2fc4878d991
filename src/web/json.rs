//! Reads JSON bodies with errors that say where: a body that is no JSON is 400, one that says the wrong thing is 422.

use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::problem::Problem;

/// Reads `body` as one JSON value of type `T`.
///
/// # Errors
/// 400 where it is no JSON, with line and column; 422 where a field is unknown, missing or of the wrong type, with
/// its JSON pointer.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let malformed = |error: &serde_json::Error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("The body must be one JSON value: {error}."))
    };
    if body.trim_ascii_start().first().is_some_and(|first| *first == b'[') {
        // Serde would take a list for the fields in their order.
        let detail = "must be a JSON object, as in {\"name\": \"value\"}";
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("The body {detail}."));
        return Err(problem.at_pointer("", detail));
    }
    if let Some(pointer) = nul(body) {
        let detail = "must not hold the character U+0000";
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("A text of the body {detail}."));
        return Err(problem.at_pointer(pointer, detail));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        if error.inner().is_data() {
            let detail = without_position(error.inner());
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                format!("The JSON body is not as it should be: {detail}."),
            )
            .at_pointer(pointer(error.path()), detail)
        } else {
            malformed(error.inner())
        }
    })?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// The pointer of a text with U+0000 in it, which PostgreSQL keeps nowhere and nobody wants to read. As it can only be
/// written as an escape, most bodies are not looked at any closer.
fn nul(body: &[u8]) -> Option<String> {
    if !body.windows(6).any(|six| six == b"\\u0000") {
        return None;
    }
    find_nul(&serde_json::from_slice(body).ok()?)
}

fn find_nul(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(list) => {
            list.iter().enumerate().find_map(|(index, it)| Some(format!("/{index}{}", find_nul(it)?)))
        }
        Value::Object(map) => {
            map.iter().find_map(|(key, it)| Some(format!("/{}{}", escaped(key), find_nul(it)?)))
        }
        _ => None,
    }
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The message alone: the pointer says where, better than a line of a body that nobody formatted.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}

/// RFC 6901: "~" and "/" within a name are written "~0" and "~1".
fn pointer(path: &Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", escaped(key)),
            Segment::Enum { .. } | Segment::Unknown => String::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        topics: Vec<String>,
    }

    fn refused(body: &str) -> serde_json::Value {
        serde_json::to_value(read::<Body>(body.as_bytes()).unwrap_err()).unwrap()
    }

    #[test]
    fn a_body_that_is_right_is_read() {
        assert_eq!(read::<Body>(b" {\"topics\": [\"a\"]}\n").unwrap().topics, ["a"]);
    }

    #[test]
    fn a_body_that_is_no_json_is_a_bad_request() {
        for body in ["", "{", "topics=a", "{\"topics\": []} x", "{\"topics\": [\"\u{1}\"]}"] {
            assert_eq!(refused(body)["status"], 400, "{body:?}");
        }
        assert_eq!(read::<Body>(b"{\"topics\": [\"\xff\"]}").unwrap_err().status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_wrong_type_is_named_by_its_pointer() {
        let problem = refused("{\"topics\": [\"a\", 7]}");
        assert_eq!(problem["status"], 422);
        assert_eq!(problem["errors"][0]["pointer"], "/topics/1");
        assert_eq!(problem["errors"][0]["detail"], "invalid type: integer `7`, expected a string");
    }

    #[test]
    fn a_list_is_not_taken_for_the_fields_in_their_order() {
        for body in ["[[\"a\"]]", " []"] {
            let problem = refused(body);
            assert_eq!(problem["status"], 422, "{problem}");
            assert!(problem["detail"].as_str().unwrap().contains("JSON object"), "{problem}");
        }
    }

    #[test]
    fn a_text_with_nul_in_it_is_named() {
        let problem = refused("{\"topics\": [\"a\", \"b\\u0000c\"]}");
        assert_eq!(problem["status"], 422);
        assert_eq!(problem["errors"][0]["pointer"], "/topics/1");
        assert_eq!(read::<Body>(b"{\"topics\": [\"\\\\u0000\"]}").unwrap().topics, ["\\u0000"]);
    }

    #[test]
    fn an_unknown_field_is_named() {
        let problem = refused("{\"topics\": [], \"topic\": \"a\"}");
        assert_eq!(problem["status"], 422);
        assert!(problem["detail"].as_str().unwrap().contains("unknown field `topic`"), "{problem}");
    }
}
