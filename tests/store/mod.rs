//! The SQL itself: every statement is one that both databases take, the two schemas are one, hot queries have their index.

mod migrating;
mod plans;
mod schemas;
mod statements;

use bellwether::store::Db;

use crate::stage::{Backend, Stage};

/// The loop in which sqlx 0.9.0 looks for old connections may never end, and then keeps a core and a command that is done.
#[tokio::test]
async fn no_pool_has_a_loop_of_its_own() {
    for backend in [Backend::Sqlite, Backend::Postgres].into_iter().filter(|backend| backend.is_here()) {
        let ages = match &Stage::on(backend).await.cx.db {
            Db::Sqlite { write, read } => [write, read].map(|pool| {
                let options = pool.options();
                (options.get_idle_timeout(), options.get_max_lifetime(), options.get_min_connections())
            }),
            Db::Postgres(pool) => {
                let options = pool.options();
                [(options.get_idle_timeout(), options.get_max_lifetime(), options.get_min_connections()); 2]
            }
        };
        assert_eq!(ages, [(None, None, 0); 2]);
    }
}
