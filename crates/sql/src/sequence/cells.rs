//! Functions of sequences in expressions that are evaluated row by row.

use super::Draws;
use super::call::Which;
use crate::cell::Frame;
use crate::plan::placeholder_index;
use base::{Catalog, Error, Result, TableId};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;

/// Which sequence is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// This one.
    Id(TableId),
    /// The one that a parameter names.
    Param(usize),
}

/// A value of a sequence in an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// `nextval`: has to be reserved before.
    Next(Reference),
    /// `currval`
    Current(Reference),
    /// `lastval`
    Last,
}

impl Drawn {
    /// Reads a call; `None` if it is no function of sequences.
    ///
    /// # Errors
    /// 42P01 if the sequence is not there, 0A000 if it is only known row by row, and for `setval`.
    pub fn read(catalog: &Catalog, f: &ScalarFunction) -> Result<Option<Drawn>> {
        let Some(which) = Which::of(f.func.name()) else { return Ok(None) };
        let reference = || match f.args.first() {
            Some(Expr::Literal(ScalarValue::Utf8(Some(name)), _)) => {
                super::resolve(catalog, name).map(|s| Reference::Id(s.id))
            }
            Some(Expr::Placeholder(p)) => placeholder_index(&p.id)
                .map(Reference::Param)
                .ok_or_else(|| Error::internal("a parameter without number")),
            _ => {
                Err(Error::unsupported(format!("{}() of a name that is calculated", which.name())))
            }
        };
        Ok(Some(match which {
            Which::Next => Drawn::Next(reference()?),
            Which::Current => Drawn::Current(reference()?),
            Which::Last => Drawn::Last,
            Which::Set => return Err(Error::unsupported("setval() here")),
        }))
    }

    /// The value, one per call.
    pub fn value(&self, frame: &Frame) -> Result<ScalarValue> {
        let draws = draws(frame)?;
        let value = match self {
            Drawn::Next(reference) => draws.take(reference.id(frame)?),
            Drawn::Current(reference) => draws.current(reference.id(frame)?),
            Drawn::Last => draws.last(),
        };
        value.map(|v| ScalarValue::Int64(Some(v)))
    }
}

impl Reference {
    /// The sequence.
    pub fn id(&self, frame: &Frame) -> Result<TableId> {
        match self {
            Reference::Id(id) => Ok(*id),
            Reference::Param(i) => match frame.param(*i)?.try_as_str() {
                Some(Some(name)) => draws(frame)?.resolve(name),
                _ => Err(Error::unsupported("a sequence that is not named by a text")),
            },
        }
    }
}

/// What the statement draws.
pub fn draws(frame: &Frame) -> Result<&Draws> {
    let draws = frame.circumstances.sequences.as_deref();
    draws.ok_or_else(|| Error::unsupported("a function of sequences here"))
}
