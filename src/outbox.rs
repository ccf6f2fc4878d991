//! A mail to one bare address, queued in the caller's transaction: confirmations, and word to the operator. It leaves
//! like every mail, as a delivery.

use crate::context::Context;
use crate::domain::{
    delivery,
    issue::{Kind, Level, State, priority},
    time::{DAY, Timestamp},
};
use crate::mail::compose::{ComposeError, Draft, Notice};
use crate::store::{self, Tx, issues::NewIssue};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Compose(#[from] ComposeError),
}

/// To whom a notice goes, and why.
pub struct Envelope<'a> {
    pub public_id: uuid::Uuid,
    pub to: &'a str,
    /// The sign-up that a confirmation's link names.
    pub signup_id: Option<i64>,
    pub created_by: &'a str,
    pub expires_at: Timestamp,
}

/// Queues `draft`; ring `bells.deliver` after the commit.
pub async fn queue(
    cx: &Context,
    tx: &mut Tx,
    draft: &Draft,
    envelope: &Envelope<'_>,
) -> Result<i64, store::Error> {
    queue_at(cx, tx, draft, envelope, priority(Kind::Notice, Level::All)).await
}

/// The same at another place of the queue than notices have.
pub async fn queue_at(
    cx: &Context,
    tx: &mut Tx,
    draft: &Draft,
    envelope: &Envelope<'_>,
    priority: i64,
) -> Result<i64, store::Error> {
    let now = cx.clock.now();
    let issue = NewIssue {
        state: State::Sending,
        signup_id: envelope.signup_id,
        expires_at: Some(envelope.expires_at),
        ..cx.new_issue(envelope.public_id, Kind::Notice, &draft.subject, envelope.created_by)
    };
    let issue_id = store::issues::insert(tx, &issue).await?;
    let variant_id = store::issues::add_mail(tx, issue_id, &draft.head, draft.pieces()).await?;
    let batch = store::deliveries::Batch {
        issue_id,
        variant_id,
        priority,
        state: delivery::State::Queued,
        node: None,
        now,
    };
    store::deliveries::insert_bare(tx, batch, envelope.to).await?;
    store::bells::ring(tx).await?;
    Ok(issue_id)
}

/// Tells the operator something that needs a person: in the log, and by mail where `[sender] operator` is set.
///
/// # Errors
/// A database that can't be written, or a template that can't be rendered.
pub async fn tell_operator(
    cx: &Context,
    tx: &mut Tx,
    subject: &str,
    paragraphs: Vec<String>,
) -> Result<(), Error> {
    tracing::warn!(subject, detail = paragraphs.join(" "), "for the operator");
    let Some(operator) = &cx.config.sender.operator else {
        return Ok(());
    };
    let now = cx.clock.now();
    let public_id = cx.entropy.uuid(now);
    let draft =
        cx.composer.notice(public_id, &Notice { subject: subject.to_owned(), paragraphs, link: None })?;
    let envelope = Envelope {
        public_id,
        to: operator.as_str(),
        signup_id: None,
        created_by: "bellwether",
        expires_at: now.plus(DAY),
    };
    queue(cx, tx, &draft, &envelope).await?;
    Ok(())
}
