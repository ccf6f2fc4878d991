//! The sign-up form: the hosted page, its code for other sites, and what either of them, or a program, sends in.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::form::{self, Fault, Form, Kind};
use crate::context::Context;
use crate::domain::{
    address::EmailAddress,
    subscription::{Digest, Wishes},
};
use crate::subscribing::{self, Answer, Error, SignUp, TopicChoice};
use crate::web::client::Client;
use crate::web::pages::{self, Page, SignUpForm, Site};
use crate::web::problem::Problem;

/// `GET /`
pub async fn page(State(cx): State<Context>) -> Response {
    let topics = match offered(&cx).await {
        Ok(topics) => topics,
        Err(error) => return super::failure(&cx, &error),
    };
    let mut site = Site::of(&cx.config);
    match subscribing::any_public(&cx).await {
        Ok(public) => site.archive = public,
        Err(error) => return super::failure(&cx, &error),
    }
    Page::SignUp(blank(&cx, topics)).respond(&site, StatusCode::OK)
}

/// `GET /embed`
pub async fn embed(State(cx): State<Context>) -> Response {
    let topics = match offered(&cx).await {
        Ok(topics) => topics,
        Err(error) => return super::failure(&cx, &error),
    };
    let site = Site::of(&cx.config);
    match pages::embed(&site, &topics, cx.config.signup.alerts, cx.config.signup.digest) {
        Ok(page) => page.respond(&site, StatusCode::OK),
        Err(error) => {
            tracing::error!(%error, "the form's code could not be rendered");
            super::message(&cx, StatusCode::INTERNAL_SERVER_ERROR, super::OURS.0, super::OURS.1)
        }
    }
}

/// `POST /subscribe`: a form is answered with a page, JSON with JSON.
pub async fn subscribe(State(cx): State<Context>, client: Client, request: Request) -> Response {
    let kind = Kind::of(request.headers());
    let origin = origin(request.headers());
    let outcome = accept(&cx, client, origin.clone(), request).await;
    let mut response = match (kind, outcome) {
        (Some(Kind::Urlencoded | Kind::Multipart), Ok(form)) => {
            let ours = cx.config.server.public_url.origin().ascii_serialization();
            let back = Some(origin).filter(|site| !site.is_empty() && *site != ours);
            super::answer(&cx, Ok(Page::CheckInbox { address: Some(form.email.trim().to_owned()), back }))
        }
        (Some(Kind::Urlencoded | Kind::Multipart), Err(refusal)) => refused_with_a_page(&cx, refusal),
        (_, Ok(_)) => {
            let accepted = axum::Json(serde_json::json!({ "status": "check-your-inbox" }));
            (StatusCode::ACCEPTED, accepted).into_response()
        }
        (_, Err(refusal)) => refused_with_a_problem(refusal),
    };
    allow_any_site(response.headers_mut());
    response
}

/// `OPTIONS /subscribe`: a script on any site may send JSON, without credentials.
pub async fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    allow_any_site(headers);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

