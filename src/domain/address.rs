//! An e-mail address that can be mailed: parsed once, at the edge. Whether anybody reads it is for the confirmation
//! mail to find out.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// The longest address, in characters (RFC 5321 section 4.5.3.1.3: a path of 256 with its angle brackets).
const LONGEST: usize = 254;
/// The longest part before the @, in characters (RFC 5321 section 4.5.3.1.1).
const LONGEST_LOCAL: usize = 64;

/// An address as it was typed, with its key. Two of them are equal when they were typed alike; one person's have the
/// same [`key`](Self::key).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress {
    typed: String,
    key: String,
    /// The length of the part before the @, the same in both.
    local: usize,
}

impl EmailAddress {
    /// As it was typed, without the white space around it; the domain may be in a language's own letters.
    pub fn as_str(&self) -> &str {
        &self.typed
    }

    /// The whole address lower-cased with the domain in A-labels: `Ada@` and `ada@` are one person.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The domain in lower case and A-labels (RFC 5890), always ASCII.
    pub fn domain(&self) -> &str {
        &self.key[self.local + 1..]
    }

    /// What SMTP and the header fields get: the part before the @ as typed, the domain in A-labels. Always ASCII.
    pub fn envelope(&self) -> String {
        format!("{}@{}", &self.typed[..self.local], self.domain())
    }

    /// Enough for a person to recognise their own address and too little to mail it: `a…@example.org`.
    pub fn masked(&self) -> String {
        let first = if self.local > 1 { &self.key[..1] } else { "" };
        format!("{first}…@{}", self.domain())
    }
}

/// Never the address: debug output ends up in logs.
impl std::fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(address)")
    }
}

impl<'de> serde::Deserialize<'de> for EmailAddress {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text is no address that we mail, in words for the person who typed it. It never repeats the address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("type an e-mail address, as in ada@example.org")]
    Empty,
    #[error(
        "an e-mail address has at most {LONGEST} characters; check that only the address is in the field"
    )]
    TooLong,
    #[error("there is a line break or another invisible character inside; type the address on one line")]
    Invisible,
    #[error("type the address alone, without a name and without < and >, as in ada@example.org")]
    WithName,
    #[error("addresses with quotation marks aren't supported; please use another address")]
    Quoted,
    #[error("leave out what is in brackets and type the address alone, as in ada@example.org")]
    Comment,
    #[error("there is a space inside; an e-mail address has none")]
    Space,
    #[error("the @ is missing; an e-mail address looks like ada@example.org")]
    NoAt,
    #[error("there is more than one @; type one address only")]
    SeveralAts,
    #[error("the part before the @ is missing, as in ada@example.org")]
    NoLocalPart,
    #[error("the part before the @ has at most {LONGEST_LOCAL} characters; check it for a slip")]
    LocalPartTooLong,
    #[error("the part before the @ can't begin or end with a dot or have two in a row; check the dots")]
    LocalPartDots,
    #[error(
        "letters such as {0} can't stand before the @ here; please use an address with plain letters (a to z)"
    )]
    LocalPartNotAscii(char),
    #[error("the character {0} can't stand before the @; check it for a slip")]
    LocalPartCharacter(char),
    #[error("the part after the @ is missing, as in example.org")]
    NoDomain,
    #[error(
        "the part after the @ must be a name such as example.org; numbers alone (an IP address) aren't supported"
    )]
    IpAddress,
    #[error("the part after the @ can't begin or end with a dot or have two in a row; check the dots")]
    DomainDots,
    #[error("the part after the @ needs a dot and an ending, as in example.org")]
    NoEnding,
    #[error("the ending after the last dot must be letters, as in .org; check it for a slip")]
    WrongEnding,
    #[error("the part after the @ isn't the name of a domain, as in example.org; check it for a slip")]
    Domain,
}

/// Reads an address of the form dot-atom@domain (RFC 5322 section 3.4.1), the domain a name with at least one dot,
/// in A-labels or U-labels (IDNA by UTS #46 with the STD3 rules). White space and invisible marks around it, as
/// copying leaves them, are dropped.
impl std::str::FromStr for EmailAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let typed = text.trim_matches(|c: char| c.is_whitespace() || is_invisible_mark(c));
        check_whole(typed)?;
        let (local, domain) = typed.split_once('@').ok_or(AddressError::NoAt)?;
        if domain.contains('@') {
            return Err(AddressError::SeveralAts);
        }
        check_local_part(local)?;
        let domain = a_labels(domain)?;
        let key = format!("{}@{domain}", local.to_ascii_lowercase());
        if key.len() > LONGEST {
            return Err(AddressError::TooLong);
        }
        Ok(Self { typed: typed.to_owned(), key, local: local.len() })
    }
}

