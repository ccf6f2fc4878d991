//! How SQLite goes about each statement: hot queries use the index that was made for them, and no statement reads a
//! large table from end to end unless it is meant to.

use bellwether::store::Db;
use sqlx::AssertSqlSafe;

use super::statements::{self, Statement};
use crate::stage::{Backend, Stage};

/// Tables of a few rows, which the operator's file or the number of machines bounds, and parameters unfolded.
const SMALL: [&str; 15] = [
    "topics",
    "t",
    "feeds",
    "links",
    "schedules",
    "nodes",
    "relay_troubles",
    "pauses",
    "gone_webhooks",
    "settings",
    "tokens",
    "users",
    "reset_requests",
    "json_each",
    "v",
];

/// What begins a statement, and the indexes that it must use.
const HOT: &[(&str, &[&str])] = &[
    (
        "SELECT json_group_array(id) FROM (SELECT id FROM deliveries",
        &["deliveries_queued (priority>? AND priority<?)"],
    ),
    ("UPDATE deliveries SET state = 'sending'", &["deliveries USING INTEGER PRIMARY KEY"]),
    (
        "SELECT json_group_array(json_array(d.id, d.priority, d.address, d.variant_id, d.due_at, d.attempts, d.issue_id,
                  d.subscriber_id, iif",
        &["d USING INTEGER PRIMARY KEY", "i USING INTEGER PRIMARY KEY"],
    ),
    (
        "SELECT json_group_array(json_array(d.id, d.priority, d.address, d.variant_id, d.due_at, d.attempts, d.issue_id,
                  d.subscriber_id, hex",
        &["deliveries_of_readers (issue_id=? AND subscriber_id>? AND subscriber_id<?)"],
    ),
    ("SELECT min(priority) FROM issues", &["issues_publishing"]),
    ("UPDATE deliveries SET state = 'queued', retry_at = NULL", &["deliveries_deferred"]),
    (
        "UPDATE deliveries SET state = 'queued', node = NULL WHERE state = 'sending' AND node = $1",
        &["deliveries_sending"],
    ),
    ("UPDATE deliveries SET state = 'queued', node = NULL, reply_text = $2", &["deliveries_sending"]),
    ("UPDATE deliveries SET state = $3", &["INTEGER PRIMARY KEY"]),
    ("SELECT d.id, d.issue_id, i.kind", &["deliveries_by_subscriber"]),
    (
        "SELECT d.subscriber_id FROM deliveries d",
        &["SEARCH d USING INDEX deliveries_of_readers (issue_id=? AND subscriber_id>?)", "attempts_broken"],
    ),
    ("SELECT state, count(*) FROM deliveries WHERE issue_id", &["deliveries_by_issue"]),
    ("UPDATE issues SET state = 'sent'", &["issues_sending", "deliveries_by_issue"]),
    ("SELECT count(*), min(created_at) FROM signups", &["signups_by_network"]),
    ("SELECT count(*) FROM signups", &["signups_by_time"]),
    ("SELECT count(*), max(mailed_at) FROM signups", &["signups_by_address"]),
    ("SELECT count(*) FROM subscribers s", &["x USING PRIMARY KEY", "(subscriber_id=? AND topic_id=?)"]),
    ("SELECT json_group_array(json_array(s.id", &["s USING INTEGER PRIMARY KEY", "u USING PRIMARY KEY"]),
    ("SELECT id FROM subscribers WHERE unsubscribed_at", &["subscribers_left"]),
    (
        "SELECT count(*), max(id) FROM (SELECT subscriber_id",
        &["subscriptions_by_topic (topic_id=? AND subscriber_id>? AND subscriber_id<?)"],
    ),
    ("SELECT max(id) FROM (SELECT id FROM subscribers", &["INTEGER PRIMARY KEY"]),
    (
        "WITH w AS MATERIALIZED (\n",
        &[
            "subscriptions_by_digest (digest=? AND topic_id=?)",
            "post_topics_by_topic (topic_id=? AND post_id",
        ],
    ),
    ("UPDATE subscriptions SET digest_after", &["PRIMARY KEY (subscriber_id>? AND subscriber_id<?)"]),
    (
        "SELECT d.subscriber_id, i.post_id",
        &["issues_by_post", "deliveries_of_readers (issue_id=? AND subscriber_id>? AND subscriber_id<?)"],
    ),
    ("UPDATE deliveries SET carried_by = $1", &["deliveries_of_readers (issue_id=? AND subscriber_id=?)"]),
    ("SELECT subscriber_id, issue_id FROM deliveries", &["deliveries_too_late (subscriber_id>?"]),
    (
        "SELECT id AS issue_id, post_id, content, created_at FROM issues WHERE kind",
        &["USING PRIMARY KEY (subscriber_id=?)"],
    ),
    ("SELECT d.id, s.public_id AS subscriber, d.address", &["d USING INDEX deliveries_"]),
    ("SELECT kind, created_at FROM suppressions", &["PRIMARY KEY"]),
    ("UPDATE feeds SET next_poll_at = $2", &["feeds_due"]),
    ("SELECT p.public_id, p.title, p.wanted_at", &["posts_wanted (wanted_at>? AND wanted_at<?)", "issues_by_post"]),
    ("SELECT public_id, text, asked_by", &["drafts_asked (asked_at>? AND asked_at<?)"]),
    ("SELECT id, public_id, subject, state, created_at", &["issues_unreached (<expr>>? AND <expr><?)"]),
    ("SELECT id, public_id, kind, subject, title", &["incidents_open"]),
    ("UPDATE webhook_calls SET due_at = $2", &["webhook_calls_waiting (due_at<?)"]),
    ("SELECT p.id, p.public_id, p.url", &["k USING PRIMARY KEY"]),
    ("SELECT id, name, role, scope, made_by, expires_at, last_used_at FROM tokens", &["sqlite_autoindex_tokens_1"]),
    ("SELECT id, public_id, user_id, second_factor", &["sessions"]),
    (
        "SELECT count(*), max(at) FROM login_attempts WHERE account = $1 AND network",
        &["login_attempts_by_account (account=? AND network=? AND at>?)"],
    ),
    (
        "SELECT count(*), max(at) FROM login_attempts WHERE account = $1 AND at",
        &["login_attempts_by_account (account=?"],
    ),
    (
        "SELECT count(*), max(at) FROM login_attempts WHERE network",
        &["login_attempts_by_network (network=? AND at>?)"],
    ),
    (
        "SELECT min(ended_at), max(ended_at) FROM deliveries",
        &["deliveries_by_issue (issue_id=? AND state=?)"],
    ),
    ("SELECT (ended_at - $2) / $4", &["deliveries_by_issue (issue_id=? AND state=?)"]),
    ("SELECT relay AS name, count(*)", &["(issue_id=?)"]),
    ("SELECT lower(substr(address", &["(issue_id=?)"]),
    ("SELECT d.id, i.public_id AS issue", &["deliveries_by_subscriber (subscriber_id=?)"]),
    (
        "SELECT id FROM deliveries WHERE issue_id = $1 AND subscriber_id",
        &["deliveries_of_readers (issue_id=? AND subscriber_id=?)"],
    ),
    ("SELECT id, public_id, address, state, confirmed_at", &["s USING INTEGER PRIMARY KEY (rowid<?)"]),
    (
        "SELECT created_at / $2 AS day",
        &["consents_by_time (created_at>?)", "consents_by_subscriber (subscriber_id=?"],
    ),
    ("SELECT id, at, actor_kind", &["audit_log USING INTEGER PRIMARY KEY"]),
    ("SELECT id, totals FROM issues WHERE reduced_at IS NULL", &["issues_by_end"]),
    ("DELETE FROM deliveries WHERE id IN", &["deliveries_in_order (issue_id=?)"]),
    ("SELECT public_id FROM issues WHERE state = 'cancelled'", &["issues_cancelled"]),
    ("SELECT id FROM issues WHERE state = 'cancelled'", &["issues_cancelled", "deliveries_by_issue"]),
    ("WITH w AS MATERIALIZED (SELECT id FROM deliveries", &["deliveries_by_issue"]),
    (
        "SELECT id FROM issues WHERE paused_at IS NOT NULL",
        &["issues_paused", "deliveries_by_issue (issue_id=? AND state=?)", "deliveries_deferred (retry_at<?)"],
    ),
    ("SELECT id FROM issues WHERE resuming", &["issues_resuming"]),
    ("UPDATE deliveries SET state = 'queued' WHERE state = 'deferred'", &["deliveries_by_issue (issue_id=? AND state=?)"]),
];

