//! Queries: bind, start, and from the second execution on reuse what can be reused.

use super::Outcome;
use crate::change::{LockPlan, Run, lock_rows};
use crate::plan::{self, ResultColumn, Rows};
use ::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use base::Result;
use datafusion::logical_expr::LogicalPlan;
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use std::sync::Arc;

/// A compiled query.
pub(super) struct QueryPlan {
    plan: Box<LogicalPlan>,
    optimised: Mutex<Optimised>,
    /// What the client gets.
    pub columns: Vec<ResultColumn>,
    /// Rows to lock first.
    pub lock: Option<LockPlan>,
    /// `SELECT` or `EXPLAIN`.
    verb: &'static str,
}

/// The plan optimised with its parameters open.
#[derive(Clone)]
enum Optimised {
    /// The query has not been executed; a client may never do so again.
    Never,
    /// It has been executed once.
    Once,
    /// It is worth keeping; `None` if it has to be bound before it is optimised.
    Done(Option<Arc<LogicalPlan>>),
}

impl QueryPlan {
    pub(super) fn new(
        plan: LogicalPlan,
        columns: Vec<ResultColumn>,
        lock: Option<LockPlan>,
        verb: &'static str,
    ) -> QueryPlan {
        let optimised = Mutex::new(Optimised::Never);
        QueryPlan { plan: Box::new(plan), optimised, columns, lock, verb }
    }

    /// Runs it.
    pub(super) async fn run(&self, run: &mut Run<'_>) -> Result<Outcome> {
        let locked = match &self.lock {
            Some(lock) => lock_rows(run, lock).await?,
            None => None,
        };
        let rows = match locked {
            Some(rows) => rows,
            None => self.start(run).await?,
        };
        let columns = self.columns.clone();
        let rows = match self.verb {
            "EXPLAIN" => explained(rows).await?,
            _ => plan::conform(rows, &columns),
        };
        Ok(Outcome::Rows { columns, rows, verb: self.verb })
    }

    async fn start(&self, run: &mut Run<'_>) -> Result<Rows> {
        let (params, circumstances) = (&run.frame.params, &run.frame.circumstances);
        let view = run.txn.view()?;
        if let Some(optimised) = self.again(run)? {
            let bound = plan::bind(optimised.as_ref().clone(), params, circumstances)?;
            return plan::execute_optimised(run.runtime, &bound, view).await;
        }
        let bound = plan::bind(self.plan.as_ref().clone(), params, circumstances)?;
        plan::execute(run.runtime, &bound, view).await
    }

    /// The optimised plan, from the second execution on.
    fn again(&self, run: &Run<'_>) -> Result<Option<Arc<LogicalPlan>>> {
        if self.verb == "EXPLAIN" {
            return Ok(None);
        }
        let mut optimised = self.optimised.lock();
        if let Optimised::Once = *optimised {
            let plan = plan::optimise(run.runtime, &self.plan)?.map(Arc::new);
            *optimised = Optimised::Done(plan);
        }
        match &*optimised {
            Optimised::Done(plan) => Ok(plan.clone()),
            _ => {
                *optimised = Optimised::Once;
                Ok(None)
            }
        }
    }
}

/// EXPLAIN's output as PostgreSQL clients expect it: one column, one line per row.
async fn explained(rows: Rows) -> Result<Rows> {
    let batches: Vec<RecordBatch> = rows.try_collect().await?;
    let mut lines: Vec<String> = Vec::new();
    for batch in &batches {
        let kinds = batch.column(0).as_string_opt::<i32>();
        let plans = batch.column(1).as_string_opt::<i32>();
        let (Some(kinds), Some(plans)) = (kinds, plans) else { continue };
        for i in 0..kinds.len() {
            if kinds.value(i) == "logical_plan" && batch.num_rows() > 1 {
                continue;
            }
            lines.extend(plans.value(i).lines().map(str::to_owned));
        }
    }
    let field = crate::types::field("QUERY PLAN", base::SqlType::Text, true);
    let schema = Arc::new(::arrow::datatypes::Schema::new(vec![field]));
    let column: ArrayRef = Arc::new(StringArray::from(lines));
    let batch = RecordBatch::try_new(schema, vec![column])
        .map_err(|e| base::Error::internal(format!("explaining: {e}")))?;
    Ok(futures::stream::iter([Ok(batch)]).boxed())
}
