//! How one table's rows become keys and bytes, and back. Rows here are `Vec<Value>` in the order
//! of the descriptor's columns.

use crate::types;
use ::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use ::arrow::datatypes::{Schema, SchemaRef};
use base::{Column, Error, IndexDescriptor, Result, SqlState, TableDescriptor, Value};
use bytes::Bytes;
use format::ColumnLayout;
use format::index::{Entry, entry};
use format::row::{Cursor, Writer};
use std::sync::Arc;

/// Where a row is: its partition and its storage key.
pub type Place = (u16, Bytes);

/// A table prepared for reading and writing rows.
#[derive(Debug)]
pub struct Shape {
    /// The table.
    pub table: Arc<TableDescriptor>,
    /// How many partitions its database has.
    pub partitions: u16,
    /// Positions of the key columns, in key order.
    pub key: Vec<usize>,
    /// Positions of the shard-key columns.
    pub shard: Vec<usize>,
    /// The indexes, in the order of the descriptor's.
    pub indexes: Vec<IndexShape>,
    /// Arrow schema of all columns, hidden ones too.
    pub schema: SchemaRef,
    /// Positions of the columns in ascending column id, which is the order of stored rows.
    stored: Vec<usize>,
}

/// An index prepared for reading and writing entries.
#[derive(Debug)]
pub struct IndexShape {
    /// The index.
    pub index: IndexDescriptor,
    /// Positions of its columns.
    pub columns: Vec<usize>,
}

impl Shape {
    /// Prepares a table of a database with `partitions` partitions.
    pub fn new(table: Arc<TableDescriptor>, partitions: u16) -> Shape {
        let position = |id: &u32| table.columns.iter().position(|c| c.id == *id);
        let key = table.primary_key.iter().filter_map(position).collect();
        let shard = table.shard_key.iter().filter_map(position).collect();
        let mut stored: Vec<usize> = (0..table.columns.len()).collect();
        stored.sort_by_key(|i| table.columns[*i].id);
        let fields: Vec<_> = table.columns.iter().map(column_field).collect();
        let schema = Arc::new(Schema::new(fields));
        let indexes = table.indexes.iter().map(|index| IndexShape {
            index: index.clone(),
            columns: index.columns.iter().filter_map(|c| position(&c.column)).collect(),
        });
        Shape { partitions, key, shard, indexes: indexes.collect(), schema, stored, table }
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.table.columns
    }

    /// Columns a user sees, by position.
    pub fn visible(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.table.columns.iter().enumerate().filter(|(_, c)| !c.hidden)
    }

    /// The layouts of all columns.
    pub fn layouts(&self) -> Vec<ColumnLayout> {
        self.table.columns.iter().map(ColumnLayout::from).collect()
    }

