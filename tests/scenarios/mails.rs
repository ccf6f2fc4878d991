//! Each kind of mail as it leaves: its header, its text and its HTML, reviewed like code; and what the operator may do
//! to the templates.

use std::fs;

use bellwether::{
    config::{Config, Database, Dkim, Fetching, Mail, Mailbox, Secret, Sender, Server, Signup},
    domain::{subscription, time::Timestamp},
    mail::compose::{
        Alert, Composer, Confirmation, Digest, Fragment, Image, Level, Notice, Slots, Stencil, Story,
        digest_order,
    },
};
use mail_parser::MessageParser;
use uuid::Uuid;

pub const ISSUE: Uuid = Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001);

pub fn config() -> Config {
    let mailbox = |name: &str, address: &str| Mailbox {
        name: Some(name.to_owned()),
        address: address.parse().unwrap(),
    };
    Config {
        server: Server {
            listen: "127.0.0.1:8080".parse().unwrap(),
            public_url: "https://news.example.org".parse().unwrap(),
            secret: Secret::new("0123456789abcdef0123456789abcdef"),
            old_secrets: vec![],
            trusted_proxies: vec![],
            data: "data".into(),
        },
        database: Database { url: Secret::new("sqlite:data/bellwether.db") },
        sender: Sender {
            from: mailbox("Election Desk", "desk@example.org"),
            reply_to: Some(mailbox("Letters", "letters@example.org")),
            postal_address: "Example News, 1 Market Street\nSpringfield".to_owned(),
            bounces: None,
            operator: None,
            test_addresses: vec![],
            test_mode: false,
        },
        dkim: Dkim::default(),
        signup: Signup {
            alerts: true,
            digest: subscription::Digest::Daily,
            per_address: std::time::Duration::from_secs(600),
            per_address_week: 3,
            per_network_hour: 60,
            per_hour: 5000,
        },
        relays: vec![],
        topics: vec![],
        fetching: Fetching::default(),
        feeds: vec![],
        schedules: vec![],
        mail: Mail::default(),
        newsroom: bellwether::config::Newsroom::default(),
        watch: Default::default(),
        metrics: Default::default(),
    }
}

pub fn slots() -> Slots<'static> {
    Slots {
        to: "ada@example.com",
        delivery: "4711",
        date: Timestamp::from_micros(1_793_750_400_000_000),
        unsubscribe: "dW5zdWJzY3JpYmU-dW5zdWJzY3JpYmU_dW5zdWJzY3JpYmU-dW5zdWJzY3JpYmU",
        preferences: "cHJlZmVyZW5jZXM-cHJlZmVyZW5jZXM_cHJlZmVyZW5jZXM-cHJlZmVyZW5jZXM",
        confirm: "Y29uZmlybQ-Y29uZmlybQ_Y29uZmlybQ-Y29uZmlybQ_Y29uZmlybQ-Y29uZmlybQ",
        original: "4710",
        answers: None,
    }
}

pub fn alert() -> Alert {
    Alert {
        kind: bellwether::domain::draft::Kind::Alert,
        subject: "Polls stay open two hours longer in Marlow County".to_owned(),
        level: Level::Major,
        topics: vec!["Election alerts".to_owned(), "Marlow County".to_owned()],
        title: String::new(),
        html: "<p>A judge has ordered all 41 polling places in Marlow County to stay open until <strong>10 p.m.</strong> \
               after ballot printers failed at nine of them this morning. Voters who are in line by then may vote; \
               the county has published <a href=\"https://example.org/places\">a list of the places</a>.</p>\
               <h2>What we know</h2>\
               <ul><li>The first printers failed at 7:10 a.m.; the last one was repaired at noon.</li>\
               <li>About 3,200 people had to come back later, the clerk’s office says.</li></ul>\
               <blockquote>Nobody who wants to vote will be sent home.</blockquote>\
               <table><tr><th>Place</th><th>Closed for</th></tr><tr><td>Town hall</td><td>2 h 40 min</td></tr>\
               <tr><td>Mill Road school</td><td>4 h 05 min</td></tr></table>\
               <p>Results from the county are now expected after midnight.</p>"
            .to_owned(),
        link: Some("https://example.org/2026/marlow-county-hours".to_owned()),
        preheader: None,
        link_text: None,
        author: Some("Rosa Field".to_owned()),
        published_at: Some(Timestamp::from_micros(1_793_746_800_000_000)),
        image: Some(Image {
            url: "https://example.org/img/line.jpg".to_owned(),
            alt: "Voters wait in a line that turns the corner of the town hall".to_owned(),
        }),
    }
}

