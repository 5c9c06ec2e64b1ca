//! Sequences. A descriptor is a row of [`StorageId::CATALOG`], as a table's is. Where the sequence
//! stands is a row of [`StorageId::SEQUENCES`]: `(1 sequence id, 2 generation, 3 last, 4 called,
//! 5 reserved, 6 epoch)`, with the first two as its key. Both lie in partition 0.

use crate::catalog::{COLUMN_BLOB, blob, catalog_row};
use crate::envelope;
use crate::key;
use crate::layout::{ColumnLayout, TypeProto};
use base::{
    Epoch, Error, Identity, Result, Row, SequenceDescriptor, SequenceOwner, SqlType, StorageId,
    TableId, Value,
};
use bytes::Bytes;
use prost::Message;

const MAGIC: [u8; 4] = *b"APSQ";
const VERSION: u8 = 1;

/// Where a sequence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceState {
    /// The last value that was reserved, or the first to come if none was.
    pub last: i64,
    /// True if `last` was reserved.
    pub called: bool,
    /// How many values were reserved together with `last`.
    pub reserved: u64,
    /// The promotion epoch in which it was reserved. A later primary may lack what was reserved
    /// after this.
    pub epoch: Epoch,
}

/// The columns of [`StorageId::SEQUENCES`].
pub fn layout() -> Vec<ColumnLayout> {
    [
        (1, SqlType::BigInt),
        (2, SqlType::BigInt),
        (3, SqlType::BigInt),
        (4, SqlType::Bool),
        (5, SqlType::BigInt),
        (6, SqlType::BigInt),
    ]
    .map(|(id, ty)| ColumnLayout { id, ty, missing: Value::Null })
    .to_vec()
}

/// The key of a sequence's state.
pub fn state_key(sequence: TableId, generation: u32) -> Bytes {
    let values = [i64::from(sequence.0), i64::from(generation)].map(Value::Int);
    key::encode(StorageId::SEQUENCES, &values.each_ref())
}

impl SequenceState {
    /// As a row.
    pub fn encode(&self, sequence: TableId, generation: u32) -> Row {
        vec![
            (1, Value::Int(i64::from(sequence.0))),
            (2, Value::Int(i64::from(generation))),
            (3, Value::Int(self.last)),
            (4, Value::Bool(self.called)),
            (5, Value::Int(self.reserved as i64)),
            (6, Value::Int(self.epoch.to_u64() as i64)),
        ]
    }

    /// From its row.
    pub fn decode(row: &Row) -> Result<SequenceState> {
        let int = |id| match row.iter().find(|(i, _)| *i == id) {
            Some((_, Value::Int(v))) => Some(*v),
            _ => None,
        };
        let called = row.iter().find(|(i, _)| *i == 4).map(|(_, v)| v);
        match (int(3), called, int(5), int(6)) {
            (Some(last), Some(Value::Bool(called)), Some(reserved), Some(epoch)) => {
                let (reserved, epoch) = (reserved as u64, Epoch::from_u64(epoch as u64));
                Ok(SequenceState { last, called: *called, reserved, epoch })
            }
            _ => Err(Error::corrupt("corrupt sequence: where it stands is not there")),
        }
    }
}

/// True if a row of [`StorageId::CATALOG`] is about a sequence.
pub fn is_descriptor(row: &Row) -> bool {
    row.iter().any(|(id, value)| {
        *id == COLUMN_BLOB && matches!(value, Value::Bytes(b) if b.starts_with(&MAGIC))
    })
}

/// A descriptor as a row.
pub fn encode(s: &SequenceDescriptor) -> Row {
    let sealed = envelope::seal(MAGIC, VERSION, &SequenceProto::from(s).encode_to_vec());
    catalog_row(s.id.0.into(), &format!("{}.{}", s.schema, s.name), sealed)
}

/// A descriptor from its row.
pub fn decode(row: &Row) -> Result<SequenceDescriptor> {
    let payload = blob(row, MAGIC, "sequence descriptor")?;
    SequenceProto::decode(payload)
        .map_err(|e| Error::corrupt(format!("corrupt sequence descriptor: {e}")))?
        .into_sequence()
}

#[derive(Clone, PartialEq, prost::Message)]
struct SequenceProto {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(string, tag = "2")]
    schema: String,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(message, optional, tag = "4")]
    ty: Option<TypeProto>,
    #[prost(sint64, tag = "5")]
    start: i64,
    #[prost(sint64, tag = "6")]
    increment: i64,
    #[prost(sint64, tag = "7")]
    min: i64,
    #[prost(sint64, tag = "8")]
    max: i64,
    #[prost(sint64, tag = "9")]
    cache: i64,
    #[prost(bool, tag = "10")]
    cycle: bool,
    #[prost(message, optional, tag = "11")]
    owner: Option<OwnerProto>,
    #[prost(uint32, tag = "12")]
    generation: u32,
    #[prost(uint32, tag = "13")]
    version: u32,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct OwnerProto {
    #[prost(uint32, tag = "1")]
    table: u32,
    #[prost(uint32, tag = "2")]
    column: u32,
    /// 0 none, 1 always, 2 by default
    #[prost(uint32, tag = "3")]
    identity: u32,
}

impl From<&SequenceDescriptor> for SequenceProto {
    fn from(s: &SequenceDescriptor) -> SequenceProto {
        let owner = s.owner.map(|o| OwnerProto {
            table: o.table.0,
            column: o.column,
            identity: match o.identity {
                None => 0,
                Some(Identity::Always) => 1,
                Some(Identity::ByDefault) => 2,
            },
        });
        SequenceProto {
            id: s.id.0,
            schema: s.schema.clone(),
            name: s.name.clone(),
            ty: Some(s.ty.into()),
            start: s.start,
            increment: s.increment,
            min: s.min,
            max: s.max,
            cache: s.cache,
            cycle: s.cycle,
            owner,
            generation: s.generation,
            version: s.version,
        }
    }
}

impl SequenceProto {
    fn into_sequence(self) -> Result<SequenceDescriptor> {
        if self.increment == 0 {
            return Err(Error::corrupt("corrupt sequence descriptor: it does not advance"));
        }
        Ok(SequenceDescriptor {
            id: TableId(self.id),
            schema: self.schema,
            name: self.name,
            ty: self.ty.unwrap_or_default().decode()?,
            start: self.start,
            increment: self.increment,
            min: self.min,
            max: self.max,
            cache: self.cache,
            cycle: self.cycle,
            owner: self.owner.map(OwnerProto::into_owner).transpose()?,
            generation: self.generation,
            version: self.version,
        })
    }
}

impl OwnerProto {
    fn into_owner(self) -> Result<SequenceOwner> {
        let identity = match self.identity {
            0 => None,
            1 => Some(Identity::Always),
            2 => Some(Identity::ByDefault),
            other => {
                return Err(Error::corrupt(format!("unknown kind of identity column {other}"))
                    .hint("it may come from a newer version of Antipode"));
            }
        };
        Ok(SequenceOwner { table: TableId(self.table), column: self.column, identity })
    }
}
