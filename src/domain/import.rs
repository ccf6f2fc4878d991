//! Reads a CSV file of people to import, row by row: a row that is no good says why and never keeps the others out.
//! Who may be imported, and what stands twice in the file, is the caller's to decide.

use std::io::{self, BufReader, Read};

use super::address::EmailAddress;
use super::csv::{UNCLOSED, next_line, next_record, separator_of, split};
use super::import_columns::{Column, Gone};
use super::subscription::Digest;
use super::time::Timestamp;
use super::topic::Slug;

/// The longest `source`, in characters.
const LONGEST_SOURCE: usize = 200;

/// One person, and what the file says of them; what it doesn't say is for the caller's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRow {
    pub address: EmailAddress,
    /// By its state the person is not to be mailed.
    pub left: Option<Gone>,
    pub alerts: Option<bool>,
    pub digest: Option<Digest>,
    /// Empty where the file names none.
    pub topics: Vec<Slug>,
    /// When the person agreed, as the list's former home noted it.
    pub confirmed_at: Option<Timestamp>,
    /// Where the person agreed, in the words of the list's former home.
    pub source: Option<String>,
}

/// One row of the file, by the number of its first line, from 1, and its person or what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub line: u64,
    pub outcome: Result<ImportRow, String>,
}

/// Why a file can't be imported at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the file can't be read: {0}")]
    Io(#[from] io::Error),
    #[error("the file is empty; its first line must name the columns, as in email,alerts,digest,topics")]
    Empty,
    #[error("the file isn't UTF-8 text; save it as \"CSV UTF-8\" and import that")]
    NotUtf8,
    #[error("its lines end as old Macs ended them (CR alone); save it as \"CSV UTF-8\" and import that")]
    OldLineEnds,
    #[error("the first line, which names the columns, can't be read: {0}")]
    Header(String),
    #[error(
        "the first line names no column \"email\"; it must name the columns, as in email,alerts,digest,topics"
    )]
    NoEmail,
    #[error("the first line names the column \"{0}\" twice; keep one of them")]
    Twice(&'static str),
}

/// A CSV file (RFC 4180) with a header line, fields parted by commas, semicolons or tabs. Known are
/// the columns email, state, alerts, digest, topics, confirmed_at (or consented_at) and source; only email must be there.
pub struct ImportReader<R> {
    lines: BufReader<R>,
    line: u64,
    /// After a read that failed nothing more is asked of the file.
    failed: bool,
    separator: char,
    columns: Vec<Option<Column>>,
    unknown: Vec<String>,
}

/// A column of a file, before anybody is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub name: String,
    /// What the first row has there.
    pub sample: String,
    /// What it says, by its name.
    pub guess: Option<Column>,
}

/// The columns of a file.
///
/// # Errors
/// When the header line can't be read.
pub fn columns(input: impl Read) -> Result<Vec<Seen>, ImportError> {
    let (mut lines, _, separator, names) = header(input)?;
    let first = next_record(&mut lines, separator)?.and_then(|record| String::from_utf8(record.bytes).ok());
    let first = first.unwrap_or_default();
    let mut samples = split(&first, separator).unwrap_or_default().into_iter();
    let mut sample = || samples.next().unwrap_or_default().chars().take(60).collect();
    Ok(names.into_iter().map(|name| Seen { sample: sample(), guess: Column::named(&name), name }).collect())
}

/// The lines behind the header, its number, the separator, and the names in it.
fn header<R: Read>(input: R) -> Result<(BufReader<R>, u64, char, Vec<String>), ImportError> {
    let mut lines = BufReader::new(input);
    let mut line = 0;
    let header = loop {
        let bytes = next_line(&mut lines)?.ok_or(ImportError::Empty)?;
        line += 1;
        let text = String::from_utf8(bytes).map_err(|_| ImportError::NotUtf8)?;
        let text = text.trim_start_matches('\u{feff}').trim_end();
        if text.contains('\r') {
            return Err(ImportError::OldLineEnds);
        }
        if !text.is_empty() {
            break text.to_owned();
        }
    };
    let separator = separator_of(&header);
    let names = split(&header, separator).map_err(ImportError::Header)?;
    Ok((lines, line, separator, names))
}

