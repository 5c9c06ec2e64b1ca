//! What the frames of a partition's log say.
//!
//! Every payload begins with the version byte `01`. Numbers are varints unless a size is given;
//! `str` and `bytes` have a length in front; transaction ids are 16 bytes LE, timestamps 8 bytes LE.
//!
//! ```text
//!   1 Txn         txn │ commit_ts │ origin u8 │ ops
//!   2 Stage       txn │ ops
//!   3 Prepare     txn │ prepare_ts │ origin u8 │ n, participants │ ops
//!   4 Decide      txn │ 00 (abort)  or  01 commit_ts
//!   5 Closed      ts
//!   6 EpochStart  cut │ previous_end │ reason str
//!   7 Gate        closed u8 │ reason str │ at_ms
//!   ops           n │ { key bytes │ prev │ 0 (delete)  or  length + 1, row } …
//! ```

use crate::codec::{Reader, put_bytes, put_varint};
pub use crate::op::Op;
use crate::op::{op_size, put_ops, take_ops};
use base::{ClusterId, Error, Lsn, Result, Timestamp, TxnId};
use bytes::Bytes;

pub(crate) const VERSION: u8 = 1;
pub(crate) const STAGE: u8 = 2;

/// One log record. The epoch that wrote it is in its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A transaction committed in this partition alone.
    Txn {
        /// Which transaction.
        txn: TxnId,
        /// When it committed.
        commit_ts: Timestamp,
        /// The cluster whose client wrote it.
        origin: ClusterId,
        /// Its changes, after those of earlier [`Record::Stage`]s.
        ops: Vec<Op>,
    },
    /// An earlier part of a large transaction: the next [`Record::Txn`] or [`Record::Prepare`] of
    /// the same transaction in this log includes these changes first. Alone it means nothing.
    Stage {
        /// Which transaction.
        txn: TxnId,
        /// Its changes so far.
        ops: Vec<Op>,
    },
    /// This partition's part of a transaction over several partitions.
    Prepare {
        /// Which transaction.
        txn: TxnId,
        /// It commits no earlier than this.
        prepare_ts: Timestamp,
        /// The cluster whose client wrote it.
        origin: ClusterId,
        /// All partitions that take part.
        participants: Vec<u16>,
        /// Its changes, after those of earlier [`Record::Stage`]s.
        ops: Vec<Op>,
    },
    /// What became of a prepared transaction.
    Decide {
        /// Which transaction.
        txn: TxnId,
        /// When it committed; `None` if it was aborted.
        commit_ts: Option<Timestamp>,
    },
    /// No later record of this partition commits at or below this time.
    Closed {
        /// The promise.
        ts: Timestamp,
    },
    /// A new writer begins; its epoch is in the frame header.
    EpochStart {
        /// Everything before this record that committed after the cut is not live.
        cut: Timestamp,
        /// Where the log ended that the new writer took over.
        previous_end: Lsn,
        /// Why there is a new writer.
        reason: String,
    },
    /// The database became read-only, or writable again.
    Gate {
        /// True: read-only from here on.
        closed: bool,
        /// Why.
        reason: String,
        /// Wall clock when it happened.
        at_ms: u64,
    },
}

impl Record {
    /// The number that stands for this kind of record in a frame header.
    pub fn kind(&self) -> u8 {
        match self {
            Record::Txn { .. } => 1,
            Record::Stage { .. } => STAGE,
            Record::Prepare { .. } => 3,
            Record::Decide { .. } => 4,
            Record::Closed { .. } => 5,
            Record::EpochStart { .. } => 6,
            Record::Gate { .. } => 7,
        }
    }

