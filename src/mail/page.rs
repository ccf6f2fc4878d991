//! What a mail says, as a page on our own origin shows it: the same text, and nothing that would be loaded from
//! elsewhere. Pictures stand there as links.

use super::{
    compose::Story,
    fragment::without_controls,
    html::{Tags, sanitize},
    text::excerpt,
};

/// How much of a digest's story stands there, in characters; as in the digest.
const SUMMARY: usize = 400;

/// The text of an alert or a newsletter, sanitized, with its link below it.
pub fn article(body: &str, link: Option<&str>) -> String {
    let below = link.map(|link| format!("<p><a href=\"{}\">Read the full story</a></p>", escaped(link)));
    sanitize(&format!("{}{}", with_linked_pictures(body), below.unwrap_or_default()))
}

/// The stories of a digest, sanitized.
pub fn stories<'a>(stories: impl Iterator<Item = &'a Story>) -> String {
    let mut html = String::new();
    for story in stories {
        let mark = if story.corrected { "Corrected: " } else { "" };
        let title = format!("{mark}{}", escaped(&story.title));
        let title = match &story.link {
            Some(link) => format!("<a href=\"{}\">{title}</a>", escaped(link)),
            None => title,
        };
        let summary = escaped(&excerpt(&story.summary, SUMMARY));
        html.push_str(&format!("<h2>{title}</h2><p>{summary}</p>"));
    }
    sanitize(&html)
}

/// HTML with a link in the place of every picture.
pub fn with_linked_pictures(html: &str) -> String {
    // Sanitized, so that the quotes of attributes are what they seem.
    let clean = sanitize(html);
    let mut out = String::with_capacity(clean.len());
    let mut copied = 0;
    for tag in Tags::of(&clean).filter(|tag| tag.name == "img") {
        out.push_str(&clean[copied..tag.start]);
        copied = tag.end;
        let source = &clean[tag.start..tag.end];
        let says = attribute(source, "alt").filter(|alt| !alt.trim().is_empty()).unwrap_or("Picture");
        if let Some(url) = attribute(source, "src") {
            out.push_str(&format!("<a href=\"{url}\">{}</a>", says.replace('<', "&lt;")));
        }
    }
    out.push_str(&clean[copied..]);
    out
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

fn escaped(text: &str) -> String {
    let text = without_controls(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_a_link_and_nothing_is_loaded() {
        let body = "<h2>A</h2><p>b <img src=\"https://x.org/p?a=1&amp;b=2\" alt=\"A map\"></p><p><img src=\"https://x.org/q\"></p>";
        assert_eq!(
            article(body, Some("https://x.org/\"><script>")),
            "<h2>A</h2><p>b <a href=\"https://x.org/p?a=1&amp;b=2\">A map</a></p>\
             <p><a href=\"https://x.org/q\">Picture</a></p>\
             <p><a href=\"https://x.org/&quot;&gt;&lt;script&gt;\">Read the full story</a></p>"
        );
        assert!(!article("<p><a href=\"/x\"><img src=\"https://x.org/q\"></a></p>", None).contains("<img"));
    }
}
