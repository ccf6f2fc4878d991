//! The file with the environment laid over it: one tree of values, and where each of them stands. What a key means
//! and which keys there are is not known here.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

/// What every variable of ours begins with; the rest is the key's path, `__` between its steps.
const PREFIX: &str = "BELLWETHER_";

/// Variables that aren't settings: where the file is, and the filter of the log.
const NO_SETTINGS: [&str; 2] = [super::load::FILE_VARIABLE, "BELLWETHER_LOG"];

pub(super) type Table = BTreeMap<String, Value>;

pub(super) enum Value {
    Text(String),
    Flag(bool),
    Whole(i64),
    Number(f64),
    /// A date or a time; no setting takes one.
    Moment,
    /// By index, since the environment may add one without those before it.
    List(BTreeMap<usize, Value>),
    Table(Table),
    /// From the environment: a text, or what it says in TOML where the key isn't one for a text.
    Variable(String),
}

impl Value {
    /// Whether the environment gave it, or some of it.
    pub(super) fn is_from_environment(&self) -> bool {
        match self {
            Self::Variable(_) => true,
            Self::List(items) => items.values().any(Self::is_from_environment),
            _ => false,
        }
    }

    /// An environment variable's text read as TOML; everything else as it is.
    pub(super) fn typed(self) -> Self {
        match self {
            Self::Variable(text) => match DeValue::parse(text.trim()) {
                Ok(value) => Self::from(value.into_inner()),
                Err(_) => Self::Text(text),
            },
            other => other,
        }
    }
}

impl From<DeValue<'_>> for Value {
    fn from(value: DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.into_owned()),
            DeValue::Boolean(flag) => Self::Flag(flag),
            // A number too large to hold is out of every setting's range, as the largest is.
            DeValue::Integer(whole) => {
                Self::Whole(i64::from_str_radix(whole.as_str(), whole.radix()).unwrap_or(i64::MAX))
            }
            DeValue::Float(number) => Self::Number(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Datetime(_) => Self::Moment,
            DeValue::Array(items) => {
                Self::List(items.iter().map(|item| item.get_ref().clone().into()).enumerate().collect())
            }
            DeValue::Table(table) => Self::Table(from_toml(table)),
        }
    }
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// A line of the file, from 1.
    Line(usize),
    /// An environment variable.
    Variable(String),
}

/// The origin of every value by its path, as in `relays.0.url`.
#[derive(Default)]
pub(super) struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Where `path` stands, or else the innermost thing around it.
    pub(super) fn find(&self, path: &str) -> Option<&Origin> {
        let mut path = path;
        loop {
            if let Some(origin) = self.0.get(path) {
                return Some(origin);
            }
            path = path.rsplit_once('.')?.0;
        }
    }

    /// Notes for the list items around `path` that have no origin yet that they come from the same variable.
    fn note_items(&mut self, path: &str, origin: &Origin) {
        for (end, _) in path.match_indices('.') {
            let (around, _) = path.split_at(end);
            if around.ends_with(|last: char| last.is_ascii_digit()) {
                self.0.entry(around.to_owned()).or_insert_with(|| origin.clone());
            }
        }
    }
}

/// What can be wrong with a source before any key is looked at.
pub(super) struct Flaw {
    pub origin: Origin,
    pub message: String,
}

/// The values of a TOML text with the environment's over them.
pub(super) fn read(source: &str, env: &BTreeMap<String, String>) -> Result<(Table, Origins), Flaw> {
    let document = DeTable::parse(source).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        // Only its message: the error's own text quotes the line, which may hold a secret.
        Flaw {
            origin: Origin::Line(line(source, start)),
            message: format!("not valid TOML: {}", error.message()),
        }
    })?;
    let mut origins = Origins::default();
    note_lines(source, document.get_ref(), "", &mut origins);
    let mut root = Value::Table(from_toml(document.into_inner()));
    overlay(&mut root, env, &mut origins)?;
    match root {
        Value::Table(table) => Ok((table, origins)),
        _ => Ok((Table::new(), origins)),
    }
}

/// `outer.key`, or `key` where there is nothing around it.
pub(super) fn join(outer: &str, key: &str) -> String {
    if outer.is_empty() { key.to_owned() } else { format!("{outer}.{key}") }
}

fn from_toml(table: DeTable<'_>) -> Table {
    table.into_iter().map(|(key, value)| (key.into_inner().into_owned(), value.into_inner().into())).collect()
}

fn note_lines(source: &str, table: &DeTable<'_>, outer: &str, origins: &mut Origins) {
    for (key, value) in table {
        let path = join(outer, key.get_ref());
        origins.0.insert(path.clone(), Origin::Line(line(source, key.span().start)));
        match value.get_ref() {
            DeValue::Table(inner) => note_lines(source, inner, &path, origins),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = join(&path, &index.to_string());
                    origins.0.insert(path.clone(), Origin::Line(line(source, item.span().start)));
                    if let DeValue::Table(inner) = item.get_ref() {
                        note_lines(source, inner, &path, origins);
                    }
                }
            }
            _ => {}
        }
    }
}

fn line(source: &str, offset: usize) -> usize {
    1 + source.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

fn overlay(root: &mut Value, env: &BTreeMap<String, String>, origins: &mut Origins) -> Result<(), Flaw> {
    for (variable, text) in env {
        let Some(name) = variable.strip_prefix(PREFIX) else { continue };
        if NO_SETTINGS.contains(&variable.as_str()) {
            continue;
        }
        let path = name.to_lowercase().replace("__", ".");
        let origin = Origin::Variable(variable.clone());
        let Some(place) = place(root, &path) else {
            let message = format!(
                "{path}: is no setting; a list's items are numbered from 0, as in BELLWETHER_RELAYS__0__URL"
            );
            return Err(Flaw { origin, message });
        };
        *place = Value::Variable(text.clone());
        origins.note_items(&path, &origin);
        origins.0.insert(path, origin);
    }
    Ok(())
}

/// The place of `path` in the tree, made where it isn't there yet; none where a scalar stands in the way.
fn place<'v>(root: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    let mut value = root;
    for step in path.split('.') {
        let index = step.parse::<usize>().ok();
        if index.is_some() && matches!(value, Value::Table(table) if table.is_empty()) {
            *value = Value::List(BTreeMap::new());
        }
        value = match (value, index) {
            (Value::Table(table), None) => {
                table.entry(step.to_owned()).or_insert_with(|| Value::Table(Table::new()))
            }
            (Value::List(items), Some(index)) => {
                items.entry(index).or_insert_with(|| Value::Table(Table::new()))
            }
            _ => return None,
        };
    }
    Some(value)
}
