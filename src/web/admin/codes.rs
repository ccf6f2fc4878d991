//! `/admin/account/codes`: setting up the second factor, and the codes on paper.

use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use qrcode::{EcLevel, QrCode, render::svg};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, cookie, done, frame::Frame, go};
use crate::context::Context;
use crate::domain::totp;
use crate::newsroom::{Error, Me, Standing, second_factor};
use crate::store;
use crate::web::pages::Site;

const PATH: &str = "/admin/account/codes";

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Fields {
    code: String,
    password: String,
}

/// `GET /admin/account/codes`
pub async fn page(State(cx): State<Context>, frame: Frame, me: Me) -> Answer {
    show(&cx, &frame, &me, StatusCode::OK, Value::Null).await
}

/// `POST /admin/account/codes/begin`
pub async fn begin(State(cx): State<Context>, me: Me) -> Answer {
    second_factor::begin(&cx, &me).await?;
    go(PATH)
}

/// `POST /admin/account/codes/confirm`: answers with the recovery codes, which are shown this once.
pub async fn confirm(State(cx): State<Context>, frame: Frame, me: Me, Form(fields): Form<Fields>) -> Answer {
    match second_factor::confirm(&cx, &me, &fields.code).await {
        Ok(set_up) => {
            let mut response = recovery(&frame.under(&set_up.cookie), &set_up.codes, true)?;
            cookie::set(&cx, response.headers_mut(), &set_up.cookie);
            Ok(response)
        }
        Err(Error::Refused(why)) => {
            show(&cx, &frame, &me, StatusCode::UNPROCESSABLE_ENTITY, json!({ "code": why })).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /admin/account/codes/renew`: answers with them, this once.
pub async fn renew(State(cx): State<Context>, frame: Frame, me: Me, Form(fields): Form<Fields>) -> Answer {
    match second_factor::renew_codes(&cx, &me, &fields.password).await {
        Ok(codes) => recovery(&frame, &codes, false),
        Err(Error::Refused(why)) => {
            show(&cx, &frame, &me, StatusCode::UNPROCESSABLE_ENTITY, json!({ "renew": why })).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /admin/account/codes/end`
pub async fn turn_off(State(cx): State<Context>, frame: Frame, me: Me, Form(fields): Form<Fields>) -> Answer {
    match second_factor::turn_off(&cx, &me, &fields.password).await {
        Ok(()) => done("/admin/account", "codes-off"),
        Err(Error::Refused(why)) => {
            show(&cx, &frame, &me, StatusCode::UNPROCESSABLE_ENTITY, json!({ "end": why })).await
        }
        Err(error) => Err(error.into()),
    }
}

fn recovery(frame: &Frame, codes: &[String], first: bool) -> Answer {
    frame.ok("recovery.html", &json!({ "codes": codes, "first": first }))
}

async fn show(cx: &Context, frame: &Frame, me: &Me, status: StatusCode, faults: Value) -> Answer {
    let pending = match (&me.user.totp_secret, me.user.has_second_factor()) {
        (Some(secret), false) => {
            let uri = totp::uri(&Site::of(&cx.config).brand, &me.user.email, secret);
            let text = totp::base32(secret);
            let grouped: Vec<_> = text.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
            json!({ "uri": uri, "text": grouped.join(" "), "picture": picture(&uri) })
        }
        _ => Value::Null,
    };
    let left = codes_left(cx, me).await?;
    let content = json!({
        "second_factor": me.user.has_second_factor(),
        "required": me.standing(cx) == Standing::SecondFactorMissing,
        "pending": pending,
        "left": left,
        "faults": faults,
    });
    frame.show("codes.html", status, &content)
}

async fn codes_left(cx: &Context, me: &Me) -> Result<i64, Error> {
    let mut tx = cx.db.read().await?;
    Ok(store::users::recovery_codes_left(&mut tx, me.user.id).await?)
}

/// The address as a QR code, black on white also in the dark, for phones read no other; none where it is too long.
fn picture(uri: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(uri.as_bytes(), EcLevel::M).ok()?;
    let drawn = code.render::<svg::Color>().min_dimensions(220, 220).quiet_zone(true).build();
    // What stands before the element is for files.
    drawn.find("<svg").map(|at| drawn[at..].to_owned())
}
