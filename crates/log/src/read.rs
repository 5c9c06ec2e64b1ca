//! Reading frames back.

use crate::index::{Index, Place};
use crate::segment::Segment;
use crate::tail::Tail;
use base::{Error, LogId, Lsn, Result, SqlState};
use bytes::Bytes;
use format::Frame;
use format::frame::Header;
use std::sync::Arc;

/// Frames that are at most this far apart are read together.
const GAP: u32 = 16 << 10;
/// At most this much is read together, unless one frame is larger.
const RUN: u32 = 1 << 20;

/// Frames of one segment that are read with one call.
pub(crate) struct Run {
    segment: Arc<Segment>,
    frames: Vec<(Lsn, Place)>,
}

impl Run {
    fn start(&self) -> u32 {
        self.frames[0].1.offset
    }

    fn takes(&self, place: &Place) -> bool {
        let last = self.frames[self.frames.len() - 1].1;
        place.segment == last.segment
            && place.offset.saturating_sub(last.offset + last.length) <= GAP
            && place.offset + place.length - self.start() <= RUN
    }
}

/// Chooses the durable frames from `from` on, as many as fit in `max_bytes` but at least one.
pub(crate) fn plan(
    index: &Index,
    tail: &Tail,
    id: LogId,
    from: Lsn,
    max_bytes: usize,
) -> Result<Vec<Run>> {
    let stream = index.get(id)?;
    if from < stream.first() && stream.end() != Lsn::ZERO {
        return Err(trimmed(id, from, stream.first()));
    }
    let mut runs: Vec<Run> = Vec::new();
    let mut bytes = 0;
    for lsn in from.0..=stream.durable.0 {
        let Some(place) = stream.place(Lsn(lsn)) else {
            break;
        };
        bytes += place.length as usize;
        if bytes > max_bytes && !runs.is_empty() {
            break;
        }
        match runs.last_mut() {
            Some(run) if run.takes(&place) => run.frames.push((Lsn(lsn), place)),
            _ => {
                let segment = tail.segments.get(&u64::from(place.segment)).cloned();
                let segment = segment.ok_or_else(|| Error::internal("a needed segment is gone"))?;
                runs.push(Run { segment, frames: vec![(Lsn(lsn), place)] });
            }
        }
    }
    Ok(runs)
}

fn trimmed(id: LogId, from: Lsn, first: Lsn) -> Error {
    Error::new(
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("position {from} of partition log {id} was trimmed: it begins at {first}"),
    )
}

/// Reads one run.
pub(crate) fn read(id: LogId, run: &Run, out: &mut Vec<Frame>) -> Result<()> {
    let (segment, start) = (&run.segment, run.start());
    let last = run.frames[run.frames.len() - 1].1;
    let mut bytes = vec![0; (last.offset + last.length - start) as usize];
    segment.file.read_at(&mut bytes, u64::from(start)).map_err(|e| {
        Error::io(format!("reading log segment {} at offset {start}", segment.path.display()), &e)
    })?;
    let bytes = Bytes::from(bytes);
    for (lsn, place) in &run.frames {
        let at = (place.offset - start) as usize;
        let stored = bytes.slice(at..at + place.length as usize);
        let header = Header::read(&stored, segment.seed)
            .filter(|h| h.log == id && h.lsn == *lsn && h.length == place.length);
        let payload = header.as_ref().and_then(|h| h.payload(&stored));
        let (Some(header), Some(payload)) = (header, payload) else {
            return Err(Error::corrupt(format!(
                "log segment {} is corrupt at offset {}: position {lsn} of partition log {id} \
                 does not have its checksum",
                segment.path.display(),
                place.offset
            )));
        };
        out.push(header.frame(stored.slice_ref(payload)));
    }
    Ok(())
}
