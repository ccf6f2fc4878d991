//! `1.day()`, as stories say it.

use std::time::Duration;

pub trait Span: Sized {
    fn seconds(self) -> Duration;
    fn minutes(self) -> Duration;
    fn hour(self) -> Duration;
    fn hours(self) -> Duration {
        self.hour()
    }
    fn day(self) -> Duration;
    fn days(self) -> Duration {
        self.day()
    }
}

impl Span for u64 {
    fn seconds(self) -> Duration {
        Duration::from_secs(self)
    }

    fn minutes(self) -> Duration {
        Duration::from_secs(60 * self)
    }

    fn hour(self) -> Duration {
        Duration::from_secs(60 * 60 * self)
    }

    fn day(self) -> Duration {
        Duration::from_secs(24 * 60 * 60 * self)
    }
}