    /// The payload of a frame.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(64 + self.ops().iter().map(op_size).sum::<usize>());
        out.push(VERSION);
        match self {
            Record::Txn { txn, commit_ts, origin, ops } => {
                out.extend_from_slice(&txn.0.to_le_bytes());
                out.extend_from_slice(&commit_ts.0.to_le_bytes());
                out.push(origin.0);
                put_ops(&mut out, ops);
            }
            Record::Stage { txn, ops } => {
                out.extend_from_slice(&txn.0.to_le_bytes());
                put_ops(&mut out, ops);
            }
            Record::Prepare { txn, prepare_ts, origin, participants, ops } => {
                out.extend_from_slice(&txn.0.to_le_bytes());
                out.extend_from_slice(&prepare_ts.0.to_le_bytes());
                out.push(origin.0);
                put_varint(&mut out, participants.len() as u64);
                participants.iter().for_each(|p| put_varint(&mut out, u64::from(*p)));
                put_ops(&mut out, ops);
            }
            Record::Decide { txn, commit_ts } => {
                out.extend_from_slice(&txn.0.to_le_bytes());
                out.push(u8::from(commit_ts.is_some()));
                if let Some(ts) = commit_ts {
                    out.extend_from_slice(&ts.0.to_le_bytes());
                }
            }
            Record::Closed { ts } => out.extend_from_slice(&ts.0.to_le_bytes()),
            Record::EpochStart { cut, previous_end, reason } => {
                out.extend_from_slice(&cut.0.to_le_bytes());
                put_varint(&mut out, previous_end.0);
                put_bytes(&mut out, reason.as_bytes());
            }
            Record::Gate { closed, reason, at_ms } => {
                out.push(u8::from(*closed));
                put_bytes(&mut out, reason.as_bytes());
                put_varint(&mut out, *at_ms);
            }
        }
        out.into()
    }

    /// A record from its frame. Keys and rows share the payload's memory.
    pub fn decode(kind: u8, payload: &Bytes) -> Result<Record> {
        let mut r = Reader::new(payload, "log record");
        if r.u8()? != VERSION {
            return Err(r.corrupt("unknown version"));
        }
        let record = match kind {
            1 => Record::Txn {
                txn: TxnId(r.u128()?),
                commit_ts: Timestamp(r.u64()?),
                origin: ClusterId(r.u8()?),
                ops: take_ops(&mut r, payload)?,
            },
            STAGE => Record::Stage { txn: TxnId(r.u128()?), ops: take_ops(&mut r, payload)? },
            3 => Record::Prepare {
                txn: TxnId(r.u128()?),
                prepare_ts: Timestamp(r.u64()?),
                origin: ClusterId(r.u8()?),
                participants: take_participants(&mut r)?,
                ops: take_ops(&mut r, payload)?,
            },
            4 => Record::Decide {
                txn: TxnId(r.u128()?),
                commit_ts: if take_bool(&mut r)? { Some(Timestamp(r.u64()?)) } else { None },
            },
            5 => Record::Closed { ts: Timestamp(r.u64()?) },
            6 => Record::EpochStart {
                cut: Timestamp(r.u64()?),
                previous_end: Lsn(r.varint()?),
                reason: r.str()?.to_owned(),
            },
            7 => Record::Gate {
                closed: take_bool(&mut r)?,
                reason: r.str()?.to_owned(),
                at_ms: r.varint()?,
            },
            _ => {
                return Err(Error::corrupt(format!("log record of unknown kind {kind}"))
                    .hint("it may come from a newer version of Antipode"));
            }
        };
        r.finish()?;
        Ok(record)
    }

    /// The payload of a frame without what stays in its cluster: rows of tables that are not
    /// replicated, and, if it `keeps_rights`, owners, grants and roles. `None` if there is nothing to
    /// leave out. The record keeps its place: what is left of it may be empty.
    ///
    /// # Errors
    /// A payload that is no record.
    pub fn without_local(kind: u8, payload: &Bytes, keeps_rights: bool) -> Result<Option<Bytes>> {
        if !matches!(kind, 1 | STAGE | 3) {
            return Ok(None);
        }
        let stays = |op: &Op| {
            crate::key::storage_of(&op.key).is_local()
                || keeps_rights && crate::access::is_fact_key(&op.key)
        };
        let mut record = Record::decode(kind, payload)?;
        let (Record::Txn { ops, .. } | Record::Stage { ops, .. } | Record::Prepare { ops, .. }) =
            &mut record
        else {
            return Ok(None);
        };
        if !ops.iter().any(stays) {
            return Ok(None);
        }
        ops.retain(|op| !stays(op));
        Ok(Some(record.encode()))
    }

    fn ops(&self) -> &[Op] {
        match self {
            Record::Txn { ops, .. } | Record::Stage { ops, .. } | Record::Prepare { ops, .. } => {
                ops
            }
            _ => &[],
        }
    }
}

fn take_participants(r: &mut Reader<'_>) -> Result<Vec<u16>> {
    let n = r.count(1)?;
    let mut participants = Vec::with_capacity(n);
    for _ in 0..n {
        let p = u16::try_from(r.varint()?).map_err(|_| r.corrupt("no such partition"))?;
        participants.push(p);
    }
    Ok(participants)
}

fn take_bool(r: &mut Reader<'_>) -> Result<bool> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(r.corrupt("a flag is neither 0 nor 1")),
    }
}
