//! Passwords: what one must be (NIST SP 800-63B, section 3.1.1: long, not a well-known one, no rules of composition),
//! and how it is kept (Argon2id).

use std::sync::LazyLock;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use super::address::EmailAddress;

/// In characters.
pub const SHORTEST: usize = 12;
/// In bytes: more is no password.
pub const LONGEST: usize = 1_000;

/// What OWASP's cheat sheet on storing passwords asks for: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// The commonest of those that are long enough, lower-case.
const COMMON: &[&str] = &[
    "123456789012",
    "1234567890123",
    "12345678901234",
    "123456789123",
    "123123123123",
    "112233445566",
    "987654321012",
    "password1234",
    "password12345",
    "password123456",
    "passwordpassword",
    "password2024",
    "password2025",
    "password2026",
    "mypassword123",
    "newpassword1",
    "changeme1234",
    "changeme12345",
    "letmein12345",
    "letmeinletmein",
    "welcome12345",
    "welcome123456",
    "administrator",
    "administrator1",
    "adminadminadmin",
    "admin1234567",
    "admin12345678",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertyuiopasdf",
    "qwerty123456",
    "qwerty1234567",
    "qwertyqwerty",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "1qaz2wsx3edc4rfv",
    "zaq12wsxcde3",
    "asdfghjkl123",
    "asdfghjkl;'",
    "asdfasdfasdf",
    "abcdefghijkl",
    "abcdefghijklmnop",
    "abc123abc123",
    "abcd1234abcd",
    "iloveyou1234",
    "iloveyou12345",
    "iloveyouiloveyou",
    "sunshine1234",
    "princess1234",
    "football1234",
    "baseball1234",
    "superman1234",
    "dragondragon",
    "monkeymonkey",
    "trustno1trustno1",
    "correcthorsebatterystaple",
    "correct horse battery staple",
    "bellwether123",
    "bellwetherbellwether",
    "newsletter123",
    "newsletter1234",
    "electionnight",
    "election2024",
    "election2026",
    "breakingnews",
    "breakingnews1",
];

/// Whether this may be somebody's password.
///
/// # Errors
/// A sentence for the person who chose it: what is wrong, and what would be right.
pub fn check(password: &str, address: &EmailAddress) -> Result<(), &'static str> {
    let lower = password.trim().to_lowercase();
    if password.chars().count() < SHORTEST {
        return Err("Too short: use 12 characters or more. A few words that belong to nobody else are good.");
    }
    if password.len() > LONGEST {
        return Err("Too long: use at most 1000 characters.");
    }
    let local = address.key().split('@').next().unwrap_or_default();
    if lower == address.key() || lower == local || lower == format!("{local}{local}") {
        return Err("That is your address. Choose something that nobody knows.");
    }
    let mut kinds: Vec<char> = lower.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    if COMMON.contains(&lower.as_str()) || kinds.len() < 4 {
        return Err("Many people use this one, so it is tried first. Choose another.");
    }
    Ok(())
}

/// The hash to keep, with its salt and costs (PHC string). Takes some 20 ms and 19 MiB: not on a thread that others
/// wait for.
///
/// # Errors
/// When the memory for it can't be had.
pub fn hash(password: &str, salt: [u8; 16]) -> Result<String, argon2::password_hash::Error> {
    let salt = SaltString::encode_b64(&salt)?;
    Ok(argon2()?.hash_password(password.as_bytes(), &salt)?.to_string())
}

/// Whether this is the password behind `hash`. Without a hash it takes the same time and is false: who asks learns
/// nothing of whether there is such an account.
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    let known = PasswordHash::new(hash.unwrap_or(&NOBODY));
    // A hash says with what it was made, so a change of the costs above locks nobody out.
    let right = known.is_ok_and(|known| {
        password.len() <= LONGEST && Argon2::default().verify_password(password.as_bytes(), &known).is_ok()
    });
    right && hash.is_some()
}

static NOBODY: LazyLock<String> = LazyLock::new(|| hash("nobody's password", [0; 16]).unwrap_or_default());

fn argon2() -> Result<Argon2<'static>, argon2::Error> {
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(MEMORY_KIB, PASSES, 1, None)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(password: &str) -> bool {
        check(password, &"Ada.Field@example.org".parse().unwrap()).is_err()
    }

    #[test]
    fn long_enough_and_unknown_is_all_that_is_asked() {
        for good in ["a quiet ferry at noon", "ÄÖÜäöüßéèàçñ", "four  words  here", "llamas-on-stilts"]
        {
            assert!(!refused(good), "{good}");
        }
    }

    #[test]
    fn short_common_and_telling_ones_are_refused() {
        for bad in [
            "short",
            "elevenchars",
            "Password1234",
            " password1234 ",
            "aaaaaaaaaaaaaaa",
            "121212121212",
            "ada.field@example.org",
            "Ada.Field",
        ] {
            assert!(refused(bad), "{bad}");
        }
        assert!(refused(&"ab c".repeat(300)));
    }

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let kept = hash("a quiet ferry at noon", [3; 16]).unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(verify("a quiet ferry at noon", Some(&kept)));
        assert!(!verify("a quiet ferry at night", Some(&kept)));
        assert!(!verify("nobody's password", None));
        assert!(!verify("anything", Some("no hash")));
    }
}
