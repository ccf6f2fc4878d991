//! A path of the data, made ready to be measured: where the readers are, the sink, the keys to sign with.

use std::path::Path as File;
use std::rc::Rc;

use tempfile::TempDir;

use super::Result;
use super::options::{Name, Options};
use super::postgres::Postgres;
use super::program::{Program, Settings, Start};
use super::sink::Sink;
use super::stock::{Backend, Stock};

/// The PostgreSQL that is started when the first path wants it, and serves all.
#[derive(Default)]
pub struct Server(Option<Rc<Postgres>>);

/// A path that can be measured here.
pub struct Path {
    pub name: Name,
    pub backend: Backend,
    pub sink: Sink,
    keys: Option<Keys>,
}

impl Path {
    /// Makes it ready; none, and a line that says so, where this machine lacks something for it.
    pub fn prepare(name: Name, server: &mut Server) -> Result<Option<Self>> {
        let backend = match name {
            Name::Postgres => {
                if server.0.is_none() {
                    server.0 = Postgres::start()?.map(Rc::new);
                }
                let Some(server) = &server.0 else {
                    println!("left out: PostgreSQL is not installed (Debian's package postgresql)");
                    return Ok(None);
                };
                Backend::Postgres(Rc::clone(server))
            }
            _ => Backend::Sqlite,
        };
        let sink = Sink::start(name != Name::Plain)?;
        Ok(Some(Self { name, backend, sink, keys: Keys::make(name)? }))
    }

    /// Starts the program; none, and a line that says so, where it can't sign yet.
    pub async fn start(
        &self,
        stock: &Stock,
        options: &Options,
        connections: u32,
    ) -> Result<Option<Box<Program>>> {
        let settings = Settings {
            relay_port: self.sink.port,
            connections,
            relay: options.relay.clone(),
            more: self.keys.as_ref().map_or_else(String::new, Keys::section),
        };
        match Program::start(stock, &settings).await? {
            Start::Running(program) => Ok(Some(program)),
            Start::Refused(said) if self.keys.is_some() && said.contains("dkim") => {
                println!("left out: the program takes no [dkim]; it said: {said}");
                Ok(None)
            }
            Start::Refused(said) => Err(format!("bellwether serve does not start: {said}").into()),
        }
    }
}

/// The private keys of a path that signs.
struct Keys {
    folder: TempDir,
    names: &'static [&'static str],
}

impl Keys {
    /// Makes them with openssl; none where nothing is signed.
    fn make(name: Name) -> Result<Option<Self>> {
        let names: &[&str] = match name {
            Name::Ed25519 => &["ed25519"],
            Name::Rsa => &["rsa", "ed25519"],
            _ => return Ok(None),
        };
        let keys = Self { folder: tempfile::Builder::new().prefix("bellwether-bench").tempdir()?, names };
        for name in names {
            let kind: &[&str] = match *name {
                "rsa" => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
                _ => &["-algorithm", "ED25519"],
            };
            let mut command = std::process::Command::new("openssl");
            command.arg("genpkey").args(kind).arg("-out").arg(key_file(keys.folder.path(), name));
            let output =
                command.output().map_err(|error| format!("openssl, which makes the keys: {error}"))?;
            if !output.status.success() {
                return Err(format!("openssl genpkey: {}", String::from_utf8_lossy(&output.stderr)).into());
            }
        }
        Ok(Some(keys))
    }

    /// Their section of the configuration.
    fn section(&self) -> String {
        let key = |name| {
            let file = key_file(self.folder.path(), name);
            format!("[[dkim.keys]]\nselector = \"{name}\"\nkey_file = \"{}\"\n", file.display())
        };
        let keys: String = self.names.iter().map(|name| key(name)).collect();
        format!("[dkim]\ndomain = \"example.org\"\n{keys}")
    }
}

fn key_file(folder: &File, name: &str) -> std::path::PathBuf {
    folder.join(format!("{name}.pem"))
}
