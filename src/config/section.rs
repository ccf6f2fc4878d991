//! Reads the keys of one section by name and type, and reports what is there besides. The reader of a key says what
//! type it has, so that an environment variable needs no type of its own and the list of known keys is never written
//! twice.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::report::Report;
use super::source::{Table, Value, join};
use super::{Secret, values};

/// A `[section]` being read. Its methods give none both for a key that is absent and for one that is wrong and was
/// reported: the default may stand in for either, since a configuration with a problem is never used.
pub(super) struct Section<'r> {
    path: String,
    table: Table,
    /// Every key that was asked for, in that order.
    known: Vec<String>,
    report: &'r Report,
}

impl<'r> Section<'r> {
    /// Reads the whole file with `read`.
    pub(super) fn root<T>(
        table: Table,
        report: &'r Report,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        Self::read(String::new(), table, report, read)
    }

    /// Reads `[key]`, as an empty one where there is none.
    pub(super) fn section<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Section<'r>) -> Option<T>,
    ) -> Option<T> {
        match self.take(key).unwrap_or_else(|| Value::Table(Table::new())) {
            Value::Table(table) => Self::read(join(&self.path, key), table, self.report, read),
            _ => {
                self.problem(key, format!("must be a section, written once as [{key}]"));
                None
            }
        }
    }

    /// Reads each `[[key]]` with its number, from 0.
    pub(super) fn sections<T>(
        &mut self,
        key: &str,
        mut read: impl FnMut(&mut Section<'r>, usize) -> Option<T>,
    ) -> Vec<T> {
        let name = join(&self.path, key);
        let variable = name.to_uppercase().replace('.', "__");
        let wanted = format!(
            "must be a section for each, written [[{name}]], or {variable}__0__… in a variable's name"
        );
        let mut all = Vec::new();
        for (index, value) in self.items(key, &wanted) {
            let path = join(&join(&self.path, key), &index.to_string());
            match value {
                Value::Table(table) => {
                    all.extend(Self::read(path, table, self.report, |section| read(section, index)));
                }
                _ => self.report.add(path, &*wanted),
            }
        }
        all
    }

    /// A text that `parse` makes into a value or says what is allowed.
    pub(super) fn text<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match self.take(key)? {
            Value::Text(text) | Value::Variable(text) => self.keep(key, parse(&text)),
            _ => self.keep(key, Err("must be a text in quotes".to_owned())),
        }
    }

    /// A list of texts, each made into a value by `parse`.
    pub(super) fn texts<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut all = Vec::new();
        for (index, value) in self.items(key, "must be a list of texts, as in [\"one\", \"two\"]") {
            let key = join(key, &index.to_string());
            all.extend(match value {
                Value::Text(text) | Value::Variable(text) => self.keep(&key, parse(&text)),
                _ => self.keep(&key, Err("must be a text in quotes".to_owned())),
            });
        }
        all
    }

    /// A text that may stand in the file named by `KEY_file` instead, without its last line's end.
    pub(super) fn secret<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.choose(key);
        let direct = self.text(key, |text| Ok(text.to_owned()));
        let filed = self.file(key);
        match direct {
            Some(text) => self.keep(key, parse(&text)),
            None => self.keep(&file_key(key), parse(filed?.trim_end_matches(['\r', '\n']))),
        }
    }

    /// A list of secrets, or the lines of the file named by `KEY_file`.
    pub(super) fn secrets(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<Secret, String>,
    ) -> Vec<Secret> {
        self.choose(key);
        let mut all = self.texts(key, &parse);
        let filed = self.file(key).unwrap_or_default();
        for line in filed.lines().filter(|line| !line.is_empty()) {
            all.extend(self.keep(&file_key(key), parse(line)));
        }
        all
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        match self.take(key)?.typed() {
            Value::Flag(flag) => Some(flag),
            _ => self.keep(key, Err("must be true or false, without quotes".to_owned())),
        }
    }

    pub(super) fn whole<T>(&mut self, key: &str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + std::fmt::Display,
    {
        let number = match self.take(key)?.typed() {
            Value::Whole(number) => T::try_from(number).ok().filter(|number| range.contains(number)),
            _ => None,
        };
        let allowed =
            || format!("must be a whole number from {} to {}, without quotes", range.start(), range.end());
        self.keep(key, number.ok_or_else(allowed))
    }

    /// A number more than 0, with or without decimals.
    pub(super) fn positive(&mut self, key: &str) -> Option<f64> {
        let number = match self.take(key)?.typed() {
            Value::Whole(number) => number as f64,
            Value::Number(number) => number,
            _ => f64::NAN,
        };
        let positive = number.is_finite() && number > 0.0;
        let allowed = "must be a number more than 0, without quotes, as in 14 or 0.5";
        self.keep(key, if positive { Ok(number) } else { Err(allowed.to_owned()) })
    }

    pub(super) fn duration(&mut self, key: &str) -> Option<Duration> {
        self.text(key, values::duration)
    }

    /// Reports `key` as missing unless it, or the file that holds it, is given. To be called before it is read.
    pub(super) fn require(&self, key: &str, what: &str) {
        if !self.has(key) && !self.has(&file_key(key)) {
            self.problem(key, format!("is missing: {what}"));
        }
    }

    /// Reports `value` if it is in `seen` already; `seen` keeps the first key that had it.
    pub(super) fn unique(&self, key: &str, value: &str, seen: &mut BTreeMap<String, String>) {
        let path = join(&self.path, key);
        match seen.get(value) {
            Some(first) => self.problem(key, format!("is the same as {first}; each needs its own")),
            None => drop(seen.insert(value.to_owned(), path)),
        }
    }

    /// Whether `key` is given and not read yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(super) fn problem(&self, key: &str, message: impl Into<String>) {
        self.report.add(join(&self.path, key), message);
    }

    fn read<T>(
        path: String,
        table: Table,
        report: &'r Report,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let mut section = Self { path, table, known: Vec::new(), report };
        let value = read(&mut section);
        for key in section.table.keys() {
            section.problem(key, unknown(key, &section.known));
        }
        value
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.known.push(key.to_owned());
        self.table.remove(key)
    }

    /// The items of a list with their numbers, which must leave none out.
    fn items(&mut self, key: &str, wanted: &str) -> Vec<(usize, Value)> {
        match self.take(key).map(Value::typed) {
            None => Vec::new(),
            Some(Value::List(items)) => {
                if let Some((_, index)) = (0..).zip(items.keys()).find(|(count, index)| count != *index) {
                    let hole = "is given but not the one before it; count from 0 and leave none out";
                    self.problem(&join(key, &index.to_string()), hole);
                }
                items.into_iter().collect()
            }
            Some(_) => {
                self.problem(key, wanted);
                Vec::new()
            }
        }
    }

    /// Of a value and a file for it, the one from the environment counts; two from one place are a problem.
    fn choose(&mut self, key: &str) {
        let file_key = file_key(key);
        let (Some(direct), Some(filed)) = (self.table.get(key), self.table.get(&file_key)) else {
            return;
        };
        match (direct.is_from_environment(), filed.is_from_environment()) {
            (true, false) => drop(self.table.remove(&file_key)),
            (false, true) => drop(self.table.remove(key)),
            _ => self.problem(&file_key, format!("{key} is given as well; keep one of the two")),
        }
    }

    /// The content of the file named by `KEY_file`.
    fn file(&mut self, key: &str) -> Option<String> {
        self.text(&file_key(key), |path| {
            fs::read_to_string(path).map_err(|error| format!("must name a file that can be read: {error}"))
        })
    }

    fn keep<T>(&self, key: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.problem(key, message)).ok()
    }
}

fn file_key(key: &str) -> String {
    format!("{key}_file")
}

/// Names the known key that `key` most likely was meant to be, if one is near, and else all of them.
fn unknown(key: &str, known: &[String]) -> String {
    let near = known.iter().map(|known| (distance(key, known), known)).min();
    match near {
        Some((distance, near)) if distance <= 1 + near.len() / 4 => {
            format!("is no setting; did you mean {near}?")
        }
        _ => format!("is no setting; there are: {}", known.join(", ")),
    }
}

/// How many letters must be put in, taken out or changed to make one word of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(other.chars()) {
            let changed = diagonal + usize::from(a != b);
            diagonal = *cell;
            left = changed.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
