//! `GET /admin`: where the newsroom begins.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::frame::Frame;
use crate::context::Context;
use crate::newsroom::Me;

pub async fn page(State(cx): State<Context>, frame: Frame, me: Me) -> Response {
    let second_factor_missing = me.user.role.may_release() && !me.user.has_second_factor();
    let first_name = me.user.name.split_whitespace().next().unwrap_or(&me.user.name);
    frame.ok(
        "overview.html",
        &json!({
            "first_name": first_name,
            "second_factor_missing": second_factor_missing,
            "meaning": me.user.role.meaning(),
            "topics": cx.config.topics.iter().map(|topic| &topic.name).collect::<Vec<_>>(),
        }),
    )
}
