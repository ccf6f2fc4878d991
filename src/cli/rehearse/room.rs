//! Where it is rehearsed: a database of its own with a copy of the readers, the same senders, and the sink in place of
//! the relays.

use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::Failure;
use super::Stopping;
use super::folder::Folder;
use super::piece::Piece;
use super::places::Place;
use super::sink::{Part, Sink};
use crate::config::{Config, Database, Pipelining, Tls};
use crate::context::Context;
use crate::delivering::{Engine, Until};
use crate::domain::{
    address::EmailAddress,
    issue::{Kind, State},
};
use crate::store::{self, subscribers::Exported, subscribers::Imported};
use crate::{app, publishing};

/// How many readers are copied at a time.
const CHUNK: i64 = 4_000;
/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How many looks there are to one of the engine's own, which wants one every half second.
const TENDING: u64 = 5;
/// When nothing came for so many looks, nothing more will.
const STANDSTILL: u64 = 600;

pub(super) struct Room {
    cx: Context,
    sink: Sink,
    stopping: Stopping,
    // Last, so that the folder goes when nothing is open in it.
    _folder: Folder,
}

/// How the rehearsal went.
pub(super) struct Went {
    /// Mails that were to be sent.
    pub mails: u64,
    /// Mails that came.
    pub came: u64,
    /// From the call to the first and the last mail.
    pub first: Duration,
    pub last: Duration,
    /// Of the last mail, in bytes.
    pub size: usize,
}

impl Room {
    /// An installation like this one, with nobody in it, that can reach nothing but the sink.
    ///
    /// # Errors
    /// A folder that can't be made, a disk that is full, a machine without a free port.
    pub async fn open(
        cx: &Context,
        places: &[Place],
        readers: u64,
        stopping: Stopping,
    ) -> Result<Self, Failure> {
        let folder = Folder::make(&cx.config.server.data, cx.entropy.uuid(cx.clock.now()), readers)?;
        let parts: Vec<_> = places
            .iter()
            .map(|place| Part {
                connections: place.relay.connections as usize,
                pipelining: place.found.as_ref().is_ok_and(|found| found.pipelining != Pipelining::Off)
                    || place.found.is_err(),
            })
            .collect();
        let sink = Sink::open(&parts, &cx.clock)?;
        let mut config = Config::clone(&cx.config);
        config.server.data = folder.path().to_owned();
        config.database = Database::inside(folder.path());
        config.feeds.clear();
        config.relays = places
            .iter()
            .zip(sink.ports())
            .map(|(place, port)| {
                let mut relay = place.relay.clone();
                (relay.host, relay.port) = ("127.0.0.1".to_owned(), *port);
                (relay.tls, relay.credentials, relay.ca_file) = (Tls::None, None, None);
                // They would only make it wait; what they mean for the night is reckoned.
                (relay.rate, relay.per_day) = (None, None);
                relay
            })
            .collect();
        let cx = app::connect(config, cx.clock.clone(), cx.entropy.clone()).await?;
        Ok(Self { cx, sink, stopping, _folder: folder })
    }

    /// Copies the readers who may be mailed, or the first `limit` of them.
    ///
    /// # Errors
    /// A database that can't be read or written.
    pub async fn copy(&self, from: &Context, limit: u64, bar: &ProgressBar) -> Result<u64, Failure> {
        let mut tx = self.cx.db.read().await?;
        let topics = store::topics::all(&mut tx).await?;
        drop(tx);
        let (mut after, mut copied) = (0, 0);
        loop {
            self.stopping.check()?;
            let chunk = CHUNK.min(i64::try_from(limit - copied).unwrap_or(i64::MAX));
            let mut tx = from.db.read().await?;
            let last = store::subscribers::last_id(&mut tx).await?;
            let end = store::subscribers::window(&mut tx, after, last, chunk).await?;
            let Some(end) = end.filter(|_| chunk > 0) else { return Ok(copied) };
            let rows = store::subscribers::export(&mut tx, after, end).await?;
            drop(tx);
            let now = self.cx.clock.now();
            let readers: Vec<_> = rows.iter().filter_map(|row| self.reader(row, &topics)).collect();
            let mut tx = self.cx.db.begin().await?;
            let (added, _) = store::subscribers::import(&mut tx, &readers, 0, now).await?;
            tx.commit().await?;
            copied += added;
            bar.inc(added);
            after = end;
        }
    }

