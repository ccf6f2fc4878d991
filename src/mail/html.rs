//! Posts and markdown as HTML that may stand in a mail. What comes from outside is weighed by a plain scan before any
//! parser sees it: an HTML parser's work and memory can grow with the square of its input, and a stack overflow can't be
//! caught.

use std::collections::HashSet;
use std::sync::LazyLock;

use ammonia::UrlRelative;
use url::Url;

use super::fragment::without_controls;
use super::text::decoded;
pub use super::text::{excerpt, plain_text};

/// The longest HTML or markdown that is read as such, in bytes. Of what is longer, the beginning is kept as text.
pub const LONGEST: usize = 1024 * 1024;
/// The most elements inside one another.
pub const DEEPEST: usize = 200;
/// The most work for a parser: for every tag, how many elements are open at it.
const MOST_WORK: usize = 1_000_000;

/// HTML without anything that acts: no scripts, styles, forms, frames, comments or control characters; links to web and
/// mail addresses only, and images from the web, each with an `alt`. Counting pixels are dropped. HTML that is too long
/// or nested too deeply becomes its text. Sanitizing twice changes nothing more.
pub fn sanitize(html: &str) -> String {
    clean(html, &POLICY)
}

/// The same, with relative links and images seen from `base`, the page they stood on.
pub fn sanitize_at(html: &str, base: &Url) -> String {
    clean(html, &policy(UrlRelative::RewriteWithBase(base.clone())))
}

/// Plain text as HTML: one paragraph.
pub fn paragraph(text: &str) -> String {
    format!("<p>{}</p>", ammonia::clean_text(&without_controls(text)))
}

/// Whether sanitized HTML shows nothing: neither text nor an image.
pub fn is_blank(html: &str) -> bool {
    let invisible = |c: char| {
        c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    };
    Tags::of(html).all(|tag| tag.name != "img") && decoded(&without_tags(html)).chars().all(invisible)
}

fn clean(html: &str, policy: &ammonia::Builder<'_>) -> String {
    let html = without_controls(html);
    if html.len() > LONGEST || is_too_heavy(&html) {
        return only_text(&html);
    }
    // A reference such as `&#1;` is a control character only now.
    let clean = policy.clean(&html).to_string();
    let clean = with_proper_images(&without_controls(&clean));
    if is_too_heavy(&clean) { only_text(&clean) } else { clean }
}

/// So many links of a text are looked at.
const MOST_LINKS: usize = 10;

/// Markdown (CommonMark, with tables and strikethrough) as sanitized HTML.
pub fn markdown(md: &str) -> String {
    use pulldown_cmark::{Options, Parser, html::push_html};
    if md.len() > LONGEST {
        return only_text(md);
    }
    let mut html = String::with_capacity(md.len() * 3 / 2);
    push_html(&mut html, Parser::new_ext(md, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH));
    sanitize(&html)
}

/// Where an alert leads: its own link and those in its text, on the web, each once and without what stands behind `#`. At
/// most ten.
pub fn links(link: &str, md: &str) -> Vec<Url> {
    use pulldown_cmark::{Event, Options, Parser, Tag};
    let text = if md.len() > LONGEST { "" } else { md };
    let within = Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let within = within.filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. }) => Some(dest_url.into_string()),
        _ => None,
    });
    let mut links = Vec::new();
    for mut url in std::iter::once(link.to_owned()).chain(within).filter_map(|link| Url::parse(&link).ok()) {
        url.set_fragment(None);
        if matches!(url.scheme(), "http" | "https") && !links.contains(&url) {
            links.push(url);
        }
        if links.len() == MOST_LINKS {
            break;
        }
    }
    links
}

static POLICY: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| policy(UrlRelative::Deny));

