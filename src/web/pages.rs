//! The pages as visitors and readers see them: what each says, and the template that lays it out.

use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use tera::{Kwargs, State, Tera, TeraResult};

use super::{api::docs::Guide, assets};
use crate::config::Config;
use crate::domain::{subscription::Digest, time::Timestamp};
use crate::subscribing::{Asked, TopicChoice};

/// What stands around every page.
#[derive(Clone, Debug, Serialize)]
pub struct Site {
    /// The sender's name, as readers know it from their inbox.
    pub brand: String,
    /// The address that our mail comes from.
    pub from: String,
    pub postal_address: String,
    /// Without a trailing slash.
    pub public_url: String,
    /// Some topic is public, so that there is an archive to see.
    pub archive: bool,
}

/// A page with what it says.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Page {
    /// The hosted form.
    SignUp(SignUpForm),
    /// A mail with a link is on its way; `address` as it was typed, `back` the site whose form it was.
    CheckInbox {
        address: Option<String>,
        back: Option<String>,
    },
    /// The form's code for other sites.
    Embed {
        link: Example,
        short: Example,
        full: Example,
    },
    /// One button that confirms.
    Confirm {
        token: String,
        asked: Wanted,
    },
    /// With when the next digest is due, where one was asked for.
    Confirmed {
        asked: Wanted,
        next_digest: Option<String>,
    },
    Expired {
        token: String,
        asked: Wanted,
    },
    /// "This wasn't me" was noted.
    Refused {},
    /// One button that ends everything.
    Unsubscribe {
        token: String,
        address: String,
    },
    /// Everything has ended; `keep` is what can be kept after all.
    Left {
        token: String,
        address: String,
        keep: Vec<TopicChoice>,
        just_now: bool,
    },
    Preferences(PreferencesForm),
    /// An issue's own page: what it said, and whether it still stands.
    Issue {
        said: Said,
        /// What it is, as in "alert".
        word: &'static str,
        is_correction: bool,
        withdrawn: bool,
        /// Whether it says that it still does: of a digest or a newsletter nobody asks.
        stands: bool,
        correction: Option<Said>,
        /// It stands in the archive.
        public: bool,
    },
    /// What was published and is public, the newest first.
    Archive {
        entries: Vec<Archived>,
        topics: Vec<ArchiveTopic>,
        /// The slug of the topic that it is kept to; empty for all.
        topic: String,
        /// Behind which issue the next part begins.
        next: Option<uuid::Uuid>,
        first: bool,
    },
    /// The API for people.
    Docs(Guide),
    /// Anything that needs a headline and a sentence; what leads on goes to the newsroom, or else to the sign-up form.
    Message {
        title: String,
        text: String,
        newsroom: bool,
    },
}

/// The hosted form as it was filled in, with what is wrong.
#[derive(Clone, Debug, Serialize)]
pub struct SignUpForm {
    pub email: String,
    pub topics: Vec<TopicChoice>,
    pub alerts: bool,
    pub digest: Digest,
    pub faults: Faults,
    /// What is wrong with none of the fields.
    pub notice: Option<String>,
}

/// What a reader has, to be changed.
#[derive(Clone, Debug, Serialize)]
pub struct PreferencesForm {
    pub token: String,
    pub address: String,
    pub topics: Vec<TopicChoice>,
    pub alerts: bool,
    pub digest: Digest,
    pub saved: bool,
    pub faults: Faults,
}

/// What is wrong, beside the field that it is about.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Faults {
    pub email: Option<String>,
    pub topics: Option<String>,
    pub alerts: Option<String>,
    pub digest: Option<String>,
}

/// Code to paste, and what it looks like.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    pub code: String,
    /// The same without its style sheet, which the page has already.
    pub live: String,
}

/// What an issue said, and when it was sent.
#[derive(Clone, Debug, Serialize)]
pub struct Said {
    pub title: String,
    /// Sanitized, with its link; none of what was published before pages were kept, which has paragraphs.
    pub html: Option<String>,
    pub paragraphs: Vec<String>,
    pub link: Option<String>,
    /// For people, and for machines.
    pub at: String,
    pub machine: Timestamp,
}

/// An issue in the archive.
#[derive(Clone, Debug, Serialize)]
pub struct Archived {
    pub issue: uuid::Uuid,
    pub title: String,
    pub excerpt: String,
    /// What it is, or the names of its topics.
    pub kind: String,
    pub flag: Option<&'static str>,
    /// For people, and for machines.
    pub at: String,
    pub machine: Timestamp,
}

/// A topic that the archive can be kept to.
#[derive(Clone, Debug, Serialize)]
pub struct ArchiveTopic {
    pub slug: String,
    pub name: String,
    pub chosen: bool,
}

/// What a sign-up asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Wanted {
    pub topics: Vec<String>,
    pub alerts: bool,
    pub digest: Digest,
}

