//! Whatever a subject, a title or a story holds, the mail made of it is well formed and says the same.

use std::sync::LazyLock;

use bellwether::{
    domain::{message_id::Renaming, subscription, text::one_line},
    mail::{
        compose::{Alert, Composer, Digest, Slots, Stencil, Story, digest_order},
        reply::Reply,
    },
};
use mail_parser::{HeaderValue, Message, MessageParser, MimeHeaders, PartType};
use proptest::prelude::*;

use crate::scenarios::mails::{ISSUE, alert, config, pick, slots, stories};

static COMPOSER: LazyLock<Composer> = LazyLock::new(|| Composer::new(&config()).unwrap());

/// Text with what is hard for mail: line ends, dots, control characters, marks of our own, encoded words, long lines.
fn hard_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "\\PC{0,20}",
        2 => any::<String>(),
        1 => prop::sample::select(vec![
            "\r\n", "\n.\n", "\r\n.\r\n", "\r", "\u{1}t", "\u{1}x", "\u{2}foot\n", "\n--=_", "=?utf-8?B?YQ==?=", " \n",
            "<!--cut foot-->", "&#1;u", "&#2;foot\n", "Bcc: eve@example.org\r\n", "{{ sender }}", "=\n", "From ", "\t",
        ]).prop_map(str::to_owned),
        1 => (1_usize..2000).prop_map(|n| "x".repeat(n)),
        1 => (1_usize..300).prop_map(|n| ".".repeat(n)),
        1 => (1_usize..300).prop_map(|n| "ü𝄞".repeat(n)),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn hard_html() -> impl Strategy<Value = String> {
    let tag = prop::sample::select(vec![
        "<p>",
        "</p>",
        "<b>",
        "</div>",
        "<div>",
        "<table><tr><td>",
        "</table>",
        "<script>",
        "</script>",
        "<!--",
        "-->",
        "</body></html>",
        "<style>",
        "<pre>\n",
        "<a href=\"https://example.org/a\">",
        "</a>",
        "<img src=x>",
        "<li>",
    ]);
    prop::collection::vec((tag, hard_text()), 0..12)
        .prop_map(|pieces| pieces.into_iter().flat_map(|(tag, text)| [tag.to_owned(), text]).collect())
}

/// What holds for every message, and the message read again.
fn read_again<'a>(message: &'a str, to: &str) -> Message<'a> {
    assert!(message.is_ascii() && message.ends_with("\r\n"));
    assert!(!message.replace("\r\n", "").contains(['\r', '\n']), "a bare CR or LF");
    assert!(
        !message.contains(|c: char| c.is_control() && !matches!(c, '\r' | '\n' | '\t')),
        "a slot or control is left"
    );
    for line in message.split("\r\n") {
        assert!(!line.starts_with('.'), "a line to be stuffed: {line}");
        let name = line.strip_prefix(" <").is_some_and(|name| name.ends_with('>') && !name.contains(' '));
        assert!(line.len() <= 78 || line.starts_with("List-Unsubscribe: ") || name, "too long: {line}");
    }
    let parsed = MessageParser::default().parse(message).unwrap();
    assert_eq!(parsed.to().unwrap().first().unwrap().address(), Some(to));
    assert!(parsed.header("Bcc").is_none());
    assert_eq!(parsed.parts.len(), 3, "the alternative and its two parts");
    assert!(
        matches!(parsed.parts[1].body, PartType::Text(_))
            && matches!(parsed.parts[2].body, PartType::Html(_))
    );
    assert_eq!(parsed.parts[1].content_type().unwrap().subtype(), Some("plain"));
    parsed
}

/// What a reader may see of an address: up to some 300 characters, with punctuation inside.
fn url() -> impl Strategy<Value = String> {
    "https?://[a-z]{1,20}\\.example/[A-Za-z0-9/_.~%?=&;:#!,*()'-]{0,270}[a-z0-9/]"
}

