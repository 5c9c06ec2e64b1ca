//! The catalog's side of making an index: registered, ready, or gone again.

use crate::database::Database;
use crate::transaction::{Transaction, TxnOptions};
use crate::view::ReadView;
use base::{Error, IndexDescriptor, Result, SqlState, TableDescriptor, TableId};
use partition::{LockMode, LockWait};
use std::sync::Arc;
use std::time::Duration;

/// How long the last step of making an index holds up those who want to write the table.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long it lets them through then.
const PAUSE: Duration = Duration::from_millis(300);

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
    /// 42P01 if it is gone, 55P03 if others use it for too long.
    async fn take_table(&mut self, id: TableId, wait: LockWait) -> Result<Arc<TableDescriptor>> {
        loop {
            let stale = self.lock_table(id, LockMode::Exclusive, wait).await?;
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
    /// Marks an index ready that [`Database::fill_index`] has filled. It takes the name and the
    /// place of an `old` one.
    ///
    /// # Errors
    /// 42704 if it was dropped meanwhile, or the old one was.
    pub async fn finish_index(
        self: &Arc<Self>,
        table: TableId,
        index: TableId,
        old: Option<TableId>,
    ) -> Result<()> {
        self.change_table(table, |table| {
            let at = |id: TableId| table.indexes.iter().position(|i| i.id == id);
            let mut place = at(index).ok_or_else(|| gone("index"))?;
            if let Some(old) = old {
                let old = at(old).ok_or_else(|| gone("index"))?;
                let mut new = table.indexes.remove(place);
                new.name.clone_from(&table.indexes[old].name);
                table.indexes[old] = new;
                place = old;
            }
            table.indexes[place].ready = true;
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

    /// Changes a descriptor when nobody uses the table. Whoever comes while that is waited for waits
    /// too, so it is never waited for long at a time.
    async fn change_table(
        self: &Arc<Self>,
        id: TableId,
        change: impl Fn(&mut TableDescriptor) -> Result<()>,
    ) -> Result<()> {
        loop {
            let mut txn = self.begin(TxnOptions::default());
            txn.start_statement().await?;
            txn.begin_ddl().await?;
            match txn.take_table(id, LockWait::Block(Some(PATIENCE))).await {
                Ok(table) => {
                    let mut table = table.as_ref().clone();
                    change(&mut table)?;
                    table.version += 1;
                    txn.put_table(&table).await?;
                    return txn.commit().await.map(drop);
                }
                Err(error) if error.state == SqlState::LOCK_NOT_AVAILABLE => {
                    txn.rollback().await;
                    self.env.sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
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
