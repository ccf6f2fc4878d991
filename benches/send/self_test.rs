//! Shows that the sink counts right, however what it reads is cut, and that the proxy delays and keeps the order; and what
//! the sink itself costs.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use super::Result;
use super::conversation::{Conversation, Then};
use super::counts::{Counts, Report};
use super::figures::index;
use super::process::cpu;
use super::proxy::Proxy;
use super::sink::Sink;

/// What a client says, all at once, and what is to be answered, by the first three digits of each line.
const SAID: &str = "EHLO a.example\r\n\
    RCPT TO:<news-1@example.com>\r\n\
    MAIL FROM:<bounces+7@example.org>\r\nRCPT TO:<news-0000001@example.com>\r\nDATA\r\n\
    To: news-0000001@example.com\r\n\r\n.. a dot\r\n.\n.\r\r\n..\r\n.\r\n\
    MAIL FROM:<bounces+8@example.org>\r\nRCPT TO:<news-0000002@example.com>\r\nDATA\r\n.\r\n\
    MAIL FROM:<>\r\nRSET\r\nnoop\r\nWHAT\r\n\
    mail from:<bounces+9@example.org>\r\nrcpt to:<bulk-2@example.com>\r\ndata\r\nDATA\r\n.\r\n\
    MAIL FROM:<bounces+7@example.org>\r\nRCPT TO:<news-0000001@example.com>\r\nDATA\r\nsecond\r\n\r\n.\r\n\
    QUIT\r\n";
const ANSWERED: &str = "220 250 250 250 250 503 250 250 354 250 250 250 354 250 250 250 250 502 250 250 354 250 250 250 354 250 221";

/// Ends with an error where something is wrong.
pub fn run() -> Result<()> {
    conversations()?;
    println!("the sink counts right");
    let mut sink = Sink::start(true)?;
    distance(&mut sink)?;
    println!("the proxy delays and keeps the order");
    let each = cost(&mut sink)?;
    println!("the sink takes {each:.1} us for a mail of 10 KB that comes with the next one's envelope");
    Ok(())
}

/// Says everything at once over the proxy, and then small commands, many at a time.
fn distance(sink: &mut Sink) -> Result<()> {
    const ROUND_TRIP: Duration = Duration::from_millis(40);
    let proxy = Proxy::start(sink.port, ROUND_TRIP)?;
    let began = Instant::now();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port))?;
    stream.write_all(SAID.as_bytes())?;
    let mut output = String::new();
    stream.read_to_string(&mut output)?;
    let took = began.elapsed();
    // One to stand, one for all of it.
    if codes(&output) != ANSWERED || took < ROUND_TRIP * 2 {
        return Err(format!("the proxy took {took:?} and gave {output:?}").into());
    }
    if proxy.ping()? < ROUND_TRIP {
        return Err("the proxy is faster than it should be".into());
    }
    let began = Instant::now();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port))?;
    stream.set_nodelay(true)?;
    for _ in 0..20 {
        stream.write_all(b"NOOP\r\n")?;
        std::thread::sleep(Duration::from_millis(2));
    }
    stream.write_all(b"QUIT\r\n")?;
    output.clear();
    stream.read_to_string(&mut output)?;
    let took = began.elapsed();
    // One after the other they would take twenty round trips.
    if codes(&output).split(' ').count() != 22 || took > ROUND_TRIP * 15 {
        return Err(
            format!("the proxy took {took:?} for twenty commands under way, and gave {output:?}").into()
        );
    }
    Ok(())
}

/// Sends the sink mails as fast as it answers; gives its CPU in microseconds a mail.
fn cost(sink: &mut Sink) -> Result<f64> {
    const CONNECTIONS: usize = 10;
    const MAILS: usize = 2_000;
    sink.reset()?;
    let body = format!("{}.\r\n", format!("{}\r\n", "a".repeat(76)).repeat(131));
    let envelope = |number: usize| {
        format!("MAIL FROM:<bounces+{number}@example.org>\r\nRCPT TO:<news-{number}@example.com>\r\nDATA\r\n")
    };
    let before = cpu(sink.pid());
    let mut streams = Vec::new();
    for connection in 0..CONNECTIONS {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, sink.port))?;
        stream.set_nodelay(true)?;
        stream.write_all(format!("EHLO a.example\r\n{}", envelope(connection)).as_bytes())?;
        streams.push(stream);
    }
    let mut replies = [0; 4096];
    for round in 1..=MAILS {
        for (connection, stream) in streams.iter_mut().enumerate() {
            // Whatever is answered: all of it is understood, or the count is wrong.
            let _ = stream.read(&mut replies)?;
            stream.write_all(format!("{body}{}", envelope(round * CONNECTIONS + connection)).as_bytes())?;
        }
    }
    let all = MAILS * CONNECTIONS;
    let began = Instant::now();
    while sink.report()?.groups[index("news")].distinct < all as u64 {
        if began.elapsed() > Duration::from_secs(10) {
            return Err(format!("the sink took not all of {all} mails: {:?}", sink.report()?.groups).into());
        }
    }
    Ok((cpu(sink.pid()) - before) * 1e6 / all as f64)
}

fn conversations() -> Result<()> {
    let said = SAID.as_bytes();
    // Cut everywhere in two, and into pieces of one to nine bytes.
    for cut in 0..=said.len() {
        converse(&[&said[..cut], &said[cut..]])?;
    }
    for size in 1..10 {
        converse(&said.chunks(size).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn converse(pieces: &[&[u8]]) -> Result<()> {
    let mut counts = Counts::default();
    let mut conversation = Conversation::new(true);
    let mut then = Then::GoOn;
    for piece in pieces {
        conversation.input.extend_from_slice(piece);
        if then == Then::GoOn {
            then = conversation.proceed(&mut counts);
        }
    }
    let output = String::from_utf8(std::mem::take(&mut conversation.output))?;
    let codes = codes(&output);
    let report: Report = serde_json::from_str(&counts.report())?;
    let [bulk, news, ..] = &report.groups;
    let sample = "To: news-0000001@example.com\r\n\r\n.. a dot\r\n.\n.\r\r\n..\r\n";
    let bytes = sample.len() + "second\r\n\r\n".len();
    let right = codes == ANSWERED
        && then == Then::HangUp
        && (news.accepted, news.distinct, news.again, news.bytes) == (3, 2, 1, bytes as u64)
        && (bulk.accepted, bulk.distinct, bulk.again, bulk.bytes) == (1, 1, 0, 6)
        && (news.others_at_first, news.others_at_last, bulk.others_at_first) == (0, 1, 2)
        && report.sample.as_deref() == Some(sample)
        && report.sender.as_deref() == Some("MAIL FROM:<bounces+7@example.org>");
    if right {
        Ok(())
    } else {
        Err(format!("the sink is wrong about {} pieces: {codes}\n{report:?}", pieces.len()).into())
    }
}

/// The first three digits of each line.
fn codes(output: &str) -> String {
    output.lines().map(|line| line.get(..3).unwrap_or(line)).collect::<Vec<_>>().join(" ")
}
