//! The text part: HTML as text written for reading, and any text in lines of a width. One rule holds for all of it,
//! templates included: an address of the web is never broken and stands alone on its line, so that every mail program
//! makes a link of exactly it.

use std::ops::Range;

use html2text::render::{TaggedLine, TextDecorator};

use super::{
    fragment::without_controls,
    html::{Tags, sanitize, without_tags},
    urls::{Piece, next_url, pieces},
};
use crate::domain::text::one_line;

/// How wide the text part's lines are, in columns.
pub const WIDTH: usize = 72;

/// HTML as text of [`WIDTH`] columns, [`tidy`]. Links become numbers whose addresses follow at the end, but for a link
/// that shows its own address.
pub fn plain_text(html: &str) -> String {
    tidy(&read(html, true))
}

/// The beginning of HTML's text in one line of at most `longest` characters, without the addresses of links. An address
/// that the text itself shows is whole or left out.
pub fn excerpt(html: &str, longest: usize) -> String {
    let line = one_line(&read(html, false), usize::MAX);
    let kept = one_line(&line, longest);
    if kept == line {
        return line;
    }
    let end = kept.trim_end_matches('…').len();
    let mut read = 0;
    while let Some(url) = next_url(&line[read..]).filter(|url| read + url.start < end) {
        if read + url.end >= end {
            let before = line[..read + url.start].trim_end_matches([' ', '(', '[', '<']);
            return if before.is_empty() { String::new() } else { format!("{before}…") };
        }
        read += url.end;
    }
    kept
}

/// Text for reading: each address alone on its line, no other line beyond [`WIDTH`] columns where there is a space to
/// break at, no trailing spaces, no more than one blank line at a time, none at the ends.
pub(super) fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    let mut blank = false;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() {
            blank = true;
            continue;
        }
        for piece in tidy_pieces(line) {
            if !out.is_empty() {
                out.push_str(if blank { "\n\n" } else { "\n" });
            }
            blank = false;
            match piece {
                Piece::Url(url) => out.push_str(url),
                Piece::Words(words) => wrap(words, &mut out),
            }
        }
    }
    out
}

/// The pieces of a line. One that is nothing but an address is taken as it is, a full stop at its end included. Of a
/// line that has more, a bullet or a bracket alone is no line of its own.
fn tidy_pieces(line: &str) -> Vec<Piece<'_>> {
    let whole = line.trim();
    if !whole.contains(char::is_whitespace) && next_url(whole).is_some_and(|url| url.start == 0) {
        return vec![Piece::Url(whole)];
    }
    let pieces = pieces(line);
    if matches!(pieces[..], [Piece::Words(_)]) {
        return pieces;
    }
    let says_something = |words: &str| !words.chars().all(|c| c.is_ascii_punctuation() || c.is_whitespace());
    let each = pieces.into_iter().enumerate().filter_map(|(at, piece)| match piece {
        Piece::Words(words) if !says_something(words) => None,
        // The indentation of a line stays.
        Piece::Words(words) if at == 0 => Some(Piece::Words(words.trim_end())),
        Piece::Words(words) => Some(Piece::Words(words.trim())),
        url => Some(url),
    });
    each.collect()
}

fn wrap(line: &str, out: &mut String) {
    if line.chars().count() <= WIDTH {
        out.push_str(line);
        return;
    }
    let mut column = 0;
    for word in line.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
}

/// HTML's text with `links` at the end or without them. html2text would break a long address in the middle, so it lays
/// out a mark of one column in its place.
fn read(html: &str, links: bool) -> String {
    let html = sanitize(html).replace(|c| mark_number(c).is_some(), "");
    let (marked, urls) = Marks::put(&html, links);
    let text = html2text::config::with_decorator(Plain { links })
        .link_footnotes(links)
        .no_link_wrapping()
        .no_table_borders()
        .unicode_strikeout(false)
        .allow_width_overflow()
        .string_from_read(marked.as_bytes(), WIDTH)
        .unwrap_or_else(|_| without_tags(&marked));
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match mark_number(c).and_then(|number| urls.get(number)) {
            // In lines, what stands beside it in a table must not be taken for a part of it.
            Some(url) if links => out.extend([" ", url.as_str(), " "]),
            Some(url) => out.push_str(url),
            None => out.push(c),
        }
    }
    let lines: Vec<_> = out.lines().map(str::trim_end).collect();
    without_controls(lines.join("\n").trim_matches('\n')).into_owned()
}

/// The private use plane of which each character stands for an address.
const MARKS: Range<u32> = 0x10_0000..0x10_fffe;

fn mark_number(c: char) -> Option<usize> {
    MARKS.contains(&u32::from(c)).then(|| (u32::from(c) - MARKS.start) as usize)
}

/// Puts marks in the place of the addresses that sanitized HTML shows, and the `alt` in the place of images.
struct Marks {
    out: String,
    urls: Vec<String>,
    /// Whether an address gets a line of its own.
    alone: bool,
}

