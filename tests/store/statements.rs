//! Every statement in `src/store` is prepared on both databases: what the compiler would say of it, a test says here.

use std::path::Path;

use bellwether::store::Db;
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};

use crate::stage::{Backend, Stage};

/// A statement as it stands in the source.
#[derive(Clone, Debug)]
pub struct Statement {
    /// File and line.
    pub place: String,
    pub sql: String,
    /// None for both.
    pub only: Option<Backend>,
}

/// Every statement of the store.
pub fn all() -> Vec<Statement> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| in_file(file)).collect()
}

fn in_file(file: &Path) -> Vec<Statement> {
    let source = std::fs::read_to_string(file).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let mut statements = Vec::new();
    // After `fork(` the first text is SQLite's and the second is PostgreSQL's.
    let mut forked = None;
    let literals = literals(&source);
    for (n, &(at, text)) in literals.iter().enumerate() {
        if source[..at].trim_end().ends_with("fork(") {
            forked = Some(Backend::Sqlite);
        }
        if let Some(texts) = unfolded(&source, &literals[n..]) {
            let place = format!("{name}:{}", source[..at].lines().count());
            statements.extend(texts.map(|(only, sql)| Statement {
                place: place.clone(),
                sql,
                only: Some(only),
            }));
            continue;
        }
        let locks = text.starts_with("LOCK");
        let only = if locks { Some(Backend::Postgres) } else { forked };
        forked = (forked == Some(Backend::Sqlite)).then_some(Backend::Postgres);
        let verbs = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ", "LOCK "];
        if verbs.iter().any(|verb| text.starts_with(verb)) {
            let line = source[..at].lines().count();
            statements.push(Statement { place: format!("{name}:{line}"), sql: text.to_owned(), only });
        }
    }
    statements
}

/// What `unfold!` makes of the literals that begin here, where it does.
fn unfolded(source: &str, literals: &[(usize, &str)]) -> Option<[(Backend, String); 2]> {
    let [(at, before), (set_at, set), rest @ ..] = literals else { return None };
    source[..*at].trim_end().strip_suffix("tx,")?.trim_end().strip_suffix("unfold!(")?;
    let element = source[set_at + set.len() + 2..].strip_prefix(" as ")?;
    let end = element.find(|c: char| !c.is_alphanumeric())?;
    let behind = if element[end..].starts_with(',') { rest.first()?.1 } else { "" };
    let text = |unfolded: String| format!("{before}({unfolded}){behind}");
    let element = &element[..end];
    Some([
        (Backend::Sqlite, text(format!("SELECT value FROM json_each({set})"))),
        (
            Backend::Postgres,
            text(format!("SELECT value::{element} FROM jsonb_array_elements_text({set}::JSONB)")),
        ),
    ])
}

/// The string literals of a Rust source with where they begin; it has neither raw strings nor quotes in characters.
fn literals(source: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some(next) = source[rest..].find(['"', '/']) {
        let at = rest + next;
        if source[at..].starts_with("//") {
            rest = at + source[at..].find('\n').unwrap_or(source.len() - at);
        } else if source[at..].starts_with('"') {
            let end = at + 1 + source[at + 1..].find('"').unwrap();
            found.push((at, &source[at + 1..end]));
            rest = end + 1;
        } else {
            rest = at + 1;
        }
    }
    found
}

async fn every_statement_can_be_prepared(backend: Backend) {
    let stage = Stage::on(backend).await;
    let mut wrong = Vec::new();
    for statement in all().into_iter().filter(|statement| statement.only.is_none_or(|only| only == backend)) {
        let sql = AssertSqlSafe(statement.sql.clone()).into_sql_str();
        let prepared = match &stage.cx.db {
            Db::Sqlite { write, .. } => write.acquire().await.unwrap().prepare(sql).await.map(drop),
            Db::Postgres(pool) => pool.acquire().await.unwrap().prepare(sql).await.map(drop),
        };
        if let Err(error) = prepared {
            wrong.push(format!("{}: {error}\n{}", statement.place, statement.sql));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test]
async fn every_statement_can_be_prepared_on_sqlite() {
    every_statement_can_be_prepared(Backend::Sqlite).await;
}

#[tokio::test]
async fn every_statement_can_be_prepared_on_postgres() {
    if Backend::Postgres.is_here() {
        every_statement_can_be_prepared(Backend::Postgres).await;
    }
}

#[test]
fn the_statements_are_found() {
    let all = all();
    assert!(all.len() > 100, "{}", all.len());
    let of = |backend| all.iter().filter(|statement| statement.only == Some(backend)).count();
    assert!(of(Backend::Sqlite) > 10);
    assert_eq!(
        of(Backend::Postgres),
        of(Backend::Sqlite) + 2,
        "each fork has two texts, and there are the locks of posts and of tokens"
    );
}
