//! One conversation of the sink: strict about what the client says, and as odd itself as the script wants.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::script::{Answer, Manners, Moment, Script, Step};
use super::{Message, Sink};

/// How long after a 421 something may still come that was sent before it was read.
const GRACE: Duration = Duration::from_millis(500);
/// How long the sink waits after that for what must not come.
const LINGER: Duration = Duration::from_millis(200);

pub struct Conversation {
    sink: Sink,
    script: Arc<Script>,
    stream: TcpStream,
    door: usize,
    /// The number of this connection.
    number: usize,
    input: Vec<u8>,
    output: Vec<u8>,
    from: Option<String>,
    to: Vec<String>,
    logged_in: bool,
    messages: usize,
    /// What is read next came together with a final dot.
    behind_dot: bool,
}

/// The end of a conversation, however it came.
type Ended = io::Error;

impl Conversation {
    pub fn new(sink: Sink, stream: TcpStream, door: usize, number: usize) -> Self {
        let script = sink.script();
        Self {
            sink,
            script,
            stream,
            door,
            number,
            input: Vec::new(),
            output: Vec::new(),
            from: None,
            to: Vec::new(),
            logged_in: false,
            messages: 0,
            behind_dot: false,
        }
    }

    pub async fn run(mut self) -> Result<(), Ended> {
        self.stream.set_nodelay(true)?;
        self.step(Moment::Connect, "220 sink.localhost ESMTP").await?;
        loop {
            if self.input.is_empty() {
                self.flush().await?;
            }
            let line = self.line(self.script.idle).await?;
            let ahead = !self.input.is_empty();
            if self.refuses_what_is_ahead(&line, ahead).await? {
                continue;
            }
            self.behind_dot = false;
            self.command(&line).await?;
        }
    }

    /// Whether the line was refused because others came with it, or because it came behind a body.
    async fn refuses_what_is_ahead(&mut self, line: &str, ahead: bool) -> Result<bool, Ended> {
        let grouped = ["MAIL", "RCPT", "DATA"].iter().any(|verb| line.starts_with(verb));
        let (refused, reply) = match self.script.manners {
            Manners::RefusesWhatIsAhead => (grouped && ahead, "503 5.5.1 Wait for the answer"),
            Manners::CallsItInvalid => (grouped && ahead, "554 5.5.0 Error: SMTP protocol synchronization"),
            // All of what came behind a dot, up to the end of that group.
            Manners::RefusesBehindTheDot => (grouped && self.behind_dot, "503 5.5.1 Wait for the answer"),
            Manners::EndsBehindTheDot => (grouped && self.behind_dot, "421 4.5.1 Wait for the answer"),
            _ => (false, ""),
        };
        if refused {
            self.say(reply).await?;
            self.behind_dot &= ahead;
        }
        Ok(refused)
    }

    async fn command(&mut self, line: &str) -> Result<(), Ended> {
        let (verb, rest) = line.split_once([' ', ':']).unwrap_or((line, ""));
        match verb {
            "EHLO" | "HELO" => {
                (self.from, self.to) = (None, Vec::new());
                let offers = [
                    ("PIPELINING", self.script.pipelining),
                    ("STARTTLS", self.script.broken_tls),
                    ("AUTH PLAIN", self.script.login),
                    ("8BITMIME", true),
                ];
                let lines: String =
                    offers.iter().filter(|(_, on)| *on).map(|(name, _)| format!("250-{name}\r\n")).collect();
                self.step(Moment::Hello, &format!("250-sink.localhost\r\n{lines}250 ENHANCEDSTATUSCODES"))
                    .await
            }
            "STARTTLS" if self.script.broken_tls => {
                self.say("220 2.0.0 Go on").await?;
                self.flush().await?;
                self.stream.write_all(b"this is no handshake\r\n").await?;
                self.until_let_go().await
            }
            "AUTH" => {
                self.logged_in = self.asked(Moment::Auth, "", "235 2.7.0 Welcome").await?;
                Ok(())
            }
            "MAIL" => self.mail(rest).await,
            "RCPT" => self.rcpt(rest).await,
            "DATA" => self.data().await,
            "RSET" => {
                (self.from, self.to) = (None, Vec::new());
                self.say("250 2.0.0 Forgotten").await
            }
            "NOOP" => self.say("250 2.0.0 Here").await,
            "QUIT" => {
                self.say("221 2.0.0 Bye").await?;
                self.flush().await?;
                Err(ended("the client quit"))
            }
            _ => {
                self.violation(&format!("no command, as if a body came unasked: {line}"));
                self.say("500 5.5.1 What?").await
            }
        }
    }

