//! The SMTP server that catches mail in the demo and in the tests, as a client on a socket sees it.

use std::time::Duration;

use bellwether::cli::demo::mailbox::Mailbox;
use bellwether::cli::demo::smtp::{Answer, Limits, Moment, Server};
use bellwether::clock::Clock;
use bellwether::domain::time::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

const NOW: Timestamp = Timestamp::from_micros(1_793_000_000_000_000);
const PATIENCE: Duration = Duration::from_secs(20);

fn server(mailbox: &Mailbox) -> Server {
    Server::new(mailbox.clone(), Clock::simulated(NOW))
}

/// A client that writes what it likes and reads reply by reply.
struct Client {
    stream: TcpStream,
    read: Vec<u8>,
    _stop: Option<oneshot::Sender<()>>,
}

impl Client {
    /// Starts the server and greets it.
    async fn of(server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(server.run(listener, async { stopped.await.unwrap_or_default() }));
        let mut client = Self::connect(address).await;
        client._stop = Some(stop);
        assert_eq!(client.reply().await, "220");
        client.write("EHLO test.example\r\n").await;
        assert_eq!(client.reply().await, "250");
        client
    }

    async fn connect(address: std::net::SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new(), _stop: None }
    }

    async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next line, without its end; none when the server has closed.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.read.drain(..end + 2).collect();
                return Some(String::from_utf8(line[..end].to_vec()).unwrap());
            }
            let mut some = [0; 4096];
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut some)).await.expect("a reply");
            match read {
                Ok(count @ 1..) => self.read.extend_from_slice(&some[..count]),
                _ => return None,
            }
        }
    }

    /// The code of the next reply, its last line read.
    async fn reply(&mut self) -> String {
        loop {
            let Some(line) = self.line().await else { return "closed".to_owned() };
            if line.as_bytes().get(3) != Some(&b'-') {
                return line[..3].to_owned();
            }
        }
    }

    async fn replies(&mut self, count: usize) -> Vec<String> {
        let mut replies = Vec::new();
        for _ in 0..count {
            replies.push(self.reply().await);
        }
        replies
    }

    /// Writes commands in one packet and reads a reply to each.
    async fn pipeline(&mut self, commands: &[&str]) -> Vec<String> {
        self.write(&(commands.join("\r\n") + "\r\n")).await;
        self.replies(commands.len()).await
    }
}

#[tokio::test]
async fn a_message_arrives_with_its_envelope_and_its_bytes() {
    let mailbox = Mailbox::unbounded();
    let mut client = Client::of(server(&mailbox)).await;
    let replies = client
        .pipeline(&[
            "MAIL FROM:<desk@example.org> BODY=8BITMIME SIZE=30",
            "RCPT TO:<Ada@example.net>",
            "DATA",
        ])
        .await;
    assert_eq!(replies, ["250", "250", "354"]);
    client.write("Subject: hello\r\n\r\nGrüße\r\n.\r\n").await;
    assert_eq!(client.reply().await, "250");

    let message = &mailbox.to("ada@example.net")[0];
    assert_eq!(message.from, "desk@example.org");
    assert_eq!(message.to, ["Ada@example.net"]);
    assert_eq!(message.at, NOW);
    assert_eq!(message.raw, "Subject: hello\r\n\r\nGrüße\r\n".as_bytes());
}

#[tokio::test]
async fn many_commands_in_one_packet_are_answered_in_order() {
    let mailbox = Mailbox::unbounded();
    let mut client = Client::of(server(&mailbox)).await;
    let envelope =
        ["MAIL FROM:<>", "RCPT TO:<a@example.net>", "NOOP", "NONSENSE", "VRFY a", "RSET", "MAIL FROM:<>"];
    assert_eq!(client.pipeline(&envelope).await, ["250", "250", "250", "500", "252", "250", "250"]);

    // The next envelope stands behind a body in the same packet (RFC 2920, section 3.1).
    client.write("RCPT TO:<b@example.net>\r\nDATA\r\n").await;
    assert_eq!(client.replies(2).await, ["250", "354"]);
    client.write("one\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<c@example.net>\r\nDATA\r\n").await;
    assert_eq!(client.replies(4).await, ["250", "250", "250", "354"]);
    client.write("two\r\n.\r\nQUIT\r\n").await;
    assert_eq!(client.replies(3).await, ["250", "221", "closed"]);

    let bodies: Vec<_> = mailbox.messages().iter().map(|message| message.raw.clone()).collect();
    assert_eq!(bodies, [b"one\r\n", b"two\r\n"]);
}