impl Marks {
    fn put(html: &str, alone: bool) -> (String, Vec<String>) {
        // Without effect on the text, but for the addresses that they would cut in two.
        const SILENT: [&str; 11] =
            ["b", "big", "code", "em", "font", "i", "mark", "small", "span", "strong", "wbr"];
        let mut marks = Self { out: String::with_capacity(html.len()), urls: Vec::new(), alone };
        let mut text = String::new();
        let mut link = None;
        let mut copied = 0;
        for tag in Tags::of(html) {
            text.push_str(&html[copied..tag.start]);
            copied = tag.end;
            if SILENT.contains(&tag.name) {
                continue;
            }
            let source = &html[tag.start..tag.end];
            if tag.name == "img" {
                let alt = attribute(source, "alt").filter(|alt| !alt.trim().is_empty());
                text.extend(alt.map(|alt| format!("[Image: {alt}]")));
                continue;
            }
            let text = std::mem::take(&mut text);
            let opened: Option<&str> = link.take();
            if tag.name == "a" && opened.is_some_and(|opened| leads_to(opened, &text)) {
                marks.text(&text);
                continue;
            }
            marks.out.push_str(opened.unwrap_or_default());
            marks.text(&text);
            if tag.name == "a" && !tag.closes {
                link = Some(source);
            } else {
                marks.out.push_str(source);
            }
        }
        marks.out.push_str(link.unwrap_or_default());
        text.push_str(&html[copied..]);
        marks.text(&text);
        (marks.out, marks.urls)
    }

    /// A text between two tags.
    fn text(&mut self, encoded: &str) {
        let text = decoded(encoded);
        if self.alone {
            for (at, piece) in pieces(&text).into_iter().enumerate() {
                self.out.push_str(if at > 0 { "<br>" } else { "" });
                match piece {
                    Piece::Words(words) => self.words(words),
                    Piece::Url(url) => self.url(url),
                }
            }
        } else {
            let mut rest = text.as_str();
            while let Some(url) = next_url(rest) {
                self.words(&rest[..url.start]);
                self.url(&rest[url.clone()]);
                rest = &rest[url.end..];
            }
            self.words(rest);
        }
    }

    fn words(&mut self, words: &str) {
        self.out.push_str(&words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
    }

    fn url(&mut self, url: &str) {
        match MARKS.clone().nth(self.urls.len()).and_then(char::from_u32) {
            Some(mark) => {
                self.out.push(mark);
                self.urls.push(url.to_owned());
            }
            None => self.words(url),
        }
    }
}

/// Whether a link, of which this is the start tag, leads to just the address that is its text.
fn leads_to(tag: &str, text: &str) -> bool {
    let url = decoded(text);
    let url = url.trim();
    let href = attribute(tag, "href").map(decoded);
    next_url(url) == Some(0..url.len()) && href.is_some_and(|href| href == url || href == format!("{url}/"))
}

/// The value, still encoded, of an attribute of a tag that a serializer wrote.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = tag.split_once(&format!(" {name}=\""))?;
    value.split('"').next()
}

/// Text or an attribute's value of HTML that a serializer wrote (WHATWG HTML, section 13.3, "escaping a string").
pub(super) fn decoded(html: &str) -> String {
    let text = html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&nbsp;", "\u{a0}").replace("&amp;", "&")
}

/// How marks of HTML look in text: hardly at all.
#[derive(Clone, Debug)]
struct Plain {
    links: bool,
}

impl TextDecorator for Plain {
    type Annotation = ();

