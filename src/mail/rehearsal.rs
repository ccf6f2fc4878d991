//! Renders every kind of mail once on trial, with everything and with nothing optional in it, so that a template that
//! fails, or lost what no mail may go without, shows at the start and not on election night.

use uuid::Uuid;

use super::{
    compose::{
        Account, Alert, ComposeError, Composer, Confirmation, Digest, Draft, Image, Kind, Level, Notice,
        Story,
    },
    digest::digest_order,
    html::without_tags,
    preview::{SAMPLE, preview},
    text::decoded,
};
use crate::domain::{subscription, time::Timestamp};

/// Composes all mails for a sender with this postal address.
///
/// # Errors
/// The first template that fails, or whose mail lacks something.
pub(super) fn rehearse(composer: &Composer, postal_address: &[String]) -> Result<(), ComposeError> {
    for full in [true, false] {
        let confirmation = composer.confirmation(Uuid::nil(), &confirmation(full))?;
        must_show(&confirmation, "confirmation", &[Needed::link("confirm_url", "confirm", NO_CONFIRMING)])?;
        let link = "https://example.org/sample-link".to_owned();
        let notice = Notice {
            subject: sample(),
            paragraphs: vec![sample()],
            link: full.then(|| (link.clone(), sample())),
        };
        composer.notice(Uuid::nil(), &notice)?;
        let account = Account {
            subject: sample(),
            paragraphs: vec![sample()],
            link: full.then(|| (link.clone(), sample())),
        };
        let account = composer.account(Uuid::nil(), &account)?;
        if full {
            must_show(&account, "account", &[Needed { name: "link", text: link, why: NO_WAY_IN }])?;
        }

        let mut bulk = vec![Needed::link("unsubscribe_url", "unsubscribe", UNLAWFUL)];
        bulk.extend(postal_address.iter().map(|line| Needed::address(line)));
        for level in Level::ALL {
            let alert = alert(*level, full);
            must_show(&composer.alert(Uuid::nil(), &alert)?, "alert", &bulk)?;
            composer.alert_test(Uuid::nil(), &alert)?;
        }
        let newsletter = Alert { kind: Kind::Broadcast, ..alert(Level::All, full) };
        must_show(&composer.alert(Uuid::nil(), &newsletter)?, "broadcast", &bulk)?;
        composer.alert_test(Uuid::nil(), &newsletter)?;
        let stories = vec![story(full)];
        let fragments = composer.digest(&Digest { cadence: subscription::Digest::Weekly, stories })?;
        let (subject, head) = composer.digest_head(Uuid::nil(), "Sample", if full { 2 } else { 1 })?;
        let order = if full { digest_order(&[1], &[]) } else { digest_order(&[], &[1]) };
        let fragments = fragments.into_iter().filter(|fragment| order.contains(&fragment.name)).collect();
        must_show(&Draft { subject, head, fragments }, "digest", &bulk)?;
    }
    Ok(())
}

const NO_WAY_IN: &str = "without it nobody who was invited gets in";
const NO_CONFIRMING: &str = "without it nobody can confirm";
const UNLAWFUL: &str =
    "without it mail to many is unlawful in many countries, and mailbox providers refuse it";

/// What a mail must show in both its parts.
struct Needed {
    /// What templates call it.
    name: &'static str,
    text: String,
    why: &'static str,
}

impl Needed {
    fn link(name: &'static str, path: &str, why: &'static str) -> Self {
        Self { name, text: format!("/{path}/{SAMPLE}"), why }
    }

    fn address(line: &str) -> Self {
        Self { name: "postal_address", text: without_spaces(line), why: UNLAWFUL }
    }
}

fn must_show(draft: &Draft, kind: &str, needed: &[Needed]) -> Result<(), ComposeError> {
    let mail = preview(draft, "ada@example.org", Timestamp::from_micros(0));
    // A link is in the tags of HTML, an address between them.
    let html = [without_spaces(&mail.html), without_spaces(&decoded(&without_tags(&mail.html)))];
    for (part, shown) in [("txt", &[without_spaces(&mail.text)][..]), ("html", &html[..])] {
        for Needed { name, text, why } in needed {
            if !shown.iter().any(|shown| shown.contains(text)) {
                let template = format!("{kind}/body.{part}");
                return Err(ComposeError::Lacks { template, layout: format!("layout.{part}"), name, why });
            }
        }
    }
    Ok(())
}

/// Lines are wrapped where they are long.
fn without_spaces(text: &str) -> String {
    text.split_whitespace().collect()
}

fn sample() -> String {
    "Sample".to_owned()
}

fn confirmation(full: bool) -> Confirmation {
    let digest = if full { subscription::Digest::Daily } else { subscription::Digest::None };
    Confirmation { topics: vec![sample()], alerts: full, digest, already: full }
}

fn alert(level: Level, full: bool) -> Alert {
    let story = story(full);
    Alert {
        kind: Kind::Alert,
        subject: sample(),
        level,
        topics: vec![sample()],
        title: sample(),
        html: "<p>Sample</p>".to_owned(),
        link: story.link,
        preheader: None,
        link_text: full.then(sample),
        author: story.author,
        published_at: story.published_at,
        image: story.image,
    }
}

fn story(full: bool) -> Story {
    let image = || Image { url: "https://example.org/a.png".to_owned(), alt: sample() };
    Story {
        id: 1,
        title: sample(),
        summary: if full { sample() } else { String::new() },
        link: full.then(|| "https://example.org/".to_owned()),
        author: full.then(sample),
        published_at: full.then(|| Timestamp::from_micros(0)),
        image: full.then(image),
        corrected: full,
    }
}
