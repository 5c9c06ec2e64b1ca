//! Messages to the client that are not errors.

use base::{Error, SqlState};

/// How serious a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something the user probably did not mean.
    Warning,
    /// For information.
    Notice,
    /// For information that was asked for.
    Info,
}

/// A notice: an error's fields without being one.
#[derive(Clone, Debug)]
pub struct Notice {
    /// How serious.
    pub severity: Severity,
    /// Code, message, detail and hint.
    pub error: Error,
}

impl Notice {
    /// A warning.
    pub fn warning(state: SqlState, message: impl Into<String>) -> Notice {
        Notice { severity: Severity::Warning, error: Error::new(state, message) }
    }
}
