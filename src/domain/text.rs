//! Text from outside, made safe to show: no control characters, no tricks with the reading direction, no surprises
//! with white space, and no longer than it may be. Markup is none of its business.

/// Text for one line (a title, a name, a subject): any white space becomes one space, and what is longer than `max`
/// characters is cut at a word and ends in an ellipsis, which counts.
pub fn one_line(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max.saturating_mul(4)));
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() {
            gap = true;
        } else if !is_unwanted(c) {
            if gap && !line.is_empty() {
                line.push(' ');
            }
            gap = false;
            line.push(c);
        }
    }
    cut(line, max)
}

/// Text of several lines (a message, a description): lines end in `\n` and have no white space at their ends, tabs
/// stay, and at most one empty line stands between two others. Cut like [`one_line`].
pub fn multi_line(text: &str, max: usize) -> String {
    let mut lines = String::with_capacity(text.len().min(max.saturating_mul(4)));
    let mut empty = 0;
    for line in text.replace("\r\n", "\n").split(ends_line) {
        let kept: String = line.chars().filter(|&c| c == '\t' || !is_unwanted(c)).collect();
        let kept = kept.trim_end();
        if kept.is_empty() {
            empty += 1;
            continue;
        }
        if !lines.is_empty() {
            lines.push_str(if empty > 0 { "\n\n" } else { "\n" });
        }
        empty = 0;
        lines.push_str(kept);
    }
    cut(lines, max)
}

/// Carriage return, line feed, vertical tab, form feed, next line, and Unicode's line and paragraph separators.
fn ends_line(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Control characters (C0, DEL, C1), byte order marks and spaces without width, by which nothing looks like something, and the embeddings, overrides and isolates of the bidirectional
/// algorithm (UAX #9): left open, they turn round the text that follows. The plain marks (LRM, RLM, ALM) can't.
fn is_unwanted(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn cut(text: String, max: usize) -> String {
    if text.char_indices().nth(max).is_none() {
        return text;
    }
    let Some(room) = max.checked_sub(1) else { return String::new() };
    let end = text.char_indices().nth(room).map_or(text.len(), |(at, _)| at);
    let head = &text[..end];
    let whole_words = text[end..].starts_with(|c: char| c.is_whitespace() || c.is_ascii_punctuation());
    // A text without spaces (Chinese, one long link) is cut where the room ends, not at its distant last word.
    let head = match head.rfind(char::is_whitespace) {
        Some(at) if !whole_words && at >= head.len() / 2 => &head[..at],
        _ => head,
    };
    format!("{}…", head.trim_end_matches(|c: char| c.is_whitespace() || ",;:–—-".contains(c)))
}

/// Which of the phrases that must not go out stand in one of these texts.
pub fn said<'a>(texts: [&str; 3], phrases: &'a [String]) -> impl Iterator<Item = &'a String> {
    // Neither a line's end nor a space more makes another phrase of it.
    let texts = texts.map(|text| one_line(text, usize::MAX));
    phrases.iter().filter(move |phrase| texts.iter().any(|text| says(text, phrase)))
}

/// Whether a phrase stands in a text as words of their own: "TEST" in "TEST: polls", not in "CONTEST" or "test".
fn says(text: &str, phrase: &str) -> bool {
    let ends = |side: Option<char>| side.is_none_or(|c| !c.is_alphanumeric());
    text.match_indices(phrase)
        .any(|(at, _)| ends(text[..at].chars().next_back()) && ends(text[at + phrase.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_single_spaces_and_no_controls() {
        assert_eq!(
            one_line("  Polls\u{0} close\r\n\tat\u{a0}8\u{85}p.m. \u{7f}", 100),
            "Polls close at 8 p.m."
        );
        assert_eq!(one_line("a\u{0} \u{1}b", 100), "a b");
    }

    #[test]
    fn direction_overrides_are_removed_and_marks_stay() {
        assert_eq!(one_line("in\u{202e}voice\u{2066}.exe\u{2069}", 100), "invoice.exe");
        assert_eq!(one_line("\u{200f}שלום", 100), "\u{200f}שלום");
    }

    #[test]
    fn a_long_line_is_cut_at_a_word_and_the_ellipsis_counts() {
        assert_eq!(one_line("Turnout is high, officials say", 17), "Turnout is high…");
        assert_eq!(one_line("Turnout is high, officials say", 16), "Turnout is high…");
        assert_eq!(one_line("exactly", 7), "exactly");
        assert_eq!(one_line("投票所が閉まりました", 5), "投票所が…");
        assert_eq!(one_line("more", 1), "…");
        assert_eq!(one_line("more", 0), "");
    }

    #[test]
    fn several_lines_keep_their_paragraphs() {
        assert_eq!(
            multi_line("\n\nOne  \r\nTwo\r\rThree\n\n\n\n\tFour\u{7}\n", 100),
            "One\nTwo\n\nThree\n\n\tFour"
        );
        assert_eq!(multi_line("One\nTwo three", 9), "One\nTwo…");
    }

    #[test]
    fn a_phrase_is_found_as_words_of_their_own() {
        assert!(
            says("TEST: polls", "TEST") && says("a TEST", "TEST") && says("DO NOT PUBLISH", "DO NOT PUBLISH")
        );
        assert!(!says("CONTESTED", "TEST") && !says("a test", "TEST"));
        let phrases = ["TEST".to_owned(), "DO NOT PUBLISH".to_owned()];
        assert_eq!(said(["DO  NOT\nPUBLISH", "", "a T\u{200b}EST"], &phrases).count(), 2);
    }
}
