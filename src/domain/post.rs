//! What a post is, however it came to us (a feed, the API), and when two posts are the same one.

use aws_lc_rs::digest;
use url::Url;

use super::{markup, text, time::Timestamp};

/// A post as a site gives it. Made clean and brought within limits by [`PostDraft::tidy`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostDraft {
    /// The name the site gives it; unique within its source. Never empty.
    pub guid: String,
    /// Where it is read: absolute, http or https.
    pub url: Option<String>,
    /// Plain text on one line. Never empty in what a feed gave.
    pub title: String,
    /// Plain text on one line; may be empty.
    pub summary: String,
    /// The text as the site wrote it: NOT sanitized, and with links relative to `url`. Empty when there is none.
    pub html: String,
    pub author: Option<String>,
    pub categories: Vec<String>,
    pub tags: Vec<String>,
    /// When the site says it was published, which may be in the future; none when it doesn't say.
    pub published_at: Option<Timestamp>,
    /// A picture for it: absolute, http or https.
    pub image: Option<String>,
}

/// In characters.
pub const MAX_TITLE: usize = 300;
/// In characters.
pub const MAX_SUMMARY: usize = 500;
/// In bytes. Far more than a mail should hold: the common clients clip it at about 100 KB.
pub const MAX_HTML: usize = 256 * 1024;
const MAX_NAME: usize = 100;
const MAX_LABELS: usize = 50;
const MAX_URL: usize = 2000;
/// In bytes; PostgreSQL's indexes hold no more than some 2,700.
const MAX_KEY: usize = 512;

impl PostDraft {
    /// Cleans every field and brings it within its limit: texts are cut at a word, labels beyond the 50th and links that
    /// are not http or https are dropped, and a text that is beyond [`MAX_HTML`] or can't be parsed safely
    /// ([`markup::is_tangled`]) gives way to the summary and the link.
    #[must_use]
    pub fn tidy(self) -> Self {
        let readable = self.html.len() <= MAX_HTML && !markup::is_tangled(&self.html);
        Self {
            guid: self.guid.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned(),
            url: self.url.and_then(|url| web_address(&url)),
            title: text::one_line(&self.title, MAX_TITLE),
            summary: text::one_line(&self.summary, MAX_SUMMARY),
            html: if readable { self.html.replace('\0', "") } else { String::new() },
            author: self.author.map(|name| text::one_line(&name, MAX_NAME)).filter(|name| !name.is_empty()),
            categories: labels(self.categories),
            tags: labels(self.tags),
            published_at: self.published_at,
            image: self.image.and_then(|url| web_address(&url)),
        }
    }
}

/// The key of a post by its guid within its source: the guid without scheme. A guid that is a web address also loses
/// "www.", the default port and the slash at its end, and its host is lower-cased, because sites change those for all
/// their old posts at once. Parameters and fragments stay: `https://site.example/?p=1` is told from `?p=2` by nothing else.
pub fn guid_key(guid: &str) -> String {
    let guid = guid.trim();
    let key = match Url::parse(guid) {
        Ok(url) if is_web(&url) => {
            let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
            let fragment = url.fragment().map(|fragment| format!("#{fragment}")).unwrap_or_default();
            format!("{}{query}{fragment}", place(&url))
        }
        _ => guid.to_owned(),
    };
    bounded(key)
}

/// The key of a post by its link: what stays the same when a site moves to https or "www.", or tags its links for
/// statistics. Gone are the scheme, the default port, "www.", the slash at the end, tracking parameters and tracking
/// fragments; percent-escapes are upper-case. Other parameters stay, in their order ("ref" too, which names a thing on
/// some sites), and so do fragments that name a place or a route: a live page's items differ by nothing else.
/// None for what is no http or https address.
pub fn link_key(url: &str) -> Option<String> {
    let url = Url::parse(url.trim()).ok().filter(is_web)?;
    let kept: Vec<&str> = url
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && !is_tracking(pair))
        .collect();
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    let fragment = match url.fragment() {
        Some(fragment) if !fragment.is_empty() && !is_tracking_fragment(fragment) => format!("#{fragment}"),
        _ => String::new(),
    };
    Some(bounded(upper_escapes(&format!("{}{query}{fragment}", place(&url)))))
}

/// An absolute http or https address as a browser would write it, or none.
fn web_address(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok().filter(is_web)?;
    (url.as_str().len() <= MAX_URL).then(|| url.into())
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// Host, port and path. Both web ports are dropped whatever the scheme is, for the scheme is not part of a key.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_prefix("www.").filter(|rest| rest.contains('.')).unwrap_or(host);
    let port = match url.port() {
        None | Some(80 | 443) => String::new(),
        Some(port) => format!(":{port}"),
    };
    format!("{host}{port}{}", url.path().trim_end_matches('/'))
}

/// Parameters that say how a reader came, added by campaigns, mailers and social networks.
fn is_tracking(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
    name.starts_with("utm_")
        || matches!(
            name.as_str(),
            "fbclid" | "gclid" | "dclid" | "msclkid" | "yclid" | "igshid" | "mc_cid" | "mc_eid"
        )
}

