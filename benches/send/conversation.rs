//! One SMTP conversation of the sink, without a socket: bytes in, replies out. It takes commands and bodies however they
//! are cut and however many come at once (RFC 2920), and does for a message little more than look for its end.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::counts::{Counts, Recipient};

static END_OF_BODY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n.\r\n"));
/// In bytes; a command that goes on for longer is none.
const LONGEST_COMMAND: usize = 4096;
/// How many bytes of an unfinished body must be kept to see its end, when that is cut.
const TAIL: usize = 4;

/// Where a conversation stands.
pub struct Conversation {
    pipelining: bool,
    /// What was read and not yet understood.
    pub input: Vec<u8>,
    /// What is to be answered.
    pub output: Vec<u8>,
    mail: bool,
    recipient: Option<Recipient>,
    /// The size of the body so far, in bytes, while one is read.
    body: Option<usize>,
    /// The first message since the last reset, for whoever wants to see one.
    sample: Option<Vec<u8>>,
}

/// Whether the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    GoOn,
    HangUp,
}

impl Conversation {
    /// A new one, which begins with the greeting.
    pub fn new(pipelining: bool) -> Self {
        Self {
            pipelining,
            input: Vec::new(),
            output: b"220 sink.example ESMTP\r\n".to_vec(),
            mail: false,
            recipient: None,
            body: None,
            sample: None,
        }
    }

    /// Understands as much of `input` as is whole.
    pub fn proceed(&mut self, counts: &mut Counts) -> Then {
        let input = std::mem::take(&mut self.input);
        let mut at = 0;
        let mut then = Then::GoOn;
        while then == Then::GoOn {
            let rest = &input[at..];
            if let Some(before) = self.body {
                let Some(end) = END_OF_BODY.find(rest) else {
                    let passed = rest.len().saturating_sub(TAIL);
                    self.keep(&rest[..passed]);
                    self.body = Some(before + passed);
                    at += passed;
                    break;
                };
                self.keep(&rest[..end + 2]);
                at += end + 5;
                // Its first two bytes are the end of the DATA line.
                self.accept(before + end, counts);
            } else {
                let Some(end) = memchr::memchr(b'\n', rest) else {
                    if rest.len() > LONGEST_COMMAND {
                        self.say("500 5.5.2 Line too long");
                        then = Then::HangUp;
                    }
                    break;
                };
                at += end + 1;
                match rest[..end].strip_suffix(b"\r") {
                    Some(line) => then = self.command(line, counts),
                    None => self.say("500 5.5.2 A line ends with CR LF"),
                }
                if self.body.is_some() {
                    // The line end before a body is part of what its end is looked for in: a body may be empty.
                    at -= 2;
                }
            }
        }
        self.input = input;
        self.input.drain(..at);
        then
    }

    fn command(&mut self, line: &[u8], counts: &mut Counts) -> Then {
        let verb = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        match verb.to_ascii_uppercase().as_slice() {
            b"MAIL" if self.mail => self.say("503 5.5.1 Nested MAIL"),
            b"MAIL" => {
                counts.see_sender(line);
                self.mail = true;
                self.say("250 2.1.0 Ok");
            }
            b"RCPT" if !self.mail => self.say("503 5.5.1 MAIL first"),
            b"RCPT" if self.recipient.is_some() => self.say("452 4.5.3 One recipient for each message"),
            b"RCPT" => {
                self.recipient = Some(Recipient::read(line));
                self.say("250 2.1.5 Ok");
            }
            b"DATA" if self.recipient.is_none() => self.say("503 5.5.1 RCPT first"),
            b"DATA" => {
                self.sample = counts.wants_a_sample().then(Vec::new);
                self.body = Some(0);
                self.say("354 End data with <CR><LF>.<CR><LF>");
            }
            b"EHLO" if self.pipelining => {
                self.forget();
                self.say("250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES");
            }
            b"EHLO" => {
                self.forget();
                self.say("250-sink.example\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES");
            }
            b"HELO" => {
                self.forget();
                self.say("250 sink.example");
            }
            b"RSET" => {
                self.forget();
                self.say("250 2.0.0 Ok");
            }
            b"NOOP" => self.say("250 2.0.0 Ok"),
            b"QUIT" => {
                self.say("221 2.0.0 Bye");
                return Then::HangUp;
            }
            // Not SMTP: how the benchmark asks what came in, and begins anew.
            b"XREPORT" => {
                let report = format!("250 {}", counts.report());
                self.say(&report);
            }
            b"XRESET" => {
                counts.reset();
                self.say("250 2.0.0 Ok");
            }
            _ => self.say("502 5.5.1 Unknown command"),
        }
        Then::GoOn
    }

    fn accept(&mut self, size: usize, counts: &mut Counts) {
        let recipient = self.recipient.take().unwrap_or_default();
        let number = counts.accept(recipient, size, self.sample.take());
        self.output.extend_from_slice(b"250 2.0.0 Ok: queued as ");
        self.output.extend_from_slice(format!("{number:010X}\r\n").as_bytes());
        self.mail = false;
        self.body = None;
    }

    fn keep(&mut self, piece: &[u8]) {
        if let Some(sample) = &mut self.sample {
            sample.extend_from_slice(piece);
        }
    }

    fn forget(&mut self) {
        self.mail = false;
        self.recipient = None;
    }

    fn say(&mut self, reply: &str) {
        self.output.extend_from_slice(reply.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }
}