#[tokio::test]
async fn dots_are_unstuffed_and_only_a_dot_between_crlfs_ends_a_message() {
    let mailbox = Mailbox::unbounded();
    let mut client = Client::of(server(&mailbox)).await;
    client.pipeline(&["MAIL FROM:<>", "RCPT TO:<a@example.net>", "DATA"]).await;
    client.write("..\r\n..two\r\n.x\r\nend.\r\n").await;
    client.write("\r\n.\r\n").await;
    assert_eq!(client.reply().await, "250");
    assert_eq!(mailbox.get(1).unwrap().raw, b".\r\n.two\r\nx\r\nend.\r\n\r\n");

    for hidden in
        ["x\n.\nMAIL FROM:<>\r\n.\r\n", "x\n.\r\nMAIL FROM:<>\r\n.\r\n", "x\r\n.\nMAIL FROM:<>\r\n.\r\n"]
    {
        client.pipeline(&["MAIL FROM:<>", "RCPT TO:<a@example.net>", "DATA"]).await;
        client.write(hidden).await;
        assert_eq!(client.reply().await, "554", "{hidden:?} must not hide a command");
        assert_eq!(client.pipeline(&["NOOP"]).await, ["250"], "{hidden:?} was read to its end");
    }
    assert_eq!(mailbox.len(), 1);
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_conversation_goes_on() {
    let mailbox = Mailbox::unbounded();
    let limits = Limits { message: 2000, recipients: 2, ..Limits::default() };
    let mut client = Client::of(server(&mailbox).with_limits(limits)).await;

    assert_eq!(client.pipeline(&["MAIL FROM:<> SIZE=2001"]).await, ["552"]);
    assert_eq!(client.pipeline(&[&format!("NOOP {}", "x".repeat(5000)), "NOOP"]).await, ["500", "250"]);

    let to = "RCPT TO:<a@example.net>";
    assert_eq!(
        client.pipeline(&["MAIL FROM:<>", to, to, to, "DATA"]).await,
        ["250", "250", "250", "452", "354"]
    );
    client.write(&("y".repeat(98) + "\r\n").repeat(30)).await;
    client.write(".\r\n").await;
    assert_eq!(client.reply().await, "552");

    client.pipeline(&["MAIL FROM:<>", to, "DATA"]).await;
    client.write(&("z".repeat(1500) + "\r\n.\r\n")).await;
    assert_eq!(client.reply().await, "554");
    assert!(mailbox.is_empty());

    client.pipeline(&["MAIL FROM:<>", to, "DATA"]).await;
    client.write(&("z".repeat(998) + "\r\n.\r\n")).await;
    assert_eq!(client.reply().await, "250");
}

#[tokio::test]
async fn commands_out_of_order_and_malformed_ones_are_refused() {
    let mailbox = Mailbox::unbounded();
    let mut client = Client::of(server(&mailbox)).await;
    let steps = [
        ("RCPT TO:<a@example.net>", "503"),
        ("DATA", "503"),
        ("MAIL FROM: <a@example.net>", "501"),
        ("MAIL FROM:a@example.net", "501"),
        ("MAIL FROM:<a@example.net", "501"),
        ("MAIL FROM:<a@example.net>SIZE=1", "501"),
        ("MAIL FROM:<a@example.net> SIZE=x", "501"),
        ("MAIL FROM:<a@example.net> COLOUR=red", "555"),
        ("MAIL FROM:<nobody>", "553"),
        ("MAIL FROM:<grüße@example.net>", "553"),
        ("EHLO", "501"),
        ("STARTTLS", "502"),
        ("mail from:<a@example.net>", "250"),
        ("MAIL FROM:<b@example.net>", "503"),
        ("DATA", "554"),
        ("RCPT TO:<>", "553"),
        ("RCPT TO:<a@example.net> NOTIFY=NEVER", "555"),
        ("RCPT TO:<\"odd > one\"@example.net>", "250"),
        ("RCPT TO:<@relay.example:c@example.net>", "250"),
        ("RCPT TO:<postmaster>", "250"),
        ("DATA now", "501"),
        ("HELO again.example", "250"),
        ("DATA", "503"),
    ];
    for (command, code) in steps {
        assert_eq!(client.pipeline(&[command]).await, [code], "{command}");
    }
    client.write("NOOP\n").await;
    assert_eq!(client.reply().await, "500");
}

#[tokio::test]
async fn mail_needs_a_greeting_first() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(server(&Mailbox::unbounded()).run(listener, std::future::pending()));
    let mut client = Client::connect(address).await;
    assert_eq!(client.reply().await, "220");
    assert_eq!(client.pipeline(&["MAIL FROM:<>"]).await, ["503"]);
}