pub fn stories() -> Vec<Story> {
    let story = |id: i64, title: &str, summary: &str| Story {
        id,
        title: title.to_owned(),
        summary: summary.to_owned(),
        link: Some(format!("https://example.org/2026/story-{id}")),
        author: Some("Rosa Field".to_owned()),
        published_at: Some(Timestamp::from_micros(1_793_746_800_000_000 - id * 3_600_000_000)),
        image: None,
        corrected: false,
    };
    vec![
        story(
            11,
            "Turnout in the north passes 2022 by noon",
            "<p>By noon, more people had voted in the five northern counties than on the whole day four years ago. \
             Clerks put it down to good weather, and to <a href=\"https://example.org/measure-4\">Measure 4</a>.</p>",
        ),
        story(12, "Polls stay open two hours longer in Marlow County", "<p>Ballot printers failed.</p>"),
        story(
            13,
            "How a recount works & who pays for it",
            "Within half a point the state pays. Beyond, the one who asks.",
        ),
        story(14, "Five races that could decide the senate", ""),
    ]
}

/// The message as a person reads it: the header as it is, both parts decoded.
fn shown(message: &str) -> String {
    let header = message.split("\r\n\r\n").next().unwrap().replace("\r\n", "\n");
    let parsed = MessageParser::default().parse(message).unwrap();
    format!(
        "{header}\n\n[text]\n{}\n[html]\n{}",
        parsed.body_text(0).unwrap().replace("\r\n", "\n"),
        parsed.body_html(0).unwrap().replace("\r\n", "\n")
    )
}

fn composer() -> Composer {
    Composer::new(&config()).unwrap()
}

pub fn pick<'a>(fragments: &'a [Fragment], names: &[String]) -> Vec<&'a Fragment> {
    names.iter().map(|name| fragments.iter().find(|fragment| fragment.name == *name).unwrap()).collect()
}

#[test]
fn a_confirmation_says_what_was_asked_for_and_holds_one_link() {
    let asked = Confirmation {
        topics: vec!["Election alerts".to_owned(), "Foreign policy".to_owned()],
        alerts: true,
        digest: subscription::Digest::Daily,
        already: false,
    };
    insta::assert_snapshot!(
        "confirmation",
        shown(&composer().confirmation(ISSUE, &asked).unwrap().splice(&slots()))
    );
}

#[test]
fn a_reader_who_signs_up_again_is_told_that_nothing_changes_yet() {
    let asked = Confirmation {
        topics: vec!["Election alerts".to_owned()],
        alerts: false,
        digest: subscription::Digest::Weekly,
        already: true,
    };
    let draft = composer().confirmation(ISSUE, &asked).unwrap();
    assert_eq!(draft.subject, "Confirm the change to your subscription: Election Desk");
    insta::assert_snapshot!("confirmation-already", shown(&draft.splice(&slots())));
}

#[test]
fn an_alert_has_its_story_its_link_and_its_reason() {
    insta::assert_snapshot!("alert", shown(&composer().alert(ISSUE, &alert()).unwrap().splice(&slots())));
}

#[test]
fn a_test_of_an_alert_is_marked_and_has_no_links_of_a_reader() {
    let test = composer().alert_test(ISSUE, &alert()).unwrap();
    assert_eq!(test.subject, "[Test] Polls stay open two hours longer in Marlow County");
    let test = shown(&test.splice(&slots()));
    assert!(test.contains("\nPolls stay open two hours longer in Marlow County\n==="), "{test}");
    for part in test.split("[html]") {
        assert!(part.contains("a test to a test address"), "{part}");
        assert!(
            part.contains("https://example.org/2026/marlow-county-hours"),
            "the story's link stays: {part}"
        );
        for absent in ["/unsubscribe/", "/preferences/", "List-", "You get this because"] {
            assert!(!part.contains(absent), "{absent} in {part}");
        }
        assert!(part.contains("Springfield"), "{part}");
    }
}

#[test]
fn a_critical_alert_of_one_line_says_why_everybody_gets_it() {
    let critical = Alert {
        subject: "Polling places in Marlow County are being evacuated".to_owned(),
        level: Level::Critical,
        topics: vec!["Election alerts".to_owned()],
        html: "<p>Leave the building, and keep your place in the line: voting goes on later today.</p>"
            .to_owned(),
        link: None,
        author: None,
        published_at: None,
        image: None,
        ..alert()
    };
    insta::assert_snapshot!(
        "alert-critical",
        shown(&composer().alert(ISSUE, &critical).unwrap().splice(&slots()))
    );
}

#[test]
fn a_digest_holds_full_stories_first_and_alerted_ones_as_one_line() {
    let composer = composer();
    let digest = Digest { cadence: subscription::Digest::Daily, stories: stories() };
    let fragments = composer.digest(&digest).unwrap();
    let (subject, head) = composer.digest_head(ISSUE, &digest.stories[0].title, 4).unwrap();
    assert_eq!(subject, "Turnout in the north passes 2022 by noon and 3 more");
    let picked = pick(&fragments, &digest_order(&[11, 13, 14], &[12]));
    insta::assert_snapshot!("digest", shown(&Stencil::new(&head, &picked).splice(&slots())));
}

#[test]
fn a_digest_of_one_story_has_its_title_as_the_subject() {
    assert_eq!(composer().digest_head(ISSUE, "One story", 1).unwrap().0, "One story");
}

