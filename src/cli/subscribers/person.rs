//! One person: `bellwether subscribers show`, `remove` and `erase`.

use std::io::{self, IsTerminal, Write};

use super::super::{Failure, Surroundings, print, print_json};
use crate::audit::Actor;
use crate::context::Context;
use crate::domain::address::EmailAddress;
use crate::subscribing::records::{self, Erased, Person, Record};

/// Show what is known of an address: topics, consents, suppressions, deliveries
///
/// Exit codes: 0 shown; 1 nothing is known of the address; 2 wrong usage.
///
/// Example:
///   bellwether subscribers show ada@example.org
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Show {
    /// As the reader typed it; case doesn't count
    address: EmailAddress,
    /// Print JSON, with every delivery that is kept
    #[arg(long)]
    json: bool,
}

/// Unsubscribe an address from everything, as its reader could; only a new sign-up brings it back
///
/// Exit codes: 0 unsubscribed; 1 it is no reader's; 2 wrong usage.
///
/// Example:
///   bellwether subscribers remove ada@example.org
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Remove {
    /// As the reader typed it; case doesn't count
    address: EmailAddress,
}

/// Delete an address from everything: the person, sign-ups, deliveries, details of consents
///
/// What stays is a keyed hash that keeps imports from bringing the address back. Backups of yours are not touched. A mail
/// that is on its way is called off, and waited for, up to five seconds.
///
/// Exit codes: 0 erased; 1 nothing is known of the address, or its text stays in the log of a database that is being read
/// for long; 2 wrong usage.
///
/// Example:
///   bellwether subscribers erase ada@example.org --yes
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Erase {
    /// As the reader typed it; case doesn't count
    address: EmailAddress,
    /// Don't ask
    #[arg(long)]
    yes: bool,
}

/// How many deliveries are shown to a person; JSON has them all.
const SHOWN: usize = 10;

impl Show {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let record = surroundings.with_database(async |cx| record(cx, &self.address).await).await?;
        if self.json {
            return print_json(&record);
        }
        print(&record.address)?;
        match &record.subscriber {
            Some(person) => tell(person)?,
            None => print("  is no reader")?,
        }
        for signup in &record.signups {
            let (topics, alerts) = (signup.topics.join(" "), if signup.alerts { "yes" } else { "no" });
            print(format_args!(
                "  signed up {}: {} (topics {topics}; alerts {alerts}; digest {})",
                signup.at, signup.state, signup.digest
            ))?;
        }
        for suppressed in &record.suppressions {
            print(format_args!("  not mailed: {} since {}", suppressed.kind, suppressed.since))?;
        }
        Ok(())
    }
}

impl Remove {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let removed = surroundings
            .with_database(async |cx| Ok(records::remove(cx, &self.address, &Actor::command()).await?))
            .await?;
        if !removed {
            return Err(Failure::Failed(format!(
                "{} is no reader's; nothing changed",
                self.address.as_str()
            )));
        }
        print(format_args!("{} is unsubscribed from everything.", self.address.as_str()))
    }
}

impl Erase {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let address = self.address.as_str();
        if !self.yes && !agreed(&format!("Erase {address} for good?"))? {
            return Err(Failure::Failed("nothing was erased".to_owned()));
        }
        let erased = surroundings
            .with_database(async |cx| Ok(records::erase(cx, &self.address, &Actor::command()).await?))
            .await?;
        match erased {
            Erased::Everywhere => print(format_args!("{address} is erased.")),
            Erased::StillInLog => Err(Failure::Failed(format!(
                "{address} is deleted, but its text stays in the database's log while somebody reads the database for \
                 long, as a backup does; erase it again when that is over"
            ))),
            Erased::Unknown => Err(unknown(&self.address)),
        }
    }
}

/// Everything about an address.
pub(super) async fn record(cx: &Context, address: &EmailAddress) -> Result<Record, Failure> {
    records::show(cx, address).await?.ok_or_else(|| unknown(address))
}

fn unknown(address: &EmailAddress) -> Failure {
    Failure::Failed(format!("nothing is known of {}", address.as_str()))
}

fn tell(person: &Person) -> Result<(), Failure> {
    print(format_args!("  {}, confirmed {}", person.state, person.confirmed_at))?;
    if let Some(at) = person.unsubscribed_at {
        print(format_args!("  unsubscribed {at}"))?;
    }
    print(format_args!("  in logs: subscriber {}", person.id))?;
    print("Topics")?;
    for subscribed in &person.subscriptions {
        let alerts = if subscribed.alerts { "alerts" } else { "no alerts" };
        print(format_args!("  {}: {alerts}, digest {}", subscribed.topic, subscribed.digest))?;
    }
    print("Consents")?;
    for consent in &person.consents {
        print(format_args!("  {} {} {}", consent.at, consent.action, consent.detail))?;
    }
    print("Deliveries, the newest first")?;
    for delivery in person.deliveries.iter().take(SHOWN) {
        let reply = delivery.reply.as_ref().map_or_else(String::new, |reply| format!(" ({reply})"));
        let (at, kind, subject, state) =
            (delivery.due_at, &delivery.kind, &delivery.subject, &delivery.state);
        print(format_args!("  {at} {kind} \"{subject}\": {state}{reply}"))?;
    }
    if person.deliveries.len() > SHOWN {
        print(format_args!("  … and {} more; --json shows them all", person.deliveries.len() - SHOWN))?;
    }
    Ok(())
}

/// Asks on the terminal.
fn agreed(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage("nobody is here to be asked; add --yes to go ahead".to_owned()));
    }
    eprint!("{question} Type yes: ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}
