//! Which keys are written while somebody looks at older versions without the partition's mutex: who
//! compares a large read set with the present does most of that beside the commits that go on, and
//! under the mutex only looks at what came meanwhile. Nothing is noted while nobody looks.

use crate::changes::Changes;
use crate::reads::ReadSet;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Where each one who looks began.
    from: BTreeMap<u64, u64>,
    next: u64,
    /// Keys written since the earliest of them, the first one's number and all of them.
    first: u64,
    keys: VecDeque<Bytes>,
}

impl Watch {
    /// Somebody begins to look.
    pub fn begin(&mut self) -> u64 {
        self.next += 1;
        self.from.insert(self.next, self.first + self.keys.len() as u64);
        self.next
    }

    /// Notes a write.
    pub fn note(&mut self, changes: &Changes) {
        if !self.from.is_empty() {
            self.keys.extend(changes.shared_keys());
        }
    }

    /// True if something of `reads` was written since `who` began.
    pub fn touched(&self, who: u64, reads: &ReadSet) -> bool {
        let Some(from) = self.from.get(&who) else { return true };
        let skip = (from - self.first) as usize;
        self.keys.range(skip..).any(|key| reads.contains(key))
    }

    /// Ends a look.
    pub fn end(&mut self, who: u64) {
        self.from.remove(&who);
        let keep = self.from.values().min().copied().unwrap_or(u64::MAX);
        let gone = keep.saturating_sub(self.first).min(self.keys.len() as u64);
        self.keys.drain(..gone as usize);
        self.first += gone;
    }
}

#[cfg(test)]
mod tests;
