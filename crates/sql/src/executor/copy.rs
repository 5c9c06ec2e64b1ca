//! COPY: rows that come without SQL.

use super::Executor;
use crate::change::{InsertPlan, Refusal, Run, Scope, insert_rows, writable};
use crate::plan::Names;
use crate::privilege::Object;
use crate::sequence::Draws;
use crate::shape::Shape;
use base::{Column, Privileges, Result, Value};
use datafusion::sql::sqlparser::ast::ObjectName;
use partition::LockMode;
use std::sync::Arc;
use txn::Transaction;

/// A table and the columns that COPY fills.
pub struct CopyTarget {
    plan: InsertPlan,
    draws: Option<Arc<Draws>>,
}

impl CopyTarget {
    /// The columns, in the order in which values are expected.
    pub fn columns(&self) -> Vec<&Column> {
        self.plan.columns.iter().map(|i| &self.plan.shape.columns()[*i]).collect()
    }
}

impl Executor {
    /// Prepares `COPY table (columns) FROM`; all columns if none are named. Begins a statement.
    pub async fn copy_target(
        &self,
        txn: &mut Transaction,
        table: &ObjectName,
        columns: &[String],
    ) -> Result<CopyTarget> {
        txn.begin_writing().await?;
        loop {
            self.snapshot(txn).await?;
            let catalog = txn.catalog().await?;
            let found = writable(&catalog, table)?;
            Object::table(&catalog, &found).need(&self.identity(), Privileges::INSERT)?;
            let wait = self.wait();
            if txn.lock_table(found.id, LockMode::Shared, wait).await? {
                continue;
            }
            let partitions = txn.database().partitions().len() as u16;
            let names = Names::new(&self.runtime, &catalog, &self.database, partitions);
            let mut scope = Scope {
                runtime: &self.runtime,
                names: &names,
                catalog: &catalog,
                partitions,
                types: Vec::new(),
            };
            let shape = Arc::new(Shape::new(found, partitions));
            let plan = InsertPlan::for_rows(&mut scope, shape, columns)?;
            let sequences = names.sequences();
            let draws = match sequences.called {
                true => Some(self.draws(txn, &sequences).await?),
                false => None,
            };
            return Ok(CopyTarget { plan, draws });
        }
    }

    /// Inserts rows: values in the order of [`CopyTarget::columns`], as [`crate::text::parse`] makes
    /// them. Give a few thousand at a time.
    pub async fn copy_rows(
        &self,
        txn: &mut Transaction,
        target: &CopyTarget,
        rows: Vec<Vec<Value>>,
    ) -> Result<u64, Refusal> {
        let mut frame = self.frame(txn, Vec::new());
        frame.circumstances.sequences = target.draws.clone();
        let (private, by) = (self.private(), self.identity());
        let mut run = Run {
            runtime: &self.runtime,
            txn,
            frame: &frame,
            by: &by,
            wait: self.wait(),
            private: &private,
        };
        insert_rows(&mut run, &target.plan, rows).await
    }
}
