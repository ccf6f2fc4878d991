//! Every page, with every part that it can show.

use axum::http::StatusCode;
use bellwether::domain::{subscription::Digest, time::Timestamp};
use bellwether::subscribing::TopicChoice;
use bellwether::web::pages::{
    self, ArchiveTopic, Archived, Faults, Page, PreferencesForm, Said, SignUpForm, Site, Wanted,
};
use scraper::{ElementRef, Html, Selector};

fn site() -> Site {
    Site {
        brand: "Election Desk".to_owned(),
        from: "desk@example.org".to_owned(),
        postal_address: "Election Desk, 1 Example Street, Springfield".to_owned(),
        public_url: "https://news.example.org".to_owned(),
        archive: true,
    }
}

fn topic(slug: &str, name: &str, description: &str) -> TopicChoice {
    TopicChoice {
        slug: slug.parse().unwrap(),
        name: name.to_owned(),
        description: description.to_owned(),
        chosen: true,
    }
}

fn one_topic() -> Vec<TopicChoice> {
    vec![topic("election-alerts", "Election alerts", "Calls, counts and court rulings as they happen.")]
}

fn topics() -> Vec<TopicChoice> {
    let mut topics = one_topic();
    topics.push(topic("foreign-policy", "Foreign policy", "What the world makes of it."));
    topics.push(TopicChoice { chosen: false, ..topic("state:ga", "Georgia", "") });
    topics
}

fn sign_up(topics: Vec<TopicChoice>) -> SignUpForm {
    let faults = Faults::default();
    SignUpForm { email: String::new(), topics, alerts: true, digest: Digest::Daily, faults, notice: None }
}

fn faulty() -> SignUpForm {
    let faults = Faults {
        email: Some("Type the address alone, without a name.".to_owned()),
        topics: Some("Choose at least one topic.".to_owned()),
        alerts: Some("Choose alerts, a digest, or both.".to_owned()),
        digest: Some("The digest can be one of: none, daily, weekly.".to_owned()),
    };
    let notice = Some("That was a lot of sign-ups from your network.".to_owned());
    SignUpForm { email: "\"><script>alert(1)</script>".to_owned(), faults, notice, ..sign_up(topics()) }
}

fn preferences(topics: Vec<TopicChoice>, saved: bool) -> Page {
    Page::Preferences(PreferencesForm {
        token: "t0k3n".to_owned(),
        address: "a…@example.org".to_owned(),
        topics,
        alerts: false,
        digest: Digest::Weekly,
        saved,
        faults: Faults::default(),
    })
}

fn left(keep: Vec<TopicChoice>, just_now: bool) -> Page {
    Page::Left { token: "t0k3n".to_owned(), address: "a…@example.org".to_owned(), keep, just_now }
}

fn monday() -> Option<String> {
    Some("Monday, 2 November, at 07:00 (New York time)".to_owned())
}

fn said(title: &str) -> Said {
    Said {
        title: title.to_owned(),
        html: Some(
            "<h2>What we know</h2><p>A <a href=\"https://example.org/\">link</a>.</p><ul><li>One</li></ul>"
                .to_owned(),
        ),
        paragraphs: vec![],
        link: None,
        at: "3 November 2026, 20:00 UTC".to_owned(),
        machine: Timestamp::from_micros(1_793_750_400_000_000),
    }
}

fn issue(corrected: bool, withdrawn: bool) -> Page {
    Page::Issue {
        said: said("The harbour is closed"),
        word: "alert",
        is_correction: false,
        withdrawn,
        stands: !corrected && !withdrawn,
        correction: corrected.then(|| said("The harbour is open")),
        public: true,
    }
}

fn archive(flags: Vec<Option<&'static str>>, first: bool) -> Page {
    let entry = |flag| Archived {
        issue: uuid::Uuid::from_u128(7),
        title: "Polls stay open two hours longer <in Marlow County>".to_owned(),
        excerpt: "A judge has ordered all 41 polling places to stay open until 10 p.m.".to_owned(),
        kind: "Election alerts".to_owned(),
        flag,
        at: "3 November 2026, 20:00 UTC".to_owned(),
        machine: Timestamp::from_micros(1_793_750_400_000_000),
    };
    let topic = |slug: &str, name: &str, chosen| ArchiveTopic {
        slug: slug.to_owned(),
        name: name.to_owned(),
        chosen,
    };
    Page::Archive {
        entries: flags.into_iter().map(entry).collect(),
        topics: vec![topic("election-alerts", "Election alerts", true), topic("state:ga", "Georgia", false)],
        topic: "election-alerts".to_owned(),
        next: first.then(|| uuid::Uuid::from_u128(8)),
        first,
    }
}

