//! The clock and the dice, passed in everywhere. A test turns the clock by hand and seeds the dice; nothing else in
//! the program asks the machine for the time or for randomness (`clippy.toml` says so to the compiler).

use std::sync::{
    Arc, LazyLock, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng, rngs::StdRng};
use uuid::Uuid;

use crate::domain::time::Timestamp;

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still until it is advanced, in microseconds since 1970.
    Simulated(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn simulated(start: Timestamp) -> Self {
        Self::Simulated(Arc::new(AtomicI64::new(start.as_micros())))
    }

    pub fn now(&self) -> Timestamp {
        match self {
            #[allow(clippy::disallowed_methods)] // the one place that asks the machine
            Self::System => Timestamp::from_jiff(jiff::Timestamp::now()),
            Self::Simulated(micros) => Timestamp::from_micros(micros.load(Ordering::SeqCst)),
        }
    }

    /// Microseconds that nobody can set back; their beginning means nothing.
    pub fn steady(&self) -> i64 {
        static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
        match self {
            Self::System => i64::try_from(BEGAN.elapsed().as_micros()).unwrap_or(i64::MAX),
            Self::Simulated(micros) => micros.load(Ordering::SeqCst),
        }
    }

    /// Moves a simulated clock forward; the machine's clock can't be moved and stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Self::Simulated(micros) = self {
            let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
            micros.fetch_add(by, Ordering::SeqCst);
        }
    }
}

/// Where randomness comes from: the operating system's, or a seed in tests.
#[derive(Clone)]
pub struct Entropy(Arc<Mutex<StdRng>>);

impl Entropy {
    /// Seeded by the operating system.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn system() -> Result<Self, rand::rngs::SysError> {
        Ok(Self::of(StdRng::try_from_rng(&mut rand::rngs::SysRng)?))
    }

    /// The same sequence for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self::of(StdRng::seed_from_u64(seed))
    }

    fn of(rng: StdRng) -> Self {
        Self(Arc::new(Mutex::new(rng)))
    }

    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        bytes
    }

    /// A number from 0 (included) to 1 (excluded).
    pub fn fraction(&self) -> f64 {
        let mantissa = u64::from_le_bytes(self.bytes()) >> 11;
        mantissa as f64 / (1u64 << 53) as f64
    }

    /// A UUID version 7 (RFC 9562, section 5.7) for the moment `at`: the public name of a thing.
    pub fn uuid(&self, at: Timestamp) -> Uuid {
        let millis = u64::try_from(at.as_micros() / 1000).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy")
    }
}
