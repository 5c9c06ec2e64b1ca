//! One row's change, as log records hold it.

use crate::codec::{Reader, put_bytes, put_varint};
use base::{Result, Timestamp};
use bytes::Bytes;

/// One row's change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// Storage key.
    pub key: Bytes,
    /// Commit timestamp of the version this one replaces; [`Timestamp::ZERO`] for an insert.
    pub prev: Timestamp,
    /// The new row; `None` deletes.
    pub row: Option<Bytes>,
}

/// At most this many bytes are needed for an op.
pub(crate) fn op_size(op: &Op) -> usize {
    20 + op.key.len() + op.row.as_ref().map_or(0, Bytes::len)
}

pub(crate) fn put_ops(out: &mut Vec<u8>, ops: &[Op]) {
    put_varint(out, ops.len() as u64);
    for op in ops {
        put_bytes(out, &op.key);
        put_varint(out, op.prev.0);
        match &op.row {
            None => out.push(0),
            Some(row) => {
                put_varint(out, row.len() as u64 + 1);
                out.extend_from_slice(row);
            }
        }
    }
}

pub(crate) fn take_ops(r: &mut Reader<'_>, payload: &Bytes) -> Result<Vec<Op>> {
    let n = r.count(3)?;
    let mut ops = Vec::with_capacity(n);
    for _ in 0..n {
        let key = payload.slice_ref(r.bytes()?);
        let prev = Timestamp(r.varint()?);
        let row = match r.varint()? {
            0 => None,
            n => Some(payload.slice_ref(r.take(usize::try_from(n - 1).unwrap_or(usize::MAX))?)),
        };
        ops.push(Op { key, prev, row });
    }
    Ok(ops)
}
