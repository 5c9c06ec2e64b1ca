//! Where each frame of each partition log is. Pure: no I/O, no locks.

use base::{Epoch, EpochHistory, Error, LogId, Lsn, Result, SqlState};
use format::Frame;
use std::collections::{BTreeMap, VecDeque};

/// Where a frame is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Segment number.
    pub(crate) segment: u32,
    /// Offset in its file.
    pub(crate) offset: u32,
    /// Header and payload, without padding.
    pub(crate) length: u32,
}

/// One partition's log: a dense run of places.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Position of the first place; the next position if there are none; `None` before the first
    /// frame ever, which may have any position.
    first: Option<Lsn>,
    places: VecDeque<Place>,
    history: EpochHistory,
    /// Set when the end was cut: what is appended next must be of a later epoch than this, because
    /// on disk the old frames are still there.
    above: Option<Epoch>,
    /// All up to here is safe.
    pub(crate) durable: Lsn,
    /// Where the log was cut since it was opened, oldest first.
    cuts: Vec<Lsn>,
}

impl Default for Stream {
    fn default() -> Stream {
        Stream {
            first: None,
            places: VecDeque::new(),
            history: EpochHistory::default(),
            above: None,
            durable: Lsn::ZERO,
            cuts: Vec::new(),
        }
    }
}

fn refused(message: String) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
}

impl Stream {
    /// The last position, [`Lsn::ZERO`] before the first frame.
    pub(crate) fn end(&self) -> Lsn {
        self.first.map_or(Lsn::ZERO, |first| Lsn(first.0 + self.places.len() as u64 - 1))
    }

    /// The first position still there; the next one if there are none.
    pub(crate) fn first(&self) -> Lsn {
        self.first.unwrap_or(Lsn(1))
    }

    /// Without frames, goes on at `next`.
    pub(crate) fn start_at(&mut self, next: Lsn) {
        if self.places.is_empty() && self.first.is_none_or(|first| first < next) && next > Lsn::ZERO
        {
            self.first = Some(next);
            self.durable = Lsn(next.0 - 1);
        }
    }

    /// The segment that holds the first frame still there.
    pub(crate) fn oldest_segment(&self) -> Option<u64> {
        self.places.front().map(|p| u64::from(p.segment))
    }

    /// The epochs of the frames still there.
    pub(crate) fn history(&self) -> EpochHistory {
        if self.places.is_empty() {
            return EpochHistory::default();
        }
        let first = self.first();
        let epochs = &self.history.0;
        let covering = epochs.iter().rposition(|(_, lsn)| *lsn <= first).unwrap_or(0);
        let clamp = |(epoch, lsn): &(Epoch, Lsn)| (*epoch, (*lsn).max(first));
        EpochHistory(epochs[covering..].iter().map(clamp).collect())
    }

    /// Whether a frame may come next. If its position is taken, it must be of a later epoch.
    pub(crate) fn check(&self, lsn: Lsn, epoch: Epoch) -> Result<()> {
        let end = self.end();
        if self.first.is_some() && lsn > end.next() {
            return Err(refused(format!("log position {lsn} does not follow {end}")));
        }
        if lsn == Lsn::ZERO {
            return Err(refused("log positions begin with 1".into()));
        }
        let taken = lsn <= end;
        if let Some(last) =
            self.history.last().filter(|last| epoch < *last || (taken && epoch == *last))
        {
            return Err(refused(format!(
                "position {lsn} of epoch {epoch} comes too late: the log is in epoch {last} at {end}"
            )));
        }
        if let Some(above) = self.above.filter(|above| epoch <= *above) {
            return Err(refused(format!(
                "position {lsn} of epoch {epoch} can not supersede frames of epoch {above}"
            )));
        }
        Ok(())
    }

    /// Whether all of these may come next, in this order.
    pub(crate) fn check_all(&self, frames: &[Frame]) -> Result<()> {
        let Some(first) = frames.first() else {
            return Ok(());
        };
        self.check(first.lsn, first.epoch)?;
        for pair in frames.windows(2) {
            if pair[1].lsn != pair[0].lsn.next() || pair[1].epoch < pair[0].epoch {
                return Err(refused(format!(
                    "log position {} of epoch {} does not follow {} of epoch {}",
                    pair[1].lsn, pair[1].epoch, pair[0].lsn, pair[0].epoch
                )));
            }
        }
        Ok(())
    }

