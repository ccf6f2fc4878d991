//! Feeds as sites really serve them: well-formed, old, broken and hostile ones, over a real socket where that matters.

use std::time::Duration;

use bellwether::config::Network;
use bellwether::domain::{post::PostDraft, time::Timestamp};
use bellwether::ingesting::fetch::{FetchError, FetchRequest, Fetched, Fetcher, MAX_BODY};
use bellwether::ingesting::parse::{MAX_POSTS, ParseError, ParsedFeed, parse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

const WORDPRESS: &[u8] = include_bytes!("../fixtures/feeds/wordpress.xml");

fn read(bytes: &[u8], base: &str) -> Result<ParsedFeed, ParseError> {
    parse(bytes, &base.parse().unwrap(), None)
}

fn at(text: &str) -> Option<Timestamp> {
    Some(Timestamp::parse_rfc3339(text).unwrap())
}

#[test]
fn a_wordpress_feed_becomes_posts_newest_first() {
    let feed = read(WORDPRESS, "https://ledger.example/feed/").unwrap();
    assert_eq!(feed.title, "The Harbour Ledger – Elections");
    let [polls, turnout, ballot] = feed.items.as_slice() else {
        panic!("three posts, not {}", feed.items.len())
    };

    assert_eq!(
        *polls,
        PostDraft {
            guid: "https://ledger.example/?p=102".into(),
            url: Some("https://ledger.example/2026/11/polls-close/".into()),
            title: "Polls close at eight".into(),
            summary: "Doors shut at eight; who is in line may vote.".into(),
            html: "<p>Doors shut at eight; who is in line may vote.</p>".into(),
            author: Some("Ada Byrne".into()),
            categories: vec!["Senate".into()],
            tags: vec![],
            published_at: at("2026-11-03T21:00:00Z"),
            image: Some("https://ledger.example/img/doors.jpg".into()),
        }
    );
    assert_eq!(turnout.title, "Turnout map: “a long day” for clerks");
    assert_eq!(
        turnout.summary,
        "Queues of two hours in the east, none in the west. Our map shows where clerks ran out of pens first."
    );
    assert_eq!(turnout.author.as_deref(), Some("Ada Byrne, Sam Ocampo"));
    assert_eq!(turnout.categories, ["Turnout", "Maps & Charts"]);
    assert_eq!(turnout.image.as_deref(), Some("https://ledger.example/img/map-300.jpg"));
    assert!(turnout.html.contains("<script>"), "sanitizing is left to who shows it");

    assert_eq!(ballot.title, "Sample ballot & how to read it");
    assert_eq!(ballot.url.as_deref(), Some("https://ledger.example/2026/10/ballot/"));
    assert_eq!(ballot.summary, "One page Names on the left Ovals on the right");
    assert_eq!(ballot.image.as_deref(), Some("https://ledger.example/img/ballot.png"));
}

#[test]
fn an_atom_feed_becomes_posts() {
    let feed = read(include_bytes!("../fixtures/feeds/atom.xml"), "https://other.example/").unwrap();
    assert_eq!(feed.title, "Count Room");
    let [seven, eight] = feed.items.as_slice() else { panic!("two posts") };
    assert_eq!(seven.title, "Precinct 7 < precinct 9");
    assert_eq!(seven.guid, "tag:count.example,2026:7");
    assert_eq!(seven.url.as_deref(), Some("https://count.example/notes/7"), "relative to xml:base");
    assert_eq!(seven.published_at, at("2026-11-04T06:30:00Z"));
    assert_eq!(
        (seven.author.as_deref(), seven.categories.as_slice()),
        (Some("Noor Haddad"), &["Precincts".to_owned()][..])
    );
    assert_eq!(seven.summary, "Fewer ballots in 7 & more in 9.");
    assert_eq!(seven.html, "<p>Fewer <em>ballots</em> in 7.</p>");
    assert_eq!(
        (eight.title.as_str(), eight.summary.as_str()),
        ("Recount & review", "A recount begins at noon.")
    );
    assert_eq!(eight.published_at, at("2026-11-04T02:00:00Z"), "the update's date where no other is given");
}

#[test]
fn a_json_feed_becomes_posts_though_ids_are_numbers_and_titles_missing() {
    let feed = read(include_bytes!("../fixtures/feeds/feed.json"), "https://desk.example/feed.json").unwrap();
    let [note, early] = feed.items.as_slice() else { panic!("two posts") };
    assert_eq!((early.guid.as_str(), early.title.as_str()), ("41", "Early votes: 5 < 6"));
    assert_eq!(early.url.as_deref(), Some("https://desk.example/notes/41"));
    assert_eq!((early.author.as_deref(), early.tags.len()), (Some("The desk"), 2));
    assert_eq!(early.image.as_deref(), Some("https://desk.example/img/41.jpg"));
    assert_eq!(early.published_at, at("2026-10-30T08:00:00Z"));
    assert_eq!(note.title, "No title here, only a note: the count resumes at nine. Bring <coffee>.");
    assert_eq!(
        note.html,
        "<p>No title here, only a note: the count resumes at nine.</p><p>Bring &lt;coffee&gt;.</p>"
    );
    assert_eq!(note.author.as_deref(), Some("Kit"));
}

#[test]
fn a_post_without_a_guid_is_named_by_its_link_or_by_what_it_says() {
    let bytes = include_bytes!("../fixtures/feeds/no-guids.xml");
    let feed = read(bytes, "https://town.example/feed").unwrap();
    assert_eq!(feed, read(bytes, "https://elsewhere.example/").unwrap(), "the same names at every poll");
    let [link, text, later, earlier] = feed.items.as_slice() else {
        panic!("four posts, not {}", feed.items.len())
    };
    assert_eq!(link.guid, "https://town.example/a");
    assert_eq!(later.published_at, at("2026-11-04T01:00:00Z"));
    assert!(later.guid.starts_with("sha256:") && later.guid != earlier.guid && later.title == earlier.title);
    assert_eq!(text.title, "Only a text, without a title.");
}

#[test]
fn old_charsets_are_read_by_declaration_and_by_content_type() {
    let declared = include_bytes!("../fixtures/feeds/latin-1.xml");
    let feed = read(declared, "https://kreis.example/").unwrap();
    assert_eq!(feed.title, "Stimmkreis München");
    assert_eq!(feed.items[0].title, "Auszählung läuft – erste Säle fertig");

    let start = declared.iter().position(|&byte| byte == b'\n').unwrap();
    let base = "https://kreis.example/".parse().unwrap();
    let by_header = parse(&declared[start..], &base, Some("text/xml; charset=\"ISO-8859-1\"")).unwrap();
    assert_eq!(by_header.items[0].title, feed.items[0].title);

    // A server that claims one charset for all its files doesn't spoil a feed in UTF-8.
    let mislabelled = parse(WORDPRESS, &base, Some("text/xml; charset=iso-8859-1")).unwrap();
    assert_eq!(mislabelled.title, "The Harbour Ledger – Elections");

    let utf16: Vec<u8> = "\u{feff}<rss version=\"2.0\"><channel><title>Zwölf</title></channel></rss>"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(read(&utf16, "https://kreis.example/").unwrap().title, "Zwölf");
}

#[test]
fn a_site_given_instead_of_its_feed_is_told_and_the_feed_named() {
    let error =
        read(include_bytes!("../fixtures/feeds/site.html"), "https://ledger.example/start").unwrap_err();
    assert_eq!(
        error.to_string(),
        "this is the address of a web page, not of a feed; the page names this feed: https://ledger.example/feed/?a=1&b=2"
    );
    assert_eq!(read(b"<html><body>Hello", "https://x.example/"), Err(ParseError::Html { feed: None }));
}

#[test]
fn what_is_no_feed_or_a_hostile_one_is_an_error() {
    let refused = |bytes: &[u8]| read(bytes, "https://x.example/").unwrap_err();
    assert_eq!(refused(b" \n"), ParseError::Empty);
    assert_eq!(refused(include_bytes!("../fixtures/feeds/garbage.bin")), ParseError::NotAFeed);
    assert_eq!(refused(include_bytes!("../fixtures/feeds/garbage.json")), ParseError::NotAFeed);
    assert_eq!(refused(include_bytes!("../fixtures/feeds/billion-laughs.xml")), ParseError::Entities);
    assert_eq!(refused(&vec![b' '; MAX_BODY + 1]), ParseError::TooLarge);
    assert_eq!(refused(format!("<rss>{}", "<a>".repeat(200_000)).as_bytes()), ParseError::TooDeep);
    assert_eq!(refused("[".repeat(200_000).as_bytes()), ParseError::TooDeep);
    assert_eq!(refused(format!("<rss {}/>", "a='' ".repeat(300)).as_bytes()), ParseError::NotAFeed);
    assert_eq!(
        refused(format!("<rss {}><channel/></rss>", "a='' ".repeat(300)).as_bytes()),
        ParseError::TooMuch
    );
    assert_eq!(refused(format!("<rss>{}", "<item/>".repeat(20_000)).as_bytes()), ParseError::TooMuch);
    assert_eq!(refused(format!("[{}]", "{},".repeat(50_000)).as_bytes()), ParseError::TooMuch);
    let groups = format!("<rss><item>{}", "<m:group></m:group>".repeat(9));
    assert_eq!(refused(groups.as_bytes()), ParseError::TooMuch);
    let cut_short = &WORDPRESS[..WORDPRESS.len() / 2];
    assert!(matches!(refused(cut_short), ParseError::Broken(_)));
}

#[test]
fn of_a_long_feed_the_newest_are_kept_and_deep_html_hurts_nobody() {
    let many = MAX_POSTS + 500;
    let items: String = (0..many)
        .map(|n| {
            let date = Timestamp::from_micros(n as i64 * 60_000_000);
            format!("<item><guid>{n}</guid><pubDate>{date}</pubDate></item><item><guid>undated</guid></item>")
        })
        .collect();
    let feed = format!("<rss version='2.0'><channel>{items}</channel></rss>");
    let posts = read(feed.as_bytes(), "https://x.example/").unwrap().items;
    assert_eq!(posts.len(), MAX_POSTS);
    assert_eq!(posts[0].guid, "undated", "once, and before all others");
    assert_eq!(posts[1].guid, (many - 1).to_string());

    let deep = "&lt;b&gt;".repeat(100_000);
    let deep = format!(
        "<rss version='2.0'><channel><item><guid>1</guid><title>{deep}x</title><description>{deep}</description></item></channel></rss>"
    );
    assert_eq!(read(deep.as_bytes(), "https://x.example/").unwrap().items.len(), 1);
}

#[test]
fn a_stray_ampersand_does_not_spoil_a_feed() {
    let feed = "<rss version='2.0'><channel><item><title>Byrne & Ocampo at R&D</title><guid>1</guid></item></channel></rss>";
    assert_eq!(read(feed.as_bytes(), "https://x.example/").unwrap().items[0].title, "Byrne & Ocampo at R&D");
}

#[test]
fn stray_output_before_and_after_a_feed_is_overlooked() {
    let messy =
        [b"\n\nNotice: cache is cold\n".as_slice(), WORDPRESS, b"\n<!-- 0.2 s --> <b>Warning"].concat();
    assert_eq!(read(&messy, "https://ledger.example/").unwrap().items.len(), 3);
}

/// A site on loopback: answers one connection after the other as scripted, and gives the requests when it is joined.
async fn site(answers: Vec<Vec<u8>>) -> (Url, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/feed", listener.local_addr().unwrap()).parse().unwrap();
    let task = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap());
            }
            requests.push(String::from_utf8(request).unwrap().to_ascii_lowercase());
            let _ = socket.write_all(&answer).await;
        }
        requests
    });
    (url, task)
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes(), body].concat()
}