#[tokio::test]
async fn a_test_scripts_the_answers() {
    let mailbox = Mailbox::unbounded();
    let scripted = server(&mailbox).behaving(|address, moment| match (address.split('@').next()?, moment) {
        ("550-gone", Moment::Recipient) => Some(Answer::Reply("550 5.1.1 Nobody here".to_owned())),
        ("451-later", Moment::Message) => {
            Some(Answer::Reply("451-4.3.0 Not now,\r\n451 4.3.0 later".to_owned()))
        }
        ("disconnect-in-data", Moment::Body) | ("disconnect-after", Moment::Stored) => {
            Some(Answer::Disconnect)
        }
        ("renamed", Moment::Stored) => Some(Answer::Reply("250 2.0.0 queued as 4F2".to_owned())),
        _ => None,
    });
    let mut client = Client::of(scripted).await;
    let begin = ["MAIL FROM:<>", "RCPT TO:<550-gone@x.example>", "DATA", "RSET"];
    assert_eq!(client.pipeline(&begin).await, ["250", "550", "554", "250"]);

    client.pipeline(&["MAIL FROM:<>", "RCPT TO:<451-later@x.example>", "DATA"]).await;
    client.write("x\r\n.\r\n").await;
    assert_eq!(client.reply().await, "451");
    assert!(mailbox.is_empty());

    client.pipeline(&["MAIL FROM:<>", "RCPT TO:<renamed@x.example>", "DATA"]).await;
    client.write("x\r\n.\r\n").await;
    assert_eq!(client.line().await.unwrap(), "250 2.0.0 queued as 4F2");

    client.pipeline(&["MAIL FROM:<>", "RCPT TO:<disconnect-after@x.example>", "DATA"]).await;
    client.write("x\r\n.\r\n").await;
    assert_eq!(client.reply().await, "closed");
    assert_eq!(mailbox.len(), 2, "it was kept before the connection broke");
}

#[tokio::test]
async fn a_scripted_server_leaves_in_the_middle_or_says_nothing() {
    let mailbox = Mailbox::unbounded();
    let scripted = || {
        server(&mailbox).behaving(|address, moment| match (address, moment) {
            ("disconnect-in-data@x.example", Moment::Body) => Some(Answer::Disconnect),
            ("silence@x.example", Moment::Recipient) => Some(Answer::Silence),
            _ => None,
        })
    };
    let mut client = Client::of(scripted()).await;
    client.pipeline(&["MAIL FROM:<>", "RCPT TO:<disconnect-in-data@x.example>", "DATA"]).await;
    client.write("Subject: x\r\n").await;
    assert_eq!(client.reply().await, "closed");

    let mut client = Client::of(scripted()).await;
    client.write("MAIL FROM:<>\r\nRCPT TO:<silence@x.example>\r\nNOOP\r\n").await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.replies(2).await, ["250", "closed"]);
    assert!(mailbox.is_empty());
}

#[tokio::test]
async fn one_connection_too_many_is_sent_away() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let mut first = Client::of(server(&Mailbox::unbounded()).with_limits(limits)).await;
    let address = first.stream.peer_addr().unwrap();
    assert_eq!(Client::connect(address).await.replies(2).await, ["421", "closed"]);
    assert_eq!(first.pipeline(&["QUIT", "NOOP"]).await, ["221", "closed"]);
}

#[tokio::test]
async fn who_is_silent_for_too_long_is_sent_away() {
    let limits = Limits { idle: Duration::from_millis(1), ..Limits::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(server(&Mailbox::unbounded()).with_limits(limits).run(listener, std::future::pending()));
    assert_eq!(Client::connect(address).await.replies(3).await, ["220", "421", "closed"]);
}

#[tokio::test]
async fn a_shutdown_says_goodbye_to_who_is_connected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = Client::connect(listener.local_addr().unwrap()).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server(&Mailbox::unbounded()).run(listener, async { stopped.await.unwrap() }));
    assert_eq!(client.reply().await, "220");
    stop.send(()).unwrap();
    assert_eq!(client.replies(2).await, ["421", "closed"]);
    running.await.unwrap();
}