#[tokio::test]
async fn hot_queries_use_the_index_that_was_made_for_them() {
    let stage = Stage::on(Backend::Sqlite).await;
    let statements = on_sqlite();
    for (start, indexes) in HOT {
        let found: Vec<_> = statements.iter().filter(|statement| statement.sql.starts_with(start)).collect();
        assert!(!found.is_empty(), "no statement begins with {start:?}");
        for statement in found {
            let plan = plan(&stage.cx.db, &statement.sql).await;
            for index in *indexes {
                assert!(
                    plan.contains(index),
                    "{}: no {index} in\n{plan}\n{}",
                    statement.place,
                    statement.sql
                );
            }
        }
    }
}

#[tokio::test]
async fn a_page_of_deliveries_is_read_in_order_and_not_sorted() {
    let stage = Stage::on(Backend::Sqlite).await;
    let pages: Vec<_> = on_sqlite().into_iter().filter(|s| s.sql.contains("ORDER BY d.id LIMIT")).collect();
    assert_eq!(pages.len(), 2, "of one state, and of all");
    for page in pages {
        let plan = plan(&stage.cx.db, &page.sql).await;
        assert!(!plan.contains("TEMP B-TREE"), "{}\n{plan}", page.sql);
    }
}

#[tokio::test]
async fn a_reader_is_found_by_address_through_an_index() {
    let stage = Stage::on(Backend::Sqlite).await;
    let by_address =
        on_sqlite().into_iter().filter(|s| s.sql.contains("address_key = $1")).collect::<Vec<_>>();
    assert!(by_address.len() >= 3);
    for statement in by_address {
        let plan = plan(&stage.cx.db, &statement.sql).await;
        assert!(plan.contains("(address_key=?"), "{}\n{plan}", statement.sql);
    }
}

