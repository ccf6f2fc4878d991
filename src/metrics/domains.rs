//! Outcomes by the recipients' domains, in fixed memory however many domains there are: the largest have a series of
//! their own, all else is "other".
//!
//! Which are the largest is estimated by space-saving (Metwally, Agrawal, El Abbadi, 2005): so many domains are
//! watched, and one that isn't takes the place of the smallest, with its number as what may be too much. Who has more
//! than one mail in `WATCHED` is certainly watched.
//!
//! Each outcome is counted in exactly one series, the one that its domain has at that moment, and stays there. So no
//! counter goes back, and "other" never jumps; a domain's series leaves out what came before it was among the largest.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::{MetricType, counter::ConstCounter};

/// So many domains have a series of their own.
const SHOWN: usize = 20;
/// So many are watched.
const WATCHED: usize = 200;

#[derive(Clone, Copy)]
pub enum Outcome {
    Accepted,
    Deferred,
    Bounced,
}

const SERIES: [(Outcome, &str, &str); 3] = [
    (
        Outcome::Accepted,
        "bellwether_domain_accepted",
        "Deliveries that a relay accepted, by the recipient's domain",
    ),
    (Outcome::Deferred, "bellwether_domain_deferred", "Tries that were put off, by the recipient's domain"),
    (
        Outcome::Bounced,
        "bellwether_domain_bounced",
        "Deliveries refused or given up, by the recipient's domain",
    ),
];

#[derive(Debug, Default)]
pub struct Domains {
    places: HashMap<Box<str>, usize>,
    watched: Vec<Watched>,
    /// Places of those with a series of their own.
    shown: Vec<usize>,
    other: [u64; SERIES.len()],
}

#[derive(Debug)]
struct Watched {
    domain: Box<str>,
    /// Outcomes, as far as we know; up to `unsure` of them are another domain's.
    seen: u64,
    unsure: u64,
    shown: bool,
    /// What its series counted so far.
    counts: [u64; SERIES.len()],
}

impl Watched {
    /// What is certainly its own.
    const fn sure(&self) -> u64 {
        self.seen - self.unsure
    }
}

impl Domains {
    /// Counts an outcome; the case of `domain` doesn't matter.
    pub fn count(&mut self, domain: &str, outcome: Outcome) {
        let domain = match domain.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(domain.to_ascii_lowercase()),
            false => Cow::Borrowed(domain),
        };
        let place = match self.places.get(&*domain) {
            Some(place) => *place,
            None => self.watch(&domain),
        };
        self.watched[place].seen += 1;
        if !self.watched[place].shown {
            self.show_if_large(place);
        }
        let watched = &mut self.watched[place];
        let counts = if watched.shown { &mut watched.counts } else { &mut self.other };
        counts[outcome as usize] += 1;
    }

    /// Begins to watch a domain, in place of the smallest without a series when there is no room.
    fn watch(&mut self, domain: &str) -> usize {
        let fresh =
            |seen| Watched { domain: domain.into(), seen, unsure: seen, shown: false, counts: [0; 3] };
        let hidden = self.watched.iter().enumerate().filter(|(_, watched)| !watched.shown);
        let place = match hidden.min_by_key(|(_, watched)| watched.seen) {
            Some((smallest, watched)) if self.watched.len() >= WATCHED => {
                let fresh = fresh(watched.seen);
                self.places.remove(&self.watched[smallest].domain);
                self.watched[smallest] = fresh;
                smallest
            }
            _ => {
                self.watched.push(fresh(0));
                self.watched.len() - 1
            }
        };
        self.places.insert(domain.into(), place);
        place
    }

    /// Gives a domain its series when there is room, or when it has clearly outgrown the smallest that has one: by a
    /// quarter, so that two of a size don't change places all the time.
    fn show_if_large(&mut self, place: usize) {
        if self.shown.len() < SHOWN {
            self.shown.push(place);
            self.watched[place].shown = true;
            return;
        }
        let smallest = (0..self.shown.len()).min_by_key(|at| self.watched[self.shown[*at]].sure());
        let Some(at) = smallest else { return };
        let least = self.watched[self.shown[at]].sure();
        if self.watched[place].sure() > least + least / 4 + 10 {
            self.watched[self.shown[at]].shown = false;
            self.watched[place].shown = true;
            self.shown[at] = place;
        }
    }

    /// The domains with a series and what each counted, and what all others did.
    fn series(&self, outcome: Outcome) -> Vec<(Box<str>, u64)> {
        let shown = self.shown.iter().map(|place| &self.watched[*place]);
        let other = ("other".into(), self.other[outcome as usize]);
        shown
            .map(|watched| (watched.domain.clone(), watched.counts[outcome as usize]))
            .chain([other])
            .collect()
    }
}

