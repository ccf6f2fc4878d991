//! HTML from outside, looked at without building its tree: what it says in plain words, and whether a parser may be
//! given it at all. Making HTML safe to show, and mails from it, is left to `mail`.

/// As much of an HTML text as is read for its plain text, in bytes.
const PLAIN_SOURCE: usize = 20_000;
/// The most elements that a parser may have to make beyond those that are written down. It makes them for formatting
/// that is never closed; each costs up to 1.5 KB in the crates that read HTML for us.
const MAX_REPEATED: usize = 250_000;

/// The beginning of what a reader sees, without markup: for titles and summaries. White space is left as it comes;
/// scripts, styles and other things that are not read are left out. Needs no more time or memory than a copy.
pub fn plain_text(html: &str) -> String {
    if !html.contains(['<', '&']) {
        return html.to_owned();
    }
    let mut text = String::new();
    let mut rest = &html[..html.floor_char_boundary(PLAIN_SOURCE)];
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with("<!--") {
            rest = rest.find("-->").map_or("", |end| &rest[end + 3..]);
            continue;
        }
        let Some(tag) = Tag::at_start_of(rest) else {
            text.push_str("&lt;");
            rest = &rest[1..];
            continue;
        };
        rest = &rest[tag.len..];
        if !tag.is_in(INLINE) {
            text.push(' ');
        }
        if tag.is_in(NOT_READ) && !tag.closes {
            rest = after_element(rest, tag.name);
        }
    }
    text.push_str(rest);
    without_entities(text)
}

/// Whether this HTML must not be given to a parser. For each paragraph an HTML5 parser repeats all formatting that is
/// still open (WHATWG HTML, section 13.2.4.3), so that some kilobytes of it become gigabytes.
/// The bound holds for any input, whatever comments or quotes a tag stands in.
pub fn is_tangled(html: &str) -> bool {
    let mut tags = 0;
    let mut plain = [false; FORMATTING.len()];
    let mut with_attributes = 0;
    for (at, _) in html.match_indices('<') {
        tags += 1;
        let rest = &html[at + 1..];
        let name = name_of(rest);
        if let Some(kind) = FORMATTING.iter().position(|known| known.eq_ignore_ascii_case(name)) {
            if rest[name.len()..].starts_with('>') {
                plain[kind] = true;
            } else {
                with_attributes += 1;
            }
        }
    }
    // A parser keeps no more than three that are alike open, and no more than one link.
    let open_at_most = 3 * plain.iter().filter(|&&seen| seen).count() + with_attributes + 1;
    tags * open_at_most > MAX_REPEATED.max(2 * tags)
}

/// The formatting elements of HTML but for `a`.
const FORMATTING: [&str; 13] =
    ["b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];
/// Elements that no space is seen around.
const INLINE: &[&str] = &[
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd",
    "mark", "q", "s", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
];
/// Elements whose content is no text to read.
const NOT_READ: &[&str] = &[
    "audio", "canvas", "head", "iframe", "math", "noscript", "object", "script", "select", "style", "svg",
    "template", "textarea", "title", "video",
];

struct Tag<'a> {
    name: &'a str,
    closes: bool,
    /// From `<` to `>`, in bytes.
    len: usize,
}

impl<'a> Tag<'a> {
    /// None where the `<` is only a character.
    fn at_start_of(text: &'a str) -> Option<Self> {
        let closes = text.starts_with("</");
        let name = name_of(&text[if closes { 2 } else { 1 }..]);
        let is_tag = !name.is_empty() || ["<!", "<?", "</"].iter().any(|start| text.starts_with(start));
        is_tag.then(|| Self { name, closes, len: tag_len(text) })
    }

    fn is_in(&self, names: &[&str]) -> bool {
        names.iter().any(|name| name.eq_ignore_ascii_case(self.name))
    }
}

fn name_of(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) { &text[..end] } else { "" }
}

/// Up to the `>` that stands in no quoted value; in a tag that has none, up to the first; else all.
fn tag_len(text: &str) -> usize {
    let mut quote = None;
    let mut before = b' ';
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') if before == b'=' => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
        if byte != b' ' {
            before = byte;
        }
    }
    text.find('>').map_or(text.len(), |at| at + 1)
}

/// What follows the end tag of an element that has just been opened; nothing where it is never closed.
fn after_element<'a>(text: &'a str, name: &str) -> &'a str {
    let closes = |&(at, _): &(usize, &str)| name_of(&text[at + 2..]).eq_ignore_ascii_case(name);
    text.match_indices("</").find(closes).map_or("", |(at, _)| &text[at + tag_len(&text[at..])..])
}

/// Decodes HTML's character references; there are no tags in `text` any more.
fn without_entities(text: String) -> String {
    if !text.contains('&') {
        return text;
    }
    html2text::config::plain_no_decorate()
        .allow_width_overflow()
        .string_from_read(text.as_bytes(), usize::from(u16::MAX))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text::one_line;

    fn line(html: &str) -> String {
        one_line(&plain_text(html), 1000)
    }

    #[test]
    fn markup_becomes_the_words_that_are_seen() {
        assert_eq!(
            line("<h2>Polls</h2><p>Close at <em>eight</em>,<br>sharp.</p>"),
            "Polls Close at eight, sharp."
        );
        assert_eq!(line("<ul><li>One<li>Two</ul><table><td>3<td>4</table>"), "One Two 3 4");
        assert_eq!(line("Q&amp;A: 5 &lt; 6 &#8211; &eacute;t&eacute;&nbsp;2026"), "Q&A: 5 < 6 – été 2026");
        assert_eq!(line("a<!-- <b> -->b <script>x < y</script>c<STYLE>p{}</style>"), "ab c");
        assert_eq!(line("<img alt='a > b' src=x>A <a href=\"?a=1&b=2\" title='>'>link</a>"), "A link");
    }

    #[test]
    fn what_is_no_markup_stays() {
        assert_eq!(line("5 < 6 & 7 <3"), "5 < 6 & 7 <3");
        assert_eq!(line("<<i>b>bold"), "<b>bold");
        assert_eq!(line("no end <a href='x"), "no end");
    }

    #[test]
    fn formatting_that_a_parser_would_repeat_without_end_is_noticed() {
        let open: String = (0..600).map(|n| format!("<b {n:x}>")).collect();
        assert!(is_tangled(&format!("<p>{open}{}", "<p>x".repeat(1000))));
        let alike = "<b>".repeat(600);
        assert!(!is_tangled(&format!("<p>{alike}{}", "<p>x".repeat(1000))));
        let hidden: String = (0..600).map(|n| format!("<!--><b a=\">{n}\">")).collect();
        assert!(is_tangled(&format!("<p>{hidden}{}", "<p>x".repeat(1000))));
    }

    #[test]
    fn a_long_article_is_not_tangled() {
        let paragraph =
            "<p>A <strong class=\"x\">word</strong>, <em>another</em>, <a href=\"/x\">a link</a>.</p>";
        assert!(!is_tangled(&paragraph.repeat(100)));
        assert!(!is_tangled(&"<p>A <b>word</b> and an <i>emphasis</i>.</p>".repeat(3000)));
        assert!(!is_tangled(&"<p>plain</p>".repeat(200_000)));
    }
}
