//! How much of a database's log and chunks a target is sent, and when: nothing while its replica is
//! paused, so much in a second if there is a limit, everything during a planned handover.
//!
//! ```text
//!   streams of all partitions ─┐
//!                              ├─ may it be sent? ── Budget ──▶ the target
//!   pieces of a base ──────────┘         ▲
//!                           terms, from the metadata
//! ```
//! Whoever has sent something pays for it: the next one waits until that is paid off. So the first
//! batch never waits, and over time no more is sent than the limit allows.

use super::Replication;
use base::{DatabaseId, Error, Result, SqlState, Timestamp};
use env::Env;
use meta::{Database as Record, HandoverSide, Wanted};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The most that is sent at once.
const PIECE_BYTES: u64 = 256 << 10;
/// The least, whatever the limit.
const PIECE_BYTES_MIN: u64 = 4 << 10;
/// How often somebody who may not send looks again.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What holds for a target now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// It is sent nothing.
    pub held: bool,
    /// Bytes in a second.
    pub limit: Option<u64>,
}

impl Terms {
    /// Those of the target that owns a slot.
    pub fn of(record: &Record, slot: &str) -> Terms {
        let replica = record.replicas.values().find(|r| r.slot().as_deref() == Some(slot));
        let cluster = record.slots.get(slot).map(|s| s.target_cluster);
        let giving = record.handover.as_ref().is_some_and(|h| {
            matches!(h.side, HandoverSide::Giving { .. }) && Some(h.peer) == cluster
        });
        if giving {
            // Nobody can write, and everything there is has to arrive.
            return Terms::default();
        }
        let limit = replica.and_then(|r| r.options.bytes_per_second);
        Terms {
            held: replica.is_some_and(|r| r.wanted == Wanted::Paused),
            limit: limit.or(record.bytes_per_second),
        }
    }

    /// How much is to be sent at once: some eighth of a second's worth.
    pub fn piece(&self) -> usize {
        let piece = self.limit.map_or(PIECE_BYTES, |n| (n / 8).clamp(PIECE_BYTES_MIN, PIECE_BYTES));
        usize::try_from(piece).unwrap_or(usize::MAX)
    }
}

/// What the target that owns a slot is to show: see [`Acked::show`](crate::peer::Acked::show).
pub(super) fn shown(record: Option<&Record>, slot: &str) -> Timestamp {
    let replica = record
        .and_then(|record| record.replicas.values().find(|r| r.slot().as_deref() == Some(slot)));
    match replica {
        // The smallest there is: what it shows already.
        Some(r) if r.options.frequency_ms > 0 => r.last_cut().unwrap_or(Timestamp(1)),
        _ => Timestamp::ZERO,
    }
}

/// When the next bytes may be sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    paid_off: Duration,
}

impl Budget {
    /// How long to wait before anything may be sent; zero without a limit.
    pub fn wait(&self, now: Duration, limit: Option<u64>) -> Duration {
        limit.map_or(Duration::ZERO, |_| self.paid_off.saturating_sub(now))
    }

    /// So much has been sent.
    pub fn pay(&mut self, now: Duration, bytes: u64, limit: Option<u64>) {
        let Some(limit) = limit.filter(|n| *n > 0) else {
            self.paid_off = now;
            return;
        };
        let micros = u128::from(bytes) * 1_000_000 / u128::from(limit);
        let took = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        self.paid_off = self.paid_off.max(now) + took;
    }
}

/// What goes to one target, over all of its partitions.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    budget: Mutex<Budget>,
    sent: AtomicU64,
    forced: AtomicBool,
}

impl Flow {
    /// Bytes sent since this process started.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Lets a paused target have everything for now, or no more.
    pub(crate) fn force(&self, forced: bool) {
        self.forced.store(forced, Ordering::Relaxed);
    }

    pub(crate) fn is_forced(&self) -> bool {
        self.forced.load(Ordering::Relaxed)
    }

    /// How long to wait; `None` while nothing may be sent.
    pub(super) fn wait(&self, env: &Env, terms: Terms) -> Option<Duration> {
        if terms.held && !self.is_forced() {
            return None;
        }
        Some(self.budget.lock().wait(env.clock.monotonic(), terms.limit))
    }

    pub(super) fn pay(&self, env: &Env, bytes: usize, terms: Terms) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        self.budget.lock().pay(env.clock.monotonic(), bytes as u64, terms.limit);
    }
}

impl Replication {
    /// What goes to the target that owns a slot.
    pub(crate) fn flow(&self, id: DatabaseId, slot: &str) -> Arc<Flow> {
        self.flows.lock().entry((id, slot.to_owned())).or_default().clone()
    }

    pub(super) fn terms(&self, id: DatabaseId, slot: &str) -> Terms {
        let of = |record: &Record| Terms::of(record, slot);
        self.engine.meta.read(|s| s.databases.get(&id).map(of).unwrap_or_default())
    }

    /// Waits until a piece of a base may be sent; tells how much at most.
    ///
    /// # Errors
    /// 55000 while the replica is paused: a target that copies tries again by itself.
    pub(super) async fn await_flow(&self, id: DatabaseId, slot: &str) -> Result<usize> {
        let flow = self.flow(id, slot);
        loop {
            let terms = self.terms(id, slot);
            match flow.wait(&self.engine.env, terms) {
                Some(Duration::ZERO) => return Ok(terms.piece()),
                Some(wait) => self.engine.env.sleep(wait.min(LOOK_EVERY)).await,
                None => {
                    let message = "the replica is paused at its source";
                    return Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
                        .hint("ALTER REPLICA … RESUME there lets the copy go on"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
