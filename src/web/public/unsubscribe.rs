//! Behind the unsubscribe link: the page with the button, and the one click of mail programs (RFC 8058).

use axum::extract::State;
use axum::response::Response;

use super::Link;
use crate::context::Context;
use crate::subscribing::{self, Error, Preferences, TopicChoice};
use crate::web::pages::Page;

/// `GET /unsubscribe/{token}`
pub async fn page(State(cx): State<Context>, Link(token): Link) -> Response {
    let page = subscribing::preferences(&cx, &token).await.map(|reader| match reader.active {
        true => Page::Unsubscribe { token, address: reader.masked_address },
        false => long_gone(token, reader),
    });
    super::answer(&cx, page)
}

/// `POST /unsubscribe/{token}`. Whatever the body says or doesn't, and in whichever encoding, it is the one click: who
/// holds the link and posts to it wants to leave.
pub async fn unsubscribe(State(cx): State<Context>, Link(token): Link) -> Response {
    super::answer(&cx, leave(&cx, token).await)
}

/// Who has just left, with an offer to keep one thing of the topics that were read.
pub fn just_left(token: String, before: &[TopicChoice], reader: Preferences) -> Page {
    let only = before.len() == 1;
    let keep = before.iter().filter(|topic| topic.chosen || only).cloned().collect();
    Page::Left { token, address: reader.masked_address, keep, just_now: true }
}

/// Who left some time ago: signing up again is for the form, with its confirmation.
pub fn long_gone(token: String, reader: Preferences) -> Page {
    Page::Left { token, address: reader.masked_address, keep: Vec::new(), just_now: false }
}

async fn leave(cx: &Context, token: String) -> Result<Page, Error> {
    let before = subscribing::preferences(cx, &token).await?;
    let after = subscribing::unsubscribe(cx, &token).await?;
    Ok(just_left(token, &before.topics, after))
}
