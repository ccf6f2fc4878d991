//! More than one sender on a database, senders that die, and senders that are told to stop.

use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether::app::{self, StartError};
use bellwether::audit::Actor;
use bellwether::clock::Clock;
use bellwether::context::Context;
use bellwether::delivering::{Engine, Until};
use bellwether::domain::{draft::Text, issue::Level, role::Role, time::Timestamp};
use bellwether::newsroom::tokens::{self, Wanted};
use bellwether::publishing::{
    desk,
    releasing::{self, Release},
};
use bellwether::store::{self, Db, Tx};
use bellwether::subscribing;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use crate::stage::sink::{Answer, Moment, Script, Sink, Step};
use crate::stage::{Backend, Setup, Span, Stage, both};

const ADA: &str = "ada@example.org";

both! {
    async fn the_claims_of_a_node_that_is_gone_are_taken_over(stage: Stage) {
        stage.imported(ADA).await;
        let issue = stage.alert("Polls close at eight").queued().await;
        let mut tx = stage.cx.db.begin().await.unwrap();
        let gone = stage.cx.entropy.uuid(stage.now());
        store::nodes::beat(&mut tx, gone, stage.now()).await.unwrap();
        store::claims::claim(&mut tx, gone, 10, (0, 99), Default::default()).await.unwrap();
        tx.commit().await.unwrap();
        stage.advance(30.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "1 sending", "it may still be at work");
        stage.advance(1.seconds()).await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
    }

    async fn a_node_that_missed_its_heartbeats_writes_no_body(stage: Stage) {
        stage.imported(ADA).await;
        let issue = stage.alert("Polls close at eight").queued().await;
        stage.cx.clock.advance(31.seconds());
        stage.engine.pump(Until::Idle).await.unwrap();
        assert_eq!(stage.outcome(issue).await, "1 queued");
        stage.settle().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
    }

    async fn a_node_that_missed_its_heartbeats_lives_again_soon_though_a_relay_is_silent(setup: Setup) {
        let sink = Sink::open().await;
        let silent = |step: &Step<'_>| step.times == 1 && match step.moment {
            Moment::Rcpt => step.address.starts_with("eve"),
            Moment::Dot => step.address.starts_with("ada"),
            _ => false,
        };
        sink.play(Script::default().answering(move |step| if silent(step) { Answer::Silence } else { Answer::Usual }));
        let setup = setup.with("relays.0.url", &format!("smtp://127.0.0.1:{}", sink.port(0)));
        let stage = setup.with("sender.bounces", "bounces+{id}@example.org").open().await;
        stage.imported(ADA).await;
        stage.imported("eve@example.org").await;
        let issue = stage.alert("Polls close at eight").queued().await;
        let (stop, stopped) = watch::channel(false);
        let story = async {
            sink.wait_until(|sink| sink.len() == 1 && sink.times("eve@example.org") == 1).await;
            stage.cx.clock.advance(31.seconds());
            stage.engine.tend().await.unwrap();
            stage.cx.clock.advance(9.seconds());
            stage.engine.tend().await.unwrap();
            assert_eq!(living(&stage).await, 0, "it may have an answer yet");
            stage.cx.clock.advance(1.seconds());
            let lives = async {
                while living(&stage).await == 0 {
                    stage.engine.tend().await.unwrap();
                }
            };
            tokio::time::timeout(20.seconds(), lives).await.expect("it waits for the relay");
            assert_eq!(stage.outcome(issue).await, "2 deferred");
            stage.cx.clock.advance(20.seconds());
            while stage.outcome(issue).await != "2 sent" {
                stage.engine.tend().await.unwrap();
            }
            stop.send_replace(true);
        };
        let (pumped, ()) = tokio::join!(stage.engine.pump(Until::Stopped(stopped)), story);
        pumped.unwrap();
        let copies = sink.messages();
        assert_eq!(copies.iter().filter(|copy| copy.to == [ADA]).count(), 2, "its fate was unknown");
        assert_eq!((copies.len(), sink.violations()), (3, Vec::new()));
    }

    async fn who_came_back_by_another_node_is_mailed_a_little_later(stage: Stage) {
        stage.imported(ADA).await;
        let mut tx = stage.cx.db.read().await.unwrap();
        let ada = store::subscribers::by_key(&mut tx, ADA).await.unwrap().unwrap();
        drop(tx);
        stage.cx.left.add(ada.id, stage.now());
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 deferred");
        stage.live(10.minutes(), 1.minutes()).await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
    }

    async fn what_another_process_cancels_is_called_off_at_the_next_look(stage: Stage) {
        stage.imported(ADA).await;
        let issue = stage.alert("Polls close at eight").queued().await;
        let mut tx = stage.cx.db.begin().await.unwrap();
        let id = store::issues::by_public_id(&mut tx, issue).await.unwrap().unwrap().id;
        assert!(store::issues::cancel(&mut tx, id, stage.now()).await.unwrap());
        tx.commit().await.unwrap();
        assert!(!stage.cx.cancelled.contains(&issue, stage.now()));
        stage.engine.tend().await.unwrap();
        assert!(stage.cx.cancelled.contains(&issue, stage.now()));
    }

    async fn a_stop_ends_a_stream_of_events_at_once(stage: Stage) {
        stage.imported(ADA).await;
        let cx = app::connect((*stage.cx.config).clone(), Clock::System, stage.cx.entropy.clone()).await.unwrap();
        let fill = |text: &mut Text| {
            (text.subject, text.body) = ("Polls close at eight".to_owned(), "Two more hours.".to_owned());
            text.topics = vec!["election-alerts".to_owned()];
        };
        let grace = Actor::user("grace@example.org", "");
        let draft = desk::create_with(&cx, &grace, desk::Begin::default(), fill, None).await.unwrap().unwrap();
        let released = releasing::release(&cx, &grace, draft, 1, 1, None).await.unwrap();
        let Some(Release::Held { issue, .. }) = released else { panic!("{released:?}") };
        let wanted = Wanted { name: "screen".to_owned(), role: Role::Viewer, areas: vec![], holds: None };
        let token = tokens::create(&cx, &Actor::command(), &wanted).await.unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v1/issues/{issue}/events", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let service = app::run(cx, listener, async { stopped.await.unwrap() });
        let screen = async {
            let mut events = reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap();
            assert!(events.chunk().await.unwrap().is_some(), "it is held for half a minute");
            stop.send(()).unwrap();
            while events.chunk().await.unwrap().is_some() {}
        };
        let all = async { tokio::join!(service, screen) };
        let (served, ()) = tokio::time::timeout(20.seconds(), all).await.expect("the stream holds the stop up");
        served.unwrap();
    }

    async fn a_stop_finishes_what_is_in_flight(setup: Setup) {
        let stage = setup.with("relays.0.connections", "2").open().await;
        let readers: Vec<_> = (0..200).map(|n| format!("reader-{n}@example.org")).collect();
        stage.imported_all(&readers).await;
        let issue = stage.alert("Polls close at eight").queued().await;
        let (stop, stopped) = watch::channel(false);
        let stops = async {
            stage.mailbox.wait_until(|mailbox| mailbox.len() >= 20).await;
            stop.send_replace(true);
        };
        let (pumped, ()) = tokio::join!(stage.engine.pump(Until::Stopped(stopped)), stops);
        pumped.unwrap();
        let outcome = stage.outcome(issue).await;
        assert!(!outcome.contains("sending"), "{outcome}");
        assert!(outcome.ends_with(&format!(" {} sent", stage.mailbox.len())), "{outcome}, {} mails", stage.mailbox.len());
        assert!(stage.mailbox.len() < 200);
        let stage = stage.restarted().await;
        stage.settle().await;
        assert_eq!(stage.mailbox.len(), 200);
    }
}

