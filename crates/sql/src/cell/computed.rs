//! A physical expression and the columns it needs.

use super::Frame;
use crate::types;
use ::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use ::arrow::datatypes::{FieldRef, SchemaRef};
use base::{Error, Result, SqlType, Value};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use std::sync::Arc;

/// Where a column of the evaluation batch comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A column of the row.
    Row(usize, SqlType),
    /// A parameter.
    Param(usize),
    /// A session function.
    Session(String),
}

/// See the module's head.
#[derive(Clone, Debug)]
pub struct Computed {
    /// What the batch holds, column by column.
    pub inputs: Vec<Input>,
    /// The batch's schema.
    pub schema: SchemaRef,
    /// The expression over it.
    pub expr: Arc<dyn PhysicalExpr>,
    /// Its result.
    pub field: FieldRef,
}

impl Computed {
    /// Its value for one row.
    pub fn one(&self, row: &[Value], frame: &Frame) -> Result<ScalarValue> {
        let arrays = self
            .inputs
            .iter()
            .map(|input| match input {
                Input::Row(i, ty) => one_array(&types::to_scalar(&row[*i], *ty), 1),
                other => one_array(&outside(other, frame)?, 1),
            })
            .collect::<Result<Vec<_>>>()?;
        match self.evaluate(arrays, 1)? {
            ColumnarValue::Scalar(v) => Ok(v),
            ColumnarValue::Array(a) => {
                ScalarValue::try_from_array(&a, 0).map_err(crate::error::datafusion)
            }
        }
    }

    /// Its values for some rows.
    pub fn many(&self, rows: &[Vec<Value>], frame: &Frame) -> Result<ArrayRef> {
        let arrays = self
            .inputs
            .iter()
            .map(|input| match input {
                Input::Row(i, ty) => types::to_array(rows.iter().map(|r| &r[*i]), *ty),
                other => one_array(&outside(other, frame)?, rows.len()),
            })
            .collect::<Result<Vec<_>>>()?;
        self.evaluate(arrays, rows.len())?.into_array(rows.len()).map_err(crate::error::datafusion)
    }

    /// True if it is true for the row; NULL counts as false.
    pub fn holds(&self, row: &[Value], frame: &Frame) -> Result<bool> {
        match self.one(row, frame)? {
            ScalarValue::Boolean(v) => Ok(v == Some(true)),
            ScalarValue::Null => Ok(false),
            other => Err(Error::new(
                base::SqlState::DATATYPE_MISMATCH,
                format!(
                    "argument of WHERE must be type boolean, not type {}",
                    types::natural(&other.data_type())
                ),
            )),
        }
    }

    fn evaluate(&self, arrays: Vec<ArrayRef>, rows: usize) -> Result<ColumnarValue> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map_err(|e| Error::internal(format!("evaluating an expression: {e}")))?;
        self.expr.evaluate(&batch).map_err(crate::error::datafusion)
    }
}

fn one_array(value: &ScalarValue, rows: usize) -> Result<ArrayRef> {
    value.to_array_of_size(rows).map_err(crate::error::datafusion)
}

fn outside(input: &Input, frame: &Frame) -> Result<ScalarValue> {
    match input {
        Input::Param(i) => frame.param(*i).cloned(),
        Input::Session(name) => frame.session(name),
        Input::Row(..) => Err(Error::internal("a row column is not a parameter")),
    }
}
