//! A frame: one record with its place in a partition's log, as stored and as sent.
//!
//! # In a segment of the physical log
//! ```text
//!   0  u32 length      header + payload, without padding; never 0
//!   4  u32 header crc  crc32c of seed, length and bytes 8..34
//!   8  u32 payload crc crc32c of the payload
//!  12  u32 log id
//!  16  u64 lsn
//!  24  u64 epoch
//!  32  u8  kind
//!  33  u8  flags
//!  34  payload, then zeros up to a multiple of 8
//! ```
//! All little-endian. The seed is drawn anew whenever a segment file is made or recycled, so that a
//! frame of the file's earlier life never passes for one of its present life. The header has a
//! checksum of its own, so that a damaged length is never believed and a search for frames is cheap.
//!
//! # On a link
//! ```text
//!   0  u8  version 1
//!   1  u32 crc32c of all that follows
//!   5  u32 length of the frames before compression
//!   9  u32 number of frames
//!  13  zstd: frames {varint lsn, varint epoch, u8 kind, varint length, payload}
//! ```

mod batch;

pub use batch::{MAX_BATCH, decode_batch, encode_batch};

use base::{Epoch, LogId, Lsn};
use bytes::Bytes;

/// Bytes before the payload.
pub const HEADER: usize = 34;
/// Frames begin at multiples of this.
pub const ALIGN: usize = 8;
/// The largest payload of one frame.
pub const MAX_PAYLOAD: usize = 256 << 20;
/// Flag: this frame is the first of what was written in one go. All that precedes it in its
/// segment had been synced before it was written.
pub const STARTS_WRITE: u8 = 1;

/// One record in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its position in the partition's log.
    pub lsn: Lsn,
    /// The writer's epoch.
    pub epoch: Epoch,
    /// Which [`crate::Record`] the payload is.
    pub kind: u8,
    /// The encoded record.
    pub payload: Bytes,
}

/// The header of a stored frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Header and payload together, without padding.
    pub length: u32,
    /// Checksum of the payload.
    pub payload_crc: u32,
    /// The partition log it belongs to.
    pub log: LogId,
    /// Its position there.
    pub lsn: Lsn,
    /// The writer's epoch.
    pub epoch: Epoch,
    /// Which record the payload is.
    pub kind: u8,
    /// [`STARTS_WRITE`] or 0.
    pub flags: u8,
}

/// How many bytes a frame takes in a segment, padding included.
pub fn stored_len(payload: usize) -> usize {
    (HEADER + payload).next_multiple_of(ALIGN)
}

/// Appends a frame as stored in a segment. The payload is at most [`MAX_PAYLOAD`] long.
pub fn store(out: &mut Vec<u8>, seed: u32, log: LogId, frame: &Frame, flags: u8) {
    let start = out.len();
    let header = Header {
        length: (HEADER + frame.payload.len()) as u32,
        payload_crc: crc32c::crc32c(&frame.payload),
        log,
        lsn: frame.lsn,
        epoch: frame.epoch,
        kind: frame.kind,
        flags,
    };
    out.reserve(stored_len(frame.payload.len()));
    out.extend_from_slice(&header.to_bytes(seed));
    out.extend_from_slice(&frame.payload);
    out.resize(start + stored_len(frame.payload.len()), 0);
}

impl Header {
    fn to_bytes(self, seed: u32) -> [u8; HEADER] {
        let mut b = [0; HEADER];
        b[0..4].copy_from_slice(&self.length.to_le_bytes());
        b[8..12].copy_from_slice(&self.payload_crc.to_le_bytes());
        b[12..16].copy_from_slice(&self.log.0.to_le_bytes());
        b[16..24].copy_from_slice(&self.lsn.0.to_le_bytes());
        b[24..32].copy_from_slice(&self.epoch.to_u64().to_le_bytes());
        b[32] = self.kind;
        b[33] = self.flags;
        let crc = header_crc(seed, &b);
        b[4..8].copy_from_slice(&crc.to_le_bytes());
        b
    }

    /// Reads the header at the front of `bytes`; `None` if there is none of this seed, whole and
    /// undamaged.
    pub fn read(bytes: &[u8], seed: u32) -> Option<Header> {
        let b: &[u8; HEADER] = bytes.first_chunk()?;
        let u32_at = |at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | (u64::from(u32_at(at + 4)) << 32);
        let length = u32_at(0);
        let plausible = (HEADER..=HEADER + MAX_PAYLOAD).contains(&(length as usize));
        if !plausible || header_crc(seed, b) != u32_at(4) {
            return None;
        }
        Some(Header {
            length,
            payload_crc: u32_at(8),
            log: LogId(u32_at(12)),
            lsn: Lsn(u64_at(16)),
            epoch: Epoch::from_u64(u64_at(24)),
            kind: b[32],
            flags: b[33],
        })
    }

    /// The payload of the frame that begins at the front of `bytes`; `None` if it is damaged or
    /// cut off.
    pub fn payload<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let payload = bytes.get(HEADER..self.length as usize)?;
        (crc32c::crc32c(payload) == self.payload_crc).then_some(payload)
    }

    /// How many bytes the frame takes in its segment, padding included.
    pub fn stored_len(&self) -> usize {
        (self.length as usize).next_multiple_of(ALIGN)
    }

    /// The frame, given its payload.
    pub fn frame(&self, payload: Bytes) -> Frame {
        Frame { lsn: self.lsn, epoch: self.epoch, kind: self.kind, payload }
    }
}

fn header_crc(seed: u32, header: &[u8; HEADER]) -> u32 {
    let crc = crc32c::crc32c_append(seed, &header[0..4]);
    crc32c::crc32c_append(crc, &header[8..HEADER])
}

#[cfg(test)]
mod tests;