/// On PostgreSQL only: SQLite has one node.
#[tokio::test]
async fn two_nodes_that_decide_on_sign_ups_of_one_address_mail_it_once() {
    if !Backend::Postgres.is_here() {
        return;
    }
    let stage = Stage::on(Backend::Postgres).await;
    let Db::Postgres(pool) = &stage.cx.db else { unreachable!() };
    for _ in 0..2 {
        stage.visitor().asks("email=ada%40example.org").await;
    }
    let mut tx = stage.cx.db.begin().await.unwrap();
    store::signups::lock_address(&mut tx, ADA).await.unwrap();
    let second = store::signups::undecided(&mut tx, 2).await.unwrap().remove(1);
    assert!(store::signups::mark_mailed(&mut tx, second.id, stage.now()).await.unwrap());
    let the_other_node = async {
        let waits = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
                     WHERE NOT l.granted AND a.datname = current_database()";
        while sqlx::query_scalar::<_, i64>(waits).fetch_one(pool).await.unwrap() == 0 {}
        tx.commit().await.unwrap();
    };
    let (decided, ()) = tokio::join!(subscribing::decide_signups(&stage.cx), the_other_node);
    assert_eq!(decided.unwrap(), 2);
    let mut tx = stage.cx.db.read().await.unwrap();
    let (mailed, _) = store::signups::count_mailed(&mut tx, ADA, stage.now().minus(1.hour())).await.unwrap();
    assert_eq!(mailed, 1);
}