fn fetcher() -> Fetcher {
    let loopback = Network { address: [127, 0, 0, 1].into(), prefix: 32 };
    Fetcher::new(vec![loopback], &"https://news.example.org".parse().unwrap()).unwrap()
}

async fn fetch(url: &Url) -> Result<Fetched, FetchError> {
    let request = FetchRequest { url: url.clone(), etag: None, last_modified: None };
    fetcher().fetch(&request, Timestamp::parse_rfc3339("2026-11-03T20:00:00Z").unwrap()).await
}

#[tokio::test]
async fn a_feed_is_fetched_once_and_then_only_when_it_changed() {
    let (url, site) = site(vec![
        answer("200 OK\r\nETag: \"v1\"\r\nLast-Modified: Tue, 03 Nov 2026 21:05:00 GMT\r\nContent-Type: application/rss+xml", WORDPRESS),
        answer("304 Not Modified", b""),
    ])
    .await;
    let Fetched::Body { bytes, etag, last_modified, content_type, final_url, moved_to } =
        fetch(&url).await.unwrap()
    else {
        panic!("a body")
    };
    assert_eq!((bytes.as_slice(), &final_url, moved_to), (WORDPRESS, &url, None));
    assert_eq!(content_type.as_deref(), Some("application/rss+xml"));

    let again = FetchRequest { url, etag, last_modified };
    let answer = fetcher().fetch(&again, Timestamp::from_micros(0)).await.unwrap();
    assert_eq!(answer, Fetched::NotModified { moved_to: None });

    let requests = site.await.unwrap();
    assert!(
        requests[0].contains("user-agent: bellwether/0.1.0 (+https://news.example.org/)\r\n"),
        "{}",
        requests[0]
    );
    assert!(!requests[0].contains("if-none-match"));
    assert!(requests[1].contains("if-none-match: \"v1\"\r\n"));
    assert!(requests[1].contains("if-modified-since: tue, 03 nov 2026 21:05:00 gmt\r\n"));
}

