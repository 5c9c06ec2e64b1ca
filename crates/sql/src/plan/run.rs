//! Running plans and shaping their results for clients.

use super::runtime::Runtime;
use crate::error;
use crate::types::{normalise, sql_type_of};
use ::arrow::array::{RecordBatch, RecordBatchOptions};
use ::arrow::datatypes::{Schema, SchemaRef};
use base::{Error, Result, SqlType};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
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
    let stream = execute_stream(physical, runtime.task(view)).map_err(error::datafusion)?;
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
