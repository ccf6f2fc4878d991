//! What must hold for any feed and any address.

use bellwether::domain::post::{guid_key, link_key};
use bellwether::domain::text::{multi_line, one_line};
use bellwether::ingesting::parse::{ParseError, parse};
use proptest::prelude::*;

const FIXTURES: [&[u8]; 4] = [
    include_bytes!("../fixtures/feeds/wordpress.xml"),
    include_bytes!("../fixtures/feeds/atom.xml"),
    include_bytes!("../fixtures/feeds/feed.json"),
    include_bytes!("../fixtures/feeds/latin-1.xml"),
];

fn address() -> impl Strategy<Value = String> {
    let part = "[A-Za-z0-9%._~!$'()*+,;:@-]{0,8}";
    let host = "(www\\.|WWW\\.)?[a-z][a-z0-9]{0,6}(\\.[a-z]{1,4}){1,2}(:[1-9][0-9]{0,3})?";
    let path = prop::collection::vec(part, 0..4);
    let query =
        prop::option::of(prop::collection::vec("(utm_source|UTM_x|p|ref|fbclid|q)(=[a-z0-9%]{0,4})?", 0..4));
    let fragment = prop::option::of("(#|utm_a=b|/route|item-[0-9])?");
    (host, path, query, fragment).prop_map(|(host, path, query, fragment)| {
        let query = query.map(|query| format!("?{}", query.join("&"))).unwrap_or_default();
        let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
        format!("{host}/{}{query}{fragment}", path.join("/"))
    })
}

proptest! {
    #[test]
    fn a_key_is_its_own_key_and_the_scheme_is_no_part_of_it(address in address()) {
        let https = format!("https://{address}");
        let http = format!("http://{address}");
        let key = link_key(&https).unwrap();
        prop_assert_eq!(link_key(&http).unwrap(), key.clone());
        prop_assert_eq!(link_key(&format!("https://{key}")).unwrap(), key);
        let key = guid_key(&https);
        prop_assert_eq!(guid_key(&http), key.clone());
        prop_assert_eq!(guid_key(&key), key.clone());
        prop_assert_eq!(guid_key(&format!("http://{key}")), key);
    }

    #[test]
    fn keys_of_anything_are_stable_and_fit_an_index(text in "\\PC{0,700}") {
        let key = guid_key(&text);
        prop_assert_eq!(guid_key(&key), key.clone());
        prop_assert!(key.len() <= 512);
        if let Some(key) = link_key(&text) {
            prop_assert!(key.len() <= 512);
        }
    }

    #[test]
    fn posts_told_apart_by_a_number_stay_apart(a in 0u32..100_000, b in 0u32..100_000) {
        prop_assume!(a != b);
        for form in ["https://site.example/?p=", "https://site.example/news/", "https://site.example/live#post-"] {
            let (a, b) = (format!("{form}{a}"), format!("{form}{b}"));
            prop_assert_ne!(guid_key(&a), guid_key(&b));
            prop_assert_ne!(link_key(&a), link_key(&b));
        }
    }

    #[test]
    fn cleaned_text_is_within_its_limit_and_clean(text in ".{0,200}", raw in any::<String>(), max in 0usize..120) {
        for text in [text, raw] {
            let line = one_line(&text, max);
            prop_assert!(line.chars().count() <= max);
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert_eq!(line.trim(), line.as_str());
            prop_assert_eq!(one_line(&line, max), line);
            let lines = multi_line(&text, max);
            prop_assert!(lines.chars().count() <= max);
            prop_assert!(!lines.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
            prop_assert_eq!(multi_line(&lines, max), lines);
        }
    }

    #[test]
    fn any_date_is_read_or_left_out(date in "[0-9A-Za-zé:+,. -]{0,40}") {
        let feed = format!("<rss version='2.0'><channel><item><guid>1</guid><pubDate>{date}</pubDate></item></channel></rss>");
        let read = parse(feed.as_bytes(), &"https://x.example/".parse().unwrap(), None);
        prop_assert_eq!(read.map(|feed| feed.items.len()), Ok(1));
    }

    #[test]
    fn any_bytes_are_a_feed_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400), start in 0usize..4) {
        let start = ["", "<rss version=\"2.0\"><channel>", "<?xml version='1.0' encoding='", "{\"items\":["][start];
        let base = "https://x.example/".parse().unwrap();
        let read = parse(&[start.as_bytes(), &bytes].concat(), &base, None);
        prop_assert_ne!(read, Err(ParseError::Panicked));
    }

    #[test]
    fn a_damaged_feed_is_a_feed_or_an_error(
        which in 0usize..4,
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..40), 1..6),
        charset in prop::option::of("[a-z0-9-]{0,12}"),
    ) {
        let mut bytes = FIXTURES[which].to_vec();
        for (at, byte, cut) in damages {
            let at = at.index(bytes.len());
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, [byte]);
        }
        let base = "https://x.example/".parse().unwrap();
        let content_type = charset.map(|charset| format!("text/xml; charset={charset}"));
        let read = parse(&bytes, &base, content_type.as_deref());
        prop_assert_ne!(&read, &Err(ParseError::Panicked));
        for post in read.into_iter().flat_map(|feed| feed.items) {
            prop_assert!(!post.guid.is_empty() && !post.title.is_empty());
            prop_assert!(post.url.is_none_or(|url| url.starts_with("http")));
        }
    }
}
