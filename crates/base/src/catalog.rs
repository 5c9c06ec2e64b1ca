//! What tables and sequences a database has, and whose they are, at one timestamp. All are rows of
//! [`StorageId::CATALOG`] in partition 0, so schema changes are ordinary
//! transactional writes: replicated, rewound and read at any timestamp like all other data.

use crate::{
    Access, Securable, SequenceDescriptor, SessionDefaults, SqlType, StorageId, TableId, Timestamp,
    Value,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Never reused within a table.
    pub id: u32,
    /// As the user wrote it (folded by the dialect).
    pub name: String,
    /// Its type.
    pub ty: SqlType,
    /// NOT NULL (primary-key columns always are).
    pub not_null: bool,
    /// SQL text of the DEFAULT expression.
    pub default: Option<String>,
    /// The value of rows written before the column was added.
    pub missing: Value,
    /// True for the hidden row id of a table without a primary key: not in `SELECT *`.
    pub hidden: bool,
}

/// One column of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexColumn {
    /// The column's id in its table.
    pub column: u32,
    /// From the greatest to the least.
    pub descending: bool,
    /// Nulls come before all values.
    pub nulls_first: bool,
}

/// One secondary index of a table. Its entries are in the same partition as their rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexDescriptor {
    /// The index's identity.
    pub id: TableId,
    /// Its name, in the schema of its table.
    pub name: String,
    /// Where its entries are now.
    pub storage: StorageId,
    /// What it orders by.
    pub columns: Vec<IndexColumn>,
    /// No two rows may have the same values, unless one of them is null. Then the shard key is
    /// among the columns, so that one partition can tell.
    pub unique: bool,
    /// Declared as a constraint: `UNIQUE (…)`.
    pub constraint: bool,
    /// It has an entry for every row. Until then it is kept up by all who write, and read by nobody.
    pub ready: bool,
}

/// One table at one moment. A dropped column is simply absent.
#[derive(Clone, Debug, PartialEq)]
pub struct TableDescriptor {
    /// The table's identity.
    pub id: TableId,
    /// The schema it lives in, usually `public`.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Where its rows are now.
    pub storage: StorageId,
    /// In the order of `SELECT *`; hidden columns last.
    pub columns: Vec<Column>,
    /// Ids of the key columns in key order; the hidden row id if the user declared none.
    pub primary_key: Vec<u32>,
    /// Ids of the columns whose values choose the partition: a subset of `primary_key`.
    pub shard_key: Vec<u32>,
    /// Its indexes besides the primary key, in the order in which they were made.
    pub indexes: Vec<IndexDescriptor>,
    /// The id the next added column gets.
    pub next_column_id: u32,
    /// Goes up with every change of the descriptor.
    pub version: u32,
}

impl TableDescriptor {
    /// The column with this id.
    pub fn column(&self, id: u32) -> Option<&Column> {
        self.columns.iter().find(|c| c.id == id)
    }

    /// The column with this name.
    pub fn column_named(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The index of this name.
    pub fn index_named(&self, name: &str) -> Option<&IndexDescriptor> {
        self.indexes.iter().find(|i| i.name == name)
    }

    /// The index with this identity.
    pub fn index(&self, id: TableId) -> Option<&IndexDescriptor> {
        self.indexes.iter().find(|i| i.id == id)
    }

    /// The name of the primary key, which is that of its index and its constraint.
    pub fn key_name(&self) -> String {
        format!("{}_pkey", self.name)
    }

    /// True if the user declared no primary key and rows have a hidden row id.
    pub fn has_hidden_key(&self) -> bool {
        self.primary_key.iter().all(|id| self.column(*id).is_some_and(|c| c.hidden))
    }
}

/// All tables and sequences of a database, their owners and grants, as of one timestamp.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Commit timestamp of the newest schema change in here.
    pub stamp: Timestamp,
    /// By identity.
    pub tables: BTreeMap<TableId, Arc<TableDescriptor>>,
    /// By identity.
    pub sequences: BTreeMap<TableId, Arc<SequenceDescriptor>>,
    /// Owners and grants, of what has any.
    pub access: BTreeMap<Securable, Arc<Access>>,
    /// Settings that new sessions begin with.
    pub defaults: Arc<SessionDefaults>,
    /// The roles of the primary's cluster, for whoever takes over; encoded.
    pub principals: Option<Arc<[u8]>>,
}

impl Catalog {
    /// The table of this name.
    pub fn table(&self, schema: &str, name: &str) -> Option<&Arc<TableDescriptor>> {
        self.tables.values().find(|t| t.name == name && t.schema == schema)
    }

    /// The table whose rows are in this key space.
    pub fn by_storage(&self, storage: StorageId) -> Option<&Arc<TableDescriptor>> {
        self.tables.values().find(|t| t.storage == storage)
    }

    /// The index whose entries are in this key space.
    pub fn index_by_storage(&self, storage: StorageId) -> Option<&IndexDescriptor> {
        let all = self.tables.values().flat_map(|t| &t.indexes);
        if storage.is_index() { all.into_iter().find(|i| i.storage == storage) } else { None }
    }

    /// The index of this name, and its table.
    pub fn index(
        &self,
        schema: &str,
        name: &str,
    ) -> Option<(&Arc<TableDescriptor>, &IndexDescriptor)> {
        let tables = self.tables.values().filter(|t| t.schema == schema);
        tables.into_iter().find_map(|t| t.index_named(name).map(|i| (t, i)))
    }

    /// True if a table, index or sequence of a schema has this name, or a primary key.
    pub fn has_relation(&self, schema: &str, name: &str) -> bool {
        let key = |t: &Arc<TableDescriptor>| {
            t.schema == schema && !t.has_hidden_key() && t.key_name() == name
        };
        self.table(schema, name).is_some()
            || self.sequence(schema, name).is_some()
            || self.index(schema, name).is_some()
            || self.tables.values().any(key)
    }

    /// Owner and grants of an object.
    pub fn access(&self, of: Securable) -> Arc<Access> {
        self.access.get(&of).cloned().unwrap_or_default()
    }

    /// The sequence of this name.
    pub fn sequence(&self, schema: &str, name: &str) -> Option<&Arc<SequenceDescriptor>> {
        self.sequences.values().find(|s| s.name == name && s.schema == schema)
    }

    /// The sequences that belong to columns of this table.
    pub fn owned_by(&self, table: TableId) -> impl Iterator<Item = &Arc<SequenceDescriptor>> {
        self.sequences.values().filter(move |s| s.owner.is_some_and(|o| o.table == table))
    }

    /// The sequence that gives an identity column its values.
    pub fn identity(&self, table: TableId, column: u32) -> Option<&Arc<SequenceDescriptor>> {
        let is = |s: &&Arc<SequenceDescriptor>| {
            s.owner.is_some_and(|o| o.column == column && o.identity.is_some())
        };
        self.owned_by(table).find(is)
    }
}
