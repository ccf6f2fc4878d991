//! One conversation: commands and their replies (RFC 5321, section 4.1), and the message in between.

use std::io;

use super::wire::Wire;
use super::{Answer, Moment, Server};

/// A command line with its CR LF (RFC 5321, section 4.5.3.1.4, and room for the parameters of extensions).
const COMMAND_LINE: usize = 1024;
/// A line of the message with its CR LF (RFC 5321, section 4.5.3.1.6), and its stuffed dot.
const TEXT_LINE: usize = 1001;

/// A mail transaction: from MAIL to the end of its data (RFC 5321, section 3.3).
struct Transaction {
    from: String,
    to: Vec<String>,
}

pub struct Conversation<'a> {
    server: &'a Server,
    wire: Wire,
    greeted: bool,
    transaction: Option<Transaction>,
}

impl<'a> Conversation<'a> {
    pub fn new(server: &'a Server, wire: Wire) -> Self {
        Self { server, wire, greeted: false, transaction: None }
    }

    /// Talks until the other side leaves, which is an error unless it said QUIT.
    pub async fn run(mut self) -> io::Result<()> {
        self.wire.say("220 mailbox.localhost ESMTP: all mail stays here");
        let mut line = Vec::with_capacity(COMMAND_LINE);
        loop {
            line.clear();
            let read = self.wire.line(&mut line, COMMAND_LINE).await?;
            if read.too_long {
                self.wire.say("500 5.5.2 That line is too long");
            } else if !read.crlf {
                self.wire.say("500 5.5.2 A line ends with CR LF");
            } else if let Ok(text) = std::str::from_utf8(line.trim_ascii_end()) {
                if text.eq_ignore_ascii_case("QUIT") {
                    self.wire.say("221 2.0.0 Bye");
                    return self.wire.flush().await;
                }
                self.command(text).await?;
            } else {
                self.wire.say("500 5.5.2 That is not a command");
            }
        }
    }

