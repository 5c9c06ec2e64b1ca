//! What of a database has a living copy in another region, as its standbys tell: what a commit
//! waits for that wants one (`commit_wait = remote`), and what a limit of lag looks at.
//!
//! ```text
//!   ──────── covered ─────────│─ oldest uncovered commit ── … ── newest commit ──▶ time
//!     a standby could be      │◀──────────── lag ─────────────────────────────▶ now
//!     promoted with all of it │
//! ```
//!
//! A standby covers a commit once its *replicated time* has reached it, not when it has the
//! record: a promotion takes the replicated time as its cut. What was covered once stays so.
//! Nothing of this survives a restart: the lag counts from the first commit after it.

use crate::database::Database;
use crate::engine::Engine;
use base::{Result, Timestamp};
use env::Env;
use meta::{Command, HistoryRow, MaxLag};
use parking_lot::Mutex;
use std::time::Duration;
use tokio::sync::Notify;

/// How often a writer that is held back looks again, if nobody wakes it.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How much of its newest history a database may have without a living copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LagLimit {
    /// The oldest commit without a copy may be so old.
    pub max: Duration,
    /// New writers wait while it is older; otherwise they are only told.
    pub blocks: bool,
}

impl LagLimit {
    pub(crate) fn of(limit: meta::MaxLag) -> LagLimit {
        LagLimit { max: Duration::from_millis(limit.ms), blocks: limit.blocks }
    }
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct Cover {
    facts: Mutex<Facts>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Facts {
    covered: Timestamp,
    newest: Timestamp,
    oldest_uncovered: Option<Timestamp>,
    limit: Option<LagLimit>,
    /// What was last told about the limit: `true` if it is exceeded.
    told: bool,
    waiting: usize,
}

impl Facts {
    fn committed(&mut self, ts: Timestamp) {
        self.newest = self.newest.max(ts);
        if ts > self.covered {
            let oldest = self.oldest_uncovered.unwrap_or(ts);
            self.oldest_uncovered = Some(oldest.min(ts));
        }
    }

    /// True if something changed.
    fn replicated(&mut self, time: Timestamp) -> bool {
        if time <= self.covered {
            return false;
        }
        self.covered = time;
        // Which commit is the next one is not known, only that it is later than what is covered.
        let next = self.oldest_uncovered.map(|oldest| oldest.max(time));
        self.oldest_uncovered = next.filter(|_| self.newest > time);
        true
    }

    fn lag(&self, now: Timestamp) -> Duration {
        let since = self.oldest_uncovered.map_or(now, |oldest| oldest.min(now));
        Duration::from_millis(now.ms() - since.ms())
    }

    fn exceeded(&self, now: Timestamp) -> Option<(LagLimit, Duration)> {
        let (limit, lag) = (self.limit?, self.lag(now));
        (lag > limit.max).then_some((limit, lag))
    }
}

impl Cover {
    /// Notes a commit.
    pub(crate) fn committed(&self, ts: Timestamp) {
        self.facts.lock().committed(ts);
    }

    /// Notes that a standby has everything up to here, durably.
    pub fn replicated(&self, time: Timestamp) {
        if self.facts.lock().replicated(time) {
            self.changed.notify_waiters();
        }
    }

    /// How old the oldest commit without a copy is; zero if every commit has one.
    pub fn lag(&self, now: Timestamp) -> Duration {
        self.facts.lock().lag(now)
    }

    /// The limit of the lag, if one is set.
    pub fn limit(&self) -> Option<LagLimit> {
        self.facts.lock().limit
    }

    /// Sets or removes the limit.
    pub(crate) fn set_limit(&self, limit: Option<LagLimit>) {
        self.facts.lock().limit = limit;
        self.changed.notify_waiters();
    }

    /// The limit and the lag, if the lag is above it.
    pub fn exceeded(&self, now: Timestamp) -> Option<(LagLimit, Duration)> {
        self.facts.lock().exceeded(now)
    }

    /// The same, if that is news since this was asked last; `Some(None)`: it is within again.
    #[expect(clippy::option_option, reason = "no news is not the same as good news")]
    pub(crate) fn news(&self, now: Timestamp) -> Option<Option<(LagLimit, Duration)>> {
        let mut facts = self.facts.lock();
        let exceeded = facts.exceeded(now);
        if facts.told == exceeded.is_some() {
            return None;
        }
        facts.told = exceeded.is_some();
        Some(exceeded)
    }

    /// True while somebody waits for a standby: what it has to hear should go at once.
    pub fn is_awaited(&self) -> bool {
        self.facts.lock().waiting > 0
    }

    /// Waits until a standby covers a commit, for as long as it takes.
    pub async fn covered(&self, ts: Timestamp) {
        let _waiting = Waiting::new(self);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.facts.lock().covered >= ts {
                return;
            }
            changed.await;
        }
    }

    /// Holds a new writer back while the lag is above a limit that blocks, for as long as it takes.
    pub(crate) async fn hold_back(&self, env: &Env, now: impl Fn() -> Timestamp) {
        while self.exceeded(now()).is_some_and(|(limit, _)| limit.blocks) {
            let changed = self.changed.notified();
            tokio::select! {
                biased;
                () = changed => {}
                () = env.sleep(LOOK_EVERY) => {}
            }
        }
    }
}

impl Engine {
    /// Sets or removes the limit of a database's lag. Another cluster's limit is its own.
    ///
    /// # Errors
    /// If there is no such database.
    pub fn set_lag_limit(&self, name: &str, limit: Option<LagLimit>, by: &str) -> Result<()> {
        let database = self.database(name)?;
        let ms = |l: LagLimit| u64::try_from(l.max.as_millis()).unwrap_or(u64::MAX);
        let record = limit.map(|l| MaxLag { ms: ms(l), blocks: l.blocks });
        let (id, at_ms) = (database.id(), self.env.clock.now_ms());
        let by = Some(by.to_owned());
        self.meta.apply(Command::SetMaxLag { database: id, limit: record, at_ms, by })?;
        database.cover.set_limit(limit);
        Ok(())
    }

