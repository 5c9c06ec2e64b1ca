//! Histories of one region, judged for isolation: clients run random transactions at one level over
//! several partitions while the region loses power, is killed and writes chunks; what each client
//! asked and was told is a history in Jepsen's form, and the `adya` crate looks for cycles of
//! dependencies in it that the level rules out.
//!
//! ```text
//!   clients ──▶ region: Engine on a SimNode ◀── nemesis: power loss, kill, spill
//!      │
//!      ▼ invoke, ok, fail
//!   history ──▶ judge: READ COMMITTED   strong read committed (no G1)
//!                      REPEATABLE READ  strong snapshot isolation
//!                      SERIALIZABLE     strict serializability
//! ```
//!
//! In most runs every call to a partition takes its time, as over a network: commits of different
//! transactions then meet in all the places where they can.
//!
//! Two workloads, drawn from the seed. *Lists*: a transaction appends unique numbers to lists and
//! reads them; each read shows the order of all appends before it. *Registers*: it overwrites and
//! reads them; less can be concluded, but writes are blind. Rows begin absent, and reads are by key,
//! by a scan of the partition, or under a lock. Whoever writes also leaves a marker, which tells in
//! the end what became of transactions whose clients were not told.
//!
//! ```text
//! cargo run -p antipode-sim -- --history serializable --seed 7
//! ```

mod client;
mod judge;
mod nemesis;
mod record;
mod town;
mod work;

use crate::panics;
pub use judge::{Model, judge};
pub use record::History;
pub use town::Town;
use txn::Isolation;
pub use work::{Kind, Step};

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Everything follows from it.
    pub seed: u64,
    /// The level of all transactions.
    pub level: Isolation,
    /// Print what happens.
    pub verbose: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was run.
    pub options: Options,
    /// The workload.
    pub kind: Kind,
    /// What the clients asked and were told, one JSON object per line.
    pub history: String,
    /// Transactions committed, failed, and of these unknown for a time.
    pub transactions: (usize, usize, usize),
    /// What the level rules out and happened all the same.
    pub violation: Option<String>,
}

impl Report {
    /// The one line that repeats the run.
    pub fn replay(&self) -> String {
        let level = name(self.options.level);
        let seed = self.options.seed;
        format!("cargo run -p antipode-sim -- --history {level} --seed {seed} --verbose")
    }
}

/// A level's name on the command line.
pub fn name(level: Isolation) -> &'static str {
    match level {
        Isolation::ReadCommitted => "read-committed",
        Isolation::RepeatableRead => "repeatable-read",
        Isolation::Serializable => "serializable",
    }
}

/// A level by its name on the command line.
pub fn level(name: &str) -> Option<Isolation> {
    let all = [Isolation::ReadCommitted, Isolation::RepeatableRead, Isolation::Serializable];
    all.into_iter().find(|level| self::name(*level) == name)
}

/// Runs one seed and judges it by what its level promises.
pub fn run(options: Options) -> Report {
    panics::watch();
    let (kind, history, told) = env::sim::run(options.seed, |world| town::live(world, options));
    let text = history.text();
    let judged = judge(kind, &text, Model::of(options.level)).err();
    Report {
        options,
        kind,
        transactions: history.counts(),
        history: text,
        violation: panics::first().or(told).or(judged),
    }
}
