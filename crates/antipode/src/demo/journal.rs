//! What the clients were told: the record against which the databases are checked at the end.

use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// An acknowledged commit.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    /// The transfer's id, chosen by the client.
    pub id: i64,
    /// When the client learned it.
    pub at: Instant,
    /// Which region acknowledged it.
    pub region: &'static str,
}

/// The clients' common record. Shared by all of them.
#[derive(Debug, Default)]
pub struct Journal {
    acknowledged: Mutex<Vec<Acknowledged>>,
    unknown: Mutex<BTreeSet<i64>>,
    oddities: Mutex<Vec<String>>,
    commits: AtomicU64,
    refused: AtomicU64,
}

impl Journal {
    /// A commit was acknowledged.
    pub fn acknowledge(&self, id: i64, region: &'static str) {
        self.acknowledged.lock().push(Acknowledged { id, at: Instant::now(), region });
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    /// The connection broke off during COMMIT: it may or may not have happened.
    pub fn leave_open(&self, id: i64) {
        self.unknown.lock().insert(id);
    }

    /// The server said no; nothing happened.
    pub fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Something that must not be.
    pub fn odd(&self, what: String) {
        self.oddities.lock().push(what);
    }

    /// Acknowledged commits so far.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Transactions refused so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The longest time without any acknowledged commit between two moments.
    pub fn longest_gap(&self, from: Instant, to: Instant) -> Duration {
        let mut times: Vec<Instant> = self.acknowledged.lock().iter().map(|a| a.at).collect();
        times.sort_unstable();
        let first = times.partition_point(|t| *t < from).saturating_sub(1);
        times[first..]
            .windows(2)
            .take_while(|pair| pair[0] <= to)
            .map(|pair| pair[1].duration_since(pair[0]))
            .max()
            .unwrap_or_default()
    }

    /// All acknowledged commits, the ids left open, and what was odd.
    pub fn read(&self) -> (Vec<Acknowledged>, BTreeSet<i64>, Vec<String>) {
        let acknowledged = self.acknowledged.lock().clone();
        (acknowledged, self.unknown.lock().clone(), self.oddities.lock().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gap_is_the_longest_pause_that_touches_the_window() {
        let journal = Journal::default();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        for ms in [0, 500, 510, 520, 820, 830] {
            let entry = Acknowledged { id: ms as i64, at: at(ms), region: "east" };
            journal.acknowledged.lock().push(entry);
        }
        assert_eq!(journal.longest_gap(at(515), at(900)), Duration::from_millis(300));
        assert_eq!(journal.longest_gap(at(100), at(900)), Duration::from_millis(500));
        assert_eq!(journal.longest_gap(at(840), at(900)), Duration::ZERO);
    }
}
