//! Databases with readers in them: loaded once with plain SQL, then copied for each run, so that every run begins the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use bellwether::app;
use bellwether::clock::{Clock, Entropy};
use bellwether::config::Config;
use bellwether::context::Context;
use bellwether::domain::time::Timestamp;
use bellwether::mail::compose::{Alert, Level, Slots};
use bellwether::mail::html;
use bellwether::store::Db;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use uuid::Uuid;

use super::Result;
use super::postgres::Postgres;
use super::program::{self, Settings};

/// In bytes: how long the alert is as it arrives.
pub const LETTER: usize = 10_240;
/// How many readers one statement inserts.
const BATCH: u64 = 5_000;
/// The database that others are copied from.
const TEMPLATE: &str = "stock";

/// Where the readers are.
#[derive(Clone)]
pub enum Backend {
    Sqlite,
    Postgres(Rc<Postgres>),
}

/// How many readers each topic has. Those of `bulk` have alerts and the daily digest, those of `news` alerts alone.
#[derive(Clone, Copy, Default)]
pub struct Readers {
    pub bulk: u64,
    pub news: u64,
}

/// A loaded database, a token for the API, and the alert's text.
pub struct Stock {
    pub backend: Backend,
    pub readers: Readers,
    pub token: String,
    /// Markdown that makes a mail of [`LETTER`] bytes.
    pub letter: String,
    folder: TempDir,
}

/// A copy of a stock's database, and a folder for one run.
pub struct Copy {
    pub folder: TempDir,
    pub database_url: String,
    database: Option<(Rc<Postgres>, String)>,
}

impl Stock {
    /// Loads so many readers, as if each had confirmed.
    pub async fn load(backend: Backend, readers: Readers) -> Result<Self> {
        let began = Instant::now();
        let folder = tempfile::Builder::new().prefix("bellwether-bench").tempdir()?;
        let database_url = match &backend {
            Backend::Sqlite => sqlite_url(folder.path()),
            Backend::Postgres(server) => {
                server.drop_database(TEMPLATE).await?;
                server.create(TEMPLATE, None).await?;
                server.at(TEMPLATE)
            }
        };
        program::write_config(folder.path(), &database_url, &Settings::default())?;
        let token = program::run(folder.path(), &["token", "create", "--name", "bench", "--role", "owner"])?;
        let config = Config::load(Some(&folder.path().join("config.toml")), &BTreeMap::new())?;
        let cx = app::connect(config, Clock::System, Entropy::system()?).await?;
        let letter = letter(&cx)?;
        insert(&cx, readers).await?;
        // A copy of the file alone is whole once nothing is in the write-ahead log.
        if !cx.db.forget().await? {
            return Err("the write-ahead log can't be emptied".into());
        }
        cx.db.close().await;
        let took = began.elapsed().as_secs_f64();
        eprintln!("loaded {} readers into {} in {took:.1} s", readers.bulk + readers.news, backend.name());
        Ok(Self { backend, readers, token: token.trim().to_owned(), letter, folder })
    }

    /// A copy for one run.
    pub async fn copy(&self) -> Result<Copy> {
        let folder = tempfile::Builder::new().prefix("bellwether-bench").tempdir()?;
        match &self.backend {
            Backend::Sqlite => {
                std::fs::copy(sqlite_file(self.folder.path()), sqlite_file(folder.path()))?;
                Ok(Copy { database_url: sqlite_url(folder.path()), folder, database: None })
            }
            Backend::Postgres(server) => {
                let name = format!("run_{}", super::counts::now());
                server.create(&name, Some(TEMPLATE)).await?;
                Ok(Copy { database_url: server.at(&name), folder, database: Some((Rc::clone(server), name)) })
            }
        }
    }
}

impl Copy {
    /// Removes the database; the folder goes by itself.
    pub async fn remove(self) -> Result<()> {
        match self.database {
            Some((server, name)) => server.drop_database(&name).await,
            None => Ok(()),
        }
    }
}

impl Backend {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }
}

fn sqlite_file(folder: &Path) -> PathBuf {
    folder.join("bellwether.db")
}

fn sqlite_url(folder: &Path) -> String {
    format!("sqlite:{}", sqlite_file(folder).display())
}