    async fn command(&mut self, line: &str) -> io::Result<()> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            verb @ ("EHLO" | "HELO") => self.hello(verb, rest),
            "MAIL" => return self.mail(rest).await,
            "RCPT" => return self.rcpt(rest).await,
            "DATA" if rest.is_empty() => return self.data().await,
            "RSET" if rest.is_empty() => {
                self.transaction = None;
                self.wire.say("250 2.0.0 Forgotten");
            }
            "DATA" | "RSET" | "QUIT" => self.wire.say("501 5.5.4 This command takes no argument"),
            "NOOP" => self.wire.say("250 2.0.0 Still here"),
            "VRFY" if rest.is_empty() => self.wire.say("501 5.5.4 VRFY whom?"),
            "VRFY" => self.wire.say("252 2.1.5 Every address is accepted here"),
            "HELP" | "EXPN" | "STARTTLS" | "AUTH" | "BDAT" => {
                self.wire.say("502 5.5.1 This server doesn't offer that command");
            }
            _ => self.wire.say("500 5.5.1 That is not a command"),
        }
        Ok(())
    }

    fn hello(&mut self, verb: &str, name: &str) {
        if name.trim().is_empty() {
            return self.wire.say(&format!("501 5.5.4 {verb} needs your name"));
        }
        self.greeted = true;
        self.transaction = None;
        if verb == "HELO" {
            return self.wire.say("250 mailbox.localhost");
        }
        self.wire.say("250-mailbox.localhost");
        if self.server.limits.pipelining {
            self.wire.say("250-PIPELINING");
        }
        self.wire.say(&format!("250-SIZE {}", self.server.limits.message));
        self.wire.say("250-8BITMIME");
        self.wire.say("250 ENHANCEDSTATUSCODES");
    }

    async fn mail(&mut self, argument: &str) -> io::Result<()> {
        let from = match self.sender(argument) {
            Ok(from) => from,
            Err(reply) => return self.refuse(reply),
        };
        if self.accepted_by_script(&[&from], Moment::Sender, "250 2.1.0 Sender accepted").await? {
            self.transaction = Some(Transaction { from, to: Vec::new() });
        }
        Ok(())
    }

    fn sender(&self, argument: &str) -> Result<String, &'static str> {
        if !self.greeted {
            return Err("503 5.5.1 Say EHLO first");
        }
        if self.transaction.is_some() {
            return Err("503 5.5.1 One MAIL at a time: end it with DATA or RSET");
        }
        let (from, parameters) = path(argument, "FROM:")?;
        for parameter in parameters.split_ascii_whitespace() {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match key.to_ascii_uppercase().as_str() {
                "SIZE" => match value.parse::<usize>() {
                    Ok(size) if size <= self.server.limits.message => {}
                    Ok(_) => return Err("552 5.3.4 That message is larger than this server takes"),
                    Err(_) => return Err("501 5.5.4 SIZE is a number of octets"),
                },
                "BODY" if value.eq_ignore_ascii_case("7BIT") || value.eq_ignore_ascii_case("8BITMIME") => {}
                "BODY" => return Err("501 5.5.4 BODY is 7BIT or 8BITMIME"),
                _ => return Err("555 5.5.4 This server doesn't know that parameter"),
            }
        }
        if from.is_empty() || is_address(from) {
            Ok(from.to_owned())
        } else {
            Err("553 5.1.7 That is no address")
        }
    }

    async fn rcpt(&mut self, argument: &str) -> io::Result<()> {
        let to = match self.recipient(argument) {
            Ok(to) => to,
            Err(reply) => return self.refuse(reply),
        };
        if self.accepted_by_script(&[&to], Moment::Recipient, "250 2.1.5 Recipient accepted").await?
            && let Some(transaction) = &mut self.transaction
        {
            transaction.to.push(to);
        }
        Ok(())
    }

    fn recipient(&self, argument: &str) -> Result<String, &'static str> {
        let Some(transaction) = &self.transaction else {
            return Err("503 5.5.1 MAIL comes before RCPT");
        };
        let (to, parameters) = path(argument, "TO:")?;
        if !parameters.is_empty() {
            return Err("555 5.5.4 This server doesn't know that parameter");
        }
        if !is_address(to) && !to.eq_ignore_ascii_case("postmaster") {
            return Err("553 5.1.3 That is no address");
        }
        if transaction.to.len() >= self.server.limits.recipients {
            return Err("452 4.5.3 Too many recipients: send to the rest in a further message");
        }
        Ok(to.to_owned())
    }

    async fn data(&mut self) -> io::Result<()> {
        let recipients = match &self.transaction {
            None => return self.refuse("503 5.5.1 MAIL and RCPT come before DATA"),
            Some(transaction) if transaction.to.is_empty() => {
                return self.refuse("554 5.5.1 There is no recipient to send this to");
            }
            Some(transaction) => transaction.to.clone(),
        };
        let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
        if !self
            .accepted_by_script(&recipients, Moment::Data, "354 Go on; end with a dot on its own line")
            .await?
        {
            return Ok(());
        }
        let body = self.body(&recipients).await?;
        let Some(Transaction { from, to }) = self.transaction.take() else { return Ok(()) };
        let raw = match body {
            Ok(raw) => raw,
            Err(reply) => return self.refuse(reply),
        };
        if let Some(answer) = self.script(&recipients, Moment::Message) {
            return self.wire.answer(answer).await;
        }
        let id = self.server.mailbox.add(from, to, self.server.clock.now(), raw);
        self.accepted_by_script(&recipients, Moment::Stored, &format!("250 2.0.0 Kept as {id}")).await?;
        Ok(())
    }

    /// Reads up to the lone dot (RFC 5321, section 4.5.2), also of a message that can't be taken: then the reply that
    /// says why stands in its place. Only CR LF ends a line, or a message could hide another one.
    async fn body(&mut self, recipients: &[&str]) -> io::Result<Result<Vec<u8>, &'static str>> {
        let limit = self.server.limits.message;
        let mut body = Vec::new();
        let mut fault = None;
        let mut first = true;
        let mut after_crlf = true;
        loop {
            let start = body.len();
            let read = self.wire.line(&mut body, TEXT_LINE).await?;
            if std::mem::take(&mut first)
                && let Some(answer) = self.script(recipients, Moment::Body)
            {
                self.wire.answer(answer).await?;
                self.wire.flush().await?;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            let line = body.get(start..).unwrap_or_default();
            if after_crlf && line == b".\r\n" {
                body.truncate(start);
                return Ok(fault.map_or(Ok(body), Err));
            }
            if after_crlf && line.first() == Some(&b'.') {
                body.remove(start);
            }
            after_crlf = read.crlf;
            if !read.crlf {
                fault = fault.or(Some("554 5.6.0 The message has a line that doesn't end with CR LF"));
            } else if read.too_long {
                fault = fault.or(Some("554 5.6.0 The message has a line of more than 1000 octets"));
            } else if body.len() > limit {
                fault = fault.or(Some("552 5.3.4 The message is larger than this server takes"));
            }
            if fault.is_some() {
                body.clear();
            }
        }
    }

    fn script(&self, addresses: &[&str], moment: Moment) -> Option<Answer> {
        let behaviour = self.server.behaviour.as_ref()?;
        addresses.iter().find_map(|address| behaviour(address, moment))
    }

    /// Says what the behaviour wants, else `reply`. False when the behaviour refuses (replies of 4xx and 5xx).
    async fn accepted_by_script(
        &mut self,
        addresses: &[&str],
        moment: Moment,
        reply: &str,
    ) -> io::Result<bool> {
        match self.script(addresses, moment) {
            None => self.wire.say(reply),
            Some(answer) => {
                let accepted = matches!(&answer, Answer::Reply(reply) if reply.starts_with(['2', '3']));
                self.wire.answer(answer).await?;
                return Ok(accepted);
            }
        }
        Ok(true)
    }

    fn refuse(&mut self, reply: &str) -> io::Result<()> {
        self.wire.say(reply);
        Ok(())
    }
}

/// Takes a path and what follows it from the argument of MAIL or RCPT, without an old source route (RFC 5321,
/// section 4.1.2 and appendix C).
fn path<'a>(argument: &'a str, keyword: &str) -> Result<(&'a str, &'a str), &'static str> {
    const WANTED: &str = "501 5.5.4 Write MAIL FROM:<address> and RCPT TO:<address>";
    let (head, rest) = argument.split_at_checked(keyword.len()).ok_or(WANTED)?;
    let rest = rest.strip_prefix('<').filter(|_| head.eq_ignore_ascii_case(keyword)).ok_or(WANTED)?;
    let end = closing_bracket(rest).ok_or(WANTED)?;
    let (path, parameters) = rest.split_at(end);
    let parameters = parameters.get(1..).unwrap_or_default();
    if !parameters.is_empty() && !parameters.starts_with(' ') {
        return Err(WANTED);
    }
    let route_end = path.starts_with('@').then(|| path.find(':')).flatten();
    let address = route_end.and_then(|colon| path.get(colon + 1..)).unwrap_or(path);
    Ok((address, parameters.trim()))
}

/// Where the path ends: a `>` inside a quoted local part belongs to it.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Whether this looks like an address of ASCII; what it must fulfil beyond that is the sender's to know.
fn is_address(text: &str) -> bool {
    let graphic = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    graphic
        && text.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.is_empty()
                && !domain.contains(' ')
                && (local.starts_with('"') || !local.contains(' '))
        })
}