fn every_page() -> Vec<(&'static str, Page)> {
    let token = || "t0k3n".to_owned();
    let asked = |digest| Wanted { topics: vec!["Election alerts".to_owned()], alerts: true, digest };
    let address = Some("ada@example.org".to_owned());
    let back = Some("https://site.example.org".to_owned());
    vec![
        ("sign-up", Page::SignUp(sign_up(topics()))),
        ("sign-up-one-topic", Page::SignUp(sign_up(one_topic()))),
        ("sign-up-faulty", Page::SignUp(faulty())),
        ("check-inbox", Page::CheckInbox { address, back }),
        ("check-inbox-renewed", Page::CheckInbox { address: None, back: None }),
        ("embed", pages::embed(&site(), &topics(), true, Digest::Daily).unwrap()),
        ("embed-one-topic", pages::embed(&site(), &one_topic(), true, Digest::Daily).unwrap()),
        ("confirm", Page::Confirm { token: token(), asked: asked(Digest::Daily) }),
        ("confirmed", Page::Confirmed { asked: asked(Digest::Weekly), next_digest: monday() }),
        ("confirmed-alerts-only", Page::Confirmed { asked: asked(Digest::None), next_digest: None }),
        ("expired", Page::Expired { token: token(), asked: asked(Digest::Daily) }),
        ("refused", Page::Refused {}),
        ("unsubscribe", Page::Unsubscribe { token: token(), address: "a…@example.org".to_owned() }),
        ("left-just-now", left(one_topic(), true)),
        ("left-long-ago", left(vec![], false)),
        ("preferences", preferences(topics(), false)),
        ("preferences-saved", preferences(one_topic(), true)),
        ("issue", issue(false, false)),
        ("issue-corrected", issue(true, false)),
        ("issue-withdrawn", issue(false, true)),
        ("archive", archive(vec![Some("Corrected"), None, Some("Withdrawn")], true)),
        ("archive-empty", archive(vec![], true)),
        ("archive-older", archive(vec![None], false)),
        (
            "message",
            Page::Message {
                title: "There is no such page".to_owned(),
                text: "The address may be mistyped.".to_owned(),
                newsroom: false,
            },
        ),
    ]
}

fn html(page: &Page) -> Html {
    Html::parse_document(&page.render(&site()).unwrap())
}

fn select<'a>(html: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    html.select(&Selector::parse(selector).unwrap()).collect()
}

fn text(html: &Html, selector: &str) -> String {
    select(html, selector).iter().flat_map(|element| element.text()).collect()
}

/// For looking at them: `target/tmp/pages/*.html`, which need no server.
#[test]
fn every_page_renders_into_a_file_to_look_at() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/static");
    for (name, page) in every_page() {
        let html = page.render(&site()).unwrap().replace("\"/static/", &format!("\"{}/", files.display()));
        std::fs::write(folder.join(name).with_extension("html"), html).unwrap();
    }
}

#[test]
fn every_page_has_a_language_a_title_one_headline_the_brand_and_the_postal_address() {
    for (name, page) in every_page() {
        let html = html(&page);
        assert_eq!(select(&html, "html[lang=en][dir=ltr]").len(), 1, "{name}");
        assert!(text(&html, "title").ends_with(" · Election Desk"), "{name}: {}", text(&html, "title"));
        assert_eq!(select(&html, "h1").len(), 1, "{name}");
        assert_eq!(text(&html, ".brand"), "Election Desk", "{name}");
        assert!(text(&html, "footer").contains("1 Example Street"), "{name}");
    }
}

#[test]
fn every_field_that_is_shown_has_a_label() {
    for (name, page) in every_page() {
        let html = html(&page);
        let labelled: Vec<&str> =
            select(&html, "label[for]").iter().map(|l| l.attr("for").unwrap()).collect();
        for input in select(&html, "input:not([type=hidden])") {
            let within = input.ancestors().filter_map(ElementRef::wrap).any(|e| e.value().name() == "label");
            let named = input.attr("id").is_some_and(|id| labelled.contains(&id));
            assert!(within || named, "{name}: {}", input.html());
        }
    }
}

