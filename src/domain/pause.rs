//! What a person stopped by hand: a lane, or a relay. It stays so until a person resumes it.

use super::time::Timestamp;

super::words! {
    pub enum Kind {
        /// None of its mail is begun.
        Lane = "lane",
        /// It is handed no mail; the others take what they can.
        Relay = "relay",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct Pause {
    pub kind: Kind,
    /// The lane's word, or the relay's name.
    pub name: String,
    /// Why, for whoever looks next; may be empty.
    pub reason: String,
    pub since: Timestamp,
}

/// The pause of this lane or relay, if it is among them.
pub fn of<'a>(pauses: &'a [Pause], kind: Kind, name: &str) -> Option<&'a Pause> {
    pauses.iter().find(|pause| pause.kind == kind && pause.name == name)
}
