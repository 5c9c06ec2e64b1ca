//! [`Record::Stage`](crate::Record::Stage) straight from and to blocks.

use crate::block::Block;
use crate::codec::{Reader, put_varint};
use crate::op::{Op, op_size, put_ops};
use crate::record::{STAGE, VERSION};
use base::{Result, TxnId};
use bytes::Bytes;

/// The kind of `Stage` in a frame.
pub fn kind() -> u8 {
    STAGE
}

/// The payload of a `Stage`.
pub fn of_ops(txn: TxnId, ops: &[Op]) -> Bytes {
    let mut out = Vec::with_capacity(32 + ops.iter().map(op_size).sum::<usize>());
    put_stage(&mut out, txn);
    put_ops(&mut out, ops);
    out.into()
}

/// The payloads of the `Stage`s that hold blocks, each of about so many bytes.
pub fn of_blocks(txn: TxnId, blocks: &[Block], bytes: usize) -> Vec<Bytes> {
    let mut payloads = Vec::new();
    let (mut pieces, mut count, mut size) = (Vec::new(), 0, 0);
    for block in blocks {
        let mut from = 0;
        while from < block.rows() {
            let (until, piece) = block.piece(from, bytes - size);
            count += until - from;
            size += piece.len();
            from = until;
            pieces.push(piece);
            if size >= bytes {
                payloads.push(of_pieces(txn, count, &pieces, size));
                pieces.clear();
                (count, size) = (0, 0);
            }
        }
    }
    if count > 0 {
        payloads.push(of_pieces(txn, count, &pieces, size));
    }
    payloads
}

fn of_pieces(txn: TxnId, count: usize, pieces: &[&[u8]], size: usize) -> Bytes {
    let mut out = Vec::with_capacity(32 + size);
    put_stage(&mut out, txn);
    put_varint(&mut out, count as u64);
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
    out.into()
}

fn put_stage(out: &mut Vec<u8>, txn: TxnId) {
    out.push(VERSION);
    out.extend_from_slice(&txn.0.to_le_bytes());
}

/// The rows of a `Stage` as a block in the payload's memory; `None` if it is another
/// record, or holds anything but new rows in ascending order.
pub fn new_rows(kind: u8, payload: &Bytes) -> Result<Option<(TxnId, Block)>> {
    if kind != STAGE {
        return Ok(None);
    }
    let mut r = Reader::new(payload, "log record");
    if r.u8()? != VERSION {
        return Err(r.corrupt("unknown version"));
    }
    let txn = TxnId(r.u128()?);
    let Some(block) = Block::of_ops(&mut r, payload)? else { return Ok(None) };
    r.finish()?;
    Ok(Some((txn, block)))
}
