//! Behind the preferences link: what this reader gets, to be changed all at once.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::{Link, form::Form, unsubscribe};
use crate::context::Context;
use crate::domain::subscription::Wishes;
use crate::subscribing::{self, Preferences};
use crate::web::pages::{Faults, Page, PreferencesForm, Site};

/// `GET /preferences/{token}`
pub async fn page(State(cx): State<Context>, Link(token): Link) -> Response {
    let page = subscribing::preferences(&cx, &token).await.map(|reader| match reader.active {
        true => Page::Preferences(form_of(token, reader)),
        false => unsubscribe::long_gone(token, reader),
    });
    super::answer(&cx, page)
}

/// `POST /preferences/{token}`: what the form doesn't ask stays as it is; nothing at all is goodbye.
pub async fn save(State(cx): State<Context>, Link(token): Link, request: Request) -> Response {
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(problem) => {
            return super::message(&cx, problem.status(), "We couldn’t read this form", problem.detail());
        }
    };
    let before = match subscribing::preferences(&cx, &token).await {
        Ok(before) => before,
        Err(error) => return super::failure(&cx, &error),
    };
    let unasked =
        Wishes { topics: super::chosen(&before.topics), alerts: before.alerts, digest: before.digest };
    let wishes = match form.wishes(&super::slugs(&before.topics), &unasked) {
        Ok(wishes) => wishes,
        Err(faults) => {
            let page = PreferencesForm { faults: super::beside(&faults), ..form_of(token, before) };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Page::Preferences(page).respond(&Site::of(&cx.config), status);
        }
    };
    let leaving = wishes.is_empty();
    let saved = subscribing::set_preferences(&cx, &token, wishes).await.map(|reader| {
        if reader.active {
            Page::Preferences(PreferencesForm { saved: true, ..form_of(token, reader) })
        } else if leaving {
            unsubscribe::just_left(token, &before.topics, reader)
        } else {
            unsubscribe::long_gone(token, reader)
        }
    });
    super::answer(&cx, saved)
}

fn form_of(token: String, reader: Preferences) -> PreferencesForm {
    PreferencesForm {
        token,
        address: reader.masked_address,
        topics: reader.topics,
        alerts: reader.alerts,
        digest: reader.digest,
        saved: false,
        faults: Faults::default(),
    }
}