#[derive(rust_embed::Embed)]
#[folder = "src/web/pages/"]
struct Templates;

impl Site {
    pub fn of(config: &Config) -> Self {
        let host = || config.server.public_url.host_str().unwrap_or_default().to_owned();
        Self {
            brand: config.sender.from.name.clone().unwrap_or_else(host),
            from: config.sender.from.address.as_str().to_owned(),
            postal_address: config.sender.postal_address.clone(),
            public_url: config.server.public_url.as_str().trim_end_matches('/').to_owned(),
            archive: config.topics.iter().any(|topic| topic.public),
        }
    }
}

impl From<Asked> for Wanted {
    fn from(asked: Asked) -> Self {
        let topics = asked.topics.into_iter().map(|topic| topic.name).collect();
        Self { topics, alerts: asked.alerts, digest: asked.digest }
    }
}

impl Page {
    /// The page as HTML.
    ///
    /// # Errors
    /// When its template names what the page doesn't have.
    pub fn render(&self, site: &Site) -> TeraResult<String> {
        let mut context = tera::Context::from_serialize(self)?;
        context.insert("site", site);
        TEMPLATES.render(self.template(), &context)
    }

    /// The page as an answer. Only what shows no reader and came by no link from a mail is kept and indexed; only a
    /// page whose address holds no token tells it, to ourselves: a form's site is noted with the consent.
    pub fn respond(&self, site: &Site, status: StatusCode) -> Response {
        let html = match self.render(site) {
            Ok(html) => html,
            Err(error) => {
                tracing::error!(page = self.template(), %error, "a page could not be rendered");
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        let mut response = (status, Html(html)).into_response();
        let headers = response.headers_mut();
        let (shows_nobody, has_no_token) = match self {
            Self::SignUp(form) => (form.email.is_empty(), true),
            Self::Embed { .. } | Self::Docs(_) => (true, true),
            Self::Issue { public: true, .. } | Self::Archive { first: true, .. } => (true, false),
            _ => (false, false),
        };
        if has_no_token {
            headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        }
        if shows_nobody {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        } else {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
        }
        response
    }

    fn template(&self) -> &'static str {
        match self {
            Self::SignUp(_) => "sign-up.html",
            Self::CheckInbox { .. } => "check-inbox.html",
            Self::Embed { .. } => "embed.html",
            Self::Confirm { .. } => "confirm.html",
            Self::Confirmed { .. } => "confirmed.html",
            Self::Expired { .. } => "expired.html",
            Self::Refused {} => "refused.html",
            Self::Unsubscribe { .. } => "unsubscribe.html",
            Self::Left { .. } => "left.html",
            Self::Preferences(_) => "preferences.html",
            Self::Issue { .. } => "issue.html",
            Self::Archive { .. } => "archive.html",
            Self::Docs(_) => "docs.html",
            Self::Message { .. } => "message.html",
        }
    }
}

/// The page with the form's code; `otherwise` is what the full form has chosen at first.
///
/// # Errors
/// When a template names what it isn't given.
pub fn embed(site: &Site, topics: &[TopicChoice], alerts: bool, digest: Digest) -> TeraResult<Page> {
    let mut context = tera::Context::new();
    context.insert("site", site);
    context.insert("topics", topics);
    context.insert("alerts", &alerts);
    context.insert("digest", &digest);
    let style = assets::text("form.css").unwrap_or_default();
    let example = |name: &str, style: &str| {
        let live = TEMPLATES.render(name, &context)?.trim().to_owned();
        TeraResult::Ok(Example { code: format!("{style}{live}"), live })
    };
    let styled = format!("<style>\n{}\n</style>\n", style.trim());
    Ok(Page::Embed {
        link: example("embed/link.html", "")?,
        short: example("embed/short.html", &styled)?,
        full: example("embed/full.html", &styled)?,
    })
}

/// A page of a template's name, for the newsroom's pages.
///
/// # Errors
/// When the template names what it isn't given.
pub(super) fn render(name: &str, context: &tera::Context) -> TeraResult<String> {
    TEMPLATES.render(name, context)
}

static TEMPLATES: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::default();
    tera.register_function("asset", |args: Kwargs, _: &State| -> TeraResult<String> {
        let name: String = args.must_get("name")?;
        assets::url(&name).ok_or_else(|| tera::Error::message(format!("there is no asset {name}")))
    });
    tera.register_filter("urlencode", |text: &str, _: Kwargs, _: &State| -> String {
        url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
    });
    let files = Templates::iter().filter_map(|name| {
        let text = String::from_utf8(Templates::get(&name)?.data.into_owned()).ok()?;
        Some((name.into_owned(), text))
    });
    tera.add_raw_templates(files).expect("the templates are part of the program, and a test renders each");
    tera
});
