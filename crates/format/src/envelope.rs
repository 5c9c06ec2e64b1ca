//! The wrapping of slow families: `magic (4) │ version (1) │ crc32c (4, LE) │ payload`. The
//! checksum covers version and payload.

use base::{Error, Result};
use bytes::Bytes;

const HEADER: usize = 9;

/// Wraps a payload.
pub fn seal(magic: [u8; 4], version: u8, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(HEADER + payload.len());
    out.extend_from_slice(&magic);
    out.push(version);
    out.extend_from_slice(&checksum(version, payload).to_le_bytes());
    out.extend_from_slice(payload);
    out.into()
}

/// Checks the wrapping and gives the payload. Versions above `newest` were written by a newer
/// program and are refused with a message that says so.
pub fn open<'a>(
    magic: [u8; 4],
    newest: u8,
    what: &'static str,
    bytes: &'a [u8],
) -> Result<(u8, &'a [u8])> {
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(Error::corrupt(format!("corrupt {what}: it ends too early")));
    };
    if header[..4] != magic {
        return Err(Error::corrupt(format!("corrupt {what}: it does not begin like one")));
    }
    let version = header[4];
    let crc = u32::from_le_bytes([header[5], header[6], header[7], header[8]]);
    if crc != checksum(version, payload) {
        return Err(Error::corrupt(format!("corrupt {what}: its checksum is wrong")));
    }
    if version == 0 || version > newest {
        return Err(Error::corrupt(format!(
            "{what} has format version {version}, this program reads up to {newest}"
        ))
        .hint("it was written by a newer version of Antipode: use that one"));
    }
    Ok((version, payload))
}

fn checksum(version: u8, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[version]), payload)
}