    async fn mail(&mut self, rest: &str) -> Result<(), Ended> {
        if self.script.login && !self.logged_in {
            self.violation("MAIL without AUTH");
        }
        // As Postfix has it: the first sender stays, and who is named next is mailed from there.
        if self.from.is_some() {
            return self.say("503 5.5.1 Error: nested MAIL command").await;
        }
        let from = path(rest);
        if self.asked(Moment::Mail, &from, "250 2.1.0 Ok").await? {
            self.from = Some(from);
        }
        Ok(())
    }

    async fn rcpt(&mut self, rest: &str) -> Result<(), Ended> {
        if self.from.is_none() {
            return self.say("503 5.5.1 Error: need MAIL command").await;
        }
        let to = path(rest);
        self.sink.named(&to);
        if self.asked(Moment::Rcpt, &to, "250 2.1.5 Ok").await? {
            self.to.push(to);
        }
        Ok(())
    }

    async fn data(&mut self) -> Result<(), Ended> {
        let anyway = self.script.manners == Manners::AlwaysAsksForABody;
        if self.to.is_empty() && !anyway {
            return match self.from {
                None => self.say("503 5.5.1 Error: need RCPT command").await,
                Some(_) => self.say("554 5.5.1 Error: no valid recipients").await,
            };
        }
        let to = self.to.first().cloned().unwrap_or_default();
        if !self.asked(Moment::Data, &to, "354 Go on").await? {
            return Ok(());
        }
        self.flush().await?;
        let raw = self.body(&to).await?;
        let (from, recipients) = (self.from.take().unwrap_or_default(), std::mem::take(&mut self.to));
        if recipients.is_empty() {
            if !raw.is_empty() {
                self.violation("a body for nobody: no recipient was accepted");
            }
            return self.say("554 5.5.1 Error: no valid recipients").await;
        }
        self.keep(from, recipients, raw).await
    }

    /// Takes the message unless the script refuses it; from then on it may be accepted in the client's eyes.
    async fn keep(&mut self, from: String, to: Vec<String>, raw: Vec<u8>) -> Result<(), Ended> {
        let first = to.first().cloned().unwrap_or_default();
        let answer = self.script.ask(&self.at(Moment::Dot, &first));
        if self.script.manners == Manners::DropsBehindTheDot {
            self.more_input().await;
            self.input.clear();
        }
        self.behind_dot = !self.input.is_empty();
        if let Answer::Say(reply) = answer
            && reply.starts_with(['4', '5'])
        {
            return self.say(reply).await;
        }
        let message = Message { door: self.door, from, to, raw };
        for fault in message.faults() {
            self.violation(&fault);
        }
        let index = self.sink.keep(message);
        self.messages += 1;
        self.sink.meet(Moment::Dot, self.door).await;
        match answer {
            Answer::Usual | Answer::Say(_) => self.say(&format!("250 2.0.0 Ok: kept as {index}")).await?,
            other => return self.odd(other).await,
        }
        self.flush().await?;
        self.sink.answered(index);
        self.sink.meet(Moment::Accepted, self.door).await;
        Ok(())
    }

    /// Up to the lone dot, without the stuffing.
    async fn body(&mut self, to: &str) -> Result<Vec<u8>, Ended> {
        let mut body = Vec::new();
        let mut first = true;
        loop {
            let line = self.raw_line(self.script.idle).await?;
            if std::mem::take(&mut first) && line != b".\r\n" {
                self.sink.meet(Moment::Body, self.door).await;
                let answer = self.script.ask(&self.at(Moment::Body, to));
                if !matches!(answer, Answer::Usual) {
                    self.odd(answer).await?;
                }
            }
            if line == b".\r\n" {
                return Ok(body);
            }
            if line[..line.len() - 2].iter().any(|byte| [b'\r', b'\n'].contains(byte))
                || !line.ends_with(b"\r\n")
            {
                self.violation("a line of a body that doesn't end with CR LF");
            }
            match line.as_slice() {
                [b'.', b'.', ..] => body.extend_from_slice(&line[1..]),
                [b'.', ..] => {
                    self.violation("a dot that is not stuffed");
                    body.extend_from_slice(&line);
                }
                _ => body.extend_from_slice(&line),
            }
        }
    }

