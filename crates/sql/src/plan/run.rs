//! Running plans and shaping their results for clients.

use super::functions::{Circumstances, session_value};
use super::runtime::Runtime;
use crate::error;
use crate::types::{normalise, sql_type_of};
use ::arrow::array::{RecordBatch, RecordBatchOptions};
use ::arrow::datatypes::{Schema, SchemaRef};
use base::{Error, Result, SqlType};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use futures::stream::BoxStream;
use std::sync::Arc;
use txn::ReadView;

/// Batches of rows for a client: each column has the Arrow type of its [`ResultColumn::ty`].
pub type Rows = BoxStream<'static, Result<RecordBatch>>;

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultColumn {
    /// Its name, as PostgreSQL would give it.
    pub name: String,
    /// Its type.
    pub ty: SqlType,
}

/// The columns of a plan's result, with these names as far as they go.
pub fn columns_of(schema: &Schema, names: &[Option<String>]) -> Vec<ResultColumn> {
    let fields = schema.fields().iter().enumerate();
    fields
        .map(|(i, field)| ResultColumn {
            name: names.get(i).cloned().flatten().unwrap_or_else(|| field.name().clone()),
            ty: sql_type_of(field),
        })
        .collect()
}

/// Optimises a bound plan and starts it at a snapshot.
pub async fn execute(runtime: &Runtime, plan: &LogicalPlan, view: ReadView) -> Result<Rows> {
    let physical = runtime.state().create_physical_plan(plan).await.map_err(error::datafusion)?;
    start(runtime, physical, view)
}

/// A plan that has been optimised with its parameters open, so that executing it again costs no
/// more than binding and physical planning. `None` if it has to be bound first: a parameter without
/// a type, or a session function, which the optimiser would want to evaluate.
pub fn optimise(runtime: &Runtime, plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    let mut open = true;
    plan.apply_with_subqueries(|plan| {
        plan.apply_expressions(|e| {
            e.apply(|e| {
                open &= match e {
                    Expr::Placeholder(p) => p.field.is_some(),
                    Expr::ScalarFunction(f) => {
                        session_value(f.func.name(), &Circumstances::default()).is_none()
                    }
                    _ => true,
                };
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map_err(error::datafusion)?;
    if !open {
        return Ok(None);
    }
    runtime.state().optimize(plan).map(Some).map_err(error::datafusion)
}

/// Starts a bound plan that was optimised before.
pub async fn execute_optimised(
    runtime: &Runtime,
    plan: &LogicalPlan,
    view: ReadView,
) -> Result<Rows> {
    let state = runtime.state();
    let physical = state.query_planner().create_physical_plan(plan, state).await;
    start(runtime, physical.map_err(error::datafusion)?, view)
}

fn start(runtime: &Runtime, plan: Arc<dyn ExecutionPlan>, view: ReadView) -> Result<Rows> {
    let stream = execute_stream(plan, runtime.task(view)).map_err(error::datafusion)?;
    Ok(stream.map(|batch| batch.map_err(error::datafusion)).boxed())
}

/// Brings batches to the columns promised to the client.
pub fn conform(rows: Rows, columns: &[ResultColumn]) -> Rows {
    let types: Vec<SqlType> = columns.iter().map(|c| c.ty).collect();
    let fields: Vec<_> = columns.iter().map(|c| crate::types::field(&c.name, c.ty, true)).collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    rows.map(move |batch| {
        let batch = batch?;
        let arrays = batch
            .columns()
            .iter()
            .zip(&types)
            .map(|(array, ty)| normalise(array, *ty))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
            .map_err(|e| Error::internal(format!("shaping a result: {e}")))
    })
    .boxed()
}
