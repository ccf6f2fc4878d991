//! The network between a node and PostgreSQL: cut, silent for a while, or without a memory of its connections.

use std::sync::Arc;
use std::time::Duration;

use bellwether::store::Db;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

use super::nodes::{CONNECTIONS, Pair, READERS, all_settled, unsettled};
use super::{Trial, progress, until};
use crate::outside::installation::Installation;
use crate::stage::Backend;
use crate::stage::sink::{Answer, Moment, Script};

/// What stands between a node and the database.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Network {
    Whole,
    /// Connections are reset, and no new ones are taken.
    Cut,
    /// Nothing passes, and nobody is told.
    Silent,
    /// Nothing passes over the connections that were there before, and nobody is told.
    Forgetful,
}

impl Network {
    /// Whether it carries a connection that was made when it was like `before`.
    fn carries(self, before: Self) -> bool {
        match self {
            Self::Whole => true,
            Self::Cut | Self::Silent => false,
            Self::Forgetful => before == Self::Forgetful,
        }
    }
}

/// Puts a proxy between the node of this configuration and its database; gives what the network is like, and the database
/// as others reach it.
async fn network_to(installation: &Installation) -> (watch::Sender<Network>, Db) {
    let direct = installation.database_url();
    let url: url::Url = direct.parse().unwrap();
    let folder = url.query_pairs().find(|(key, _)| key == "host").map(|(_, folder)| folder.into_owned());
    let server = (url.host_str().unwrap_or("localhost").to_owned(), url.port().unwrap_or(5432));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut through = url.clone();
    through.set_query(None);
    through.set_host(Some("127.0.0.1")).unwrap();
    through.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    installation.edit_config(&direct, through.as_str());
    let (change, network) = watch::channel(Network::Whole);
    let server = Arc::new((folder, server));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (server, mut network) = (Arc::clone(&server), network.clone());
            tokio::spawn(async move {
                tokio::select! {
                    // It ends when either side or the network does.
                    _ = pass(client, &server, network.clone()) => {}
                    _ = network.wait_for(|network| *network == Network::Cut) => {}
                }
            });
        }
    });
    (change, Db::open(&direct).await.unwrap())
}

async fn pass(
    client: TcpStream,
    server: &(Option<String>, (String, u16)),
    network: watch::Receiver<Network>,
) -> std::io::Result<()> {
    match &server.0 {
        Some(folder) => {
            between(client, UnixStream::connect(format!("{folder}/.s.PGSQL.5432")).await?, network).await
        }
        None => between(client, TcpStream::connect(&server.1).await?, network).await,
    }
}

async fn between(
    client: TcpStream,
    server: impl AsyncRead + AsyncWrite,
    network: watch::Receiver<Network>,
) -> std::io::Result<()> {
    let before = *network.borrow();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = tokio::io::split(server);
    tokio::select! {
        ended = carry(from_client, to_server, network.clone(), before) => ended,
        ended = carry(from_server, to_client, network, before) => ended,
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut network: watch::Receiver<Network>,
    before: Network,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await;
        // The end of a connection passes no better than its bytes.
        let _ = network.wait_for(|network| network.carries(before)).await;
        match read? {
            0 => return Ok(()),
            length => to.write_all(&buffer[..length]).await?,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_out_of_reach_for_a_while_costs_nothing() {
    if !Backend::Postgres.is_here() {
        return;
    }
    let trial = Trial::new(Backend::Postgres, CONNECTIONS, READERS).await;
    let (network, _) = network_to(&trial.installation).await;
    // A little slower than the network is cut and healed.
    trial.sink.play(Script::default().answering(|step| {
        if step.moment == Moment::Rcpt && step.address.contains("9@") && step.times == 1 {
            Answer::Say("451 4.3.0 Later")
        } else {
            Answer::Usual
        }
    }));
    let service = trial.installation.serve().await;
    let issue = trial.alert(1).await;
    for point in [100, 400, 700] {
        trial.came(point).await;
        network.send_replace(Network::Cut);
        until("the service to see it", async || {
            let seen = service.log().matches("sending is on hold").count()
                + service.log().matches("trying again").count();
            (seen > 0).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        network.send_replace(Network::Whole);
    }
    until("the issue to be sent", async || {
        let sent = trial.installation.issue(&issue).await.is_some_and(|issue| issue["state"] == "sent");
        if !sent && trial.sink.len() + 110 > READERS {
            trial.retry();
        }
        sent.then_some(())
    })
    .await;
    assert_eq!(trial.sink.check(1, &trial.readers).len(), 0, "second copies");
    assert_eq!(service.panic(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_the_database_does_not_hear_leaves_its_mail_to_another() {
    if !Backend::Postgres.is_here() {
        return;
    }
    let pair = Pair::new().await;
    let (network, db) = network_to(&pair.trial.installation).await;
    let sink = &pair.trial.sink;
    let mut first = pair.launch("config");
    pair.trial.installation.ready(&mut first).await;
    let meetings = pair.trial.stops(CONNECTIONS, 100);
    let issue = pair.trial.alert(1).await;
    pair.trial.is_stopped().await;
    network.send_replace(Network::Silent);
    let open = unsettled(&db, &issue).await;
    drop(meetings);
    assert!(open.len() > CONNECTIONS);
    until("the first node to hold its mail back", async || {
        first.log().contains("sending is on hold").then_some(())
    })
    .await;
    let before = sink.len();
    let second = pair.launch("second");
    until("the second node to be there", async || second.log().contains("listening").then_some(())).await;
    pair.outlive().await;
    all_settled(&db, &issue).await;
    network.send_replace(Network::Whole);
    let next = pair.trial.alert(2).await;
    pair.trial.all_sent(&next).await;
    let late = sink.messages().into_iter().skip(before).filter(|message| message.door == 0);
    assert_eq!(late.filter(|message| message.name().0 == issue).count(), 0, "bodies of the first node");
    let again = sink.check(2, &pair.trial.readers);
    println!("{} came again, of {} that were not settled", again.len(), open.len());
    assert!(again.iter().all(|again| open.contains(&again.to)), "settled mail came again");
    assert!(again.len() < READERS / 2, "it went on without the database");
    assert_eq!((first.panic(), second.panic()), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_network_forgot_are_made_anew() {
    if !Backend::Postgres.is_here() {
        return;
    }
    let trial = Trial::new(Backend::Postgres, CONNECTIONS, READERS).await;
    let (network, db) = network_to(&trial.installation).await;
    let service = trial.installation.serve().await;
    let meetings = trial.stops(CONNECTIONS, 100);
    let issue = trial.alert(1).await;
    trial.is_stopped().await;
    network.send_replace(Network::Forgetful);
    drop(meetings);
    let settled = async {
        while progress(&db, &issue).await.0 < READERS as i64 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    // In real time: what nobody answers is given up after half a minute.
    let patience = Duration::from_secs(90);
    tokio::time::timeout(patience, settled).await.expect("it waits for answers that never come");
    trial.all_sent(&issue).await;
    assert_eq!(trial.sink.check(1, &trial.readers).len(), 0, "second copies");
    assert_eq!(service.panic(), None);
}
