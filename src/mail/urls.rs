//! Finds the addresses in a text: where each begins and ends, and what is only the sentence around it.

use std::ops::Range;

/// A part of a text.
pub(super) enum Piece<'a> {
    Words(&'a str),
    Url(&'a str),
}

/// A text in words and addresses. What an address is dressed in, the brackets or quotes around it and the full stop
/// behind it, says nothing once it stands alone, and is left out.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    const DRESS: [(char, char); 9] = [
        ('(', ')'),
        ('[', ']'),
        ('{', '}'),
        ('<', '>'),
        ('"', '"'),
        ('\'', '\''),
        ('“', '”'),
        ('‘', '’'),
        ('«', '»'),
    ];
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(url) = next_url(rest) {
        let (mut before, mut after) = (&rest[..url.start], &rest[url.end..]);
        for (opens, closes) in DRESS {
            if let (Some(bare), Some(left)) = (before.strip_suffix(opens), after.strip_prefix(closes)) {
                (before, after) = (bare, left);
            }
        }
        if !before.is_empty() {
            pieces.push(Piece::Words(before));
        }
        pieces.push(Piece::Url(&rest[url]));
        rest = after.trim_start_matches(['.', ',', ';', ':', '!', '?']);
    }
    if !rest.is_empty() {
        pieces.push(Piece::Words(rest));
    }
    pieces
}

/// Where the next address stands: a scheme (RFC 3986, section 3.1), `://`, and all up to white space or a character
/// that no address holds, but for the punctuation of the sentence around it.
pub(super) fn next_url(text: &str) -> Option<Range<usize>> {
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let ends = |c: char| {
        c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ff0f}')
    };
    text.match_indices("://").find_map(|(at, colon)| {
        let scheme = text[..at].trim_end_matches(in_scheme).len();
        let start = at - text[scheme..at].trim_start_matches(|c: char| !c.is_ascii_alphabetic()).len();
        if start == at {
            return None;
        }
        let rest = at + colon.len();
        let end = text[rest..].find(ends).map_or(text.len(), |end| rest + end);
        let end = start + without_closing(&text[start..end]).len();
        (end > rest).then_some(start..end)
    })
}

/// An address without what closes the sentence, or a bracket that was opened before it.
fn without_closing(url: &str) -> &str {
    const BRACKETS: [(char, char); 3] = [('(', ')'), ('[', ']'), ('{', '}')];
    let count = |wanted: char| url.matches(wanted).count();
    let mut unopened = BRACKETS.map(|(opens, closes)| (closes, count(closes).saturating_sub(count(opens))));
    url.trim_end_matches(|last| match unopened.iter_mut().find(|(closes, _)| *closes == last) {
        Some((_, left)) => {
            let strays = *left > 0;
            *left = left.saturating_sub(1);
            strays
        }
        None => ".,;:!?'…’”»“‘«|*".contains(last),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> Option<&str> {
        next_url(text).map(|url| &text[url])
    }

    #[test]
    fn an_address_ends_where_its_sentence_goes_on() {
        for text in [
            "https://x.org/a",
            "See https://x.org/a.",
            "(https://x.org/a)!",
            "„https://x.org/a“",
            "<https://x.org/a>",
            "https://x.org/a。",
        ] {
            assert_eq!(first(text), Some("https://x.org/a"), "{text}");
        }
        assert_eq!(first("https://x.org/a_(b)."), Some("https://x.org/a_(b)"));
        assert_eq!(first("(see https://x.org/a_(b))"), Some("https://x.org/a_(b)"));
    }

    #[test]
    fn what_only_looks_like_an_address_is_none() {
        for text in ["://x", "1://x", "https://", "https:// x", "https://.", "a: //b"] {
            assert_eq!(first(text), None, "{text}");
        }
        assert_eq!(first(":// and 1a+b://c"), Some("a+b://c"));
    }
}
