//! Databases that are promoted together. On a standby none of them may write to chunks what is newer
//! than what all of them have: the cut of a promotion would be below it then.
//!
//! ```text
//!   a ───────────────────────────────│ received
//!   b ────────────────│ received
//!                     └─ hold: chunks of a and b end here, and the cut would be here
//! ```
//!
//! What is above stays in memory. When there is no room left for it the hold is let go: the group can
//! be promoted at one cut again once the one behind has come on.

use crate::database::Database;
use crate::engine::Engine;
use base::Timestamp;
use meta::DatabaseState;
use std::sync::atomic::Ordering;

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

    /// Moves the hold of a standby on.
    pub(crate) fn hold_group(&self, database: &Database) {
        if database.state() != DatabaseState::Standby {
            return database.let_go();
        }
        let group =
            self.meta.read(|s| s.databases.get(&database.id()).and_then(|d| d.group.clone()));
        let Some(group) = group else { return database.let_go() };
        if self.room.delta_bytes() > self.room.delta_limit() {
            return database.let_go();
        }
        let all = self.group(&group).into_iter().filter_map(|d| self.database(&d.name).ok());
        let standbys = all.filter(|d| d.state() == DatabaseState::Standby);
        let newest = standbys.map(|d| d.durable_time()).min().unwrap_or(Timestamp::MAX);
        database.hold.store(newest.0, Ordering::Relaxed);
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

    fn let_go(&self) {
        self.hold.store(u64::MAX, Ordering::Relaxed);
    }
}
