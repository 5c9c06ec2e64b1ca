//! What clients asked and were told, in Jepsen's form: one JSON object per line.

use super::work::Step;
use parking_lot::Mutex;
use std::fmt::Write;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It committed.
    Ok,
    /// It did not.
    Fail,
    /// Its client does not know.
    Unknown,
}

/// A transaction whose end its client does not know.
#[derive(Clone, Debug)]
pub struct Open {
    process: u64,
    /// What it was to do, and what it had read.
    pub steps: Vec<Step>,
    /// Names the row that tells whether it committed.
    pub marker: i64,
}

#[derive(Debug, Default)]
struct Inner {
    text: String,
    counts: (usize, usize, usize),
    processes: u64,
    open: Vec<Open>,
}

/// The history of one run.
#[derive(Debug, Default)]
pub struct History(Mutex<Inner>);

impl History {
    /// A process that has not been there before: one whose last answer is unknown can not go on.
    pub fn process(&self) -> u64 {
        let mut inner = self.0.lock();
        inner.processes += 1;
        inner.processes
    }

    /// A transaction begins.
    pub fn invoke(&self, process: u64, steps: &[Step]) {
        self.0.lock().line("invoke", process, steps);
    }

    /// It has ended; `steps` now show what was read.
    pub fn end(&self, process: u64, end: End, steps: Vec<Step>, marker: i64) {
        let mut inner = self.0.lock();
        match end {
            End::Ok => inner.closed(true, process, &steps),
            End::Fail => inner.closed(false, process, &steps),
            End::Unknown => {
                inner.counts.2 += 1;
                inner.open.push(Open { process, steps, marker });
            }
        }
    }

    /// Transactions whose end is unknown.
    pub fn open(&self) -> Vec<Open> {
        self.0.lock().open.clone()
    }

    /// Tells how they ended, all of them now: whatever a checker concludes from a transaction with
    /// an unknown end is weaker.
    pub fn settle(&self, committed: impl Fn(&Open) -> bool) {
        let mut inner = self.0.lock();
        for open in std::mem::take(&mut inner.open) {
            inner.closed(committed(&open), open.process, &open.steps);
        }
    }

    /// Transactions committed, failed, and of these unknown for a time.
    pub fn counts(&self) -> (usize, usize, usize) {
        self.0.lock().counts
    }

    /// All of it.
    pub fn text(&self) -> String {
        self.0.lock().text.clone()
    }
}

impl Inner {
    fn closed(&mut self, ok: bool, process: u64, steps: &[Step]) {
        self.counts.0 += usize::from(ok);
        self.counts.1 += usize::from(!ok);
        self.line(if ok { "ok" } else { "fail" }, process, steps);
    }

    fn line(&mut self, kind: &str, process: u64, steps: &[Step]) {
        let steps: Vec<String> = steps.iter().map(Step::json).collect();
        let steps = steps.join(",");
        // Writing to a string does not fail.
        let _ = writeln!(self.text, r#"{{"type":"{kind}","process":{process},"value":[{steps}]}}"#);
    }
}