    fn decorate_link_start(&mut self, _url: &str) -> (String, ()) {
        Default::default()
    }
    fn decorate_link_end(&mut self) -> String {
        // The link's number follows.
        if self.links { " ".to_owned() } else { String::new() }
    }
    fn decorate_em_start(&self) -> (String, ()) {
        Default::default()
    }
    fn decorate_em_end(&self) -> String {
        String::new()
    }
    fn decorate_strong_start(&self) -> (String, ()) {
        Default::default()
    }
    fn decorate_strong_end(&self) -> String {
        String::new()
    }
    fn decorate_strikeout_start(&self) -> (String, ()) {
        ("[deleted: ".to_owned(), ())
    }
    fn decorate_strikeout_end(&self) -> String {
        "]".to_owned()
    }
    fn decorate_code_start(&self) -> (String, ()) {
        Default::default()
    }
    fn decorate_code_end(&self) -> String {
        String::new()
    }
    fn decorate_superscript_start(&self) -> (String, ()) {
        Default::default()
    }
    fn decorate_superscript_end(&self) -> String {
        String::new()
    }
    fn decorate_preformat_first(&self) {}
    fn decorate_preformat_cont(&self) {}
    fn decorate_image(&mut self, _src: &str, _title: &str) -> (String, ()) {
        Default::default()
    }
    fn header_prefix(&self, _level: usize) -> String {
        String::new()
    }
    fn quote_prefix(&self) -> String {
        "> ".to_owned()
    }
    fn unordered_item_prefix(&self) -> String {
        "- ".to_owned()
    }
    fn ordered_item_prefix(&self, number: i64) -> String {
        format!("{number}. ")
    }
    fn make_subblock_decorator(&self) -> Self {
        self.clone()
    }
    fn finalise(&mut self, urls: Vec<String>) -> Vec<TaggedLine<()>> {
        let whole = |url: String| url.replace(char::is_whitespace, "%20");
        let lines = urls.into_iter().zip(1..).flat_map(|(url, number)| [format!("[{number}]"), whole(url)]);
        lines.map(|line| TaggedLine::from_string(line, &())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str =
        "https://www.site.example.org/2026/11/25/the-long-name-of-a-story-that-goes-on-and-on-to-its-end/";

    #[test]
    fn text_is_wrapped_at_spaces() {
        let text = tidy(&format!("\n\n{}  \n\n\nend\n", "word ".repeat(20)));
        let lines: Vec<_> = text.split('\n').collect();
        assert_eq!(lines, ["word ".repeat(14).trim_end(), "word ".repeat(6).trim_end(), "", "end"]);
    }

    #[test]
    fn an_address_in_a_line_gets_its_own() {
        assert_eq!(tidy(&format!("Live: {LONG}, updated.")), format!("Live:\n{LONG}\nupdated."));
        assert_eq!(tidy("a (https://x.org/b_(c)) d"), "a\nhttps://x.org/b_(c)\nd");
        assert_eq!(tidy("<https://x.org>"), "https://x.org");
        assert_eq!(tidy("Unsubscribe: https://x.org/\u{1}u."), "Unsubscribe:\nhttps://x.org/\u{1}u");
        assert_eq!(tidy("https://x.org/a."), "https://x.org/a.");
        assert_eq!(tidy("no ://address"), "no ://address");
    }

    #[test]
    fn links_stand_alone_on_their_lines() {
        let html = "<p>See <a href=\"https://example.org/a b\">the count</a> and <a href=\"https://example.org/b\">more</a>.</p>";
        assert_eq!(
            plain_text(html),
            "See the count [1] and more [2].\n\n[1]\nhttps://example.org/a%20b\n[2]\nhttps://example.org/b"
        );
    }

    #[test]
    fn an_address_is_not_broken_wherever_it_stands() {
        let markdown = |md: &str| plain_text(&super::super::html::markdown(md));
        assert_eq!(markdown(&format!("Live: {LONG} (updated)")), format!("Live:\n{LONG}\n(updated)"));
        assert_eq!(markdown(&format!("See <{LONG}>.")), format!("See\n{LONG}"));
        assert_eq!(markdown("- i https://z.org\n- https://y.org"), "- i\nhttps://z.org\nhttps://y.org");
        assert_eq!(markdown("code `https://c.org` x"), "code\nhttps://c.org\nx");
        assert_eq!(markdown(&format!("> {LONG}")), LONG);
        assert_eq!(plain_text("<p>https://x.org/<wbr>a<b>b</b>?c&amp;d</p>"), "https://x.org/ab?c&d");
        let table = format!("<table><tr><td>1</td><td>{LONG}</td><td>2</td></tr></table>");
        assert_eq!(plain_text(&table), format!("1\n{LONG}\n2"));
        let image = format!("<p>A <img src=\"https://x.org/i.png\" alt=\"shot of {LONG}\"> B</p>");
        assert_eq!(plain_text(&image), format!("A [Image: shot of\n{LONG}\n] B"));
    }

    #[test]
    fn a_text_of_nothing_but_colons_or_brackets_takes_no_long_time() {
        for text in ["://".repeat(300_000), format!("a://b{}", ")".repeat(900_000)), "a://.".repeat(180_000)]
        {
            assert!(!plain_text(&text).is_empty());
        }
    }

    #[test]
    fn a_link_that_shows_its_address_needs_no_number() {
        assert_eq!(
            plain_text("<a href=\"https://x.org/?a&amp;b\">https://x.org/?a&amp;b</a>"),
            "https://x.org/?a&b"
        );
        assert_eq!(
            plain_text("<a href=\"https://x.org/a\">https://x.org</a>"),
            "https://x.org\n[1]\n\n[1]\nhttps://x.org/a"
        );
    }

    #[test]
    fn an_excerpt_holds_an_address_whole_or_not_at_all() {
        let html = format!("<p>Live ({LONG}), more</p>");
        assert_eq!(excerpt(&html, 400), format!("Live ({LONG}), more"));
        for cut in 8..6 + LONG.len() {
            assert_eq!(excerpt(&html, cut), "Live…", "{cut}");
        }
        assert_eq!(excerpt(LONG, 60), "");
    }
}
