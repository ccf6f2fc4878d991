//! The process is killed between a mail's acceptance and its settlement, and the alert is corrected afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use bellwether::clock::Entropy;
use mail_parser::MessageParser;
use serde_json::json;

use super::{Trial, dice, relay_lines, within};
use crate::outside::installation::Service;
use crate::stage::Backend;
use crate::stage::sink::{Meeting, Moment};

const CONNECTIONS: usize = 4;
const READERS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_after_kills_names_each_mail_as_its_relay_did_on_sqlite() {
    corrected(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_after_kills_names_each_mail_as_its_relay_did_on_postgres() {
    if Backend::Postgres.is_here() {
        corrected(Backend::Postgres).await;
    }
}

async fn corrected(backend: Backend) {
    let dice = dice();
    let trial = Trial::new(backend, CONNECTIONS, READERS).await;
    let lines = relay_lines(trial.sink.port(0));
    let rule = "message_id = \"250 2.0.0 Ok: kept as {id} -> <{id}@sink.example>\"";
    trial.installation.edit_config(&lines, &format!("{lines}\n{rule}"));
    let service = trial.installation.serve().await;
    let first = meets(&trial, &dice);
    let issue = trial.alert(0).await;
    let service = killed(&trial, service, &dice, first).await;
    trial.all_sent(&issue).await;
    let words = json!({ "subject": "Polls close at eight", "markdown": "They do not stay open." });
    let path = format!("/api/v1/issues/{issue}/correct");
    let first = meets(&trial, &dice);
    let (status, begun) = trial.installation.api(&path, Some("key correction"), &words).await;
    assert_eq!(status, 202, "{begun}");
    let service = killed(&trial, service, &dice, first).await;
    trial.all_sent(begun["id"].as_str().unwrap()).await;
    // No copy differs from an earlier one of itself.
    trial.sink.check(2, &trial.readers);

    let messages = trial.sink.messages();
    let originals: BTreeMap<String, &str> = messages
        .iter()
        .enumerate()
        .filter(|(_, message)| message.name().0 == issue)
        .map(|(index, message)| (format!("{index}@sink.example"), message.to[0].as_str()))
        .collect();
    for message in messages.iter().filter(|message| message.name().0 != issue) {
        let parsed = MessageParser::default().parse(&message.raw).unwrap();
        let names = parsed.in_reply_to().as_text_list().unwrap();
        assert_eq!(names.len(), 2, "{names:?}");
        assert_eq!(originals.get(names[0].as_ref()), Some(&message.to[0].as_str()), "{names:?}");
        assert!(names[1].contains(&issue), "{names:?}");
    }
    assert_eq!(service.panic(), None);
}

/// A few mails from now the sink stops a connection, and the others soon after: something is left for the next kill.
fn meets(trial: &Trial, dice: &Entropy) -> (usize, Vec<Meeting>) {
    let few = (dice.fraction() * 20.0) as usize;
    let passes = (0..CONNECTIONS).map(|number| if number == 0 { few } else { few + 20 });
    (few, passes.map(|passes| trial.sink.meeting(Moment::Accepted, 0, passes)).collect())
}

/// Kills the service right after a 250, a few times, and starts it again.
async fn killed(
    trial: &Trial,
    mut service: Service,
    dice: &Entropy,
    first: (usize, Vec<Meeting>),
) -> Service {
    let mut next = first;
    for _ in 0..3 {
        let (few, mut meetings) = next;
        within("a mail to be accepted", meetings[0].met()).await;
        // Before the journal's line, or between it and the commit, or behind both.
        tokio::time::sleep(Duration::from_micros(few as u64 * 50)).await;
        service.kill();
        trial.sink.forget_meetings();
        drop(meetings);
        within("the sink to read what was sent", trial.sink.quiet()).await;
        next = meets(trial, dice);
        service = trial.installation.launch();
    }
    service
}
