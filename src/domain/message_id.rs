//! What a mail is called, and what a relay calls it that gives each mail a name of its own: told by its reply, read from
//! there by a rule that the operator wrote.

use std::fmt;
use std::str::FromStr;

/// Where the id stands in a rule.
const ID: &str = "{id}";
/// Any text, also none.
const ANY: char = '*';
/// Between the reply and what it means.
const ARROW: &str = " -> ";

/// A mail's name as its header has it: `<left@right>` (RFC 5322, section 3.6.4), ASCII, at most 250 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageId(String);

impl MessageId {
    const LONGEST: usize = 250;

    /// Takes what stands between angle brackets, with these; none where that is no name.
    pub fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('<')?.strip_suffix('>')?;
        let (left, right) = inner.split_once('@')?;
        let literal = right.strip_prefix('[').and_then(|right| right.strip_suffix(']'));
        let right = match literal {
            Some(literal) => !literal.is_empty() && literal.bytes().all(|byte| is_part(byte) || byte == b':'),
            None => is_dotted(right),
        };
        (is_dotted(left) && right && text.len() <= Self::LONGEST).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Words of a name with dots between them (`dot-atom-text`).
fn is_dotted(text: &str) -> bool {
    text.split('.').all(|word| !word.is_empty() && word.bytes().all(|byte| is_part(byte) && byte != b'.'))
}

/// What a name may have on either side of its `@`.
fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// How a relay tells what it called a mail: `250 Ok {id} -> <{id}@email.amazonses.com>`. `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renaming {
    before: String,
    after: String,
    becomes: String,
}

impl Renaming {
    /// What a mail is called of which the relay said so, as in `250 Ok 0100018c-4f3a`: its codes, then its text. None where
    /// the reply is another, or what stands there is no name.
    pub fn told(&self, reply: &str) -> Option<MessageId> {
        let places = reply.char_indices().map(|(at, _)| at);
        places.filter(|at| fits(&self.before, &reply[..*at])).find_map(|at| {
            let rest = &reply[at..];
            let end = rest.find(|c| !is_of_id(c)).unwrap_or(rest.len());
            let (id, after) = rest.split_at(end);
            if id.is_empty() || !fits(&self.after, after) {
                return None;
            }
            MessageId::parse(&self.becomes.replace(ID, id))
        })
    }
}

/// What `{id}` stands for: as much of this as there is.
fn is_of_id(c: char) -> bool {
    u8::try_from(c).is_ok_and(|byte| is_part(byte) || b"@[]:".contains(&byte))
}

/// Whether the whole text is as the pattern says.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once(ANY) else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split(ANY).collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        // The first place that fits leaves the most for what comes behind it.
        match text.split_once(piece) {
            Some((_, behind)) => text = behind,
            None => return false,
        }
    }
    text.ends_with(last)
}

impl FromStr for Renaming {
    type Err = String;

    fn from_str(rule: &str) -> Result<Self, String> {
        let shape = |wrong: &str| {
            format!(
                "{wrong}; write what the relay answers with {ID} for the id, and the Message-ID that it means, as in \
                 250 Ok {ID} -> <{ID}@email.amazonses.com>"
            )
        };
        let (reply, becomes) = rule.split_once(ARROW).ok_or_else(|| shape("has no \" -> \" in it"))?;
        let (reply, becomes) = (reply.trim(), becomes.trim());
        if reply.matches(ID).count() != 1 || becomes.matches(ID).count() != 1 {
            return Err(shape("must have {id} once before the arrow and once behind it"));
        }
        let code = reply.get(..4).map(str::as_bytes).unwrap_or_default();
        if !matches!(code, [b'2', b'0'..=b'9', b'0'..=b'9', b' ']) {
            return Err(shape("must begin with the code of a mail that was taken, 250"));
        }
        let (before, after) = reply.split_once(ID).unwrap_or_default();
        // An asterisk is of an id as well.
        if before.ends_with(ANY) || after.starts_with(is_of_id) {
            return Err(shape(
                "must have no * before {id}, and behind it a space, a bracket or nothing: the id goes as far as it can",
            ));
        }
        if rule.chars().any(char::is_control) {
            return Err(shape("must be one line"));
        }
        let sample = if becomes.contains('@') { "id" } else { "id@relay.example" };
        if MessageId::parse(&becomes.replace(ID, sample)).is_none() {
            return Err(shape("must end in a Message-ID: <left@right>, in angle brackets"));
        }
        Ok(Self { before: before.to_owned(), after: after.to_owned(), becomes: becomes.to_owned() })
    }
}

