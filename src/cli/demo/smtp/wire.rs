//! The connection under a conversation: reads lines of bounded length, and collects replies into few writes.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use super::Answer;

/// A line that was read: how it ended, and whether its middle was dropped for its length.
pub struct Line {
    pub crlf: bool,
    pub too_long: bool,
}

/// The connection: lines in, replies out in one write when nothing more is there to read.
pub struct Wire {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    out: Vec<u8>,
    idle: Duration,
    closed: watch::Receiver<bool>,
}

impl Wire {
    pub fn new(stream: TcpStream, idle: Duration, closed: watch::Receiver<bool>) -> Self {
        let _ = stream.set_nodelay(true); // costs speed only, when it fails
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::with_capacity(32 * 1024, reader), writer, out: Vec::new(), idle, closed }
    }

    /// Queues a reply, without its last CR LF.
    pub fn say(&mut self, reply: &str) {
        self.out.extend_from_slice(reply.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    /// Does what a behaviour wants; an error where that ends the conversation.
    pub async fn answer(&mut self, answer: Answer) -> io::Result<()> {
        match answer {
            Answer::Reply(reply) => {
                self.say(&reply);
                Ok(())
            }
            Answer::Disconnect => {
                self.flush().await?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Answer::Silence => {
                self.flush().await?;
                loop {
                    let came = self.fill().await?;
                    self.reader.consume(came);
                }
            }
        }
    }

    /// Sends the other side away, for want of a place.
    pub async fn refuse(mut self) -> io::Result<()> {
        self.say("421 4.7.0 Too many connections: try again later");
        self.flush().await
    }

    /// Appends one line with its end to `into`. Beyond `limit` octets the rest of the line is dropped.
    pub async fn line(&mut self, into: &mut Vec<u8>, limit: usize) -> io::Result<Line> {
        let start = into.len();
        let mut too_long = false;
        let mut last = 0;
        loop {
            if self.reader.buffer().is_empty() {
                self.flush().await?;
                self.fill().await?;
            }
            let came = self.reader.buffer();
            let end = came.iter().position(|&b| b == b'\n');
            let part = came.get(..end.map_or(came.len(), |end| end + 1)).unwrap_or(came);
            let room = limit.saturating_sub(into.len() - start);
            too_long |= part.len() > room;
            into.extend_from_slice(part.get(..room).unwrap_or(part));
            let before_end = match part {
                [.., before, b'\n'] => *before,
                _ => last,
            };
            last = part.last().copied().unwrap_or(last);
            let taken = part.len();
            self.reader.consume(taken);
            if end.is_some() {
                return Ok(Line { crlf: before_end == b'\r', too_long });
            }
        }
    }

    /// Waits for something to read and gives how much there is; an error at the end of the stream, when nothing comes
    /// in time, and when the server shuts down.
    async fn fill(&mut self) -> io::Result<usize> {
        let came = tokio::select! {
            came = tokio::time::timeout(self.idle, self.reader.fill_buf()) => {
                came.map(|came| came.map(<[u8]>::len)).map_err(|_| "421 4.4.2 Nothing came for too long")
            }
            _ = self.closed.wait_for(|closed| *closed) => Err("421 4.3.2 This server is shutting down"),
        };
        match came {
            Ok(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(came) => came,
            Err(reply) => {
                self.say(reply);
                self.flush().await?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
        }
    }

    /// Sends the queued replies.
    pub async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        tokio::time::timeout(self.idle, self.writer.write_all(&self.out)).await??;
        self.out.clear();
        Ok(())
    }
}
