//! What the database's part of one delivery costs: fan-out, claim and settlement, by the functions that the service runs,
//! against bare statements over a table of the same rows, in the same run. On SQLite; on PostgreSQL as well when
//! `BELLWETHER_BENCH_POSTGRES` names an empty database. `cargo bench --bench queue -- 1000000` for another number.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bellwether::clock::{Clock, Entropy};
use bellwether::config::Config;
use bellwether::context::Context;
use bellwether::domain::{delivery::State, issue::Level};
use bellwether::publishing::{
    self,
    alerting::{self, AlertRequest, Body},
};
use bellwether::store::{self, Db};
use bellwether::store::{claims::ALL_PRIORITIES, deliveries::Settled};
use sqlx::AssertSqlSafe;

const READERS: i64 = 200_000;
/// As many as the senders take and settle at once.
const CLAIM: i64 = 1_000;
const SETTLE: usize = 1_000;
/// As many as a window of the fan-out.
const BARE: i64 = 4_000;

fn main() {
    let readers = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(READERS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("it starts");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        measure("SQLite", &format!("sqlite:{}/queue.db", folder.path().display()), readers).await;
        if let Ok(url) = std::env::var("BELLWETHER_BENCH_POSTGRES") {
            measure("PostgreSQL", &url, readers).await;
        }
    });
}

async fn measure(name: &str, url: &str, readers: i64) {
    let cx = open(url).await;
    load(&cx.db, readers).await;
    println!("{name}, {readers} readers:");

    let started = Instant::now();
    let request = AlertRequest {
        kind: bellwether::domain::draft::Kind::Alert,
        preheader: None,
        about: None,
        subject: Some("Polls are closed".to_owned()),
        body: Body::Html("<p>First counts are expected at nine.</p>".to_owned()),
        link: None,
        topics: vec!["t".parse().expect("a topic")],
        level: Level::All,
        expires_at: None,
        public: None,
    };
    let published = alerting::publish(&cx, &request, &bellwether::audit::Actor::service(), None)
        .await
        .expect("it is published");
    let audience = published.expect("without a key it always is").audience;
    println!("  an alert is published and its {audience} readers are counted in {:.0?}", started.elapsed());

    let bare_insert = bare(&cx.db, readers, "INSERT").await;
    let bare_update = bare(&cx.db, readers, "UPDATE").await;

    let mut fan_out = Steps::default();
    while fan_out.step(publishing::publish_next(&cx)).await.expect("it is fanned out") {}
    fan_out.tell("fan-out", readers, ("INSERT … SELECT", bare_insert));

    let node = cx.entropy.uuid(cx.clock.now());
    let (mut claim, mut settle) = (Steps::default(), Steps::default());
    loop {
        let claimed = claim.step(async {
            let mut tx = cx.db.begin().await?;
            let claimed =
                store::claims::claim(&mut tx, node, CLAIM, ALL_PRIORITIES, Default::default()).await?;
            tx.commit().await.map(|()| claimed)
        });
        let claimed = claimed.await.expect("they are claimed");
        if claimed.is_empty() {
            break;
        }
        let now = cx.clock.now().as_micros();
        let settled: Vec<_> = claimed.iter().map(|claimed| accepted(claimed.id, now)).collect();
        for batch in settled.chunks(SETTLE) {
            let settled = settle.step(async {
                let mut tx = cx.db.begin().await?;
                let settled = store::deliveries::settle(&mut tx, node, batch).await?;
                tx.commit().await.map(|()| settled)
            });
            let settled = settled.await.expect("they are settled");
            assert_eq!(settled, batch.len() as u64);
        }
    }
    claim.tell("claim", readers, ("UPDATE", bare_update));
    settle.tell("settlement", readers, ("UPDATE", bare_update));
    println!("  most memory of this process so far: {}", most_memory());
    cx.db.close().await;
}

/// How long the steps of a work took, and the longest of them.
#[derive(Default)]
struct Steps {
    whole: Duration,
    longest: Duration,
}

impl Steps {
    async fn step<T>(&mut self, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let done = work.await;
        let took = started.elapsed();
        self.whole += took;
        self.longest = self.longest.max(took);
        done
    }

