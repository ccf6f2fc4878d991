//! `bellwether watch`: what is amiss now, and whether the channels over which that is told do work.

use serde_json::{Value, json};

use super::{Failure, Surroundings, print, print_json};
use crate::context::Context;
use crate::delivering::why::moment;
use crate::store;
use crate::watching::{self, Answer, Caller};

/// Look at what the watch sees amiss, and try the channels over which it tells
///
/// The watch tells of a post that should be an alert and isn't, an alert that too few have accepted, a feed that is silent
/// and a relay that is paused: docs/watching.md.
///
/// Exit codes: 0 done; 1 with `test`: a channel can't be told, or there is none.
///
/// Examples:
///   bellwether watch
///   bellwether watch test
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Watch {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Call each webhook with an event "watch.test", and queue a mail to the watch's address
    Test,
}

impl Watch {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let json = self.json;
        surroundings
            .with_database(async |cx| match self.action {
                None => list(cx, json).await,
                Some(Action::Test) => test(cx, json).await,
            })
            .await
    }
}

async fn list(cx: &Context, json: bool) -> Result<(), Failure> {
    let mut tx = cx.db.read().await?;
    let amiss = store::incidents::open(&mut tx).await?;
    let deaf = watching::deaf(cx, &mut tx).await?;
    drop(tx);
    if json {
        let incident = |it: &store::incidents::Incident| {
            json!({ "id": it.public_id, "kind": it.kind, "subject": it.subject, "title": it.title, "what": it.what,
                    "todo": it.todo, "since": it.since, "told_at": it.begun_at })
        };
        let webhooks: Vec<_> =
            deaf.iter().map(|(place, text)| json!({ "webhook": place, "text": text })).collect();
        return print_json(
            &json!({ "amiss": amiss.iter().map(incident).collect::<Vec<_>>(), "webhooks": webhooks }),
        );
    }
    if amiss.is_empty() {
        print("Nothing is amiss.")?;
    }
    for it in &amiss {
        print(format_args!("{}  {}\n  {}\n  What to do: {}", moment(it.since), it.kind, it.what, it.todo))?;
    }
    for (place, text) in &deaf {
        print(format_args!("The webhook {place} {text}."))?;
    }
    Ok(())
}

async fn test(cx: &Context, json: bool) -> Result<(), Failure> {
    if !cx.config.watch.has_channel() {
        return Err(Failure::Failed(
            "the watch has no channel: name [[watch.webhooks]] with url and secret, or [watch] to and relay"
                .to_owned(),
        ));
    }
    let mut told: Vec<(bool, String, String)> = Vec::new();
    let caller = Caller::new().map_err(|error| Failure::Failed(format!("no HTTP client: {error}")))?;
    let event = watching::test_event(cx);
    for webhook in &cx.config.watch.webhooks {
        let about = format!("webhook {}", webhook.place());
        let (good, text) =
            match caller.call(webhook, event.data.incident, event.timestamp, &event.json()).await {
                Answer::Taken(said) => {
                    let mut tx = cx.db.begin().await?;
                    let back = store::webhook_calls::back(&mut tx, webhook.url.as_str()).await?;
                    tx.commit().await?;
                    (true, if back { format!("{said}; it is called again") } else { said })
                }
                Answer::Gone(said) => {
                    (false, format!("{said}: it wants no calls; take it out, or put its receiver right"))
                }
                Answer::Failed(said) => (false, said),
            };
        told.push((good, about, text));
    }
    if let Some(mail) = &cx.config.watch.mail {
        watching::test_mail(cx).await?;
        let to = mail.to.as_str();
        let text = format!(
            "queued for relay {}; the running service sends it, and `bellwether queue why {to}` says what became of it",
            mail.relay
        );
        told.push((true, format!("mail to {to}"), text));
    }
    if json {
        let one = |(good, channel, answer): &(bool, String, String)| -> Value {
            json!({ "channel": channel, "told": good, "answer": answer })
        };
        print_json(&told.iter().map(one).collect::<Vec<_>>())?;
    } else {
        for (good, about, text) in &told {
            print(format_args!("{:<6} {about}: {text}", if *good { "ok" } else { "failed" }))?;
        }
    }
    if told.iter().all(|(good, ..)| *good) { Ok(()) } else { Err(Failure::Told) }
}
