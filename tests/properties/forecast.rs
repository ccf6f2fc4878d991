//! A forecast keeps to every limit, loses no mail, and never says that more of anything is slower.

use std::time::Duration;

use bellwether::domain::forecast::{Relay, forecast};
use proptest::prelude::*;

fn any_relay() -> impl Strategy<Value = Relay> {
    let rate = prop::option::of(0.1..5_000.0);
    let per_mail = prop::option::of((0u64..500_000).prop_map(Duration::from_micros));
    let day_left = prop::option::of(0u64..200_000);
    (1u32..10, 1u32..60, per_mail, rate, day_left).prop_map(
        |(weight, connections, per_mail, rate, day_left)| Relay {
            weight,
            connections,
            per_mail,
            rate,
            day_left,
        },
    )
}

proptest! {
    #[test]
    fn every_mail_is_taken_or_cut_off_and_no_limit_is_passed(
        mails in 0u64..300_000,
        machine in 1.0..10_000.0,
        relays in prop::collection::vec(any_relay(), 0..5),
    ) {
        let night = forecast(mails, machine, &relays);
        prop_assert_eq!(night.taken.iter().sum::<u64>() + night.cut_off, mails);
        let seconds = night.took.as_secs_f64();
        for (taken, relay) in night.taken.iter().zip(&relays) {
            prop_assert!(relay.day_left.is_none_or(|left| *taken <= left));
            // A mail more by rounding.
            prop_assert!(*taken as f64 <= relay.most() * seconds * 1.000_001 + 2.0);
        }
        prop_assert!((mails - night.cut_off) as f64 <= machine * seconds * 1.000_001 + 2.0 * relays.len() as f64);
        let unlimited_day = relays.iter().any(|relay| relay.day_left.is_none());
        prop_assert!(!unlimited_day || night.cut_off == 0);
    }

    #[test]
    fn more_of_anything_is_never_slower(
        mails in 1u64..300_000,
        machine in 1.0..10_000.0,
        mut relay in any_relay(),
    ) {
        relay.day_left = None;
        let before = forecast(mails, machine, std::slice::from_ref(&relay)).took.as_secs_f64();
        let more = Relay { connections: relay.connections + 1, rate: relay.rate.map(|rate| rate * 2.0), ..relay };
        let after = forecast(mails, machine * 2.0, &[more]).took.as_secs_f64();
        prop_assert!(after <= before * 1.000_001);
    }
}