/// The same as it is shown.
#[derive(Debug)]
pub struct Shown(pub Arc<Mutex<Domains>>);

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for (outcome, name, help) in SERIES {
            let series = self.0.lock().unwrap_or_else(PoisonError::into_inner).series(outcome);
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (domain, count) in series {
                ConstCounter::new(count).encode(family.encode_family(&[("domain", &*domain)])?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn accepted(domains: &Domains) -> BTreeMap<Box<str>, u64> {
        domains.series(Outcome::Accepted).into_iter().collect()
    }

    /// A sequence that looks random and is always the same (xorshift).
    fn numbers() -> impl Iterator<Item = u64> {
        let mut state = 88_172_645_463_325_252_u64;
        std::iter::from_fn(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            Some(state)
        })
    }

    #[test]
    fn a_large_domain_that_comes_late_gets_its_series_and_memory_stays_bounded() {
        let mut domains = Domains::default();
        for n in 0..5_000 {
            domains.count(&format!("small-{n}.example"), Outcome::Accepted);
        }
        for _ in 0..500 {
            domains.count("Large.example", Outcome::Accepted);
        }
        let shown = accepted(&domains);
        assert_eq!(shown.len(), SHOWN + 1);
        assert_eq!((domains.watched.len(), domains.places.len()), (WATCHED, WATCHED));
        assert!(shown["large.example"] > 480, "{shown:?}");
        assert_eq!(shown.values().sum::<u64>() + hidden(&domains), 5_500, "each is counted once");
    }

    #[test]
    fn the_largest_are_shown_whatever_the_order() {
        let mut domains = Domains::default();
        let mut counted = BTreeMap::<String, u64>::new();
        for number in numbers().take(200_000) {
            // Ten domains share half of the mail, thousands the other half.
            let domain = match number % 20 {
                large @ 0..10 => format!("large-{large}.example"),
                _ => format!("small-{}.example", (number >> 8) % 30_000),
            };
            *counted.entry(domain.clone()).or_default() += 1;
            domains.count(&domain, Outcome::Deferred);
        }
        let shown: BTreeMap<_, _> = domains.series(Outcome::Deferred).into_iter().collect();
        for large in 0..10 {
            let domain = format!("large-{large}.example");
            let (real, shown) = (counted[&domain], shown[&*domain]);
            assert!(shown <= real && shown + 50 > real, "{domain}: {shown} of {real}");
        }
    }

    #[test]
    fn no_counter_ever_goes_back() {
        let mut domains = Domains::default();
        let mut before = BTreeMap::new();
        // The favourites change all the time, so that series come and go.
        for (at, number) in (0_u64..).zip(numbers().take(60_000)) {
            let favourite = at / 2_000 * 7 % 60;
            let domain = if number % 3 == 0 { number % 97 } else { favourite + number % 5 };
            domains.count(&format!("d{domain}.example"), Outcome::Accepted);
            if at % 50 == 0 {
                for (domain, count) in accepted(&domains) {
                    let last = before.insert(domain.clone(), count).unwrap_or_default();
                    assert!(count >= last, "{domain}: {last}, then {count}");
                }
            }
        }
        assert!(before.len() > SHOWN + 1, "series came and went");
    }

    /// What series counted that are not shown now.
    fn hidden(domains: &Domains) -> u64 {
        domains.watched.iter().filter(|watched| !watched.shown).flat_map(|watched| watched.counts).sum()
    }
}
