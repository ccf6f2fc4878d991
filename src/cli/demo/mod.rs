//! What surrounds the service in `bellwether demo`: a mailbox that catches all mail, and a news site to sign up on.

pub mod mailbox;
pub mod page;
pub mod site;
pub mod smtp;