impl<R: Read> ImportReader<R> {
    /// Reads the header line, and goes by the names in it.
    ///
    /// # Errors
    /// When the file can't be read, isn't UTF-8 or names no column `email`.
    pub fn new(input: R) -> Result<Self, ImportError> {
        Self::mapped(input, None)
    }

    /// The same, by what somebody said of each column, in their order; none for the names.
    ///
    /// # Errors
    /// When the file can't be read, isn't UTF-8, or no column has addresses, or two say the same.
    pub fn mapped(input: R, said: Option<Vec<Option<Column>>>) -> Result<Self, ImportError> {
        let (lines, line, separator, names) = header(input)?;
        let guessed = || names.iter().map(|name| Column::named(name)).collect();
        let columns: Vec<_> = said.filter(|said| said.len() == names.len()).unwrap_or_else(guessed);
        // Who left by one of several states has left.
        for &column in Column::ALL.iter().filter(|column| **column != Column::State) {
            if columns.iter().filter(|&&known| known == Some(column)).count() > 1 {
                return Err(ImportError::Twice(column.as_str()));
            }
        }
        if !columns.contains(&Some(Column::Email)) {
            return Err(ImportError::NoEmail);
        }
        let unknown = names.into_iter().zip(&columns).filter(|(_, known)| known.is_none());
        let unknown = unknown.map(|(name, _)| name).filter(|name| !name.is_empty()).collect();
        Ok(Self { lines, line, failed: false, separator, columns, unknown })
    }

    /// The columns that are passed over, as the file names them.
    pub fn unknown_columns(&self) -> &[String] {
        &self.unknown
    }

    /// The person of one line; none where it is blank.
    fn row(&mut self, bytes: Vec<u8>) -> Result<Option<ImportRow>, String> {
        let text = String::from_utf8(bytes)
            .map_err(|_| "this line isn't UTF-8 text; save the file as \"CSV UTF-8\"".to_owned())?;
        let fields = split(&text, self.separator)?;
        if fields.iter().all(String::is_empty) {
            return Ok(None);
        }
        if fields.iter().skip(self.columns.len()).any(|extra| !extra.is_empty()) {
            return Err(format!(
                "there are {} fields for {} columns; a field with the separator in it needs quotation marks around it",
                fields.len(),
                self.columns.len()
            ));
        }
        let field = |wanted| {
            let at = self.columns.iter().position(|&column| column == Some(wanted));
            at.and_then(|at| fields.get(at)).map_or("", |field| without_guard(field))
        };
        Ok(Some(ImportRow {
            address: field(Column::Email).parse().map_err(|error| format!("email: {error}"))?,
            left: self.columns.iter().zip(&fields).find_map(|(column, field)| {
                (*column == Some(Column::State)).then(|| Gone::by(without_guard(field))).flatten()
            }),
            alerts: told(Column::Alerts, field(Column::Alerts), yes_or_no)?,
            digest: told(Column::Digest, field(Column::Digest), |word| word.to_ascii_lowercase().parse())?,
            topics: told(Column::Topics, field(Column::Topics), topics)?.unwrap_or_default(),
            confirmed_at: told(Column::ConfirmedAt, field(Column::ConfirmedAt), moment)?,
            source: told(Column::Source, field(Column::Source), source)?,
        }))
    }
}

