//! The disk of the data folder is full for a while: sending pauses and says so, and goes on when there is room. The
//! disk is a small one in memory, which takes root to mount.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Trial, until, within};
use crate::outside::{leave_out, run};
use crate::stage::Backend;

const CONNECTIONS: usize = 4;
const READERS: usize = 1_500;

/// A disk of 64 MB, mounted until this is dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "bellwether-test"]).arg(at));
        Self(at.to_owned())
    }

    /// Leaves no byte free until the answer is dropped.
    fn full(&self) -> Ballast {
        let (file, over) = (self.0.join("ballast"), Arc::new(AtomicBool::new(false)));
        let filling = std::thread::spawn({
            let (file, over) = (file.clone(), Arc::clone(&over));
            move || fill(&file, &over)
        });
        while rustix::fs::statvfs(&self.0).unwrap().f_bavail > 0 {
            std::thread::yield_now();
        }
        Ballast { file, over, filling: Some(filling) }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, for the service may still be ending.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

struct Ballast {
    file: PathBuf,
    over: Arc<AtomicBool>,
    filling: Option<JoinHandle<()>>,
}

impl Drop for Ballast {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // A panic in it has been told already.
        let _ = self.filling.take().map(JoinHandle::join);
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Takes what is free, and what is freed.
fn fill(file: &Path, over: &AtomicBool) {
    let mut file: File = OpenOptions::new().create(true).append(true).open(file).unwrap();
    let mut size = 1 << 20;
    while !over.load(Ordering::SeqCst) {
        if file.write_all(&vec![0; size]).is_err() {
            size = 4096;
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

async fn on_a_disk(backend: Backend) -> Option<(Disk, Trial)> {
    if !std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
        leave_out("the full disk", "mounting one takes root");
        return None;
    }
    let mut disk = None;
    let mount = |installation: &crate::outside::installation::Installation| {
        disk = Some(Disk::mount(&installation.folder().join("data")));
    };
    let trial = Trial::prepared(backend, CONNECTIONS, READERS, mount).await;
    Some((disk?, trial))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_pauses_the_send_until_there_is_room() {
    let Some((disk, trial)) = on_a_disk(Backend::Sqlite).await else { return };
    let service = trial.installation.serve().await;
    let meetings = trial.stops(CONNECTIONS, 100);
    let issue = trial.alert(1).await;
    trial.is_stopped().await;
    let ballast = disk.full();
    drop(meetings);
    until("the service to say so", async || service.log().contains("sending is on hold").then_some(())).await;
    let before = trial.sink.len();
    let (status, alive) = trial.installation.get("/healthz").await;
    assert!(status == 200 && alive.starts_with("ok\nsending is on hold: the database"), "{status} {alive}");
    let (status, ready) = trial.installation.get("/readyz").await;
    assert!(status == 503 && ready.starts_with("sending is on hold"), "{status} {ready}");
    // Whether it gets as far as the list, is a matter of the last bytes.
    let queue = trial.installation.command().arg("queue").output().unwrap();
    let said = String::from_utf8([queue.stdout, queue.stderr].concat()).unwrap();
    assert!(said.contains("disk is full") || said.contains("sending is on hold"), "{said}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(trial.sink.len() <= before + CONNECTIONS, "it sends what it can't write down");
    assert!(trial.sink.len() < READERS);
    drop(ballast);
    trial.all_sent(&issue).await;
    assert_eq!(trial.sink.check(1, &trial.readers).len(), 0, "second copies");
    assert!(service.log().contains("sending goes on"));
    assert_eq!(trial.installation.get("/healthz").await, (200, "ok".to_owned()));
    assert_eq!(trial.installation.get("/readyz").await.0, 200);
    assert_eq!(service.panic(), None);
    drop(service);
    drop(disk);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_on_a_full_disk_repeats_no_more_than_a_kill() {
    let Some((disk, trial)) = on_a_disk(Backend::Sqlite).await else { return };
    let service = trial.installation.serve().await;
    let meetings = trial.stops(CONNECTIONS, 100);
    let issue = trial.alert(1).await;
    trial.is_stopped().await;
    let ballast = disk.full();
    drop(meetings);
    until("the service to say so", async || service.log().contains("sending is on hold").then_some(())).await;
    service.kill();
    within("the sink to read what was sent", trial.sink.quiet()).await;
    drop(ballast);
    let service = trial.installation.serve().await;
    trial.all_sent(&issue).await;
    let again = trial.sink.check(1, &trial.readers).len();
    println!("{again} came again");
    assert!(again <= CONNECTIONS, "{again} came again");
    assert_eq!(service.panic(), None);
    drop(service);
    drop(disk);
}

/// The database is elsewhere then, and has what the journal can't take.
#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_without_room_stops_nobody_who_has_postgres() {
    if !Backend::Postgres.is_here() {
        return;
    }
    let Some((disk, trial)) = on_a_disk(Backend::Postgres).await else { return };
    let service = trial.installation.serve().await;
    let meetings = trial.stops(CONNECTIONS, 100);
    let issue = trial.alert(1).await;
    trial.is_stopped().await;
    let ballast = disk.full();
    drop(meetings);
    trial.all_sent(&issue).await;
    assert_eq!(trial.sink.check(1, &trial.readers).len(), 0, "second copies");
    drop(ballast);
    assert_eq!(service.panic(), None);
    drop(service);
    drop(disk);
}
