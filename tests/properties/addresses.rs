//! Whatever is typed into the form is either refused or an address that can be mailed and is known by one key.

use bellwether::domain::address::EmailAddress;
use proptest::prelude::*;

/// Texts near an address, so that most parts of the reader are reached.
fn nearly() -> impl Strategy<Value = String> {
    let local = prop_oneof!["[a-zA-Z0-9._%+'-]{0,12}", "[!-~]{0,8}", "\\PC{0,5}"];
    let domain =
        prop_oneof!["[a-zA-Z0-9-]{1,10}(\\.[a-zA-Z0-9-]{0,8}){0,3}", "[a-zäöüßжあ。.]{1,12}", "\\PC{0,8}"];
    let around = prop_oneof![8 => Just(String::new()), 1 => "[ \t\r\n<>\"(),;\u{200b}]{0,2}"];
    (around.clone(), local, "@{0,2}", domain, around)
        .prop_map(|(before, local, at, domain, after)| format!("{before}{local}{at}{domain}{after}"))
}

fn real() -> impl Strategy<Value = String> {
    let local = "[a-zA-Z0-9_+'-]{1,20}(\\.[a-zA-Z0-9_+'-]{1,20}){0,2}";
    let domain = "([a-zA-Z0-9]{1,10}(-[a-zA-Z0-9]{1,5})?\\.){1,3}(org|example|co\\.uk|COM)";
    (local, domain).prop_map(|(local, domain)| format!("{local}@{domain}"))
}

fn swap_case(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect()
}

/// What holds of every address that was taken.
fn can_be_mailed(address: &EmailAddress) -> Result<(), TestCaseError> {
    let (key, envelope) = (address.key(), address.envelope());
    for text in [key, &envelope] {
        prop_assert!(text.bytes().all(|b| b.is_ascii_graphic()), "{text:?}");
        prop_assert!(text.len() <= 254 && text.matches('@').count() == 1, "{text:?}");
    }
    prop_assert!(!key.bytes().any(|b| b.is_ascii_uppercase()));
    prop_assert!(!address.as_str().contains(|c: char| c.is_control() || c.is_whitespace()));
    prop_assert_eq!(key.split_once('@').unwrap().1, address.domain());
    prop_assert!(address.domain().contains('.'));
    prop_assert!(!address.masked().contains(key));
    let debug = format!("{address:?}");
    prop_assert!(!debug.contains('@'));
    // The mail library, which reads by rules of its own, must be able to take it.
    prop_assert!(envelope.parse::<lettre::Address>().is_ok(), "{envelope:?}");
    for same in [key, &envelope, address.as_str()] {
        let again: EmailAddress = same.parse().unwrap();
        prop_assert_eq!(again.key(), key);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_text_that_is_taken_can_be_mailed(text in prop_oneof![nearly(), any::<String>()]) {
        match text.parse::<EmailAddress>() {
            Ok(address) => can_be_mailed(&address)?,
            // An error never gives the address back, it may end up in a log.
            Err(error) => prop_assert!(text.chars().count() < 12 || !error.to_string().contains(&text)),
        }
    }

    #[test]
    fn a_real_address_is_taken_and_its_case_makes_no_other_person(text in real()) {
        let address = text.parse::<EmailAddress>().unwrap();
        can_be_mailed(&address)?;
        prop_assert_eq!(address.as_str(), &text);
        prop_assert_eq!(address.key(), text.to_ascii_lowercase());
        let swapped: EmailAddress = swap_case(&text).parse().unwrap();
        prop_assert_eq!(swapped.key(), address.key());
    }
}
