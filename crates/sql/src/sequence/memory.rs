//! What a session remembers of sequences: what `currval` and `lastval` tell.

use base::TableId;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// The last values a session got.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Values>);

#[derive(Debug, Default)]
struct Values {
    current: BTreeMap<TableId, i64>,
    last: Option<TableId>,
}

impl Memory {
    /// The session got a value.
    pub fn note(&self, id: TableId, value: i64) {
        let mut values = self.0.lock();
        values.current.insert(id, value);
        values.last = Some(id);
    }

    /// The session has set a value; that does not count as the last one it got.
    pub fn set(&self, id: TableId, value: i64) {
        self.0.lock().current.insert(id, value);
    }

    /// The last value it got of a sequence.
    pub fn current(&self, id: TableId) -> Option<i64> {
        self.0.lock().current.get(&id).copied()
    }

    /// The last value it got at all, and of which sequence.
    pub fn last(&self) -> Option<(TableId, i64)> {
        let values = self.0.lock();
        let id = values.last?;
        Some((id, *values.current.get(&id)?))
    }

    /// Forgets everything (`DISCARD SEQUENCES`).
    pub fn forget(&self) {
        *self.0.lock() = Values::default();
    }
}
