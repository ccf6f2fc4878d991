//! What is looked at before a feed's bytes go to the feed parser: charset, size, depth, entities and numbers, so that
//! nothing from outside can exhaust the stack, the memory or the time. Also picks up what the parser passes over.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;
use url::Url;

use super::parse::ParseError;

/// Of elements in XML, of arrays and objects in JSON.
pub const MAX_DEPTH: usize = 100;
/// More than this is refused; of fewer the newest are kept.
const MAX_ITEMS: usize = 10_000;
/// The XML reader compares an element's attributes pair by pair.
const MAX_ATTRIBUTES: usize = 200;
/// In force at once: the XML reader looks every prefix up in all of them.
const MAX_NAMESPACES: usize = 200;
/// Of one item: each inherits copies of what stands beside it.
const MAX_MEDIA_GROUPS: usize = 8;

/// A feed that the parser can be given.
#[derive(Debug)]
pub struct Screened<'a> {
    /// UTF-8, without an XML declaration.
    pub text: Cow<'a, str>,
    /// The picture of each item, in the feed's order, where the parser doesn't see it: a thumbnail that stands alone,
    /// a media element that says it is an image, the `image` of a JSON Feed item.
    pub images: Vec<Option<String>>,
}

/// # Errors
/// When it is too deep or too much, declares entities, or is no feed to begin with.
pub fn screen<'a>(
    bytes: &'a [u8],
    content_type: Option<&str>,
    base: &Url,
) -> Result<Screened<'a>, ParseError> {
    let text = decode(bytes, content_type);
    match text.find(|c: char| !c.is_whitespace() && c != '\u{feff}').map(|at| &text[at..]) {
        None => Err(ParseError::Empty),
        Some(json) if json.starts_with(['{', '[']) => screen_json(json),
        Some(_) => {
            let xml = with_ampersands_escaped(without_declaration(text));
            let images = screen_xml(&xml, base)?;
            Ok(Screened { text: xml, images })
        }
    }
}

/// UTF-8 where the bytes are UTF-8, whatever is said about them: servers often claim a charset for all their files.
/// Else what the HTTP header says (RFC 7303, section 3), what the XML declaration says, or windows-1252.
fn decode<'a>(bytes: &'a [u8], content_type: Option<&str>) -> Cow<'a, str> {
    let unmarked_utf16 = match bytes {
        [b'<', 0, ..] => Some(UTF_16LE),
        [0, b'<', ..] => Some(UTF_16BE),
        _ => None,
    };
    let declared = || {
        labelled(content_type.unwrap_or_default(), "charset=")
            .or_else(|| labelled(&prolog(bytes), "encoding="))
    };
    let has_escapes = bytes.contains(&0x1b); // ISO-2022-JP looks like ASCII
    let encoding = if let Some((marked, _)) = Encoding::for_bom(bytes) {
        marked
    } else if let Some(utf16) = unmarked_utf16 {
        utf16
    } else if std::str::from_utf8(bytes).is_ok() {
        if has_escapes { declared().unwrap_or(UTF_8) } else { UTF_8 }
    } else {
        declared().filter(|&declared| declared != UTF_8).unwrap_or(WINDOWS_1252)
    };
    encoding.decode(bytes).0
}

fn prolog(bytes: &[u8]) -> String {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]);
    head.split_once("<?xml ")
        .and_then(|(_, rest)| rest.split_once("?>"))
        .map(|(inside, _)| inside.to_owned())
        .unwrap_or_default()
}

fn labelled(text: &str, key: &str) -> Option<&'static Encoding> {
    let at = text.to_ascii_lowercase().find(key)?;
    let value = text[at + key.len()..].trim_start_matches(['"', '\'']);
    Encoding::for_label(value.split(['"', '\'', ';', ' ']).next()?.as_bytes())
}

/// Cuts off an XML declaration and stray output before it: the text is UTF-8 now, whatever the declaration says.
fn without_declaration(text: Cow<'_, str>) -> Cow<'_, str> {
    let mark = text.find('<').filter(|&at| text[at..].starts_with("<?xml "));
    let Some(end) = mark.and_then(|at| text[at..].find("?>").map(|end| at + end + 2)) else { return text };
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[end..]),
        Cow::Owned(mut text) => {
            text.drain(..end);
            Cow::Owned(text)
        }
    }
}