    /// Under a new name: a link in the rehearsal's mail opens nothing.
    fn reader(&self, row: &Exported, topics: &[store::topics::Topic]) -> Option<Imported> {
        let address: EmailAddress = row.address.parse().ok().filter(|_| row.state == "active")?;
        let slugs: Vec<_> = row.topics.as_deref()?.split('|').collect();
        let named = topics.iter().filter(|topic| slugs.contains(&topic.slug.as_str()));
        Some(Imported {
            public_id: self.cx.entropy.uuid(self.cx.clock.now()),
            address: address.as_str().to_owned(),
            address_key: address.key().to_owned(),
            // Nobody is suppressed here; any value that is nobody else's will do.
            address_hash: self.cx.entropy.uuid(row.confirmed_at).simple().to_string(),
            topics: named.map(|topic| topic.id).collect(),
            alerts: row.alerts?,
            digest: row.digest?,
            confirmed_at: row.confirmed_at.as_micros(),
            detail: "{}".to_owned(),
        })
    }

    /// How many of the copied readers get it.
    ///
    /// # Errors
    /// A database that can't be read.
    pub async fn audience(&self, piece: &Piece) -> Result<u64, Failure> {
        Ok(piece.audience(&self.cx).await?)
    }

    /// Publishes, fans out and sends, as the service does.
    ///
    /// # Errors
    /// A database that can't be written, or senders that stand still.
    pub async fn send(&self, piece: &Piece, bar: &ProgressBar) -> Result<Went, Failure> {
        let cx = &self.cx;
        let engine = Arc::new(Engine::open(cx.clone(), &app::installation(cx).await?).await?);
        let (stop, stopped) = watch::channel(false);
        // Dropped, they stop.
        let mut senders = JoinSet::new();
        senders.spawn({
            let engine = Arc::clone(&engine);
            async move { engine.pump(Until::Stopped(stopped)).await }
        });
        let mut fan_out = JoinSet::new();
        if piece.kind != Kind::Digest {
            fan_out.spawn(fan_out_loop(cx.clone()));
        }
        let began = cx.clock.steady();
        let mails = self.publish(piece, &engine, bar).await;
        // Also where it failed: what is on its way is settled before the database is closed.
        stop.send_replace(true);
        while let Some(ended) = senders.join_next().await {
            ended.map_err(|error| Failure::Failed(format!("the senders: {error}")))??;
        }
        let after = |at: i64| Duration::from_micros(u64::try_from(at - began).unwrap_or(0));
        let (first, last) = self.sink.times().unwrap_or((began, began));
        Ok(Went {
            mails: mails?,
            came: self.sink.mails(),
            first: after(first),
            last: after(last),
            size: self.sink.size(),
        })
    }

    async fn publish(&self, piece: &Piece, engine: &Engine, bar: &ProgressBar) -> Result<u64, Failure> {
        let id = piece.publish(&self.cx).await?;
        let writing = async {
            if piece.kind == Kind::Digest { piece.write_digest(&self.cx, id).await } else { Ok(()) }
        };
        let ((), mails) = tokio::try_join!(writing, self.watch(engine, id, bar))?;
        Ok(mails)
    }

    /// Waits until nothing is on its way any more. Returns how many were to get it.
    async fn watch(&self, engine: &Engine, id: uuid::Uuid, bar: &ProgressBar) -> Result<u64, Failure> {
        let mut came = (0, 0);
        for look in 0.. {
            self.stopping.check()?;
            if look % TENDING == 0 {
                engine.tend().await?;
            }
            bar.set_position(self.sink.mails());
            let mut tx = self.cx.db.read().await?;
            let issue = store::issues::by_public_id(&mut tx, id).await?;
            drop(tx);
            if let Some(issue) = issue.filter(|issue| issue.state == State::Sent) {
                return Ok(issue.audience.unsigned_abs());
            }
            if self.sink.mails() > came.0 {
                came = (self.sink.mails(), look);
            } else if look - came.1 > STANDSTILL {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(Failure::Failed(format!(
            "the rehearsal stands still after {} mails; BELLWETHER_LOG=info tells more",
            came.0
        )))
    }

    /// Ends it: the database is closed and everything is deleted.
    pub async fn close(self) {
        self.cx.db.close().await;
    }
}

async fn fan_out_loop(cx: Context) {
    loop {
        match publishing::publish_next(&cx).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "publishing failed; trying again"),
        }
        tokio::select! {
            () = cx.bells.publish.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
