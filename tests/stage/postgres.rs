//! PostgreSQL for tests: the server that `BELLWETHER_TEST_POSTGRES` names, on which this machine alone tests, or a private
//! cluster of this test run. Each story gets a database of its own, copied from a migrated template.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use bellwether::store::Db;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;
use url::Url;

/// The cluster runs until its standard input ends, which is when the tests do, however they end. At each line of it, it
/// is stopped at once, whoever is connected, and started again.
const CLUSTER: &str = r#"
set -eu
bin=$1
dir=$(mktemp -d "$2/bellwether-postgres.XXXXXX")
trap 'rm -rf "$dir"' EXIT
"$bin/initdb" -D "$dir/data" -U bellwether -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
run() {
  "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c max_connections=300 -c fsync=off \
    -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0 -c max_wal_size=256MB \
    -c autovacuum=off -c logging_collector=off >>"$dir/log" 2>&1 </dev/null &
  server=$!
  until "$bin/pg_isready" -q -h "$dir"; do
    kill -0 $server 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
    sleep 0.05
  done
  echo "postgres://bellwether@localhost/postgres?host=$dir"
}
stop() {
  kill -INT $server
  wait $server || true
}
run
while read -r again; do
  stop
  run
done
stop
"#;

struct Server {
    url: Url,
    /// Its standard input is held open until the tests end.
    _cluster: Option<Child>,
    /// What a story's database is made from, as SQL has it.
    template: OnceCell<String>,
    /// Databases whose story has ended.
    over: Mutex<Vec<String>>,
}

static SERVER: OnceLock<Option<Server>> = OnceLock::new();

pub fn is_here() -> bool {
    server().is_some()
}

/// A database that lives as long as its story.
pub struct Database {
    name: String,
}

impl Database {
    pub async fn create() -> Self {
        let server = server().expect("stories on PostgreSQL ask `is_here` first");
        let template = server.template.get_or_init(|| server.make_template()).await;
        let mut admin = server.connect().await;
        let over = std::mem::take(&mut *server.over.lock().unwrap());
        for name in over {
            execute(&mut admin, format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await;
        }
        let name = unique("story");
        execute(&mut admin, format!("CREATE DATABASE \"{name}\" {template}")).await;
        admin.close().await.unwrap();
        Self { name }
    }

    pub fn url(&self) -> String {
        server().expect("it made this database").at(&self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(server) = server() {
            let mut over = server.over.lock().unwrap_or_else(PoisonError::into_inner);
            over.push(std::mem::take(&mut self.name));
        }
    }
}

/// A cluster for one story, which may restart it.
pub struct Cluster {
    url: Url,
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Cluster {
    /// None where PostgreSQL is not installed; the stories elsewhere have said so.
    pub fn start() -> Option<Self> {
        let (url, child, said) = start(&binaries()?);
        Some(Self { url, child, said })
    }

    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Ends every connection, stops, and starts again.
    pub fn restart(&mut self) {
        writeln!(self.child.stdin.as_mut().expect("it is piped"), "again").unwrap();
        self.said.read_line(&mut String::new()).unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It has ended, or was killed.
        let _ = self.child.wait();
    }
}

impl Server {
    async fn connect(&self) -> PgConnection {
        PgConnection::connect(self.url.as_str()).await.unwrap()
    }

    fn at(&self, database: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(database);
        url.into()
    }

    async fn make_template(&self) -> String {
        let name = unique("template");
        let mut admin = self.connect().await;
        let names = "SELECT datname::TEXT FROM pg_database WHERE datname LIKE 'bellwether\\_test\\_%'";
        let left: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut admin).await.unwrap();
        for name in left.iter().filter(|name| !is_of_a_running_test(name)) {
            execute(&mut admin, format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await;
        }
        execute(&mut admin, format!("CREATE DATABASE \"{name}\"")).await;
        let db = Db::open(&self.at(&name)).await.unwrap();
        db.migrate().await.unwrap();
        db.close().await;
        let can = "SELECT current_setting('server_version_num')::INT >= 150000";
        let can_copy_files: bool = sqlx::query_scalar(can).fetch_one(&mut admin).await.unwrap();
        // Half the work of copying by the write-ahead log.
        format!("TEMPLATE \"{name}\" {}", if can_copy_files { "STRATEGY file_copy" } else { "" })
    }
}

async fn execute(admin: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(admin).await.unwrap();
}

fn is_of_a_running_test(database: &str) -> bool {
    database.split('_').nth(2).is_some_and(|process| Path::new("/proc").join(process).exists())
}

/// A name that no other run on the same server has.
fn unique(what: &str) -> String {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("bellwether_test_{}_{what}_{count}", std::process::id())
}

fn server() -> Option<&'static Server> {
    SERVER.get_or_init(find).as_ref()
}

fn find() -> Option<Server> {
    if let Ok(url) = std::env::var("BELLWETHER_TEST_POSTGRES") {
        let url = url.parse().expect("BELLWETHER_TEST_POSTGRES is postgres://user:password@host/database");
        return Some(Server { url, _cluster: None, template: OnceCell::new(), over: Mutex::default() });
    }
    match binaries() {
        Some(bin) => {
            let (url, child, _) = start(&bin);
            Some(Server { url, _cluster: Some(child), template: OnceCell::new(), over: Mutex::default() })
        }
        None if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
            panic!("no PostgreSQL here: install it, or name a server in BELLWETHER_TEST_POSTGRES")
        }
        None => {
            // Not by a macro: what a passing test prints by one is not shown.
            let line = "left out: the stories on PostgreSQL; no initdb on PATH or in /usr/lib/postgresql/*/bin, and no BELLWETHER_TEST_POSTGRES\n";
            let _ = std::io::stderr().write_all(line.as_bytes());
            None
        }
    }
}

fn start(bin: &Path) -> (Url, Child, BufReader<ChildStdout>) {
    // PostgreSQL refuses to run as root.
    let mut command = if as_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", "sh", "-c", CLUSTER, "cluster"]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", CLUSTER, "cluster"]);
        command
    };
    // A group of its own: a Ctrl-C ends the tests, and with them its input; then it cleans up.
    command.process_group(0);
    let child = command
        .arg(bin)
        .arg(super::memory())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .current_dir("/")
        .spawn();
    let mut child = child.expect("a shell starts");
    let mut line = String::new();
    let mut said = BufReader::new(child.stdout.take().expect("it is piped"));
    said.read_line(&mut line).unwrap();
    let url = line.trim().parse().expect("PostgreSQL starts; what it said stands above");
    (url, child, said)
}

fn as_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// The folder of the newest installed PostgreSQL that is whole.
fn binaries() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    folders.sort_by_key(|folder| {
        let version = folder.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        std::cmp::Reverse(version.and_then(|version| version.parse::<u32>().ok()))
    });
    let whole =
        |folder: &PathBuf| ["initdb", "postgres", "pg_isready"].iter().all(|name| folder.join(name).exists());
    std::env::split_paths(&on_path).chain(folders).find(whole)
}