/// What is wrong wherever it stands; first the length, so that nothing below works on a megabyte.
fn check_whole(typed: &str) -> Result<(), AddressError> {
    if typed.is_empty() {
        return Err(AddressError::Empty);
    }
    if typed.chars().nth(LONGEST).is_some() {
        return Err(AddressError::TooLong);
    }
    let has = |set: &[char]| typed.contains(set);
    if typed
        .contains(|c: char| c.is_control() || is_invisible_mark(c) || matches!(c, '\u{2028}' | '\u{2029}'))
    {
        Err(AddressError::Invisible)
    } else if has(&['<', '>']) {
        Err(AddressError::WithName)
    } else if has(&['"']) {
        Err(AddressError::Quoted)
    } else if has(&['(', ')']) {
        Err(AddressError::Comment)
    } else if typed.contains(char::is_whitespace) {
        Err(AddressError::Space)
    } else {
        Ok(())
    }
}

fn check_local_part(local: &str) -> Result<(), AddressError> {
    if local.is_empty() {
        return Err(AddressError::NoLocalPart);
    }
    match local.chars().find(|&c| c != '.' && !is_atext(c)) {
        Some(c) if c.is_ascii() => return Err(AddressError::LocalPartCharacter(c)),
        Some(c) => return Err(AddressError::LocalPartNotAscii(c)),
        None => {}
    }
    if local.len() > LONGEST_LOCAL {
        Err(AddressError::LocalPartTooLong)
    } else if local.split('.').any(str::is_empty) {
        Err(AddressError::LocalPartDots)
    } else {
        Ok(())
    }
}

/// The domain in lower case and A-labels, when it is one that the world's mail can reach.
fn a_labels(domain: &str) -> Result<String, AddressError> {
    if domain.is_empty() {
        return Err(AddressError::NoDomain);
    }
    let bare = domain.trim_start_matches('[').trim_end_matches(']');
    if bare.len() < domain.len() || bare.parse::<std::net::IpAddr>().is_ok() {
        return Err(AddressError::IpAddress);
    }
    // Two hyphens in third and fourth place are allowed: such domains exist.
    let ascii = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Ignore)
        .map_err(|_| AddressError::Domain)?;
    if ascii.split('.').any(str::is_empty) {
        return Err(AddressError::DomainDots);
    }
    let (_, ending) = ascii.rsplit_once('.').ok_or(AddressError::NoEnding)?;
    // Endings are letters or A-labels (RFC 3696 section 2), which also keeps numbers in dots out.
    let letters = ending.len() > 1 && ending.bytes().all(|b| b.is_ascii_lowercase());
    if !letters && !ending.starts_with("xn--") {
        return Err(AddressError::WrongEnding);
    }
    if !idna::uts46::verify_dns_length(&ascii, false) {
        return Err(AddressError::Domain);
    }
    Ok(ascii.into_owned())
}

/// The characters of an atom (RFC 5322 section 3.2.3).
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

