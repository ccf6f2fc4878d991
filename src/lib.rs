//! Bellwether: newsletters and election alerts by e-mail. ARCHITECTURE.md is the map; the order here is the way of
//! the data: the edges (`web`, `cli`) call the verbs, the verbs use `store` and `mail`, and all of them `domain`.

pub mod app;
pub mod cli;
pub mod web;

pub mod delivering;
pub mod ingesting;
pub mod newsroom;
pub mod publishing;
pub mod subscribing;
pub mod watching;

pub mod audit;
pub mod handover;
pub mod metrics;
pub mod once;
pub mod outbox;

pub mod mail;
pub mod store;

pub mod config;
pub mod context;

pub mod clock;
pub mod domain;
