//! A relay that was asked something and says nothing is shown to be silent long before its time is up: a minute for a
//! command, five for a mail.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Engine, outlet::Outlet};
use crate::domain::time::Timestamp;
use crate::metrics::RelayState;
use crate::store::{self, Tx, nodes::Trouble};

/// So long may an answer take without a word about it.
const LONG: Duration = Duration::from_secs(10);

impl Engine {
    /// Writes down which relays are silent, and which are no more; to be told to [`Engine::silence_noted`] once it is committed.
    pub(super) async fn note_silence(&self, tx: &mut Tx, now: Timestamp) -> store::Result<Vec<bool>> {
        let mut noted = Vec::with_capacity(self.outlets.len());
        for outlet in &self.outlets {
            // What failed is told with what failed.
            let well = outlet.gate.state(now) == RelayState::Closed;
            let silent = outlet.silent_since().filter(|since| well && now.since(*since) >= LONG);
            let shown = outlet.shown_silent.load(Ordering::SeqCst);
            match silent {
                Some(since) if !shown => {
                    let relay = outlet.name().to_owned();
                    let reason = "it has not answered".to_owned();
                    let trouble = Trouble { relay, paused: false, reason, since, until: since };
                    store::nodes::trouble(tx, &trouble).await?;
                }
                None if shown && well => {
                    store::nodes::trouble_over(tx, outlet.name()).await?;
                }
                _ => {}
            }
            noted.push(silent.is_some());
        }
        Ok(noted)
    }

    pub(super) fn silence_noted(&self, noted: &[bool]) {
        for (outlet, silent) in self.outlets.iter().zip(noted) {
            outlet.shown_silent.store(*silent, Ordering::SeqCst);
        }
    }
}

impl Outlet {
    /// It said something, or is asked now after nothing was asked of it.
    pub(super) fn hears(&self, now: Timestamp) {
        self.heard.store(now.as_micros(), Ordering::SeqCst);
    }

    /// Since when it has owed an answer; none where nothing is asked of it.
    fn silent_since(&self) -> Option<Timestamp> {
        self.is_busy().then(|| Timestamp::from_micros(self.heard.load(Ordering::SeqCst)))
    }
}
