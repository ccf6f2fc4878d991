//! The header of a mail and the frame of its two parts, as stored text with slots. Whatever a subject or a name holds,
//! it ends up inside its own field: it is made one line of what can be read before anything is encoded.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use uuid::Uuid;

use super::fragment::{BEFORE, BEHIND, DATE, DELIVERY, HTML, ORIGINAL, TEXT, TO, UNSUBSCRIBE};
use crate::{
    config::{Mailbox, Sender, Server},
    domain::{text::one_line, time::Timestamp},
};

/// What kind of mail the header announces to the receiving side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// To many: with List-Id, one-click unsubscribe and Feedback-ID, of which this names the kind.
    Bulk(&'static str),
    /// To one, because of something that happened (RFC 3834): no list, no unsubscribing.
    Automatic,
}

/// What every mail's header says about the sender.
#[derive(Clone, Debug)]
pub struct Letterhead {
    from: String,
    reply_to: Option<String>,
    list_id: String,
    from_domain: String,
    public_url: String,
}

impl Letterhead {
    pub fn new(sender: &Sender, server: &Server) -> Self {
        let from = ascii_address(sender.from.address.as_str());
        let name = sender.from.name.as_deref().unwrap_or_default();
        let host = server.public_url.host_str().unwrap_or("localhost");
        Self {
            from: mailbox("From", &sender.from),
            reply_to: sender.reply_to.as_ref().map(|to| mailbox("Reply-To", to)),
            list_id: named("List-Id", name, &format!("list.{host}")),
            from_domain: from.rsplit_once('@').map_or("localhost", |(_, domain)| domain).to_owned(),
            public_url: server.public_url.as_str().trim_end_matches('/').to_owned(),
        }
    }

    /// Where our pages are, without a slash at its end.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// The whole frame of an issue's mails: the header fields (RFC 5322; lists by RFC 2369, 2919 and 8058), then both
    /// parts of the multipart/alternative (RFC 2046, section 5.1.4) with a slot for their fragments.
    pub fn frame(&self, issue: Uuid, subject: &str, class: Class) -> String {
        self.threaded(issue, subject, class, None)
    }

    /// The same, as an answer to what each reader got of another issue (RFC 5322, section 3.6.4).
    pub fn threaded(&self, issue: Uuid, subject: &str, class: Class, original: Option<Uuid>) -> String {
        // "=_" can't stand in quoted-printable text, so no content can hold the boundary.
        let boundary = format!("=_{}", issue.simple());
        let mut head = format!("Date: {DATE}\r\n{}To: {TO}\r\n", self.from);
        head.push_str(self.reply_to.as_deref().unwrap_or_default());
        head.push_str(&unstructured("Subject", subject));
        head.push_str(&format!("Message-ID: <{DELIVERY}.{issue}@{}>\r\n", self.from_domain));
        if let Some(original) = original {
            let id = format!("<{ORIGINAL}.{original}@{}>", self.from_domain);
            // Both names of the one mail, where its relay told another: what is answered first, what is nearest last.
            head.push_str(&format!("In-Reply-To: {BEFORE}{id}\r\nReferences: {id}{BEHIND}\r\n"));
        }
        match class {
            Class::Bulk(kind) => {
                head.push_str(&self.list_id);
                head.push_str(&format!(
                    "List-Unsubscribe: <{}/unsubscribe/{UNSUBSCRIBE}>\r\n\
                     List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\
                     Feedback-ID: {issue}:{kind}:bellwether\r\n\
                     Precedence: bulk\r\n",
                    self.public_url
                ));
            }
            Class::Automatic => head.push_str("Auto-Submitted: auto-generated\r\n"),
        }
        head.push_str(&format!(
            "MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary=\"{boundary}\"\r\n"
        ));
        for (subtype, slot) in [("plain", TEXT), ("html", HTML)] {
            head.push_str(&format!(
                "\r\n--{boundary}\r\n\
                 Content-Type: text/{subtype}; charset=utf-8\r\n\
                 Content-Transfer-Encoding: quoted-printable\r\n\r\n{slot}"
            ));
        }
        head.push_str(&format!("\r\n--{boundary}--\r\n"));
        head
    }
}