/// On PostgreSQL only: SQLite has one node.
#[tokio::test]
async fn two_nodes_share_the_work_and_each_mail_leaves_once() {
    if !Backend::Postgres.is_here() {
        return;
    }
    let stage = Stage::on(Backend::Postgres).await;
    let readers: Vec<_> = (0..400).map(|n| format!("reader-{n}@example.org")).collect();
    stage.imported_all(&readers).await;
    let issue = stage.alert("Polls close at eight").queued().await;
    let mut config = (*stage.cx.config).clone();
    config.server.data = stage.folder().join("second");
    let other =
        Engine::open(Context { config: Arc::new(config), ..stage.cx.clone() }, "stage").await.unwrap();
    let other = Arc::new(other);
    let (one, two) = tokio::join!(stage.engine.pump(Until::Idle), other.pump(Until::Idle));
    one.and(two).unwrap();
    assert_eq!(stage.outcome(issue).await, "400 sent");
    let to: BTreeSet<_> = stage.mailbox.messages().iter().map(|mail| mail.to[0].clone()).collect();
    assert_eq!((to.len(), stage.mailbox.len()), (400, 400));
}

/// On PostgreSQL only: there the nodes have clocks of their own.
#[tokio::test]
async fn a_node_whose_clock_is_off_refuses_to_start() {
    if !Backend::Postgres.is_here() {
        return;
    }
    let stage = Stage::on(Backend::Postgres).await;
    let mut tx = stage.cx.db.read().await.unwrap();
    let theirs = store::nodes::database_time(&mut tx).await.unwrap().unwrap();
    drop(tx);
    let starts = async |now: Timestamp| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cx = app::connect((*stage.cx.config).clone(), Clock::simulated(now), stage.cx.entropy.clone());
        app::run(cx.await.unwrap(), listener, std::future::ready(())).await
    };
    // Far enough for a machine that is busy.
    for (off, now) in [("ahead", theirs.plus(12.seconds())), ("behind", theirs.minus(3.seconds()))] {
        let refused = starts(now).await.unwrap_err();
        assert!(matches!(refused, StartError::Clock(_)), "{off}: {refused}");
        assert!(refused.to_string().contains("set them by the same time server"), "{refused}");
    }
    starts(Clock::System.now()).await.expect("the machine's clock is the database's");
}

/// On PostgreSQL only: SQLite has one writer.
#[tokio::test]
async fn two_nodes_never_write_the_same_window() {
    if !Backend::Postgres.is_here() {
        return;
    }
    let stage = Stage::on(Backend::Postgres).await;
    stage.imported(ADA).await;
    let critical = stage.alert("Results are in").level(Level::Critical).accepted().await;
    let other = stage.alert("Polls close at eight").accepted().await;
    let next = async |tx: &mut Tx| {
        let next = store::issues::next_to_fan_out(tx, (-1, 0)).await.unwrap();
        next.map(|issue| issue.public_id)
    };
    let mut one = stage.cx.db.begin().await.unwrap();
    let mut two = stage.cx.db.begin().await.unwrap();
    let mut three = stage.cx.db.begin().await.unwrap();
    assert_eq!(next(&mut one).await, Some(critical.id));
    assert_eq!(next(&mut two).await, Some(other.id));
    assert_eq!(next(&mut three).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_a_node_hears_of_mail_that_another_queued() {
    if !Backend::Postgres.is_here() {
        return;
    }
    let stage = Setup::on(Backend::Postgres).open().await;
    let mut bell = store::bells::Bell::of(&stage.cx.db).await.unwrap().unwrap();
    stage.imported(ADA).await;
    stage.alert("Polls close at eight").queued().await;
    tokio::time::timeout(30.seconds(), bell.rung()).await.unwrap().unwrap();
}

/// How many nodes the database has as living.
async fn living(stage: &Stage) -> i64 {
    let mut tx = stage.cx.db.read().await.unwrap();
    store::nodes::living(&mut tx, stage.now().minus(bellwether::delivering::LIFE)).await.unwrap()
}