    /// Position of the column with this name, hidden ones excluded.
    pub fn position(&self, name: &str) -> Result<usize> {
        self.visible().find(|(_, c)| c.name == name).map(|(i, _)| i).ok_or_else(|| {
            let table = &self.table.name;
            Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{name}\" of relation \"{table}\" does not exist"),
            )
        })
    }

    /// Where a row with these values lives.
    pub fn place(&self, row: &[Value]) -> Place {
        let key: Vec<&Value> = self.key.iter().map(|i| &row[*i]).collect();
        let shard: Vec<&Value> = self.shard.iter().map(|i| &row[*i]).collect();
        self.place_of(&key, &shard)
    }

    /// Where the row with these key values (in key order) lives.
    pub fn place_of_key(&self, key: &[Value]) -> Place {
        let shard: Vec<&Value> = self
            .shard
            .iter()
            .filter_map(|s| self.key.iter().position(|k| k == s))
            .map(|i| &key[i])
            .collect();
        self.place_of(&key.iter().collect::<Vec<_>>(), &shard)
    }

    fn place_of(&self, key: &[&Value], shard: &[&Value]) -> Place {
        let partition = format::key::shard(shard, self.partitions);
        (partition, format::key::encode(self.table.storage, key))
    }

    /// The stored bytes of a row.
    pub fn encode(&self, row: &[Value]) -> Bytes {
        let mut writer = Writer::with_capacity(8 + row.len() * 10);
        for i in &self.stored {
            writer.push(self.table.columns[*i].id, (&row[*i]).into());
        }
        writer.finish()
    }

    /// Appends the key of a row, and tells its partition.
    pub fn put_key(&self, out: &mut Vec<u8>, row: &[Value]) -> u16 {
        let from = out.len();
        format::key::put_key(out, self.table.storage, self.key.iter().map(|i| &row[*i]));
        if self.shard == self.key {
            return format::key::shard_of(&out[from + 4..], self.partitions);
        }
        let shard: Vec<&Value> = self.shard.iter().map(|i| &row[*i]).collect();
        format::key::shard(&shard, self.partitions)
    }

    /// The stored bytes of a row in a buffer; what that held goes.
    pub fn encode_into(&self, buffer: Vec<u8>, row: &[Value]) -> Vec<u8> {
        let mut writer = Writer::reusing(buffer);
        for i in &self.stored {
            writer.push(self.table.columns[*i].id, (&row[*i]).into());
        }
        writer.into_buffer()
    }

    /// A row from its stored bytes.
    pub fn decode(&self, bytes: &[u8]) -> Result<Vec<Value>> {
        let columns = &self.table.columns;
        let mut row: Vec<Value> = columns.iter().map(|c| c.missing.clone()).collect();
        let mut cursor = Cursor::new(bytes)?;
        let mut stored = self.stored.iter().peekable();
        while let Some((id, cell)) = cursor.next_cell()? {
            while stored.next_if(|i| columns[**i].id < id).is_some() {}
            if let Some(i) = stored.next_if(|i| columns[**i].id == id) {
                row[*i] = cell.into();
            }
        }
        Ok(row)
    }

    /// A batch of whole rows.
    pub fn batch(&self, rows: &[Vec<Value>]) -> Result<RecordBatch> {
        let all: Vec<usize> = (0..self.table.columns.len()).collect();
        self.batch_of(rows, &all)
    }

    /// A batch of chosen columns of rows.
    pub fn batch_of(&self, rows: &[Vec<Value>], columns: &[usize]) -> Result<RecordBatch> {
        let arrays: Vec<ArrayRef> = columns
            .iter()
            .map(|i| types::to_array(rows.iter().map(|r| &r[*i]), self.table.columns[*i].ty))
            .collect::<Result<_>>()?;
        let schema = Arc::new(
            self.schema
                .project(columns)
                .map_err(|e| Error::internal(format!("projecting {}: {e}", self.table.name)))?,
        );
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(schema, arrays, &options)
            .map_err(|e| Error::internal(format!("rows of {}: {e}", self.table.name)))
    }

    /// NOT NULL holds.
    pub fn check(&self, row: &[Value]) -> Result<()> {
        for (column, value) in self.table.columns.iter().zip(row) {
            if column.not_null && value.is_null() {
                return Err(self.null_violation(column, row));
            }
        }
        Ok(())
    }

    fn null_violation(&self, column: &Column, row: &[Value]) -> Error {
        let shown: Vec<String> = self.visible().map(|(i, c)| show(&row[i], c)).collect();
        Error::new(
            SqlState::NOT_NULL_VIOLATION,
            format!(
                "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                column.name, self.table.name
            ),
        )
        .detail(format!("Failing row contains ({}).", shown.join(", ")))
    }

    /// The error for a key that exists already.
    pub fn duplicate(&self, row: &[Value]) -> Error {
        violation(&self.table.key_name(), self.shown_key(&self.key, row))
    }

    /// The error for values that another row has in a unique index.
    pub fn duplicate_in(&self, index: &IndexShape, row: &[Value]) -> Error {
        violation(&index.index.name, self.shown_key(&index.columns, row))
    }

    /// `(a, b)=(1, x)`: some columns of a row.
    pub fn shown_key(&self, columns: &[usize], row: &[Value]) -> String {
        let column = |i: &usize| &self.table.columns[*i];
        let names: Vec<&str> = columns.iter().map(|i| column(i).name.as_str()).collect();
        let values: Vec<String> = columns.iter().map(|i| show(&row[*i], column(i))).collect();
        format!("({})=({})", names.join(", "), values.join(", "))
    }

    /// The index entries of a row, in the order of [`Shape::indexes`].
    pub fn entries(&self, row: &[Value], place: &Place) -> Result<Vec<Entry>> {
        self.entries_at(row, &place.1)
    }

    /// The same, by the row's key.
    pub fn entries_at(&self, row: &[Value], key: &[u8]) -> Result<Vec<Entry>> {
        let of = |i: &IndexShape| entry(&i.index, i.columns.iter().map(|c| &row[*c]), key);
        self.indexes.iter().map(of).collect()
    }
}

fn violation(constraint: &str, key: String) -> Error {
    Error::new(
        SqlState::UNIQUE_VIOLATION,
        format!("duplicate key value violates unique constraint \"{constraint}\""),
    )
    .detail(format!("Key {key} already exists."))
}

fn show(value: &Value, column: &Column) -> String {
    if value.is_null() { "null".into() } else { crate::text::format(column.ty, value) }
}

/// The Arrow field of a table column.
pub fn column_field(column: &Column) -> ::arrow::datatypes::Field {
    types::field(&column.name, column.ty, !column.not_null)
}
