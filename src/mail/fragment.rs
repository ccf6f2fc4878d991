//! The stored pieces of a mail, and how they become a message again. A piece is rendered once per issue; what differs
//! by recipient is a slot in it (U+0001 and a letter), so that a recipient costs a splice and a second copy is byte for
//! byte the first. Nothing here looks at a template or a clock.

use std::borrow::Cow;

use super::head;
use crate::domain::{message_id::MessageId, time::Timestamp};

/// One stored piece of a mail: 7-bit quoted-printable (RFC 2045, section 6.7), CRLF line ends, with slots.
/// Each part is empty or ends with CRLF, so that fragments follow one another as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    pub name: String,
    pub text: String,
    pub html: String,
}

impl Fragment {
    /// Encodes one piece of the text part and of the HTML part.
    pub(super) fn new(name: impl Into<String>, text: &str, html: &str) -> Self {
        Self { name: name.into(), text: quoted_printable(text), html: quoted_printable(html) }
    }

    /// One as it was stored: its text and its HTML. What it is called matters only while an issue is made.
    pub fn stored((text, html): (String, String)) -> Self {
        Self { name: String::new(), text, html }
    }

    /// What it adds to a message, in bytes, but for the values of its slots.
    pub fn size(&self) -> usize {
        self.text.len() + self.html.len()
    }
}

/// A rendered mail: what an issue stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// As a person reads it, not as the header encodes it.
    pub subject: String,
    /// Everything around the fragments: the header, the boundaries, and a slot where each part's fragments go.
    pub head: String,
    pub fragments: Vec<Fragment>,
}

impl Draft {
    /// The size of a message made of it, in bytes, but for the values of the slots.
    pub fn size(&self) -> usize {
        self.head.len() + self.fragments.iter().map(Fragment::size).sum::<usize>()
    }

    /// (name, text, html) of its fragments, as they are stored.
    pub fn pieces(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.fragments.iter().map(|f| (f.name.as_str(), f.text.as_str(), f.html.as_str()))
    }

    /// The whole message for one recipient.
    pub fn splice(&self, slots: &Slots) -> String {
        Stencil::new(&self.head, &self.fragments.iter().collect::<Vec<_>>()).splice(slots)
    }
}

/// What differs from one recipient to the next. A kind of mail uses only some of it; the rest may be empty.
#[derive(Clone, Copy, Debug)]
pub struct Slots<'a> {
    /// The recipient's address as it was typed.
    pub to: &'a str,
    /// The delivery's id, in the Message-ID.
    pub delivery: &'a str,
    /// When the delivery was due.
    pub date: Timestamp,
    /// Tokens for the paths of links: base64url, so they need no encoding in a URL.
    pub unsubscribe: &'a str,
    pub preferences: &'a str,
    pub confirm: &'a str,
    /// The id of the delivery that a correction corrects,
    pub original: &'a str,
    /// and what the relay called that mail, as far as it told.
    pub answers: Option<&'a MessageId>,
}

/// What begins a slot. No text from outside holds it: control characters are taken out before rendering.
pub(super) const MARK: char = '\u{1}';
pub(super) const TO: &str = "\u{1}t";
pub(super) const DELIVERY: &str = "\u{1}d";
pub(super) const DATE: &str = "\u{1}w";
pub(super) const UNSUBSCRIBE: &str = "\u{1}u";
pub(super) const PREFERENCES: &str = "\u{1}p";
pub(super) const CONFIRM: &str = "\u{1}c";
pub(super) const ORIGINAL: &str = "\u{1}o";
/// Before our own name of the original, and behind it: the relay's name of it, with the line break between the two.
pub(super) const BEFORE: &str = "\u{1}b";
pub(super) const BEHIND: &str = "\u{1}a";
/// Where the fragments' text and HTML go.
pub(super) const TEXT: &str = "\u{1}x";
pub(super) const HTML: &str = "\u{1}h";

/// What a line of a header should keep to, in characters (RFC 5322, section 2.1.1).
const LONGEST_LINE: usize = 78;

