//! What stands around every page of the newsroom: who is signed in, where they may go, the token of its forms, and what
//! was just done. A handler takes a [`Frame`] and shows its template in it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::{StatusCode, request::Parts};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use super::gate::Visit;
use super::{Answer, Refusal};
use crate::context::Context;
use crate::domain::role::Right::{self, Manage, Read};
use crate::newsroom::{Me, Standing};
use crate::web::pages::{self, Site};

/// Where one can go, in order: path, label, and the right that it takes.
const PLACES: &[(&str, &str, Right)] = &[
    ("/admin", "Overview", Read),
    ("/admin/desk", "Desk", Read),
    ("/admin/issues", "Issues", Read),
    ("/admin/subscribers", "Readers", Read),
    ("/admin/sources", "Sources", Read),
    ("/admin/users", "People", Manage),
    ("/admin/tokens", "API tokens", Manage),
    ("/admin/audit", "Changes", Manage),
];

/// What a page says that was led to: the word in its address (`?done=`), and the sentence.
pub const SAID: &[(&str, &str)] = &[
    ("saved", "Saved."),
    (
        "feed-made",
        "Added. It is read within a second; what it shows then is taken as known, and mailed to nobody.",
    ),
    ("topic-retired", "Retired. It is offered nowhere, and its readers keep it."),
    ("feed-retired", "Retired. It isn’t read any more."),
    ("schedule-retired", "Retired. It doesn’t run any more."),
    ("restored", "It is back, from now on."),
    ("password", "Your password is changed. All your other sessions are signed out."),
    ("ended", "That session is signed out."),
    ("others-ended", "All your other sessions are signed out."),
    ("codes-off", "The second factor is off."),
    ("invited", "Invited. A mail with a link is on its way; the link works for 7 days."),
    ("link", "A mail with a new link is on its way."),
    ("role", "The role is changed. It holds from the next click."),
    ("disabled", "Signed out everywhere, and kept out."),
    ("enabled", "May sign in again."),
    (
        "codes-forgotten",
        "The second factor is off. They sign in with their password alone and set it up again.",
    ),
    ("resumed", "It goes on, within a second."),
    ("suppressed", "Nothing more is mailed to them."),
    ("left-before", "They had left before."),
    ("erased", "Erased, everywhere."),
    (
        "erased-in-log",
        "Erased. The text stays in the database’s log while a backup reads for long; erase it once more by \
         `bellwether subscribers erase` when that is over.",
    ),
    ("retried", "Queued again: it goes out as soon as a connection is free."),
    ("nothing-to-retry", "Nothing was put off or given up any more."),
    ("revoked", "Revoked. Who sends this token is refused from now on."),
    ("signed-out", "You are signed out."),
    ("tested", "A test is on its way to you."),
    ("asked", "Whoever may release it sees that you ask."),
    ("undone", "Undone. Nobody got it."),
    ("corrected", "The correction is on its way to those who got the alert. Nobody more gets the alert."),
    ("archived", "It stands in the public archive."),
    ("not-archived", "It is taken out of the public archive."),
    ("stopped", "Stopped. Nobody more gets it."),
    ("paused", "Paused. Nobody more gets it until you resume it."),
    ("not-under-way", "Nothing was changed: look below how it stands."),
    ("moved", "Changed. It stands in the log of changes."),
    ("too-late", "The hold was over: it is on its way. Stop it below."),
    ("all-gone", "There was nothing left to stop."),
];

/// The surroundings of a page.
#[derive(Clone)]
pub struct Frame {
    cx: Context,
    visit: Arc<Visit>,
    path: String,
    said: Option<&'static str>,
}

#[derive(Serialize)]
struct Place {
    path: &'static str,
    label: &'static str,
    current: bool,
}

impl FromRequestParts<Context> for Frame {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, cx: &Context) -> Result<Self, StatusCode> {
        let visit = parts.extensions.get::<Arc<Visit>>().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        Ok(Self::new(cx, visit, parts))
    }
}

impl Frame {
    pub(super) fn new(cx: &Context, visit: Arc<Visit>, parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        let word = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "done");
        let said = word.and_then(|(_, word)| SAID.iter().find(|(known, _)| *known == word));
        Self { cx: cx.clone(), visit, path: parts.uri.path().to_owned(), said: said.map(|(_, text)| *text) }
    }

    pub fn me(&self) -> Option<&Me> {
        self.visit.me.as_ref()
    }

    /// The same for a page that comes with a new cookie: its forms carry that one's token.
    #[must_use]
    pub fn under(&self, cookie: &str) -> Self {
        let visit = Visit { cookie: cookie.to_owned(), me: self.visit.me.clone() };
        Self { visit: Arc::new(visit), ..self.clone() }
    }

    /// Shows a template of `pages/admin/`, as in "overview.html". It may use what `content` has and, of the frame,
    /// `site`, `csrf` (the token that every form must carry), `me`, `places`, `said` and `path`.
    ///
    /// # Errors
    /// A template that can't be rendered.
    pub fn show(&self, template: &str, status: StatusCode, content: &impl Serialize) -> Answer {
        let html = self.html(template, content).map_err(|error| Refusal::ours(&error))?;
        Ok((status, Html(html)).into_response())
    }

    /// The same with 200.
    ///
    /// # Errors
    /// A template that can't be rendered.
    pub fn ok(&self, template: &str, content: &impl Serialize) -> Answer {
        self.show(template, StatusCode::OK, content)
    }

    /// A headline and a sentence, with a path that helps and its words where there is one.
    pub(super) fn message(
        &self,
        status: StatusCode,
        title: &str,
        text: &str,
        way: Option<&(String, &str)>,
    ) -> Response {
        match self.html("message.html", &json!({ "title": title, "text": text, "way": way })) {
            Ok(html) => (status, Html(html)).into_response(),
            Err(error) => {
                tracing::error!(%error, "a page of the newsroom could not be rendered");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    fn html(&self, template: &str, content: &impl Serialize) -> tera::TeraResult<String> {
        let mut context = tera::Context::from_serialize(content)?;
        let me = self.me().filter(|me| me.standing(&self.cx) != Standing::CodeDue);
        let in_whole = me.is_some_and(|me| me.standing(&self.cx) == Standing::In);
        let places: Vec<Place> = PLACES
            .iter()
            .filter(|(_, _, right)| in_whole && me.is_some_and(|me| me.user.role.may(*right)))
            .map(|(path, label, _)| Place { path, label, current: self.is_at(path) })
            .collect();
        context.insert("site", &Site::of(&self.cx.config));
        context.insert("csrf", &self.cx.keys.form_token(&self.visit.cookie));
        context.insert(
            "me",
            &me.map(|me| json!({ "name": me.user.name, "email": me.user.email, "role": me.user.role })),
        );
        context.insert("places", &places);
        context.insert("test_mode", &self.cx.config.sender.test_mode);
        context.insert("said", &self.said);
        context.insert("path", &self.path);
        pages::render(&format!("admin/{template}"), &context)
    }

    fn is_at(&self, place: &str) -> bool {
        // What was written at the desk is followed from there.
        if place == "/admin/desk"
            && ["/admin/live/", "/admin/races"].iter().any(|at| self.path.starts_with(at))
        {
            return true;
        }
        let below = self.path.strip_prefix(place);
        below.is_some_and(|rest| rest.is_empty() || place != "/admin" && rest.starts_with('/'))
    }
}