#[test]
fn a_notice_tells_the_operator_what_happened_and_what_now() {
    let notice = Notice {
        subject: "Relay primary is paused: it refuses our password".to_owned(),
        paragraphs: vec![
            "The relay answered 535 5.7.8 to the login at 20:14 UTC. 1,204 mails wait; none is lost."
                .to_owned(),
            "Set the right password in [[relays]] and start the service again.".to_owned(),
        ],
        link: Some(("https://news.example.org/admin".to_owned(), "Look at it".to_owned())),
    };
    insta::assert_snapshot!("notice", shown(&composer().notice(ISSUE, &notice).unwrap().splice(&slots())));
}

/// As little as the text of an alert may be.
const EDITED: &str =
    "Edited: {{ title }}\n{{ unsubscribe_url }}\n{% for line in postal_address %}{{ line }}\n{% endfor %}";

#[test]
fn a_second_copy_is_the_first_also_after_a_template_was_edited() {
    let folder = tempfile::tempdir().unwrap();
    let stored = composer().alert(ISSUE, &alert()).unwrap();
    let first = stored.splice(&slots());
    fs::create_dir(folder.path().join("alert")).unwrap();
    fs::write(folder.path().join("alert/body.txt"), EDITED).unwrap();
    let mut config = config();
    config.mail.templates = Some(folder.path().to_owned());
    let edited = Composer::new(&config).unwrap().alert(ISSUE, &alert()).unwrap();
    assert_eq!(stored.splice(&slots()), first);
    assert_ne!(edited.splice(&slots()), first);
    assert!(edited.fragments[0].text.starts_with("Edited: Polls stay open"));
    assert_eq!(
        edited.fragments[0].html, stored.fragments[0].html,
        "the other templates are the built-in ones"
    );
}

#[test]
fn a_wrong_template_is_named_with_its_line_when_the_service_starts() {
    for (name, source, expected) in [
        ("alert/body.txt", "fine\n{{ title", vec!["alert/body.txt:2"]),
        ("alert/body.html", "fine\n\n{{ no_such_name }}", vec!["alert/body.html:3", "no_such_name"]),
        ("digest/body.html", "<p>no marks</p>", vec!["digest/body.html", "lead:1"]),
        (
            "notice/subject.txt",
            "{% for _ in range(end=90000) %}{{ subject ~ subject ~ subject ~ subject }}{% endfor %}",
            vec!["notice/subject.txt", "2097152"],
        ),
        ("alert/body.txt", "hello", vec!["alert/body.txt", "unsubscribe_url", "unlawful"]),
        ("alert/body.txt", "{{ unsubscribe_url }}", vec!["alert/body.txt", "postal_address"]),
        (
            "alert/body.html",
            "{% if level == 'all' %}{{ unsubscribe_url }}{% endif %}{{ postal_address | join(sep=' ') }}",
            vec!["alert/body.html", "unsubscribe_url"],
        ),
        (
            "confirmation/body.txt",
            "hello",
            vec!["confirmation/body.txt", "confirm_url", "nobody can confirm"],
        ),
        (
            "layout.txt",
            "{% block kind %}{% endblock %}{% block content %}{% endblock %}{% block footer %}{% endblock %}",
            vec!["layout.txt", "postal_address"],
        ),
        ("alerts/body.html", "", vec!["alerts/body.html", "alert/body.html"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(folder.path().join(".hidden"), "left by an editor").unwrap();
        fs::write(&path, source).unwrap();
        let mut config = config();
        config.mail.templates = Some(folder.path().to_owned());
        let error = Composer::new(&config).err().expect(name).to_string();
        assert!(expected.iter().all(|part| error.contains(part)), "{name}: {error}");
    }
}

#[test]
fn a_sender_without_a_name_in_a_foreign_domain_goes_out_in_ascii() {
    let mut config = config();
    config.sender.from = Mailbox { name: None, address: "desk@bücher.example".parse().unwrap() };
    config.sender.reply_to = None;
    let draft = Composer::new(&config).unwrap().alert(ISSUE, &alert()).unwrap();
    let message = draft.splice(&Slots { to: "Ada@bücher.example", ..slots() });

    assert!(message.is_ascii());
    assert!(message.contains("\r\nFrom: desk@xn--bcher-kva.example\r\n"));
    assert!(message.contains("\r\nTo: Ada@xn--bcher-kva.example\r\n"));
    assert!(message.contains(&format!("\r\nMessage-ID: <4711.{ISSUE}@xn--bcher-kva.example>\r\n")));
    assert!(!message.contains("\r\nReply-To:"));
}

#[test]
fn the_deepest_html_that_is_let_through_still_makes_a_mail() {
    let composer = composer();
    for open in
        ["<div>", "<table><tr><td>", "<ul><li>", "<blockquote><p>", "<b><i>", "<ol><li><p><table><tr><th>"]
    {
        for count in [60, 95, 190] {
            let html = format!("{}Deep inside", open.repeat(count));
            let draft = composer.alert(ISSUE, &Alert { html, ..alert() }).unwrap();
            assert!(shown(&draft.splice(&slots())).contains("Deep inside"), "{open} {count}");
        }
    }
}
