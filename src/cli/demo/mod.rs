//! `bellwether demo`, and what surrounds the service in it: a mailbox that catches all mail, and a news site to sign up
//! on.

mod command;
pub mod mailbox;
pub mod page;
pub mod site;
pub mod smtp;

pub(super) use command::Demo;
