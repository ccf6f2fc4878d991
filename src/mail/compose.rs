//! Composes each kind of mail into what an issue stores: a head and fragments with slots. It knows the sender, the
//! templates and what a mail is about; it knows nothing of recipients, and asks for no time.

use serde::Serialize;
use tera::Context;
use uuid::Uuid;

pub use crate::domain::{draft::Kind, issue::Level};

pub use super::{
    digest::digest_order,
    fragment::{Draft, Fragment, Slots, Stencil},
    templates::ComposeError,
};
use super::{
    digest::{self, CUT},
    fragment::{CONFIRM, PREFERENCES, UNSUBSCRIBE, without_controls},
    head::{Class, Letterhead},
    html, page, rehearsal,
    templates::Templates,
    text::{self, tidy},
};
use crate::{
    config::Config,
    domain::{subscription, text::one_line, time::Timestamp},
};

/// The longest subject or title, in characters.
const LONGEST_LINE: usize = 250;
/// How much of a text an inbox shows beside the subject, and how much of it a digest shows, in characters.
const PREHEADER: usize = 140;
const SUMMARY: usize = 400;

/// The mail with the link that confirms a sign-up.
#[derive(Clone, Debug)]
pub struct Confirmation {
    /// The topics' names.
    pub topics: Vec<String>,
    pub alerts: bool,
    pub digest: subscription::Digest,
    /// The address belongs to an active reader: nothing changes until this is confirmed.
    pub already: bool,
}

/// Breaking news, a post that is sent at once, or a newsletter.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Which template lays it out.
    pub kind: Kind,
    pub subject: String,
    pub level: Level,
    /// The topics' names.
    pub topics: Vec<String>,
    /// The headline; empty for the subject.
    pub title: String,
    pub html: String,
    /// What an inbox shows beside the subject; none for the beginning of the text.
    pub preheader: Option<String>,
    pub link: Option<String>,
    /// What the button says; "Read the full story" if none.
    pub link_text: Option<String>,
    pub author: Option<String>,
    pub published_at: Option<Timestamp>,
    pub image: Option<Image>,
}

/// A picture in the web. Without an `http` or `https` address it is left out.
#[derive(Clone, Debug)]
pub struct Image {
    pub url: String,
    /// What it shows, for those who don't see it.
    pub alt: String,
}

/// All stories that some reader's digest holds.
#[derive(Clone, Debug)]
pub struct Digest {
    /// Daily or weekly.
    pub cadence: subscription::Digest,
    pub stories: Vec<Story>,
}

/// One post in a digest.
#[derive(Clone, Debug)]
pub struct Story {
    /// The post's id, which names its fragments.
    pub id: i64,
    pub title: String,
    /// HTML or plain text; its text is shown, up to 400 characters.
    pub summary: String,
    pub link: Option<String>,
    pub author: Option<String>,
    pub published_at: Option<Timestamp>,
    pub image: Option<Image>,
    /// It was alerted and was wrong; here stands what is right.
    pub corrected: bool,
}

/// A mail to whoever runs it, or edits: what happened, to whom, what now.
#[derive(Clone, Debug)]
pub struct Notice {
    pub subject: String,
    /// Plain text.
    pub paragraphs: Vec<String>,
    /// Where to look, and what the button says.
    pub link: Option<(String, String)>,
}

/// What somebody of the newsroom is told about their account.
pub struct Account {
    pub subject: String,
    /// Plain text.
    pub paragraphs: Vec<String>,
    /// A link that works once, and what it does.
    pub link: Option<(String, String)>,
}

/// Composes mails in the name of one sender.
pub struct Composer {
    templates: Templates,
    letterhead: Letterhead,
    common: Context,
}

impl Composer {
    /// With the built-in templates and those in `[mail] templates` in place of the ones of the same name. Each kind of
    /// mail is rendered once on trial, so that a mistake in a template shows at the start and not on election night.
    ///
    /// # Errors
    /// A template that is unknown, unreadable or wrong; the message names it, and the line where there is one.
    pub fn new(config: &Config) -> Result<Self, ComposeError> {
        let composer = Self {
            templates: Templates::load(config.mail.templates.as_deref())?,
            letterhead: Letterhead::new(&config.sender, &config.server),
            common: common(config),
        };
        rehearsal::rehearse(&composer, &postal_address(config))?;
        Ok(composer)
    }

    /// The double opt-in's mail; its link is a slot.
    ///
    /// # Errors
    /// When a template fails, as for all mails.
    pub fn confirmation(&self, issue: Uuid, confirmation: &Confirmation) -> Result<Draft, ComposeError> {
        let mut context = self.common.clone();
        context.insert("topics", &listing(&confirmation.topics));
        context.insert("alerts", &confirmation.alerts);
        context.insert("digest", &confirmation.digest);
        context.insert("already", &confirmation.already);
        self.draft(issue, "confirmation", Class::Automatic, context)
    }

