//! What the sink counts: messages, who got one and who got two, when the first and the last came.

use bellwether::clock::Clock;
use bellwether::domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Who a message is to: a group by the first letter of the address, and a number in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recipient {
    group: usize,
    /// The digits before the @; none where there are none.
    number: Option<usize>,
}

/// Groups of recipients, by the first letter of their addresses: `bulk-12@…`, `news-3@…`, `join-1@…`. What begins
/// otherwise is in the last.
pub const GROUPS: [&str; 4] = ["bulk", "news", "join", "other"];

impl Recipient {
    /// From a whole RCPT line.
    pub fn read(line: &[u8]) -> Self {
        let start = memchr::memchr(b'<', line).map_or(line.len(), |at| at + 1);
        let address = &line[start..];
        let local = &address[..memchr::memchr(b'@', address).unwrap_or(address.len())];
        let digits = local.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let number = &local[local.len() - digits..];
        let first = local.first().copied();
        let group = GROUPS.iter().position(|group| group.bytes().next() == first).unwrap_or(GROUPS.len() - 1);
        // Nine digits are more than anybody loads.
        let known = (1..10).contains(&digits);
        let number = known.then(|| number.iter().fold(0, |sum, byte| sum * 10 + usize::from(byte - b'0')));
        Self { group, number }
    }
}

/// Everything since the last reset.
#[derive(Default)]
pub struct Counts {
    groups: [Group; GROUPS.len()],
    accepted: u64,
    /// Kept over a reset: no two queue ids of a run are the same.
    ids: u64,
    sender: Option<String>,
    sample: Option<String>,
}

#[derive(Default)]
struct Group {
    tally: Tally,
    /// A bit for each number.
    seen: Vec<u64>,
}

/// What came for one group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    pub accepted: u64,
    /// Accepted for a recipient who had one.
    pub again: u64,
    /// Distinct recipients with a number.
    pub distinct: u64,
    /// Of all bodies together.
    pub bytes: u64,
    /// In microseconds since 1970; 0 before any.
    pub first: i64,
    pub last: i64,
    /// How many messages of other groups had been accepted when the first came, and the last.
    pub others_at_first: u64,
    pub others_at_last: u64,
}

impl Tally {
    /// Messages a second, from the first accepted to the last.
    pub fn rate(&self) -> f64 {
        self.accepted.saturating_sub(1) as f64 * 1e6 / (self.last - self.first).max(1) as f64
    }
}

/// What the sink tells the benchmark.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    pub groups: [Tally; GROUPS.len()],
    /// The MAIL line and the body of the first message.
    pub sender: Option<String>,
    pub sample: Option<String>,
}

impl Counts {
    /// Counts a message of so many bytes; gives the number in its queue id.
    pub fn accept(&mut self, to: Recipient, bytes: usize, sample: Option<Vec<u8>>) -> u64 {
        if let Some(sample) = sample {
            // The first two bytes end the DATA line.
            self.sample.get_or_insert_with(|| String::from_utf8_lossy(&sample[2..]).into_owned());
        }
        let now = now();
        let group = &mut self.groups[to.group];
        let others = self.accepted - group.tally.accepted;
        if group.tally.accepted == 0 {
            group.tally.first = now;
            group.tally.others_at_first = others;
        }
        group.tally.last = now;
        group.tally.others_at_last = others;
        group.tally.accepted += 1;
        group.tally.bytes += bytes as u64;
        if let Some(number) = to.number {
            group.see(number);
        }
        self.accepted += 1;
        self.ids += 1;
        self.ids
    }

    pub fn see_sender(&mut self, line: &[u8]) {
        if self.sender.is_none() {
            self.sender = Some(String::from_utf8_lossy(line).into_owned());
        }
    }

    pub fn wants_a_sample(&self) -> bool {
        self.sample.is_none()
    }

    /// In one line of JSON.
    pub fn report(&self) -> String {
        let report = Report {
            groups: std::array::from_fn(|group| self.groups[group].tally.clone()),
            sender: self.sender.clone(),
            sample: self.sample.clone(),
        };
        serde_json::to_string(&report).expect("it holds words and numbers only")
    }

    pub fn reset(&mut self) {
        *self = Self { ids: self.ids, ..Self::default() };
    }
}

impl Group {
    fn see(&mut self, number: usize) {
        let (word, bit) = (number / 64, 1 << (number % 64));
        if word >= self.seen.len() {
            self.seen.resize((word + 1).next_power_of_two(), 0);
        }
        if self.seen[word] & bit == 0 {
            self.seen[word] |= bit;
            self.tally.distinct += 1;
        } else {
            self.tally.again += 1;
        }
    }
}

/// In microseconds since 1970; the sink and whoever calls the API read the same clock.
pub fn now() -> i64 {
    Timestamp::as_micros(Clock::System.now())
}
