//! Index entries move with their rows.

use super::Run;
use crate::shape::{Place, Shape};
use base::{Result, Value};
use txn::EntryMove;

/// A row at its place.
pub type Placed<'a> = (&'a Place, &'a [Value]);

/// Brings the index entries of locked rows in line with what becomes of them: old row, new row.
///
/// # Errors
/// 23505 if another row has the values of a unique index.
pub async fn move_entries(
    run: &mut Run<'_>,
    shape: &Shape,
    rows: &[(Option<Placed<'_>>, Option<Placed<'_>>)],
) -> Result<()> {
    let width = shape.indexes.len();
    if width == 0 || rows.is_empty() {
        return Ok(());
    }
    let mut moves = Vec::with_capacity(rows.len() * width);
    for (old, new) in rows {
        let from = moves.len();
        moves.resize(from + width, EntryMove::default());
        if let Some((place, row)) = old {
            for (slot, entry) in moves[from..].iter_mut().zip(shape.entries(row, place)?) {
                slot.old = Some((place.0, entry));
            }
        }
        if let Some((place, row)) = new {
            for (slot, entry) in moves[from..].iter_mut().zip(shape.entries(row, place)?) {
                slot.new = Some((place.0, entry));
            }
        }
    }
    let wait = run.wait_in(shape.table.storage);
    if let Some(at) = run.txn.move_entries(&moves, wait).await?
        && let Some((_, Some((_, row)))) = rows.get(at / width)
    {
        return Err(shape.duplicate_in(&shape.indexes[at % width], row));
    }
    Ok(())
}
