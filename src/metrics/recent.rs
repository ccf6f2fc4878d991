//! How long the newest accepted mails of each lane took: their median, and what 95 and 99 of a hundred stayed below.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::{MetricType, gauge::ConstGauge};
use prometheus_client::registry::Unit;

use crate::domain::issue::Lane;

/// So many of each lane are looked at.
const KEPT: usize = 1_024;
const QUANTILES: [(f64, &str); 3] = [(0.5, "0.5"), (0.95, "0.95"), (0.99, "0.99")];

/// The newest times of each lane, in the order of [`Lane::ALL`].
#[derive(Clone, Debug, Default)]
pub struct Recent(Arc<Mutex<[Times; Lane::ALL.len()]>>);

/// In seconds; once it is full, the oldest is written over.
#[derive(Debug, Default)]
struct Times {
    seconds: Vec<f64>,
    next: usize,
}

impl Recent {
    pub fn add(&self, lane: Lane, time: Duration) {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = lanes.get_mut(lane as usize) {
            times.add(time.as_secs_f64());
        }
    }
}

impl Times {
    fn add(&mut self, seconds: f64) {
        match self.seconds.get_mut(self.next) {
            Some(oldest) => *oldest = seconds,
            None => self.seconds.push(seconds),
        }
        self.next = (self.next + 1) % KEPT;
    }
}

/// The least of the sorted values that so many of all don't exceed (nearest rank).
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

impl Collector for Recent {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let help =
            "The same of the last 1024 accepted deliveries of each lane: half, 95 % and 99 % took no longer";
        let name = "bellwether_publish_to_accept_recent";
        let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
        let lanes = {
            let lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            lanes.each_ref().map(|times| times.seconds.clone())
        };
        for (lane, mut seconds) in Lane::ALL.iter().zip(lanes) {
            seconds.sort_by(f64::total_cmp);
            for (share, word) in QUANTILES {
                if let Some(value) = quantile(&seconds, share) {
                    let labels = [("lane", lane.as_str()), ("quantile", word)];
                    ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_newest_alone() {
        let mut times = Times::default();
        for second in 0..3 * KEPT {
            times.add(second as f64);
        }
        assert_eq!(times.seconds.len(), KEPT);
        assert!(times.seconds.iter().all(|second| *second >= 2.0 * KEPT as f64));
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let sorted: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(QUANTILES.map(|(share, _)| quantile(&sorted, share)), [Some(5.0), Some(10.0), Some(10.0)]);
        assert_eq!(quantile(&[7.0], 0.5), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
