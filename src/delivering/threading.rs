//! What a correction answers: our own name of the original, and the one that its relay gave it, where the reply told. The
//! reply was kept when the original was settled; it is read when the correction is claimed, and what it says is
//! written down then, so that a second copy of the correction names the same.

use std::sync::atomic::Ordering;

use super::{Engine, Error, outlet::Outlet};
use crate::domain::message_id::MessageId;
use crate::mail::reply::Reply;
use crate::store::{
    Tx,
    claims::Claimed,
    corrections::{self, Answered},
};

impl Engine {
    /// Puts to the corrections among what was claimed how their readers' relays named the original. Nothing is read for
    /// any other mail.
    pub(super) async fn thread(&self, tx: &mut Tx, claimed: &mut [Claimed]) -> Result<(), Error> {
        let ids: Vec<_> = claimed.iter().filter(|it| it.original.is_some()).map(|it| it.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let answered = corrections::answered(tx, &ids).await?;
        let told: Vec<_> = answered.iter().map(|it| (it.delivery_id, self.told(it))).collect();
        if self.outlets.iter().any(|outlet| outlet.renames().is_some()) {
            let fresh = answered.iter().zip(&told).filter(|(it, _)| it.answers.is_none());
            let fresh: Vec<_> = fresh
                .map(|(it, (_, id))| (it.delivery_id, id.as_ref().map_or("", MessageId::as_str)))
                .collect();
            if !fresh.is_empty() {
                corrections::answer(tx, &fresh).await?;
            }
        }
        for (delivery, id) in told {
            if let Some(one) = claimed.iter_mut().find(|it| it.id == delivery) {
                one.answers = id;
            }
        }
        Ok(())
    }

    /// What the relay called the original: as it was written down, or else by its reply.
    fn told(&self, answered: &Answered) -> Option<MessageId> {
        if let Some(answers) = &answered.answers {
            return MessageId::parse(answers);
        }
        let relay = answered.relay.as_deref()?;
        let outlet = self.outlets.iter().find(|outlet| outlet.name() == relay)?;
        outlet.renames()?.told(&answered.reply()?)
    }
}

impl Outlet {
    /// Looks whether an accepted mail's reply is as the configuration says; the first that isn't is told, for the rule is
    /// wrong then.
    pub(super) fn look_at(&self, reply: &Reply) {
        let Some(rule) = self.renames() else { return };
        if rule.told(&reply.to_string()).is_none() && !self.tells_nothing.swap(true, Ordering::SeqCst) {
            let (relay, reply, rule) = (self.name(), reply.redacted(), rule.to_string());
            tracing::warn!(
                relay,
                reply,
                rule,
                "the relay's reply is not as its message_id says: corrections find the original by our own Message-ID \
                 alone; put message_id right, or remove it"
            );
        }
    }
}