async fn insert(cx: &Context, readers: Readers) -> Result<()> {
    if let Db::Sqlite { .. } = cx.db {
        execute(&cx.db, "PRAGMA synchronous = off; PRAGMA cache_size = -400000".to_owned()).await?;
    }
    let now = cx.clock.now();
    for (topic, count) in [("bulk", readers.bulk), ("news", readers.news)] {
        let mut from = 0;
        while from < count {
            let to = count.min(from + BATCH);
            execute(&cx.db, rows(cx, topic, from..to, now)).await?;
            from = to;
        }
    }
    let now = now.as_micros();
    execute(
        &cx.db,
        format!(
            "INSERT INTO subscriptions (subscriber_id, topic_id, alerts, digest, digest_after)
             SELECT s.id, t.id, TRUE, CASE t.slug WHEN 'bulk' THEN 'daily' ELSE 'none' END, 0
             FROM subscribers s JOIN topics t ON t.slug = substr(s.address, 1, 4) ORDER BY s.id;
             INSERT INTO consents (subscriber_id, action, detail, created_at)
             SELECT id, 'imported', '{{}}', {now} FROM subscribers ORDER BY id"
        ),
    )
    .await?;
    if let Db::Postgres(_) = cx.db {
        // What autovacuum has done long before an alert.
        execute(&cx.db, "VACUUM ANALYZE subscribers, subscriptions, consents".to_owned()).await?;
    }
    Ok(())
}

/// One statement that inserts the readers with these numbers.
fn rows(cx: &Context, topic: &str, numbers: std::ops::Range<u64>, now: Timestamp) -> String {
    use std::fmt::Write;
    let (open, close) = match cx.db {
        Db::Sqlite { .. } => ("X'", "'"),
        Db::Postgres(_) => ("'\\x", "'"),
    };
    let mut sql = "INSERT INTO subscribers (public_id, address, address_key, address_hash, state, created_at, confirmed_at) VALUES "
        .to_owned();
    let first = numbers.start;
    for number in numbers {
        let address = format!("{topic}-{number:07}@example.com");
        let uuid = match cx.db {
            Db::Sqlite { .. } => format!("X'{}'", cx.entropy.uuid(now).simple()),
            Db::Postgres(_) => format!("'{}'", cx.entropy.uuid(now)),
        };
        let comma = if number == first { "" } else { "," };
        write!(sql, "{comma}({uuid},'{address}','{address}',{open}").expect("a String takes everything");
        for byte in cx.hasher.hash(&address) {
            write!(sql, "{byte:02x}").expect("a String takes everything");
        }
        let at = now.as_micros();
        write!(sql, "{close},'active',{at},{at})").expect("a String takes everything");
    }
    sql
}

async fn execute(db: &Db, sql: String) -> Result<()> {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql));
    match db {
        Db::Sqlite { write, .. } => sql.execute(write).await.map(|_| ())?,
        Db::Postgres(pool) => sql.execute(pool).await.map(|_| ())?,
    }
    Ok(())
}

/// As much text as makes the mail [`LETTER`] bytes long, or a little less.
fn letter(cx: &Context) -> Result<String> {
    const SENTENCES: [&str; 4] = [
        "The commission counted the last of the island ballots at a quarter past nine.",
        "Turnout at the harbour was higher than in any election since the bridge was built.",
        "A recount is possible where fewer than two hundred votes lie between two names.",
        "We will write again when the result is certified, and not before.",
    ];
    let mut text = String::new();
    for number in 0.. {
        let end = if number % 4 == 3 { "\n\n" } else { " " };
        let longer = format!("{text}{}{end}", SENTENCES[number % SENTENCES.len()]);
        let alert = Alert {
            kind: bellwether::domain::draft::Kind::Alert,
            subject: program::SUBJECT.to_owned(),
            level: Level::All,
            topics: vec!["news".to_owned()],
            title: String::new(),
            html: html::markdown(&longer),
            link: Some(program::LINK.to_owned()),
            preheader: None,
            link_text: None,
            author: None,
            published_at: None,
            image: None,
        };
        let token = "A".repeat(64);
        let slots = Slots {
            to: "news-0000001@example.com",
            delivery: "1000000",
            date: cx.clock.now(),
            unsubscribe: &token,
            preferences: &token,
            confirm: &token,
            original: "",
            answers: None,
        };
        if cx.composer.alert(Uuid::nil(), &alert)?.splice(&slots).len() > LETTER {
            break;
        }
        text = longer;
    }
    Ok(text)
}
