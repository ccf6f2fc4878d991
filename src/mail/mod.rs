//! Mail: composing it, handing it to a relay, and what the answer means.

pub mod compose;
mod digest;
pub mod fragment;
pub mod head;
pub mod html;
pub mod page;
pub mod preview;
mod rehearsal;
pub mod relay;
pub mod reply;
pub mod sign;
mod templates;
mod text;
mod urls;
