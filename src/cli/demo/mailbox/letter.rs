//! A message read for people and for test programs: its headers, its text and HTML parts, and what kind of mail it is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::{Message, MessageParser, PartType};
use serde::Serialize;

use super::Received;
use crate::domain::time::Timestamp;

/// One message, decoded.
#[derive(Debug, Serialize)]
pub struct Letter {
    pub id: u64,
    /// The From header as people read it; the envelope's sender where there is none.
    pub from: String,
    /// The envelope's sender.
    pub return_path: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    pub subject: String,
    pub at: Timestamp,
    /// "alert", "digest" and so on, as the message's Feedback-ID says; "notice" for what is sent automatically.
    pub kind: String,
    /// The first plain text part.
    pub text: Option<String>,
    /// The first HTML part.
    pub html: Option<String>,
    /// Every header in order, unfolded, not decoded.
    pub headers: Vec<Header>,
}

#[derive(Debug, Serialize)]
pub struct Header {
    pub name: String,
    pub value: String,
}

impl Letter {
    /// Reads a message. Bytes that are no mail give a letter without parts.
    pub fn read(received: &Received) -> Self {
        let mut letter = Self {
            id: received.id,
            from: received.from.clone(),
            return_path: received.from.clone(),
            to: received.to.clone(),
            subject: String::new(),
            at: received.at,
            kind: "message".to_owned(),
            text: None,
            html: None,
            headers: Vec::new(),
        };
        // The parser has panicked on odd input before; a page must not.
        let filled = catch_unwind(AssertUnwindSafe(|| {
            MessageParser::default().parse(&received.raw).map(|message| parts(&message))
        }));
        if let Ok(Some(parts)) = filled {
            letter.from = parts.from.unwrap_or(letter.from);
            letter.subject = parts.subject;
            letter.text = parts.text;
            letter.html = parts.html;
            letter.headers = parts.headers;
        }
        letter.kind = kind(&letter);
        letter
    }

    /// The value of the first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|h| h.value.as_str())
    }

    /// The web address in List-Unsubscribe, and whether one click is offered (RFC 8058, section 3.1).
    pub fn unsubscribe(&self) -> Option<(&str, bool)> {
        let value = self.header("List-Unsubscribe")?;
        let url = value
            .split(',')
            .filter_map(|part| part.trim().strip_prefix('<')?.strip_suffix('>'))
            .find(|url| url.starts_with("https://") || url.starts_with("http://"))?;
        let one_click = self
            .header("List-Unsubscribe-Post")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("List-Unsubscribe=One-Click"));
        Some((url, one_click))
    }
}

struct Parts {
    from: Option<String>,
    subject: String,
    text: Option<String>,
    html: Option<String>,
    headers: Vec<Header>,
}

fn parts(message: &Message<'_>) -> Parts {
    let from = message.from().and_then(|from| from.first()).and_then(|from| {
        let address = from.address()?;
        Some(from.name().map_or_else(|| address.to_owned(), |name| format!("{name} <{address}>")))
    });
    let text = message.text_bodies().find_map(|part| match &part.body {
        PartType::Text(text) => Some(text.to_string()),
        _ => None,
    });
    let html = message.html_bodies().find_map(|part| match &part.body {
        PartType::Html(html) => Some(html.to_string()),
        _ => None,
    });
    let headers = message.headers().iter().map(|header| {
        let bytes = message.raw_message.get(header.offset_start as usize..header.offset_end as usize);
        let value = String::from_utf8_lossy(bytes.unwrap_or_default());
        let value = value.lines().map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned();
        Header { name: header.name.as_str().to_owned(), value }
    });
    Parts {
        from,
        subject: message.subject().unwrap_or_default().to_owned(),
        text,
        html,
        headers: headers.collect(),
    }
}

fn kind(letter: &Letter) -> String {
    let named = letter.header("Feedback-ID").and_then(|value| value.split(':').nth(1)).map(str::trim);
    let automatic = letter.header("Auto-Submitted").is_some_and(|value| !value.eq_ignore_ascii_case("no"));
    match named {
        Some(word)
            if !word.is_empty() && word.len() <= 20 && word.bytes().all(|b| b.is_ascii_lowercase()) =>
        {
            word.to_owned()
        }
        _ if automatic => "notice".to_owned(),
        _ => "message".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(raw: &[u8]) -> Letter {
        Letter::read(&Received {
            id: 1,
            from: "bounces@example.org".to_owned(),
            to: vec!["ada@example.net".to_owned()],
            at: Timestamp::from_micros(0),
            raw: raw.to_vec(),
        })
    }

    #[test]
    fn both_parts_and_the_encoded_headers_are_read() {
        let letter = letter(
            b"From: =?utf-8?q?Bj=C3=B6rn?= <desk@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
              Feedback-ID: 1:alert:x\r\nX-Long: one\r\n two\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
              --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nplain\r\n\
              --b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
              <p>=C3=A4</p>\r\n--b--\r\n",
        );
        assert_eq!(letter.from, "Björn <desk@example.org>");
        assert_eq!(letter.subject, "Grüße");
        assert_eq!(letter.kind, "alert");
        assert_eq!(letter.header("x-long"), Some("one two"));
        assert_eq!(letter.text.as_deref().map(str::trim), Some("plain"));
        assert_eq!(letter.html.as_deref().map(str::trim), Some("<p>ä</p>"));
    }

    #[test]
    fn a_part_that_is_not_there_is_not_made_up() {
        let letter = letter(b"Auto-Submitted: auto-generated\r\n\r\njust text\r\n");
        assert_eq!(letter.kind, "notice");
        assert_eq!(letter.from, "bounces@example.org");
        assert!(letter.html.is_none());
        assert!(letter.text.is_some());
    }

    #[test]
    fn one_click_needs_both_headers() {
        let both = b"List-Unsubscribe: <mailto:x@y.example>, <http://127.0.0.1/u/1>\r\n\
                     List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n";
        assert_eq!(letter(both).unsubscribe(), Some(("http://127.0.0.1/u/1", true)));
        assert_eq!(
            letter(b"List-Unsubscribe: <https://a.example>\r\n\r\n").unsubscribe(),
            Some(("https://a.example", false))
        );
        assert_eq!(letter(b"List-Unsubscribe: <javascript:alert(1)>\r\n\r\n").unsubscribe(), None);
    }

    #[test]
    fn any_bytes_give_a_letter() {
        for raw in
            [&b""[..], b"\r\n", b"\xff\xfe\x00", b"Content-Type: multipart/mixed\r\n\r\n--", b"Subject"]
        {
            assert_eq!(letter(raw).id, 1);
        }
    }
}
