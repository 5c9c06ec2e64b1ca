//! Many complete rows on their way into the table, in blocks: one for each partition and key space,
//! locked, checked and written as a whole.

use super::{Arbiter, Refusal};
use crate::change::Run;
use crate::shape::Shape;
use base::{Result, Value};
use format::Block;
use format::block::BlockBuilder;
use partition::LockWait;
use std::collections::BTreeMap;
use std::ops::Range;

/// Fewer rows are better written one by one.
pub(super) const ROWS_MIN: usize = 64;

/// What goes to one partition and key space.
#[derive(Default)]
struct Sheet {
    /// What keeps the keys apart from those of other rows; `None` if they are different by themselves.
    arbiter: Option<Arbiter>,
    wishes: Vec<Wish>,
}

/// A row or an index entry that is to be written.
struct Wish {
    /// Where the key and the stored row are in the bytes of all.
    key: Range<usize>,
    row: Range<usize>,
    /// Which row it is, or belongs to.
    of: usize,
}

/// Sheets by partition, by key space in the order of their keys, and by whether others may want the
/// same keys: the order in which locks are taken everywhere.
type Sheets = BTreeMap<(u16, u32, bool), Sheet>;

/// Locks, checks and writes rows that are all new, or none of them. Without `wait` nobody else can
/// see the table, and no locks are taken.
///
/// # Errors
/// 23505 with the first row in the way of which another one is.
pub async fn put_new(
    run: &mut Run<'_>,
    shape: &Shape,
    rows: &[Vec<Value>],
    wait: Option<LockWait>,
) -> Result<(), Refusal> {
    let (bytes, sheets) = sheets(shape, rows)?;
    let mut blocks: Vec<(u16, Block)> = Vec::with_capacity(sheets.len());
    let mut first: Option<(usize, Arbiter)> = None;
    for ((partition, ..), mut sheet) in sheets {
        let arbiter = sheet.arbiter;
        let mut refuse = |of: usize| {
            let refused = arbiter.map(|arbiter| (of, arbiter));
            first = first.into_iter().chain(refused).min();
        };
        let Some(block) = sheet.block(&bytes, &mut refuse) else { continue };
        if arbiter.is_some() {
            let there = run.txn.claim_new(partition, &block, wait).await?;
            let wishes = sheet.wishes.iter().zip(there);
            wishes.filter(|(_, there)| *there).for_each(|(wish, _)| refuse(wish.of));
        }
        blocks.push((partition, block));
    }
    if let Some((at, arbiter)) = first {
        let error = match arbiter {
            Arbiter::Key => shape.duplicate(&rows[at]),
            Arbiter::Index(i) => shape.duplicate_in(&shape.indexes[i], &rows[at]),
        };
        return Err(Refusal::of(at)(error));
    }
    for (partition, block) in blocks {
        run.txn.insert(partition, block)?;
    }
    Ok(())
}

/// Keys and stored rows of all, and what goes where.
fn sheets(shape: &Shape, rows: &[Vec<Value>]) -> Result<(Vec<u8>, Sheets), Refusal> {
    let mut bytes = Vec::with_capacity(rows.len() * (16 + 12 * shape.columns().len()));
    let mut sheets = Sheets::new();
    let mut buffer = Vec::new();
    let key = (!shape.table.has_hidden_key()).then_some(Arbiter::Key);
    for (of, row) in rows.iter().enumerate() {
        let from = bytes.len();
        let partition = shape.put_key(&mut bytes, row);
        let key_end = bytes.len();
        buffer = shape.encode_into(buffer, row);
        bytes.extend_from_slice(&buffer);
        let sheet = sheets.entry((partition, shape.table.storage.0, key.is_some())).or_default();
        sheet.arbiter = key;
        sheet.wishes.push(Wish { key: from..key_end, row: key_end..bytes.len(), of });
        if shape.indexes.is_empty() {
            continue;
        }
        let entries = shape.entries_at(row, &bytes[from..key_end]);
        let entries = entries.map_err(Refusal::of(of))?;
        for (i, entry) in entries.into_iter().enumerate() {
            let from = bytes.len();
            bytes.extend_from_slice(&entry.key);
            let key_end = bytes.len();
            bytes.extend_from_slice(&entry.row);
            let storage = shape.indexes[i].index.storage.0;
            let sheet = sheets.entry((partition, storage, entry.contested)).or_default();
            sheet.arbiter = entry.contested.then_some(Arbiter::Index(i));
            sheet.wishes.push(Wish { key: from..key_end, row: key_end..bytes.len(), of });
        }
    }
    Ok((bytes, sheets))
}

impl Sheet {
    /// Sorts the wishes and makes a block of them. Of those with the same key the first one stays,
    /// the others are refused.
    fn block(&mut self, bytes: &[u8], refuse: &mut impl FnMut(usize)) -> Option<Block> {
        let key = |wish: &Wish| &bytes[wish.key.clone()];
        self.wishes.sort_by(|a, b| key(a).cmp(key(b)));
        self.wishes.dedup_by(|later, earlier| {
            let same = key(later) == key(earlier);
            if same {
                refuse(later.of);
            }
            same
        });
        let size = self.wishes.iter().map(|w| w.key.len() + w.row.len()).sum();
        let mut block = BlockBuilder::with_capacity(self.wishes.len(), size);
        for wish in &self.wishes {
            block.push(key(wish), &bytes[wish.row.clone()]);
        }
        block.finish()
    }
}
