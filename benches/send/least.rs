//! The least that any sender with our tables does: each mail's row is written, read and settled by the service's own
//! statements, committed to disk, while the bare wire sends as many messages. Nothing is decided, spliced, journaled or looked at.
//! How far that is from `smtp-source` is what remains for all else, and so the most that this design can reach.

use std::collections::BTreeMap;
use std::time::Instant;

use bellwether::app;
use bellwether::audit::Actor;
use bellwether::clock::{Clock, Entropy};
use bellwether::config::Config;
use bellwether::context::Context;
use bellwether::domain::{delivery::State, issue::Level, time::Timestamp};
use bellwether::publishing::alerting::{self, AlertRequest, Body};
use bellwether::store::deliveries::{Batch, Settled};
use bellwether::store::{claims, deliveries, issues};

use tokio::sync::mpsc;

use super::options::{Name, Options};
use super::path::{Path, Server};
use super::program::{self, Settings};
use super::report::spread;
use super::stock::{Copy, Readers, Stock};
use super::{Result, Verdict, source, wire};

/// As many as the fan-out takes at once, and the settler.
const WINDOW: usize = 500;
const BATCH: usize = 1_000;

/// Measures it for each chosen path that signs nothing and may send ahead, in turns with `smtp-source`.
pub async fn run(options: &Options) -> Result<Verdict> {
    let Some(source) = source::find() else {
        return Err("Postfix's smtp-source is not installed (Debian's package postfix)".into());
    };
    let mut server = Server::default();
    for name in options.cases() {
        if !matches!(name, Name::Sqlite | Name::Postgres) {
            continue;
        }
        println!("\n# The least: {}", name.title());
        let Some(mut path) = Path::prepare(name, &mut server)? else { continue };
        let messages = options.messages.unwrap_or(100_000);
        let stock = Stock::load(path.backend.clone(), Readers { bulk: 0, news: messages }).await?;
        let (mut alone, mut rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..options.rounds.unwrap_or(3) {
            alone.push(messages as f64 / Rows::prepare(&stock).await?.write().await?);
            let rows = Rows::prepare(&stock).await?;
            let (written, sent) = tokio::join!(rows.write(), wire::run(messages, &mut path.sink));
            let rate = sent?.rate.min(messages as f64 / written?);
            rates.push(rate);
            ratios.push(rate / source::run(&source, messages, &mut path.sink)?.rate);
        }
        println!("the rows alone, deliveries a second: {}", spread(alone, 0));
        println!("with the bare wire beside them, mails a second: {}", spread(rates, 0));
        println!("ratio to smtp-source: {} (floor {})", spread(ratios, 2), name.floor());
    }
    Ok(Verdict::Right)
}

/// A copy of the stock, with an alert whose deliveries are not written yet.
struct Rows {
    cx: Context,
    copy: Copy,
    readers: i64,
    batch: Batch,
}

impl Rows {
    async fn prepare(stock: &Stock) -> Result<Self> {
        let copy = stock.copy().await?;
        program::write_config(copy.folder.path(), &copy.database_url, &Settings::default())?;
        let config = Config::load(Some(&copy.folder.path().join("config.toml")), &BTreeMap::new())?;
        let cx = app::connect(config, Clock::System, Entropy::system()?).await?;
        let request = AlertRequest {
            subject: Some(program::SUBJECT.to_owned()),
            preheader: None,
            body: Body::Markdown(stock.letter.clone()),
            about: None,
            link: None,
            topics: vec!["news".parse()?],
            level: Level::All,
            expires_at: None,
        };
        let published = alerting::publish(&cx, &request, &Actor::service(), None).await?;
        let published = published.ok_or("without a key it is always published")?;
        let mut tx = cx.db.read().await?;
        let issue = issues::by_public_id(&mut tx, published.id).await?.ok_or("the issue is not there")?;
        let variant_id = issues::only_variant(&mut tx, issue.id).await?;
        drop(tx);
        let now = cx.clock.now();
        let node = Some(cx.entropy.uuid(now));
        let priority = issue.priority;
        let batch = Batch { issue_id: issue.id, variant_id, priority, state: State::Sending, node, now };
        Ok(Self { cx, copy, readers: i64::try_from(stock.readers.news)?, batch })
    }

    /// Writes and settles them all, one beside the other; gives how many seconds that took.
    async fn write(self) -> Result<f64> {
        let Self { cx, copy, readers, batch } = self;
        let node = batch.node.ok_or("a claim has a node")?;
        let (fresh, mut written) = mpsc::unbounded_channel();
        let began = Instant::now();
        let db = &cx.db;
        let write = async move {
            for after in (0..readers).step_by(WINDOW) {
                let last = readers.min(after + WINDOW as i64);
                let mut tx = db.begin().await?;
                deliveries::insert_for(&mut tx, batch, &(after + 1..=last).collect::<Vec<_>>()).await?;
                let claimed = claims::fresh(&mut tx, node, batch.issue_id, after, last).await?;
                tx.commit().await?;
                fresh.send(claimed)?;
            }
            Result::Ok(())
        };
        let settle = async {
            while let Some(mut claimed) = written.recv().await {
                while claimed.len() < BATCH
                    && let Some(more) = written.recv().await
                {
                    claimed.extend(more);
                }
                let settled: Vec<_> = claimed.iter().map(|claimed| accepted(claimed.id, batch.now)).collect();
                let mut tx = db.begin().await?;
                let done = deliveries::settle(&mut tx, node, &settled).await?;
                tx.commit().await?;
                if done != settled.len() as u64 {
                    return Err(format!("{done} of {} rows were settled", settled.len()).into());
                }
            }
            Result::Ok(())
        };
        tokio::try_join!(write, settle)?;
        let took = began.elapsed().as_secs_f64();
        cx.db.close().await;
        copy.remove().await?;
        Ok(took)
    }
}

fn accepted(id: i64, now: Timestamp) -> Settled {
    Settled {
        id,
        state: State::Sent,
        tried: 1,
        retry_at: None,
        ended_at: Some(now.as_micros()),
        relay: Some("primary".to_owned()),
        reply_code: Some(250),
        reply_enhanced: Some("2.0.0".to_owned()),
        reply_text: Some("2.0.0 Ok".to_owned()),
    }
}
