//! CSV (RFC 4180) as lists of people come in it: rows, which may hold line breaks within quotation marks, and their fields.

use std::io::{self, BufRead, Read};

/// The separator that the header has most of.
pub fn separator_of(header: &str) -> char {
    // Of several with the same count `max_by_key` takes the last.
    ['\t', ';', ','].into_iter().max_by_key(|&separator| header.matches(separator).count()).unwrap_or(',')
}

/// What is said of a row with a quotation mark that nothing closes. What stands behind it might be a part of somebody's
/// note: nobody is taken from there.
pub const UNCLOSED: &str = "a quotation mark in this row isn't closed; nothing from here on is imported";

/// The fields of one row.
///
/// # Errors
/// A sentence about a quotation mark that isn't closed, or that text follows.
pub fn split(line: &str, separator: char) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = Some(line);
    while let Some(text) = rest {
        let field;
        (field, rest) = first_field(text, separator)?;
        fields.push(field);
    }
    Ok(fields)
}

/// The first field, and what follows behind its separator.
fn first_field(text: &str, separator: char) -> Result<(String, Option<&str>), String> {
    let until_separator = |text| match str::split_once(text, separator) {
        Some((field, rest)) => (field, Some(rest)),
        None => (text, None),
    };
    let Some(mut quoted) = text.trim_start_matches(' ').strip_prefix('"') else {
        let (field, rest) = until_separator(text);
        return Ok((field.trim().to_owned(), rest));
    };
    let mut field = String::new();
    loop {
        let (part, behind) = quoted.split_once('"').ok_or(UNCLOSED)?;
        field.push_str(part);
        // Inside quotation marks a doubled one stands for one.
        let Some(more) = behind.strip_prefix('"') else {
            let (nothing, rest) = until_separator(behind);
            if !nothing.trim().is_empty() {
                return Err("text follows a closing quotation mark; double a mark that belongs to the text"
                    .to_owned());
            }
            return Ok((field.trim().to_owned(), rest));
        };
        field.push('"');
        quoted = more;
    }
}

/// A row as it stands in the file.
pub struct Record {
    pub bytes: Vec<u8>,
    pub lines: u64,
    /// A quotation mark in it isn't closed, in the file or within [`LARGEST`].
    pub open: bool,
}

/// The largest row, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// The next row: a line, and those that follow as long as a quotation mark is open. None at the end of the file.
///
/// # Errors
/// A file that can't be read.
pub fn next_record(lines: &mut impl BufRead, separator: char) -> io::Result<Option<Record>> {
    let mut record = Record { bytes: Vec::new(), lines: 0, open: false };
    loop {
        let begins = record.bytes.len();
        let room = LARGEST.saturating_sub(begins as u64);
        if lines.by_ref().take(room).read_until(b'\n', &mut record.bytes)? == 0 {
            return Ok((record.lines > 0).then_some(record));
        }
        record.lines += 1;
        record.open = leaves_open(&record.bytes[begins..], separator as u8, record.open);
        if !record.open {
            return Ok(Some(record));
        }
    }
}

/// Whether a line ends within quotation marks, which it began `within` or not.
fn leaves_open(line: &[u8], separator: u8, mut within: bool) -> bool {
    let mut begins = !within;
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if within => {
                if bytes.next_if_eq(&b'"').is_none() {
                    (within, begins) = (false, false);
                }
            }
            _ if within => {}
            b'"' if begins => within = true,
            b' ' => {}
            byte => begins = byte == separator,
        }
    }
    within
}

/// The next line with its end; none at the end of the file.
///
/// # Errors
/// A file that can't be read.
pub fn next_line(lines: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    Ok((lines.by_ref().take(LARGEST).read_until(b'\n', &mut bytes)? > 0).then_some(bytes))
}