fn policy(relative: UrlRelative<'static>) -> ammonia::Builder<'static> {
    let mut policy = ammonia::Builder::default();
    policy
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(relative)
        .rm_tags(["map", "area", "details", "summary"])
        .add_clean_content_tags([
            "iframe", "object", "textarea", "select", "title", "noscript", "template", "svg",
        ])
        .add_tags(["tfoot"])
        .link_rel(None);
    policy
}

/// Drops images that have no address in the web or are pixels for counting; gives the others an `alt`.
fn with_proper_images(clean: &str) -> String {
    let mut out = String::with_capacity(clean.len());
    let mut copied = 0;
    for tag in Tags::of(clean).filter(|tag| tag.name == "img") {
        let source = &clean[tag.start..tag.end];
        out.push_str(&clean[copied..tag.start]);
        copied = tag.end;
        let from_web = source.contains(" src=\"http://") || source.contains(" src=\"https://");
        let pixel = ["width", "height"]
            .iter()
            .any(|side| ["0", "1"].iter().any(|n| source.contains(&format!(" {side}=\"{n}\""))));
        if from_web && !pixel {
            let alt = if source.contains(" alt=\"") { "" } else { " alt=\"\"" };
            out.push_str(&format!("<img{alt}{}", &source["<img".len()..]));
        }
    }
    out.push_str(&clean[copied..]);
    out
}

/// Whether a parser might choke on it. An end tag closes one element of its name if one is open; so this never counts
/// fewer than a parser keeps open, but for elements that HTML closes by itself, which can't pile up.
fn is_too_heavy(html: &str) -> bool {
    const CLOSE_THEMSELVES: [&str; 28] = [
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
        "track", "wbr", "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option",
        "optgroup", "rt", "rp",
    ];
    let mut open: Vec<&str> = Vec::new();
    let mut work = 0;
    for tag in Tags::of(html) {
        work += 1 + open.len();
        if tag.closes {
            if let Some(at) = open.iter().rposition(|name| name.eq_ignore_ascii_case(tag.name)) {
                open.remove(at);
            }
        } else if !CLOSE_THEMSELVES.iter().any(|name| name.eq_ignore_ascii_case(tag.name)) {
            open.push(tag.name);
        }
        if open.len() > DEEPEST || work > MOST_WORK {
            return true;
        }
    }
    false
}

/// The beginning of the text of HTML that is better not parsed, as HTML.
fn only_text(html: &str) -> String {
    let end = (0..=html.len().min(LONGEST)).rev().find(|at| html.is_char_boundary(*at)).unwrap_or(0);
    ammonia::clean_text(without_tags(&without_controls(&html[..end])).trim())
}

pub(super) fn without_tags(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut copied = 0;
    for tag in Tags::of(html) {
        out.push_str(&html[copied..tag.start]);
        copied = tag.end;
    }
    out.push_str(&html[copied..]);
    out
}

/// A start or end tag and where it stands, with the contents of elements whose text is no markup.
pub(super) struct Tag<'a> {
    pub name: &'a str,
    pub closes: bool,
    pub start: usize,
    pub end: usize,
}

/// The tags of HTML in order, as a tokenizer sees them (comments, quoted attributes and raw text are skipped).
pub(super) struct Tags<'a> {
    html: &'a str,
    at: usize,
}

impl<'a> Tags<'a> {
    pub fn of(html: &'a str) -> Self {
        Self { html, at: 0 }
    }

    /// Where `needle` next ends, from `from` on; the end of it all if it never comes.
    fn past(&self, needle: &str, from: usize) -> usize {
        let rest = self.html.get(from..).unwrap_or_default();
        rest.find(needle).map_or(self.html.len(), |at| from + at + needle.len())
    }

    fn past_comment(&self, start: usize) -> usize {
        let inside = start + "<!--".len();
        let mut at = start + "<!".len();
        while let Some(dashes) = self.html.get(at..).and_then(|rest| rest.find("--")) {
            at += dashes;
            let rest = &self.html[at + 2..];
            if rest.starts_with('>') {
                return at + "-->".len();
            } else if at >= inside && rest.starts_with("!>") {
                return at + "--!>".len();
            }
            at += 1;
        }
        self.html.len()
    }