/// Escapes each `&` that begins no reference ("AT&T"): it is the commonest fault of feeds, and fatal in XML.
fn with_ampersands_escaped(xml: Cow<'_, str>) -> Cow<'_, str> {
    let mut mended = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = xml[at..].find(['&', '<']) {
        at += found;
        let rest = &xml[at..];
        if rest.starts_with("<![CDATA[") {
            at += rest.find("]]>").unwrap_or(rest.len());
            continue;
        }
        at += 1;
        if rest.starts_with('&') && !is_reference(rest) {
            mended.push_str(&xml[copied..at]);
            mended.push_str("amp;");
            copied = at;
        }
    }
    if copied == 0 {
        return xml;
    }
    mended.push_str(&xml[copied..]);
    Cow::Owned(mended)
}

/// Whether this `&` begins a named or numeric character reference; no name is longer than 32 characters.
fn is_reference(text: &str) -> bool {
    let Some((end, _)) = text.char_indices().take(34).find(|&(_, c)| c == ';') else { return false };
    let name = &text[1..end];
    let number = name.strip_prefix('#');
    let code = match number.and_then(|number| number.strip_prefix('x')) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.unwrap_or("38").parse(),
    };
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
    let is_character = code.is_ok_and(|code| code != 0 && char::from_u32(code).is_some());
    is_character
        && (is_name || number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_alphanumeric())))
}

