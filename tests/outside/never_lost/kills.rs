//! The process is killed at random and at named moments, and started again; or told to stop.

use std::path::PathBuf;
use std::time::Duration;

use super::{Trial, dice, long, progress, until, within};
use crate::outside::installation::Service;
use crate::stage::Backend;
use crate::stage::sink::Moment;

const CONNECTIONS: usize = 8;
const READERS: usize = 1_000;
/// In CI; the long mode has as many again, ten times.
const ROUNDS: usize = 24;

/// When the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// Right after the API's answer.
    Published,
    /// While the deliveries are being written.
    FanOut,
    /// After so many messages.
    Random,
    /// At a moment of a conversation, which the sink holds there.
    At(Moment),
    /// The journal has a line more than a moment ago, which the database may not have.
    Journaled,
    /// The database has more sent than a moment ago.
    Settled,
}

const POINTS: [Point; 12] = [
    Point::FanOut,
    Point::At(Moment::Hello),
    Point::At(Moment::Mail),
    Point::At(Moment::Rcpt),
    Point::At(Moment::Data),
    Point::At(Moment::Body),
    Point::At(Moment::Dot),
    Point::At(Moment::Accepted),
    Point::Journaled,
    Point::Settled,
    Point::Random,
    Point::Published,
];

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_killed_at_every_point_misses_nobody_on_sqlite() {
    killed(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_killed_at_every_point_misses_nobody_on_postgres() {
    if Backend::Postgres.is_here() {
        killed(Backend::Postgres).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_told_to_stop_repeats_nothing_on_sqlite() {
    stopped(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_told_to_stop_repeats_nothing_on_postgres() {
    if Backend::Postgres.is_here() {
        stopped(Backend::Postgres).await;
    }
}

/// What is known of a kill.
struct Kill {
    point: Point,
    /// How many messages had come when the last of the killed process had.
    messages: usize,
    open: usize,
}

async fn killed(backend: Backend) {
    let dice = dice();
    let trial = Trial::new(backend, CONNECTIONS, READERS).await;
    let rounds = if long() { 10 * ROUNDS } else { ROUNDS };
    let mut service = trial.installation.serve().await;
    let mut kills = Vec::new();
    let mut issues: Vec<String> = Vec::new();
    while kills.len() < rounds {
        let begins = trial.sink.len() >= issues.len() * READERS;
        if begins {
            if let Some(last) = issues.last() {
                trial.all_sent(last).await;
            }
            trial.installation.ready(&mut service).await;
            issues.push(trial.alert(issues.len()).await);
        }
        // What is only there at an issue's beginning is taken then; the rest comes in turns.
        let point = match POINTS[kills.len() % POINTS.len()] {
            Point::Published | Point::FanOut if !begins => Point::Random,
            point => point,
        };
        let few = (dice.fraction() * 100.0) as usize;
        reach(&trial, point, few, issues.last().unwrap()).await;
        let (open, before) = (trial.sink.open_connections(), trial.sink.connections());
        service.kill();
        trial.sink.forget_meetings();
        within("the sink to read what was sent", trial.sink.quiet()).await;
        let open = open + trial.sink.connections() - before;
        kills.push(Kill { point, messages: trial.sink.len(), open });
        if kills.len() == rounds / 2 {
            edit_the_template(&trial);
        }
        service = trial.installation.launch();
    }
    for issue in &issues {
        trial.all_sent(issue).await;
    }
    let again = trial.sink.check(issues.len(), &trial.readers);
    let mut after = vec![0; kills.len() + 1];
    for copy in &again {
        after[kills.partition_point(|kill| kill.messages <= copy.earlier)] += 1;
    }
    for (kill, copies) in kills.iter().zip(&after) {
        println!("killed at {:?}: {copies} of at most {} again", kill.point, kill.open);
        // Killed between the end of a mail and its note in the journal, a connection leaves one of unknown fate.
        assert!(*copies <= kill.open, "{:?}", kill.point);
    }
    assert_eq!(after[kills.len()], 0, "behind the last kill nothing comes twice");
    println!("{} kills, {} issues, {} second copies", kills.len(), issues.len(), again.len());
    assert_eq!(service.panic(), None);
}

/// Waits until the process is where it shall be killed, or has no more to send.
async fn reach(trial: &Trial, point: Point, few: usize, issue: &str) {
    let sink = &trial.sink;
    let done = (sink.len() / READERS + 1) * READERS;
    let over = async |more: usize| {
        let before = sink.len();
        within("the next mails", sink.wait_until(|sink| sink.len() >= done.min(before + more))).await;
    };
    match point {
        Point::Published => {}
        Point::Random => over(few * 4).await,
        Point::At(moment) => {
            let passes = if moment == Moment::Hello { few % CONNECTIONS } else { few };
            let mut meeting = sink.meeting(moment, 0, passes);
            tokio::select! {
                () = meeting.met() => {}
                () = over(READERS) => {}
            }
            if moment == Moment::Accepted {
                // So the kill falls before the journal's line, or between it and the commit, or behind both.
                tokio::time::sleep(Duration::from_micros(few as u64 * 50)).await;
            }
        }
        Point::Journaled => {
            over(few).await;
            let before = journal_size(trial);
            tokio::select! {
                () = grown(trial, before) => {}
                () = over(READERS) => {}
            }
        }
        Point::Settled | Point::FanOut => {
            let db = trial.database().await;
            let (before, _) = progress(&db, issue).await;
            let there = async || {
                let (sent, in_fan_out) = progress(&db, issue).await;
                let there = if point == Point::FanOut { in_fan_out } else { sent > before };
                (there || sent == READERS as i64).then_some(())
            };
            until("progress in the database", there).await;
            // Before the next start, so that a log it has to go through is gone through.
            db.close().await;
        }
    }
}

fn journal(trial: &Trial) -> Option<PathBuf> {
    let files = std::fs::read_dir(trial.installation.folder().join("data")).ok()?;
    let names = files.flatten().map(|file| file.path());
    names.into_iter().find(|path| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("journal-"))
    })
}

fn journal_size(trial: &Trial) -> u64 {
    journal(trial).and_then(|path| path.metadata().ok()).map_or(0, |file| file.len())
}

async fn grown(trial: &Trial, mut before: u64) {
    loop {
        let size = journal_size(trial);
        if size > before {
            return;
        }
        before = size;
        tokio::task::yield_now().await;
    }
}

fn edit_the_template(trial: &Trial) {
    let template = include_str!("../../../email-templates/alert/body.html");
    let edited = template.replace("{{ title }}", "{{ title }} (Edited meanwhile)");
    assert_ne!(edited, template);
    std::fs::write(trial.installation.folder().join("templates/alert/body.html"), edited).unwrap();
}

async fn stopped(backend: Backend) {
    let dice = dice();
    let trial = Trial::new(backend, CONNECTIONS, READERS).await;
    let mut service = trial.installation.serve().await;
    let rounds = if long() { 50 } else { 5 };
    let mut issues: Vec<String> = Vec::new();
    for round in 0..rounds {
        if trial.sink.len() == issues.len() * READERS {
            trial.installation.ready(&mut service).await;
            issues.push(trial.alert(round).await);
        }
        let more = (dice.fraction() * READERS as f64 / 3.0) as usize;
        trial.came((trial.sink.len() + more).min(issues.len() * READERS)).await;
        service = stop(service, &trial).await;
    }
    for issue in &issues {
        trial.all_sent(issue).await;
    }
    assert_eq!(trial.sink.check(issues.len(), &trial.readers).len(), 0, "second copies");
    assert_eq!(trial.sink.unanswered().len(), 0);
    trial.installation.ready(&mut service).await;
    assert_eq!(service.terminate().await.code(), Some(0));
}

/// Once it hears: a signal that comes before it listens for one ends it like any program.
async fn stop(mut service: Service, trial: &Trial) -> Service {
    trial.installation.ready(&mut service).await;
    assert_eq!(service.terminate().await.code(), Some(0));
    trial.installation.launch()
}
