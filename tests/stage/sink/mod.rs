//! A recording SMTP server for tests: it keeps every message, notes every breach of the protocol by its client, meets a
//! test at named moments of a conversation, and misbehaves by script.

mod conversation;
mod script;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::AbortHandle;

use conversation::Conversation;
pub use script::{Answer, Manners, Moment, Script, Step};

/// One message as it came.
pub struct Message {
    /// Which of the sink's doors it came through.
    pub door: usize,
    pub from: String,
    pub to: Vec<String>,
    pub raw: Vec<u8>,
}

#[derive(Clone)]
pub struct Sink(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    changed: watch::Sender<()>,
    let_go: Notify,
}

#[derive(Default)]
struct State {
    script: Arc<Script>,
    messages: Vec<Arc<Message>>,
    /// The messages whose 250 was sent; the fate of the others is unknown to the client.
    answered: BTreeSet<usize>,
    violations: Vec<String>,
    /// How often each recipient was named.
    named: HashMap<String, usize>,
    connections: usize,
    open: usize,
    /// How many conversations somebody has met and not let go.
    held: usize,
    meetings: Vec<Appointment>,
    doors: Vec<Door>,
}

struct Door {
    port: u16,
    listening: Option<AbortHandle>,
}

struct Appointment {
    moment: Moment,
    door: usize,
    /// How many times it passes by before.
    passes: usize,
    met: oneshot::Sender<()>,
    held: oneshot::Receiver<()>,
}

/// A conversation that will be stopped at some moment. It stays there until this is dropped.
pub struct Meeting {
    met: oneshot::Receiver<()>,
    _hold: oneshot::Sender<()>,
}

impl Meeting {
    /// Waits until a conversation is there.
    pub async fn met(&mut self) {
        (&mut self.met).await.expect("the sink outlives its meetings");
    }
}

impl Sink {
    pub async fn open() -> Self {
        let sink = Self(Arc::new(Inner {
            state: Mutex::default(),
            changed: watch::Sender::new(()),
            let_go: Notify::new(),
        }));
        sink.door().await;
        sink
    }

    /// Opens one more door to the same sink, and gives its number.
    pub async fn door(&self) -> usize {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut state = self.state();
        let (number, port) = (state.doors.len(), listener.local_addr().unwrap().port());
        let listening = Some(self.listen(listener, number));
        state.doors.push(Door { port, listening });
        number
    }

    pub fn port(&self, door: usize) -> u16 {
        self.state().doors[door].port
    }

    /// Nobody listens at the first door any more; conversations go on.
    pub fn shut(&self) {
        if let Some(listening) = self.state().doors[0].listening.take() {
            listening.abort();
        }
    }