/// An address as the header and the envelope need it: its domain in A-labels (RFC 5891). Local parts are ASCII since
/// they were parsed.
pub fn ascii_address(address: &str) -> Cow<'_, str> {
    match address.rsplit_once('@') {
        Some((local, domain)) if !domain.is_ascii() => match idna::domain_to_ascii(domain) {
            Ok(domain) => Cow::Owned(format!("{local}@{domain}")),
            Err(_) => Cow::Borrowed(address),
        },
        _ => Cow::Borrowed(address),
    }
}

/// A date and time as RFC 5322, section 3.3, writes it.
pub fn date(at: Timestamp) -> String {
    at.to_jiff().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

fn mailbox(field: &str, mailbox: &Mailbox) -> String {
    let address = ascii_address(mailbox.address.as_str());
    named(field, mailbox.name.as_deref().unwrap_or_default(), &address)
}

/// A field of a display name (RFC 5322, section 3.4) and something in angle brackets.
fn named(field: &str, name: &str, bracketed: &str) -> String {
    let name = one_line(name, 120);
    let quotable = |c: char| c == ' ' || c.is_ascii_graphic();
    let name = match name.as_str() {
        "" if field == "List-Id" => return format!("{field}: <{bracketed}>\r\n"),
        "" => return format!("{field}: {bracketed}\r\n"),
        plain if plain.chars().all(|c| c == ' ' || c.is_ascii_alphanumeric()) && plain.len() <= 64 => name,
        quoted if quoted.chars().all(quotable) && quoted.len() <= 60 && !quoted.contains("=?") => {
            format!("\"{}\"", quoted.replace('\\', "\\\\").replace('"', "\\\""))
        }
        other => encoded_words(other),
    };
    let last_line = name.rsplit("\r\n").next().map_or(0, str::len) + field.len() + bracketed.len();
    let gap = if last_line > 70 { "\r\n " } else { " " };
    format!("{field}: {name}{gap}<{bracketed}>\r\n")
}

/// A field of free text: folded at its spaces when it is plain ASCII, else in encoded words.
fn unstructured(field: &str, value: &str) -> String {
    let words: Vec<&str> = value.split(' ').collect();
    let plain = value.is_ascii() && !value.contains("=?") && words.iter().all(|word| word.len() <= 64);
    if !plain {
        return format!("{field}: {}\r\n", encoded_words(value));
    }
    let mut out = format!("{field}:");
    let mut length = out.len();
    for word in words {
        if length + 1 + word.len() > 76 {
            out.push_str("\r\n");
            length = 0;
        }
        out.push(' ');
        out.push_str(word);
        length += 1 + word.len();
    }
    out.push_str("\r\n");
    out
}

/// RFC 2047: words of base64, each with whole characters only and short enough for its line.
fn encoded_words(value: &str) -> String {
    const BYTES: usize = 39;
    let mut words = Vec::new();
    let mut word = String::new();
    for c in value.chars() {
        if word.len() + c.len_utf8() > BYTES {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    let words: Vec<_> = words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
    words.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_in_a_subject_stays_inside_the_subject() {
        let subject = one_line("Result\r\nBcc: everyone@example.org\r\n\r\nbody\u{85}x\u{1}t", 250);
        assert_eq!(
            unstructured("Subject", &subject),
            "Subject: Result Bcc: everyone@example.org body xt\r\n"
        );
    }

    #[test]
    fn a_long_or_foreign_subject_is_folded() {
        for subject in
            ["word ".repeat(50).trim(), &"ü".repeat(200), &"x".repeat(200), "looks =?utf-8?B?YQ==?="]
        {
            let field = unstructured("Subject", subject);
            assert!(field.is_ascii() && field.lines().all(|line| line.len() <= 78), "{field}");
        }
    }

    #[test]
    fn a_name_can_not_leave_its_quotes() {
        assert_eq!(named("From", "A \"B\" <c@d>", "e@f.org"), "From: \"A \\\"B\\\" <c@d>\" <e@f.org>\r\n");
        assert_eq!(named("From", "Élan", "e@f.org"), "From: =?utf-8?B?w4lsYW4=?= <e@f.org>\r\n");
        assert_eq!(named("From", "", "e@f.org"), "From: e@f.org\r\n");
    }

    #[test]
    fn a_domain_goes_out_in_a_labels() {
        assert_eq!(ascii_address("desk@bücher.example"), "desk@xn--bcher-kva.example");
    }

    #[test]
    fn a_date_has_its_zone_as_a_number() {
        assert_eq!(date(Timestamp::from_micros(1_793_750_400_000_000)), "Wed, 04 Nov 2026 00:00:00 +0000");
    }
}
