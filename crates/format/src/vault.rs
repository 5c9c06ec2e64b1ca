//! The vault's parts: what one transaction had written in one partition when a rewind took it out,
//! readable as SQL rows and precise enough to apply again.

use crate::envelope;
use base::{ClusterId, Epoch, Error, Lsn, Result, Timestamp, TxnId};
use bytes::Bytes;
use prost::Message;

const MAGIC: [u8; 4] = *b"APVP";
const VERSION: u8 = 1;

/// One diverged transaction's part in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DivergedPart {
    /// Which transaction.
    pub txn: TxnId,
    /// In which partition.
    pub partition: u16,
    /// The epoch that wrote it.
    pub epoch: Epoch,
    /// Where it stood in the log.
    pub lsn: Lsn,
    /// When it committed (or was prepared, if it is not `decided`).
    pub commit_ts: Timestamp,
    /// The cluster whose client wrote it.
    pub origin: ClusterId,
    /// False if some of its changes are not here.
    pub complete: bool,
    /// False if it was prepared but its outcome is not known.
    pub decided: bool,
    /// Its changes.
    pub rows: Vec<DivergedRow>,
    /// Its record in the log was gone: it is what two copies differed in, and `txn` only stands for
    /// what was committed at `commit_ts`. Changes that were changed again since are not in it.
    pub by_content: bool,
}

/// One row's change in a diverged transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DivergedRow {
    /// The table's name at that time.
    pub table: String,
    /// The primary key as JSON.
    pub key: String,
    /// The row before as JSON; `None` if there was none.
    pub old: Option<String>,
    /// The row after as JSON; `None` if it was deleted.
    pub new: Option<String>,
    /// The storage key.
    pub raw_key: Bytes,
    /// The row before, as stored.
    pub raw_old: Option<Bytes>,
    /// The row after, as stored.
    pub raw_new: Option<Bytes>,
}

impl DivergedPart {
    /// Its bytes, with magic, version and checksum.
    pub fn encode(&self) -> Bytes {
        envelope::seal(MAGIC, VERSION, &PartProto::from(self).encode_to_vec())
    }

    /// A part from its bytes.
    pub fn decode(bytes: &[u8]) -> Result<DivergedPart> {
        let (_, payload) = envelope::open(MAGIC, VERSION, "vault part", bytes)?;
        PartProto::decode(payload)
            .map_err(|e| Error::corrupt(format!("corrupt vault part: {e}")))?
            .into_part()
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct PartProto {
    #[prost(bytes = "vec", tag = "1")]
    txn: Vec<u8>,
    #[prost(uint32, tag = "2")]
    partition: u32,
    #[prost(fixed64, tag = "3")]
    epoch: u64,
    #[prost(uint64, tag = "4")]
    lsn: u64,
    #[prost(uint64, tag = "5")]
    commit_ts: u64,
    #[prost(uint32, tag = "6")]
    origin: u32,
    #[prost(bool, tag = "7")]
    complete: bool,
    #[prost(bool, tag = "8")]
    decided: bool,
    #[prost(message, repeated, tag = "9")]
    rows: Vec<RowProto>,
    #[prost(bool, tag = "10")]
    by_content: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RowProto {
    #[prost(string, tag = "1")]
    table: String,
    #[prost(string, tag = "2")]
    key: String,
    #[prost(string, optional, tag = "3")]
    old: Option<String>,
    #[prost(string, optional, tag = "4")]
    new: Option<String>,
    #[prost(bytes = "bytes", tag = "5")]
    raw_key: Bytes,
    #[prost(bytes = "bytes", optional, tag = "6")]
    raw_old: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "7")]
    raw_new: Option<Bytes>,
}

impl From<&DivergedPart> for PartProto {
    fn from(p: &DivergedPart) -> PartProto {
        PartProto {
            txn: p.txn.0.to_le_bytes().to_vec(),
            partition: p.partition.into(),
            epoch: p.epoch.to_u64(),
            lsn: p.lsn.0,
            commit_ts: p.commit_ts.0,
            origin: p.origin.0.into(),
            complete: p.complete,
            decided: p.decided,
            rows: p.rows.iter().map(RowProto::from).collect(),
            by_content: p.by_content,
        }
    }
}

impl From<&DivergedRow> for RowProto {
    fn from(r: &DivergedRow) -> RowProto {
        RowProto {
            table: r.table.clone(),
            key: r.key.clone(),
            old: r.old.clone(),
            new: r.new.clone(),
            raw_key: r.raw_key.clone(),
            raw_old: r.raw_old.clone(),
            raw_new: r.raw_new.clone(),
        }
    }
}

impl PartProto {
    fn into_part(self) -> Result<DivergedPart> {
        let bad = |what: &str| Error::corrupt(format!("corrupt vault part: {what}"));
        let txn = self.txn.as_slice().try_into().map_err(|_| bad("no such transaction id"))?;
        Ok(DivergedPart {
            txn: TxnId(u128::from_le_bytes(txn)),
            partition: self.partition.try_into().map_err(|_| bad("no such partition"))?,
            epoch: Epoch::from_u64(self.epoch),
            lsn: Lsn(self.lsn),
            commit_ts: Timestamp(self.commit_ts),
            origin: ClusterId(self.origin.try_into().map_err(|_| bad("no such cluster"))?),
            complete: self.complete,
            decided: self.decided,
            rows: self.rows.into_iter().map(RowProto::into_row).collect(),
            by_content: self.by_content,
        })
    }
}

impl RowProto {
    fn into_row(self) -> DivergedRow {
        DivergedRow {
            table: self.table,
            key: self.key,
            old: self.old,
            new: self.new,
            raw_key: self.raw_key,
            raw_old: self.raw_old,
            raw_new: self.raw_new,
        }
    }
}