    /// Where the tag ends whose name ends at `from`. A quote counts after an equals sign only.
    fn past_attributes(&self, from: usize) -> usize {
        let bytes = self.html.as_bytes();
        let (mut at, mut before) = (from, b' ');
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'>' => return at + 1,
                b'"' | b'\'' if before == b'=' => {
                    at += 1;
                    at += bytes[at..].iter().position(|b| *b == byte).unwrap_or(bytes.len() - at);
                }
                _ => {}
            }
            if !byte.is_ascii_whitespace() {
                before = byte;
            }
            at += 1;
        }
        bytes.len()
    }

    fn past_raw_text(&self, name: &str, from: usize) -> usize {
        const RAW: [&str; 8] =
            ["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"];
        if !RAW.iter().any(|raw| raw.eq_ignore_ascii_case(name)) {
            return from;
        }
        let mut at = from;
        while let Some(found) = self.html.get(at..).and_then(|rest| rest.find("</")) {
            let end = at + found + 2;
            if self.html.get(end..end + name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name)) {
                return at + found;
            }
            at = end;
        }
        self.html.len()
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        loop {
            let start = self.at + self.html.get(self.at..)?.find('<')?;
            let rest = &self.html[start + 1..];
            let closes = rest.starts_with('/');
            let name_start = start + 1 + usize::from(closes);
            let name = &self.html[name_start..];
            if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                let length = name.find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>');
                let name = &name[..length.unwrap_or(name.len())];
                let end = self.past_attributes(name_start + name.len());
                self.at = if closes { end } else { self.past_raw_text(name, end) };
                return Some(Tag { name, closes, start, end: self.at });
            }
            self.at = if rest.starts_with("!--") {
                self.past_comment(start)
            } else if closes || rest.starts_with(['!', '?']) {
                self.past(">", start + 1)
            } else {
                start + 1
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_taken_out() {
        let html = "<p onclick=x()>A<script>b()</script><style>p{}</style><!-- c --><iframe src=\"https://x.org\">d</iframe>\
                    <input><a href=\"javascript:e()\">f</a> <a href=\"/g\">g</a>&#1;t</p>";
        assert_eq!(sanitize(html), "<p>A<a>f</a> <a>g</a>t</p>");
    }

    #[test]
    fn images_come_from_the_web_and_have_an_alt() {
        let html = "<img src=\"https://x.org/a>b.png\"><img src=\"data:image/png;base64,AA\" alt=\"d\">\
                    <img src=\"https://x.org/count\" width=\"1\" height=\"1\">";
        assert_eq!(sanitize(html), "<img alt=\"\" src=\"https://x.org/a&gt;b.png\">");
    }

    #[test]
    fn a_clean_text_stays_as_it_is() {
        let html = "<h2>A &amp; B</h2><p><b>c</b> <a href=\"https://x.org/?a=1&amp;b=2\">d</a></p><ul><li>e</li></ul>";
        assert_eq!(sanitize(html), html);
        assert_eq!(sanitize(&sanitize(html)), html);
    }

    #[test]
    fn what_is_nested_too_deeply_becomes_text() {
        let deep = |html: &str| html.repeat(30_000);
        for html in [
            "<div>",
            "<b><div></b>",
            "<div><!--</div>-->",
            "<div><!-- --!></i>",
            "<div><style></div></style>",
            "<div><!--!></div>-->",
            "<div><? </div>",
            "<div x='</div>'>",
            "<i x=1><p>",
            "<table><tr><td>",
        ] {
            let clean = sanitize(&format!("<p>Hello</p>{}", deep(html)));
            assert!(clean.starts_with("Hello") && !clean.contains('<'), "{html}: {}", &clean[..60]);
        }
    }

    #[test]
    fn a_long_article_of_open_paragraphs_is_no_attack() {
        let html = "<p>One<li>two <b>three</b><br>".repeat(5_000);
        assert!(sanitize(&html).contains("<b>three</b>"));
    }

    #[test]
    fn a_text_longer_than_the_limit_is_cut_between_characters() {
        let clean = sanitize(&"ü".repeat(LONGEST));
        assert_eq!(clean.chars().count(), LONGEST / 2);
    }

    #[test]
    fn html_without_text_and_image_is_blank() {
        for html in [
            "",
            "<p>&nbsp;</p>\n<br><hr>",
            "<script>x()</script>",
            "<p>&#8203;<b></b></p>",
            "<!-- x -->",
            "<style>p{}</style>",
            "<img src=\"/relative.png\">",
            "<a href=\"https://x.org\"></a>",
        ] {
            assert!(is_blank(&sanitize(html)), "{html}");
        }
        for html in ["x", "<p>&lt;</p>", "<img src=\"https://x.org/a.png\">", "<td>0"] {
            assert!(!is_blank(&sanitize(html)), "{html}");
        }
        assert!(is_blank(&markdown("<script>x()</script>\n\n[a]: https://x.org")));
    }

    #[test]
    fn markdown_can_not_smuggle_html_past_the_policy() {
        assert_eq!(
            markdown("**Now** <script>x()</script>\n\n[a](javascript:x)"),
            "<p><strong>Now</strong> </p>\n<p><a>a</a></p>\n"
        );
        assert!(markdown(&"> ".repeat(50_000)).len() < 200_000);
    }
}