    /// On the port of before.
    pub async fn reopen(&self) {
        let port = self.port(0);
        let listener = loop {
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                Ok(listener) => break listener,
                // The one before is closed a moment after it was told to.
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let listening = self.listen(listener, 0);
        self.state().doors[0].listening = Some(listening);
    }

    /// Behaves like this from the next connection on.
    pub fn play(&self, script: Script) {
        self.state().script = Arc::new(script);
    }

    /// Ends the conversations in which it is silent.
    pub fn let_go(&self) {
        self.0.let_go.notify_waiters();
    }

    /// Stops the conversation that comes to this moment at a door when `passes` others have.
    pub fn meeting(&self, moment: Moment, door: usize, passes: usize) -> Meeting {
        let (met, is_met) = oneshot::channel();
        let (hold, held) = oneshot::channel();
        self.state().meetings.push(Appointment { moment, door, passes, met, held });
        Meeting { met: is_met, _hold: hold }
    }

    /// Nobody is met any more.
    pub fn forget_meetings(&self) {
        self.state().meetings.clear();
    }

    pub fn len(&self) -> usize {
        self.state().messages.len()
    }

    pub fn messages(&self) -> Vec<Arc<Message>> {
        self.state().messages.clone()
    }

    /// How many connections there are.
    pub fn open_connections(&self) -> usize {
        self.state().open
    }

    /// Whether every conversation there is, is held at a meeting.
    pub fn is_held(&self) -> bool {
        let state = self.state();
        state.held > 0 && state.held == state.open
    }

    /// How many there ever were.
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    /// How often this recipient was named.
    pub fn times(&self, to: &str) -> usize {
        self.state().named.get(to).copied().unwrap_or(0)
    }

    /// Waits for something to be true of the sink; asked again whenever something happens in it.
    pub async fn wait_until(&self, is_so: impl Fn(&Self) -> bool) {
        let mut changes = self.0.changed.subscribe();
        while !is_so(self) {
            changes.changed().await.expect("the sink is here");
        }
    }

    /// Waits until every conversation has ended and everything that was sent is read.
    pub async fn quiet(&self) {
        self.wait_until(|sink| sink.open_connections() == 0).await;
    }

    /// What the client did that it must not.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// The recipients whose message came and was never answered.
    pub fn unanswered(&self) -> BTreeSet<String> {
        let state = self.state();
        let open = state.messages.iter().enumerate().filter(|(index, _)| !state.answered.contains(index));
        open.flat_map(|(_, message)| message.to.clone()).collect()
    }

    fn listen(&self, listener: TcpListener, door: usize) -> AbortHandle {
        let sink = self.clone();
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = {
                    let mut state = sink.state();
                    state.open += 1;
                    state.connections += 1;
                    state.connections
                };
                let sink = sink.clone();
                tokio::spawn(async move {
                    // However it ends, what it came to is in the books.
                    let _ = Conversation::new(sink.clone(), stream, door, number).run().await;
                    sink.state().open -= 1;
                    sink.tell();
                });
            }
        });
        listening.abort_handle()
    }

    fn script(&self) -> Arc<Script> {
        Arc::clone(&self.state().script)
    }

    async fn is_let_go(&self) {
        self.0.let_go.notified().await;
    }

    async fn meet(&self, moment: Moment, door: usize) {
        let appointment = {
            let mut state = self.state();
            let due = |appointment: &mut Appointment| {
                let here = appointment.moment == moment && appointment.door == door;
                let due = here && appointment.passes == 0;
                appointment.passes -= usize::from(here && !due);
                due
            };
            let index = state.meetings.iter_mut().position(due);
            index.map(|index| state.meetings.swap_remove(index))
        };
        if let Some(Appointment { met, held, .. }) = appointment
            && met.send(()).is_ok()
        {
            self.state().held += 1;
            self.tell();
            // An error is the end of the holding.
            let _ = held.await;
            self.state().held -= 1;
        }
    }

    fn named(&self, to: &str) {
        *self.state().named.entry(to.to_owned()).or_default() += 1;
    }

    fn keep(&self, message: Message) -> usize {
        let mut state = self.state();
        state.messages.push(Arc::new(message));
        let index = state.messages.len() - 1;
        drop(state);
        self.tell();
        index
    }

    fn answered(&self, index: usize) {
        self.state().answered.insert(index);
    }

    fn violation(&self, what: String) {
        self.state().violations.push(what);
    }

    fn tell(&self) {
        self.0.changed.send_replace(());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Message {
    /// The issue and the recipient: what there may be only one of.
    pub fn name(&self) -> (String, String) {
        let id = self.field("Message-ID").unwrap_or_default();
        let issue = id.split_once('.').map_or("", |(_, rest)| rest).split('@').next().unwrap_or_default();
        (issue.to_owned(), self.to.join(","))
    }

    /// What is wrong with the envelope: whose mail it is stands in the header as well.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let id = self.field("Message-ID").unwrap_or_default();
        let of_header = id.trim_start_matches('<').split('.').next().unwrap_or_default();
        let of_envelope =
            self.from.split_once('+').and_then(|(_, rest)| rest.split('@').next()).unwrap_or_default();
        if of_header.is_empty() || of_header != of_envelope {
            faults.push(format!("{id} left under the return path {}", self.from));
        }
        if self.to.len() != 1 || self.field("To").as_ref() != self.to.first() {
            faults.push(format!("{id} went to {:?}", self.to));
        }
        faults
    }

    fn field(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.raw);
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        let start = format!("{name}: ");
        head.lines().find_map(|line| line.strip_prefix(&start)).map(ToOwned::to_owned)
    }
}

/// A message that came again.
pub struct Again {
    pub to: String,
    /// The number of the copy before it, among all messages.
    pub earlier: usize,
}

impl Sink {
    /// Nothing was done that must not be, no message differs from an earlier copy of itself, and each of `issues`
    /// reached each of `readers` and nobody else. Gives what came more than once, an entry for each copy too many.
    #[track_caller]
    pub fn check(&self, issues: usize, readers: &BTreeSet<String>) -> Vec<Again> {
        assert_eq!(self.violations(), [] as [String; 0]);
        let messages = self.messages();
        let mut copies: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut again = Vec::new();
        for (index, message) in messages.iter().enumerate() {
            if let Some(earlier) = copies.insert(message.name(), index) {
                assert_eq!(messages[earlier].from, message.from);
                assert!(messages[earlier].raw == message.raw, "the second copy to {:?} differs", message.to);
                again.push(Again { to: message.to.join(","), earlier });
            }
        }
        let names: BTreeSet<&str> = copies.keys().map(|(issue, _)| issue.as_str()).collect();
        assert_eq!(names.len(), issues, "{names:?}");
        for name in &names {
            let of_issue: BTreeSet<&str> =
                copies.keys().filter(|(issue, _)| issue == name).map(|(_, to)| to.as_str()).collect();
            let missing: Vec<_> =
                readers.iter().filter(|reader| !of_issue.contains(reader.as_str())).collect();
            assert!(missing.is_empty(), "{} of {} have no mail: {missing:?}", missing.len(), readers.len());
            assert_eq!(of_issue.len(), readers.len(), "somebody else has mail");
        }
        again
    }
}
