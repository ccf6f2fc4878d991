//! One SMTP conversation with a relay (RFC 5321), over lettre's connection: its EHLO, STARTTLS and AUTH, our own
//! timeouts, as much sent ahead as the relay takes (RFC 2920). Every reply is read and matched; a body goes out only
//! after 250 to MAIL, 250 to RCPT and 354. It knows nothing of deliveries: what a reply means is `reply`'s, what
//! follows is the caller's.

use std::net::IpAddr;
use std::time::Duration;

use lettre::transport::smtp::{
    Error,
    authentication::{Credentials, Mechanism},
    client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
    extension::ClientId,
    response::Response,
};
use tokio::{net::TcpStream, time::timeout};

use super::reply::{Reply, Stage};
use crate::config::{Pipelining, Relay, Tls};

/// RFC 5321, section 4.5.3.2, allows the server minutes; a relay of ours that needs longer than this is in trouble.
const CONNECT: Duration = Duration::from_secs(20);
const COMMAND: Duration = Duration::from_secs(60);
/// An envelope that went behind a body is answered right behind that body's reply, or was thrown away unread.
const ANNOUNCED: Duration = Duration::from_secs(15);
/// After the final dot the server may still be working; giving up early makes a second copy.
const FINAL_DOT: Duration = Duration::from_secs(300);

/// An open, authenticated connection.
pub struct Connection {
    smtp: AsyncSmtpConnection,
    pipelining: Pipelining,
    /// The next message's envelope went behind the last body; its replies are still to be read.
    announced: bool,
    /// How many bodies were sent over it.
    sent: u32,
    /// The conversation is out of step, or the server said that it ends: nothing more is to be sent over it.
    over: bool,
}

/// Why a message was not accepted.
#[derive(Debug)]
pub enum Failure {
    /// The server said no; the connection may still be of use.
    Reply(Stage, Reply),
    /// The connection is lost; at `Stage::Body` the message may have been accepted.
    Broken(Stage, String),
    /// What was sent ahead was not answered as it should be: nothing is known of the message but that it was not sent.
    OutOfStep(Stage, Reply),
    /// Nobody wants it any more; nothing was sent.
    Withdrawn,
}

/// Who writes to whom, both as they stand in the envelope.
#[derive(Clone, Debug)]
pub struct Envelope {
    pub from: String,
    pub to: String,
}

impl Envelope {
    /// All of it up to DATA, which must come last (RFC 2920, section 3.1).
    fn commands(&self) -> String {
        format!("{}{}DATA\r\n", self.mail(), self.rcpt())
    }

    fn mail(&self) -> String {
        format!("MAIL FROM:<{}>\r\n", self.from)
    }

    fn rcpt(&self) -> String {
        format!("RCPT TO:<{}>\r\n", self.to)
    }
}

