//! # Rows that came together are there together
//! Of every batch that was loaded in blocks there are all rows, over all partitions, or none.

use crate::picture::{Picture, int};
use crate::verdict::Violation;
use std::collections::BTreeMap;

/// Checks one picture.
pub fn check(picture: &Picture) -> Result<(), Violation> {
    let mut batches: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for (_, row) in picture.table("bulk") {
        let (Some(batch), Some(size)) = (int(row, "batch"), int(row, "size")) else {
            return Err(Violation::new("bulk_whole", format!("a row without its values: {row:?}")));
        };
        batches.entry(batch).or_insert((size, 0)).1 += 1;
    }
    match batches.iter().find(|(_, (size, rows))| size != rows) {
        None => Ok(()),
        Some((batch, (size, rows))) => {
            let what = format!("batch {batch} has {rows} of {size} rows at {}", picture.at);
            Err(Violation::new("bulk_whole", what))
        }
    }
}
