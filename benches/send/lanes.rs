//! What is urgent overtakes: an alert while a digest, or a larger alert, is sent, against the same alert on an idle system;
//! and a visitor's confirmation meanwhile.

use std::time::{Duration, Instant};

use bellwether::clock::Clock;

use super::counts::Report;
use super::figures::{all_in, index};
use super::options::Options;
use super::program::{Program, Settings, Start};
use super::report::{median, print_table};
use super::sink::Sink;
use super::stock::{Backend, Readers, Stock};
use super::{Result, Verdict};

/// The most that the busy system's time may be of the idle one's.
const MOST: f64 = 1.5;
/// A confirmation is out within this, in seconds.
const CONFIRMED: f64 = 1.0;
/// Alerts on the idle system, of which the middle one counts.
const IDLE: usize = 3;
/// How far ahead the digest's hour is when the program is started.
const AHEAD: Duration = Duration::from_secs(5);

/// What keeps the relay busy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bulk {
    Digest,
    Alert,
}

struct Scene {
    title: String,
    bulk: Bulk,
    readers: Readers,
    /// Of the alert that overtakes.
    level: &'static str,
    /// Mails a second.
    rate: Option<u32>,
}

/// Times in seconds.
struct Busy {
    first: f64,
    last: f64,
    /// Mails of the bulk that were accepted between the first of the alert and its last.
    between: u64,
    confirmed: f64,
}

/// Prints a line for each scene.
pub async fn run(options: &Options) -> Result<Verdict> {
    let large = options.messages;
    let scene = |bulk, bulk_readers: u64, news, level, rate: Option<u32>| {
        let what = if bulk == Bulk::Digest { "a digest" } else { "an alert of level all" };
        let pace = rate.map_or_else(String::new, |rate| format!(", rate = {rate}"));
        Scene {
            title: format!("{level} to {news} during {what} to {bulk_readers}{pace}"),
            bulk,
            readers: Readers { bulk: bulk_readers, news },
            level,
            rate,
        }
    };
    let scenes = [
        scene(Bulk::Digest, large.unwrap_or(200_000), 1_000, "all", None),
        scene(Bulk::Alert, large.unwrap_or(100_000), 1_000, "critical", None),
        scene(Bulk::Digest, 5_000, 100, "all", Some(14)),
        scene(Bulk::Alert, 5_000, 100, "critical", Some(14)),
    ];
    let mut verdict = Verdict::Right;
    let mut rows = Vec::new();
    for scene in scenes {
        let stock = Stock::load(Backend::Sqlite, scene.readers).await?;
        let mut sink = Sink::start(true)?;
        let (idle, right) = idle(&scene, &stock, &mut sink, options).await?;
        let (busy, also) = busy(&scene, &stock, &mut sink, options).await?;
        verdict = verdict.and(right).and(also);
        let ratio = busy.last / idle;
        let kept = ratio <= MOST && busy.confirmed <= CONFIRMED;
        rows.push([
            scene.title,
            format!("{idle:.3}"),
            format!("{:.3}", busy.first),
            format!("{:.3}", busy.last),
            format!("{ratio:.2}"),
            busy.between.to_string(),
            format!("{:.3}", busy.confirmed),
            if kept { "yes" } else { "no" }.to_owned(),
        ]);
    }
    println!(
        "seconds from the call to the first and the last accepted; `between`: mails of the bulk among the alert's"
    );
    println!("kept: the last within {MOST} x of idle, and a sign-up's confirmation within {CONFIRMED} s");
    let heading = ["alert", "idle, last", "first", "last", "x idle", "between", "confirmed", "kept"];
    print_table(&heading, &rows);
    Ok(verdict)
}