/// Reads through to the end of the root element. What is not well-formed is left to the parser to name.
fn screen_xml(xml: &str, base: &Url) -> Result<Vec<Option<String>>, ParseError> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().trim_markup_names_in_closing_tags = true;
    let mut namespaces_of_open: Vec<usize> = Vec::new();
    let mut items: Vec<Item> = Vec::new();
    let mut root_seen = false;
    while let Ok(event) = reader.read_event() {
        match event {
            Event::DocType(doctype) if doctype.contains("<!ENTITY") => return Err(ParseError::Entities),
            Event::Start(tag) => {
                if !root_seen {
                    root_seen = true;
                    expect_feed(&tag, xml, base)?;
                }
                look_at(&tag, &mut items)?;
                namespaces_of_open.push(namespaces(&tag));
                if namespaces_of_open.len() > MAX_DEPTH {
                    return Err(ParseError::TooDeep);
                }
                if namespaces_of_open.iter().sum::<usize>() > MAX_NAMESPACES {
                    return Err(ParseError::TooMuch);
                }
            }
            Event::Empty(tag) => {
                if !root_seen {
                    return Err(ParseError::NotAFeed);
                }
                look_at(&tag, &mut items)?;
            }
            Event::End(_) => {
                namespaces_of_open.pop();
                if namespaces_of_open.is_empty() {
                    break;
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    // A page of HTML is seldom well-formed up to its first element.
    if !root_seen {
        let looks_like_html =
            xml.trim_start().get(..9).is_some_and(|head| head.eq_ignore_ascii_case("<!doctype"));
        return Err(if looks_like_html { html(xml, base) } else { ParseError::NotAFeed });
    }
    Ok(items.into_iter().map(|item| item.thumbnail.or(item.picture)).collect())
}

fn expect_feed(root: &BytesStart<'_>, xml: &str, base: &Url) -> Result<(), ParseError> {
    match root.local_name().as_ref().to_ascii_lowercase().as_str() {
        "rss" | "feed" | "rdf" | "entry" => Ok(()),
        "html" | "head" | "body" | "title" | "meta" => Err(html(xml, base)),
        _ => Err(ParseError::NotAFeed),
    }
}

#[derive(Default)]
struct Item {
    groups: usize,
    thumbnail: Option<String>,
    picture: Option<String>,
}

fn look_at(tag: &BytesStart<'_>, items: &mut Vec<Item>) -> Result<(), ParseError> {
    if tag.attributes().with_checks(false).take(MAX_ATTRIBUTES + 1).count() > MAX_ATTRIBUTES {
        return Err(ParseError::TooMuch);
    }
    let name = tag.name();
    let local = tag.local_name();
    match local.as_ref() {
        "item" | "entry" => {
            items.push(Item::default());
            if items.len() > MAX_ITEMS {
                return Err(ParseError::TooMuch);
            }
        }
        "group" => {
            if let Some(item) = items.last_mut() {
                item.groups += 1;
                if item.groups > MAX_MEDIA_GROUPS {
                    return Err(ParseError::TooMuch);
                }
            }
        }
        // Media RSS comes with a prefix; Atom's own <content> has none.
        "thumbnail" | "content" if name.as_ref().len() > local.as_ref().len() => {
            if let Some(item) = items.last_mut() {
                let url = attribute(tag, "url").filter(|url| !url.contains("gravatar.com/"));
                if local.as_ref() == "thumbnail" {
                    item.thumbnail = item.thumbnail.take().or(url);
                } else if attribute(tag, "medium").is_some_and(|medium| medium == "image") {
                    item.picture = item.picture.take().or(url);
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn namespaces(tag: &BytesStart<'_>) -> usize {
    tag.attributes()
        .with_checks(false)
        .flatten()
        .filter(|attribute| attribute.key.as_ref().starts_with("xmlns"))
        .count()
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found =
        tag.attributes().with_checks(false).flatten().find(|attribute| attribute.key.as_ref() == name)?;
    let value = quick_xml::escape::unescape(&found.value).ok()?;
    Some(value.into_owned())
}

/// Someone gave the site's address: names the feed that the page announces, if it does.
fn html(page: &str, base: &Url) -> ParseError {
    const LOOKED_AT: usize = 200;
    const FEED_TYPES: [&str; 3] = ["application/rss+xml", "application/atom+xml", "application/feed+json"];
    let lower = page.to_ascii_lowercase();
    let feed = lower.match_indices("<link").take(LOOKED_AT).find_map(|(at, _)| {
        let end = at + lower[at..].find('>')?;
        let tag = BytesStart::from_content(page.get(at + 1..end)?.trim_end_matches('/'), "link".len());
        let mut rel = None;
        let mut kind = None;
        let mut href = None;
        for attribute in tag.html_attributes().with_checks(false).flatten() {
            match attribute.key.as_ref().to_ascii_lowercase().as_str() {
                "rel" => rel = Some(attribute.value.to_ascii_lowercase()),
                "type" => kind = Some(attribute.value.to_ascii_lowercase()),
                "href" => href = Some(attribute.value.replace("&amp;", "&")),
                _ => {}
            }
        }
        let announces =
            rel?.split_whitespace().any(|word| word == "alternate") && FEED_TYPES.contains(&kind?.trim());
        if announces { base.join(href?.trim()).ok() } else { None }
    });
    ParseError::Html { feed }
}

/// Counts depth and objects by hand, then rounds off what the parser would refuse a whole feed for: ids that are
/// numbers, a missing title; and keeps one author of the feed, whom every item without one inherits.
fn screen_json(json: &str) -> Result<Screened<'static>, ParseError> {
    count_json(json)?;
    let mut feed: Value =
        serde_json::from_str(json).map_err(|error| ParseError::Broken(error.to_string()))?;
    let mut images = Vec::new();
    let Some(fields) = feed.as_object_mut().filter(|fields| fields.contains_key("items")) else {
        return Err(ParseError::NotAFeed);
    };
    fields.entry("title").or_insert_with(|| "".into());
    if let Some(authors) = fields.get_mut("authors").and_then(Value::as_array_mut) {
        authors.truncate(1);
    }
    for item in fields.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(id) = item.get_mut("id").filter(|id| id.is_number()) {
            *id = id.to_string().into();
        }
        let image = ["image", "banner_image"].iter().find_map(|name| item.get(name)?.as_str());
        images.push(image.map(str::to_owned));
    }
    Ok(Screened { text: Cow::Owned(feed.to_string()), images })
}

fn count_json(json: &str) -> Result<(), ParseError> {
    let mut depth = 0usize;
    let mut objects = 0;
    let mut in_string = false;
    let mut escaped = false;
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                objects += usize::from(byte == b'{');
                if depth > MAX_DEPTH {
                    return Err(ParseError::TooDeep);
                }
                // An item has some objects of its own: authors, attachments, extensions.
                if objects > 4 * MAX_ITEMS {
                    return Err(ParseError::TooMuch);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ampersand_that_begins_nothing_is_escaped() {
        let mend = |xml: &'static str| with_ampersands_escaped(Cow::Borrowed(xml)).into_owned();
        assert_eq!(mend("<a>AT&T & co; &</a>"), "<a>AT&amp;T &amp; co; &amp;</a>");
        assert_eq!(mend("<a>&amp; &nbsp; &#38; &#x26;</a>"), "<a>&amp; &nbsp; &#38; &#x26;</a>");
        assert_eq!(mend("&#0; &#xD800; &#; &#+5; &;"), "&amp;#0; &amp;#xD800; &amp;#; &amp;#+5; &amp;;");
        assert_eq!(mend("<![CDATA[a & b]]> & <![CDATA[&"), "<![CDATA[a & b]]> &amp; <![CDATA[&");
    }
}