impl<R: Read> Iterator for ImportReader<R> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        while !self.failed {
            let read = next_record(&mut self.lines, self.separator).transpose()?;
            let line = self.line + 1;
            let outcome = match read {
                Ok(record) => {
                    self.line += record.lines;
                    self.failed = record.open;
                    match record.open {
                        true => Some(Err(UNCLOSED.to_owned())),
                        false => self.row(record.bytes).transpose().map(|outcome| {
                            outcome.map_err(|why| match record.lines {
                                1 => why,
                                _ => format!(
                                    "{why} (a quotation mark holds lines {line} to {} together)",
                                    self.line
                                ),
                            })
                        }),
                    }
                }
                Err(error) => {
                    self.failed = true;
                    Some(Err(format!("the file can't be read any further: {error}")))
                }
            };
            if let Some(outcome) = outcome {
                return Some(Row { line, outcome });
            }
        }
        None
    }
}

/// A cell of an export without the mark that keeps a spreadsheet from running it as a formula.
fn without_guard(field: &str) -> &str {
    field.strip_prefix('\'').filter(|cell| cell.starts_with(['=', '+', '-', '@'])).unwrap_or(field)
}

/// What a field says, when it says something; an error names the column, and not what stands there: it is kept for a while, also
/// of somebody who is erased.
fn told<T>(
    column: Column,
    field: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    if field.is_empty() {
        return Ok(None);
    }
    read(field).map(Some).map_err(|error| format!("{}: {error}", column.as_str()))
}

fn yes_or_no(word: &str) -> Result<bool, String> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("must be one of: true, false, yes, no, on, off, 1, 0".to_owned()),
    }
}

fn topics(list: &str) -> Result<Vec<Slug>, String> {
    let slugs = list.split([' ', ',', ';', '|']).filter(|slug| !slug.is_empty());
    slugs.map(|slug| slug.to_ascii_lowercase().parse()).collect()
}

/// An instant, which without a zone is UTC, or a day, which is taken as its beginning there.
fn moment(text: &str) -> Result<Timestamp, String> {
    let instant = Timestamp::parse_rfc3339(text).or_else(|error| match text.split_once(' ') {
        Some((day, time)) => Timestamp::parse_rfc3339(&format!("{day}T{time}Z")),
        None => Err(error),
    });
    instant.or_else(|_| {
        Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z"))
            .map_err(|_| "must be a day or an instant, as in 2026-11-03 or 2026-11-03T20:00:00Z".to_owned())
    })
}

