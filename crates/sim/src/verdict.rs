//! The first violation of a run, if there is one.

use parking_lot::Mutex;
use std::fmt;

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one: the name of its file in `invariants`.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
    /// The transfer it is about, if it is about one.
    pub transfer: Option<i64>,
}

impl Violation {
    /// A violation.
    pub fn new(invariant: &'static str, what: impl Into<String>) -> Violation {
        Violation { invariant, what: what.into(), transfer: None }
    }

    /// Says which transfer it is about.
    pub fn about(self, transfer: i64) -> Violation {
        Violation { transfer: Some(transfer), ..self }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// Where actors report violations; the first one counts.
#[derive(Debug, Default)]
pub struct Verdict(Mutex<Option<Violation>>);

impl Verdict {
    /// Reports one.
    pub fn report(&self, violation: Violation) {
        self.0.lock().get_or_insert(violation);
    }

    /// Reports a failed check.
    pub fn check(&self, checked: Result<(), Violation>) {
        if let Err(violation) = checked {
            self.report(violation);
        }
    }

    /// The first one reported.
    pub fn get(&self) -> Option<Violation> {
        self.0.lock().clone()
    }
}