    fn at<'a>(&self, moment: Moment, address: &'a str) -> Step<'a> {
        Step {
            moment,
            address,
            times: self.sink.times(address),
            earlier: self.messages,
            kept: self.sink.len(),
        }
    }

    /// Meets who waits for this moment, then says what the script wants, or the usual.
    async fn step(&mut self, moment: Moment, usual: &str) -> Result<(), Ended> {
        self.asked(moment, "", usual).await.map(|_| ())
    }

    /// The same; whether it was the usual.
    async fn asked(&mut self, moment: Moment, address: &str, usual: &str) -> Result<bool, Ended> {
        self.sink.meet(moment, self.door).await;
        match self.script.ask(&self.at(moment, address)) {
            Answer::Usual => self.say(usual).await.map(|()| true),
            other => self.odd(other).await.map(|()| false),
        }
    }

    async fn odd(&mut self, answer: Answer) -> Result<(), Ended> {
        match answer {
            Answer::Usual => Ok(()),
            Answer::Say(reply) => self.say(reply).await,
            Answer::Garbage(bytes) => {
                self.output.extend_from_slice(bytes);
                self.flush().await?;
                self.until_let_go().await
            }
            Answer::Close => Err(ended("by the script")),
            Answer::Silence => {
                self.flush().await?;
                self.until_let_go().await
            }
        }
    }

    async fn say(&mut self, reply: &str) -> Result<(), Ended> {
        self.output.extend_from_slice(reply.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        if reply.starts_with("421") {
            self.flush().await?;
            return self.is_over().await;
        }
        Ok(())
    }

    /// After a 421 nothing may come but what was on its way, and QUIT.
    async fn is_over(&mut self) -> Result<(), Ended> {
        let mut before = std::mem::take(&mut self.input);
        let mut after = Vec::new();
        // Either time may pass without a word; the other side may leave as well.
        let _ = timeout(GRACE, read_all(&mut self.stream, &mut before)).await;
        let _ = timeout(LINGER, read_all(&mut self.stream, &mut after)).await;
        if !after.is_empty() && !after.starts_with(b"QUIT") {
            self.violation("a command after 421");
        }
        let text = String::from_utf8_lossy(&before).into_owned();
        let commands = ["MAIL", "RCPT", "DATA", "RSET", "QUIT", "EHLO"];
        if text.lines().any(|line| !commands.iter().any(|verb| line.starts_with(verb))) {
            self.violation("a body after 421");
        }
        Err(ended("after 421"))
    }

    async fn until_let_go(&mut self) -> Result<(), Ended> {
        let sink = self.sink.clone();
        let mut nothing = Vec::new();
        tokio::select! {
            () = sink.is_let_go() => {}
            _ = read_all(&mut self.stream, &mut nothing) => {}
        }
        Err(ended("by the script"))
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        let output = std::mem::take(&mut self.output);
        if !self.script.dribbles {
            return self.stream.write_all(&output).await;
        }
        for byte in output {
            self.stream.write_all(&[byte]).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn line(&mut self, patience: Duration) -> Result<String, Ended> {
        let line = self.raw_line(patience).await?;
        if !line.ends_with(b"\r\n") {
            self.violation("a command that doesn't end with CR LF");
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Up to the next LF, with it; as one what has a bare LF in it can't be, so that shows.
    async fn raw_line(&mut self, patience: Duration) -> Result<Vec<u8>, Ended> {
        let mut looked = 0;
        loop {
            if let Some(end) = self.input[looked..].iter().position(|byte| *byte == b'\n') {
                return Ok(self.input.drain(..=looked + end).collect());
            }
            looked = self.input.len();
            self.flush().await?;
            match timeout(patience, self.stream.read_buf(&mut self.input)).await {
                Ok(Ok(0)) => return Err(ended("the client left")),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    self.say("421 4.4.2 Nothing came for too long").await?;
                }
            }
        }
    }

    /// What has come by now, without waiting for more.
    async fn more_input(&mut self) {
        while matches!(self.stream.try_read_buf(&mut self.input), Ok(more) if more > 0) {}
    }

    fn violation(&self, what: &str) {
        self.sink.violation(format!("connection {}: {what}", self.number));
    }
}

async fn read_all(stream: &mut TcpStream, into: &mut Vec<u8>) -> io::Result<()> {
    while stream.read_buf(into).await? > 0 {}
    Ok(())
}

fn ended(why: &str) -> Ended {
    io::Error::new(io::ErrorKind::ConnectionAborted, why)
}

/// The address between angle brackets.
fn path(text: &str) -> String {
    let inner = text.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(|| text.to_owned(), |(path, _)| path.to_owned())
}
