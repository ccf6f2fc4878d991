//! What the operator is told by mail of a relay.

use super::{Engine, Error};
use crate::outbox;
use crate::store::{Tx, nodes::Trouble};

/// A relay refuses many recipients for good.
pub struct ManyRefused {
    pub relay: String,
    /// The last one, without addresses.
    pub reply: String,
    pub refused: usize,
    /// Of so many replies.
    pub of: usize,
}

impl Engine {
    pub(super) async fn tell_of_pause(&self, tx: &mut Tx, trouble: &Trouble) -> Result<(), Error> {
        let subject = format!("Relay \"{}\" refuses our mail", trouble.relay);
        let paragraphs = vec![
            format!("It said: {}", trouble.reason),
            "No mail is lost: it waits, and the relay is tried again after a pause that grows from five minutes to a \
             day. Nobody was suppressed for it. If the relay takes other mail meanwhile, only what it refused waits."
                .to_owned(),
            "What to do: look at this relay's account and settings (credentials, sender address, whether it may relay \
             for this machine), and put them right. A restart, which a change of the configuration needs, tries at once, and so does \
             \"bellwether queue resume --relay NAME\". \
             \"bellwether check\" talks to the relay and says what it finds."
                .to_owned(),
        ];
        outbox::tell_operator(&self.cx, tx, &subject, paragraphs).await?;
        Ok(())
    }

    pub(super) async fn tell_of_refusals(&self, tx: &mut Tx, many: &ManyRefused) -> Result<(), Error> {
        let ManyRefused { relay, reply, refused, of } = many;
        let subject = format!("Relay \"{relay}\" refuses many recipients");
        let paragraphs = vec![
            format!("It refused {refused} of its last {of} mails for good, the last one so: {reply}"),
            "Mail goes on, and what was refused has bounced. But while these are more than one in twenty, nobody is \
             suppressed for it, and who was suppressed for it just now is mailed again: the relay may be wrong."
                .to_owned(),
            format!(
                "What to do: \"bellwether queue why ADDRESS\" shows what the relay said, and the API lists whose mail \
                 bounced (/api/v1/issues/ID/deliveries?state=bounced). If these addresses do exist, stop the relay \
                 (\"bellwether queue pause --relay {relay}\") and put it right. If they do not, as on an old list, take \
                 them out (\"bellwether subscribers remove ADDRESS\"): until then they are mailed with every issue, \
                 which harms your standing with the mailbox providers."
            ),
        ];
        outbox::tell_operator(&self.cx, tx, &subject, paragraphs).await?;
        Ok(())
    }
}