#[test]
fn nothing_on_a_page_is_refused_by_its_own_content_security_policy() {
    for (name, page) in every_page() {
        let html = html(&page);
        for inline in ["[style]", "style", "script:not([src])", "base", "iframe", "[onclick]"] {
            assert!(select(&html, inline).is_empty(), "{name} has {inline}");
        }
        for loaded in select(&html, "link[href]:not([rel=alternate]), script[src], img[src]") {
            let url = loaded.attr("href").or(loaded.attr("src")).unwrap();
            assert!(url.starts_with("/static/") && url.contains("?v="), "{name} loads {url}");
        }
        for form in select(&html, "form") {
            let action = form.attr("action").unwrap();
            assert!(
                action.starts_with('/') || action.starts_with("https://news.example.org/"),
                "{name}: {action}"
            );
            assert_eq!(form.attr("method"), Some("post"), "{name}");
        }
    }
}

#[test]
fn ids_are_unique_and_descriptions_exist() {
    for (name, page) in every_page() {
        let html = html(&page);
        let mut ids: Vec<&str> = select(&html, "[id]").iter().map(|e| e.attr("id").unwrap()).collect();
        for described in select(&html, "[aria-describedby]") {
            assert!(
                ids.contains(&described.attr("aria-describedby").unwrap()),
                "{name}: {}",
                described.html()
            );
        }
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{name}");
    }
}

#[test]
fn the_hosted_form_has_the_defaults_chosen_and_says_no_for_boxes_without_a_tick() {
    let html = html(&Page::SignUp(sign_up(topics())));
    let alerts = select(&html, "input[name=alerts]");
    let values: Vec<_> = alerts.iter().map(|input| (input.attr("type"), input.attr("value"))).collect();
    assert_eq!(values, [(Some("hidden"), Some("false")), (Some("checkbox"), Some("true"))]);
    let boxes = select(&html, "input[name=topics]");
    assert_eq!((boxes[0].attr("type"), boxes[0].attr("value")), (Some("hidden"), Some("")));
    let ticked: Vec<_> = select(&html, "input[type=checkbox][name=topics][checked]")
        .iter()
        .map(|input| input.attr("value").unwrap().to_owned())
        .collect();
    assert_eq!(ticked, ["election-alerts", "foreign-policy"]);
    assert_eq!(select(&html, "input[name=digest][checked]")[0].attr("value"), Some("daily"));
}

#[test]
fn one_topic_needs_no_list() {
    let html = html(&Page::SignUp(sign_up(one_topic())));
    let boxes = select(&html, "input[name=topics]");
    assert_eq!(boxes.len(), 1);
    assert_eq!((boxes[0].attr("type"), boxes[0].attr("value")), (Some("hidden"), Some("election-alerts")));
    assert!(text(&html, "h1").contains("Election alerts"));
}

#[test]
fn a_faulty_form_keeps_what_was_typed_and_says_what_is_wrong_beside_the_field() {
    let html = html(&Page::SignUp(faulty()));
    let email = select(&html, "input[name=email]")[0];
    assert_eq!(email.attr("value"), Some("\"><script>alert(1)</script>"));
    assert_eq!(email.attr("aria-describedby"), Some("email-fault"));
    assert_eq!(text(&html, "#email-fault"), "Type the address alone, without a name.");
    assert_eq!(text(&html, "#alerts-fault"), "Choose alerts, a digest, or both.");
    assert_eq!(text(&html, "[role=alert]"), "That was a lot of sign-ups from your network.");
    assert!(select(&html, "script").is_empty(), "what was typed is text");
}

#[test]
fn what_robots_fill_in_is_not_shown_to_people() {
    for page in
        [Page::SignUp(sign_up(topics())), pages::embed(&site(), &topics(), true, Digest::Daily).unwrap()]
    {
        let html = html(&page);
        assert_eq!(
            select(&html, "input[name=website]").len(),
            select(&html, "[hidden] input[name=website]").len()
        );
        assert!(!select(&html, "input[name=website]").is_empty());
    }
}

