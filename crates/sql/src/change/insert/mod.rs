//! INSERT.

mod bulk;
mod compile;
mod conflict;
mod draw;
mod put;
mod run;

pub use bulk::put_new;
pub use put::lost_row;
pub use run::{insert, insert_rows};

use super::returning::Returning;
use crate::cell::{Cell, Computed};
use crate::sequence::Drawn;
use crate::shape::Shape;
use base::Error;
use datafusion::logical_expr::LogicalPlan;
use std::sync::Arc;

/// Where the rows come from.
pub enum Source {
    /// `VALUES`, one vector of expressions per row; `None` is `DEFAULT`.
    Values(Vec<Vec<Option<Cell>>>),
    /// Any other query.
    Query(Box<LogicalPlan>),
}

impl Source {
    /// True if its values take values from sequences, other than by a query.
    pub(super) fn draws(&self) -> bool {
        let next = |cell: &Cell| cell.drawn().iter().any(|d| matches!(d, Drawn::Next(_)));
        match self {
            Source::Values(rows) => rows.iter().flatten().flatten().any(next),
            Source::Query(_) => false,
        }
    }
}

/// What may keep two rows apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arbiter {
    /// The primary key.
    Key,
    /// A unique index, by its place in [`Shape::indexes`].
    Index(usize),
}

/// What to do if another row has the key, or the values of a unique index.
pub enum Conflict {
    /// 23505.
    Fail,
    /// Leave the row out; 23505 if it is not this one that is in the way.
    Skip(Option<Arbiter>),
    /// Change the existing row: `(column, value)`, if the condition holds. Expressions are over the
    /// existing row followed by the one that was to be inserted.
    Update(Arbiter, Vec<(usize, Cell)>, Option<Computed>),
}

/// Why rows were not inserted.
#[derive(Debug)]
pub struct Refusal {
    /// The error.
    pub error: Box<Error>,
    /// Which of the rows given is to blame for it, if one is.
    pub row: Option<usize>,
}

impl Refusal {
    /// An error that one of the rows is to blame for.
    pub(super) fn of(row: usize) -> impl FnOnce(Error) -> Refusal {
        move |error| Refusal { error: Box::new(error), row: Some(row) }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal { error: Box::new(error), row: None }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        *refusal.error
    }
}

/// A compiled INSERT.
pub struct InsertPlan {
    /// The table.
    pub shape: Arc<Shape>,
    /// The columns the source's columns go to, by position.
    pub columns: Vec<usize>,
    /// The rows.
    pub source: Source,
    /// Defaults of the other columns.
    pub(super) defaults: Vec<(usize, Cell)>,
    /// Columns whose given values do not count.
    pub(super) ignored: Vec<usize>,
    /// Values or defaults take values from sequences.
    pub(super) draws: bool,
    pub(super) conflict: Conflict,
    /// RETURNING.
    pub returning: Option<Returning>,
}
