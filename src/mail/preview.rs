//! A mail as its reader would see it, for previews: the very message that would be sent, read again.

use mail_parser::MessageParser;

use super::fragment::{Draft, Slots};
use crate::domain::time::Timestamp;

/// What stands in for the links that each recipient gets their own of.
pub(super) const SAMPLE: &str = "your-own-link";

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Preview {
    pub subject: String,
    pub text: String,
    pub html: String,
    /// The whole message's size, in bytes.
    pub bytes: usize,
}

/// Splices a draft for a sample recipient and reads it.
pub fn preview(draft: &Draft, to: &str, now: Timestamp) -> Preview {
    let slots = Slots {
        to,
        delivery: "0",
        date: now,
        unsubscribe: SAMPLE,
        preferences: SAMPLE,
        confirm: SAMPLE,
        original: "0",
        answers: None,
    };
    preview_for(draft, &slots)
}

/// Splices a draft for one recipient and reads it.
pub fn preview_for(draft: &Draft, slots: &Slots<'_>) -> Preview {
    let message = draft.splice(slots);
    let parsed = MessageParser::default().parse(&message);
    let part =
        |body: Option<std::borrow::Cow<'_, str>>| body.map(|text| text.into_owned()).unwrap_or_default();
    Preview {
        subject: draft.subject.clone(),
        text: part(parsed.as_ref().and_then(|mail| mail.body_text(0))),
        html: part(parsed.as_ref().and_then(|mail| mail.body_html(0))),
        bytes: message.len(),
    }
}
