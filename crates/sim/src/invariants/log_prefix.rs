//! # Logs are equal up to their common point
//! For every partition, wherever both regions still have the log: up to the common point of their
//! epoch histories, the two logs hold the same records, byte by byte, in the same epochs, but for what
//! was written to tables that are not replicated. When the
//! standby has caught up, the common point is the end of both.

use crate::verdict::Violation;
use base::{Error, Lsn};
use format::{Frame, Record};
use partition::Partition;
use std::sync::Arc;

const READ_BYTES: usize = 1 << 20;

/// Compares the logs of two databases, as far as both are durable.
pub fn check(
    one: &[Arc<Partition>],
    other: &[Arc<Partition>],
    caught_up: bool,
) -> Result<(), Violation> {
    one.iter().zip(other).try_for_each(|(a, b)| compare(a, b, caught_up))
}

fn violation(partition: &Partition, what: impl std::fmt::Display) -> Violation {
    Violation::new("log_prefix", format!("partition {}: {what}", partition.number()))
}

/// What of a record other clusters get.
fn sent(frame: &Frame) -> Result<Frame, Error> {
    let rest = Record::without_local(frame.kind, &frame.payload, false)?;
    let payload = rest.unwrap_or_else(|| frame.payload.clone());
    Ok(Frame { payload, ..frame.clone() })
}

fn compare(a: &Partition, b: &Partition, caught_up: bool) -> Result<(), Violation> {
    let (end_a, end_b) = (a.durable(), b.durable());
    let common = a.history().common_point(end_a, &b.history(), end_b);
    if caught_up && (common < end_a || common < end_b) {
        let (ha, hb) = (a.history(), b.history());
        let what = format!("logs end at {end_a} and {end_b}, but part at {common}: {ha:?}, {hb:?}");
        return Err(violation(a, what));
    }
    let failed = |e: Error| violation(a, format!("reading the log: {e}"));
    let mut next = a.first().max(b.first());
    while next <= common {
        let here = a.read_frames(next, READ_BYTES).map_err(failed)?;
        let there = b.read_frames(next, READ_BYTES).map_err(failed)?;
        if here.is_empty() || there.is_empty() {
            return Err(violation(a, format!("nothing to read at {next}, before {common}")));
        }
        for (x, y) in here.iter().zip(&there).take_while(|(x, _)| x.lsn <= common) {
            if x != y && sent(x).map_err(failed)? != sent(y).map_err(failed)? {
                let what = format!("record {} is {x:?} here and {y:?} there", x.lsn);
                return Err(violation(a, what));
            }
        }
        next = Lsn(next.0 + here.len().min(there.len()) as u64);
    }
    Ok(())
}
