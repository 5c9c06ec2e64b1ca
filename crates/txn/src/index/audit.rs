//! Comparing an index with its table, for checks and tests.

use super::fill::{keys, rows_of};
use crate::view::ReadView;
use arrow::array::{Array, AsArray};
use base::{Error, IndexDescriptor, Result, TableDescriptor};
use bytes::Bytes;
use format::index::{entry_of, layout};
use futures::TryStreamExt;
use std::collections::BTreeMap;

impl ReadView {
    /// What a ready index has too much or too little at this view, in words; `None` if it is right.
    /// Holds all entries in memory.
    pub async fn audit_index(
        &self,
        table: &TableDescriptor,
        index: &IndexDescriptor,
    ) -> Result<Option<String>> {
        for partition in 0..self.database.partitions().len() as u16 {
            let wanted = self.entries_wanted(partition, table, index).await?;
            let there = self.entries_there(partition, index).await?;
            let say = |what: &str, key: &[u8]| {
                let (index, table) = (&index.name, &table.name);
                let hex: String = key.iter().map(|b| format!("{b:02x}")).collect();
                Ok(Some(format!("index {index} of {table}, partition {partition}: {what} {hex}")))
            };
            for (key, row) in &wanted {
                match there.get(key) {
                    Some(found) if found == row => {}
                    Some(_) => return say("another row's entry at", key),
                    None => return say("no entry at", key),
                }
            }
            if let Some(key) = there.keys().find(|key| !wanted.contains_key(*key)) {
                return say("an entry without a row at", key);
            }
        }
        Ok(None)
    }

    async fn entries_wanted(
        &self,
        partition: u16,
        table: &TableDescriptor,
        index: &IndexDescriptor,
    ) -> Result<BTreeMap<Bytes, Bytes>> {
        let mut wanted = BTreeMap::new();
        let mut batches = self.scan(partition, rows_of(table.storage, Vec::new())).await?;
        while let Some(batch) = batches.try_next().await? {
            let rows: Vec<Bytes> =
                keys(&batch)?.iter().flatten().map(Bytes::copy_from_slice).collect();
            let found = self.get(partition, rows.clone()).await?;
            for (key, row) in rows.iter().zip(found) {
                let row = row.ok_or_else(|| Error::internal("a scan shows what get does not"))?;
                let entry = entry_of(table, index, key, &row.row)?;
                wanted.insert(entry.key, entry.row);
            }
        }
        Ok(wanted)
    }

    async fn entries_there(
        &self,
        partition: u16,
        index: &IndexDescriptor,
    ) -> Result<BTreeMap<Bytes, Bytes>> {
        let mut there = BTreeMap::new();
        let mut batches = self.scan(partition, rows_of(index.storage, layout())).await?;
        while let Some(batch) = batches.try_next().await? {
            let suffixes = batch.column(2).as_binary_opt::<i32>();
            let suffixes = suffixes.ok_or_else(|| Error::internal("an index without suffixes"))?;
            for (at, key) in keys(&batch)?.iter().flatten().enumerate() {
                let mut row = format::row::Writer::default();
                if suffixes.is_valid(at) {
                    row.push(1, format::row::Cell::Bytes(suffixes.value(at)));
                }
                there.insert(Bytes::copy_from_slice(key), row.finish());
            }
        }
        Ok(there)
    }
}
