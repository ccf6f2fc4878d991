//! What an SMTP reply means for the mail and for the relay. The rules are a table of their own, in `rules`.

mod rules;

use crate::domain::words;

/// The longest text that is kept of a reply, in characters.
const LONGEST: usize = 200;

/// One reply of a server, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Three digits (RFC 5321 section 4.2).
    pub code: u16,
    /// The enhanced status code (RFC 3463), of the same class as the code.
    pub enhanced: Option<(u8, u16, u16)>,
    /// One line of at most 200 characters, without the codes. It may name the recipient: see
    /// [`redacted`](Self::redacted).
    pub text: String,
}

words! {
    /// What the server answered to.
    pub enum Stage {
        /// The greeting.
        Connect = "connect",
        /// EHLO and STARTTLS.
        Hello = "hello",
        Auth = "auth",
        Mail = "mail",
        Rcpt = "rcpt",
        Data = "data",
        /// The dot at the end of the message.
        Body = "body",
    }
}

impl Stage {
    /// Whether the reply may be about the recipient and not about us alone.
    pub const fn names_recipient(self) -> bool {
        matches!(self, Self::Rcpt | Self::Data | Self::Body)
    }
}

/// What follows from a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// Slow this relay down and queue the mail again at once; no attempt is counted.
    Throttled,
    /// Try again later.
    Transient,
    /// Permanent for this recipient.
    Refused {
        /// Whether the address is suppressed at first sight; else the refusal counts towards the threshold.
        suppress: bool,
    },
    /// The relay doesn't take mail from us: pause it, tell the admin, suppress nobody.
    OurFault,
}

/// What a reply at this stage means.
pub fn verdict(stage: Stage, reply: &Reply) -> Verdict {
    rules::decisive(stage, reply).verdict
}

/// The same in words for the operator, as in "the relay refuses our credentials".
pub fn meaning(stage: Stage, reply: &Reply) -> &'static str {
    rules::decisive(stage, reply).means
}

impl Reply {
    /// Takes a reply's code and its text, the lines of a longer one parted by line breaks. The enhanced code stands at
    /// the beginning (RFC 2034), or anywhere as `#5.1.1`, as some servers write it.
    pub fn parse(code: u16, text: &str) -> Self {
        let class = code / 100;
        let first = text.split_whitespace().next();
        let marked = text.split_whitespace().filter(|word| word.trim_start_matches('(').starts_with('#'));
        let enhanced = first.into_iter().chain(marked).find_map(|word| enhanced(class, word));
        let repeated = enhanced.map(|(class, subject, detail)| format!("{class}.{subject}.{detail}"));
        let mut line = String::new();
        for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
            if word.is_empty() || repeated.as_deref() == Some(word) {
                continue;
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if let Some((end, _)) = line.char_indices().nth(LONGEST - 1)
            && line[end..].chars().nth(1).is_some()
        {
            // What was cut is seen to be: an id at its end is none.
            line.truncate(end);
            line.push('…');
        }
        Self { code, enhanced, text: line }
    }

    /// The enhanced status code as text: `5.1.1`.
    pub fn enhanced_text(&self) -> Option<String> {
        self.enhanced.map(|(class, subject, detail)| format!("{class}.{subject}.{detail}"))
    }

    /// For logs: the whole reply with `(address)` for whatever looks like one.
    pub fn redacted(&self) -> String {
        redacted(&self.to_string())
    }
}

/// A text of a server with `(address)` for whatever looks like one.
pub fn redacted(text: &str) -> String {
    let between = |c: char| c.is_whitespace() || "<>()[],;:\"".contains(c);
    let parts = text.split_inclusive(between).map(|part| {
        let word = part.trim_end_matches(between);
        if word.contains('@') || word.to_ascii_lowercase().contains("%40") {
            format!("(address){}", &part[word.len()..])
        } else {
            part.to_owned()
        }
    });
    parts.collect()
}

/// As on the wire: `550 5.1.1 user unknown`.
impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some((class, subject, detail)) = self.enhanced {
            write!(f, " {class}.{subject}.{detail}")?;
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, " {}", self.text) }
    }
}

/// `class.subject.detail` (RFC 3463 section 2), when it is of the reply's class.
fn enhanced(class: u16, word: &str) -> Option<(u8, u16, u16)> {
    let mut parts = word.trim_matches(|c: char| !c.is_ascii_digit()).split('.');
    let number = |part: Option<&str>| {
        part.filter(|digits| digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()))?
            .parse::<u16>()
            .ok()
    };
    let (first, subject, detail) = (number(parts.next())?, number(parts.next())?, number(parts.next())?);
    let agrees = first == class && [2, 4, 5].contains(&first) && parts.next().is_none();
    agrees.then_some((u8::try_from(first).ok()?, subject, detail))
}

#[cfg(test)]
mod tests {
    use super::Reply;

    fn reply(line: &str) -> Reply {
        Reply::parse(line[..3].parse().unwrap(), &line[4..])
    }

    #[test]
    fn a_reply_is_kept_as_one_short_line_with_its_codes_apart() {
        let kept = reply("550 5.1.1 The account\r\n5.1.1 doesn't\0exist");
        assert_eq!(kept.enhanced, Some((5, 1, 1)));
        assert_eq!(kept.text, "The account doesn't exist");
        assert_eq!(kept.to_string(), "550 5.1.1 The account doesn't exist");
        assert_eq!(Reply::parse(250, "").to_string(), "250");
        assert_eq!(Reply::parse(550, &"ü".repeat(5000)).text.chars().count(), 200);
    }

    #[test]
    fn an_enhanced_code_counts_when_it_is_one_and_of_the_replys_class() {
        for (line, expected) in [
            ("550 5.7.26 no", Some((5, 7, 26))),
            ("550 #5.1.0 Address rejected.", Some((5, 1, 0))),
            ("550 5.1.1: no", Some((5, 1, 1))),
            ("450 5.1.1 no", None),
            ("550 5.1.1.9 no", None),
            ("550 5.1 no", None),
            ("550 5.1.1234 no", None),
            ("354 3.0.0 go ahead", None),
            ("550 host 5.1.1 no", None),
        ] {
            assert_eq!(reply(line).enhanced, expected, "{line}");
        }
    }

    #[test]
    fn a_log_line_has_no_address() {
        for (line, logged) in [
            ("550 5.1.1 <ada@example.org>: unknown", "550 5.1.1 <(address)>: unknown"),
            ("550 rcpt=ada@example.org;x", "550 (address);x"),
            ("550 see https://example.org/?to=ada%40example.org", "550 see https:(address)"),
            ("550 bounces+ada=example.org@example.net", "550 (address)"),
            ("550 user 'o'neil@example.org', unknown", "550 user (address), unknown"),
            ("550 no", "550 no"),
        ] {
            assert_eq!(reply(line).redacted(), logged);
        }
    }
}