#[tokio::test]
async fn nothing_reads_a_large_table_from_end_to_end_unawares() {
    /// Statements that may: the count over all readers, an erasure, what is looked for by a part of its title.
    const MAY: [&str; 5] = [
        "SELECT public_id FROM issues WHERE lower(subject) GLOB",
        "SELECT public_id FROM drafts WHERE lower(text) GLOB",
        "SELECT public_id FROM races WHERE lower(name) GLOB",
        "SELECT count(*) FROM subscribers s",
        "DELETE FROM deliveries WHERE subscriber_id IS NULL AND lower",
    ];
    let stage = Stage::on(Backend::Sqlite).await;
    let mut slow = Vec::new();
    for statement in on_sqlite().iter().filter(|s| !MAY.iter().any(|may| s.sql.starts_with(may))) {
        let plan = plan(&stage.cx.db, &statement.sql).await;
        for line in plan.lines().filter_map(|line| line.strip_prefix("SCAN ")) {
            let table = line.split(' ').next().unwrap();
            let small = SMALL.contains(&table) || line.contains("VIRTUAL TABLE") || line.contains("USING");
            if !small && table != "CONSTANT" && table != "c" && table != "w" {
                slow.push(format!("{}: SCAN {line}\n{}", statement.place, statement.sql));
            }
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n\n"));
}

fn on_sqlite() -> Vec<Statement> {
    statements::all().into_iter().filter(|s| s.only != Some(Backend::Postgres)).collect()
}

async fn plan(db: &Db, sql: &str) -> String {
    let Db::Sqlite { write, .. } = db else { unreachable!() };
    let explained = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows: Vec<(i64, i64, i64, String)> = sqlx::query_as(explained).fetch_all(write).await.unwrap();
    rows.into_iter().map(|row| row.3).collect::<Vec<_>>().join("\n")
}

/// PostgreSQL plans the claim by what it knew of the queue a while ago: it must go along the index whatever that was.
#[tokio::test]
async fn a_claim_on_postgres_reads_no_more_of_the_queue_than_it_takes() {
    if !Backend::Postgres.is_here() {
        return;
    }
    let stage = Stage::on(Backend::Postgres).await;
    let Db::Postgres(pool) = &stage.cx.db else { unreachable!() };
    sqlx::query("ANALYZE deliveries").execute(pool).await.unwrap();
    sqlx::query(
        "INSERT INTO deliveries (issue_id, subscriber_id, address, variant_id, priority, state, due_at, attempts)
         SELECT 1, n, 'reader@example.com', 1, 22, 'queued', 0, 0 FROM generate_series(1, 5000) n",
    )
    .execute(pool)
    .await
    .unwrap();
    let claim = statements::all()
        .into_iter()
        .find(|s| s.only == Some(Backend::Postgres) && s.sql.starts_with("SELECT json_agg(id)::TEXT"))
        .unwrap();
    let filled = claim.sql.replace("$1, $2", "0, 0").replace("$3", "99").replace("$4", "1000");
    let explained = AssertSqlSafe(format!("EXPLAIN {filled}"));
    let plan: Vec<String> = sqlx::query_scalar(explained).fetch_all(pool).await.unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("Index Scan using deliveries_queued") && !plan.contains("Sort"), "{plan}");
}