    /// An alert or a newsletter to all its recipients.
    ///
    /// # Errors
    /// When a template fails.
    pub fn alert(&self, issue: Uuid, alert: &Alert) -> Result<Draft, ComposeError> {
        let mut context = self.alert_context(alert, line(&alert.subject));
        context.insert("page_url", &self.page(issue));
        let kind = alert.kind.as_str();
        self.draft(issue, kind, Class::Bulk(kind), context)
    }

    /// The same alert as a test to somebody who is no reader: marked in its subject, and without the links to change
    /// or end what one gets, in its body or its header.
    ///
    /// # Errors
    /// When a template fails.
    pub fn alert_test(&self, issue: Uuid, alert: &Alert) -> Result<Draft, ComposeError> {
        let mut context = self.alert_context(alert, line(&format!("[Test] {}", alert.subject)));
        context.insert("test", &true);
        self.draft(issue, alert.kind.as_str(), Class::Automatic, context)
    }

    /// The correction of an alert, which stands under it in a mail program.
    ///
    /// # Errors
    /// When a template fails.
    pub fn correction(&self, issue: Uuid, alert: &Alert, original: Uuid) -> Result<Draft, ComposeError> {
        let mut context = self.alert_context(alert, line(&format!("Correction: {}", alert.subject)));
        context.insert("correction", &true);
        context.insert("page_url", &self.page(issue));
        let mut draft = self.draft(issue, alert.kind.as_str(), Class::Bulk("correction"), context)?;
        draft.head =
            self.letterhead.threaded(issue, &draft.subject, Class::Bulk("correction"), Some(original));
        Ok(draft)
    }

    /// Where it stands what an alert said and whether it still holds.
    fn page(&self, issue: Uuid) -> String {
        format!("{}/a/{issue}", self.letterhead.public_url())
    }

    fn alert_context(&self, alert: &Alert, subject: String) -> Context {
        let title = [&alert.title, &alert.subject].map(|text| line(text));
        let title = title.into_iter().find(|title| !title.is_empty()).unwrap_or_default();
        let link_text = alert.link_text.as_deref().unwrap_or("Read the full story");
        // A newsletter loads nothing from elsewhere.
        let html = match alert.kind {
            Kind::Alert => html::sanitize(&alert.html),
            Kind::Broadcast => html::sanitize(&page::with_linked_pictures(&alert.html)),
        };
        let mut context = self.common.clone();
        context.insert("subject", &subject);
        context.insert("level", &alert.level);
        context.insert("urgent", &(alert.level != Level::All));
        context.insert("topics", &listing(&alert.topics));
        context.insert("rule", &rule(&title));
        context.insert("title", &title);
        context.insert("text", &text::plain_text(&html));
        context.insert("html", &html);
        let preheader = alert.preheader.as_ref().map(|preheader| line(preheader));
        context.insert("preheader", &preheader.unwrap_or_else(|| text::excerpt(&alert.html, PREHEADER)));
        context.insert("link", &web_address(alert.link.as_deref()));
        context.insert("link_text", &line(link_text));
        context.insert("author", &line(alert.author.as_deref().unwrap_or_default()));
        context.insert("published", &published(alert.published_at));
        context.insert("image", &image(alert.image.as_ref()));
        context.insert("test", &false);
        context.insert("correction", &false);
        context.insert("page_url", "");
        context
    }

    /// The fragments of every story, as [`digest_order`] names them.
    ///
    /// # Errors
    /// When a template fails or lost a mark.
    pub fn digest(&self, digest: &Digest) -> Result<Vec<Fragment>, ComposeError> {
        let mut context = self.common.clone();
        context.insert("cadence", &digest.cadence);
        context.insert("cut", CUT);
        context.insert("stories", &digest.stories.iter().map(story).collect::<Vec<_>>());
        let text = self.templates.text("digest", &context)?;
        let html = self.templates.html("digest", &context)?;
        let ids: Vec<_> = digest.stories.iter().map(|story| story.id).collect();
        digest::cut(&text, &html, &ids)
    }

    /// The subject and the head for readers whose digest has so many stories and is led by this one.
    ///
    /// # Errors
    /// When the subject's template fails.
    pub fn digest_head(
        &self,
        issue: Uuid,
        lead_title: &str,
        stories: usize,
    ) -> Result<(String, String), ComposeError> {
        let mut context = self.common.clone();
        context.insert("title", &line(lead_title));
        context.insert("more", &stories.saturating_sub(1));
        let subject = line(&self.templates.subject("digest", &context)?);
        let head = self.letterhead.frame(issue, &subject, Class::Bulk("digest"));
        Ok((subject, head))
    }