    /// Adds a frame that [`Stream::check`] allowed; drops what it supersedes.
    pub(crate) fn push(&mut self, lsn: Lsn, epoch: Epoch, place: Place) {
        if lsn <= self.end() {
            self.cut(Lsn(lsn.0 - 1));
        }
        self.above = None;
        if self.first.is_none() {
            self.first = Some(lsn);
            self.durable = Lsn(lsn.0 - 1);
        }
        self.history.note(epoch, lsn);
        self.places.push_back(place);
    }

    /// Forgets all above `end`.
    pub(crate) fn cut(&mut self, end: Lsn) {
        let Some(first) = self.first.filter(|_| end < self.end()) else {
            return;
        };
        self.above = self.above.max(self.history.last());
        self.cuts.push(end);
        if end.next() < first {
            self.first = Some(end.next());
        }
        self.places.truncate((end.0 + 1).saturating_sub(first.0) as usize);
        self.history.truncate_after(end);
        self.durable = self.durable.min(end);
    }

    /// How often the log was cut since it was opened.
    pub(crate) fn cuts(&self) -> usize {
        self.cuts.len()
    }

    /// Notes that all up to `lsn` is safe, as it was when the log had been cut `cuts` times: what
    /// was cut off meanwhile does not count.
    pub(crate) fn synced(&mut self, lsn: Lsn, cuts: usize) {
        let still = self.cuts.iter().skip(cuts).min().map_or(lsn, |cut| lsn.min(*cut));
        self.durable = self.durable.max(still);
    }

    /// Notes that all is safe.
    pub(crate) fn all_synced(&mut self) {
        self.durable = self.end();
    }

    /// Forgets all below `keep_from`.
    pub(crate) fn trim(&mut self, keep_from: Lsn) {
        let Some(first) = self.first else {
            return;
        };
        // Only what is safe can have become superfluous.
        let keep_from = keep_from.min(self.durable.next());
        let gone = (keep_from.0.saturating_sub(first.0) as usize).min(self.places.len());
        self.places.drain(..gone);
        if self.places.capacity() > 4 * self.places.len().max(1 << 10) {
            self.places.shrink_to(2 * self.places.len());
        }
        self.first = Some(Lsn(first.0 + gone as u64));
    }

    /// Bytes of the frames still there from one position up to, and without, another.
    pub(crate) fn bytes_between(&self, from: Lsn, to: Lsn) -> u64 {
        let at = |lsn: Lsn| (lsn.0.saturating_sub(self.first().0) as usize).min(self.places.len());
        let (from, to) = (at(from), at(to));
        self.places.range(from.min(to)..to).map(|place| u64::from(place.length)).sum()
    }

    /// The place of a frame still there.
    pub(crate) fn place(&self, lsn: Lsn) -> Option<Place> {
        let first = self.first?;
        self.places.get(usize::try_from(lsn.0.checked_sub(first.0)?).ok()?).copied()
    }
}

/// All partition logs.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) streams: BTreeMap<LogId, Stream>,
}

impl Index {
    /// Bytes that it takes.
    pub(crate) fn memory_size(&self) -> usize {
        self.streams.values().map(|s| s.places.capacity() * size_of::<Place>()).sum()
    }

    /// The log, which must be registered.
    pub(crate) fn get(&self, id: LogId) -> Result<&Stream> {
        self.streams.get(&id).ok_or_else(|| unknown(id))
    }

    /// The log, which must be registered.
    pub(crate) fn get_mut(&mut self, id: LogId) -> Result<&mut Stream> {
        self.streams.get_mut(&id).ok_or_else(|| unknown(id))
    }

    /// Adds a frame found on disk.
    pub(crate) fn replay(&mut self, id: LogId, lsn: Lsn, epoch: Epoch, place: Place) -> Result<()> {
        let stream = self.streams.entry(id).or_default();
        stream.check(lsn, epoch)?;
        stream.push(lsn, epoch, place);
        Ok(())
    }

    /// No segment before this one is needed by any log.
    pub(crate) fn oldest_segment(&self) -> Option<u64> {
        self.streams.values().filter_map(Stream::oldest_segment).min()
    }
}

fn unknown(id: LogId) -> Error {
    Error::internal(format!("partition log {id} is not registered"))
}

#[cfg(test)]
mod tests;
