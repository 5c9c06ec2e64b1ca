//! The indexes in a table's descriptor.

use base::{IndexColumn, IndexDescriptor, StorageId, TableId};

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct IndexProto {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(uint32, tag = "3")]
    storage: u32,
    #[prost(message, repeated, tag = "4")]
    columns: Vec<IndexColumnProto>,
    #[prost(bool, tag = "5")]
    unique: bool,
    #[prost(bool, tag = "6")]
    constraint: bool,
    #[prost(bool, tag = "7")]
    ready: bool,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct IndexColumnProto {
    #[prost(uint32, tag = "1")]
    column: u32,
    #[prost(bool, tag = "2")]
    descending: bool,
    #[prost(bool, tag = "3")]
    nulls_first: bool,
}

impl From<&IndexDescriptor> for IndexProto {
    fn from(i: &IndexDescriptor) -> IndexProto {
        let column = |c: &IndexColumn| IndexColumnProto {
            column: c.column,
            descending: c.descending,
            nulls_first: c.nulls_first,
        };
        IndexProto {
            id: i.id.0,
            name: i.name.clone(),
            storage: i.storage.0,
            columns: i.columns.iter().map(column).collect(),
            unique: i.unique,
            constraint: i.constraint,
            ready: i.ready,
        }
    }
}

impl From<IndexProto> for IndexDescriptor {
    fn from(i: IndexProto) -> IndexDescriptor {
        let column = |c: IndexColumnProto| IndexColumn {
            column: c.column,
            descending: c.descending,
            nulls_first: c.nulls_first,
        };
        IndexDescriptor {
            id: TableId(i.id),
            name: i.name,
            storage: StorageId(i.storage),
            columns: i.columns.into_iter().map(column).collect(),
            unique: i.unique,
            constraint: i.constraint,
            ready: i.ready,
        }
    }
}
