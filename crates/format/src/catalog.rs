//! Table descriptors as rows of [`StorageId::CATALOG`]: `(1 table id, 2 name, 3 descriptor)`. The
//! name is there for people who look at chunks with other tools; what counts is the descriptor.
//! Descriptors of sequences lie between them: see [`crate::sequence`]. Rows with negative ids are
//! about owners, grants and roles: see [`crate::access`].
//! The row with table id 0 holds the [`Counters`].

mod indexes;

use crate::envelope;
use crate::key;
use crate::layout::{ColumnLayout, TypeProto};
use crate::row;
use base::{
    Column, Error, IndexDescriptor, Result, Row, SqlType, StorageId, TableDescriptor, TableId,
    Value,
};
use bytes::Bytes;
use indexes::IndexProto;
use prost::Message;

const DESCRIPTOR_MAGIC: [u8; 4] = *b"APTD";
const COUNTERS_MAGIC: [u8; 4] = *b"APCC";
const VERSION: u8 = 1;
/// Descriptors of tables with indexes: a program that does not know these must not write rows.
const WITH_INDEXES: u8 = 2;
/// Descriptors of tables that are not replicated: a program that does not know of such would send
/// their rows.
const LOCAL: u8 = 3;
/// Counters of a database in which replicated tables are chosen.
const WITH_CHOICE: u8 = 2;
pub(crate) const COLUMN_ID: u32 = 1;
const COLUMN_NAME: u32 = 2;
pub(crate) const COLUMN_BLOB: u32 = 3;

/// The columns of [`StorageId::CATALOG`].
pub fn layout() -> Vec<ColumnLayout> {
    [(COLUMN_ID, SqlType::BigInt), (COLUMN_NAME, SqlType::Text), (COLUMN_BLOB, SqlType::Bytea)]
        .map(|(id, ty)| ColumnLayout { id, ty, missing: Value::Null })
        .to_vec()
}

/// The key of a table's descriptor.
pub fn key(table: TableId) -> Bytes {
    key::encode(StorageId::CATALOG, &[&Value::Int(i64::from(table.0))])
}

/// The key of the [`Counters`]: that of table 0, which no table has.
pub fn counters_key() -> Bytes {
    key(TableId(0))
}

/// True if a row of [`StorageId::CATALOG`] holds the [`Counters`], not a table.
pub fn is_counters(row: &Row) -> bool {
    row.first() == Some(&(COLUMN_ID, Value::Int(0)))
}

/// A descriptor as a row.
pub fn encode(t: &TableDescriptor) -> Row {
    let version = match (t.storage.is_local(), t.indexes.is_empty()) {
        (true, _) => LOCAL,
        (false, true) => VERSION,
        (false, false) => WITH_INDEXES,
    };
    let blob = envelope::seal(DESCRIPTOR_MAGIC, version, &TableProto::from(t).encode_to_vec());
    catalog_row(t.id.0.into(), &format!("{}.{}", t.schema, t.name), blob)
}

/// A descriptor from its row.
pub fn decode(row: &Row) -> Result<TableDescriptor> {
    let payload = blob_up_to(LOCAL, row, DESCRIPTOR_MAGIC, "table descriptor")?;
    TableProto::decode(payload)
        .map_err(|e| Error::corrupt(format!("corrupt table descriptor: {e}")))?
        .into_table()
}

/// The next ids to give out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// The next table's id.
    pub next_table: u32,
    /// The next key space's id.
    pub next_storage: u32,
    /// Tables are replicated to other clusters only if somebody says so.
    pub chosen_only: bool,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters { next_table: 1, next_storage: StorageId::FIRST_USER.0, chosen_only: false }
    }
}

impl Counters {
    /// As a row.
    pub fn encode(&self) -> Row {
        let Counters { next_table, next_storage, chosen_only } = *self;
        let proto = CountersProto { next_table, next_storage, chosen_only };
        let version = if chosen_only { WITH_CHOICE } else { VERSION };
        let blob = envelope::seal(COUNTERS_MAGIC, version, &proto.encode_to_vec());
        catalog_row(0, "counters", blob)
    }

