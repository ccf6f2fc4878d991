//! Secrets that travel: the tokens in mailed links (an HMAC, no row behind them), API tokens and their roles, and the
//! keyed hash under which a suppressed address is known.

use aws_lc_rs::{constant_time, digest, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

pub use super::role::Role;

/// What a mailed link is for; a token of one purpose opens no other door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Confirm = 1,
    Unsubscribe = 2,
    Preferences = 3,
}

impl Purpose {
    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Confirm),
            2 => Some(Self::Unsubscribe),
            3 => Some(Self::Preferences),
            _ => None,
        }
    }
}

const KEY_ID: usize = 3;
const MAC: usize = 16;
const LENGTH: usize = 1 + KEY_ID + 16 + MAC;

/// The keys of the links: the secret in force, and former ones whose links still work.
#[derive(Clone)]
pub struct Keys(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: [u8; KEY_ID],
    links: hmac::Key,
    forms: hmac::Key,
}

impl Keys {
    /// From the secret in force and the former ones.
    pub fn new<'a>(secret: &'a str, old: impl IntoIterator<Item = &'a str>) -> Self {
        Self(std::iter::once(secret).chain(old).map(Key::new).collect())
    }

    /// The name of the key in force, which an issue keeps so that a second copy of its mails has the same links.
    pub fn current(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0[0].id)
    }

    /// A token of 48 URL-safe characters, made with the key of that name, or with the one in force when it is gone.
    pub fn sign(&self, key_name: &str, purpose: Purpose, subject: Uuid) -> String {
        let key = self.0.iter().find(|key| URL_SAFE_NO_PAD.encode(key.id) == key_name).unwrap_or(&self.0[0]);
        let mut token = Vec::with_capacity(LENGTH);
        token.push(purpose as u8);
        token.extend_from_slice(&key.id);
        token.extend_from_slice(subject.as_bytes());
        let mac = hmac::sign(&key.links, &token);
        token.extend_from_slice(&mac.as_ref()[..MAC]);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// What the forms carry that are shown to whoever holds this cookie, so that no other site can send them.
    pub fn form_token(&self, cookie: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0[0].forms, cookie.as_bytes()))
    }

    pub fn is_form_token(&self, cookie: &str, token: &str) -> bool {
        constant_time::verify_slices_are_equal(self.form_token(cookie).as_bytes(), token.as_bytes()).is_ok()
    }

    /// What a token is for and whom it names; none when we did not make it.
    pub fn verify(&self, token: &str) -> Option<(Purpose, Uuid)> {
        if token.len() != LENGTH.div_ceil(3) * 4 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok().filter(|bytes| bytes.len() == LENGTH)?;
        let (signed, mac) = bytes.split_at(LENGTH - MAC);
        let key = self.0.iter().find(|key| key.id == signed[1..=KEY_ID])?;
        let expected = hmac::sign(&key.links, signed);
        constant_time::verify_slices_are_equal(&expected.as_ref()[..MAC], mac).ok()?;
        let subject = Uuid::from_slice(&signed[1 + KEY_ID..]).ok()?;
        Some((Purpose::from_byte(signed[0])?, subject))
    }
}

impl Key {
    fn new(secret: &str) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&hmac::sign(&root, b"bellwether link key id").as_ref()[..KEY_ID]);
        let links = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, b"bellwether links 1").as_ref());
        let forms = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, b"bellwether forms 1").as_ref());
        Self { id, links, forms }
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(keys)")
    }
}

/// The keyed hash of an address's key, with a key that never changes (it is not the secret).
#[derive(Clone)]
pub struct AddressHasher(hmac::Key);

impl AddressHasher {
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    pub fn hash(&self, address_key: &str) -> Vec<u8> {
        hmac::sign(&self.0, address_key.as_bytes()).as_ref().to_vec()
    }
}

impl std::fmt::Debug for AddressHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(key)")
    }
}

/// A new API token, shown once.
pub fn api_token(random: [u8; 32]) -> String {
    format!("bw_{}", URL_SAFE_NO_PAD.encode(random))
}

/// A random secret of 43 URL-safe characters: a session's cookie, a link that works once. Only its hash is kept.
pub fn ticket(random: [u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(random)
}

/// SHA-256: how an API token, or the body behind an idempotency key, is kept.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new("a secret of thirty-two characters", ["a former secret of the same sender"])
    }

    #[test]
    fn a_token_names_its_purpose_and_subject() {
        let keys = keys();
        let subject = Uuid::from_u128(7);
        let token = keys.sign(&keys.current(), Purpose::Unsubscribe, subject);
        assert_eq!(token.len(), 48);
        assert_eq!(keys.verify(&token), Some((Purpose::Unsubscribe, subject)));
    }

    #[test]
    fn a_changed_character_anywhere_makes_a_token_worthless() {
        let keys = keys();
        let token = keys.sign(&keys.current(), Purpose::Confirm, Uuid::from_u128(7));
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            if forged != token {
                assert_eq!(keys.verify(&forged), None, "position {at}");
            }
        }
        assert_eq!(keys.verify(""), None);
        assert_eq!(keys.verify(&token[1..]), None);
        assert_eq!(keys.verify(&"é".repeat(24)), None);
    }

    #[test]
    fn links_made_with_a_former_secret_still_work_and_stay_the_same() {
        let former = Keys::new("a former secret of the same sender", []);
        let token = former.sign(&former.current(), Purpose::Preferences, Uuid::from_u128(9));
        assert!(keys().verify(&token).is_some());
        assert_eq!(keys().sign(&former.current(), Purpose::Preferences, Uuid::from_u128(9)), token);
        assert!(Keys::new("quite another secret, of another sender", []).verify(&token).is_none());
    }
}
