//! Relays in trouble, by script. Whatever they do, everybody has the mail once; twice at most where the relay had taken
//! it and didn't say so. What database is behind it makes no difference here, so these run on SQLite.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::{Trial, long, relay_lines, until, within};
use crate::outside::installation::Service;
use crate::stage::Backend;
use crate::stage::sink::{Answer, Manners, Moment, Script, Sink, Step};

const CONNECTIONS: usize = 4;
const READERS: usize = 190;

/// Stories one after the other on one installation; each has a fresh start of the service, an alert and a script.
struct Stories {
    // Dropped first, while its log is there to be shown.
    service: Service,
    trial: Trial,
    issues: usize,
}

impl Stories {
    async fn begin() -> Self {
        let trial = Trial::new(Backend::Sqlite, CONNECTIONS, READERS).await;
        let service = trial.installation.serve().await;
        Self { service, trial, issues: 0 }
    }

    /// Publishes an alert to a relay that behaves like this.
    async fn alert(&mut self, what: &str, script: Script) -> String {
        println!("the relay {what}");
        if self.issues > 0 {
            self.restart().await;
        }
        self.trial.sink.play(script);
        self.issues += 1;
        self.trial.alert(self.issues).await
    }

    async fn restart(&mut self) {
        self.service.stop().await;
        self.service = self.trial.installation.serve().await;
    }

    /// Waits until all is sent, and tries again at once whatever was put off. Gives who had it twice.
    async fn arrives(&mut self, issue: &str) -> BTreeSet<String> {
        let installation = &self.trial.installation;
        let sent = async || {
            let sent = installation.issue(issue).await.is_some_and(|issue| issue["state"] == "sent");
            assert_eq!(self.trial.sink.violations(), [] as [String; 0]);
            if !sent {
                self.trial.retry();
            }
            sent.then_some(())
        };
        until("the issue to be sent", sent).await;
        self.trial.all_sent(issue).await;
        assert_eq!(self.service.panic(), None);
        self.trial.sink.check(self.issues, &self.trial.readers).into_iter().map(|again| again.to).collect()
    }

    /// An alert arrives once with everybody.
    async fn once(&mut self, what: &str, script: Script) {
        let before = self.copies();
        let issue = self.alert(what, script).await;
        let again = self.arrives(&issue).await;
        assert_eq!(self.copies() - before, READERS, "{what}: {again:?} had it twice");
    }

    fn copies(&self) -> usize {
        self.trial.sink.len()
    }
}

/// Something that happens `times` times at a moment, from the message `from` on.
fn at(moment: Moment, from: usize, times: usize, answer: fn() -> Answer) -> impl Fn(&Step<'_>) -> Answer {
    let done = AtomicUsize::new(0);
    move |step| {
        let now = step.moment == moment && step.kept >= from;
        if now && done.fetch_add(1, Ordering::SeqCst) < times { answer() } else { Answer::Usual }
    }
}

fn silence() -> Answer {
    Answer::Silence
}