impl Connection {
    /// Connects, says EHLO with the name `hello` (a domain of ours), secures the line as the relay's `tls` says, and
    /// logs in where it has credentials. As much is sent ahead as `pipelining` says, if the relay offers it.
    ///
    /// # Errors
    /// The stage that failed, with the server's reply or what broke.
    pub async fn open(relay: &Relay, hello: &str, pipelining: Pipelining) -> Result<Self, Failure> {
        let hello = match hello.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
            Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
            Err(_) => ClientId::Domain(hello.to_owned()),
        };
        let mut smtp = match relay.tls {
            Tls::Implicit => {
                let connecting = AsyncSmtpConnection::connect_tokio1(
                    (relay.host.as_str(), relay.port),
                    Some(CONNECT),
                    &hello,
                    Some(tls_parameters(relay)?),
                    None,
                );
                within(CONNECT, Stage::Connect, connecting).await?
            }
            Tls::Required | Tls::None => {
                let connecting = TcpStream::connect((relay.host.as_str(), relay.port));
                let stream = match timeout(CONNECT, connecting).await {
                    Ok(Ok(stream)) => stream,
                    Ok(Err(error)) => return Err(Failure::Broken(Stage::Connect, error.to_string())),
                    Err(_) => return Err(silent(Stage::Connect, CONNECT)),
                };
                // The body and its final dot leave at once, not after the server's delayed acknowledgement.
                stream
                    .set_nodelay(true)
                    .map_err(|error| Failure::Broken(Stage::Connect, error.to_string()))?;
                let greeting = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello);
                within(COMMAND, Stage::Hello, greeting).await?
            }
        };
        if relay.tls == Tls::Required {
            if !smtp.can_starttls() {
                let why =
                    "the relay offers no STARTTLS; use another port, or tls = \"implicit\" for port 465";
                return Err(Failure::Broken(Stage::Hello, why.to_owned()));
            }
            within(COMMAND, Stage::Hello, smtp.starttls(tls_parameters(relay)?, &hello)).await?;
        }
        if let Some(credentials) = &relay.credentials {
            let login = Credentials::new(credentials.user.clone(), credentials.password.expose().to_owned());
            within(COMMAND, Stage::Auth, smtp.auth(&[Mechanism::Plain, Mechanism::Login], &login)).await?;
        }
        let mut connection =
            Self { smtp, pipelining: Pipelining::Off, announced: false, sent: 0, over: false };
        if pipelining != Pipelining::Off && connection.offers_pipelining(&hello).await? {
            connection.pipelining = pipelining;
        }
        Ok(connection)
    }

    /// Names sender and recipient, and gets leave for the body. Where it was sent behind the last body already, only
    /// the replies are read.
    ///
    /// # Errors
    /// As [`Failure`] says. After a refusal the conversation is reset and goes on; after `Broken` it is over.
    pub async fn envelope(&mut self, envelope: &Envelope) -> Result<(), Failure> {
        if std::mem::take(&mut self.announced) {
            let mail = self.answer(Stage::Mail, ANNOUNCED).await;
            return self.ahead(mail).await;
        }
        if self.pipelining != Pipelining::Off {
            let mail = self.command(Stage::Mail, envelope.commands()).await;
            return self.ahead(mail).await;
        }
        let steps = [
            (Stage::Mail, envelope.mail()),
            (Stage::Rcpt, envelope.rcpt()),
            (Stage::Data, "DATA\r\n".to_owned()),
        ];
        for (stage, line) in steps {
            if let Err(refused) = self.command(stage, line).await {
                return Err(self.reset_after(refused).await);
            }
        }
        Ok(())
    }

    /// Sends the body after [`envelope`](Self::envelope): 7-bit, CRLF line ends, no line that begins with a dot, CRLF
    /// at its end. With `next`, the next message's envelope goes right behind it; only where
    /// [`pipelining`](Self::pipelining) is full.
    ///
    /// # Errors
    /// As [`Failure`] says.
    pub async fn body(&mut self, mut message: String, next: Option<&Envelope>) -> Result<Reply, Failure> {
        message.push_str(".\r\n");
        if let Some(next) = next {
            message.push_str(&next.commands());
            self.announced = true;
        }
        self.sent += 1;
        let response = within(FINAL_DOT, Stage::Body, self.smtp.command(message)).await;
        self.checked(Stage::Body, response).map(|response| reply_of(&response))
    }

    /// Leaves a message that nobody wants any more after [`envelope`](Self::envelope): nothing but a body may follow
    /// 354, and a closed connection sends none.
    pub fn withdraw(&mut self) {
        self.over = true;
    }

    /// Asks for nothing but an answer (NOOP): how long that takes is the round trip. Only where nothing is sent ahead.
    ///
    /// # Errors
    /// As [`Failure`] says.
    pub async fn noop(&mut self) -> Result<(), Failure> {
        self.command(Stage::Hello, "NOOP\r\n".to_owned()).await
    }

    /// Says goodbye, without waiting long for the answer.
    pub async fn quit(mut self) {
        // The mail is settled by now; whatever the server says, nothing follows from it.
        let _ = timeout(Duration::from_secs(2), self.smtp.quit()).await;
    }

    /// Whether it is protected by TLS.
    pub fn is_encrypted(&self) -> bool {
        self.smtp.is_encrypted()
    }

    /// Whether another message can be sent over it.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// How many bodies were sent over it.
    pub fn sent(&self) -> u32 {
        self.sent
    }

    /// How much is sent ahead over it.
    pub fn pipelining(&self) -> Pipelining {
        self.pipelining
    }

    /// Whether the next message's envelope was sent behind the last body.
    pub fn is_ahead(&self) -> bool {
        self.announced
    }

    /// lettre keeps of the server's extensions only those it uses itself, so EHLO is said once more.
    async fn offers_pipelining(&mut self, hello: &ClientId) -> Result<bool, Failure> {
        let response = within(COMMAND, Stage::Hello, self.smtp.command(format!("EHLO {hello}\r\n"))).await?;
        Ok(response.message().any(|line| line.trim().eq_ignore_ascii_case("PIPELINING")))
    }

    /// Reads on after the reply to a MAIL that RCPT and DATA went out with.
    async fn ahead(&mut self, mail: Result<(), Failure>) -> Result<(), Failure> {
        if self.over {
            return mail;
        }
        let rcpt = self.answer(Stage::Rcpt, COMMAND).await;
        if self.over {
            return mail.and(rcpt);
        }
        let data = self.answer(Stage::Data, COMMAND).await;
        let waits_for_body = data.is_ok();
        let refused = match (mail, rcpt, data) {
            (Ok(()), Ok(()), Ok(())) => return Ok(()),
            (Ok(()), Ok(()), Err(data)) => out_of_step(data),
            (Ok(()), Err(rcpt), _) if waits_for_body => {
                // It would take a body for nobody: it gets none.
                self.no_body().await;
                rcpt
            }
            (Ok(()), Err(rcpt), _) => out_of_step(rcpt),
            (Err(mail), ..) => {
                // A body would go to this recipient under somebody else's return path.
                self.over |= waits_for_body;
                out_of_step(mail)
            }
        };
        Err(self.reset_after(refused).await)
    }

    /// A dot alone ends what the server waits for though no recipient was accepted; it refuses that.
    async fn no_body(&mut self) {
        if !self.over {
            // Whatever the answer, RSET follows, and its answer counts.
            let _ = self.command(Stage::Body, ".\r\n".to_owned()).await;
        }
    }

    async fn command(&mut self, stage: Stage, line: String) -> Result<(), Failure> {
        let response = within(COMMAND, stage, self.smtp.command(line)).await;
        self.checked(stage, response).map(|_| ())
    }

    async fn answer(&mut self, stage: Stage, patience: Duration) -> Result<(), Failure> {
        let response = within(patience, stage, self.smtp.read_response()).await;
        self.checked(stage, response).map(|_| ())
    }

    /// Notes whether the conversation goes on after this.
    fn checked(&mut self, stage: Stage, response: Result<Response, Failure>) -> Result<Response, Failure> {
        // 421: the server closes the channel (RFC 5321, section 3.8).
        self.over |= match &response {
            Ok(_) | Err(Failure::Withdrawn) => false,
            Err(Failure::Reply(_, reply) | Failure::OutOfStep(_, reply)) => reply.code == 421,
            Err(Failure::Broken(..)) => true,
        };
        let response = response?;
        let code = u16::from(response.code());
        // 354 asks for a body and answers nothing else; any other positive reply to DATA asks for none.
        if (stage == Stage::Data) != (code == 354) {
            self.over = true;
            let why = format!("unexpected reply {}", reply_of(&response));
            return Err(Failure::Broken(stage, why));
        }
        Ok(response)
    }

    async fn reset_after(&mut self, failure: Failure) -> Failure {
        // Without an answer to it nobody knows what the next reply answers.
        if !self.over && self.command(Stage::Mail, "RSET\r\n".to_owned()).await.is_err() {
            self.over = true;
        }
        failure
    }
}

