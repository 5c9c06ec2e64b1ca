//! How much came in over the last minutes.

use std::collections::VecDeque;
use std::time::Duration;

/// How far back is known.
const REACH: Duration = Duration::from_secs(300);
/// Counts are remembered at least so far apart.
const STEP: Duration = Duration::from_secs(5);

/// Remembers what a counter was at times in the past.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Oldest first; of those that are older than [`REACH`], the newest.
    counts: VecDeque<(Duration, u64)>,
}

impl Meter {
    /// The counter's value now. To be told at least every few seconds while it moves.
    pub fn note(&mut self, now: Duration, count: u64) {
        if self.counts.back().is_none_or(|(at, _)| now.saturating_sub(*at) >= STEP) {
            self.push(now, count);
        }
    }

    /// The same for the last time before it stands still for longer.
    pub fn settle(&mut self, now: Duration, count: u64) {
        if self.counts.back().is_none_or(|(_, last)| *last != count) {
            self.push(now, count);
        }
    }

    fn push(&mut self, now: Duration, count: u64) {
        self.counts.push_back((now, count));
        while self.counts.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= REACH) {
            self.counts.pop_front();
        }
    }

    /// How much the counter has grown in a second, on average over a time up to now, or since it is
    /// known.
    pub fn rate(&self, now: Duration, over: Duration, count: u64) -> u64 {
        let start = now.saturating_sub(over);
        let before = self.counts.iter().rev().find(|(at, _)| *at <= start);
        let Some((at, then)) = before.or(self.counts.front()) else { return 0 };
        let span = now.saturating_sub(start.max(*at)).as_millis();
        let grown = u128::from(count.saturating_sub(*then)) * 1_000;
        u64::try_from(grown.checked_div(span).unwrap_or(0)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_rate_is_over_its_own_time_and_forgets_what_is_older() {
        let mut meter = Meter::default();
        assert_eq!(meter.rate(at(1), MINUTE, 500), 0, "nothing is known");
        // 100 bytes in each second for two minutes, then nothing.
        for s in 0..=120 {
            meter.note(at(s), s * 100);
        }
        assert_eq!(meter.rate(at(120), MINUTE, 12_000), 100);
        assert_eq!(meter.rate(at(120), 5 * MINUTE, 12_000), 100, "since it is known");
        assert_eq!(meter.rate(at(150), MINUTE, 12_000), 50, "half of the minute");
        assert_eq!(meter.rate(at(180), MINUTE, 12_000), 0);
        assert_eq!(meter.rate(at(300), 5 * MINUTE, 12_000), 40);
        meter.note(at(900), 12_000);
        assert_eq!(meter.rate(at(900), 5 * MINUTE, 12_000), 0);
        assert!(meter.counts.len() <= 2, "{meter:?}");
    }

    #[test]
    fn what_came_last_before_a_silence_is_not_counted_after_it() {
        let mut meter = Meter::default();
        meter.note(at(0), 0);
        meter.note(at(1), 700);
        meter.settle(at(2), 700);
        assert_eq!(meter.rate(at(10), MINUTE, 700), 70);
        assert_eq!(meter.rate(at(70), MINUTE, 700), 0);
        meter.settle(at(80), 700);
        assert_eq!(meter.counts.len(), 2, "nothing has moved");
    }

    #[test]
    fn memory_is_bounded_however_often_it_is_told() {
        let mut meter = Meter::default();
        for ms in 0..1_000_000 {
            meter.note(Duration::from_millis(ms * 10), ms);
        }
        assert!(meter.counts.len() <= 62, "{}", meter.counts.len());
    }
}