fn close() -> Answer {
    Answer::Close
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_away_or_silent_gets_everything_when_it_is_back() {
    let mut stories = Stories::begin().await;
    stories.trial.sink.shut();
    let issue = stories.alert("refuses connections", Script::default()).await;
    until("the relay to be found away", async || {
        stories.service.log().contains("the relay takes no mail now").then_some(())
    })
    .await;
    stories.trial.sink.reopen().await;
    assert_eq!(stories.arrives(&issue).await, BTreeSet::new());

    // In the long mode it is the client that gives up, after a minute or five.
    for (what, moment) in
        [("takes the connection and says nothing", Moment::Connect), ("is silent at DATA", Moment::Data)]
    {
        let from = stories.copies() + if moment == Moment::Connect { 0 } else { 50 };
        let script = Script::default().answering(at(moment, from, 2, silence));
        let before = stories.copies();
        let issue = stories.alert(what, script).await;
        let rest = if moment == Moment::Connect { before } else { before + 60 };
        within(
            "the others to be sent",
            stories.trial.sink.wait_until(|sink| sink.len() >= rest && sink.open_connections() > 0),
        )
        .await;
        stories.lets_go().await;
        stories.arrives(&issue).await;
        assert_eq!(stories.copies() - before, READERS, "{what}");
    }

    let from = stories.copies() + 50;
    let script = Script::default().answering(at(Moment::Dot, from, 2, silence));
    let before = stories.copies();
    let issue = stories.alert("takes two messages and doesn't say so", script).await;
    within("the others to be sent", stories.trial.sink.wait_until(|sink| sink.len() >= from + 20)).await;
    stories.lets_go().await;
    stories.arrives(&issue).await;
    assert_eq!(stories.copies() - before, READERS + 2, "their fate was unknown, so they went again");
}

impl Stories {
    async fn lets_go(&self) {
        if !long() {
            // Whoever is silent by now is heard again; so are those who are only on the way to it.
            let sink = self.trial.sink.clone();
            sink.let_go();
            tokio::spawn(async move {
                for _ in 0..50 {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    sink.let_go();
                }
            });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_wants_patience_gets_it_and_everything_once() {
    let mut stories = Stories::begin().await;
    let all = [Moment::Mail, Moment::Dot, Moment::Connect, Moment::Rcpt, Moment::Data];
    // After each the client is slow for a while, as it should be.
    for moment in &all[..if long() { all.len() } else { 2 }] {
        let moment = *moment;
        let from = stories.copies() + 20;
        let from = if moment == Moment::Connect { 0 } else { from };
        let answer = || Answer::Say("421 4.3.2 Not now");
        let script = Script::default().answering(at(moment, from, 3, answer));
        stories.once(&format!("says 421 at {moment:?}"), script).await;
    }
    for moment in [Moment::Rcpt, Moment::Dot] {
        let script = Script::default().answering(move |step| {
            let some = step.address.contains("7@") && step.times % 2 == 1;
            if some && step.moment == moment { Answer::Say("451 4.3.0 Later") } else { Answer::Usual }
        });
        let connections = stories.trial.sink.connections();
        stories.once(&format!("says 451 at {moment:?} for some"), script).await;
        let made = stories.trial.sink.connections() - connections;
        assert!(made <= CONNECTIONS, "{made} connections: a refusal ends none");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_breaks_off_or_talks_nonsense_gets_everything() {
    let mut stories = Stories::begin().await;
    let closing = |step: &Step<'_>| {
        let some = step.moment == Moment::Body && step.address.contains("5@") && step.times == 1;
        if some { Answer::Close } else { Answer::Usual }
    };
    stories.once("closes in DATA", Script::default().answering(closing)).await;
    stories.once("answers byte by byte", Script { dribbles: true, ..Script::default() }).await;
    for (moment, from) in [(Moment::Connect, 0), (Moment::Hello, 0), (Moment::Mail, 30), (Moment::Data, 30)] {
        let from = if from > 0 { stories.copies() + from } else { 0 };
        let garbage = || Answer::Garbage(b"\x00\xfe\x80 25O hello\r\nnonsense\r\n\r\n");
        let script = Script::default().answering(at(moment, from, 2, garbage));
        stories.once(&format!("answers garbage at {moment:?}"), script).await;
    }
    let before = stories.copies();
    let script = Script::default().answering(at(Moment::Dot, before + 50, 3, close));
    let issue = stories.alert("takes three messages and hangs up", script).await;
    stories.arrives(&issue).await;
    assert_eq!(stories.copies() - before, READERS + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_minds_what_is_sent_ahead_gets_everything_once() {
    let mut stories = Stories::begin().await;
    stories.once("offers no PIPELINING", Script::without_pipelining()).await;
    stories.once("says 503 to what is ahead", Script::mannered(Manners::RefusesWhatIsAhead)).await;
    stories.once("calls what is ahead invalid", Script::mannered(Manners::CallsItInvalid)).await;
    stories.once("says 503 behind a dot", Script::mannered(Manners::RefusesBehindTheDot)).await;
    let script = Script::mannered(Manners::DropsBehindTheDot);
    stories.once("throws away what is behind a dot", script).await;
    assert!(stories.service.log().contains("the relay can't do pipelining"));
    let before = stories.trial.sink.connections();
    stories.once("says 421 behind a dot", Script::mannered(Manners::EndsBehindTheDot)).await;
    let made = stories.trial.sink.connections() - before;
    assert!(made <= 5 * CONNECTIONS, "{made} connections");
}

/// One in ten does not exist. Behind such a refusal some servers keep the sender, some ask for a body.
#[tokio::test(flavor = "multi_thread")]
async fn whom_the_relay_refuses_gets_nothing_and_nobody_gets_their_mail() {
    for (what, script) in [
        ("keeps the sender", Script::default()),
        ("asks for a body all the same", Script::mannered(Manners::AlwaysAsksForABody)),
        ("offers no PIPELINING", Script::without_pipelining()),
    ] {
        println!("the relay {what}");
        let trial = Trial::new(Backend::Sqlite, CONNECTIONS, READERS).await;
        trial.sink.play(script.answering(|step| {
            let unknown = step.moment == Moment::Rcpt && step.address.contains("3@");
            if unknown { Answer::Say("550 5.1.1 No such user") } else { Answer::Usual }
        }));
        let service = trial.installation.serve().await;
        let issue = trial.alert(1).await;
        let issue = trial.ended(&issue).await;
        let known: BTreeSet<_> =
            trial.readers.iter().filter(|reader| !reader.contains("3@")).cloned().collect();
        assert_eq!(issue["counts"]["sent"], json!(known.len()), "{issue}");
        assert_eq!(issue["counts"]["bounced"], json!(READERS - known.len()), "{issue}");
        assert_eq!(trial.sink.check(1, &known).len(), 0, "{what}");
        let made = trial.sink.connections();
        assert!(made <= CONNECTIONS, "{what}: {made} connections: a refusal ends none");
        assert_eq!(service.panic(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_in_the_middle_of_a_send_loses_nothing() {
    let trial = Trial::new(Backend::Sqlite, CONNECTIONS, READERS).await;
    trial
        .installation
        .edit_config("name = \"primary\"", "name = \"primary\"\nuser = \"desk\"\npassword = \"secret\"");
    trial.sink.play(Script { login: true, ..Script::default() }.answering(|step| match step.moment {
        Moment::Mail if step.earlier >= 20 => Answer::Say("421 4.4.5 Connection is old"),
        Moment::Auth if step.kept >= 70 => Answer::Say("535 5.7.8 Wrong"),
        _ => Answer::Usual,
    }));
    let service = trial.installation.serve().await;
    let issue = trial.alert(1).await;
    until("the relay to be paused", async || {
        let queue = trial.installation.bellwether(&["queue", "--json"]);
        queue.contains("535").then_some(())
    })
    .await;
    assert!(trial.sink.len() < READERS);
    trial.sink.play(Script { login: true, ..Script::default() });
    assert_eq!(service.terminate().await.code(), Some(0));
    let service = trial.installation.serve().await;
    trial.retry();
    trial.all_sent(&issue).await;
    assert_eq!(trial.sink.check(1, &trial.readers).len(), 0);
    assert_eq!(service.panic(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_without_a_handshake_gets_no_word_and_another_gets_everything() {
    let broken = Sink::open().await;
    broken.play(Script { broken_tls: true, ..Script::default() });
    let trial = Trial::new(Backend::Sqlite, CONNECTIONS, READERS).await;
    let first =
        format!("name = \"broken\"\nurl = \"smtp://127.0.0.1:{}\"\ntls = \"required\"", broken.port(0));
    let second = relay_lines(trial.sink.port(0));
    trial.installation.edit_config(&second, &format!("{first}\n[[relays]]\n{second}"));
    let service = trial.installation.serve().await;
    let issue = trial.alert(1).await;
    let sent = tokio::time::timeout(Duration::from_secs(25), trial.all_sent(&issue)).await;
    sent.expect("it is dealt a share again and again");
    assert_eq!(trial.sink.check(1, &trial.readers).len(), 0);
    assert!(broken.connections() > 0);
    assert_eq!((broken.len(), broken.violations()), (0, Vec::new()));
    assert_eq!(service.panic(), None);
}
