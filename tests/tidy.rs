//! The shape of the source: who may use whom, where SQL, HTTP, SMTP and templates are spoken, and how long a file is.

use std::path::{Path, PathBuf};

/// A source file under `src`, without its unit tests.
struct Source {
    /// As in `web/pages.rs`.
    name: String,
    whole: String,
    code: String,
}

impl Source {
    /// The part of the program it belongs to: `web` for `web/pages.rs`, `app` for `app.rs`.
    fn part(&self) -> &str {
        self.name.split(['/', '.']).next().unwrap_or_default()
    }

    /// The lines of code, without comments, with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
    }

    fn uses(&self, name: &str) -> bool {
        self.lines().any(|(_, line)| names(line, name))
    }
}

/// Whether a line of code names a crate or module by its path.
fn names(line: &str, name: &str) -> bool {
    let path = format!("{name}::");
    line.match_indices(&path).any(|(at, _)| {
        !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && (!line[..at].ends_with("::") || line[..at].ends_with("crate::"))
    })
}

const VERBS: [&str; 6] = ["delivering", "ingesting", "newsroom", "publishing", "subscribing", "watching"];

/// What each part may use of the others; `app` may use all.
fn allowed(part: &str) -> Vec<&'static str> {
    let base = ["clock", "config", "context", "domain", "handover", "mail", "metrics", "store"];
    match part {
        "domain" | "clock" => vec!["domain"],
        "config" => vec!["domain"],
        "store" => vec!["domain"],
        "mail" => vec!["config", "domain"],
        "metrics" => vec!["domain"],
        "audit" => vec!["domain", "store"],
        "handover" => vec!["store"],
        "context" => vec!["clock", "config", "domain", "handover", "mail", "metrics", "store"],
        "outbox" => base.to_vec(),
        "once" => vec!["context", "store"],
        verb if VERBS.contains(&verb) => [&base[..], &["audit", "once", "outbox"]].concat(),
        // A command runs the service, or does one thing of it; the demo runs both sides.
        "web" | "cli" => [&base[..], &VERBS[..], &["app", "audit", "once", "outbox", "web"]].concat(),
        _ => vec![],
    }
}

const PARTS: [&str; 20] = [
    "app",
    "audit",
    "cli",
    "clock",
    "config",
    "context",
    "delivering",
    "domain",
    "handover",
    "ingesting",
    "mail",
    "metrics",
    "newsroom",
    "once",
    "outbox",
    "publishing",
    "store",
    "subscribing",
    "watching",
    "web",
];

#[test]
fn each_part_uses_only_what_stands_below_it() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !["app", "lib", "main"].contains(&source.part())) {
        let own = source.part();
        let allowed = allowed(own);
        for (at, line) in source.lines() {
            for other in used(line) {
                let fine = other == own || allowed.contains(&other) && !(own == "web" && other == "app");
                if !fine {
                    wrong.push(format!("src/{}:{at}: {own} must not use {other}", source.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The parts that a line names behind `crate::`, also in braces.
fn used(line: &str) -> Vec<&'static str> {
    let mut parts = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        let list = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or(list),
            None => rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(rest),
        };
        let words = list.split(',').map(|word| word.trim().split("::").next().unwrap_or_default());
        parts.extend(words.filter_map(|word| PARTS.into_iter().find(|part| *part == word)));
    }
    parts
}

#[test]
fn each_language_is_spoken_in_its_own_place() {
    // Where a crate may be used, as beginnings of file names.
    let places: [(&str, &[&str]); 5] = [
        ("axum", &["web/", "cli/demo/", "app.rs"]),
        ("lettre", &["mail/"]),
        ("tera", &["mail/", "web/", "cli/demo/"]),
        ("reqwest", &["ingesting/", "watching/", "cli/", "app.rs"]),
        ("clap", &["cli/", "main.rs"]),
    ];
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, places) in places {
            let here = places.iter().any(|place| source.name.starts_with(place));
            if source.uses(name) && !here {
                wrong.push(format!("src/{}: {name} belongs in {places:?}", source.name));
            }
        }
        let asks = ["sqlx::query", "sqlx::raw_sql", "QueryBuilder"];
        for (at, line) in source.lines().filter(|_| source.part() != "store") {
            if asks.iter().any(|ask| line.contains(ask)) {
                wrong.push(format!("src/{}:{at}: SQL belongs in store", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_domain_waits_for_nothing() {
    for source in sources().iter().filter(|source| source.part() == "domain") {
        for name in ["tokio", "std::fs", "std::net::TcpStream"] {
            assert!(!source.code.contains(&format!("{name}::")), "src/{}: {name}", source.name);
        }
        assert!(!source.code.contains("async fn"), "src/{}", source.name);
    }
}

#[test]
fn only_the_domain_is_used_by_all_and_uses_none() {
    assert_eq!(used("use crate::{app, domain::time::DAY};"), ["app", "domain"]);
    assert_eq!(used("crate::store::Error"), ["store"]);
    assert!(names("use axum::Router;", "axum") && names("(axum::Json(x))", "axum"));
    assert!(!names("my_axum::x", "axum") && !names("bellwether::axum::x", "axum"));
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = ["src", "tests", "benches"].iter().flat_map(|folder| rust_files(&root.join(folder)));
    let long: Vec<String> = all
        .filter_map(|file| {
            let lines = std::fs::read_to_string(&file).unwrap().lines().count();
            (lines > 500).then(|| format!("{} has {lines} lines", file.display()))
        })
        .collect();
    assert!(long.is_empty(), "two things live in these:\n{}", long.join("\n"));
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    let calls = [".unwrap()", ".unwrap_err()", "panic!(", "todo!(", "unimplemented!(", "dbg!("];
    let mut found = Vec::new();
    for source in sources() {
        for (at, line) in source.lines() {
            if calls.iter().any(|call| line.contains(call)) {
                found.push(format!("src/{}:{at}: {}", source.name, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|source| !source.whole.starts_with("//! ") && source.name != "main.rs")
        .map(|source| source.name)
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources: Vec<_> = rust_files(&root).into_iter().map(|file| source(&root, &file)).collect();
    assert!(sources.len() > 80);
    sources
}

fn source(root: &Path, file: &Path) -> Source {
    let whole = std::fs::read_to_string(file).unwrap();
    let code = whole.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
    Source { name: file.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), whole, code }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
