//! In and out: the password, the code, the way out.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Refusal, cookie, done, frame::Frame, go};
use crate::context::Context;
use crate::domain::attempts::in_about;
use crate::newsroom::signing_in::{self, Origin, SignIn};
use crate::newsroom::{Me, Standing};

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    next: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Filled {
    email: String,
    password: String,
    code: String,
    next: String,
}

/// `GET /admin/login`
pub async fn page(State(cx): State<Context>, frame: Frame, Query(asked): Query<Asked>) -> Answer {
    if frame.me().is_some_and(|me| me.standing(&cx) == Standing::In) {
        return go(&inside(&asked.next));
    }
    show(&frame, StatusCode::OK, "", &asked.next, None)
}

/// `POST /admin/login`
pub async fn sign_in(
    State(cx): State<Context>,
    frame: Frame,
    origin: Origin,
    Form(filled): Form<Filled>,
) -> Answer {
    match signing_in::sign_in(&cx, &filled.email, &filled.password, &origin).await? {
        SignIn::Wrong => {
            let fault =
                "Address and password don’t fit together. Look at both, or choose a new password below.";
            show(&frame, StatusCode::UNPROCESSABLE_ENTITY, &filled.email, &filled.next, Some(fault))
        }
        SignIn::Wait(wait) => {
            let fault = format!("That was wrong too often. Please try again {}.", in_about(wait));
            let shown =
                show(&frame, StatusCode::TOO_MANY_REQUESTS, &filled.email, &filled.next, Some(&fault));
            after(wait, shown)
        }
        right => enter(&cx, right, &filled.next),
    }
}

/// `GET /admin/login/code`
pub async fn code_page(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    Query(asked): Query<Asked>,
) -> Answer {
    if me.standing(&cx) != Standing::CodeDue {
        return go(&inside(&asked.next));
    }
    frame.ok("code.html", &json!({ "next": asked.next, "fault": null }))
}

/// `POST /admin/login/code`
pub async fn second_step(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    Form(filled): Form<Filled>,
) -> Answer {
    if me.standing(&cx) != Standing::CodeDue {
        return go(&inside(&filled.next));
    }
    match signing_in::second_step(&cx, &me, &filled.code).await? {
        SignIn::Wrong => {
            let fault = "That code isn’t right, or it was used already. Wait for the next one in the app.";
            let content = json!({ "next": filled.next, "fault": fault });
            frame.show("code.html", StatusCode::UNPROCESSABLE_ENTITY, &content)
        }
        SignIn::Wait(wait) => {
            let fault = format!("That was wrong too often. Please try again {}.", in_about(wait));
            let content = json!({ "next": filled.next, "fault": fault });
            after(wait, frame.show("code.html", StatusCode::TOO_MANY_REQUESTS, &content))
        }
        right => enter(&cx, right, &filled.next),
    }
}

/// `POST /admin/logout`
pub async fn sign_out(State(cx): State<Context>, me: Me) -> Answer {
    signing_in::sign_out(&cx, &me).await?;
    let mut response = done("/admin/login", "signed-out")?;
    cookie::set(&cx, response.headers_mut(), &crate::domain::token::ticket(cx.entropy.bytes()));
    Ok(response)
}

/// Gives the new cookie, and leads to what is due next.
pub(super) fn enter(cx: &Context, signed_in: SignIn, next: &str) -> Answer {
    let SignIn::Right { cookie: value, standing } = signed_in else {
        let text = "Please sign in once more.";
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "That didn’t work", text));
    };
    let next = inside(next);
    let path = match standing {
        Standing::In => next,
        Standing::SecondFactorMissing => "/admin/account/codes".to_owned(),
        Standing::CodeDue => {
            let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            format!("/admin/login/code?next={next}")
        }
    };
    let mut response = go(&path)?;
    cookie::set(cx, response.headers_mut(), &value);
    Ok(response)
}

fn show(frame: &Frame, status: StatusCode, email: &str, next: &str, fault: Option<&str>) -> Answer {
    frame.show("login.html", status, &json!({ "email": email, "next": next, "fault": fault }))
}

/// The same answer, which says when to come again.
pub(super) fn after(wait: std::time::Duration, answer: Answer) -> Answer {
    let mut response = answer?;
    response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
    Ok(response)
}

/// A page of the newsroom and no other address, whatever a link says where to go next.
fn inside(next: &str) -> String {
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'"');
    let ours = next == "/admin" || next.starts_with("/admin/") || next.starts_with("/admin?");
    let way_in = next.starts_with("/admin/login") || next.starts_with("/admin/logout");
    if plain && ours && !way_in { next.to_owned() } else { "/admin".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_nowhere_but_into_the_newsroom() {
        assert_eq!(inside("/admin/audit?q=ada%40example.org"), "/admin/audit?q=ada%40example.org");
        for foreign in [
            "",
            "https://evil.example",
            "//evil.example",
            "/admin.evil",
            "/\\evil",
            "/admin/\nx",
            "/admin/login",
        ] {
            assert_eq!(inside(foreign), "/admin", "{foreign:?}");
        }
    }
}