/// Why a sign-up was not taken.
enum Refusal {
    Unreadable(Problem),
    Faulty(Form, Vec<TopicChoice>, Vec<Fault>),
    TooMany(Form, Vec<TopicChoice>, std::time::Duration),
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

async fn accept(cx: &Context, client: Client, origin: String, request: Request) -> Result<Form, Refusal> {
    let form = Form::read(request).await.map_err(Refusal::Unreadable)?;
    let topics = offered(cx).await?;
    let signup = &cx.config.signup;
    let unasked = Wishes { topics: super::slugs(&topics), alerts: signup.alerts, digest: signup.digest };
    let (address, wishes) = match check(&form, &unasked) {
        Ok(checked) => checked,
        Err(faults) => return Err(Refusal::Faulty(form, topics, faults)),
    };
    if !form.website.is_empty() {
        return Ok(form); // a robot learns nothing from the answer
    }
    let sign_up = SignUp { address, wishes, network: client.0, origin };
    match subscribing::sign_up(cx, sign_up).await? {
        Answer::CheckYourInbox => Ok(form),
        Answer::TooMany { retry_after } => Err(Refusal::TooMany(form, topics, retry_after)),
    }
}

/// Everything that is wrong at once, so that nobody corrects a form twice.
fn check(form: &Form, unasked: &Wishes) -> Result<(EmailAddress, Wishes), Vec<Fault>> {
    let wishes = form.wishes(&unasked.topics, unasked).and_then(|wishes| {
        let lacking = form::nothing_asked(&wishes);
        if lacking.is_empty() { Ok(wishes) } else { Err(lacking) }
    });
    match (form.address(), wishes) {
        (Ok(address), Ok(wishes)) => Ok((address, wishes)),
        (address, wishes) => {
            Err(address.err().into_iter().chain(wishes.err().into_iter().flatten()).collect())
        }
    }
}

fn refused_with_a_page(cx: &Context, refusal: Refusal) -> Response {
    let site = Site::of(&cx.config);
    match refusal {
        Refusal::Unreadable(problem) => {
            super::message(cx, problem.status(), "We couldn’t read this form", problem.detail())
        }
        Refusal::Faulty(form, topics, faults) => {
            let page = SignUpForm { faults: super::beside(&faults), ..filled(cx, topics, form) };
            Page::SignUp(page).respond(&site, StatusCode::UNPROCESSABLE_ENTITY)
        }
        Refusal::TooMany(form, topics, wait) => {
            let page = SignUpForm { notice: Some(too_many(wait)), ..filled(cx, topics, form) };
            super::too_many(Page::SignUp(page).respond(&site, StatusCode::TOO_MANY_REQUESTS), wait)
        }
        Refusal::Failed(error) => super::failure(cx, &error),
    }
}

fn refused_with_a_problem(refusal: Refusal) -> Response {
    let invalid = |detail| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    match refusal {
        Refusal::Unreadable(problem) => problem.into_response(),
        Refusal::Faulty(_, _, faults) => {
            let detail: Vec<&str> = faults.iter().map(|fault| fault.detail.as_str()).collect();
            let problem = invalid(detail.join(" "));
            let problem =
                faults.iter().fold(problem, |p, fault| p.at_pointer(fault.pointer(), &fault.detail));
            problem.into_response()
        }
        Refusal::TooMany(_, _, wait) => {
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, too_many(wait));
            super::too_many(problem.into_response(), wait)
        }
        Refusal::Failed(Error::Store(cause)) => {
            tracing::error!(error = %cause, "a sign-up could not be stored");
            let detail = "The service can't take sign-ups at the moment. Try again in a few minutes.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
        }
        Refusal::Failed(error) => invalid(error.to_string()).into_response(),
    }
}

fn too_many(wait: std::time::Duration) -> String {
    format!("That was a lot of sign-ups from your network. Please try again {}.", super::in_about(wait))
}

/// Every topic, all of them chosen: what a form gives that doesn't ask.
async fn offered(cx: &Context) -> Result<Vec<TopicChoice>, Error> {
    let topics = subscribing::topics(cx).await?;
    Ok(topics.into_iter().map(|topic| TopicChoice { chosen: true, ..topic }).collect())
}

fn blank(cx: &Context, topics: Vec<TopicChoice>) -> SignUpForm {
    let signup = &cx.config.signup;
    let (alerts, digest) = (signup.alerts, signup.digest);
    SignUpForm {
        email: String::new(),
        topics,
        alerts,
        digest,
        faults: super::Faults::default(),
        notice: None,
    }
}

fn filled(cx: &Context, topics: Vec<TopicChoice>, form: Form) -> SignUpForm {
    let blank = blank(cx, super::ticked(topics, &form));
    SignUpForm {
        alerts: form.alerts.map_or(blank.alerts, |word| matches!(word.as_str(), "true" | "on")),
        digest: form.digest.and_then(|word| word.parse::<Digest>().ok()).unwrap_or(blank.digest),
        email: form.email,
        ..blank
    }
}

/// The site whose form it was: `Origin`, else that of `Referer`; empty where neither tells.
fn origin(headers: &HeaderMap) -> String {
    [header::ORIGIN, header::REFERER]
        .iter()
        .filter_map(|name| headers.get(name)?.to_str().ok()?.parse::<url::Url>().ok())
        .map(|url| url.origin())
        .find(|origin| origin.is_tuple())
        .map(|origin| origin.ascii_serialization())
        .unwrap_or_default()
}

fn allow_any_site(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(headers: &[(header::HeaderName, &str)]) -> String {
        origin(&headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect())
    }

    #[test]
    fn the_site_of_the_form_is_its_origin_or_its_referers() {
        assert_eq!(told(&[(header::ORIGIN, "https://news.example.org")]), "https://news.example.org");
        assert_eq!(told(&[(header::REFERER, "https://news.example.org/a?b=c")]), "https://news.example.org");
        let hidden = [(header::ORIGIN, "null"), (header::REFERER, "http://127.0.0.1:8000/page")];
        assert_eq!(told(&hidden), "http://127.0.0.1:8000");
        assert_eq!(told(&[(header::ORIGIN, "javascript:alert(1)")]), "");
        assert_eq!(told(&[]), "");
    }
}
