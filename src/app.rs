//! Wires everything. `connect` opens what every command needs; `run` is the service: the web, and the loops that decide
//! on sign-ups, poll feeds, publish, deliver and keep house.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::clock::{Clock, Entropy};
use crate::config::Config;
use crate::context::{Bells, Context};
use crate::delivering::{Engine, Until};
use crate::domain::token::{AddressHasher, Keys};
use crate::ingesting::{self, Poller, fetch::Fetcher};
use crate::mail::compose::{ComposeError, Composer};
use crate::mail::sign::Signer;
use crate::metrics::Metrics;
use crate::store::{self, Db};
use crate::watching::{self, Caller};
use crate::{newsroom, publishing, subscribing, web};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the database at {place}: {error}; look at [database] url")]
    Database { place: String, error: store::Error },
    #[error("the database could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("the database: {0}")]
    Store(#[from] store::Error),
    #[error(transparent)]
    Templates(#[from] ComposeError),
    #[error(
        "another bellwether serves from {0}; stop it first, or give this one another [server] data folder"
    )]
    Locked(PathBuf),
    #[error(
        "another bellwether serves the database {0}; stop it first, for SQLite has one service (PostgreSQL has several)"
    )]
    DatabaseInUse(PathBuf),
    #[error("the data folder {folder}: {error}; look at [server] data")]
    Data { folder: PathBuf, error: std::io::Error },
    #[error("the senders: {0}")]
    Delivering(#[from] crate::delivering::Error),
    #[error(
        "this machine's clock and the database's are {} ms apart; set them by the same time server (at most {} ms), for \
         nodes tell by the time who of them lives",
        .0.as_millis(), CLOCKS_APART.as_millis()
    )]
    Clock(Duration),
    #[error("the address to listen on: {0}")]
    Listener(std::io::Error),
    #[error("can't listen on {address} for metrics: {error}; stop what uses it, or change [metrics] listen")]
    Metrics { address: SocketAddr, error: std::io::Error },
    #[error("this machine's TLS can't be set up: {0}")]
    Tls(#[from] reqwest::Error),
    #[error("this machine gives no randomness")]
    Randomness,
    #[error("a part of the service ended by itself ({0}); the log says why, and a restart loses nothing")]
    EndedEarly(String),
}

/// So much may a node's clock differ from the database's.
const CLOCKS_APART: Duration = Duration::from_secs(2);

/// How long what is in flight may take when a part of the service that it may wait for has ended by itself, and how long
/// the database's connections when all is done.
const LAST_WAIT: Duration = Duration::from_secs(30);

/// Opens the database, brings it up to date, and puts the configuration's topics, feeds and schedules into it.
///
/// # Errors
/// A database that can't be opened or migrated, or a template that is wrong.
pub async fn connect(config: Config, clock: Clock, entropy: Entropy) -> Result<Context, StartError> {
    let composer = Composer::new(&config)?;
    let url = config.database.url.expose();
    let db = Db::open(url).await.map_err(|error| StartError::Database { place: store::place(url), error })?;
    db.migrate().await?;
    let mut tx = db.begin().await?;
    let key = store::settings::get_or_set(&mut tx, "suppression key", &entropy.bytes::<32>()).await?;
    tx.commit().await?;
    let old = config.server.old_secrets.iter().map(|secret| secret.expose());
    let cx = Context {
        keys: Keys::new(config.server.secret.expose(), old),
        hasher: AddressHasher::new(&key),
        composer: Arc::new(composer),
        signer: Arc::new(Signer::new(&config.dkim)),
        bells: Arc::new(Bells::default()),
        handover: Arc::default(),
        metrics: Arc::new(Metrics::new(config.relays.iter().map(|relay| relay.name.as_str()))),
        left: Arc::default(),
        cancelled: Arc::default(),
        paused: Arc::default(),
        counts: Arc::default(),
        config: Arc::new(config),
        db,
        clock,
        entropy,
    };
    newsroom::sources::provision(&cx).await?;
    Ok(cx)
}