fn source(text: &str) -> Result<String, String> {
    if text.chars().nth(LONGEST_SOURCE).is_some() || text.contains(char::is_control) {
        return Err(format!("must be at most {LONGEST_SOURCE} characters without control characters"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Gone, ImportError, ImportReader, ImportRow, Row, UNCLOSED};
    use crate::domain::subscription::Digest;
    use crate::domain::time::Timestamp;

    fn read(file: impl AsRef<[u8]>) -> Vec<Row> {
        ImportReader::new(file.as_ref()).unwrap().collect()
    }

    fn refused(file: &[u8]) -> ImportError {
        ImportReader::new(file).err().unwrap()
    }

    /// The error of the only row of a file.
    fn error(file: impl AsRef<[u8]>) -> String {
        let mut rows = read(file);
        assert_eq!(rows.len(), 1);
        rows.remove(0).outcome.unwrap_err()
    }

    fn only(address: &str) -> ImportRow {
        ImportRow {
            address: address.parse().unwrap(),
            left: None,
            alerts: None,
            digest: None,
            topics: vec![],
            confirmed_at: None,
            source: None,
        }
    }

    #[test]
    fn a_column_of_addresses_is_enough() {
        let rows = read("email\nada@example.org\r\n\n  bob@example.org  \n");
        assert_eq!(
            rows,
            [
                Row { line: 2, outcome: Ok(only("ada@example.org")) },
                Row { line: 4, outcome: Ok(only("bob@example.org")) },
            ]
        );
    }

    #[test]
    fn every_column_is_read_in_any_order() {
        let file = "source,digest,alerts,topics,confirmed_at,email\n\
                    \"Fair, May 2026\",Weekly,no,\"election-alerts|state:ga foreign\",2026-05-01,Ada@example.org\n";
        let row = read(file).remove(0).outcome.unwrap();
        assert_eq!(row.address.as_str(), "Ada@example.org");
        assert_eq!((row.alerts, row.digest), (Some(false), Some(Digest::Weekly)));
        let topics: Vec<_> = row.topics.iter().map(ToString::to_string).collect();
        assert_eq!(topics, ["election-alerts", "state:ga", "foreign"]);
        assert_eq!(row.confirmed_at, Some(Timestamp::parse_rfc3339("2026-05-01T00:00:00Z").unwrap()));
        assert_eq!(row.source.as_deref(), Some("Fair, May 2026"));
    }

    #[test]
    fn who_left_elsewhere_is_marked_as_gone() {
        let rows = read("email,state\na@example.org,active\nb@example.org,\nc@example.org,Unsubscribed\n");
        let left: Vec<_> = rows.into_iter().map(|row| row.outcome.unwrap().left).collect();
        assert_eq!(left, [None, None, Some(Gone::Unsubscribed)]);
    }

    #[test]
    fn the_mark_against_formulas_is_no_part_of_an_address() {
        let rows = read("email\n'+ada@example.org\n'ada@example.org\n");
        let addresses: Vec<_> = rows.into_iter().map(|row| row.outcome.unwrap().address).collect();
        assert_eq!(
            addresses.iter().map(|a| a.as_str()).collect::<Vec<_>>(),
            ["+ada@example.org", "'ada@example.org"]
        );
    }

    #[test]
    fn the_header_is_found_as_spreadsheets_and_other_services_write_it() {
        for header in ["\u{feff}EMAIL;Name", "Name\tE-Mail", "\n\n\"Email Address\",Name", " email , name "] {
            let mut rows = ImportReader::new(header.as_bytes()).unwrap();
            assert_eq!(rows.unknown_columns().len(), 1, "{header:?}");
            assert_eq!(rows.unknown_columns()[0].to_lowercase(), "name");
            assert_eq!(rows.next(), None);
        }
    }

    #[test]
    fn a_bad_row_says_why_and_the_others_are_read() {
        let mut file = b"email,alerts,note\nada@\nbob@example.org,perhaps\ncy@example.org,1,a,b\n".to_vec();
        file.extend_from_slice(
            b"dee@example.org,1,caf\xe9\neve@example.org,1,\"a\"b\n,,\nfay@example.org,1\n",
        );
        let rows = read(&file);
        let lines: Vec<_> = rows.iter().map(|row| (row.line, row.outcome.is_ok())).collect();
        assert_eq!(lines, [(2, false), (3, false), (4, false), (5, false), (6, false), (8, true)]);
        let errors: Vec<_> = rows.into_iter().filter_map(|row| row.outcome.err()).collect();
        for (error, words) in errors.iter().zip([
            "email: the part after the @ is missing",
            "alerts: must be one of",
            "4 fields for 3 columns",
            "isn't UTF-8",
            "follows a closing quotation mark",
        ]) {
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_line_break_within_quotation_marks_is_no_row() {
        let rows = read(
            b"email,note,status\n\"ada@example.org\",\"said\neve@example.org,x,active\n\",unsubscribed\nfay@example.org,\"one\ntwo\",\n",
        );
        let known: Vec<_> = rows
            .iter()
            .map(|row| (row.line, row.outcome.as_ref().unwrap()))
            .map(|(line, row)| (line, row.address.as_str().to_owned(), row.left.is_some()))
            .collect();
        assert_eq!(
            known,
            [(2, "ada@example.org".to_owned(), true), (5, "fay@example.org".to_owned(), false)]
        );
    }

    #[test]
    fn what_stands_behind_an_open_quotation_mark_is_nobody() {
        let rows = read(b"email,note\nada@example.org,\"open\neve@example.org,x\nfay@example.org,x\n");
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].line, rows[0].outcome.as_ref().unwrap_err().as_str()), (2, UNCLOSED));
        let rows = read(b"email,note\nada@example.org,\"open\neve@example.org,\"x\nfay@example.org,x\n");
        let lines: Vec<_> = rows.iter().map(|row| (row.line, row.outcome.is_ok())).collect();
        assert_eq!(lines, [(2, false), (4, true)], "the mark is closed by the next, and that row is no good");
        let why = rows[0].outcome.as_ref().unwrap_err();
        assert!(why.ends_with("(a quotation mark holds lines 2 to 3 together)"), "{why}");
        let endless = format!("email,note\nada@example.org,\"{}", "eve@example.org,x\n".repeat(100_000));
        assert_eq!(read(endless.as_bytes()).len(), 1);
    }

    #[test]
    fn quotation_marks_hold_separators_and_doubled_marks() {
        for (line, source) in [
            ("ada@example.org, \"a, b\" ", "a, b"),
            ("\"ada@example.org\",\"a \"\"fair\"\" in May\"", "a \"fair\" in May"),
            ("ada@example.org,6\" poster", "6\" poster"),
        ] {
            let row = read(format!("email,source\n{line}\n")).remove(0).outcome.unwrap();
            assert_eq!(row.source.as_deref(), Some(source), "{line}");
        }
        assert!(error("email,source\nada@example.org,\"a\"b").contains("follows a closing quotation mark"));
    }

    #[test]
    fn each_value_that_cannot_be_read_is_named() {
        for (file, words) in [
            ("email,digest\nada@example.org,hourly", "digest: must be one of: none, daily, weekly"),
            ("email,topics\nada@example.org,a b/c", "topics: must be 1 to 64"),
            ("email,confirmed_at\nada@example.org,05/01/2026", "as in 2026-11-03"),
            ("email,confirmed_at\nada@example.org,2026-02-30", "as in 2026-11-03"),
            ("email,digest\n,daily", "email: type an e-mail address"),
        ] {
            assert!(error(file).contains(words), "{}", error(file));
        }
        let long = format!("email,source\nada@example.org,{}", "s".repeat(201));
        assert!(error(long).contains("at most 200 characters"));
    }

    #[test]
    fn yes_and_no_are_understood_in_the_usual_words() {
        for (word, alerts) in [
            ("TRUE", true),
            ("yes", true),
            ("On", true),
            ("1", true),
            ("false", false),
            ("NO", false),
            ("0", false),
        ] {
            let row = read(format!("email,alerts\nada@example.org,{word}")).remove(0).outcome.unwrap();
            assert_eq!(row.alerts, Some(alerts), "{word}");
        }
    }

    #[test]
    fn a_file_that_is_no_list_of_addresses_is_refused_as_a_whole() {
        assert!(matches!(refused(b""), ImportError::Empty));
        assert!(matches!(refused(b"\n \n"), ImportError::Empty));
        assert!(matches!(refused(b"ada@example.org\nbob@example.org\n"), ImportError::NoEmail));
        assert!(matches!(refused(b"email,\"name\n"), ImportError::Header(_)));
        assert!(matches!(refused(b"email,E-Mail\n"), ImportError::Twice("email")));
        assert!(matches!(refused(b"\xff\xfee\0m\0a\0i\0l\0\n\0"), ImportError::NotUtf8));
    }

    #[test]
    fn a_disk_that_fails_ends_the_rows_with_its_reason() {
        struct Failing(&'static [u8]);
        impl std::io::Read for Failing {
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                match self.0.read(buf)? {
                    0 => Err(std::io::Error::other("the disk is gone")),
                    n => Ok(n),
                }
            }
        }
        let rows: Vec<_> = ImportReader::new(Failing(b"email\nada@example.org\n")).unwrap().take(3).collect();
        assert_eq!(rows.len(), 2);
        assert!(rows[1].outcome.as_ref().unwrap_err().contains("the disk is gone"));
    }
}
