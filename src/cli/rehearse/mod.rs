//! `bellwether rehearse`: the real list and the real mail, sent to this machine alone, and what the relays make of it.

mod folder;
mod piece;
mod places;
mod reckoning;
mod report;
mod room;
mod sink;
mod words;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::ArgGroup;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use uuid::Uuid;

use self::piece::Piece;
use self::places::Place;
use self::report::Report;
use self::room::{Room, Went};
use super::issues::issue_id;
use super::serve::stop_signal;
use super::{Failure, Surroundings, words as words_of};
use crate::context::Context;
use crate::domain::{issue::Level, topic::Slug};
use crate::store;

/// Rehearse the night: your list and a real mail, sent to this machine alone; how long it takes, and what limits it
///
/// Nobody is mailed and nothing is queued. Your readers are copied into a folder inside [server] data that is deleted at
/// the end, and the mail goes to a mailbox on this machine that keeps nothing. At each relay it says hello, logs in,
/// measures the way, and leaves. It may run beside the service, but not while that sends: both would be slower.
///
/// Exit codes: 0 everybody would get it; 1 a relay fails, or a day's limit cuts somebody off, or the rehearsal failed;
/// 2 wrong usage or configuration.
///
/// Examples:
///   bellwether rehearse --topic election-alerts
///   bellwether rehearse --topic election-alerts --level critical --limit 20000
///   bellwether rehearse --issue 0192f0c1-8a4e-7c3b-9d55-2f1e6f0a7b10
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
#[command(group = ArgGroup::new("what").required(true).args(["issue", "topics"]))]
pub(super) struct Rehearse {
    /// The mail of an alert or digest that was published, to those who would get it now
    #[arg(long, value_name = "ID", value_parser = issue_id)]
    issue: Option<Uuid>,
    /// A sample alert to the readers of this topic; say it again for more
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<Slug>,
    /// Who gets the sample: all and major go to readers with alerts on, critical to every confirmed reader
    #[arg(long, default_value = "all", conflicts_with = "issue", value_parser = words_of::<Level>(Level::WORDS))]
    level: Level,
    /// Rehearse with the first N readers of the list, and reckon up the rest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Rehearse {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let stopping = Stopping::at(stop_signal()?, signal(SignalKind::hangup())?);
        surroundings
            .with_database(async |cx| {
                let piece = match self.issue {
                    Some(id) => Piece::of_issue(cx, id).await?,
                    None => Piece::sample(cx, self.topics.clone(), self.level).await?,
                };
                let readers = piece.audience(cx).await?;
                if readers == 0 {
                    return Err(Failure::Failed(
                        "nobody would get it: there is no reader who wants it".to_owned(),
                    ));
                }
                let places = tokio::select! {
                    places = places::look(cx, piece.lane()) => places?,
                    stopped = stopping.wanted() => return Err(stopped),
                };
                let all = everybody(cx).await?;
                let most = self.limit.map_or(all, |limit| limit.min(all));
                let room = Room::open(cx, &places, most, stopping).await?;
                let went = rehearse(cx, &room, &piece, readers, most).await;
                room.close().await;
                self.tell(cx, &piece, readers, &places, &went?)
            })
            .await
    }

    fn tell(
        &self,
        cx: &Context,
        piece: &Piece,
        readers: u64,
        places: &[Place],
        went: &Went,
    ) -> Result<(), Failure> {
        let on_postgres = matches!(cx.db, store::Db::Postgres(_));
        let report = Report::new(piece, readers, places, went, on_postgres);
        if self.json {
            super::print_json(&report)?;
        } else {
            super::print(report.text().trim_end())?;
        }
        if report.fine { Ok(()) } else { Err(Failure::Told) }
    }
}

/// Copies up to `most` readers, and sends to those of them who get it; `readers` of all do.
async fn rehearse(
    cx: &Context,
    room: &Room,
    piece: &Piece,
    readers: u64,
    most: u64,
) -> Result<Went, Failure> {
    let bar = progress(most, "readers copied");
    let copied = room.copy(cx, most, &bar).await;
    bar.finish_and_clear();
    copied?;
    let audience = room.audience(piece).await?;
    if audience == 0 {
        return Err(Failure::Failed(format!(
            "none of these readers would get it, but {readers} of all; rehearse with more by --limit, or with all"
        )));
    }
    let bar = progress(audience, "mails sent to this machine");
    let went = room.send(piece, &bar).await;
    bar.finish_and_clear();
    went
}

/// Whether somebody wants it to end before its time.
struct Stopping(Arc<AtomicBool>);

impl Stopping {
    /// At Ctrl-C or SIGTERM, and when the terminal is closed.
    fn at(stop: impl Future<Output = ()> + Send + 'static, mut hung_up: Signal) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stopping);
        tokio::spawn(async move {
            tokio::select! {
                () = stop => {}
                _ = hung_up.recv() => {}
            }
            told.store(true, Ordering::Relaxed);
        });
        Self(stopping)
    }

    /// # Errors
    /// When it is to end.
    fn check(&self) -> Result<(), Failure> {
        if self.0.load(Ordering::Relaxed) {
            let why = "stopped before the end; nobody was mailed, and the copy of the list is deleted";
            return Err(Failure::Failed(why.to_owned()));
        }
        Ok(())
    }

    /// Waits until it is to end, for a relay may let us wait for long.
    async fn wanted(&self) -> Failure {
        loop {
            if let Err(stopped) = self.check() {
                return stopped;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// At least as many as there are: how many there ever were.
async fn everybody(cx: &Context) -> Result<u64, Failure> {
    let mut tx = cx.db.read().await?;
    Ok(store::subscribers::last_id(&mut tx).await?.unsigned_abs())
}

/// Hidden by itself where standard error is no terminal.
fn progress(length: u64, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} {msg}, {eta} left");
    ProgressBar::new(length)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(what.to_owned())
}
