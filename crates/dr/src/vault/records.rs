//! The records of the vault's files: see the picture at [`crate::vault`].

use base::{Error, Result, TxnId};
use std::path::Path;

pub(super) const HEADER: usize = 9;
pub(super) const PART: u8 = 1;
/// Added to the kind of the first record of a write.
pub(super) const FIRST: u8 = 128;
pub(super) const VOID: u8 = 2;
pub(super) const SETTLED: u8 = 3;

/// Appends a record.
pub(super) fn put(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&checksum(kind, body).to_le_bytes());
    out.push(kind);
    out.extend_from_slice(body);
}

/// The body of a record that takes a part out.
pub(super) fn void(txn: TxnId, partition: u16) -> Vec<u8> {
    let mut body = txn.0.to_le_bytes().to_vec();
    body.extend_from_slice(&partition.to_le_bytes());
    body
}

fn checksum(kind: u8, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[kind]), body)
}

/// The record at the front of some bytes.
fn first(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    let len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let crc = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let body = rest.get(..len)?;
    (checksum(header[8], body) == crc).then_some((header[8], body))
}

/// Visits all good records; returns where they end. A bad one that had been safe is an error: one
/// behind which a later write begins.
pub(super) fn scan(
    bytes: &[u8],
    path: &Path,
    mut visit: impl FnMut(u8, u64, &[u8]) -> Result<()>,
) -> Result<usize> {
    let mut at = 0;
    while let Some((kind, body)) = first(&bytes[at..]) {
        visit(kind & !FIRST, (at + HEADER) as u64, body)?;
        at += HEADER + body.len();
    }
    // Lengths are not to be trusted behind a bad record: look at every offset for a later write.
    let begins = |(kind, _): (u8, &[u8])| (FIRST | PART..=FIRST | SETTLED).contains(&kind);
    let damaged = (at + 1..bytes.len()).any(|i| first(&bytes[i..]).is_some_and(begins));
    if damaged {
        return Err(Error::corrupt(format!(
            "vault {}: damaged record at offset {at}, and good ones after it",
            path.display()
        )));
    }
    Ok(at)
}
