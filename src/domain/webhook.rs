//! Webhooks in the form of Standard Webhooks 1.0 (standardwebhooks.com): the key, the signature, and when a call is made
//! again.

use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::time::{HOUR, MINUTE, Timestamp};

const PREFIX: &str = "whsec_";
/// In bytes.
const SHORTEST: usize = 24;
const LONGEST: usize = 512;
/// Some tools write the equals signs at the end and some don't.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What signs the calls of one webhook.
#[derive(Clone)]
pub struct Key(hmac::Key);

impl FromStr for Key {
    type Err = String;

    /// Reads `whsec_` and 24 bytes or more in base64.
    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = || {
            format!(
                "must be {PREFIX} and {SHORTEST} to {LONGEST} bytes in base64, as `echo {PREFIX}$(openssl rand -base64 32)` makes it"
            )
        };
        let encoded = text.trim().strip_prefix(PREFIX).ok_or_else(allowed)?;
        let bytes = BASE64.decode(encoded).map_err(|_| allowed())?;
        if !(SHORTEST..=LONGEST).contains(&bytes.len()) {
            return Err(allowed());
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }
}

impl Key {
    /// The header `webhook-signature` of a call with this id, sent at `at` (whole seconds count).
    pub fn sign(&self, id: &str, at: Timestamp, body: &str) -> String {
        let signed = format!("{id}.{}.{body}", seconds(at));
        format!("v1,{}", BASE64.encode(hmac::sign(&self.0, signed.as_bytes())))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// The header `webhook-timestamp`: seconds since 1970.
pub const fn seconds(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(1_000_000)
}

/// How long to wait after a number of tries that came to nothing, before `dice` (0 to 1) adds up to a quarter; none when
/// it is given up, after a day and a half. A receiver that is started anew gets it soon, one that is mended overnight too.
pub fn wait(attempts: i64, dice: f64) -> Option<Duration> {
    const WAITS: [Duration; 9] = [
        Duration::from_secs(5),
        Duration::from_secs(30),
        MINUTE.saturating_mul(5),
        MINUTE.saturating_mul(30),
        HOUR,
        HOUR.saturating_mul(2),
        HOUR.saturating_mul(5),
        HOUR.saturating_mul(10),
        HOUR.saturating_mul(14),
    ];
    let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(0);
    let base = WAITS.get(index)?;
    Some(*base + base.mul_f64(dice.clamp(0.0, 1.0) / 4.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_reference_implementations() {
        let key: Key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let at = Timestamp::from_micros(1_614_265_330_999_999);
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(format!("{key:?}"), "(secret)");
    }

    #[test]
    fn a_key_is_prefixed_base64_of_24_bytes_or_more() {
        let of = |bytes: usize| format!("whsec_{}", BASE64.encode(vec![7; bytes]));
        for text in
            [of(24), of(32), of(512), of(25).trim_end_matches('=').to_owned(), format!("{}\n", of(24))]
        {
            assert!(text.parse::<Key>().is_ok(), "{text}");
        }
        for text in [
            of(23),
            of(513),
            of(0),
            of(24).replace("whsec_", ""),
            "whsec_ä".to_owned(),
            "whsec_a b".to_owned(),
        ] {
            let refused = text.parse::<Key>().unwrap_err();
            assert!(refused.starts_with("must be whsec_ and 24"), "{text}");
        }
    }

    #[test]
    fn waits_grow_for_a_day_and_a_half_and_then_it_is_given_up() {
        let waits: Vec<_> = (1..).map_while(|attempts| wait(attempts, 0.0)).collect();
        assert!(waits.is_sorted());
        let sum: Duration = waits.iter().sum();
        assert!((30 * HOUR..40 * HOUR).contains(&sum), "{sum:?}");
        assert_eq!(wait(1, 1.0), Some(Duration::from_millis(6_250)));
        assert_eq!((wait(10, 0.0), wait(i64::MAX, 0.0)), (None, None));
    }
}
