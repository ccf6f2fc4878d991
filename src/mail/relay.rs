//! One SMTP conversation with a relay (RFC 5321), over lettre's connection: its EHLO, STARTTLS and AUTH, our own
//! timeouts, one command at a time. Every reply is read and matched; a body goes out only after 250 to MAIL, 250 to
//! RCPT and 354. It knows nothing of deliveries: what a reply means is `reply`'s, what follows is the caller's.

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
use crate::config::{Relay, Tls};

/// RFC 5321, section 4.5.3.2, allows the server minutes; a relay of ours that needs longer than this is in trouble.
const CONNECT: Duration = Duration::from_secs(20);
const COMMAND: Duration = Duration::from_secs(60);
/// After the final dot the server may still be working; giving up early makes a second copy.
const FINAL_DOT: Duration = Duration::from_secs(300);

/// An open, authenticated connection.
pub struct Connection {
    smtp: AsyncSmtpConnection,
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
    /// `still_wanted` said no; nothing was sent.
    Withdrawn,
}

/// Who writes to whom, both as they stand in the envelope.
pub struct Envelope<'a> {
    pub from: &'a str,
    pub to: &'a str,
}

impl Connection {
    /// Connects, says EHLO with the name `hello` (a domain of ours), secures the line as the relay's `tls` says, and logs in where it has credentials.
    ///
    /// # Errors
    /// The stage that failed, with the server's reply or what broke.
    pub async fn open(relay: &Relay, hello: &str) -> Result<Self, Failure> {
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
        Ok(Self { smtp, over: false })
    }

    /// Hands over one message: 7-bit, CRLF line ends, no line that begins with a dot, CRLF at its end. `still_wanted`
    /// is asked twice, before DATA and before the body.
    ///
    /// # Errors
    /// As [`Failure`] says. After a refusal the conversation is reset and goes on; after `Broken` it is over.
    pub async fn send(
        &mut self,
        envelope: &Envelope<'_>,
        message: Vec<u8>,
        still_wanted: impl Fn() -> bool,
    ) -> Result<Reply, Failure> {
        if let Err(refused) = self.command(Stage::Mail, format!("MAIL FROM:<{}>\r\n", envelope.from)).await {
            return Err(self.reset_after(refused).await);
        }
        if let Err(refused) = self.command(Stage::Rcpt, format!("RCPT TO:<{}>\r\n", envelope.to)).await {
            return Err(self.reset_after(refused).await);
        }
        if !still_wanted() {
            return Err(self.reset_after(Failure::Withdrawn).await);
        }
        if let Err(refused) = self.command(Stage::Data, "DATA\r\n".to_owned()).await {
            return Err(self.reset_after(refused).await);
        }
        if !still_wanted() {
            // Nothing but a body may follow 354; a closed connection sends none.
            self.over = true;
            return Err(Failure::Withdrawn);
        }
        let mut body = String::from_utf8(message)
            .map_err(|_| Failure::Broken(Stage::Data, "the message is not 7-bit text".to_owned()))?;
        body.push_str(".\r\n");
        self.command(Stage::Body, body).await
    }

    /// Says goodbye, without waiting long for the answer.
    pub async fn quit(mut self) {
        // The mail is settled by now; whatever the server says, nothing follows from it.
        let _ = timeout(Duration::from_secs(2), self.smtp.quit()).await;
    }

    /// What the server says it is and can do, for `check`.
    pub fn is_encrypted(&self) -> bool {
        self.smtp.is_encrypted()
    }

    /// Whether another message can be sent over it.
    pub fn is_over(&self) -> bool {
        self.over
    }

    async fn command(&mut self, stage: Stage, line: String) -> Result<Reply, Failure> {
        let patience = if stage == Stage::Body { FINAL_DOT } else { COMMAND };
        let response = within(patience, stage, self.smtp.command(line)).await;
        if let Err(failure) = &response {
            // 421: the server closes the channel (RFC 5321, section 3.8).
            self.over |= match failure {
                Failure::Reply(_, reply) => reply.code == 421,
                Failure::Broken(..) => true,
                Failure::Withdrawn => false,
            };
        }
        let reply = reply_of(&response?);
        // 354 asks for a body and answers nothing else; any other positive reply to DATA asks for none.
        if (stage == Stage::Data) != (reply.code == 354) {
            self.over = true;
            let why = format!("unexpected reply {} {}", reply.code, reply.text);
            return Err(Failure::Broken(stage, why));
        }
        Ok(reply)
    }

    async fn reset_after(&mut self, failure: Failure) -> Failure {
        // Without an answer to it nobody knows what the next reply answers.
        if !self.over && self.command(Stage::Mail, "RSET\r\n".to_owned()).await.is_err() {
            self.over = true;
        }
        failure
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
