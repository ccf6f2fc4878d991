//! The stored pieces of a mail, read once and spliced for each recipient.

use std::sync::{Arc, PoisonError};

use super::{Engine, Error};
use crate::domain::token::Purpose;
use crate::mail::compose::{Fragment, Slots, Stencil};
use crate::store::{self, claims::Claimed};

/// How many variants are kept in memory; beyond it all are read anew.
const KEPT: usize = 256;

/// A mail as it is kept in memory.
#[derive(Clone)]
pub(super) struct Kept {
    pub mail: Arc<Stencil>,
    /// It is on a test topic.
    pub for_tests_alone: bool,
}

impl Engine {
    /// The mail of a variant, from memory where it was read before.
    pub(super) async fn stored_mail(&self, variant_id: i64) -> Result<Kept, Error> {
        if let Some(kept) = self.mails.lock().unwrap_or_else(PoisonError::into_inner).get(&variant_id) {
            return Ok(kept.clone());
        }
        let mut tx = self.cx.db.read().await?;
        let (head, pieces) = store::issues::stored_mail(&mut tx, variant_id).await?;
        let for_tests_alone = store::issues::goes_to_tests_alone(&mut tx, variant_id).await?;
        let fragments: Vec<_> = pieces.into_iter().map(Fragment::stored).collect();
        let mail = Arc::new(Stencil::new(&head, &fragments.iter().collect::<Vec<_>>()));
        let kept = Kept { mail, for_tests_alone };
        let mut mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        if mails.len() >= KEPT {
            mails.clear();
        }
        mails.insert(variant_id, kept.clone());
        Ok(kept)
    }

    /// The message for one recipient: the same bytes each time, whatever has changed since.
    pub(super) fn message(&self, mail: &Stencil, delivery: &Claimed) -> String {
        let token = |purpose, subject: Option<uuid::Uuid>| {
            subject.map(|id| self.cx.keys.sign(&delivery.issue.link_key, purpose, id)).unwrap_or_default()
        };
        let slots = Slots {
            to: &delivery.address,
            delivery: &delivery.id.to_string(),
            date: delivery.due_at,
            // A test goes to somebody who need not be a reader: its links name the issue, and open nothing.
            unsubscribe: &token(Purpose::Unsubscribe, delivery.subscriber.or(Some(delivery.issue.public_id))),
            preferences: &token(Purpose::Preferences, delivery.subscriber.or(Some(delivery.issue.public_id))),
            confirm: &token(Purpose::Confirm, delivery.issue.signup),
            original: &delivery.original.map(|id| id.to_string()).unwrap_or_default(),
            answers: delivery.answers.as_ref(),
        };
        self.cx.signer.signed(&delivery.issue.signing, mail.splice(&slots), delivery.due_at)
    }
}