    fn tell(&self, name: &str, rows: i64, (bare_name, bare): (&str, Duration)) {
        println!(
            "  {name:<10} {:5.1} µs a delivery, {:4.1} x a bare {bare_name} ({:.1} µs); longest step {:.0?}",
            micros(self.whole, rows),
            self.whole.as_secs_f64() / bare.as_secs_f64(),
            micros(bare, rows),
            self.longest,
        );
    }
}

fn micros(time: Duration, rows: i64) -> f64 {
    time.as_secs_f64() * 1e6 / rows as f64
}

fn accepted(id: i64, now: i64) -> Settled {
    Settled {
        id,
        state: State::Sent,
        tried: 1,
        retry_at: None,
        ended_at: Some(now),
        relay: Some("primary".to_owned()),
        reply_code: Some(250),
        reply_enhanced: Some("2.0.0".to_owned()),
        reply_text: Some(format!("2.0.0 Ok: queued as 4bQ{id:012}")),
    }
}

/// One statement over all rows of a table that has no index, in chunks.
async fn bare(db: &Db, readers: i64, verb: &str) -> Duration {
    if verb == "INSERT" {
        let sql = "CREATE TABLE bare (id BIGINT PRIMARY KEY, subscriber_id BIGINT, address TEXT, state TEXT, due_at BIGINT)";
        run(db, sql.to_owned()).await;
    }
    let started = Instant::now();
    for after in (0..readers).step_by(BARE as usize) {
        let rows = format!("id > {after} AND id <= {}", after + BARE);
        run(
            db,
            match verb {
                "INSERT" => format!(
                    "INSERT INTO bare SELECT id, id, address, 'queued', 1 FROM subscribers WHERE {rows}"
                ),
                _ => format!("UPDATE bare SET state = 'sending' WHERE {rows}"),
            },
        )
        .await;
    }
    started.elapsed()
}

async fn run(db: &Db, sql: String) {
    let done = match db {
        Db::Sqlite { write, .. } => sqlx::raw_sql(AssertSqlSafe(sql)).execute(write).await.map(drop),
        Db::Postgres(pool) => sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.map(drop),
    };
    done.expect("the statement is right");
}

async fn open(url: &str) -> Context {
    let text = format!(
        r#"
        [server]
        secret = "0123456789abcdef0123456789abcdef"
        [database]
        url = "{url}"
        [sender]
        from = "Election Desk <desk@example.org>"
        postal_address = "1 Example Street, Springfield"
        [[relays]]
        url = "smtp://127.0.0.1:2525"
        [[topics]]
        slug = "t"
        name = "Elections"
        "#
    );
    let config = Config::parse(&text, "bench.toml", &BTreeMap::new()).expect("it is right");
    let clock = Clock::System;
    bellwether::app::connect(config, clock, Entropy::seeded(1)).await.expect("a database")
}

/// Readers of the one topic, straight by SQL; their addresses sort as real ones do, at random.
async fn load(db: &Db, readers: i64) {
    let (numbers, bytes, hex) = match db {
        Db::Sqlite { .. } => (
            format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {readers}) "),
            ["randomblob(16)", "randomblob(32)"],
            "hex(randomblob(4))",
        ),
        Db::Postgres(_) => (
            format!("WITH n(i) AS (SELECT generate_series(1, {readers})) "),
            ["gen_random_uuid()", "sha256(i::TEXT::BYTEA)"],
            "md5(i::TEXT)",
        ),
    };
    let [uuid, hash] = bytes;
    run(db, format!(
        "INSERT INTO subscribers (public_id, address, address_key, address_hash, state, created_at, confirmed_at)
         {numbers} SELECT {uuid}, a, a, h, 'active', 1, 1
         FROM (SELECT i, {hex} || i || '@example.org' AS a, {hash} AS h FROM n ORDER BY i) AS made"
    ))
    .await;
    let topic = "(SELECT id FROM topics)";
    run(
        db,
        format!(
            "INSERT INTO subscriptions (subscriber_id, topic_id, alerts, digest, digest_after)
         SELECT s.id, {topic}, TRUE, 'daily', 0 FROM subscribers s ORDER BY s.id"
        ),
    )
    .await;
    if matches!(db, Db::Postgres(_)) {
        run(db, "ANALYZE".to_owned()).await;
    }
}

fn most_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(|| "unknown".to_owned(), |peak| peak.trim().to_owned())
}