/// A whole mail as it is stored, cut at its slots, so that a recipient costs little more than a copy.
#[derive(Debug)]
pub struct Stencil {
    /// All that is the same for everybody.
    text: String,
    /// The slots, with where in the text each is, in bytes.
    slots: Vec<(usize, Slot)>,
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Header(Value),
    Body(Value),
    /// The relay's name of what is answered, where it is known; in a header, whose line it breaks.
    Before,
    Behind,
}

#[derive(Clone, Copy, Debug)]
enum Value {
    To,
    Delivery,
    Date,
    Unsubscribe,
    Preferences,
    Confirm,
    Original,
}

impl Stencil {
    pub fn new(head: &str, fragments: &[&Fragment]) -> Self {
        let stored: usize = fragments.iter().map(|fragment| fragment.size()).sum();
        let mut stencil = Self { text: String::with_capacity(head.len() + stored), slots: Vec::new() };
        stencil.cut(head, |stencil, slot| match slot {
            TEXT => fragments.iter().for_each(|fragment| stencil.cut_body(&fragment.text)),
            HTML => fragments.iter().for_each(|fragment| stencil.cut_body(&fragment.html)),
            _ => stencil.put(slot, Slot::Header),
        });
        stencil
    }

    /// Appends `stored`, with each slot in it told to `put`.
    fn cut(&mut self, stored: &str, put: impl Fn(&mut Self, &str)) {
        let mut rest = stored;
        while let Some(at) = rest.find(MARK) {
            self.text.push_str(&rest[..at]);
            let end = (at + TO.len()).min(rest.len());
            put(self, rest.get(at..end).unwrap_or_default());
            rest = rest.get(end..).unwrap_or_default();
        }
        self.text.push_str(rest);
    }

    fn cut_body(&mut self, stored: &str) {
        self.cut(stored, |stencil, slot| stencil.put(slot, Slot::Body));
    }

    fn put(&mut self, slot: &str, place: impl Fn(Value) -> Slot) {
        let at = self.text.len();
        let value = match slot {
            BEFORE => return self.slots.push((at, Slot::Before)),
            BEHIND => return self.slots.push((at, Slot::Behind)),
            TO => Value::To,
            DELIVERY => Value::Delivery,
            DATE => Value::Date,
            UNSUBSCRIBE => Value::Unsubscribe,
            PREFERENCES => Value::Preferences,
            CONFIRM => Value::Confirm,
            ORIGINAL => Value::Original,
            _ => return,
        };
        self.slots.push((at, place(value)));
    }

    /// The whole message, ready for DATA: 7-bit, CRLF line ends (also the last), no line begins with a dot (so nothing
    /// is to be stuffed), and no line is longer than 78 characters but for an address, a URL or a name in the header that
    /// can't be folded. The same input gives the same bytes.
    pub fn splice(&self, slots: &Slots) -> String {
        let mut message = String::with_capacity(self.text.len() + 1024);
        let mut from = 0;
        for (at, slot) in &self.slots {
            message.push_str(self.text.get(from..*at).unwrap_or_default());
            from = *at;
            match slot {
                Slot::Header(value) => put_header_value(&mut message, &slots.value(*value)),
                Slot::Body(value) => put_body_value(&mut message, &slots.value(*value)),
                Slot::Before => {
                    if let Some(id) = slots.answers {
                        let begun = message.rsplit('\n').next().map_or(0, str::len);
                        let fold = if begun + id.as_str().len() > LONGEST_LINE { "\r\n " } else { "" };
                        message.extend([fold, id.as_str(), "\r\n "]);
                    }
                }
                Slot::Behind => {
                    message.extend(slots.answers.iter().flat_map(|id| ["\r\n ", id.as_str()]));
                }
            }
        }
        message.push_str(self.text.get(from..).unwrap_or_default());
        message
    }
}

impl Slots<'_> {
    fn value(&self, value: Value) -> Cow<'_, str> {
        Cow::Borrowed(match value {
            Value::To => return head::ascii_address(self.to),
            Value::Date => return Cow::Owned(head::date(self.date)),
            Value::Delivery => self.delivery,
            Value::Unsubscribe => self.unsubscribe,
            Value::Preferences => self.preferences,
            Value::Confirm => self.confirm,
            Value::Original => self.original,
        })
    }
}

/// A slot's value can't end its header line, whatever it holds.
fn put_header_value(message: &mut String, value: &str) {
    message.extend(value.chars().filter(|c| (' '..='~').contains(c)));
}

