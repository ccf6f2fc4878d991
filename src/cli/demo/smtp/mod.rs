//! A small SMTP receiver (RFC 5321) that puts all mail into a [`Mailbox`]. It serves the demo, and the tests, which
//! script its answers. It is strict where a sender could be wrong, and delivers to nobody.

mod conversation;
mod wire;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use self::{conversation::Conversation, wire::Wire};
use super::mailbox::Mailbox;
use crate::clock::Clock;

/// How long conversations get to end when the server is shut down.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where in a conversation a [`Behaviour`] is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// At MAIL; the address is the sender's.
    Sender,
    /// At RCPT; the address is the recipient's, as at all later moments, which ask once per accepted recipient.
    Recipient,
    /// At DATA, in place of the 354.
    Data,
    /// The 354 is out and the first line of the message has come.
    Body,
    /// The message has come as a whole and is not yet in the mailbox.
    Message,
    /// The message is in the mailbox, its 250 not yet sent.
    Stored,
}

/// What a [`Behaviour`] does instead of the usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A reply, without the last CR LF. At [`Moment::Body`] it closes the connection too.
    Reply(String),
    /// Closes the connection, without sending what is still to be sent.
    Disconnect,
    /// Says nothing more until the other side leaves.
    Silence,
}

/// Scripts answers: handed an address and the moment, it may answer in place of the server. The first answer counts.
pub type Behaviour = Box<dyn Fn(&str, Moment) -> Option<Answer> + Send + Sync>;

/// How much the server takes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Octets of one message.
    pub message: usize,
    /// Recipients of one message.
    pub recipients: usize,
    /// Conversations at a time; a further one is sent away with 421.
    pub connections: usize,
    /// The longest wait for the other side to send or to read something.
    pub idle: Duration,
    /// Whether EHLO offers PIPELINING. Commands that come together are answered in order in any case.
    pub pipelining: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 20 * 1024 * 1024,
            recipients: 1000,
            connections: 256,
            idle: Duration::from_secs(300),
            pipelining: true,
        }
    }
}

/// The server, ready to run.
pub struct Server {
    mailbox: Mailbox,
    clock: Clock,
    limits: Limits,
    behaviour: Option<Behaviour>,
}

impl Server {
    /// A server that accepts everything.
    pub fn new(mailbox: Mailbox, clock: Clock) -> Self {
        Self { mailbox, clock, limits: Limits::default(), behaviour: None }
    }

    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    pub fn behaving(
        self,
        behaviour: impl Fn(&str, Moment) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        Self { behaviour: Some(Box::new(behaviour)), ..self }
    }

    /// Serves until `shutdown` is ready. A conversation ends with 421 where it waits for the other side, never
    /// between taking a message and saying so.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let server = Arc::new(self);
        let places = Arc::new(Semaphore::new(server.limits.connections));
        let (closing, closed) = watch::channel(false);
        let mut conversations = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = conversations.join_next() => continue,
                () = &mut shutdown => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!("the mailbox can't take a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await; // out of descriptors: let some close
                    continue;
                }
            };
            let place = places.clone().try_acquire_owned().ok();
            let (server, closed) = (server.clone(), closed.clone());
            conversations.spawn(async move {
                let wire = Wire::new(stream, server.limits.idle, closed);
                // An error is the other side's leaving, or ours on purpose; there is nobody left to tell.
                let _ = if place.is_some() {
                    Conversation::new(&server, wire).run().await
                } else {
                    wire.refuse().await
                };
                drop(place);
            });
        }
        closing.send_replace(true);
        let ended = async { while conversations.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(FAREWELL, ended).await;
    }
}