#[tokio::test]
async fn a_permanent_move_is_reported_up_to_the_first_temporary_one() {
    let (url, _site) = site(vec![
        answer("301 Moved\r\nLocation: /new", b""),
        answer("302 Found\r\nLocation: /today", b""),
        answer("301 Moved\r\nLocation: /today.xml", b""),
        answer("200 OK", b"x"),
    ])
    .await;
    let Fetched::Body { final_url, moved_to, .. } = fetch(&url).await.unwrap() else { panic!("a body") };
    assert_eq!(moved_to, Some(url.join("/new").unwrap()));
    assert_eq!(final_url, url.join("/today.xml").unwrap());
}

#[tokio::test]
async fn a_private_address_is_refused_in_the_url_by_its_name_and_behind_a_redirect() {
    let error = fetch(&"http://10.0.0.5/feed".parse().unwrap()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "feed is on a private address 10.0.0.5; add it to [fetching] allow_networks if that is meant"
    );

    let closed = Fetcher::new(vec![], &"https://news.example.org".parse().unwrap()).unwrap();
    let (url, _site) = site(vec![answer("200 OK", b"secret")]).await;
    let by_name = format!("http://localhost:{}/feed", url.port().unwrap()).parse().unwrap();
    for url in [url, by_name] {
        let request = FetchRequest { url, etag: None, last_modified: None };
        let error = closed.fetch(&request, Timestamp::from_micros(0)).await.unwrap_err();
        assert!(
            matches!(&error, FetchError::PrivateAddress { address, .. } if address.is_loopback()),
            "{error}"
        );
    }

    for target in ["http://169.254.169.254/latest/meta-data", "//[::1]/", "http://0x7f.0.0.2/"] {
        let (url, _site) = site(vec![answer(&format!("302 Found\r\nLocation: {target}"), b"")]).await;
        assert!(matches!(fetch(&url).await, Err(FetchError::PrivateAddress { .. })), "{target}");
    }
}

