//! A database that has been in use is brought up to date, and everything in it is still there.

use std::path::Path;

use bellwether::store::Db;
use sqlx::SqlitePool;
use sqlx::migrate::Migrator;

/// What the version before the queue's rebuilding (0005) had written: a reader and a bare address, each with a delivery
/// that was put off, and a third delivery that is gone, with its attempt. Its issue was published over the API.
const BEFORE: &str = "
    INSERT INTO subscribers (public_id, address, address_key, address_hash, state, created_at, confirmed_at)
    VALUES (x'01', 'Ada@example.org', 'ada@example.org', x'02', 'active', 1, 2);
    INSERT INTO issues (public_id, kind, state, subject, level, digest, priority, content, return_path, link_key, next_subscriber,
                        last_subscriber, last_post, audience, created_by, created_at)
    VALUES (x'0192f0c18a4e7c3b9d552f1e6f0a7b10', 'alert', 'sending', 'Polls close at eight', 'all', 'none', 22, '', 'desk@example.org',
            'k', 1, 1, 0, 2, 'desk', 3);
    INSERT INTO variants (issue_id, head, fragments) VALUES (1, 'head', '[]');
    INSERT INTO deliveries (issue_id, subscriber_id, address, variant_id, priority, state, due_at, retry_at, attempts, node, relay,
                            reply_code, reply_enhanced, reply_text)
    VALUES (1, 1, 'Ada@example.org', 1, 22, 'deferred', 4, 5, 1, NULL, 'primary', 451, '4.3.2', 'Later'),
           (1, NULL, 'eve@example.org', 1, 22, 'sending', 4, NULL, 0, x'0a', NULL, NULL, NULL, NULL),
           (1, NULL, 'gone@example.org', 1, 22, 'deferred', 4, 6, 1, NULL, 'primary', 451, NULL, 'Later');
    INSERT INTO attempts (delivery_id, at, relay, verdict, reply_code, reply_text)
    VALUES (1, 4, 'primary', 'transient', 451, 'Later'), (3, 4, 'primary', 'transient', 451, 'Later');
    DELETE FROM deliveries WHERE id = 3;
    INSERT INTO tokens (name, role, hash, created_at) VALUES ('desk', 'editor', x'03', 1);
    INSERT INTO idempotency_keys (token_id, key, body_hash, status, response, created_at)
    VALUES (1, 'key', x'04', 202, '{\"id\":\"0192f0c1-8a4e-7c3b-9d55-2f1e6f0a7b10\",\"audience\":2}', 7);
";

/// Every value of what was rebuilt, in words that both versions understand.
const ROWS: &str = "
    SELECT json_group_array(json_array(id, issue_id, subscriber_id, address, variant_id, priority, state, due_at, retry_at, attempts,
                                       hex(node), relay, reply_code, reply_enhanced, reply_text, carried_by, ended_at))
    FROM (SELECT * FROM deliveries ORDER BY id)
    UNION ALL
    SELECT json_group_array(json_array(id, delivery_id, at, relay, verdict, reply_code, reply_text))
    FROM (SELECT * FROM attempts ORDER BY id)
    UNION ALL
    SELECT json_group_array(json_array(id, hex(public_id), address, state)) FROM subscribers
    UNION ALL
    SELECT json_group_array(json_array(id, hex(public_id), subject, state, audience)) FROM issues
    UNION ALL
    SELECT json_group_array(json_array(token_id, key, hex(body_hash), created_at)) FROM idempotency_keys";

#[tokio::test]
async fn a_queue_that_is_rebuilt_keeps_its_rows_and_gives_no_id_again() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite:{}/bellwether.db", folder.path().display())).await.unwrap();
    let Db::Sqlite { write, .. } = &db else { unreachable!() };
    up_to("0004", folder.path()).await.run(write).await.unwrap();
    sqlx::raw_sql(BEFORE).execute(write).await.unwrap();
    let before = rows(write).await;
    assert!(before[0].contains("Ada@example.org"), "{before:?}");

    db.migrate().await.unwrap();
    assert_eq!(rows(write).await, before);
    let broken = sqlx::query("PRAGMA foreign_key_check").fetch_all(write).await.unwrap();
    assert_eq!(broken.len(), 0, "rows that refer to none");
    let expected: Option<i64> = value(write, "SELECT expected FROM issues").await;
    assert_eq!(expected, Some(2), "as the answer of its call said");
    let issue: i64 = value(write, "SELECT issue_id FROM idempotency_keys").await;
    assert_eq!(issue, 1, "a repeat of the call is answered as before");

    let delivery = "INSERT INTO deliveries (issue_id, address, variant_id, priority, state, due_at, attempts)
                    VALUES (1, 'new@example.org', 1, 22, 'queued', 8, 0) RETURNING id";
    assert_eq!(value::<i64>(write, delivery).await, 4, "3 was given before");
    let attempt = "INSERT INTO attempts (delivery_id, at, relay, verdict, reply_text)
                   VALUES (4, 8, 'primary', 'broken', '') RETURNING id";
    assert_eq!(value::<i64>(write, attempt).await, 3, "2 was given before");
    sqlx::query("DELETE FROM deliveries").execute(write).await.unwrap();
    assert_eq!(
        value::<i64>(write, "SELECT count(*) FROM attempts").await,
        0,
        "they still go with their delivery"
    );
    db.close().await;
}