/// The alert alone: seconds from the call to the last accepted.
async fn idle(scene: &Scene, stock: &Stock, sink: &mut Sink, options: &Options) -> Result<(f64, Verdict)> {
    let program = start(scene, stock, sink, options, String::new()).await?;
    let mut times = Vec::new();
    let mut verdict = Verdict::Right;
    for _ in 0..if scene.rate.is_some() { 1 } else { IDLE } {
        sink.reset()?;
        let published = program.alert("news", scene.level, &stock.letter).await?;
        let report = all_in(sink, "news", scene.readers.news).await?;
        times.push(seconds(published.called, report.groups[index("news")].last));
        program.settled(&published.id).await?;
        verdict = verdict.and(whole(&sink.report()?, "news", scene.readers.news));
    }
    program.stop().await?;
    times.sort_by(f64::total_cmp);
    Ok((median(&times), verdict))
}

async fn busy(scene: &Scene, stock: &Stock, sink: &mut Sink, options: &Options) -> Result<(Busy, Verdict)> {
    sink.reset()?;
    let program = start(scene, stock, sink, options, digest_soon()).await?;
    match scene.bulk {
        Bulk::Digest => program.post_story("bulk").await?,
        Bulk::Alert => program.alert("bulk", "all", &stock.letter).await.map(|_| ())?,
    }
    // The bulk is well under way, and what a relay's rate let through at once is gone.
    under_way(sink, scene.readers.bulk / 50).await?;
    let published = program.alert("news", scene.level, &stock.letter).await?;
    let signed_up = program.sign_up("join-1@example.com", "bulk").await?;
    all_in(sink, "news", scene.readers.news).await?;
    let report = all_in(sink, "join", 1).await?;
    let (news, join) = (&report.groups[index("news")], &report.groups[index("join")]);
    let busy = Busy {
        first: seconds(published.called, news.first),
        last: seconds(published.called, news.last),
        // The confirmation is one of the others as well.
        between: (news.others_at_last - news.others_at_first).saturating_sub(join.accepted),
        confirmed: seconds(signed_up, join.first),
    };
    if report.groups[index("bulk")].accepted == scene.readers.bulk {
        println!("{}: the bulk was over before the alert was; make it larger", scene.title);
    }
    let mut verdict = whole(&report, "news", scene.readers.news);
    if scene.rate.is_none() {
        all_in(sink, "bulk", scene.readers.bulk).await?;
        program.stop().await?;
        verdict = verdict.and(whole(&sink.report()?, "bulk", scene.readers.bulk));
    } else {
        // The rest would take minutes.
        program.stop().await?;
    }
    Ok((busy, verdict))
}

async fn start(
    scene: &Scene,
    stock: &Stock,
    sink: &Sink,
    options: &Options,
    more: String,
) -> Result<Box<Program>> {
    let rate = scene.rate.map_or_else(String::new, |rate| format!("rate = {rate}"));
    let settings = Settings {
        relay_port: sink.port,
        connections: options.connections,
        relay: format!("{}\n{rate}", options.relay),
        more,
    };
    match Program::start(stock, &settings).await? {
        Start::Running(program) => Ok(program),
        Start::Refused(said) => Err(format!("bellwether serve does not start: {said}").into()),
    }
}

/// A schedule whose hour is some seconds ahead, once a day.
fn digest_soon() -> String {
    let second = Clock::System.now().plus(AHEAD).as_micros() / 1_000_000 % 86_400;
    let cron = format!("{} {} {} * * *", second % 60, second / 60 % 60, second / 3600);
    format!("[[schedules]]\ndigest = \"daily\"\ncron = \"{cron}\"\n")
}

async fn under_way(sink: &mut Sink, messages: u64) -> Result<()> {
    let began = Instant::now();
    while sink.report()?.groups[index("bulk")].accepted < messages.max(1) {
        if began.elapsed() > Duration::from_secs(60) {
            return Err("the bulk does not get under way within a minute".into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn whole(report: &Report, group: &str, readers: u64) -> Verdict {
    let tally = &report.groups[index(group)];
    if (tally.distinct, tally.again) == (readers, 0) {
        return Verdict::Right;
    }
    println!(
        "{group}: {} of {readers} readers are missing, {} mails came again",
        readers - tally.distinct,
        tally.again
    );
    Verdict::Wrong
}

fn seconds(from: i64, to: i64) -> f64 {
    (to - from) as f64 / 1e6
}
