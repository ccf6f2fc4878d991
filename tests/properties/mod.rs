mod addresses;
mod cadence;
mod feeds;
mod mails;
