//! The archive as an Atom feed (RFC 4287): an entry for each issue, with what is right of it.

use std::fmt::Write;

use axum::http::{HeaderMap, header};

use crate::domain::{time::Timestamp, token::sha256};
use crate::publishing::archive::{Entry, Part, Standing};
use crate::web::pages::Site;

/// The feed of a topic, or of all where `topic` is empty.
pub fn feed(site: &Site, topic: &str, part: &Part) -> String {
    let query = if topic.is_empty() { String::new() } else { format!("?topic={}", encoded(topic)) };
    let (home, brand) = (&site.public_url, escaped(&site.brand));
    let page = escaped(&format!("{home}/archive{query}"));
    let own = escaped(&format!("{home}/archive/feed.atom{query}"));
    // Where nothing has been published the archive never changed.
    let updated = part.entries.iter().map(|entry| entry.updated).max().unwrap_or(Timestamp::from_micros(0));
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"en\">\n<id>{page}</id>\n<title>{brand}</title>\n\
         <updated>{updated}</updated>\n<author><name>{brand}</name></author>\n\
         <link rel=\"self\" type=\"application/atom+xml\" href=\"{own}\"/>\n\
         <link rel=\"alternate\" type=\"text/html\" href=\"{page}\"/>\n"
    );
    for it in &part.entries {
        entry(&mut out, home, it);
    }
    out.push_str("</feed>\n");
    out
}

fn entry(out: &mut String, home: &str, it: &Entry) {
    let (before, note) = match it.standing {
        Standing::Stands => ("", ""),
        Standing::Corrected => {
            ("CORRECTED: ", "<p><strong>Corrected.</strong> What we had said was wrong.</p>")
        }
        Standing::Withdrawn => {
            ("WITHDRAWN: ", "<p><strong>Withdrawn.</strong> We stopped this before everybody had it.</p>")
        }
    };
    let title = escaped(&format!("{before}{}", it.title));
    let page = escaped(&format!("{home}/a/{}", it.issue));
    let _ = write!(
        out,
        "<entry>\n<id>urn:uuid:{}</id>\n<title>{title}</title>\n<published>{}</published>\n<updated>{}</updated>\n\
         <link rel=\"alternate\" type=\"text/html\" href=\"{page}\"/>\n",
        it.issue, it.at, it.updated
    );
    for (slug, name) in &it.topics {
        let _ = writeln!(out, "<category term=\"{}\" label=\"{}\"/>", escaped(slug), escaped(name));
    }
    let _ = write!(
        out,
        "<summary>{}</summary>\n<content type=\"html\">{}</content>\n</entry>\n",
        escaped(&it.excerpt),
        escaped(&format!("{note}{}", it.html))
    );
}

/// A strong validator of what is sent (RFC 9110, section 8.8.3).
pub fn tag(feed: &str) -> String {
    let hash = sha256(feed.as_bytes());
    let hex: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

/// An instant as HTTP has it (RFC 9110, section 5.6.7), rounded up to the second: what changed within it is later.
pub fn http_date(at: Timestamp) -> String {
    rounded_up(at).to_jiff().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn rounded_up(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(-(-at.as_micros()).div_euclid(1_000_000) * 1_000_000)
}

/// Whether whoever asks has it as it is: by its tag, and only without one by the date.
pub fn is_known(headers: &HeaderMap, tag: &str, changed: Timestamp) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(tags) = text(header::IF_NONE_MATCH) {
        return tags.split(',').map(str::trim).any(|it| it == "*" || it.trim_start_matches("W/") == tag);
    }
    let since = text(header::IF_MODIFIED_SINCE);
    let since =
        since.and_then(|date| jiff::civil::DateTime::strptime("%a, %d %b %Y %H:%M:%S GMT", date).ok());
    let since = since.and_then(|date| jiff::tz::Offset::UTC.to_timestamp(date).ok());
    since.is_some_and(|since| Timestamp::from_jiff(since) >= rounded_up(changed))
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Text as it may stand in XML, without the characters that XML 1.0 has no way to write (section 2.2).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_write_is_left_out() {
        assert_eq!(escaped("a<b>\u{1}&\"\u{ffff}c\n"), "a&lt;b&gt;&amp;&quot;c\n");
    }

    #[test]
    fn a_date_is_read_as_it_is_written() {
        let at = Timestamp::parse_rfc3339("2026-11-03T20:00:00.5Z").unwrap();
        let date = http_date(at);
        assert_eq!(date, "Tue, 03 Nov 2026 20:00:01 GMT");
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MODIFIED_SINCE, date.parse().unwrap());
        assert!(is_known(&headers, "\"a\"", at));
        assert!(!is_known(&headers, "\"a\"", at.plus(std::time::Duration::from_secs(1))));
        headers.insert(header::IF_NONE_MATCH, "\"b\"".parse().unwrap());
        assert!(!is_known(&headers, "\"a\"", at), "the tag goes before the date");
        headers.insert(header::IF_NONE_MATCH, "\"b\", W/\"a\"".parse().unwrap());
        assert!(is_known(&headers, "\"a\"", at));
    }
}