/// Marks without a shape (joiners, directions, byte order) that come along when an address is copied.
fn is_invisible_mark(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

super::described!(EmailAddress, { "type": "string", "format": "email", "maxLength": LONGEST });

#[cfg(test)]
mod tests {
    use super::{AddressError as E, EmailAddress};

    fn parsed(text: &str) -> EmailAddress {
        text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    fn refused(text: &str) -> E {
        match text.parse::<EmailAddress>() {
            Ok(_) => panic!("{text:?} was taken"),
            Err(error) => error,
        }
    }

    #[test]
    fn an_address_is_mailed_as_typed_and_known_by_its_key() {
        let ada = parsed("  Ada.Field+News@Example.ORG\n");
        assert_eq!(ada.as_str(), "Ada.Field+News@Example.ORG");
        assert_eq!(ada.key(), "ada.field+news@example.org");
        assert_eq!(ada.envelope(), "Ada.Field+News@example.org");
        assert_eq!(ada.domain(), "example.org");
    }

    #[test]
    fn a_domain_in_its_own_letters_goes_to_smtp_in_a_labels() {
        let ada = parsed("Ada@Bücher.example");
        assert_eq!(ada.as_str(), "Ada@Bücher.example");
        assert_eq!(ada.key(), "ada@xn--bcher-kva.example");
        assert_eq!(ada.envelope(), "Ada@xn--bcher-kva.example");
        assert_eq!(ada.key(), parsed("ADA@XN--BCHER-KVA.example").key());
        assert_eq!(parsed("ada@例え。テスト").domain(), "xn--r8jz45g.xn--zckzah");
    }

    #[test]
    fn a_masked_address_and_its_debug_output_do_not_give_it_away() {
        assert_eq!(parsed("Ada@example.org").masked(), "a…@example.org");
        assert_eq!(parsed("a@example.org").masked(), "…@example.org");
        assert_eq!(format!("{:?}", parsed("ada@example.org")), "(address)");
    }

    #[test]
    fn unusual_but_real_addresses_are_taken() {
        let longest_local = "a".repeat(64);
        for text in [
            "o'neil@example.org",
            "a_b-c=d/e!f%g@mail.example.co.uk",
            "{x}~`|^*?&$#@example.org",
            "1@2.example",
            "ada@3com.example",
            "ada@ab--cd.example",
            "ada@site.technology",
            "ada@mailbox.test",
            "\u{200b}ada@example.org\u{202c}",
            "\u{feff}ada@example.org",
            &format!("{longest_local}@example.org"),
        ] {
            parsed(text);
        }
    }

    #[test]
    fn what_cannot_be_mailed_is_refused_with_its_reason() {
        let label = "d".repeat(63);
        let long_domain = format!("{label}.{label}.{label}.example");
        for (text, reason) in [
            ("", E::Empty),
            (" \t\r\n", E::Empty),
            ("ada", E::NoAt),
            ("ada@", E::NoDomain),
            ("@example.org", E::NoLocalPart),
            ("ada@example.org, bob@example.org", E::Space),
            ("ada@example.org,bob@example.org", E::SeveralAts),
            ("ada@@example.org", E::SeveralAts),
            ("Ada <ada@example.org>", E::WithName),
            ("<ada@example.org>", E::WithName),
            ("\"Ada Field\" <ada@example.org>", E::WithName),
            ("\"ada field\"@example.org", E::Quoted),
            ("ada(work)@example.org", E::Comment),
            ("ada@(comment)example.org", E::Comment),
            ("ada field@example.org", E::Space),
            ("ada@exam ple.org", E::Space),
            ("ada@\u{a0}example.org", E::Space),
            ("ada@example.org\r\nBcc: bob@example.org", E::Invisible),
            ("ada\0@example.org", E::Invisible),
            ("a\u{200b}da@example.org", E::Invisible),
            ("ada@exam\u{ad}ple.org", E::Invisible),
            ("ada@example.org\u{2028}x", E::Invisible),
            (".ada@example.org", E::LocalPartDots),
            ("ada.@example.org", E::LocalPartDots),
            ("a..da@example.org", E::LocalPartDots),
            ("mailto:ada@example.org", E::LocalPartCharacter(':')),
            ("a\\da@example.org", E::LocalPartCharacter('\\')),
            ("josé@example.org", E::LocalPartNotAscii('é')),
            ("ada@.example.org", E::DomainDots),
            ("ada@example..org", E::DomainDots),
            ("ada@example.org.", E::DomainDots),
            ("ada@example。", E::DomainDots),
            ("ada@.", E::DomainDots),
            ("ada@localhost", E::NoEnding),
            ("ada@example.c", E::WrongEnding),
            ("ada@example.123", E::WrongEnding),
            ("ada@example.o-g", E::WrongEnding),
            ("ada@127.1", E::WrongEnding),
            ("ada@0x7f.0x1", E::WrongEnding),
            ("ada@127.0.0.1", E::IpAddress),
            ("ada@::1", E::IpAddress),
            ("ada@[127.0.0.1]", E::IpAddress),
            ("ada@[IPv6:::1]", E::IpAddress),
            ("ada@example,org", E::Domain),
            ("ada@exa_mple.org", E::Domain),
            ("ada@-example.org", E::Domain),
            ("ada@example-.org", E::Domain),
            ("ada@xn--a.example", E::Domain),
            ("ada@example.org\u{ff20}x", E::Domain),
            (&format!("ada@{label}d.example"), E::Domain),
            (&format!("{}@example.org", "a".repeat(65)), E::LocalPartTooLong),
            (&format!("{}@{long_domain}", "a".repeat(60)), E::TooLong),
            (&"a".repeat(1_000_000), E::TooLong),
            (&format!("ada@{}.example", "ü".repeat(300)), E::TooLong),
        ] {
            let shown: String = text.chars().take(60).collect();
            assert_eq!(refused(text), reason, "{shown:?}");
        }
    }
}
