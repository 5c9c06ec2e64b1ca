//! A physical expression and the columns it needs.

use super::Frame;
use crate::sequence::Drawn;
use crate::types;
use ::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use ::arrow::datatypes::{DataType, FieldRef, SchemaRef};
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
    /// A value of a sequence; the number tells calls apart.
    Sequence(Drawn, usize),
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
                Input::Sequence(drawn, _) => one_by_one(drawn, rows.len(), frame),
                other => one_array(&outside(other, frame)?, rows.len()),
            })
            .collect::<Result<Vec<_>>>()?;
        self.evaluate(arrays, rows.len())?.into_array(rows.len()).map_err(crate::error::datafusion)
    }

    /// The values of sequences it takes for each row.
    pub fn drawn(&self) -> Vec<Drawn> {
        let drawn = self.inputs.iter().filter_map(|input| match input {
            Input::Sequence(drawn, _) => Some(*drawn),
            _ => None,
        });
        drawn.collect()
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

/// A value of a sequence for each row.
pub(super) fn one_by_one(drawn: &Drawn, rows: usize, frame: &Frame) -> Result<ArrayRef> {
    let values = (0..rows).map(|_| drawn.value(frame)).collect::<Result<Vec<_>>>()?;
    if values.is_empty() {
        return Ok(new_empty_array(&DataType::Int64));
    }
    ScalarValue::iter_to_array(values).map_err(crate::error::datafusion)
}

fn outside(input: &Input, frame: &Frame) -> Result<ScalarValue> {
    match input {
        Input::Param(i) => frame.param(*i).cloned(),
        Input::Session(name) => frame.session(name),
        Input::Sequence(drawn, _) => drawn.value(frame),
        Input::Row(..) => Err(Error::internal("a row column is not a parameter")),
    }
}
