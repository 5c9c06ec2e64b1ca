//! The catalog's side of making an index: registered, ready, or gone again.

use crate::database::Database;
use crate::transaction::{Transaction, TxnOptions};
use crate::view::ReadView;
use base::{Error, IndexDescriptor, Result, SqlState, TableDescriptor, TableId};
use partition::{LockMode, LockWait};
use std::sync::Arc;

impl Transaction {
    /// What is there now, with own changes, whatever the transaction's own snapshot: for who has
    /// locked a table against all writers and must miss none of its rows.
    pub async fn fresh_view(&mut self) -> Result<ReadView> {
        // A commit in partition 0 gives up its locks before the oracle has heard of it.
        let newest = self.database.partition(0)?.status().await?.last_commit;
        self.database.oracle.advance(newest);
        Ok(ReadView {
            database: self.database.clone(),
            snapshot: self.database.snapshot()?,
            writes: self.writes.clone(),
            reads: None,
        })
    }

    /// Locks a table against all who use it and gives its newest descriptor.
    ///
    /// # Errors
    /// 42P01 if it is gone.
    pub(super) async fn take_table(&mut self, id: TableId) -> Result<Arc<TableDescriptor>> {
        loop {
            let stale = self.lock_table(id, LockMode::Exclusive, LockWait::Block(None)).await?;
            if stale {
                self.start_statement().await?;
            }
            let catalog = self.catalog().await?;
            let table = catalog.tables.get(&id).ok_or_else(|| gone("table"))?;
            if !stale {
                return Ok(table.clone());
            }
        }
    }
}

impl Database {
    /// Marks an index ready that [`Database::fill_index`] has filled.
    ///
    /// # Errors
    /// 42704 if it was dropped meanwhile.
    pub async fn finish_index(self: &Arc<Self>, table: TableId, index: TableId) -> Result<()> {
        self.change_table(table, |table| {
            let found = table.indexes.iter_mut().find(|i| i.id == index);
            found.ok_or_else(|| gone("index"))?.ready = true;
            Ok(())
        })
        .await
    }

    /// Takes an index that could not be filled out of the catalog.
    pub async fn remove_index(self: &Arc<Self>, table: TableId, index: TableId) -> Result<()> {
        self.change_table(table, |table| {
            table.indexes.retain(|i| i.id != index);
            Ok(())
        })
        .await
    }

    /// [`Database::remove_index`] in the background, for who can not wait for it.
    pub fn remove_index_later(self: &Arc<Self>, table: TableId, index: TableId) {
        let database = self.clone();
        self.env.tasks.spawn(
            "remove-index",
            Box::pin(async move {
                if let Err(error) = database.remove_index(table, index).await {
                    tracing::warn!(database = database.name(), %error,
                        "an index whose build was given up stays in the catalog, not ready");
                }
            }),
        );
    }

    async fn change_table(
        self: &Arc<Self>,
        id: TableId,
        change: impl FnOnce(&mut TableDescriptor) -> Result<()>,
    ) -> Result<()> {
        let mut txn = self.begin(TxnOptions::default());
        txn.start_statement().await?;
        txn.begin_ddl().await?;
        let mut table = txn.take_table(id).await?.as_ref().clone();
        change(&mut table)?;
        table.version += 1;
        txn.put_table(&table).await?;
        txn.commit().await.map(drop)
    }
}

/// A table and its index as a transaction sees them; `None` if the index is gone.
pub(super) fn find(
    catalog: &base::Catalog,
    table: TableId,
    index: TableId,
) -> Option<(Arc<TableDescriptor>, IndexDescriptor)> {
    let table = catalog.tables.get(&table)?;
    Some((table.clone(), table.index(index)?.clone()))
}

/// The error for what was dropped while an index was being made.
pub(super) fn gone(what: &str) -> Error {
    let state =
        if what == "table" { SqlState::UNDEFINED_TABLE } else { SqlState::UNDEFINED_OBJECT };
    Error::new(state, format!("the {what} was dropped while the index was being built"))
}
