//! The sink: an SMTP server in a process of its own, one thread, that takes every message at once. For whatever came
//! together it makes one read and one write.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use super::Result;
use super::conversation::{Conversation, Then};
use super::counts::{Counts, Report};

/// The most that one read takes.
const READ: usize = 256 * 1024;

/// A running sink. Dropped, it ends.
pub struct Sink {
    child: Child,
    pub port: u16,
    control: BufReader<TcpStream>,
}

impl Sink {
    /// Starts this program once more, as a sink.
    pub fn start(pipelining: bool) -> Result<Self> {
        let word = if pipelining { "pipelining" } else { "plain" };
        let (child, port) = again("--sink", &[word])?;
        let mut control = BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?);
        control.read_line(&mut String::new())?;
        Ok(Self { child, port, control })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What came since the last reset.
    pub fn report(&mut self) -> Result<Report> {
        let answer = self.ask("XREPORT")?;
        Ok(serde_json::from_str(answer.trim_start_matches("250 "))?)
    }

    pub fn reset(&mut self) -> Result<()> {
        self.ask("XRESET").map(|_| ())
    }

    fn ask(&mut self, command: &str) -> Result<String> {
        self.control.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        let mut answer = String::new();
        self.control.read_line(&mut answer)?;
        if answer.starts_with("250 ") { Ok(answer) } else { Err(format!("the sink said {answer:?}").into()) }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program as another process that says on which port it listens, and that ends when we do.
pub fn again(role: &str, arguments: &[&str]) -> Result<(Child, u16)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(role)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
    Ok((child, line.trim().parse()?))
}

/// Says the port on standard output, and ends the process when standard input ends.
pub fn announce(port: u16) {
    println!("{port}");
    std::thread::spawn(|| {
        // Whatever it says, whoever started us is gone.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

/// Takes mail until whoever started us is gone.
pub fn run(pipelining: bool) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        announce(listener.local_addr()?.port());
        let counts = Rc::new(RefCell::new(Counts::default()));
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let counts = Rc::clone(&counts);
            tokio::task::spawn_local(async move {
                // A client that hangs up in the middle is the benchmark's to miss.
                let _ = converse(stream, pipelining, &counts).await;
            });
        }
    })
}

async fn converse(
    mut stream: tokio::net::TcpStream,
    pipelining: bool,
    counts: &RefCell<Counts>,
) -> std::io::Result<()> {
    let mut conversation = Conversation::new(pipelining);
    loop {
        if !conversation.output.is_empty() {
            stream.write_all(&conversation.output).await?;
            conversation.output.clear();
        }
        conversation.input.reserve(READ);
        if stream.read_buf(&mut conversation.input).await? == 0 {
            return Ok(());
        }
        let then = conversation.proceed(&mut counts.borrow_mut());
        if then == Then::HangUp {
            return stream.write_all(&conversation.output).await;
        }
    }
}
