//! Finds the frames of one segment, and judges where they end.

use base::{Epoch, LogId, Lsn};
use bytes::Bytes;
use format::Frame;
use format::frame::{ALIGN, HEADER, Header, STARTS_WRITE};

/// The log id of marks that belong to no partition.
pub(crate) const MARK: LogId = LogId(u32::MAX);
/// The kind of the mark behind which a segment is left.
pub(crate) const END: u8 = 1;
/// The kind of the mark that a clean shutdown leaves: all before it was safe.
pub(crate) const CLEAN: u8 = 2;

/// A mark, ready to be stored.
pub(crate) fn mark(kind: u8) -> Frame {
    let epoch = Epoch::from_u64(0);
    Frame { lsn: Lsn::ZERO, epoch, kind, payload: Bytes::new() }
}

/// How the frames of a segment end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By an end mark, or because no frame fits any more.
    Left,
    /// At `at` there is no valid frame.
    Open {
        /// The offset.
        at: usize,
        /// A later frame proves that what stood here had been safe.
        proof: Option<usize>,
        /// Up to here there are leftovers of an unfinished write.
        leftovers: Option<usize>,
    },
}

/// Calls `found` for each frame from `start` on; its error ends the scan.
pub(crate) fn frames<E>(
    bytes: &[u8],
    start: usize,
    seed: u32,
    mut found: impl FnMut(usize, Header) -> Result<(), E>,
) -> Result<End, E> {
    let mut at = start;
    loop {
        let rest = bytes.get(at..).unwrap_or(&[]);
        if rest.len() < HEADER {
            return Ok(End::Left);
        }
        let Some(header) = Header::read(rest, seed).filter(|h| h.payload(rest).is_some()) else {
            return Ok(beyond(bytes, at, seed));
        };
        if header.log == MARK && header.kind == END {
            return Ok(End::Left);
        }
        found(at, header)?;
        at += header.stored_len();
    }
}

/// Looks for anything of the segment's present life behind the first bad place.
fn beyond(bytes: &[u8], at: usize, seed: u32) -> End {
    let (mut proof, mut leftovers) = (None, None);
    let mut next = at + ALIGN;
    while let Some(rest) = bytes.get(next..).filter(|rest| rest.len() >= HEADER) {
        if next.is_multiple_of(ZEROS.len()) && rest.starts_with(&ZEROS) {
            // No frame begins with zeros. Most of a new segment is passed in such steps.
            next += ZEROS.len();
            continue;
        }
        let Some(header) = Header::read(rest, seed) else {
            next += ALIGN;
            continue;
        };
        if header.flags & STARTS_WRITE != 0 {
            proof = Some(next);
            break;
        }
        leftovers = leftovers.max(Some((next + header.stored_len()).min(bytes.len())));
        next += ALIGN;
    }
    End::Open { at, proof, leftovers }
}

const ZEROS: [u8; 4096] = [0; 4096];
