//! The examples of the document: calls of a story and what they were answered, as `tests/web/examples.rs` writes them
//! down. None is made up.

use std::sync::OnceLock;

use serde_json::Value;

/// The example of the operation with this id; null where there is none.
pub fn of(operation: &str) -> &'static Value {
    static EXAMPLES: OnceLock<Value> = OnceLock::new();
    // A test reads the file as well, so it is JSON.
    &EXAMPLES.get_or_init(|| serde_json::from_str(include_str!("examples.json")).unwrap_or_default())
        [operation]
}

/// The value that a parameter has in a call's example: in the place of its path, or in its query.
pub fn parameter(operation: &str, pattern: &str, name: &str) -> Option<String> {
    let called = of(operation)["path"].as_str()?;
    let (path, query) = called.split_once('?').unwrap_or((called, ""));
    let pattern = pattern.trim_start_matches("/api/v1");
    let mut places = pattern.split('/').zip(path.split('/'));
    let place = places.find(|(part, _)| part.strip_prefix('{') == Some(&format!("{name}}}")));
    if let Some((_, value)) = place {
        return Some(value.to_owned());
    }
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(of, _)| of == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_stands_in_its_place_of_the_path_or_in_the_query() {
        let id = "get-subscribers-id-why";
        let pattern = "/api/v1/subscribers/{id}/why";
        assert_eq!(parameter(id, pattern, "id").unwrap().len(), 36);
        assert_eq!(parameter(id, pattern, "issue").unwrap().len(), 36);
        assert_eq!(parameter(id, pattern, "limit"), None);
        assert_eq!(parameter("nothing", pattern, "id"), None);
    }
}
