//! Behind the link of a confirmation mail: the page with the button, and what its buttons do.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::Link;
use crate::context::Context;
use crate::domain::{cadence::Cadence, subscription::Digest, time::Timestamp};
use crate::store;
use crate::subscribing::{self, Answer, Error, Pending};
use crate::web::client::Client;
use crate::web::pages::{Page, Site};

/// `GET /confirm/{token}`
pub async fn page(State(cx): State<Context>, Link(token): Link) -> Response {
    let pending = subscribing::pending(&cx, &token).await;
    show(&cx, token, pending).await
}

/// `POST /confirm/{token}`
pub async fn confirm(State(cx): State<Context>, Link(token): Link) -> Response {
    let pending = subscribing::confirm(&cx, &token).await;
    show(&cx, token, pending).await
}

/// `POST /confirm/{token}/renew`
pub async fn renew(State(cx): State<Context>, client: Client, Link(token): Link) -> Response {
    match subscribing::renew(&cx, &token, client.0).await {
        Ok(Answer::CheckYourInbox) => super::answer(&cx, Ok(Page::CheckInbox { address: None, back: None })),
        Ok(Answer::TooMany { retry_after }) => {
            let text = format!(
                "Many links were asked for from your network. Try again {}.",
                super::in_about(retry_after)
            );
            let page = super::message(&cx, StatusCode::TOO_MANY_REQUESTS, "Please wait a little", &text);
            super::too_many(page, retry_after)
        }
        Err(error) => super::failure(&cx, &error),
    }
}

/// `POST /confirm/{token}/refuse`; who has confirmed is told how to leave instead.
pub async fn refuse(State(cx): State<Context>, Link(token): Link) -> Response {
    if let Ok(Pending::Confirmed(_)) = subscribing::pending(&cx, &token).await {
        let text = "To get no more mail, press “Unsubscribe” at the foot of any mail from us.";
        return super::message(&cx, StatusCode::OK, "This address is already confirmed", text);
    }
    super::answer(&cx, subscribing::refuse(&cx, &token).await.map(|()| Page::Refused {}))
}

async fn show(cx: &Context, token: String, pending: Result<Pending, Error>) -> Response {
    let (status, page) = match pending {
        Ok(Pending::Ready(asked)) => (StatusCode::OK, Page::Confirm { token, asked: asked.into() }),
        Ok(Pending::Confirmed(asked)) => {
            let next_digest = match next_digest(cx, asked.digest).await {
                Ok(next) => next,
                Err(error) => return super::failure(cx, &error),
            };
            (StatusCode::OK, Page::Confirmed { asked: asked.into(), next_digest })
        }
        Ok(Pending::Left) => {
            let text = "It was used before, and no mail goes to this address now. To get mail from us, sign up again.";
            return super::message(cx, StatusCode::GONE, "This link is used up", text);
        }
        Ok(Pending::Expired(asked)) => (StatusCode::GONE, Page::Expired { token, asked: asked.into() }),
        Err(error) => return super::failure(cx, &error),
    };
    page.respond(&Site::of(&cx.config), status)
}

/// When the schedule of a digest fires next, in words; none where none runs.
async fn next_digest(cx: &Context, digest: Digest) -> Result<Option<String>, Error> {
    let schedules = store::schedules::all_active(&mut cx.db.read().await?).await?;
    let schedule = schedules.into_iter().find(|schedule| schedule.digest == digest);
    let cadence = schedule.and_then(|it| Cadence::parse(&it.cron, &it.timezone).ok());
    Ok(cadence.and_then(|cadence| next_in_words(&cadence, cx.clock.now())))
}

/// The next time of a schedule on its own clock: "Thursday, 26 November, at 07:00 (New York time)".
fn next_in_words(cadence: &Cadence, now: Timestamp) -> Option<String> {
    let zone = cadence.timezone();
    let at = cadence.next(now)?.at.to_jiff().in_tz(zone).ok()?.strftime("%A, %-d %B, at %H:%M").to_string();
    let clock = match zone.rsplit_once('/') {
        Some((_, city)) => format!("{} time", city.replace('_', " ")),
        None => zone.to_owned(),
    };
    Some(format!("{at} ({clock})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_digest_is_told_on_the_clock_of_its_schedule() {
        let now = Timestamp::parse_rfc3339("2026-10-31T12:30:00Z").unwrap();
        let told = |cron, zone| next_in_words(&Cadence::parse(cron, zone).unwrap(), now).unwrap();
        let morning = "0 0 7 * * *";
        assert_eq!(told(morning, "America/New_York"), "Sunday, 1 November, at 07:00 (New York time)");
        assert_eq!(told("0 0 7 * * MON", "UTC"), "Monday, 2 November, at 07:00 (UTC)");
    }
}
