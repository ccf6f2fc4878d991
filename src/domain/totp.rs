//! One-time codes of an authenticator app (RFC 6238): six digits, HMAC-SHA-1, a new one every 30 seconds, which is what
//! every app reads. And the codes on paper for the day when the phone is gone.

use aws_lc_rs::hmac;

use super::time::Timestamp;

/// In seconds.
const STEP: i64 = 30;
/// How far a phone's clock may be off, in steps.
const DRIFT: i64 = 1;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The step that `code` belongs to, if it is one of now and later than `used`: a code that was used, or is older than
/// one that was, is worth nothing (RFC 6238, section 5.2).
pub fn step_of(secret: &[u8], code: &str, now: Timestamp, used: i64) -> Option<i64> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let current = step_at(now);
    (current - DRIFT..=current + DRIFT).find(|step| *step > used && self::code(secret, *step) == digits)
}

/// The code of this moment, as an authenticator app shows it.
pub fn code_at(secret: &[u8], now: Timestamp) -> String {
    code(secret, step_at(now))
}

/// What an authenticator app reads from a picture.
pub fn uri(issuer: &str, account: &str, secret: &[u8]) -> String {
    let encoded = |text: &str| {
        url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
    };
    let issuer = encoded(&issuer.replace(':', " "));
    format!("otpauth://totp/{issuer}:{}?secret={}&issuer={issuer}", encoded(account), base32(secret))
}

/// Base 32 without padding (RFC 4648, section 6).
pub fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut buffer, mut bits) = (0u32, 0);
    for byte in bytes {
        buffer = buffer << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(buffer >> bits) as usize & 31]));
        }
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(buffer << (5 - bits)) as usize & 31]));
    }
    text
}

/// A code for the day when the phone is gone: 80 bits, as in `ABCD-EFGH-IJKL-MNOP`.
pub fn recovery_code(random: [u8; 10]) -> String {
    let code = base32(&random);
    [&code[..4], &code[4..8], &code[8..12], &code[12..]].join("-")
}

/// A recovery code as it is compared: however it was typed.
pub fn bare_recovery_code(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

const fn step_at(now: Timestamp) -> i64 {
    now.as_micros().div_euclid(1_000_000 * STEP)
}

/// RFC 4226, section 5.3.
fn code(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let mac = hmac::sign(&key, &step.to_be_bytes());
    let mac = mac.as_ref();
    let at = usize::from(mac[mac.len() - 1] & 15);
    let number = u32::from_be_bytes([mac[at] & 0x7f, mac[at + 1], mac[at + 2], mac[at + 3]]);
    format!("{:06}", number % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// RFC 6238, appendix B, the last six of its eight digits.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            assert_eq!(code_at(SECRET, at(seconds)), code);
        }
    }

    #[test]
    fn a_code_works_a_step_before_and_after_and_only_once() {
        let code = code_at(SECRET, at(600));
        assert_eq!(step_of(SECRET, &code, at(600), 0), Some(20));
        assert_eq!(step_of(SECRET, &code, at(630), 0), Some(20));
        assert_eq!(step_of(SECRET, &code, at(570), 0), Some(20));
        assert_eq!(step_of(SECRET, &code, at(660), 0), None);
        assert_eq!(step_of(SECRET, &code, at(600), 20), None, "it was used");
        let spaced = format!("{} {}", &code[..3], &code[3..]);
        assert_eq!(step_of(SECRET, &spaced, at(600), 0), Some(20));
        assert_eq!(step_of(SECRET, "", at(600), 0), None);
    }

    #[test]
    fn the_secret_is_told_as_apps_read_it() {
        assert_eq!(base32(b"foobar"), "MZXW6YTBOI", "RFC 4648, section 10");
        assert_eq!(base32(b"f"), "MY");
        let uri = uri("Election Desk", "ada@example.org", b"foobar");
        assert_eq!(
            uri,
            "otpauth://totp/Election%20Desk:ada%40example.org?secret=MZXW6YTBOI&issuer=Election%20Desk"
        );
    }

    #[test]
    fn a_recovery_code_may_be_typed_in_any_way() {
        let code = recovery_code([7; 10]);
        assert_eq!(code.len(), 19);
        assert_eq!(bare_recovery_code(&code.to_lowercase().replace('-', " ")), code.replace('-', ""));
    }
}