/// `#utm_source=rss`, `#xtor=RSS-1`: a name and a value, where an anchor or a route has only a name.
fn is_tracking_fragment(fragment: &str) -> bool {
    fragment.split('&').all(|pair| is_tracking(pair) || pair.starts_with("xtor=") || pair.starts_with("ref="))
}

fn upper_escapes(text: &str) -> String {
    let mut escape = 0;
    text.chars()
        .map(|c| {
            escape = if c == '%' { 2 } else { i32::max(escape - 1, -1) };
            if escape >= 0 && c.is_ascii_hexdigit() { c.to_ascii_uppercase() } else { c }
        })
        .collect()
}

/// A key as it is, or its digest where it would be too long for an index.
fn bounded(key: String) -> String {
    if key.len() <= MAX_KEY { key } else { digest_of(&[&key]) }
}

/// A name made from the contents of a thing that has none: `sha256:` and 64 hexadecimal digits.
pub fn digest_of(parts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part.as_bytes());
        context.update(b"\0");
    }
    let hex: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Cleaned, without repetitions (in any case), at most 50.
fn labels(given: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for label in given {
        let label = text::one_line(&label, MAX_NAME);
        let known = kept.iter().any(|other| other.to_lowercase() == label.to_lowercase());
        if !label.is_empty() && !known {
            kept.push(label);
        }
        if kept.len() == MAX_LABELS {
            break;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_the_same_post_when_the_site_moves_or_tags_it() {
        let key = link_key("https://site.example/2026/11/results/").unwrap();
        assert_eq!(key, "site.example/2026/11/results");
        for same in [
            "http://www.SITE.example/2026/11/results",
            "https://site.example:443/2026/11/results/?utm_source=rss&utm_medium=rss",
            "http://site.example:80/2026/11/results?fbclid=x#",
            "https://site.example/2026/11/results/#utm_source=feed&utm_campaign=x",
            "https://site.example/2026/11/results/#xtor=RSS-1",
            " https://site.example/2026/11/results?&mc_cid=1&mc_eid=2 ",
        ] {
            assert_eq!(link_key(same).as_deref(), Some(key.as_str()), "{same}");
        }
    }

    #[test]
    fn links_that_name_different_things_stay_apart() {
        let links = [
            "https://site.example/?p=1",
            "https://site.example/?p=2",
            "https://site.example/?p=1&ref=de",
            "https://site.example/live#item-1",
            "https://site.example/live#item-2",
            "https://site.example/#/post/2",
            "https://site.example:8080/live",
            "https://site.example/Live",
            "https://news.site.example/live",
        ];
        let mut keys: Vec<_> = links.iter().map(|link| link_key(link).unwrap()).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), links.len());
    }

    #[test]
    fn escapes_have_one_case_and_other_addresses_have_no_key() {
        assert_eq!(
            link_key("https://site.example/w%c3%a4hler%2f%zz"),
            link_key("https://site.example/w%C3%A4hler%2F%zz")
        );
        assert_eq!(link_key("https://site.example/wähler"), link_key("https://site.example/w%c3%a4hler"));
        for none in ["mailto:desk@site.example", "javascript:alert(1)", "/relative", "", "https://"] {
            assert_eq!(link_key(none), None, "{none}");
        }
    }

    #[test]
    fn a_guid_loses_its_scheme_and_keeps_what_tells_posts_apart() {
        assert_eq!(guid_key("https://site.example/?p=123"), "site.example?p=123");
        assert_eq!(guid_key("http://www.site.example/?p=123"), "site.example?p=123");
        assert_ne!(guid_key("https://site.example/?p=12"), guid_key("https://site.example/?p=123"));
        assert_ne!(guid_key("https://site.example/live#1"), guid_key("https://site.example/live#2"));
        assert_eq!(guid_key(" tag:site.example,2026:7 "), "tag:site.example,2026:7");
        assert_ne!(guid_key("ABC"), guid_key("abc"));
    }

    #[test]
    fn a_key_fits_an_index() {
        let long = format!("https://site.example/{}", "a".repeat(3000));
        assert_eq!(link_key(&long).unwrap().len(), "sha256:".len() + 64);
        assert_ne!(guid_key(&long), guid_key(&format!("{long}b")));
    }

    #[test]
    fn a_draft_is_tidied() {
        let draft = PostDraft {
            guid: " a\r\n1 ".into(),
            url: Some("javascript:alert(1)".into()),
            title: "Polls\nclose\u{202e}".into(),
            html: "x".repeat(MAX_HTML + 1),
            author: Some(" ".into()),
            categories: vec!["Senate".into(), "senate ".into(), String::new()],
            image: Some("https://site.example/a b.jpg".into()),
            ..PostDraft::default()
        };
        let tidy = draft.tidy();
        assert_eq!(
            (tidy.guid.as_str(), tidy.url.as_deref(), tidy.title.as_str()),
            ("a1", None, "Polls close")
        );
        assert_eq!((tidy.html.as_str(), tidy.author), ("", None));
        assert_eq!(tidy.categories, ["Senate"]);
        assert_eq!(tidy.image.as_deref(), Some("https://site.example/a%20b.jpg"));
        assert_eq!(tidy.url, None);
    }
}
