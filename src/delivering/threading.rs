//! What a correction answers: our own name of the original, and the one that its relay gave it, where the reply told. The
//! reply was kept when the original was settled; it is read when the correction is claimed, and what it says is
//! written down then, so that a second copy of the correction names the same.

use std::collections::HashMap;
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
        let mut told: HashMap<_, _> = answered.iter().map(|it| (it.delivery_id, self.told(it))).collect();
        if self.outlets.iter().any(|outlet| outlet.renames().is_some()) {
            let name = |id| told.get(id).and_then(Option::as_ref).map_or("", MessageId::as_str);
            let fresh = answered.iter().filter(|it| it.answers.is_none());
            let fresh: Vec<_> = fresh.map(|it| (it.delivery_id, name(&it.delivery_id))).collect();
            corrections::answer(tx, &fresh).await?;
        }
        for one in claimed {
            one.answers = told.remove(&one.id).flatten();
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
