//! The verdict on a history.

use super::work::Kind;
use adya::{Opts, Valid, Workload};
use std::time::Duration;
use txn::Isolation;

/// How long the search for a cycle may take. A history that is undecided then counts as bad.
const SEARCH: Duration = Duration::from_secs(30);

/// What a history has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// No dirty, aborted or circular reads, in real time.
    ReadCommitted,
    /// Snapshots of the present.
    Snapshot,
    /// One after the other, in real time.
    Serializable,
}

impl Model {
    /// What a level promises.
    pub fn of(level: Isolation) -> Model {
        match level {
            Isolation::ReadCommitted => Model::ReadCommitted,
            Isolation::RepeatableRead => Model::Snapshot,
            Isolation::Serializable => Model::Serializable,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Model::ReadCommitted => "strong-read-committed",
            Model::Snapshot => "strong-snapshot-isolation",
            Model::Serializable => "strict-serializable",
        }
    }
}

/// Judges a history, one JSON object per line.
///
/// # Errors
/// What the model rules out and happened, with how.
pub fn judge(kind: Kind, history: &str, model: Model) -> Result<(), String> {
    let history = adya::History::from_json(history).map_err(|e| format!("the history: {e}"))?;
    let workload = match kind {
        Kind::Lists => Workload::ListAppend,
        Kind::Registers => Workload::RwRegister,
    };
    let options = Opts {
        models: vec![model.name().to_owned()],
        timeout: SEARCH,
        // Who writes a register later, in real time, has the later version.
        linearizable_keys: true,
        ..Opts::default()
    };
    let report = adya::check(&history, workload, &options);
    if report.valid == Valid::True {
        return Ok(());
    }
    let first = report.anomalies.values().flatten().next();
    let how = first.map_or(String::new(), |anomaly| anomaly.explanation.clone());
    Err(format!("not {}: {}\n{how}", model.name(), report.anomaly_types.join(", ")))
}