    /// A mail to the operator.
    ///
    /// # Errors
    /// When a template fails.
    pub fn notice(&self, issue: Uuid, notice: &Notice) -> Result<Draft, ComposeError> {
        let paragraphs: Vec<_> = notice.paragraphs.iter().map(|text| without_controls(text)).collect();
        let mut context = self.common.clone();
        context.insert("subject", &line(&notice.subject));
        context.insert("preheader", &one_line(paragraphs.first().map_or("", |text| text), PREHEADER));
        context.insert("paragraphs", &paragraphs);
        let (link, link_text) = notice.link.clone().unwrap_or_default();
        context.insert("link", &link);
        context.insert("link_text", &line(&link_text));
        self.draft(issue, "notice", Class::Automatic, context)
    }

    /// A mail to somebody of the newsroom.
    ///
    /// # Errors
    /// When a template fails.
    pub fn account(&self, issue: Uuid, account: &Account) -> Result<Draft, ComposeError> {
        let paragraphs: Vec<_> = account.paragraphs.iter().map(|text| without_controls(text)).collect();
        let (link, link_text) = account.link.clone().unwrap_or_default();
        let mut context = self.common.clone();
        context.insert("subject", &line(&account.subject));
        context.insert("preheader", &one_line(paragraphs.first().map_or("", |text| text), PREHEADER));
        context.insert("paragraphs", &paragraphs);
        context.insert("link", &link);
        context.insert("link_text", &line(&link_text));
        self.draft(issue, "account", Class::Automatic, context)
    }

    fn draft(
        &self,
        issue: Uuid,
        kind: &str,
        class: Class,
        mut context: Context,
    ) -> Result<Draft, ComposeError> {
        let subject = line(&self.templates.subject(kind, &context)?);
        context.insert("subject", &subject);
        let text = tidy(&self.templates.text(kind, &context)?);
        let html = self.templates.html(kind, &context)?;
        let head = self.letterhead.frame(issue, &subject, class);
        Ok(Draft { subject, head, fragments: vec![Fragment::new(kind, &text, html.trim())] })
    }
}

/// What every template may use.
fn common(config: &Config) -> Context {
    let from = &config.sender.from;
    let sender = line(from.name.as_deref().unwrap_or(from.address.as_str()));
    let home = config.server.public_url.as_str().trim_end_matches('/');
    let mut context = Context::new();
    context.insert("language", "en");
    context.insert("subject", &sender);
    context.insert("sender", &sender);
    context.insert("home", home);
    context.insert("postal_address", &postal_address(config));
    context.insert("urgent", &false);
    context.insert("unsubscribe_url", &format!("{home}/unsubscribe/{UNSUBSCRIBE}"));
    context.insert("preferences_url", &format!("{home}/preferences/{PREFERENCES}"));
    context.insert("confirm_url", &format!("{home}/confirm/{CONFIRM}"));
    context
}

/// The lines of the sender's postal address.
fn postal_address(config: &Config) -> Vec<String> {
    let address = without_controls(&config.sender.postal_address);
    address.lines().map(line).filter(|part| !part.is_empty()).collect()
}

#[derive(Serialize)]
struct StoryView {
    id: i64,
    rule: String,
    title: String,
    preheader: String,
    summary: String,
    link: String,
    author: String,
    published: String,
    image: Option<ImageView>,
    corrected: bool,
}

#[derive(Serialize)]
struct ImageView {
    url: String,
    alt: String,
}

fn story(story: &Story) -> StoryView {
    let title = line(&story.title);
    StoryView {
        id: story.id,
        rule: rule(&title),
        title,
        preheader: text::excerpt(&story.summary, PREHEADER),
        summary: text::excerpt(&story.summary, SUMMARY),
        link: web_address(story.link.as_deref()),
        author: line(story.author.as_deref().unwrap_or_default()),
        published: published(story.published_at),
        image: image(story.image.as_ref()),
        corrected: story.corrected,
    }
}

fn image(image: Option<&Image>) -> Option<ImageView> {
    let image = image?;
    let url = web_address(Some(&image.url));
    (!url.is_empty()).then(|| ImageView { url, alt: line(&image.alt) })
}

fn line(text: &str) -> String {
    one_line(text, LONGEST_LINE)
}

/// A normalized `http` or `https` address; empty for anything else.
fn web_address(link: Option<&str>) -> String {
    link.and_then(|link| url::Url::parse(link).ok())
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .map_or_else(String::new, String::from)
}

fn published(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| at.to_jiff().strftime("%-d %B %Y, %H:%M UTC").to_string())
}

/// What underlines a title in the text part.
fn rule(title: &str) -> String {
    "=".repeat(title.chars().count().min(text::WIDTH))
}

/// "A, B and C".
fn listing(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| line(name)).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((only, _)) => only.clone(),
        None => String::new(),
    }
}