/// Words and addresses, in paragraphs, list items, quotes, tables or links of their own address.
fn texts_with_urls() -> impl Strategy<Value = (String, Vec<String>)> {
    let word = "[a-zA-Zäß漢(\"'.,&<>-]{1,12}|\\PC{1,80}";
    let words = prop::collection::vec(word, 0..25).prop_map(|words| words.join(" ").replace("://", ""));
    let frame = prop::sample::select(vec![
        ("<p>", "</p>"),
        ("<ul><li>", "</li></ul>"),
        ("<ol><li><b>", "</b></li></ol>"),
        ("<blockquote><p>", "</p></blockquote>"),
        ("<table><tr><td>a</td><td>", "</td><td>b c d</td></tr></table>"),
        ("<table><tr><th>", "</th><th>1</th></tr></table>"),
        ("<p><code>", "</code> x</p>"),
        ("<pre>", "</pre>"),
    ]);
    let run =
        (words.clone(), url(), words, any::<bool>(), frame).prop_map(|(before, url, after, link, frame)| {
            let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let shown = escape(&url);
            let shown = if link { format!("<a href=\"{shown}\">{shown}</a>") } else { shown };
            (format!("{}{} {shown} {}{}", frame.0, escape(&before), escape(&after), frame.1), url)
        });
    prop::collection::vec(run, 1..5).prop_map(|runs| {
        let (html, urls): (Vec<_>, Vec<_>) = runs.into_iter().unzip();
        (html.concat(), urls)
    })
}

fn text_of(message: &Message) -> String {
    message.body_text(0).unwrap().replace("\r\n", "\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_alert_comes_out_as_it_went_in(
        subject in hard_text(),
        title in hard_text(),
        html in hard_html(),
        path in "[a-z0-9/.~-]{0,200}",
        token in "[A-Za-z0-9_-]{60,120}",
    ) {
        let link = url::Url::parse(&format!("https://example.org/{path}")).unwrap();
        let draft = COMPOSER
            .alert(ISSUE, &Alert {
                subject: subject.clone(),
                title: title.clone(),
                html,
                link: Some(link.to_string()),
                ..alert()
            })
            .unwrap();
        let slots = Slots { to: "ada+x@example.com", delivery: "99", unsubscribe: &token, ..slots() };
        let message = draft.splice(&slots);
        prop_assert_eq!(&message, &draft.splice(&slots));

        let parsed = read_again(&message, "ada+x@example.com");
        let expected_subject = one_line(&subject, 250);
        prop_assert_eq!(parsed.subject().unwrap_or_default(), &expected_subject);
        prop_assert_eq!(&draft.subject, &expected_subject);
        let id = format!("99.{ISSUE}@example.org");
        prop_assert_eq!(parsed.message_id(), Some(id.as_str()));
        let text = text_of(&parsed);
        let unsubscribe = format!("https://news.example.org/unsubscribe/{token}");
        for expected in [link.as_str(), &unsubscribe] {
            prop_assert!(text.lines().any(|line| line == expected), "no line {expected} in {text}");
        }
        let href = format!("href=\"{unsubscribe}\"");
        let html = parsed.body_html(0).unwrap();
        prop_assert!(html.contains(&href));
        prop_assert_eq!((text.matches(&token).count(), html.matches(&token).count()), (1, 1), "no slot was forged");
    }

    #[test]
    fn each_address_in_the_text_part_is_whole_and_alone_on_its_line((html, urls) in texts_with_urls()) {
        let draft = COMPOSER.alert(ISSUE, &Alert { html: html.clone(), ..alert() }).unwrap();
        let message = draft.splice(&slots());
        let text = text_of(&read_again(&message, "ada@example.com"));
        for url in &urls {
            prop_assert!(text.lines().any(|line| line == url), "no line {url} in {text}");
        }

        let story = Story { summary: html, ..stories().remove(0) };
        let digest = Digest { cadence: subscription::Digest::Daily, stories: vec![story] };
        let fragments = COMPOSER.digest(&digest).unwrap();
        let (_, head) = COMPOSER.digest_head(ISSUE, "Lead", 1).unwrap();
        let message = Stencil::new(&head, &pick(&fragments, &digest_order(&[11], &[]))).splice(&slots());
        let text = text_of(&read_again(&message, "ada@example.com"));
        for line in text.lines().filter(|line| line.contains("://")) {
            let ours = line.starts_with("https://news.example.org/") || line == "https://example.org/2026/story-11";
            prop_assert!(ours || urls.iter().any(|url| url == line), "cut or not alone: {line} in {text}");
        }
    }

    #[test]
    fn a_digest_has_exactly_the_stories_it_was_made_of(
        titles in prop::collection::vec(hard_text(), 1..6),
        summary in hard_html(),
        shares in prop::collection::vec(0_u8..3, 6),
    ) {
        let template = stories().remove(0);
        let all: Vec<_> = (100_i64..).zip(&titles).map(|(id, title)| Story {
            id,
            title: title.clone(),
            summary: summary.clone(),
            link: Some(format!("https://example.org/story-{id}")),
            ..template.clone()
        }).collect();
        let digest = Digest { cadence: subscription::Digest::Weekly, stories: all };
        let fragments = COMPOSER.digest(&digest).unwrap();
        let of = |share: u8| -> Vec<i64> {
            digest.stories.iter().zip(&shares).filter(|(_, s)| **s == share).map(|(story, _)| story.id).collect()
        };
        let (full, seen) = (of(1), of(2));
        let (_, head) = COMPOSER.digest_head(ISSUE, &titles[0], full.len()).unwrap();
        let picked = pick(&fragments, &digest_order(&full, &seen));
        let message = Stencil::new(&head, &picked).splice(&slots());

        let parsed = read_again(&message, "ada@example.com");
        let html = parsed.body_html(0).unwrap().into_owned();
        let document = scraper::Html::parse_document(&html);
        let count = |what: &str| document.select(&scraper::Selector::parse(what).unwrap()).count();
        let text = text_of(&parsed);
        for story in &digest.stories {
            let link = story.link.as_deref().unwrap();
            let expected = (usize::from(full.contains(&story.id)), usize::from(seen.contains(&story.id)));
            let shown = count(&format!("h2.story-title a[href=\"{link}\"]"));
            prop_assert_eq!((shown, count(&format!("a.seen-link[href=\"{link}\"]"))), expected);
            prop_assert_eq!(text.lines().filter(|line| *line == link).count(), expected.0 + expected.1);
        }
        prop_assert_eq!(count("table.story"), full.len());
        prop_assert_eq!(count(".footer a"), 2, "the foot is inside its table and whole");
        prop_assert_eq!(text.contains("You already had these as alerts"), !seen.is_empty());
        prop_assert!(text.trim_end().ends_with("Springfield"));
    }
}

