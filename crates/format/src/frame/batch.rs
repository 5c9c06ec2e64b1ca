//! Batches of frames as they travel on links: compressed once, checked once.

use super::{Frame, HEADER, MAX_PAYLOAD};
use crate::codec::{Reader, put_bytes, put_varint};
use base::{Epoch, Error, Lsn, Result};
use bytes::Bytes;
use std::io::Read;

/// The largest batch before compression: one frame of the largest size always fits.
pub const MAX_BATCH: usize = MAX_PAYLOAD + (16 << 20);

const VERSION: u8 = 1;
const PREFIX: usize = 13;
/// No frame takes less than this before compression.
const SMALLEST: usize = 4;

/// Packs frames for a link. Keep what goes in below [`MAX_BATCH`] bytes (by reading the log with a
/// bound), else the other side refuses it.
pub fn encode_batch(frames: &[Frame]) -> Bytes {
    let payloads: usize = frames.iter().map(|f| f.payload.len() + HEADER).sum();
    let mut raw = Vec::with_capacity(payloads);
    for frame in frames {
        put_varint(&mut raw, frame.lsn.0);
        put_varint(&mut raw, frame.epoch.to_u64());
        raw.push(frame.kind);
        put_bytes(&mut raw, &frame.payload);
    }
    let mut out = Vec::with_capacity(PREFIX + zstd::zstd_safe::compress_bound(raw.len()));
    out.extend_from_slice(&[VERSION, 0, 0, 0, 0]);
    out.extend_from_slice(&(raw.len() as u32).to_le_bytes());
    out.extend_from_slice(&(frames.len() as u32).to_le_bytes());
    let packed = zstd::bulk::compress(&raw, 1).expect("compressing in memory has no way to fail");
    out.extend_from_slice(&packed);
    let crc = crc32c::crc32c(&out[5..]);
    out[1..5].copy_from_slice(&crc.to_le_bytes());
    out.into()
}

/// Unpacks what [`encode_batch`] packed; refuses anything else.
pub fn decode_batch(bytes: &[u8]) -> Result<Vec<Frame>> {
    let corrupt = |why: &str| Error::corrupt(format!("corrupt batch of log frames: {why}"));
    let mut head = Reader::new(bytes, "batch of log frames");
    let version = head.u8()?;
    if version != VERSION {
        return Err(corrupt(&format!("version {version} is not known here")));
    }
    let mut number = || -> Result<u32> { Ok(u32::from_le_bytes(head.array()?)) };
    let (crc, length, count) = (number()?, number()? as usize, number()? as usize);
    if crc32c::crc32c(&bytes[5..]) != crc {
        return Err(corrupt("wrong checksum"));
    }
    if length > MAX_BATCH || count > length / SMALLEST {
        return Err(corrupt("impossible size"));
    }
    let raw = decompress(&bytes[PREFIX..], length)
        .filter(|raw| raw.len() == length)
        .ok_or_else(|| corrupt("cannot be decompressed to the size it states"))?;
    let raw = Bytes::from(raw);
    let mut reader = Reader::new(&raw, "batch of log frames");
    let mut frames = Vec::with_capacity(count.min(4096));
    for _ in 0..count {
        let lsn = Lsn(reader.varint()?);
        let epoch = Epoch::from_u64(reader.varint()?);
        let kind = reader.u8()?;
        let payload = raw.slice_ref(reader.bytes()?);
        frames.push(Frame { lsn, epoch, kind, payload });
    }
    reader.finish()?;
    Ok(frames)
}

/// Grows with what really comes out, never by what the sender claims; one byte too many is enough
/// to know that the claim is wrong.
fn decompress(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut raw = Vec::with_capacity(length.min(packed.len().saturating_mul(8)));
    let decoder = zstd::stream::read::Decoder::with_buffer(packed).ok()?;
    decoder.take(length as u64 + 1).read_to_end(&mut raw).ok()?;
    Some(raw)
}
