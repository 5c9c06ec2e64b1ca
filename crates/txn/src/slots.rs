//! Slots are bounded: a dead target never fills the disk. What is given up stays visible, with the
//! reason.

use crate::database::Database;
use crate::engine::Engine;
use base::Result;
use meta::{Command, Slot};
use std::sync::Arc;
use std::time::Duration;

impl Engine {
    /// Gives up the slots of targets that were away for too long, visibly. Time in which nobody could
    /// have reached this node does not count.
    pub(crate) fn drop_old_slots(&self, database: &Arc<Database>) -> Result<()> {
        let Some(age) = self.settings.slot_age_max else { return Ok(()) };
        let (now, limit) = (self.env.clock.now_ms(), age.as_millis() as u64);
        let old = |slot: &Slot| now.saturating_sub(slot.last_seen_ms.max(self.opened_ms)) > limit;
        let found: Vec<(String, u64)> = self.meta.read(|s| {
            let slots = s.databases.get(&database.id()).into_iter().flat_map(|d| &d.slots);
            let slots = slots.filter(|(_, slot)| slot.dropped.is_none() && old(slot));
            slots.map(|(name, slot)| (name.clone(), slot.last_seen_ms)).collect()
        });
        for (name, seen_ms) in found {
            let away = Duration::from_millis(now.saturating_sub(seen_ms)).as_secs();
            let reason = format!(
                "its target was away for {away} s, more than slot-retention allows; when it is back \
                 its contents are compared"
            );
            let (database, reason) = (database.id(), Some(reason));
            self.meta.apply(Command::DropSlot { database, name, reason, at_ms: now })?;
        }
        Ok(())
    }

    /// Gives up the slots that hold back the most, visibly.
    pub(crate) fn drop_slots(&self, database: &Arc<Database>, size: u64) -> Result<()> {
        let record = self.record(database.name())?;
        for (name, slot) in record.slots.iter().filter(|(_, s)| s.dropped.is_none()) {
            let reason = format!(
                "the log reached {size} bytes, more than slot-limit; {} last reported at {} ms",
                slot.target_name, slot.last_seen_ms
            );
            self.meta.apply(Command::DropSlot {
                database: record.id,
                name: name.clone(),
                reason: Some(reason),
                at_ms: self.env.clock.now_ms(),
            })?;
        }
        Ok(())
    }
}