proptest! {
    #[test]
    fn whatever_a_relay_answers_a_correction_stays_well_formed(
        begins in prop::sample::select(vec!["250 Ok ", "250 ", "", "250 Ok <"]),
        reply in prop_oneof![hard_text(), "[a-zA-Z0-9.-]{1,300}"],
        rule in prop::sample::select(vec![
            "250 Ok {id} -> <{id}@email.amazonses.com>",
            "250 * <{id}> * -> <{id}>",
            "250 {id} * -> <a.{id}@[127.0.0.1]>",
            "250 Ok <{id} -> <{id}@x>",
        ]),
    ) {
        let reply = format!("{begins}{reply}");
        let rule: Renaming = rule.parse().unwrap();
        let kept = Reply::parse(250, reply.get(4..).unwrap_or_default()).to_string();
        for said in [reply, kept] {
            let told = rule.told(&said);
            let slots = Slots { answers: told.as_ref(), ..slots() };
            let draft = COMPOSER.correction(ISSUE, &alert(), ISSUE).unwrap();
            let message = draft.splice(&slots);
            let parsed = read_again(&message, "ada@example.com");
            let own = format!("4710.{ISSUE}@example.org");
            let names = |value: &HeaderValue<'_>| value.as_text_list().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>();
            let inner = told.as_ref().map(|id| id.as_str().trim_matches(['<', '>']).to_owned());
            let before: Vec<_> = inner.iter().cloned().chain([own.clone()]).collect();
            let behind: Vec<_> = [own].into_iter().chain(inner).collect();
            prop_assert_eq!(names(parsed.in_reply_to()), before);
            prop_assert_eq!(names(parsed.references()), behind);
        }
    }
}
