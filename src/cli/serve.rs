//! `bellwether serve`: the service, until it is told to stop.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, Surroundings};
use crate::app;

/// Run the service: web pages, API, feeds, digests and the sending of mail
///
/// It runs until SIGTERM or SIGINT (Ctrl-C), then finishes what is in flight and exits with 0; a second signal ends it at
/// once. Nothing that it accepted is lost by either, nor by a kill: the next start goes on with it.
///
/// Example:
///   bellwether serve --config /etc/bellwether.toml
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Serve {}

impl Serve {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let config = surroundings.load()?;
        if config.uses_example_secret() {
            return Err(Failure::Usage(
                "[server] secret is the example's, which everybody knows; make your own with `openssl rand -hex 32`"
                    .to_owned(),
            ));
        }
        let listener = bind(config.server.listen).await?;
        let stop = stop_signal()?;
        let cx = surroundings.connect(config).await?;
        Ok(app::run(cx, listener, stop).await?)
    }
}

/// Listens at an address of the configuration.
async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::Failed(format!(
            "can't listen on {address}: {error}; stop what uses it, or change [server] listen"
        ))
    })
}

/// Ready at the first SIGTERM or SIGINT; from then on a second one ends the program at once. Signals are caught from
/// this call on.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let mut signals =
        Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
    Ok(async move {
        signals.next().await;
        tokio::spawn(async move {
            signals.next().await;
            tracing::warn!("a second signal: ending at once");
            std::process::exit(1);
        });
    })
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