/// A slot in a body stands alone between soft line breaks, so a value only has to keep to the line's length itself.
fn put_body_value(message: &mut String, value: &str) {
    let needs_no_encoding = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if value.len() <= Line::LONGEST && value.bytes().all(needs_no_encoding) {
        return message.push_str(value);
    }
    let mut line = Line::default();
    value.bytes().for_each(|byte| line.put(message, &[byte]));
}

/// Encodes text to quoted-printable with CRLF line ends, the last one included. A slot is put on a line of its own
/// between soft line breaks.
fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for source in text.strip_suffix('\n').unwrap_or(text).split('\n').filter(|_| !text.is_empty()) {
        let mut line = Line::default();
        let mut chars = source.chars().peekable();
        while let Some(c) = chars.next() {
            let last = chars.peek().is_none();
            if c == MARK {
                if let Some(letter) = chars.next() {
                    line.end_softly(&mut out);
                    out.extend([MARK, letter]);
                    line.length = 1;
                    if chars.peek().is_some() {
                        line.end_softly(&mut out);
                    }
                }
            } else if last && (c == ' ' || c == '\t') {
                line.put_encoded(&mut out, &[c as u8]);
            } else {
                line.put(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        out.push_str("\r\n");
    }
    out
}

/// A line of quoted-printable: at most 76 characters with the `=` of its soft break.
#[derive(Default)]
struct Line {
    length: usize,
}

impl Line {
    const LONGEST: usize = 75;

    /// Appends one character, encoded where it must be. The bytes of one character stay on one line.
    fn put(&mut self, out: &mut String, character: &[u8]) {
        match *character {
            // A dot at the start of a line would have to be stuffed for SMTP (RFC 5321, section 4.5.2).
            [b'.'] if self.length == 0 || self.length == Self::LONGEST => self.put_encoded(out, b"."),
            [byte] if byte == b'\t' || (byte != b'=' && (b' '..=b'~').contains(&byte)) => {
                self.make_room(out, 1);
                out.push(char::from(byte));
                self.length += 1;
            }
            _ => self.put_encoded(out, character),
        }
    }

    fn put_encoded(&mut self, out: &mut String, character: &[u8]) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        self.make_room(out, 3 * character.len());
        for byte in character {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.extend(['=', char::from(digits[0]), char::from(digits[1])]);
        }
        self.length += 3 * character.len();
    }

    fn make_room(&mut self, out: &mut String, width: usize) {
        if self.length + width > Self::LONGEST {
            self.end_softly(out);
        }
    }

    fn end_softly(&mut self, out: &mut String) {
        if self.length > 0 {
            out.push_str("=\r\n");
            self.length = 0;
        }
    }
}

/// Text without control characters but newline and tab, with `\n` line ends: nothing in it can be taken for a slot or a
/// mark of ours.
pub(super) fn without_controls(text: &str) -> Cow<'_, str> {
    if !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
        return Cow::Borrowed(text);
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    Cow::Owned(text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_at_the_start_of_a_line_is_encoded() {
        assert_eq!(quoted_printable(".\n..a\nb."), "=2E\r\n=2E.a\r\nb.\r\n");
        let long = format!("{}{}", "x".repeat(75), ".".repeat(80));
        assert!(quoted_printable(&long).lines().all(|line| !line.starts_with('.') && line.len() <= 76));
    }

    #[test]
    fn a_space_at_the_end_of_a_line_survives() {
        assert_eq!(quoted_printable("a \nb\t"), "a=20\r\nb=09\r\n");
    }

    #[test]
    fn a_slot_stands_alone_on_its_line() {
        assert_eq!(quoted_printable("see \u{1}u"), "see =\r\n\u{1}u\r\n");
        assert_eq!(quoted_printable("\u{1}u!"), "\u{1}u=\r\n!\r\n");
        assert_eq!(quoted_printable(""), "");
    }

    #[test]
    fn a_value_longer_than_a_line_is_broken_softly() {
        let mut message = String::new();
        put_body_value(&mut message, &"k".repeat(80));
        assert_eq!(message, format!("{}=\r\nkkkkk", "k".repeat(75)));
    }
}
