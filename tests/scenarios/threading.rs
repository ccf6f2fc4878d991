//! A relay that gives each mail a Message-ID of its own, and tells it: a correction names what the reader has.

use bellwether::audit::Actor;
use bellwether::publishing::correcting::{self, Corrected, Correction};
use bellwether::store;
use uuid::Uuid;

use crate::stage::{Logs, Mail, Setup, Span, Stage, both};

const ADA: &str = "ada@example.com";
const GRACE: &str = "grace@example.com";
const RULE: &str = "250 2.0.0 Kept as {id} -> <{id}@mailbox.example>";

async fn corrects(stage: &Stage, issue: Uuid) -> Uuid {
    let correction = Correction {
        subject: "The harbour is open".to_owned(),
        body: "What we said was wrong.".to_owned(),
        link: None,
        seen: None,
    };
    let done = correcting::correct(&stage.cx, &Actor::service(), issue, &correction, None).await.unwrap();
    let Corrected::Now(correction) = done else { panic!("{done:?}") };
    correction
}

async fn corrected(stage: &Stage, issue: Uuid) {
    corrects(stage, issue).await;
    stage.settle().await;
    stage.advance(2.seconds()).await;
}

fn own(mail: &Mail) -> String {
    mail.header("Message-ID").unwrap()
}

fn relays(mail: &Mail) -> String {
    format!("<{}@mailbox.example>", mail.kept_as())
}

#[track_caller]
fn answers(mail: &Mail, in_reply_to: &str, references: &str) {
    assert_eq!(mail.subject(), "Correction: The harbour is open");
    assert_eq!(mail.header("In-Reply-To").as_deref(), Some(in_reply_to));
    assert_eq!(mail.header("References").as_deref(), Some(references));
}

both! {
    async fn a_correction_names_what_each_readers_relay_called_the_original(setup: Setup) {
        let stage = setup.with("relays.0.message_id", RULE).open().await;
        stage.imported_all(&[ADA, GRACE]).await;
        let issue = stage.alert("The harbour is closed").sent().await;
        corrected(&stage, issue).await;
        for who in [ADA, GRACE] {
            let inbox = stage.inbox(who);
            let (own, relays) = (own(&inbox[0]), relays(&inbox[0]));
            answers(&inbox[1], &format!("{relays} {own}"), &format!("{own} {relays}"));
        }
        assert_ne!(relays(&stage.inbox(ADA)[0]), relays(&stage.inbox(GRACE)[0]));
    }

    async fn a_reply_that_names_no_mail_leaves_our_own_name_and_is_told_once(setup: Setup) {
        let logs = Logs::collected();
        let stage = setup.with("relays.0.message_id", RULE).open().await;
        let odd = ["says-nothing@example.com", "forges@example.com", "disconnect-in-data@example.com"];
        stage.imported_all(&odd).await;
        let issue = stage.alert("The harbour is closed").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 deferred, 2 sent");
        corrected(&stage, issue).await;
        for who in &odd[..2] {
            let inbox = stage.inbox(who);
            answers(&inbox[1], &own(&inbox[0]), &own(&inbox[0]));
            assert_eq!(inbox[1].header("Bcc"), None);
        }
        // Nobody knows whether this one has it: only what it would be called is.
        let mail = stage.newest(odd[2]);
        let name = mail.header("In-Reply-To").unwrap();
        assert!(name.ends_with(&format!(".{issue}@example.org>")), "{name}");
        answers(&mail, &name, &name);
        let log = logs.text();
        assert_eq!(log.matches("not as its message_id says").count(), 1, "{log}");
        assert!(log.contains(RULE), "{log}");
    }

    async fn what_was_accepted_before_a_kill_is_named_as_its_relay_called_it(setup: Setup) {
        let stage = setup.with("relays.0.message_id", RULE).open().await;
        stage.imported(ADA).await;
        let issue = stage.alert("The harbour is closed").queued().await;
        let (node, journal) = stage.journal();
        let mut tx = stage.cx.db.begin().await.unwrap();
        let claimed = store::claims::claim(&mut tx, node, 10, (0, 99), Default::default()).await.unwrap();
        tx.commit().await.unwrap();
        let line = format!(
            "{{\"delivery\":{},\"relay\":\"primary\",\"code\":250,\"enhanced\":\"2.0.0\",\"text\":\"Kept as 4711\"}}\n",
            claimed[0].id
        );
        let kept = std::fs::read_to_string(&journal).unwrap();
        std::fs::write(&journal, format!("{kept}{line}")).unwrap();

        let stage = stage.restarted().await;
        corrected(&stage, issue).await;
        let own = format!("<{}.{issue}@example.org>", claimed[0].id);
        answers(&stage.newest(ADA), &format!("<4711@mailbox.example> {own}"), &format!("{own} <4711@mailbox.example>"));
    }

    async fn a_second_copy_names_the_same_though_the_rule_was_changed(setup: Setup) {
        let stage = setup.with("relays.0.message_id", RULE).open().await;
        stage.imported(ADA).await;
        let issue = stage.alert("The harbour is closed").sent().await;
        stage.relay.breaks_off();
        corrected(&stage, issue).await;
        assert_eq!(stage.inbox(ADA).len(), 1, "the relay broke off in the middle of the correction");
        stage.relay.breaks_off_no_more();
        let other = "250 2.0.0 Kept as {id} -> <{id}@other.example>";
        let stage = stage.restarted_with(|setup| setup.with("relays.0.message_id", other)).await;
        stage.advance(1.minutes()).await;
        let inbox = stage.inbox(ADA);
        let (own, relays) = (own(&inbox[0]), relays(&inbox[0]));
        answers(&inbox[1], &format!("{relays} {own}"), &format!("{own} {relays}"));
    }

    async fn without_a_rule_nothing_is_read_from_a_reply(stage: Stage) {
        stage.imported(ADA).await;
        let issue = stage.alert("The harbour is closed").sent().await;
        corrected(&stage, issue).await;
        let inbox = stage.inbox(ADA);
        answers(&inbox[1], &own(&inbox[0]), &own(&inbox[0]));
    }
}

#[tokio::test]
async fn check_shows_how_a_relay_names_mail() {
    let stage = Setup::on(crate::stage::Backend::Sqlite).with("relays.0.message_id", RULE).open().await;
    let checked = stage.operator(&["check"]).await.out;
    assert!(checked.contains(&format!("names mail by {RULE}")), "{checked}");
}
