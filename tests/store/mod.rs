//! The SQL itself: every statement is one that both databases take, the two schemas are one, hot queries have their index.

mod migrating;
mod plans;
mod schemas;
mod statements;
