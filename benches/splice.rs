//! What one recipient costs: a splice of stored fragments, against building the same message with lettre, and against
//! copying its bytes. `cargo bench --bench splice` prints the ratios of at least three rounds.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bellwether::config::Config;
use bellwether::domain::time::Timestamp;
use bellwether::mail::compose::{Alert, Composer, Level, Slots};
use lettre::message::{Message, MultiPart, SinglePart};
use uuid::Uuid;

const ROUNDS: usize = 5;
const MESSAGES: u32 = 2_000;

fn main() {
    let composer = Composer::new(&config()).expect("the built-in templates render");
    let alert = Alert {
        kind: bellwether::domain::draft::Kind::Alert,
        subject: "Polls are closed".to_owned(),
        level: Level::All,
        topics: vec!["Election alerts".to_owned()],
        title: String::new(),
        html: "<p>First counts are expected at nine. Lines at the harbour were long.</p>".repeat(25),
        link: Some("https://site.example.org/polls-are-closed".to_owned()),
        preheader: None,
        link_text: None,
        author: None,
        published_at: None,
        image: None,
    };
    let draft = composer.alert(Uuid::from_u128(1), &alert).expect("it renders");
    let token = "A".repeat(48);
    let slots = |number: &'static str| Slots {
        to: "reader@example.org",
        delivery: number,
        date: Timestamp::from_micros(1_793_000_000_000_000),
        unsubscribe: &token,
        preferences: &token,
        confirm: &token,
        original: "",
        answers: None,
    };
    let sample = draft.splice(&slots("1"));
    let parsed = mail_parser::MessageParser::default().parse(&sample).expect("it parses");
    let (text, html) = (
        parsed.body_text(0).expect("a text part").into_owned(),
        parsed.body_html(0).expect("an HTML part").into_owned(),
    );
    println!("one message: {} bytes; {ROUNDS} rounds of {MESSAGES}, in turns", sample.len());

    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let splice = timed(|| draft.splice(&slots("12345678")));
        let build = timed(|| build_with_lettre(&text, &html));
        let copy = timed(|| sample.clone());
        let ratio = build.as_secs_f64() / splice.as_secs_f64();
        println!(
            "round {round}: splice {splice:.2?}, lettre {build:.2?} ({ratio:.1} x), copy {copy:.2?} ({:.1} x)",
            splice.as_secs_f64() / copy.as_secs_f64()
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "lettre / splice: min {:.1}, median {:.1}, max {:.1}",
        ratios[0],
        ratios[ROUNDS / 2],
        ratios[ROUNDS - 1]
    );
}

/// How long one takes.
fn timed<T>(mut work: impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..MESSAGES {
        black_box(work());
    }
    start.elapsed() / MESSAGES
}

fn build_with_lettre(text: &str, html: &str) -> Vec<u8> {
    Message::builder()
        .from("Election Desk <desk@example.org>".parse().expect("an address"))
        .to("reader@example.org".parse().expect("an address"))
        .subject("Polls are closed")
        .multipart(
            MultiPart::alternative()
                .singlepart(SinglePart::plain(text.to_owned()))
                .singlepart(SinglePart::html(html.to_owned())),
        )
        .expect("it is whole")
        .formatted()
}

fn config() -> Config {
    let text = r#"
        [server]
        secret = "0123456789abcdef0123456789abcdef"
        [sender]
        from = "Election Desk <desk@example.org>"
        postal_address = "1 Example Street, Springfield"
        [[relays]]
        url = "smtp://127.0.0.1:2525"
    "#;
    Config::parse(text, "bench.toml", &BTreeMap::new()).expect("it is right")
}
