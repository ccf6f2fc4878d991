//! One thing we publish, and where it stands in the one queue.

super::words! {
    pub enum Kind {
        Alert = "alert",
        /// To those who got an alert that was wrong.
        Correction = "correction",
        Digest = "digest",
        /// A newsletter that somebody wrote.
        Broadcast = "broadcast",
        /// A confirmation, or word to the operator: to one address.
        Notice = "notice",
    }
}

super::words! {
    /// How much an alert matters. `critical` goes to every confirmed reader of its topics.
    pub enum Level {
        All = "all",
        Major = "major",
        Critical = "critical",
    }
}

super::words! {
    pub enum State {
        /// Released, and may still be undone: nothing of it is written or sent.
        Held = "held",
        /// Its deliveries are being written; the first may be on their way.
        Publishing = "publishing",
        Sending = "sending",
        Sent = "sent",
        Cancelled = "cancelled",
    }
}

super::words! {
    /// A part of the queue. A higher lane, which stands first here, goes before all lower ones, also in the middle of
    /// their sending.
    pub enum Lane {
        /// Confirmations, and word to the operator.
        Transactional = "transactional",
        Correction = "correction",
        Alert = "alert",
        Digest = "digest",
        Broadcast = "broadcast",
    }
}

/// So many priorities belong to one lane.
const STEPS: i64 = 10;

impl Lane {
    /// The lowest and the highest number that [`priority`] gives to this lane's deliveries.
    pub const fn priorities(self) -> (i64, i64) {
        let first = self as i64 * STEPS;
        (first, first + STEPS - 1)
    }

    /// The lane of a delivery with this priority.
    pub fn of(priority: i64) -> Self {
        let lane = usize::try_from(priority / STEPS).unwrap_or(0);
        Self::ALL.get(lane).copied().unwrap_or(Self::Broadcast)
    }

    /// The lowest lane that connection `index` of a relay's `connections` serves: one in ten is kept for what goes before
    /// digests, and one for confirmations, where there are enough.
    pub const fn of_connection(index: usize, connections: usize) -> Self {
        match connections {
            0..3 => Self::Broadcast,
            3.. if index == 0 => Self::Transactional,
            _ if index <= connections / 10 => Self::Alert,
            _ => Self::Broadcast,
        }
    }

    /// How many of a relay's `connections` serve this lane.
    pub fn connections(self, connections: usize) -> usize {
        (0..connections).filter(|index| self <= Self::of_connection(*index, connections)).count()
    }
}

/// Where word of what is wrong stands in the queue: among the transactional, and apart, for it goes by one relay alone.
pub const WATCH: i64 = Lane::Transactional.priorities().1;

/// Where a delivery stands in the queue: the lower number goes first. By lane, and within the alerts critical before
/// major before all.
pub const fn priority(kind: Kind, level: Level) -> i64 {
    match (kind, level) {
        (Kind::Notice, _) => Lane::Transactional.priorities().0,
        (Kind::Correction, _) => Lane::Correction.priorities().0,
        (Kind::Alert, level) => Lane::Alert.priorities().0 + (Level::Critical as i64 - level as i64),
        (Kind::Digest, _) => Lane::Digest.priorities().0,
        (Kind::Broadcast, _) => Lane::Broadcast.priorities().0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_connections_are_kept_for_what_is_pressing() {
        let serve = |lane: Lane, of: usize| lane.connections(of);
        assert_eq!(
            (serve(Lane::Transactional, 10), serve(Lane::Alert, 10), serve(Lane::Digest, 10)),
            (10, 9, 8)
        );
        assert_eq!((serve(Lane::Alert, 30), serve(Lane::Broadcast, 30)), (29, 26));
        assert_eq!((serve(Lane::Alert, 2), serve(Lane::Broadcast, 1)), (2, 1));
    }

    #[test]
    fn every_priority_belongs_to_its_lane() {
        let queue = [
            (Kind::Notice, Level::All, Lane::Transactional, 0),
            (Kind::Correction, Level::All, Lane::Correction, 10),
            (Kind::Alert, Level::Critical, Lane::Alert, 20),
            (Kind::Alert, Level::Major, Lane::Alert, 21),
            (Kind::Alert, Level::All, Lane::Alert, 22),
            (Kind::Digest, Level::All, Lane::Digest, 30),
            (Kind::Broadcast, Level::All, Lane::Broadcast, 40),
        ];
        for (kind, level, lane, number) in queue {
            assert_eq!(priority(kind, level), number);
            assert_eq!(Lane::of(number), lane);
            assert!(lane.priorities().0 <= number && number <= lane.priorities().1);
        }
    }
}
