mod commands;
mod config;
mod demo;
mod feeds;
mod mailbox;
pub mod mails;
mod sample_site;
mod sign_up;
mod smtp_server;
