//! Why the demonstration could not go on.

use crate::client;
use std::fmt;

/// `Result` with [`Fault`].
pub type Result<T> = std::result::Result<T, Fault>;

/// What went wrong, one line.
#[derive(Clone, Debug)]
pub struct Fault(String);

impl Fault {
    /// A fault with this message.
    pub fn new(message: impl Into<String>) -> Fault {
        Fault(message.into())
    }

    /// Says what was being done.
    pub fn doing(self, what: impl fmt::Display) -> Fault {
        Fault(format!("{what}: {}", self.0))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(e: tokio_postgres::Error) -> Fault {
        Fault(client::explain(&e))
    }
}

impl From<std::io::Error> for Fault {
    fn from(e: std::io::Error) -> Fault {
        Fault(e.to_string())
    }
}

/// Says what was being done when an error came.
pub trait Doing<T> {
    /// Adds `what` in front of the error's message.
    fn doing(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Fault>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|e| e.into().doing(what))
    }
}
