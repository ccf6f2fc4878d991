//! The relay of the stories: a real SMTP server on loopback. How it treats a recipient is written in the address.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bellwether::cli::demo::{
    mailbox::Mailbox,
    smtp::{Answer, Moment, Server},
};
use bellwether::clock::Clock;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

/// How addresses are treated whose local part begins so, and how often where they don't say: `451-2-ada@…` is turned
/// away twice, `451-ada@…` always.
const RULES: [(&str, Moment, &str, usize); 10] = [
    ("421", Moment::Recipient, "421 4.7.0 <{}> has too many mails from you, slow down", usize::MAX),
    ("451", Moment::Recipient, "451 4.3.2 <{}> can't take mail now, try again later", usize::MAX),
    ("550", Moment::Recipient, "550 5.1.1 <{}>: there is no such user", usize::MAX),
    ("552", Moment::Recipient, "552 5.2.2 <{}> is over quota", usize::MAX),
    ("relaying-denied", Moment::Recipient, "554 5.7.1 <{}>: Relay access denied", usize::MAX),
    ("silence", Moment::Recipient, SILENCE, 1),
    ("disconnect-in-data", Moment::Body, DISCONNECT, 1),
    ("disconnect-after-data", Moment::Stored, DISCONNECT, 1),
    ("says-nothing", Moment::Stored, "250 2.0.0 Kept", usize::MAX),
    ("forges", Moment::Stored, "250 2.0.0 Kept as a@b> \tBcc:<{}>", usize::MAX),
];
const DISCONNECT: &str = "";
const SILENCE: &str = "...";

/// The server, and what it got.
pub struct Relay {
    pub port: u16,
    pub mailbox: Mailbox,
    clock: Clock,
    asked: Arc<Asked>,
    running: Mutex<Option<JoinHandle<()>>>,
    /// Its port while it is down, which nobody else gets and which takes no connection.
    kept: Mutex<Option<TcpSocket>>,
}

/// How often each address was turned away, and how often recipients were named at all.
#[derive(Default)]
struct Asked {
    turned_away: Mutex<HashMap<String, usize>>,
    recipients: Mutex<HashMap<String, usize>>,
    breaks_off: AtomicBool,
}

impl Relay {
    pub async fn start(clock: Clock) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mailbox = Mailbox::unbounded();
        let relay = Self {
            port,
            mailbox,
            clock,
            asked: Arc::default(),
            running: Mutex::default(),
            kept: Mutex::default(),
        };
        relay.serve(listener);
        relay
    }

    /// Nobody listens any more; the port stays its own.
    pub async fn goes_down(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some(running) = running {
            running.abort();
            assert!(running.await.unwrap_err().is_cancelled());
            *self.kept.lock().unwrap() = Some(bound(self.port));
        }
    }

    /// On the port of before.
    pub async fn comes_back(&self) {
        let kept = self.kept.lock().unwrap().take().expect("it went down");
        self.serve(kept.listen(1024).unwrap());
    }

    /// It hangs up in the middle of every mail from now on.
    pub fn breaks_off(&self) {
        self.asked.breaks_off.store(true, Ordering::SeqCst);
    }

    /// It does so no more.
    pub fn breaks_off_no_more(&self) {
        self.asked.breaks_off.store(false, Ordering::SeqCst);
    }

    /// How often recipients were named to it.
    pub fn asked(&self) -> usize {
        self.asked.recipients.lock().unwrap().values().sum()
    }

    /// How often this recipient was named to it.
    pub fn asked_for(&self, address: &str) -> usize {
        self.asked.recipients.lock().unwrap().get(address).copied().unwrap_or(0)
    }

    fn serve(&self, listener: TcpListener) {
        let asked = Arc::clone(&self.asked);
        let server = Server::new(self.mailbox.clone(), self.clock.clone())
            .behaving(move |address, moment| asked.answer(address, moment));
        *self.running.lock().unwrap() = Some(tokio::spawn(server.run(listener, std::future::pending())));
    }
}

/// A socket that has this port and doesn't listen.
fn bound(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, port).into()).unwrap();
    socket
}

impl Asked {
    /// Mail from `hangs-up+…@` finds its connection closed every second time, as idle ones are.
    fn hangs_up(&self, sender: &str) -> bool {
        let mut turned_away = self.turned_away.lock().unwrap();
        let times = turned_away.entry("hangs-up".to_owned()).or_default();
        *times += 1;
        sender.starts_with("hangs-up+") && times.is_multiple_of(2)
    }

    fn answer(&self, address: &str, moment: Moment) -> Option<Answer> {
        if moment == Moment::Recipient {
            *self.recipients.lock().unwrap().entry(address.to_owned()).or_default() += 1;
        }
        if moment == Moment::Body && self.breaks_off.load(Ordering::SeqCst) {
            return Some(Answer::Disconnect);
        }
        if moment == Moment::Sender {
            return self.hangs_up(address).then_some(Answer::Disconnect);
        }
        let (local, _) = address.split_once('@')?;
        let (prefix, _, reply, usual) =
            RULES.iter().find(|(prefix, at, ..)| local.starts_with(prefix) && *at == moment)?;
        let rest = local[prefix.len()..].strip_prefix('-').unwrap_or_default();
        let most = rest.split('-').next().and_then(|times| times.parse().ok()).unwrap_or(*usual);
        let mut turned_away = self.turned_away.lock().unwrap();
        let times = turned_away.entry(address.to_owned()).or_default();
        if *times >= most {
            return None;
        }
        *times += 1;
        Some(match *reply {
            DISCONNECT => Answer::Disconnect,
            SILENCE => Answer::Silence,
            reply => Answer::Reply(reply.replace("{}", address)),
        })
    }
}