#[tokio::test]
async fn other_schemes_and_endless_redirects_are_refused() {
    let (url, _site) = site(vec![answer("302 Found\r\nLocation: file:///etc/passwd", b"")]).await;
    assert!(matches!(fetch(&url).await, Err(FetchError::Scheme { scheme }) if scheme == "file"));

    let (url, _site) = site(vec![answer("302 Found\r\nLocation: /feed", b""); 6]).await;
    assert!(matches!(fetch(&url).await, Err(FetchError::TooManyRedirects)));

    let (url, _site) = site(vec![answer("302 Found", b"")]).await;
    assert!(matches!(fetch(&url).await, Err(FetchError::BadRedirect(_))));
}

#[tokio::test]
async fn an_endless_feed_and_a_gzip_bomb_end_at_the_limit() {
    let (url, _site) = site(vec![answer("200 OK", &vec![b' '; MAX_BODY + 1])]).await;
    assert!(matches!(fetch(&url).await, Err(FetchError::TooLarge)));

    // Twelve megabytes of spaces in twelve kilobytes.
    let bomb = include_bytes!("../fixtures/feeds/bomb.gz");
    let (url, _site) = site(vec![answer("200 OK\r\nContent-Encoding: gzip", bomb)]).await;
    assert!(matches!(fetch(&url).await, Err(FetchError::TooLarge)));
}

