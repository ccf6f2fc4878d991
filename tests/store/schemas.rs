//! The schema is written twice, once for each database; both must say the same.

use std::collections::{BTreeMap, BTreeSet};

use bellwether::store::Db;
use sqlx::AssertSqlSafe;

use crate::stage::{Backend, Stage};

/// What a database knows of its tables.
#[derive(Debug, Default, PartialEq, Eq)]
struct Schema {
    /// By table and name: (kind, nullable).
    columns: BTreeMap<(String, String), (String, bool)>,
    /// Table, column, table it refers to, what happens on delete.
    foreign_keys: BTreeSet<(String, String, String, String)>,
    /// By name; those behind constraints have none of their own.
    indexes: BTreeSet<String>,
    /// Table and columns of primary keys and unique constraints.
    unique: BTreeSet<(String, String)>,
}

#[tokio::test]
async fn the_two_schemas_are_one() {
    if !Backend::Postgres.is_here() {
        return;
    }
    let (sqlite, postgres) = (Stage::on(Backend::Sqlite).await, Stage::on(Backend::Postgres).await);
    let (here, there) = (of_sqlite(&sqlite.cx.db).await, of_postgres(&postgres.cx.db).await);
    assert!(here.columns.len() > 100 && here.foreign_keys.len() > 10 && here.indexes.len() > 20, "{here:#?}");
    for (column, kind) in &here.columns {
        let other =
            there.columns.get(column).unwrap_or_else(|| panic!("{column:?} is missing on PostgreSQL"));
        assert_eq!(kind.1, other.1, "whether {column:?} may be NULL");
        let same = match kind.0.as_str() {
            "INTEGER" => ["bigint", "boolean"].contains(&other.0.as_str()),
            "BLOB" => ["bytea", "uuid"].contains(&other.0.as_str()),
            "TEXT" => other.0 == "text",
            _ => false,
        };
        assert!(same, "{column:?}: {} and {}", kind.0, other.0);
    }
    assert_eq!(here.columns.len(), there.columns.len());
    assert_eq!(here.foreign_keys, there.foreign_keys);
    assert_eq!(here.indexes, there.indexes);
    assert_eq!(here.unique, there.unique);
}

/// The migrations that make tables.
const MIGRATIONS: [(&str, &str); 2] = [
    (
        include_str!("../../migrations/sqlite/0001_main.sql"),
        include_str!("../../migrations/postgres/0001_main.sql"),
    ),
    (
        include_str!("../../migrations/sqlite/0010_users.sql"),
        include_str!("../../migrations/postgres/0010_users.sql"),
    ),
];

#[test]
fn the_words_that_columns_may_hold_and_the_indexes_are_written_alike() {
    for (sqlite, postgres) in MIGRATIONS {
        for start in ["CHECK (", "CREATE INDEX ", "CREATE UNIQUE INDEX ", "--"] {
            let lines = |text: &'static str| {
                text.lines()
                    .filter_map(move |line| line.find(start).map(|at| line[at..].trim_end_matches(',')))
                    .collect::<Vec<_>>()
            };
            let (here, there) = (lines(sqlite), lines(postgres));
            if start == "--" {
                assert_eq!(here.len(), there.len());
            } else {
                assert_eq!(here, there);
            }
        }
    }
}

#[test]
fn no_id_is_given_again() {
    for (sqlite, _) in MIGRATIONS {
        let ids: Vec<_> = sqlite.lines().filter(|line| line.contains("INTEGER PRIMARY KEY")).collect();
        assert!(ids.len() > 4);
        assert!(ids.iter().all(|line| line.contains("AUTOINCREMENT")), "{ids:#?}");
    }
}

async fn of_sqlite(db: &Db) -> Schema {
    let Db::Sqlite { read, .. } = db else { unreachable!() };
    let mut schema = Schema::default();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'",
    )
    .fetch_all(read)
    .await
    .unwrap();
    for table in &tables {
        let columns: Vec<(String, String, bool, i64)> =
            pragma(db, format!("SELECT name, type, \"notnull\", pk FROM pragma_table_info('{table}')")).await;
        for (name, kind, not_null, key) in columns {
            schema.columns.insert((table.clone(), name), (kind, !not_null && key == 0));
        }
        let keys: Vec<(String, String, String)> = pragma(
            db,
            format!("SELECT \"from\", \"table\", on_delete FROM pragma_foreign_key_list('{table}')"),
        )
        .await;
        for (from, to, on_delete) in keys {
            schema.foreign_keys.insert((table.clone(), from, to, on_delete));
        }
        let unique: Vec<(String,)> = pragma(
            db,
            format!(
                "SELECT (SELECT group_concat(name, ', ') FROM (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno))
                 FROM pragma_index_list('{table}') l WHERE l.origin IN ('u', 'pk')"
            ),
        )
        .await;
        schema.unique.extend(unique.into_iter().map(|(columns,)| (table.clone(), columns)));
        // An INTEGER PRIMARY KEY is the row's own number and has no index.
        let rowid: Vec<(String,)> = pragma(
            db,
            format!(
                "SELECT name FROM pragma_table_info('{table}') WHERE pk = 1 AND type = 'INTEGER'
                 AND NOT EXISTS (SELECT 1 FROM pragma_index_list('{table}') WHERE origin = 'pk')"
            ),
        )
        .await;
        schema.unique.extend(rowid.into_iter().map(|(column,)| (table.clone(), column)));
    }
    let indexes: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
            .fetch_all(read)
            .await
            .unwrap();
    schema.indexes.extend(indexes);
    schema
}

async fn pragma<R>(db: &Db, sql: String) -> Vec<R>
where
    R: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin,
{
    let Db::Sqlite { read, .. } = db else { unreachable!() };
    sqlx::query_as(AssertSqlSafe(sql)).fetch_all(read).await.unwrap()
}

async fn of_postgres(db: &Db) -> Schema {
    let Db::Postgres(pool) = db else { unreachable!() };
    let mut schema = Schema::default();
    let columns: Vec<(String, String, String, bool)> = sqlx::query_as(
        "SELECT table_name::TEXT, column_name::TEXT, data_type::TEXT, is_nullable = 'YES' FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for (table, name, kind, nullable) in columns {
        schema.columns.insert((table, name), (kind, nullable));
    }
    let keys: Vec<(String, String, String, String)> = sqlx::query_as(
        "SELECT c.conrelid::REGCLASS::TEXT, a.attname::TEXT, c.confrelid::REGCLASS::TEXT,
                CASE c.confdeltype WHEN 'a' THEN 'NO ACTION' WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'other' END
         FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
         WHERE c.contype = 'f'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    schema.foreign_keys.extend(keys);
    let indexes: Vec<String> = sqlx::query_scalar(
        "SELECT indexname::TEXT FROM pg_indexes WHERE schemaname = 'public'
         AND indexname NOT IN (SELECT conname FROM pg_constraint)",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    schema.indexes.extend(indexes);
    let unique: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.conrelid::REGCLASS::TEXT,
                (SELECT string_agg(a.attname, ', ' ORDER BY k.place) FROM unnest(c.conkey) WITH ORDINALITY AS k(attnum, place)
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum)
         FROM pg_constraint c WHERE c.contype IN ('p', 'u') AND c.connamespace = 'public'::REGNAMESPACE AND c.conrelid::REGCLASS::TEXT NOT LIKE '\\_sqlx%'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    schema.unique.extend(unique);
    schema
}