/// Serves until `shutdown`; then finishes what is in flight and settles it.
///
/// # Errors
/// When a loop ends before it is told to: half a service that looks well is worse than none, which is started again.
/// When the data folder or a SQLite database is in use or can't be written, or the database fails at the start.
pub async fn run(
    cx: Context,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let _locks = (lock(&cx.config.server.data)?, lock_database(&cx.db)?);
    check_clock(&cx).await?;
    let address = listener.local_addr().map_err(StartError::Listener)?;
    let metrics = listen_for_metrics(cx.config.metrics.listen).await?;
    let engine = Arc::new(Engine::open(cx.clone(), &installation(&cx).await?).await?);
    let fetcher = Fetcher::new(cx.config.fetching.allow_networks.clone(), &cx.config.server.public_url)?;
    let caller = Caller::new()?;
    let mut tx = cx.db.begin().await?;
    store::feeds::poll_all_at(&mut tx, cx.clock.now()).await?;
    tx.commit().await?;

    let (stop, stopped) = watch::channel(false);
    let mut loops = JoinSet::new();
    loops.spawn(decide_loop(cx.clone(), stopped.clone()));
    loops.spawn(publish_loop(cx.clone(), stopped.clone()));
    loops.spawn(poll_loop(cx.clone(), fetcher.clone(), stopped.clone()));
    loops.spawn(link_loop(cx.clone(), fetcher, stopped.clone()));
    loops.spawn(cancel_loop(cx.clone(), stopped.clone()));
    loops.spawn(watch_loop(cx.clone(), caller, stopped.clone()));
    loops.spawn(house_loop(cx.clone(), stopped.clone()));
    loops.spawn(listen_loop(cx.clone(), stopped.clone()));
    // The node's heart beats until the last mail in flight is settled, or others would take it over.
    let (settled, is_settled) = watch::channel(false);
    loops.spawn(tend_loop(Arc::clone(&engine), is_settled));
    loops.spawn({
        let (engine, stopped) = (Arc::clone(&engine), stopped.clone());
        async move {
            if let Err(error) = engine.pump(Until::Stopped(stopped)).await {
                tracing::error!(%error, "the senders stopped");
            }
            settled.send_replace(true);
        }
    });
    if let Some(listener) = metrics {
        tokio::spawn(serve_metrics(cx.clone(), listener, stopped.clone()));
    }
    let mut web_stopped = stopped.clone();
    let service =
        web::router_until(cx.clone(), stopped.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let web = axum::serve(listener, service).with_graceful_shutdown(async move {
        // An error means that the sender is gone, which is a stop as well.
        let _ = web_stopped.wait_for(|stop| *stop).await;
    });
    let web = tokio::spawn(web.into_future());
    tracing::info!("listening on http://{address}");
    welcome(&cx).await;

    let told = until_told(shutdown, &mut loops).await;
    tracing::info!("stopping: finishing what is in flight");
    stop.send_replace(true);
    let patience = if told.is_ok() { Duration::MAX } else { LAST_WAIT };
    let finishing = async { while loops.join_next().await.is_some() {} };
    // What isn't settled by then is taken up by the next start.
    let _ = tokio::time::timeout(patience, finishing).await;
    loops.abort_all();
    // A download may go on; everything that matters is settled.
    let _ = tokio::time::timeout(Duration::from_secs(5), web).await;
    if let Err(error) = engine.end().await {
        tracing::warn!(%error, "the last look at the queue failed");
    }
    // It waits for whoever has a connection, which may be what hangs.
    let _ = tokio::time::timeout(LAST_WAIT, cx.db.close()).await;
    tracing::info!("stopped");
    told
}

async fn listen_for_metrics(address: Option<SocketAddr>) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = address else { return Ok(None) };
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) => Err(StartError::Metrics { address, error }),
    }
}

