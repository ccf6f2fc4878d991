//! A network that is far: a proxy before the sink, in a process of its own. What passes arrives half a round trip later,
//! in its order, however much is under way. It knows nothing of windows and losses, only of time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::Child;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::Result;
use super::sink;

/// A running proxy. Dropped, it ends.
pub struct Proxy {
    child: Child,
    pub port: u16,
}

impl Proxy {
    /// Starts this program once more, as a proxy before a port.
    pub fn start(target: u16, round_trip: Duration) -> Result<Self> {
        let arguments = [target.to_string(), round_trip.as_micros().to_string()];
        let (child, port) = sink::again("--proxy", &arguments.each_ref().map(String::as_str))?;
        Ok(Self { child, port })
    }

    /// How long a command to the sink really takes: the median of some.
    pub fn ping(&self) -> Result<Duration> {
        let mut line = String::new();
        let mut stream = BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?);
        stream.get_ref().set_nodelay(true)?;
        stream.read_line(&mut line)?;
        let mut times = Vec::new();
        for _ in 0..15 {
            let sent = Instant::now();
            stream.get_mut().write_all(b"NOOP\r\n")?;
            stream.read_line(&mut line)?;
            times.push(sent.elapsed());
        }
        times.sort_unstable();
        Ok(times[times.len() / 2])
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on until whoever started us is gone. Threads, for they sleep to some tens of microseconds.
pub fn run(target: u16, round_trip: Duration) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    sink::announce(listener.local_addr()?.port());
    for client in listener.incoming() {
        let client = client?;
        thread::spawn(move || {
            // Whoever hangs up is missed by the other side.
            let _ = connect(client, target, round_trip);
        });
    }
    Ok(())
}

fn connect(client: TcpStream, target: u16, round_trip: Duration) -> Result<()> {
    // The client's connection stands at once here; a far one would take a round trip.
    thread::sleep(round_trip);
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, target))?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (from_client, from_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || carry(from_client, server, round_trip / 2));
    carry(from_server, client, round_trip / 2);
    Ok(())
}

/// Reads at once and writes later, until the end.
fn carry(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (pieces, due) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        for (at, piece) in due {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        // It is closed already where the other side hung up.
        let _ = to.shutdown(Shutdown::Write);
    });
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length) = from.read(&mut piece) {
        if length == 0 || pieces.send((Instant::now() + delay, piece[..length].to_vec())).is_err() {
            break;
        }
    }
}
