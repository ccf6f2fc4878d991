//! Secrets of webhooks: whatever is typed is read or refused, and what is read signs as its bytes do.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use bellwether::domain::{time::Timestamp, webhook::Key};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_typed_is_read_or_refused(text in any::<String>(), behind in "[A-Za-z0-9+/=_-]{0,100}") {
        let _ = text.parse::<Key>();
        let secret = format!("whsec_{behind}");
        // Three bytes of four letters: so few can't be 24 bytes.
        if behind.len() < 32 {
            prop_assert!(secret.parse::<Key>().is_err(), "{secret}");
        }
    }

    #[test]
    fn what_is_read_signs_as_its_bytes_do(bytes in prop::collection::vec(any::<u8>(), 24..=512), body in any::<String>(), second in 0i64..4_000_000_000) {
        let key: Key = format!("whsec_{}", STANDARD.encode(&bytes)).parse().unwrap();
        let unpadded: Key = format!("whsec_{}", STANDARD.encode(&bytes).trim_end_matches('=')).parse().unwrap();
        let at = Timestamp::from_micros(second * 1_000_000);
        let signed = format!("message.{second}.{body}");
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), signed.as_bytes());
        prop_assert_eq!(key.sign("message", at, &body), format!("v1,{}", STANDARD.encode(mac)));
        prop_assert_eq!(unpadded.sign("message", at, &body), key.sign("message", at, &body));
    }
}
