//! Calling a function row by row. System queries have few rows, so nothing is gained by more.

use super::Answer;
use crate::system::sheet::Cell;
use crate::system::source::Facts;
use base::Error;
use datafusion::arrow::array::{ArrayRef, ListBuilder, StringBuilder};
use datafusion::arrow::array::{BooleanArray, Int64Array, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What an answer is.
pub(super) type Result<T = Cell> = std::result::Result<T, Error>;

/// The arguments of one row.
pub(super) struct Args<'a> {
    arrays: &'a [ArrayRef],
    row: usize,
}

impl Args<'_> {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.arrays.len()
    }

    fn scalar(&self, i: usize) -> Option<ScalarValue> {
        let array = self.arrays.get(i)?;
        ScalarValue::try_from_array(array, self.row).ok().filter(|s| !s.is_null())
    }

    /// The argument as text.
    pub(super) fn text(&self, i: usize) -> Option<String> {
        match self.scalar(i)? {
            ScalarValue::Utf8(s) | ScalarValue::LargeUtf8(s) | ScalarValue::Utf8View(s) => s,
            other => match other.cast_to(&DataType::Utf8).ok()? {
                ScalarValue::Utf8(s) => s,
                _ => None,
            },
        }
    }

    /// The argument as a whole number; also if it is written in a text.
    pub(super) fn int(&self, i: usize) -> Option<i64> {
        match self.scalar(i)?.cast_to(&DataType::Int64).ok()? {
            ScalarValue::Int64(n) => n,
            _ => None,
        }
    }
}

/// A function over facts.
#[derive(Debug)]
pub(super) struct Call {
    name: &'static str,
    returns: DataType,
    signature: Signature,
    facts: Arc<Facts>,
    answer: Answer,
}

impl Call {
    pub(super) fn new(
        name: &'static str,
        returns: DataType,
        facts: Arc<Facts>,
        answer: Answer,
    ) -> Call {
        let any = vec![TypeSignature::VariadicAny, TypeSignature::Nullary];
        let signature = Signature::one_of(any, Volatility::Stable);
        Call { name, returns, signature, facts, answer }
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Call) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.facts, &other.facts)
    }
}

impl Eq for Call {}

impl Hash for Call {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Call {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> datafusion::common::Result<DataType> {
        Ok(self.returns.clone())
    }

    fn invoke_with_args(
        &self,
        args: ScalarFunctionArgs,
    ) -> datafusion::common::Result<ColumnarValue> {
        let scalar = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays = args
            .args
            .into_iter()
            .map(|a| a.into_array(rows))
            .collect::<datafusion::common::Result<Vec<_>>>()?;
        let cells = (0..rows)
            .map(|row| (self.answer)(&self.facts, &Args { arrays: &arrays, row }))
            .collect::<Result<Vec<Cell>>>()
            .map_err(|e| DataFusionError::External(Box::new(e)))?;
        let array = to_array(&self.returns, &cells);
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

fn to_array(ty: &DataType, cells: &[Cell]) -> ArrayRef {
    let cells = cells.iter();
    match ty {
        DataType::Int64 => Arc::new(
            cells
                .map(|c| if let Cell::Int(n) = c { Some(*n) } else { None })
                .collect::<Int64Array>(),
        ),
        DataType::Boolean => Arc::new(
            cells
                .map(|c| if let Cell::Bool(b) = c { Some(*b) } else { None })
                .collect::<BooleanArray>(),
        ),
        DataType::List(_) => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for cell in cells {
                match cell {
                    Cell::Texts(texts) => lists.append_value(texts.iter().map(Some)),
                    _ => lists.append_null(),
                }
            }
            Arc::new(lists.finish())
        }
        _ => Arc::new(
            cells
                .map(|c| if let Cell::Text(t) = c { Some(t.as_str()) } else { None })
                .collect::<StringArray>(),
        ),
    }
}
