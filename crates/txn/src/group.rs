//! Databases that are promoted together. On a standby none of them may write to chunks what is newer
//! than what all of them have: the cut of a promotion would be below it then.
//!
//! ```text
//!   a ───────────────────────────────│ received
//!   b ────────────────│ received
//!                     └─ hold: chunks of a and b end here, and the cut would be here
//! ```
//!
//! What is above stays in memory. If that is half of the room, the one ahead receives nothing more until
//! the one behind comes on. Should there be no room left all the same, and the one behind not come on for
//! [`PATIENCE`], the hold is let go: the group can be promoted at one cut again once it has.
//!
//! A database that is copied, or comes back, holds back nobody meanwhile: it takes on the role of a
//! standby only when it has come to where it can be promoted together with those that are standbys.

use crate::database::Database;
use crate::engine::Engine;
use base::Timestamp;
use meta::DatabaseState;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long a hold that does not move on may fill the room.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the one ahead looks for the one behind.
const LOOK: Duration = Duration::from_millis(100);

impl Engine {
    /// The databases of a group that have this role here, by name.
    pub fn group(&self, name: &str) -> Vec<meta::Database> {
        let of = |d: &&meta::Database| d.group.as_deref() == Some(name);
        let mut found: Vec<meta::Database> =
            self.meta.read(|s| s.databases.values().filter(of).cloned().collect());
        found.retain(|d| d.state != DatabaseState::Dropping);
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// The standbys of a database's group, with itself if it is one; none without a group.
    fn standbys_with(&self, database: &Database) -> Option<Vec<Arc<Database>>> {
        let group = self.meta.read(|s| s.databases.get(&database.id())?.group.clone())?;
        let all = self.group(&group).into_iter().filter_map(|d| self.database(&d.name).ok());
        Some(all.filter(|d| d.state() == DatabaseState::Standby).collect())
    }

    /// Moves the hold of a standby on.
    pub(crate) fn hold_group(&self, database: &Database) {
        if database.state() != DatabaseState::Standby {
            return database.let_go();
        }
        let Some(standbys) = self.standbys_with(database) else { return database.let_go() };
        let newest = standbys.iter().map(|d| d.durable_time()).min().unwrap_or(Timestamp::MAX);
        let full = self.room.delta_bytes() > self.room.delta_limit();
        if database.stays_at(newest, self.env.clock.monotonic()) && full {
            return database.let_go();
        }
        database.hold.store(newest.0, Ordering::Relaxed);
    }

    /// Waits while a database that follows is ahead of its group, and what it cannot write down for
    /// that takes half of the room.
    pub async fn wait_for_group(&self, database: &Database) {
        let bytes = || database.local_partitions().iter().map(|p| p.delta_bytes()).sum::<usize>();
        while self.is_ahead(database) && bytes() > self.room.delta_limit() / 2 {
            self.env.sleep(LOOK).await;
        }
    }

    fn is_ahead(&self, database: &Database) -> bool {
        match database.state() {
            DatabaseState::Standby => {
                let held = database.held_at();
                held < Timestamp::MAX && database.durable_time() > held
            }
            DatabaseState::Rewinding { .. } => {
                let (from, others) = (database.consistent_from(), self.others_with(database));
                others.1 < from && database.durable_time() >= from.max(others.0)
            }
            _ => false,
        }
    }

    /// From when on the other standbys of a database's group are consistent, and up to when all of them
    /// have everything.
    fn others_with(&self, database: &Database) -> (Timestamp, Timestamp) {
        let standbys = self.standbys_with(database).unwrap_or_default();
        let others = standbys.iter().filter(|d| d.id() != database.id());
        let stretches = others.map(|d| (d.consistent_from(), d.durable_time()));
        stretches.fold((Timestamp::ZERO, Timestamp::MAX), |(from, upto), one| {
            (from.max(one.0), upto.min(one.1))
        })
    }

    /// True if a database could be promoted at one cut with the standbys of its group, were it
    /// consistent from one time on and had everything up to another one.
    pub fn joins_group(&self, database: &Database, (from, upto): (Timestamp, Timestamp)) -> bool {
        let others = self.others_with(database);
        upto.min(others.1) >= from.max(others.0)
    }
}

impl Database {
    /// What may be written to chunks ends here, for the sake of its group.
    pub fn held_at(&self) -> Timestamp {
        Timestamp(self.hold.load(Ordering::Relaxed))
    }

    /// Up to where it could be promoted together with its group, and nothing of it can be lost.
    pub fn promotable_time(&self) -> Timestamp {
        self.durable_time().min(self.held_at())
    }

    /// Notes where the hold is; true if it has been there for long.
    fn stays_at(&self, newest: Timestamp, now: Duration) -> bool {
        let mut seen = self.held.lock();
        match *seen {
            (at, since) if at == newest => now.saturating_sub(since) >= PATIENCE,
            _ => {
                *seen = (newest, now);
                false
            }
        }
    }

    fn let_go(&self) {
        self.hold.store(u64::MAX, Ordering::Relaxed);
    }
}