    /// Notes in the history when the lag goes above its limit, and when it is within it again.
    pub(crate) fn tell_lag(&self, database: &Database) -> Result<()> {
        let Some(news) = database.cover.news(self.oracle.now()) else { return Ok(()) };
        let (kind, detail) = match news {
            Some((limit, lag)) => {
                let then = if limit.blocks { "new writers wait" } else { "writers are warned" };
                let (lag, max) = (lag.as_millis(), limit.max.as_millis());
                ("lag exceeded", format!("{lag} ms, more than {max} ms: {then}"))
            }
            None => ("lag kept", "within its limit again".to_owned()),
        };
        let row = HistoryRow::new(self.env.clock.now_ms(), database.name(), kind, detail);
        self.meta.apply(Command::History(row)).map(drop)
    }

    /// How many standbys a database has that were not given up.
    pub fn standbys(&self, name: &str) -> usize {
        let live = |r: meta::Database| r.slots.values().filter(|s| s.dropped.is_none()).count();
        self.record(name).map_or(0, live)
    }
}

/// Somebody who waits.
struct Waiting<'a>(&'a Cover);

impl<'a> Waiting<'a> {
    fn new(cover: &'a Cover) -> Waiting<'a> {
        cover.facts.lock().waiting += 1;
        Waiting(cover)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.facts.lock().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_lag_is_the_age_of_the_oldest_commit_without_a_copy() {
        let cover = Cover::default();
        assert_eq!(cover.lag(at(9_000)), ms(0), "nothing was committed");
        cover.committed(at(10_000));
        cover.committed(at(12_000));
        assert_eq!(cover.lag(at(13_000)), ms(3_000));
        cover.replicated(at(11_000));
        assert_eq!(cover.lag(at(13_000)), ms(2_000), "the second one is later than 11 s");
        cover.replicated(at(12_000));
        assert_eq!(cover.lag(at(99_000)), ms(0), "idle, however long ago");
        cover.replicated(at(5_000));
        cover.committed(at(12_000));
        assert_eq!(cover.lag(at(99_000)), ms(0), "what was covered stays so");
    }

    #[test]
    fn a_limit_is_exceeded_and_kept_again_once_each() {
        let cover = Cover::default();
        cover.set_limit(Some(LagLimit { max: ms(1_000), blocks: true }));
        cover.committed(at(1_000));
        assert_eq!(cover.news(at(2_000)), None, "exactly the limit is within it");
        let exceeded = cover.exceeded(at(2_001)).expect("it is above");
        assert_eq!(exceeded.1, ms(1_001));
        assert_eq!(cover.news(at(2_001)), Some(Some(exceeded)));
        assert_eq!(cover.news(at(2_002)), None);
        cover.replicated(at(1_000));
        assert_eq!(cover.news(at(2_003)), Some(None));
        assert_eq!(cover.news(at(2_004)), None);
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_the_standby_that_covers_the_commit() {
        let cover = Cover::default();
        assert!(!cover.is_awaited());
        let wait = cover.covered(at(50));
        tokio::pin!(wait);
        assert!(futures::poll!(wait.as_mut()).is_pending());
        assert!(cover.is_awaited());
        cover.replicated(at(49));
        assert!(futures::poll!(wait.as_mut()).is_pending());
        cover.replicated(at(50));
        assert!(futures::poll!(wait.as_mut()).is_ready());
    }
}
