//! The growing end of the physical log: where the next frame goes, and what waits to be written.
//! Pure but for the file handles it carries.

use crate::index::Place;
use crate::scan::{END, MARK, mark};
use crate::segment::{HEADER, Segment};
use base::{LogId, Lsn};
use format::Frame;
use format::frame::{self, STARTS_WRITE, stored_len};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Bytes for one file, to be written with one call and synced.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) segment: Arc<Segment>,
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
    /// What is safe once this is: the last position of each log, and its count of cuts then.
    pub(crate) covers: BTreeMap<LogId, (Lsn, usize)>,
}

/// The end of the physical log.
#[derive(Debug)]
pub(crate) struct Tail {
    /// All segments: the needed ones, the current one, and the spares behind it.
    pub(crate) segments: BTreeMap<u64, Arc<Segment>>,
    current: u64,
    at: u64,
    pending: VecDeque<Write>,
    /// Bytes pending or being written.
    pub(crate) queued: usize,
    /// Size of a usual segment.
    usual: u64,
    /// A write ends when it has so many bytes.
    write_bytes: usize,
}

impl Tail {
    /// Goes on in segment `current` at offset `at`.
    pub(crate) fn new(
        segments: BTreeMap<u64, Arc<Segment>>,
        current: u64,
        at: u64,
        usual: u64,
        write_bytes: usize,
    ) -> Tail {
        Tail { segments, current, at, pending: VecDeque::new(), queued: 0, usual, write_bytes }
    }

    /// The number of the segment that is being filled.
    pub(crate) fn current(&self) -> u64 {
        self.current
    }

    /// How many segments are ready behind the current one, in which a small request finds room
    /// whatever is in the others. Smaller ones are from a time with other settings.
    pub(crate) fn spares(&self) -> usize {
        let behind = self.segments.range(self.current + 1..);
        behind.filter(|(_, segment)| segment.capacity >= self.usual).count()
    }

    /// Free bytes of the current segment and each spare, in order.
    fn free(&self) -> impl Iterator<Item = u64> + '_ {
        self.segments.range(self.current..).map(|(number, segment)| {
            let at = if *number == self.current { self.at } else { HEADER };
            segment.capacity.saturating_sub(at)
        })
    }

    /// Whether frames of these stored sizes fit in what has been made ahead.
    pub(crate) fn fits(&self, sizes: impl Iterator<Item = usize>) -> bool {
        let mut ahead = self.free();
        let mut left = ahead.next().unwrap_or(0);
        for size in sizes {
            while left < size as u64 {
                match ahead.next() {
                    Some(next) => left = next,
                    None => return false,
                }
            }
            left -= size as u64;
        }
        true
    }

    /// The largest request for which [`Tail::room`] counts.
    pub(crate) fn small(&self) -> u64 {
        self.usual / 4
    }

    /// What nobody is admitted into: for the log's own needs and for small records of the system.
    pub(crate) fn margin(&self) -> u64 {
        self.usual / 16
    }

    /// How many bytes of small requests fit for sure, whatever is lost at the ends of segments.
    pub(crate) fn room(&self) -> u64 {
        let whole: u64 = self.free().map(|free| free.saturating_sub(self.small() + 64)).sum();
        whole.saturating_sub(self.margin())
    }

    /// How many bytes of large requests fit for sure: what the last spare takes.
    pub(crate) fn large_room(&self) -> u64 {
        let last = self.free().skip(1).last();
        last.map_or(0, |free| free.saturating_sub(self.margin() + 64))
    }

    /// Adds a frame; [`Tail::fits`] must have been asked.
    pub(crate) fn put(&mut self, id: LogId, frame: &Frame, cuts: usize) -> Place {
        let size = stored_len(frame.payload.len()) as u64;
        while self.left() < size {
            self.leave();
        }
        let place = Place {
            segment: self.current as u32,
            offset: self.at as u32,
            length: (frame::HEADER + frame.payload.len()) as u32,
        };
        self.store(id, frame);
        if let Some(write) = self.pending.back_mut() {
            write.covers.insert(id, (frame.lsn, cuts));
        }
        place
    }

    /// Adds a mark to the current segment, if there is room for it.
    pub(crate) fn put_mark(&mut self, kind: u8) {
        if self.left() >= stored_len(0) as u64 {
            self.store(MARK, &mark(kind));
        }
    }

    fn left(&self) -> u64 {
        self.segments.get(&self.current).map_or(0, |s| s.capacity.saturating_sub(self.at))
    }

    fn leave(&mut self) {
        self.put_mark(END);
        self.current += 1;
        self.at = HEADER;
        assert!(self.segments.contains_key(&self.current), "a frame was put that does not fit");
    }

    fn store(&mut self, id: LogId, frame: &Frame) {
        let segment = &self.segments[&self.current];
        let (current, most) = (self.current, self.write_bytes);
        let ended = |w: &Write| w.segment.number != current || w.bytes.len() >= most;
        if self.pending.back().is_none_or(ended) {
            self.pending.push_back(Write {
                segment: segment.clone(),
                offset: self.at,
                bytes: Vec::new(),
                covers: BTreeMap::new(),
            });
        }
        let Some(write) = self.pending.back_mut() else {
            return;
        };
        let flags = if write.bytes.is_empty() { STARTS_WRITE } else { 0 };
        let before = write.bytes.len();
        frame::store(&mut write.bytes, segment.seed, id, frame, flags);
        let size = write.bytes.len() - before;
        self.at += size as u64;
        self.queued += size;
    }

    /// Takes the next write. Writes must be carried out and synced one after the other.
    pub(crate) fn take(&mut self) -> Option<Write> {
        self.pending.pop_front()
    }

    /// True if nothing waits for the writer.
    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }
}
