//! PostgreSQL as Debian installs it, in a private cluster with its own settings (it waits for the disk at each commit),
//! in a temporary folder. It runs until its standard input ends.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;

use super::Result;

const CLUSTER: &str = r#"
set -eu
bin=$1
dir=$(mktemp -d "${TMPDIR:-/tmp}/bellwether-bench-postgres.XXXXXX")
trap 'rm -rf "$dir"' EXIT
"$bin/initdb" -D "$dir/data" -U bellwether -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
"$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= >>"$dir/log" 2>&1 </dev/null &
server=$!
until "$bin/pg_isready" -q -h "$dir"; do
  kill -0 $server 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
  sleep 0.05
done
echo "$server postgres://bellwether@localhost/postgres?host=$dir"
cat >/dev/null
kill -INT $server
wait $server || true
"#;

/// The running cluster.
pub struct Postgres {
    url: Url,
    /// Of the postmaster.
    pid: u32,
    shell: Child,
}

impl Postgres {
    /// None where PostgreSQL is not installed.
    pub fn start() -> Result<Option<Self>> {
        let Some(bin) = binaries() else { return Ok(None) };
        let as_root = std::fs::metadata("/proc/self")?.uid() == 0;
        // PostgreSQL refuses to run as root.
        let mut command = Command::new(if as_root { "runuser" } else { "sh" });
        if as_root {
            command.args(["-u", "postgres", "--", "sh"]);
        }
        // A group of its own: a Ctrl-C ends the benchmark, and with it its input; then it cleans up.
        command.args(["-c", CLUSTER, "cluster"]).arg(bin).process_group(0).current_dir("/");
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(shell.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let (pid, url) = line.trim().split_once(' ').ok_or("PostgreSQL did not start")?;
        Ok(Some(Self { url: url.parse()?, pid: pid.parse()?, shell }))
    }

    /// The URL of a database in it.
    pub fn at(&self, database: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(database);
        url.into()
    }

    /// Makes a database, a copy of another one where that is named.
    pub async fn create(&self, database: &str, template: Option<&str>) -> Result<()> {
        let template =
            template.map_or_else(String::new, |name| format!(" TEMPLATE \"{name}\" STRATEGY file_copy"));
        self.execute(format!("CREATE DATABASE \"{database}\"{template}")).await
    }

    pub async fn drop_database(&self, database: &str) -> Result<()> {
        self.execute(format!("DROP DATABASE IF EXISTS \"{database}\" WITH (FORCE)")).await
    }

    /// In seconds: what the server and its processes have used so far.
    pub fn cpu(&self) -> f64 {
        super::process::cpu_of_family(self.pid)
    }

    async fn execute(&self, sql: String) -> Result<()> {
        let mut connection = PgConnection::connect(self.url.as_str()).await?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // It stops the server and removes its folder.
        let _ = self.shell.wait();
    }
}

/// The folder of the newest installed PostgreSQL that is whole.
fn binaries() -> Option<PathBuf> {
    let version = |folder: &Path| folder.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    folders.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let whole =
        |folder: &PathBuf| ["initdb", "postgres", "pg_isready"].iter().all(|name| folder.join(name).exists());
    std::env::split_paths(&on_path).chain(folders).find(whole)
}
