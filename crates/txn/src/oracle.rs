//! The timestamp oracle of a one-node cluster: an atomic that never goes back.

use base::Timestamp;
use env::Env;
use std::sync::atomic::{AtomicU64, Ordering};

/// Gives increasing timestamps near the wall clock.
#[derive(Debug)]
pub struct Oracle {
    env: Env,
    last: AtomicU64,
}

impl Oracle {
    /// Starts above `floor`.
    pub fn new(env: Env, floor: Timestamp) -> Oracle {
        Oracle { env, last: AtomicU64::new(floor.0) }
    }

    /// A timestamp at or above every one given or noted before; the present.
    pub fn now(&self) -> Timestamp {
        let clock = Timestamp::from_ms(self.env.clock.now_ms()).0;
        Timestamp(self.last.fetch_max(clock, Ordering::SeqCst).max(clock))
    }

    /// A timestamp above every one given or noted before.
    pub fn next(&self) -> Timestamp {
        self.now();
        Timestamp(self.last.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Reserves `n` timestamps and returns the first.
    pub fn reserve(&self, n: u64) -> Timestamp {
        self.now();
        Timestamp(self.last.fetch_add(n, Ordering::SeqCst) + 1)
    }

    /// Notes a timestamp given elsewhere.
    pub fn advance(&self, ts: Timestamp) {
        // MAX stands for "no cut" and must not end time.
        if ts < Timestamp::MAX {
            self.last.fetch_max(ts.0, Ordering::SeqCst);
        }
    }
}