impl fmt::Display for Renaming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{ID}{}{ARROW}{}", self.before, self.after, self.becomes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SES: &str = "250 Ok {id} -> <{id}@email.amazonses.com>";

    fn told(rule: &str, reply: &str) -> Option<String> {
        rule.parse::<Renaming>().unwrap().told(reply).map(|id| id.as_str().to_owned())
    }

    #[test]
    fn an_id_is_read_from_where_the_rule_says_that_it_stands() {
        for (rule, reply, expected) in [
            (SES, "250 Ok 0100018c-0e-000000", Some("<0100018c-0e-000000@email.amazonses.com>")),
            (
                "250 2.0.0 Ok: queued as {id} -> <{id}@mx.example>",
                "250 2.0.0 Ok: queued as 4F3A",
                Some("<4F3A@mx.example>"),
            ),
            (
                "250 2.6.0 <{id}> [InternalId=*] * -> <{id}>",
                "250 2.6.0 <ab$c@host.example> [InternalId=7, Hostname=h] Queued mail for delivery",
                Some("<ab$c@host.example>"),
            ),
            ("250 * id={id} * -> <{id}@x>", "250 at 12:01 id=7f and more", Some("<7f@x>")),
            ("250 {id} -> <{id}@x>", "250 a", Some("<a@x>")),
            (SES, "250 Ok", None),
            (SES, "250 Ok ", None),
            (SES, "250 OK 0100018c", None),
            (SES, "250 Ok 0100018c and more", None),
            (SES, "250 Ok 0100018c…", None),
            (SES, "250 Ok <0100018c>", None),
            (SES, "250 Ok a@b", None),
            (SES, "250 Ok a..b", None),
            (SES, "250 Ok grüße", None),
            (SES, "250 Ok a\r\nBcc: eve@example.com", None),
            (SES, "", None),
        ] {
            assert_eq!(told(rule, reply).as_deref(), expected, "{rule}: {reply:?}");
        }
        assert_eq!(
            told(SES, &format!("250 Ok {}", "x".repeat(300))),
            None,
            "it would be too long for a header"
        );
    }

    #[test]
    fn a_rule_that_could_never_be_right_is_refused() {
        for rule in [
            "",
            "{id}",
            "250 Ok {id}",
            "Ok {id} -> <{id}@x>",
            "550 Ok {id} -> <{id}@x>",
            "250 Ok -> <{id}@x>",
            "250 Ok {id} -> <id@x>",
            "250 Ok {id} {id} -> <{id}@x>",
            "250 Ok {id} -> {id}@x",
            "250 Ok {id} -> <{id}@>",
            "250 Ok {id} -> <{id}@x y>",
            "250 Ok {id} -> <{id}>@x",
            "250 Ok *{id} -> <{id}@x>",
            "250 Ok {id}* -> <{id}@x>",
            "250 Ok id={id}. -> <{id}@x>",
            "250 Ok\n{id} -> <{id}@x>",
        ] {
            let said = rule.parse::<Renaming>().unwrap_err();
            assert!(said.contains("250 Ok {id} -> <{id}@email.amazonses.com>"), "{rule}: {said}");
        }
        assert_eq!(SES.parse::<Renaming>().unwrap().to_string(), SES);
    }
}
