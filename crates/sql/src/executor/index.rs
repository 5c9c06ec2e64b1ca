//! Making an index while others write: several transactions, one after the other.

use super::{Executor, Outcome};
use crate::change::Run;
use crate::ddl::{self, Order};
use crate::statement::Stmt;
use base::{Error, Result, TableDescriptor, TableId};
use std::collections::BTreeSet;
use std::sync::Arc;
use txn::{Database, TxnOptions};

/// An index that is in the catalog and not ready. Given up, it goes again.
struct Unfinished {
    database: Arc<Database>,
    table: TableId,
    index: TableId,
    done: bool,
}

impl Drop for Unfinished {
    /// The client that waited for it is gone, or has cancelled.
    fn drop(&mut self) {
        if !self.done {
            self.database.remove_index_later(self.table, self.index);
        }
    }
}

impl Executor {
    /// True for statements that begin transactions of their own where none is open, and join one
    /// that is: [`Executor::execute_alone`] does the former, [`Executor::execute`] the latter.
    pub fn may_stand_alone(stmt: &Stmt) -> bool {
        ddl::is_index_order(stmt)
    }

    /// `CREATE INDEX`, and `ADD CONSTRAINT … UNIQUE`, while others write.
    pub(super) async fn make_index(&self, stmt: &Stmt) -> Result<Outcome> {
        let order = Order::of(stmt)?;
        let database = self.engine.database(&self.database)?;
        let Some((table, index)) = self.register(&database, &order).await? else {
            return Ok(Outcome::command(order.tag));
        };
        let mut unfinished =
            Unfinished { database: database.clone(), table: table.id, index, done: false };
        match fill(&database, &table, index).await {
            Ok(()) => {
                unfinished.done = true;
                Ok(Outcome::command(order.tag))
            }
            Err(error) => {
                unfinished.done = true;
                Err(give_up(&database, &table, index, error).await)
            }
        }
    }

    async fn register(
        &self,
        database: &Arc<Database>,
        order: &Order,
    ) -> Result<Option<(TableDescriptor, TableId)>> {
        let mut txn = database.begin(TxnOptions::default());
        txn.start_statement().await?;
        let frame = self.frame(&txn, Vec::new());
        let private = BTreeSet::new();
        let mut run = Run {
            runtime: &self.runtime,
            txn: &mut txn,
            frame: &frame,
            wait: self.wait(),
            private: &private,
        };
        let registered = ddl::register_index(&mut run, order).await?;
        txn.commit().await?;
        Ok(registered)
    }
}

/// Fills a registered index and marks it ready.
async fn fill(database: &Arc<Database>, table: &TableDescriptor, index: TableId) -> Result<()> {
    if let Some(twice) = database.fill_index(table.id, index).await?
        && let Some(index) = table.index(index)
    {
        return Err(ddl::duplicated(table, index, &twice));
    }
    database.finish_index(table.id, index).await
}

/// Takes an index that could not be finished away again, and says what became of it.
async fn give_up(
    database: &Arc<Database>,
    table: &TableDescriptor,
    index: TableId,
    error: Error,
) -> Error {
    match database.remove_index(table.id, index).await {
        Ok(()) => error,
        Err(_) => error.hint(
            "The index stays in the catalog, not valid: writes keep it up, nobody reads it. \
             REINDEX INDEX finishes it, DROP INDEX removes it.",
        ),
    }
}