/// The migrations of an older version.
async fn up_to(last: &str, folder: &Path) -> Migrator {
    let older = folder.join("migrations");
    std::fs::create_dir(&older).unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    for file in std::fs::read_dir(ours).unwrap() {
        let file = file.unwrap();
        if &file.file_name().to_str().unwrap()[..4] <= last {
            std::fs::copy(file.path(), older.join(file.file_name())).unwrap();
        }
    }
    Migrator::new(older).await.unwrap()
}

async fn rows(database: &SqlitePool) -> Vec<String> {
    sqlx::query_scalar(ROWS).fetch_all(database).await.unwrap()
}

async fn value<T>(database: &SqlitePool, sql: &'static str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite> + Send + Unpin,
{
    sqlx::query_scalar(sql).fetch_one(database).await.unwrap()
}

/// A feed with a post, one that was read and had none, and one that was never read.
const FEEDS: &str = "
    INSERT INTO topics (slug, name, description, provisioned) VALUES ('news', 'News', '', 1);
    INSERT INTO feeds (url, topic_id, every_micros, alert, active, baselined_at, next_poll_at, last_polled_at, failures)
    VALUES ('https://one.example/', 1, 1, 1, 1, 5, 90, 80, 0), ('https://two.example/', 1, 1, 1, 1, 6, 90, 80, 0),
           ('https://three.example/', 1, 1, 1, 1, NULL, 91, NULL, 0);
    INSERT INTO posts (public_id, title, summary, html, categories, tags, published_at, first_seen_at, revision, silent, alert_due)
    VALUES (x'01', 'Old', '', '', '[]', '[]', 1, 10, 1, 0, 0), (x'02', 'New', '', '', '[]', '[]', 2, 20, 1, 0, 0);
    INSERT INTO post_keys (scope, key, post_id) VALUES ('feed 1', 'a', 1), ('feed 1', 'b', 2), ('link', 'c', 2);";

#[tokio::test]
async fn a_feed_that_was_heard_before_the_watch_began_is_not_silent_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite:{}/bellwether.db", folder.path().display())).await.unwrap();
    let Db::Sqlite { write, .. } = &db else { unreachable!() };
    up_to("0014", folder.path()).await.run(write).await.unwrap();
    sqlx::raw_sql(FEEDS).execute(write).await.unwrap();
    db.migrate().await.unwrap();
    let heard: Vec<i64> =
        sqlx::query_scalar("SELECT heard_at FROM feeds ORDER BY id").fetch_all(write).await.unwrap();
    assert_eq!(heard, [20, 6, 91]);
}

#[tokio::test]
async fn no_plan_hangs_on_what_was_measured_while_the_database_was_small() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/bellwether.db", folder.path().display());
    let db = Db::open(&url).await.unwrap();
    let Db::Sqlite { write, .. } = &db else { unreachable!() };
    up_to("0035", folder.path()).await.run(write).await.unwrap();
    sqlx::raw_sql(FEEDS).execute(write).await.unwrap();
    sqlx::raw_sql("ANALYZE").execute(write).await.unwrap();
    db.migrate().await.unwrap();
    for _ in 0..2 {
        let db = Db::open(&url).await.unwrap();
        let Db::Sqlite { write, read } = &db else { unreachable!() };
        let figures: i64 = value(write, "SELECT count(*) FROM sqlite_stat1").await;
        assert_eq!(figures, 0);
        // As a service does that ends: whatever it looked for, it measures nothing.
        let _: i64 = value(read, "SELECT count(*) FROM posts WHERE published_at > 1").await;
        read.close().await;
        write.close().await;
    }
}