#[tokio::test]
async fn a_site_that_never_finishes_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/feed", listener.local_addr().unwrap()).parse().unwrap();
    let request = FetchRequest { url, etag: None, last_modified: None };
    let fetcher = fetcher().with_deadline(Duration::from_millis(50));
    assert!(matches!(fetcher.fetch(&request, Timestamp::from_micros(0)).await, Err(FetchError::Timeout(_))));
}

#[tokio::test]
async fn retry_after_is_honoured_in_both_forms_up_to_a_day() {
    for (value, seconds) in [
        ("120", Some(120)),
        ("Tue, 03 Nov 2026 20:30:00 GMT", Some(1800)),
        ("Tue, 03 Nov 2026 19:00:00 GMT", Some(0)),
        ("999999999", Some(86400)),
        ("soon", None),
    ] {
        let (url, _site) = site(vec![answer(&format!("503 Unavailable\r\nRetry-After: {value}"), b"")]).await;
        let error = fetch(&url).await.unwrap_err();
        assert_eq!(error.retry_after(), seconds.map(Duration::from_secs), "{value}");
    }
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    for (status, advice) in [
        ("401 Unauthorized", "it wants a password"),
        ("403 Forbidden", "it refuses us"),
        ("404 Not Found", "nothing at this address"),
        ("410 Gone", "gone for good"),
        ("429 Too Many Requests", "a longer interval"),
        ("500 Internal Server Error", "tried again at the next poll"),
        ("304 Not Modified", "its cache is broken"),
    ] {
        let (url, _site) = site(vec![answer(status, b"")]).await;
        let error = fetch(&url).await.unwrap_err().to_string();
        assert!(error.contains(status) && error.contains(advice), "{error}");
    }
}

#[tokio::test]
async fn a_broken_connection_is_an_error_and_no_password_is_shown() {
    let (mut url, _site) = site(vec![answer("200 OK\r\nContent-Length: 100", b"short")]).await;
    url.set_username("desk").unwrap();
    url.set_password(Some("hunter2")).unwrap();
    let error = fetch(&url).await.unwrap_err();
    assert!(matches!(error, FetchError::Broken { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));

    let (mut url, site) = site(vec![answer("200 OK", b"x")]).await;
    url.set_username("desk").unwrap();
    let Fetched::Body { final_url, .. } = fetch(&url).await.unwrap() else { panic!("a body") };
    assert_eq!(final_url.username(), "");
    assert!(site.await.unwrap()[0].contains("authorization: basic "));
}
