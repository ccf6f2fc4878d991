//! A PostgreSQL of our own, in a temporary folder: started for the first test that wants one, stopped after the last.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{find, run};

/// A fresh database; its cluster lives as long as one of them.
pub struct Database {
    pub url: String,
    _cluster: Arc<Cluster>,
}

impl Database {
    /// None where PostgreSQL isn't installed; `what` is then left out.
    pub fn fresh(what: &str) -> Option<Self> {
        static RUNNING: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let initdb = find("initdb", &debian_folders(), what)?;
        let cluster = {
            let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            running.upgrade().unwrap_or_else(|| {
                let cluster = Arc::new(Cluster::start(initdb.parent().unwrap()));
                *running = Arc::downgrade(&cluster);
                cluster
            })
        };
        let name = format!("outside_{}", COUNT.fetch_add(1, Ordering::SeqCst));
        run(Command::new(cluster.programs.join("createdb")).args(cluster.address()).arg(&name));
        Some(Self {
            url: format!("postgres://postgres@127.0.0.1:{}/{name}", cluster.port),
            _cluster: cluster,
        })
    }
}

/// Debian keeps each version's programs out of PATH; the newest comes first.
fn debian_folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders
}

struct Cluster {
    programs: PathBuf,
    port: u16,
    server: Child,
    _folder: tempfile::TempDir,
}

impl Cluster {
    fn start(programs: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        let program = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.current_dir(folder.path());
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command
        };
        run(program("initdb").arg("-D").arg(&data).args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]));
        let port = super::installation::free_port();
        // It is thrown away, and only our side crashes: nothing of it needs to be on the disk.
        let server = program("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "max_connections=200"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let cluster = Self { programs: programs.to_owned(), port, server, _folder: folder };
        cluster.wait_until_ready();
        cluster
    }

    fn wait_until_ready(&self) {
        let began = std::time::Instant::now();
        let ready = || {
            let mut command = Command::new(self.programs.join("pg_isready"));
            command.args(self.address()).stdout(Stdio::null()).status().unwrap().success()
        };
        while !ready() {
            assert!(began.elapsed() < super::PATIENCE, "PostgreSQL does not start");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn address(&self) -> [String; 3] {
        ["--host=127.0.0.1".to_owned(), format!("--port={}", self.port), "--username=postgres".to_owned()]
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGQUIT: at once, children and all.
        let _ = Command::new("kill").args(["-QUIT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }
}

/// Who runs PostgreSQL where we are root, which it refuses to be.
fn unprivileged() -> Option<(u32, u32)> {
    if std::fs::metadata("/proc/self").map(|process| process.uid()).unwrap_or(1) != 0 {
        return None;
    }
    let number = |flag: &str| run(Command::new("id").args([flag, "postgres"])).trim().parse().unwrap();
    Some((number("-u"), number("-g")))
}
