mod config;
mod feeds;
mod mailbox;
pub mod mails;
mod sample_site;
mod smtp_server;
