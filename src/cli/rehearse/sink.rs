//! A mailbox on this machine in place of the relays: it takes every mail, notes when, and keeps none but the last.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::demo::mailbox::Mailbox;
use super::super::demo::smtp::{Limits, Moment, Server};
use crate::clock::Clock;

/// More conversations than a relay's connections: one that ends and the next may overlap.
const SPARE: usize = 16;

/// It ends when this is dropped.
pub(super) struct Sink {
    ports: Vec<u16>,
    mailbox: Mailbox,
    taken: Arc<Taken>,
    _stop: watch::Sender<bool>,
}

/// What came.
#[derive(Default)]
struct Taken {
    mails: AtomicU64,
    /// By the clock that nobody can set back, in microseconds.
    first: AtomicI64,
    last: AtomicI64,
}

/// How the sink plays one relay.
pub(super) struct Part {
    pub connections: usize,
    /// Whether it offers PIPELINING.
    pub pipelining: bool,
}

impl Sink {
    /// Listens on loopback, at a free port for each part, in a thread of its own: what it does costs the senders' none.
    ///
    /// # Errors
    /// When this machine gives no port or thread.
    pub fn open(parts: &[Part], clock: &Clock) -> io::Result<Self> {
        let mailbox = Mailbox::newest(1);
        let taken = Arc::new(Taken::default());
        let (stop, stopped) = watch::channel(false);
        let mut servers = Vec::new();
        let mut ports = Vec::new();
        for part in parts {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            ports.push(listener.local_addr()?.port());
            let limits = Limits {
                connections: part.connections + SPARE,
                pipelining: part.pipelining,
                ..Limits::default()
            };
            let (noted, now) = (Arc::clone(&taken), clock.clone());
            let server =
                Server::new(mailbox.clone(), clock.clone()).with_limits(limits).behaving(move |_, moment| {
                    if moment == Moment::Stored {
                        noted.note(now.steady());
                    }
                    None
                });
            servers.push((server, listener));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut serving = JoinSet::new();
                for (server, listener) in servers {
                    match tokio::net::TcpListener::from_std(listener) {
                        Ok(listener) => serving.spawn(server.run(listener, until_dropped(stopped.clone()))),
                        Err(error) => {
                            tracing::error!(%error, "the rehearsal's mailbox can't listen");
                            continue;
                        }
                    };
                }
                while serving.join_next().await.is_some() {}
            });
        })?;
        Ok(Self { ports, mailbox, taken, _stop: stop })
    }

    /// Where each part listens.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// How many mails came.
    pub fn mails(&self) -> u64 {
        self.taken.mails.load(Ordering::Relaxed)
    }

    /// When the first and the last mail came, by [`Clock::steady`]; none before the first.
    pub fn times(&self) -> Option<(i64, i64)> {
        let Taken { first, last, .. } = &*self.taken;
        (self.mails() > 0).then(|| (first.load(Ordering::Relaxed), last.load(Ordering::Relaxed)))
    }

    /// How long the last mail was, in bytes.
    pub fn size(&self) -> usize {
        self.mailbox.messages().last().map_or(0, |mail| mail.raw.len())
    }
}

impl Taken {
    /// Called by the sink's one thread.
    fn note(&self, now: i64) {
        if self.mails.load(Ordering::Relaxed) == 0 {
            self.first.store(now, Ordering::Relaxed);
        }
        self.last.store(now, Ordering::Relaxed);
        self.mails.fetch_add(1, Ordering::Release);
    }
}

async fn until_dropped(mut stopped: watch::Receiver<bool>) {
    // Nothing is ever sent: the error is what is waited for.
    while stopped.changed().await.is_ok() {}
}
