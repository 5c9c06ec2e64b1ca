//! The fast path: statements about one row, named by its whole primary key; and queries for the rows
//! with certain values of all columns of an index ([`LookupPlan`]).
//!
//! ```text
//!   UPDATE t SET a = a + $1 WHERE id = $2 AND b > 0
//!                │                  │         └ residual: checked on the row
//!                │                  └ key: evaluated without a row ─▶ one place
//!                └ new value: evaluated on the row
//! ```
//!
//! No plan is built or optimised per execution. Expressions are DataFusion's own ([`crate::cell`]),
//! so the statement means exactly what the planned one means; tests run one against the other.

mod compile;
mod lookup;
mod run;

pub use compile::{Action, PointPlan};
pub use lookup::{LookupPlan, lookup};
pub use run::{Answer, run};
