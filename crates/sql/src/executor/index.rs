//! Making an index while others write: several transactions, one after the other.

use super::{Executor, Outcome};
use crate::change::Run;
use crate::ddl::{self, Order};
use crate::statement::Stmt;
use base::{Error, Result, TableDescriptor, TableId};
use datafusion::sql::sqlparser::ast::ObjectName;
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
        let made =
            self.begin(&database, async |run| ddl::register_index(run, &order).await).await?;
        if let Some((table, index)) = made {
            build(&database, &table, index, None).await?;
        }
        Ok(Outcome::command(order.tag))
    }

    /// `REINDEX`: each index is made once more beside the old one, whose place it takes then.
    pub(super) async fn reindex(&self, index: bool, name: &ObjectName) -> Result<Outcome> {
        let database = self.engine.database(&self.database)?;
        let old = self.begin(&database, async |run| ddl::named_indexes(run, index, name).await);
        for (table, old) in old.await? {
            let again =
                self.begin(&database, async |run| ddl::register_again(run, table, old).await);
            let (table, new) = again.await?;
            build(&database, &table, new, Some(old)).await?;
        }
        Ok(Outcome::command("REINDEX"))
    }

    /// Runs a transaction of its own.
    pub(super) async fn begin<T>(
        &self,
        database: &Arc<Database>,
        work: impl AsyncFnOnce(&mut Run<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut txn = database.begin(TxnOptions::default());
        txn.start_statement().await?;
        let frame = self.frame(&txn, Vec::new());
        let (private, by) = (BTreeSet::new(), self.identity());
        let mut run = Run {
            runtime: &self.runtime,
            txn: &mut txn,
            frame: &frame,
            by: &by,
            wait: self.wait(),
            private: &private,
        };
        let done = work(&mut run).await?;
        txn.commit().await?;
        Ok(done)
    }
}

/// Fills a registered index and marks it ready, or takes it away again. It takes the place of an
/// `old` one.
async fn build(
    database: &Arc<Database>,
    table: &TableDescriptor,
    index: TableId,
    old: Option<TableId>,
) -> Result<()> {
    let database = database.clone();
    let mut unfinished = Unfinished { database, table: table.id, index, done: false };
    let filled = fill(&unfinished.database, table, index, old).await;
    unfinished.done = true;
    match filled {
        Ok(()) => Ok(()),
        Err(error) => Err(give_up(&unfinished.database, table, index, error).await),
    }
}

async fn fill(
    database: &Arc<Database>,
    table: &TableDescriptor,
    index: TableId,
    old: Option<TableId>,
) -> Result<()> {
    if let Some(twice) = database.fill_index(table.id, index).await?
        && let Some(index) = table.index(index)
    {
        return Err(ddl::duplicated(table, index, &twice));
    }
    database.finish_index(table.id, index, old).await
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
             REINDEX makes it anew, DROP INDEX removes it.",
        ),
    }
}
