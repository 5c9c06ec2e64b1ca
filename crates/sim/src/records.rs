//! A partition's log as records.

use crate::verdict::Violation;
use base::{Error, Lsn};
use format::Record;
use partition::Partition;

const READ_BYTES: usize = 1 << 20;

/// Everything that is durable and still there.
pub fn read(partition: &Partition) -> Result<Vec<(Lsn, Record)>, Violation> {
    let failed = |e: Error| {
        let what = format!("partition {}: reading the log: {e}", partition.number());
        Violation::new("log_prefix", what)
    };
    let (mut next, end) = (partition.first(), partition.durable());
    let mut all = Vec::new();
    while next <= end {
        let frames = partition.read_frames(next, READ_BYTES).map_err(failed)?;
        let Some(last) = frames.last() else {
            return Err(failed(Error::internal(format!("nothing at {next}, before {end}"))));
        };
        next = last.lsn.next();
        for frame in frames.into_iter().filter(|f| f.lsn <= end) {
            all.push((frame.lsn, Record::decode(frame.kind, &frame.payload).map_err(failed)?));
        }
    }
    Ok(all)
}
