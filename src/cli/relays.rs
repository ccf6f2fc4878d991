//! Says hello to a relay, secures the line and logs in, as the service does, but hands it no mail; and what to do where
//! that fails.

use crate::config::{Pipelining, Relay, Tls};
use crate::mail::relay::{Connection, Failure};
use crate::mail::reply::{self, Stage};

/// How a relay is named to people.
pub(super) fn place(relay: &Relay) -> String {
    format!("relay {} ({}:{})", relay.name, relay.host, relay.port)
}

/// Opens a connection, saying EHLO with the name `hello`. The error says what is wrong and what to do.
pub(super) async fn greet(relay: &Relay, hello: &str) -> Result<Connection, String> {
    Connection::open(relay, hello, relay.pipelining).await.map_err(|failure| explain(&failure, relay))
}

/// What a connection turned out to be, as in "answers, encrypted, logged in as desk".
pub(super) fn description(connection: &Connection, relay: &Relay) -> String {
    let line = if connection.is_encrypted() { "encrypted" } else { "not encrypted" };
    let login = match &relay.credentials {
        Some(credentials) => format!("logged in as {}", credentials.user),
        None => "without a login".to_owned(),
    };
    let ahead = match (connection.pipelining(), relay.pipelining) {
        (Pipelining::Off, Pipelining::Full | Pipelining::Envelope) => ", offers no PIPELINING",
        _ => "",
    };
    let names = relay.message_id.as_ref();
    let names = names.map(|rule| format!(", names mail by {rule}")).unwrap_or_default();
    format!("answers, {line}, {login}{ahead}{names}")
}

/// What is wrong, and what to do.
pub(super) fn explain(failure: &Failure, relay: &Relay) -> String {
    match failure {
        Failure::Reply(stage, reply) | Failure::OutOfStep(stage, reply) => {
            let meaning = reply::meaning(*stage, reply);
            format!("{meaning} (at {stage}: {reply}); {}", advice(*stage, relay))
        }
        Failure::Broken(stage, why) => format!("{why} (at {stage}); {}", advice(*stage, relay)),
        // Only a message can be withdrawn, and none was sent.
        Failure::Withdrawn => "was left before it answered".to_owned(),
    }
}

fn advice(stage: Stage, relay: &Relay) -> &'static str {
    match (stage, relay.tls) {
        (Stage::Connect, _) => {
            "look at the host and port, and whether a firewall or your host's provider blocks outgoing mail"
        }
        (Stage::Auth, _) => "look at the user and password; many providers want one made for SMTP",
        (_, Tls::Required) => "look at the port and tls: 587 goes with \"required\", 465 with \"implicit\"",
        (_, Tls::Implicit) => "look at the port and tls: 465 goes with \"implicit\", 587 with \"required\"",
        (_, Tls::None) => "ask who runs the relay whether it takes mail from this machine",
    }
}
