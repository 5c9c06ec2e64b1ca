//! Functions of sequences in plans: open calls while planning, asynchronous ones when bound.

use super::Draws;
use crate::error::wrap;
use crate::plan::Circumstances;
use ::arrow::array::{ArrayRef, Int64Array};
use ::arrow::datatypes::DataType;
use async_trait::async_trait;
use base::Error;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A function of sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Which {
    Next,
    Current,
    Last,
    Set,
}

const ALL: [Which; 4] = [Which::Next, Which::Current, Which::Last, Which::Set];

impl Which {
    pub(super) fn name(self) -> &'static str {
        match self {
            Which::Next => "nextval",
            Which::Current => "currval",
            Which::Last => "lastval",
            Which::Set => "setval",
        }
    }

    pub(super) fn of(name: &str) -> Option<Which> {
        ALL.into_iter().find(|which| which.name() == name)
    }

    fn signature(self) -> Signature {
        let volatility = Volatility::Volatile;
        match self {
            Which::Next | Which::Current => Signature::any(1, volatility),
            Which::Last => Signature::nullary(volatility),
            Which::Set => {
                Signature::one_of(vec![TypeSignature::Any(2), TypeSignature::Any(3)], volatility)
            }
        }
    }
}

/// True for the name of a function of sequences.
pub fn is_known(name: &str) -> bool {
    Which::of(name).is_some()
}

/// True for one that moves a sequence.
pub fn is_drawing(name: &str) -> bool {
    matches!(Which::of(name), Some(Which::Next | Which::Set))
}

/// The functions to register. They have to be bound before they are executed.
pub fn functions() -> impl Iterator<Item = ScalarUDF> {
    let open = |which: Which| OpenCall { which, signature: which.signature() };
    ALL.into_iter().map(move |which| ScalarUDF::from(open(which)))
}

/// A call that can be executed; `None` if it is no function of sequences.
pub fn bind(f: &ScalarFunction, c: &Circumstances) -> Option<Result<Expr>> {
    let open = f.func.inner().downcast_ref::<OpenCall>()?;
    let Some(draws) = c.sequences.clone() else {
        return Some(Err(wrap(Error::unsupported(format!("{}() here", open.which.name())))));
    };
    let (number, signature) = (draws.number(), open.signature.clone());
    let call = BoundCall { which: open.which, signature, draws, number };
    let udf = AsyncScalarUDF::new(Arc::new(call)).into_scalar_udf();
    let call = ScalarFunction::new_udf(Arc::new(udf), f.args.clone());
    Some(Ok(Expr::ScalarFunction(call)))
}

/// A call as it is planned.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OpenCall {
    which: Which,
    signature: Signature,
}

impl ScalarUDFImpl for OpenCall {
    fn name(&self) -> &str {
        self.which.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{} was not bound before execution", self.which.name())
    }
}

/// A call in one execution of a plan.
#[derive(Debug)]
struct BoundCall {
    which: Which,
    signature: Signature,
    draws: Arc<Draws>,
    number: u64,
}

impl PartialEq for BoundCall {
    fn eq(&self, other: &BoundCall) -> bool {
        self.number == other.number && Arc::ptr_eq(&self.draws, &other.draws)
    }
}

impl Eq for BoundCall {}

impl Hash for BoundCall {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl ScalarUDFImpl for BoundCall {
    fn name(&self) -> &str {
        self.which.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{} is asynchronous", self.which.name())
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for BoundCall {
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let arrays =
            args.args.into_iter().map(|a| a.into_array(rows)).collect::<Result<Vec<ArrayRef>>>()?;
        let values = match self.which {
            Which::Next => self.next(&arrays, rows).await?,
            which => {
                let mut values = Vec::with_capacity(rows);
                for row in 0..rows {
                    values.push(self.one(which, &arrays, row).await?);
                }
                values
            }
        };
        Ok(ColumnarValue::Array(Arc::new(Int64Array::from(values))))
    }
}

impl BoundCall {
    /// Values for all rows; those of one sequence are reserved at once.
    async fn next(&self, arrays: &[ArrayRef], rows: usize) -> Result<Vec<Option<i64>>> {
        let names = (0..rows).map(|row| text(arrays, 0, row)).collect::<Result<Vec<_>>>()?;
        let mut values = Vec::with_capacity(rows);
        for same in names.chunk_by(|a, b| a == b) {
            let Some(Some(name)) = same.first() else {
                values.extend(same.iter().map(|_| None));
                continue;
            };
            let id = self.draws.resolve(name).map_err(wrap)?;
            let drawn = self.draws.next(id, same.len()).await.map_err(wrap)?;
            values.extend(drawn.into_iter().map(Some));
        }
        Ok(values)
    }

    async fn one(&self, which: Which, arrays: &[ArrayRef], row: usize) -> Result<Option<i64>> {
        if which == Which::Last {
            return self.draws.last().map(Some).map_err(wrap);
        }
        let Some(name) = text(arrays, 0, row)? else { return Ok(None) };
        let id = self.draws.resolve(&name).map_err(wrap)?;
        if which == Which::Current {
            return self.draws.current(id).map(Some).map_err(wrap);
        }
        let value = scalar(arrays, 1, row, &DataType::Int64)?;
        let called = match arrays.len() {
            2 => ScalarValue::Boolean(Some(true)),
            _ => scalar(arrays, 2, row, &DataType::Boolean)?,
        };
        let (ScalarValue::Int64(Some(value)), ScalarValue::Boolean(Some(called))) = (value, called)
        else {
            return Ok(None);
        };
        self.draws.set(id, value, called).await.map_err(wrap)?;
        Ok(Some(value))
    }
}

fn scalar(arrays: &[ArrayRef], i: usize, row: usize, ty: &DataType) -> Result<ScalarValue> {
    match arrays.get(i) {
        Some(array) => ScalarValue::try_from_array(array, row)?.cast_to(ty),
        None => internal_err!("a function of sequences lacks an argument"),
    }
}

fn text(arrays: &[ArrayRef], i: usize, row: usize) -> Result<Option<String>> {
    match scalar(arrays, i, row, &DataType::Utf8)? {
        ScalarValue::Utf8(text) => Ok(text),
        _ => Ok(None),
    }
}