async fn serve_metrics(cx: Context, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
    let stopping = async move {
        // An error means that the sender is gone, which is a stop as well.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, web::metrics::router(cx)).with_graceful_shutdown(stopping).await
    {
        tracing::error!(%error, "metrics can't be served");
    }
}

/// Waits for the shutdown; an error when one of the loops, which go on until they are told to stop, ends before.
async fn until_told(shutdown: impl Future<Output = ()>, loops: &mut JoinSet<()>) -> Result<(), StartError> {
    tokio::select! {
        () = shutdown => Ok(()),
        Some(ended) = loops.join_next() => {
            let why = ended.err().map_or_else(|| "it returned".to_owned(), |error| error.to_string());
            tracing::error!(why, "a part of the service ended by itself");
            Err(StartError::EndedEarly(why))
        }
    }
}

/// While nobody works here: prints the link by which the first owner is made. It is a secret and no matter for the log.
async fn welcome(cx: &Context) {
    match newsroom::links::first_owner(cx).await {
        Ok(Some(link)) => {
            let lines =
                format!("Nobody may sign in yet. Make the first owner here, within 24 hours:\n  {link}\n");
            // Whoever closed the output doesn't want to know; `bellwether user create` makes an owner too.
            let _ = std::io::stdout().write_all(lines.as_bytes());
        }
        Ok(None) => {}
        Err(error) => tracing::error!(%error, "the first owner's link could not be made"),
    }
}

/// Who lives is told by heartbeats: the nodes' clocks must agree, and they agree with the database's.
async fn check_clock(cx: &Context) -> Result<(), StartError> {
    let mut tx = cx.db.read().await?;
    let before = cx.clock.now();
    let Some(theirs) = store::nodes::database_time(&mut tx).await? else { return Ok(()) };
    let ahead = before.since(theirs);
    let behind = theirs.since(cx.clock.now());
    let apart = ahead.max(behind);
    if apart > CLOCKS_APART { Err(StartError::Clock(apart)) } else { Ok(()) }
}

/// The name of this database, by which a node's journal belongs to it.
pub async fn installation(cx: &Context) -> Result<String, StartError> {
    let mut tx = cx.db.begin().await?;
    let fresh = cx.entropy.uuid(cx.clock.now());
    let stored = store::settings::get_or_set(&mut tx, "installation", fresh.as_bytes()).await?;
    tx.commit().await?;
    Ok(Uuid::from_slice(&stored).unwrap_or(fresh).simple().to_string())
}

/// The lock is the operating system's, on a file in the data folder: a kill leaves nothing behind.
///
/// # Errors
/// When another holds it, or the folder can't be written.
pub fn lock(data: &Path) -> Result<File, StartError> {
    let failed = |error| StartError::Data { folder: data.to_owned(), error };
    std::fs::create_dir_all(data).map_err(failed)?;
    try_lock(&data.join("lock")).map_err(failed)?.ok_or_else(|| StartError::Locked(data.to_owned()))
}

/// The same on a file beside a SQLite database, whose only service takes back every claim at its start: two data
/// folders may name one database. (The database's own file has SQLite's locks, which end when anybody closes it.)
fn lock_database(db: &Db) -> Result<Option<File>, StartError> {
    let Some(database) = db.file() else { return Ok(None) };
    let mut path = database.clone().into_os_string();
    path.push("-lock");
    let path = PathBuf::from(path);
    match try_lock(&path) {
        Ok(Some(file)) => Ok(Some(file)),
        Ok(None) => Err(StartError::DatabaseInUse(database)),
        Err(error) => {
            Err(StartError::Database { place: path.display().to_string(), error: store::Error::Io(error) })
        }
    }
}

/// The open file with its lock; none when another holds it.
fn try_lock(path: &Path) -> std::io::Result<Option<File>> {
    let file = File::options().create(true).write(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Sleeps until the bell rings, `longest` is over or the service stops. True when it stops.
async fn rest(
    bell: Option<&tokio::sync::Notify>,
    longest: Duration,
    stopped: &mut watch::Receiver<bool>,
) -> bool {
    let ring = async {
        match bell {
            Some(bell) => bell.notified().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = ring => {}
        () = tokio::time::sleep(longest) => {}
        // An error means that the sender is gone, which is a stop as well.
        _ = stopped.wait_for(|stop| *stop) => return true,
    }
    *stopped.borrow()
}

async fn decide_loop(cx: Context, mut stopped: watch::Receiver<bool>) {
    loop {
        if let Err(error) = subscribing::decide_signups(&cx).await {
            tracing::error!(%error, "sign-ups can't be decided upon; trying again");
        }
        if let Err(error) = newsroom::links::answer_requests(&cx).await {
            tracing::error!(%error, "links for new passwords can't be mailed; trying again");
        }
        if rest(Some(&cx.bells.signup), Duration::from_secs(1), &mut stopped).await {
            return;
        }
    }
}

async fn publish_loop(cx: Context, mut stopped: watch::Receiver<bool>) {
    loop {
        if let Err(error) = publishing::run_due_schedules(&cx).await {
            tracing::error!(%error, "the schedules can't be read; trying again");
        }
        if let Err(error) = publish_all(&cx, &stopped).await {
            tracing::error!(%error, "publishing failed; trying again");
        }
        if rest(Some(&cx.bells.publish), Duration::from_millis(500), &mut stopped).await {
            return;
        }
    }
}

async fn publish_all(cx: &Context, stopped: &watch::Receiver<bool>) -> Result<(), publishing::Error> {
    while !*stopped.borrow() && publishing::publish_next(cx).await? {}
    Ok(())
}

async fn poll_loop(cx: Context, fetcher: Fetcher, mut stopped: watch::Receiver<bool>) {
    let mut poller = Poller::new(cx, fetcher);
    loop {
        if let Err(error) = poller.start_due().await {
            tracing::error!(%error, "feeds can't be polled; trying again");
        }
        if rest(None, Duration::from_millis(250), &mut stopped).await {
            return poller.stop().await;
        }
    }
}

async fn link_loop(cx: Context, fetcher: Fetcher, mut stopped: watch::Receiver<bool>) {
    loop {
        let looked = tokio::select! {
            looked = ingesting::look_at_links(&cx, &fetcher) => looked,
            // What was not looked at is due again in some minutes.
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        if let Err(error) = looked {
            tracing::error!(%error, "the links of drafts can't be looked at; trying again");
        }
        if rest(None, Duration::from_secs(2), &mut stopped).await {
            return;
        }
    }
}

async fn cancel_loop(cx: Context, mut stopped: watch::Receiver<bool>) {
    loop {
        let called_off = tokio::select! {
            called_off = publishing::call_off(&cx) => called_off,
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        if let Err(error) = called_off {
            tracing::error!(%error, "what waits of cancelled issues can't be called off; trying again");
        }
        let carried_out = tokio::select! {
            carried_out = publishing::pausing::carry_out(&cx) => carried_out,
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        if let Err(error) = carried_out {
            tracing::error!(%error, "what waits of paused issues can't be put by or taken up; trying again");
        }
        if rest(Some(&cx.bells.cancel), Duration::from_secs(1), &mut stopped).await {
            return;
        }
    }
}

/// Passes on what other nodes ring.
async fn listen_loop(cx: Context, mut stopped: watch::Receiver<bool>) {
    let listening = async {
        loop {
            match listen(&cx).await {
                Ok(()) => std::future::pending().await,
                Err(error) => {
                    tracing::warn!(%error, "other nodes can't be heard; their mail is seen a little later")
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = listening => {}
        // An error means that the sender is gone, which is a stop as well.
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

/// Returns where there are no other nodes.
async fn listen(cx: &Context) -> Result<(), store::Error> {
    let Some(mut bell) = store::bells::Bell::of(&cx.db).await? else { return Ok(()) };
    loop {
        bell.rung().await?;
        cx.bells.deliver.notify_one();
    }
}

async fn tend_loop(engine: Arc<Engine>, mut stopped: watch::Receiver<bool>) {
    loop {
        if let Err(error) = engine.tend().await {
            tracing::error!(%error, "the queue can't be tended; trying again");
        }
        if rest(None, Duration::from_millis(500), &mut stopped).await {
            return;
        }
    }
}

async fn watch_loop(cx: Context, caller: Caller, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = watching::go_round(&cx, &caller) => {}
            // Whoever starts next makes the calls that are broken off again, by the same ids.
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        if rest(None, Duration::from_secs(5), &mut stopped).await {
            return;
        }
    }
}

async fn house_loop(cx: Context, mut stopped: watch::Receiver<bool>) {
    loop {
        if let Err(error) = publishing::keep_house(&cx).await {
            tracing::error!(%error, "housekeeping failed; it is tried again in an hour");
        }
        if let Err(error) = watching::keep_house(&cx).await {
            tracing::error!(%error, "what the watch has done with can't be dropped; it is tried again in an hour");
        }
        if rest(None, Duration::from_secs(3600), &mut stopped).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_loop_that_ends_by_itself_ends_the_service_with_an_error() {
        let mut loops = JoinSet::new();
        loops.spawn(pending());
        assert!(until_told(ready(()), &mut loops).await.is_ok());
        loops.spawn(async { panic!("a mistake of ours") });
        let error = until_told(pending(), &mut loops).await.unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
        loops.spawn(ready(()));
        assert!(until_told(pending(), &mut loops).await.is_err());
    }
}
