//! Nothing is lost and next to nothing comes twice, whatever happens to the process, the relay, the database, the disk
//! or another node: the real binary against a sink that records everything.

mod corrected;
mod disk;
mod faults;
mod kills;
mod network;
mod nodes;
mod stopped;

use std::collections::BTreeSet;

use bellwether::clock::Entropy;
use bellwether::domain::delivery::State;
use bellwether::store::{self, Db};
use serde_json::{Value, json};
use uuid::Uuid;

use super::installation::{Installation, TOPIC};
use super::{long, until, within};
use crate::stage::Backend;
use crate::stage::sink::{Meeting, Moment, Sink};

/// Dice by a seed, which is printed: the same seed gives the same throws.
pub fn dice() -> Entropy {
    let seed = std::env::var("BELLWETHER_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from_le_bytes(Entropy::system().unwrap().bytes()));
    println!("to repeat: BELLWETHER_SEED={seed}");
    Entropy::seeded(seed)
}

/// An installation whose relay is the sink, and its readers.
pub struct Trial {
    pub installation: Installation,
    pub sink: Sink,
    pub readers: BTreeSet<String>,
}

impl Trial {
    pub async fn new(backend: Backend, connections: usize, readers: usize) -> Self {
        Self::prepared(backend, connections, readers, |_| {}).await
    }

    /// The same with something done before anything is in its data folder.
    pub async fn prepared(
        backend: Backend,
        connections: usize,
        readers: usize,
        prepare: impl FnOnce(&Installation),
    ) -> Self {
        let more = "[mail]\ntemplates = \"{folder}/templates\"";
        let mut installation = Installation::new(backend, connections, more).await;
        std::fs::create_dir_all(installation.folder().join("templates/alert")).unwrap();
        prepare(&installation);
        let sink = Sink::open().await;
        installation.relay_through(&relay_lines(sink.port(0)));
        installation.edit_config("[sender]\n", "[sender]\nbounces = \"bounces+{id}@example.org\"\n");
        let readers: BTreeSet<_> =
            (0..readers).map(|number| format!("reader-{number:05}@example.com")).collect();
        installation.import(&readers);
        Self { installation, sink, readers }
    }

    /// Publishes an alert to everybody, and gives its id.
    pub async fn alert(&self, key: usize) -> String {
        let (status, accepted) =
            self.installation.api("/api/v1/alerts", Some(&format!("key {key}")), &body()).await;
        assert_eq!(status, 202, "{accepted}");
        accepted["id"].as_str().unwrap().to_owned()
    }

    /// Waits until an issue has ended, and gives what the API says of it. What the client must never do ends that at once.
    pub async fn ended(&self, id: &str) -> Value {
        until("the issue to be sent", async || {
            assert_eq!(self.sink.violations(), [] as [String; 0]);
            self.installation.issue(id).await.filter(|issue| issue["state"] == "sent")
        })
        .await
    }

    /// Waits until all of an issue is sent, and nothing else came of it.
    pub async fn all_sent(&self, id: &str) {
        let issue = self.ended(id).await;
        assert_eq!(issue["audience"], json!(self.readers.len()), "{issue}");
        assert_eq!(issue["counts"]["sent"], json!(self.readers.len()), "{issue}");
    }

    /// Stops all `connections` behind the final dot of a mail, when `messages` have come.
    pub fn stops(&self, connections: usize, messages: usize) -> Vec<Meeting> {
        (0..connections).map(|_| self.sink.meeting(Moment::Dot, 0, messages)).collect()
    }

    /// Waits until all connections there are have been stopped.
    pub async fn is_stopped(&self) {
        within("all connections to be stopped", self.sink.wait_until(Sink::is_held)).await;
    }

    /// Waits until so many messages have come.
    pub async fn came(&self, messages: usize) {
        within("the next mails", self.sink.wait_until(|sink| sink.len() >= messages)).await;
    }

    /// Opens the database as a command does, for a look that ends before the service is started again.
    pub async fn database(&self) -> Db {
        Db::open(&self.installation.database_url()).await.unwrap()
    }

    /// Tries everything that was put off at once, as the operator can.
    pub fn retry(&self) {
        self.installation.bellwether(&["queue", "retry", "--all"]);
    }
}

/// How many deliveries of an issue were sent, and whether its fan-out is under way.
pub async fn progress(db: &Db, id: &str) -> (i64, bool) {
    let mut tx = db.read().await.unwrap();
    let issue = store::issues::by_public_id(&mut tx, id.parse::<Uuid>().unwrap()).await.unwrap().unwrap();
    let counts = store::deliveries::counts(&mut tx, issue.id).await.unwrap();
    let sent = counts.iter().find(|(state, _)| *state == State::Sent).map_or(0, |(_, count)| *count);
    (sent, issue.next_subscriber > 0 && issue.next_subscriber < issue.last_subscriber)
}

pub fn relay_lines(port: u16) -> String {
    format!("name = \"primary\"\nurl = \"smtp://127.0.0.1:{port}\"\ntls = \"none\"")
}

fn body() -> Value {
    json!({ "subject": "Polls stay open", "markdown": "Until **ten**.\n\n.a line that begins with a dot", "topics": [TOPIC] })
}