    /// From its row.
    pub fn decode(row: &Row) -> Result<Counters> {
        let blob = blob_up_to(WITH_CHOICE, row, COUNTERS_MAGIC, "catalog counters")?;
        let proto = CountersProto::decode(blob)
            .map_err(|e| Error::corrupt(format!("corrupt catalog counters: {e}")))?;
        let CountersProto { next_table, next_storage, chosen_only } = proto;
        Ok(Counters { next_table, next_storage, chosen_only })
    }
}

pub(crate) fn catalog_row(id: i64, name: &str, blob: Bytes) -> Row {
    vec![
        (COLUMN_ID, Value::Int(id)),
        (COLUMN_NAME, Value::Text(name.into())),
        (COLUMN_BLOB, Value::Bytes(blob)),
    ]
}

pub(crate) fn blob<'a>(row: &'a Row, magic: [u8; 4], what: &'static str) -> Result<&'a [u8]> {
    blob_up_to(VERSION, row, magic, what)
}

fn blob_up_to<'a>(
    newest: u8,
    row: &'a Row,
    magic: [u8; 4],
    what: &'static str,
) -> Result<&'a [u8]> {
    match row.iter().find(|(id, _)| *id == COLUMN_BLOB) {
        Some((_, Value::Bytes(bytes))) => Ok(envelope::open(magic, newest, what, bytes)?.1),
        _ => Err(Error::corrupt(format!("corrupt {what}: it is not there"))),
    }
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct CountersProto {
    #[prost(uint32, tag = "1")]
    next_table: u32,
    #[prost(uint32, tag = "2")]
    next_storage: u32,
    #[prost(bool, tag = "3")]
    chosen_only: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TableProto {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(string, tag = "2")]
    schema: String,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(uint32, tag = "4")]
    storage: u32,
    #[prost(message, repeated, tag = "5")]
    columns: Vec<ColumnProto>,
    #[prost(uint32, repeated, tag = "6")]
    primary_key: Vec<u32>,
    #[prost(uint32, repeated, tag = "7")]
    shard_key: Vec<u32>,
    #[prost(uint32, tag = "8")]
    next_column_id: u32,
    #[prost(uint32, tag = "9")]
    version: u32,
    #[prost(message, repeated, tag = "10")]
    indexes: Vec<IndexProto>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ColumnProto {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, optional, tag = "3")]
    ty: Option<TypeProto>,
    #[prost(bool, tag = "4")]
    not_null: bool,
    #[prost(string, optional, tag = "5")]
    default: Option<String>,
    #[prost(bytes = "bytes", tag = "6")]
    missing: Bytes,
    #[prost(bool, tag = "7")]
    hidden: bool,
}

impl From<&TableDescriptor> for TableProto {
    fn from(t: &TableDescriptor) -> TableProto {
        TableProto {
            id: t.id.0,
            schema: t.schema.clone(),
            name: t.name.clone(),
            storage: t.storage.0,
            columns: t.columns.iter().map(ColumnProto::from).collect(),
            primary_key: t.primary_key.clone(),
            shard_key: t.shard_key.clone(),
            next_column_id: t.next_column_id,
            version: t.version,
            indexes: t.indexes.iter().map(IndexProto::from).collect(),
        }
    }
}

impl From<&Column> for ColumnProto {
    fn from(c: &Column) -> ColumnProto {
        ColumnProto {
            id: c.id,
            name: c.name.clone(),
            ty: Some(c.ty.into()),
            not_null: c.not_null,
            default: c.default.clone(),
            missing: row::encode_value(&c.missing),
            hidden: c.hidden,
        }
    }
}

impl TableProto {
    fn into_table(self) -> Result<TableDescriptor> {
        let columns: Result<Vec<_>> = self.columns.into_iter().map(ColumnProto::decode).collect();
        Ok(TableDescriptor {
            id: TableId(self.id),
            schema: self.schema,
            name: self.name,
            storage: StorageId(self.storage),
            columns: columns?,
            primary_key: self.primary_key,
            shard_key: self.shard_key,
            indexes: self.indexes.into_iter().map(IndexDescriptor::from).collect(),
            next_column_id: self.next_column_id,
            version: self.version,
        })
    }
}

impl ColumnProto {
    fn decode(self) -> Result<Column> {
        Ok(Column {
            id: self.id,
            name: self.name,
            ty: self.ty.unwrap_or_default().decode()?,
            not_null: self.not_null,
            default: self.default,
            missing: row::decode_value(&self.missing)?,
            hidden: self.hidden,
        })
    }
}
