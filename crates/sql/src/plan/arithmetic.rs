//! Integer arithmetic that fails instead of wrapping around, and `mod`.

use crate::error::wrap;
use crate::types::natural;
use ::arrow::compute::kernels::numeric;
use ::arrow::datatypes::DataType;
use ::arrow::error::ArrowError;
use base::{Error, SqlState};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, DataFusionError, Result, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, cast,
};
use datafusion::physical_expr_common::datum;
use std::hash::Hash;
use std::sync::Arc;

/// Replaces `+`, `-` and `*` of integers by functions that check for overflow.
#[derive(Debug)]
pub(super) struct Checked {
    add: Arc<ScalarUDF>,
    subtract: Arc<ScalarUDF>,
    multiply: Arc<ScalarUDF>,
}

impl Checked {
    pub(super) fn new() -> Checked {
        let function = |name, op| {
            let signature = Signature::any(2, Volatility::Immutable);
            Arc::new(ScalarUDF::from(CheckedOp { name, op, signature }))
        };
        Checked {
            add: function("checked_add", Op::Add),
            subtract: function("checked_subtract", Op::Subtract),
            multiply: function("checked_multiply", Op::Multiply),
        }
    }
}

impl FunctionRewrite for Checked {
    fn name(&self) -> &str {
        "checked_arithmetic"
    }

    fn rewrite(&self, e: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        if let Expr::ScalarFunction(f) = &e {
            return Ok(match (f.func.name(), f.args.as_slice()) {
                ("mod", [a, b]) => Transformed::yes(a.clone() % b.clone()),
                _ => Transformed::no(e),
            });
        }
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &e else {
            return Ok(Transformed::no(e));
        };
        let function = match op {
            Operator::Plus => &self.add,
            Operator::Minus => &self.subtract,
            Operator::Multiply => &self.multiply,
            _ => return Ok(Transformed::no(e)),
        };
        let (Ok(a), Ok(b)) = (left.get_type(schema), right.get_type(schema)) else {
            return Ok(Transformed::no(e));
        };
        let Some(wide) = wider(&a, &b) else { return Ok(Transformed::no(e)) };
        let operand = |e: &Expr, ty: &DataType| {
            if *ty == wide { e.clone() } else { cast(e.clone(), wide.clone()) }
        };
        let args = vec![operand(left, &a), operand(right, &b)];
        let call = ScalarFunction::new_udf(function.clone(), args);
        Ok(Transformed::yes(Expr::ScalarFunction(call)))
    }
}

/// `mod(a, b)`, which becomes `a % b`.
pub(super) fn modulo() -> ScalarUDF {
    let signature = Signature::any(2, Volatility::Immutable);
    ScalarUDF::from(CheckedOp { name: "mod", op: Op::Modulo, signature })
}

/// The type two integers are calculated in.
fn wider(a: &DataType, b: &DataType) -> Option<DataType> {
    let width = |ty: &DataType| match ty {
        DataType::Int16 => Some(16),
        DataType::Int32 => Some(32),
        DataType::Int64 => Some(64),
        _ => None,
    };
    Some(if width(a)? >= width(b)? { a.clone() } else { b.clone() })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    Add,
    Subtract,
    Multiply,
    Modulo,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedOp {
    name: &'static str,
    op: Op,
    signature: Signature,
}

impl ScalarUDFImpl for CheckedOp {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args.first() {
            Some(ty) => Ok(ty.clone()),
            None => internal_err!("{} without arguments", self.name),
        }
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return internal_err!("{} takes two arguments", self.name);
        };
        let kernel = match self.op {
            Op::Add => numeric::add,
            Op::Subtract => numeric::sub,
            Op::Multiply => numeric::mul,
            Op::Modulo => numeric::rem,
        };
        datum::apply(left, right, kernel).map_err(|e| match e {
            DataFusionError::ArrowError(inner, _)
                if matches!(*inner, ArrowError::ArithmeticOverflow(_)) =>
            {
                let ty = natural(&left.data_type());
                wrap(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("{ty} out of range")))
            }
            other => other,
        })
    }
}