/// A refusal that may only be about the order of the commands: 503, or "invalid command" (RFC 3463, section 3.6).
fn out_of_step(failure: Failure) -> Failure {
    match failure {
        Failure::Reply(stage, reply)
            if reply.code == 503 || (reply.code == 554 && reply.enhanced == Some((5, 5, 0))) =>
        {
            Failure::OutOfStep(stage, reply)
        }
        other => other,
    }
}

fn tls_parameters(relay: &Relay) -> Result<TlsParameters, Failure> {
    let unusable = |error: String| Failure::Broken(Stage::Hello, error);
    let mut builder = TlsParameters::builder(relay.host.clone());
    if let Some(file) = &relay.ca_file {
        let pem = std::fs::read(file).map_err(|error| unusable(format!("{}: {error}", file.display())))?;
        let certificates = split_pem(&pem);
        if certificates.is_empty() {
            return Err(unusable(format!("{} holds no certificate", file.display())));
        }
        builder = builder.certificate_store(CertificateStore::None);
        for certificate in certificates {
            let certificate =
                Certificate::from_pem(&certificate).map_err(|error| unusable(error.to_string()))?;
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(|error| unusable(error.to_string()))
}

/// The certificates of a PEM file, each by itself.
fn split_pem(pem: &[u8]) -> Vec<Vec<u8>> {
    const END: &str = "-----END CERTIFICATE-----";
    let text = String::from_utf8_lossy(pem);
    text.split_inclusive(END)
        .filter(|part| part.ends_with(END))
        .map(|part| part.as_bytes().to_vec())
        .collect()
}

async fn within<T>(
    patience: Duration,
    stage: Stage,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failure> {
    match timeout(patience, step).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failure_of(stage, &error)),
        Err(_) => Err(silent(stage, patience)),
    }
}

fn silent(stage: Stage, patience: Duration) -> Failure {
    Failure::Broken(stage, format!("no answer within {} s", patience.as_secs()))
}

fn failure_of(stage: Stage, error: &Error) -> Failure {
    let source = std::error::Error::source(error).map(ToString::to_string);
    match error.status() {
        Some(code) => Failure::Reply(stage, Reply::parse(u16::from(code), &source.unwrap_or_default())),
        None => Failure::Broken(stage, source.unwrap_or_else(|| error.to_string())),
    }
}

fn reply_of(response: &Response) -> Reply {
    Reply::parse(u16::from(response.code()), &response.message().collect::<Vec<_>>().join(" "))
}