#[test]
fn the_confirmation_page_has_one_button_and_a_quiet_way_to_refuse() {
    let asked = Wanted { topics: vec!["Election alerts".to_owned()], alerts: true, digest: Digest::Daily };
    let html = html(&Page::Confirm { token: "t0k3n".to_owned(), asked });
    assert_eq!(select(&html, "button:not(.plain)").len(), 1);
    assert_eq!(select(&html, "form[action='/confirm/t0k3n'] button").len(), 1);
    assert_eq!(select(&html, "form[action='/confirm/t0k3n/refuse'] button.plain").len(), 1);
    assert!(text(&html, ".wanted").contains("Daily digest"));
    assert!(text(&html, ".wanted").contains("Election alerts"));
}

#[test]
fn who_takes_no_digest_is_promised_none() {
    let asked = Wanted { topics: vec!["Election alerts".to_owned()], alerts: true, digest: Digest::None };
    let html = html(&Page::Confirmed { asked, next_digest: None });
    assert!(!text(&html, "main").contains("digest"), "{}", text(&html, "main"));
}

#[test]
fn who_has_just_left_may_keep_one_thing_of_the_same_topics() {
    let html = html(&left(one_topic(), true));
    let offers: Vec<Vec<(&str, &str)>> = select(&html, "form[action='/preferences/t0k3n']")
        .iter()
        .map(|form| {
            let inputs = Selector::parse("input[type=hidden]").unwrap();
            form.select(&inputs).map(|i| (i.attr("name").unwrap(), i.attr("value").unwrap())).collect()
        })
        .collect();
    let of_the_topic =
        |alerts, digest| vec![("topics", "election-alerts"), ("alerts", alerts), ("digest", digest)];
    assert_eq!(offers, [of_the_topic("true", "none"), of_the_topic("false", "weekly")]);
}

#[test]
fn who_left_long_ago_is_sent_to_the_form() {
    let html = html(&left(vec![], false));
    assert!(select(&html, "form").is_empty());
    assert_eq!(select(&html, "main a[href='/']").len(), 1);
}

#[test]
fn the_code_to_paste_is_what_the_page_shows_live() {
    let html = html(&pages::embed(&site(), &topics(), true, Digest::Daily).unwrap());
    let codes = select(&html, "pre code");
    let lives = select(&html, ".live");
    assert_eq!((codes.len(), lives.len()), (3, 3));
    for (code, live) in codes.iter().zip(lives) {
        let pasted = Html::parse_fragment(&code.text().collect::<String>());
        let forms = |html: &Html| select(html, "form, a, input, button").len();
        assert_eq!(forms(&pasted), forms(&Html::parse_fragment(&live.inner_html())));
        for target in select(&pasted, "a, form") {
            let url = target.attr("href").or(target.attr("action")).unwrap();
            assert!(url.starts_with("https://news.example.org/"), "{url}");
        }
    }
}

#[test]
fn what_shows_a_reader_or_holds_a_token_is_neither_kept_nor_indexed() {
    for (name, page) in every_page() {
        let response = page.respond(&site(), StatusCode::OK);
        let header = |name: &str| response.headers().get(name).map_or("", |value| value.to_str().unwrap());
        let seen = (header("cache-control"), header("x-robots-tag"), header("referrer-policy"));
        let expected = match name {
            "sign-up" | "sign-up-one-topic" | "embed" | "embed-one-topic" => ("no-cache", "", "same-origin"),
            "archive-older" => ("no-store", "noindex", ""),
            archive if archive.starts_with("archive") || archive.starts_with("issue") => ("no-cache", "", ""),
            "sign-up-faulty" => ("no-store", "noindex", "same-origin"),
            _ => ("no-store", "noindex", ""),
        };
        assert_eq!(seen, expected, "{name}");
    }
}

#[test]
fn the_confirmed_page_says_what_comes_and_when() {
    let asked = Wanted { topics: vec!["Election alerts".to_owned()], alerts: true, digest: Digest::Weekly };
    let main = text(&html(&Page::Confirmed { asked, next_digest: monday() }), "main");
    for said in ["Alerts", "Weekly digest", "Election alerts", "Monday, 2 November, at 07:00 (New York time)"]
    {
        assert!(main.contains(said), "{said}: {main}");
    }
}
