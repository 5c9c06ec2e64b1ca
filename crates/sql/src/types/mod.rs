//! Types and values where SQL, Arrow and storage meet.
//!
//! ```text
//!   AST type ──▶ SqlType ──▶ Arrow field (+ metadata `antipode.type`)
//!   Value ◀──▶ ScalarValue          one value, exactly
//!   anything ──assign──▶ Value      into a column: range, length, scale checked
//! ```

mod arrow;
mod assign;
mod ast;
mod scalar;

pub use arrow::{TYPE_KEY, arrow_type, field, natural, normalise, sql_type_of};
pub use assign::{Assigner, assign, default_scalar, fit};
pub use ast::sql_type;
pub use scalar::{Exact, exact, from_scalar, to_array, to_scalar};

#[cfg(test)]
mod tests;
