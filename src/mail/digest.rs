//! Digests: one document with every story of an issue is rendered once and cut at its marks into named fragments; each
//! reader's digest is the fragments of their own stories, in order.

use std::collections::HashMap;

use super::{compose::ComposeError, fragment::Fragment, text::tidy};

/// Begins a mark in the text part; in the HTML part a mark is a comment. No text from outside holds either: control
/// characters and comments are taken out, titles are escaped.
pub(super) const CUT: &str = "\u{2}";
const HTML_CUT: &str = "<!--cut ";

/// The names of a reader's fragments, in order: the `full` stories, the first of which leads, then one line for each
/// story of `seen`, which the reader had as an alert. Without any `full` story the first of `seen` is what an inbox
/// shows beside the subject.
pub fn digest_order(full: &[i64], seen: &[i64]) -> Vec<String> {
    let mut names = vec!["head".to_owned()];
    names.extend(full.first().or(seen.first()).map(|id| format!("lead:{id}")));
    names.push("open".to_owned());
    names.extend(full.iter().map(|id| format!("story:{id}")));
    if !seen.is_empty() {
        names.push("seen-heading".to_owned());
        names.extend(seen.iter().map(|id| format!("seen:{id}")));
    }
    names.push("foot".to_owned());
    names
}

/// Cuts both parts into the fragments that stories with these ids need.
///
/// # Errors
/// When a mark is missing or stands twice, as after an edit of the template.
pub(super) fn cut(text: &str, html: &str, ids: &[i64]) -> Result<Vec<Fragment>, ComposeError> {
    let each = |kind: &'static str| ids.iter().map(move |id| format!("{kind}:{id}"));
    let names = ["head".to_owned()]
        .into_iter()
        .chain(each("lead"))
        .chain(["open".to_owned()])
        .chain(each("story"))
        .chain(["seen-heading".to_owned()])
        .chain(each("seen"))
        .chain(["foot".to_owned()]);
    let mut texts = pieces(text, CUT, "\n", "body.txt")?;
    let mut htmls = pieces(html, HTML_CUT, "-->", "body.html")?;
    names
        .map(|name| {
            let missing = |file| ComposeError::Unmarked { file, fragment: name.clone() };
            // What an inbox shows beside the subject is in the HTML part only.
            let html_only = name == "open" || name.starts_with("lead:");
            let text = match texts.remove(name.as_str()) {
                Some(text) => tidy(text),
                None if html_only => String::new(),
                None => return Err(missing("body.txt")),
            };
            let gap = if text.is_empty() || name == "foot" { "" } else { "\n\n" };
            let html = htmls.remove(name.as_str()).ok_or_else(|| missing("body.html"))?;
            Ok(Fragment::new(name, &format!("{text}{gap}"), html.trim()))
        })
        .collect()
}

/// What stands between marks, by the name of the mark before it; before the first mark it is "head".
fn pieces<'a>(
    part: &'a str,
    mark: &str,
    end: &str,
    file: &'static str,
) -> Result<HashMap<&'a str, &'a str>, ComposeError> {
    let mut split = part.split(mark);
    let mut pieces = HashMap::from([("head", split.next().unwrap_or_default())]);
    for piece in split {
        let (name, content) = piece.split_once(end).unwrap_or((piece, ""));
        if pieces.insert(name.trim(), content).is_some() {
            return Err(ComposeError::Unmarked { file, fragment: name.trim().to_owned() });
        }
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_full_story_leads_and_alerted_ones_come_last() {
        assert_eq!(
            digest_order(&[7, 5], &[6]),
            ["head", "lead:7", "open", "story:7", "story:5", "seen-heading", "seen:6", "foot"]
        );
        assert_eq!(digest_order(&[], &[6]), ["head", "lead:6", "open", "seen-heading", "seen:6", "foot"]);
    }

    #[test]
    fn a_mark_that_is_missing_or_stands_twice_is_named() {
        let text = "a\n\u{2}seen-heading\nb\n\u{2}foot\nc";
        let html = "a<!--cut open-->b<!--cut seen-heading-->c<!--cut foot-->d";
        assert_eq!(cut(text, html, &[]).unwrap().len(), 4);
        let error = cut(text, &html.replace("<!--cut open-->", ""), &[]).unwrap_err().to_string();
        assert!(error.contains("digest/body.html") && error.contains("\"open\""), "{error}");
        let error = cut(&format!("{text}\n\u{2}foot\n"), html, &[]).unwrap_err().to_string();
        assert!(error.contains("digest/body.txt") && error.contains("\"foot\""), "{error}");
    }
}
