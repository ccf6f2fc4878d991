//! How the sink behaves: what it offers, what it answers when, and which servers of the world it plays.

use std::sync::Arc;
use std::time::Duration;

/// Where a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the greeting.
    Connect,
    Hello,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// The first line of a body has come.
    Body,
    /// The final dot has come, and is not answered.
    Dot,
    /// The 250 to it has left.
    Accepted,
}

/// What a script is asked about.
pub struct Step<'a> {
    pub moment: Moment,
    /// The recipient from RCPT on, the sender at MAIL, else empty.
    pub address: &'a str,
    /// How often that recipient was named, this time included.
    pub times: usize,
    /// How many messages came over this connection before.
    pub earlier: usize,
    /// How many messages came at all.
    pub kept: usize,
}

/// What the sink does instead of the usual.
pub enum Answer {
    Usual,
    /// A reply; with 421 the sink says nothing more.
    Say(&'static str),
    /// Bytes as they are, then nothing more on this connection.
    Garbage(&'static [u8]),
    Close,
    /// No answer, until the other side leaves or [`Sink::let_go`](super::Sink::let_go).
    Silence,
}

/// A server that isn't as RFC 5321 and RFC 2920 have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manners {
    #[default]
    Good,
    /// Answers 503 to whatever came before it was asked for.
    RefusesWhatIsAhead,
    /// The same with the words of another kind of server.
    CallsItInvalid,
    /// The same, only behind a final dot.
    RefusesBehindTheDot,
    /// Answers 421 to what came behind a final dot, and hangs up.
    EndsBehindTheDot,
    /// Throws away what came behind a final dot, and hangs up when then nothing comes.
    DropsBehindTheDot,
    /// 354 to every DATA.
    AlwaysAsksForABody,
}

pub type Behaviour = dyn Fn(&Step<'_>) -> Answer + Send + Sync;

#[derive(Clone)]
pub struct Script {
    pub pipelining: bool,
    /// STARTTLS is offered; what follows is no handshake.
    pub broken_tls: bool,
    /// AUTH is offered and required.
    pub login: bool,
    /// Replies leave one byte at a time.
    pub dribbles: bool,
    pub manners: Manners,
    /// Without a command for so long, the sink hangs up.
    pub idle: Duration,
    /// Asked at every moment of a conversation.
    pub behaviour: Arc<Behaviour>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            pipelining: true,
            broken_tls: false,
            login: false,
            dribbles: false,
            manners: Manners::Good,
            idle: Duration::from_secs(600),
            behaviour: Arc::new(|_| Answer::Usual),
        }
    }
}

impl Script {
    pub fn without_pipelining() -> Self {
        Self { pipelining: false, ..Self::default() }
    }

    pub fn mannered(manners: Manners) -> Self {
        Self { manners, ..Self::default() }
    }

    pub fn answering(self, behaviour: impl Fn(&Step<'_>) -> Answer + Send + Sync + 'static) -> Self {
        Self { behaviour: Arc::new(behaviour), ..self }
    }

    /// What to do at a step.
    pub fn ask(&self, step: &Step<'_>) -> Answer {
        (self.behaviour)(step)
    }
}
