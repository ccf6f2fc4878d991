//! The bare wire, the other yardstick: the cheapest client there can be, which sends one and the same message with all that
//! PIPELINING allows, over as many connections as `smtp-source`, and looks no further at the replies than to count them.
//! No sender that has a database can be as fast; the ratio to it tells how much of the machine is the wire's.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Result;
use super::process::cpu;
use super::sink::Sink;
use super::source::Pace;

const CONNECTIONS: u64 = 10;
const ENVELOPE: &str = "MAIL FROM:<wire@example.org>\r\nRCPT TO:<other@example.com>\r\nDATA\r\n";
/// In bytes; as long as the body that `smtp-source` sends.
const LENGTH: usize = 10_240;

/// Sends so many messages into the sink.
pub async fn run(messages: u64, sink: &mut Sink) -> Result<Pace> {
    sink.reset()?;
    let (before, sink_before) = (cpu(std::process::id()), cpu(sink.pid()));
    let mut connections = JoinSet::new();
    for index in 0..CONNECTIONS {
        let share = messages / CONNECTIONS + u64::from(index < messages % CONNECTIONS);
        connections.spawn(send(sink.port, share));
    }
    while let Some(ended) = connections.join_next().await {
        ended??;
    }
    let (own, of_sink) = (cpu(std::process::id()) - before, cpu(sink.pid()) - sink_before);
    let report = sink.report()?;
    let tally = &report.groups[3];
    if tally.accepted != messages {
        return Err(format!("the bare wire brought {} of {messages}", tally.accepted).into());
    }
    let each = 1e6 / messages as f64;
    Ok(Pace { rate: tally.rate(), cpu: own * each, sink_cpu: of_sink * each })
}

async fn send(port: u16, messages: u64) -> std::io::Result<()> {
    let line = format!("{}\r\n", "x".repeat(78));
    let body = format!("To: other@example.com\r\n\r\n{}.\r\n", line.repeat(LENGTH / line.len()));
    let with_next = format!("{body}{ENVELOPE}");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    let mut replies = vec![0; 4096];
    // The greeting; then HELO and the first envelope.
    read(&mut stream, &mut replies, 1).await?;
    stream.write_all(format!("HELO wire.example\r\n{ENVELOPE}").as_bytes()).await?;
    read(&mut stream, &mut replies, 4).await?;
    for _ in 1..messages {
        stream.write_all(with_next.as_bytes()).await?;
        read(&mut stream, &mut replies, 4).await?;
    }
    stream.write_all(body.as_bytes()).await?;
    read(&mut stream, &mut replies, 1).await
}

/// Reads so many lines.
async fn read(stream: &mut TcpStream, replies: &mut [u8], mut lines: usize) -> std::io::Result<()> {
    while lines > 0 {
        let length = stream.read(replies).await?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        lines = lines.saturating_sub(memchr::memchr_iter(b'\n', &replies[..length]).count());
    }
    Ok(())
}
