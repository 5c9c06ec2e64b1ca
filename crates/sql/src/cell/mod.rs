//! Expressions over one table's rows, compiled once and evaluated on few rows: values to insert,
//! new values of an update, keys, residual conditions, RETURNING.
//!
//! ```text
//!   a + $1 * 2  ──▶ inputs [row column a, parameter 1] ──▶ physical expression over them
//! ```
//!
//! The expression is DataFusion's, planned and coerced as in any query; parameters and session
//! functions become columns of the batch it is evaluated on. So a compiled expression means what it
//! means in a planned query, and can be used for any parameters.

mod compile;
mod computed;

pub use compile::Compiler;
use computed::one_by_one;
pub use computed::{Computed, Input};

use crate::plan::{Circumstances, session_value};
use crate::sequence::Drawn;
use crate::types::{self, sql_type_of};
use ::arrow::array::ArrayRef;
use base::{Error, Result, SqlState, SqlType, Value};
use datafusion::common::ScalarValue;

/// What one execution brings: parameter values, time, user.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// Values of `$1`, `$2` …
    pub params: Vec<ScalarValue>,
    /// Time, user, database.
    pub circumstances: Circumstances,
}

impl Frame {
    /// The value of a parameter.
    pub fn param(&self, index: usize) -> Result<&ScalarValue> {
        self.params.get(index).ok_or_else(|| {
            Error::new(
                SqlState::UNDEFINED_PARAMETER,
                format!("there is no parameter ${}", index + 1),
            )
        })
    }

    /// The value of a session function.
    pub fn session(&self, name: &str) -> Result<ScalarValue> {
        session_value(name, &self.circumstances)
            .ok_or_else(|| Error::internal(format!("{name} is no session function")))
    }
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub enum Cell {
    /// A literal.
    Constant(ScalarValue),
    /// A parameter and its type.
    Param(usize, SqlType),
    /// A column of the row, by position, and its type.
    Column(usize, SqlType),
    /// A session function such as `now()`, and its type.
    Session(String, SqlType),
    /// A value of a sequence.
    Sequence(Drawn),
    /// Anything else.
    Computed(Computed),
}

impl Cell {
    /// The type of its values.
    pub fn ty(&self) -> SqlType {
        match self {
            Cell::Constant(v) => types::natural(&v.data_type()),
            Cell::Param(_, ty) | Cell::Column(_, ty) | Cell::Session(_, ty) => *ty,
            Cell::Sequence(_) => SqlType::BigInt,
            Cell::Computed(c) => sql_type_of(&c.field),
        }
    }

    /// Its value for one row (`&[]` if it does not look at columns).
    pub fn value(&self, row: &[Value], frame: &Frame) -> Result<ScalarValue> {
        match self {
            Cell::Constant(v) => Ok(v.clone()),
            Cell::Param(i, _) => frame.param(*i).cloned(),
            Cell::Column(i, ty) => Ok(types::to_scalar(&row[*i], *ty)),
            Cell::Session(name, _) => frame.session(name),
            Cell::Sequence(drawn) => drawn.value(frame),
            Cell::Computed(c) => c.one(row, frame),
        }
    }

    /// The values of sequences it takes for each row.
    pub fn drawn(&self) -> Vec<Drawn> {
        match self {
            Cell::Sequence(drawn) => vec![*drawn],
            Cell::Computed(c) => c.drawn(),
            _ => Vec::new(),
        }
    }

    /// Its values for some rows.
    pub fn values(&self, rows: &[Vec<Value>], frame: &Frame) -> Result<ArrayRef> {
        let repeat =
            |v: &ScalarValue| v.to_array_of_size(rows.len()).map_err(crate::error::datafusion);
        match self {
            Cell::Constant(v) => repeat(v),
            Cell::Param(i, _) => repeat(frame.param(*i)?),
            Cell::Session(name, _) => repeat(&frame.session(name)?),
            Cell::Sequence(drawn) => one_by_one(drawn, rows.len(), frame),
            Cell::Column(i, ty) => types::to_array(rows.iter().map(|r| &r[*i]), *ty),
            Cell::Computed(c) => c.many(rows, frame),
        }
    }

    /// The value it assigns to a column.
    pub fn assign(&self, row: &[Value], frame: &Frame, ty: SqlType, column: &str) -> Result<Value> {
        match self {
            Cell::Column(i, from) if *from == ty => Ok(row[*i].clone()),
            _ => types::assign(&self.value(row, frame)?, ty, column),
        }
    }
}
