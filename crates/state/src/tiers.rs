//! Which runs are merged, and into what: pure.
//!
//! Two aims pull at each other: few layers to look through, few bytes written again. Runs go into
//! the base when that rewrites little of it for what they bring ([`WORTH`]), and files that overlap
//! nothing go there for free. Until then neighbours of like size are joined ([`WIDTH`]), so that a
//! byte is written once for each power of that number; and when a key space has as many runs as a
//! read may meet, the cheapest neighbours are. What somebody may still read in the past stays out
//! of the base, and a run that spans half of that time is left to grow old.

use base::Timestamp;
use format::{ChunkMeta, Run, TableChunks};
use std::ops::Range;

/// Bytes of the base that may be rewritten for a byte of the runs that go into it.
const WORTH: u64 = 4;
/// So many neighbours of like size are joined.
const WIDTH: usize = 4;

/// What to merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// So many of the oldest runs, into the base.
    IntoBase(usize),
    /// These neighbouring runs, into one.
    Join(Range<usize>),
}

/// What is best merged now, if anything is. Another merge has runs up to `claimed` in its hands
/// ([`Timestamp::ZERO`]: none does). With `hurry` somebody waits for it: only what is cheap, and only
/// if there are too many runs.
pub(crate) fn choose(
    table: &TableChunks,
    (horizon, claimed): (Timestamp, Timestamp),
    runs_max: usize,
    hurry: bool,
) -> Option<Choice> {
    if hurry && !is_full(table, runs_max) {
        return None;
    }
    let free = table.runs.partition_point(|r| r.hi <= claimed);
    let runs = &table.runs[free..];
    let old = runs.iter().take_while(|r| r.hi <= horizon).count();
    if free == 0 && old > 0 {
        let (rewritten, brought) = cost(table, old);
        if rewritten <= if hurry { 0 } else { WORTH * brought } {
            return Some(Choice::IntoBase(old));
        }
    }
    let sizes: Vec<u64> = runs.iter().map(Run::bytes).collect();
    let growing = runs.iter().rposition(|r| is_grown(r, table, horizon)).map_or(0, |i| i + 1);
    let growing = growing.max(old);
    let young = alike(&sizes[growing..]).map(|r| r.start + growing..r.end + growing);
    let range = young.or_else(|| alike(&sizes[..old])).or_else(|| {
        let full = is_full(table, runs_max);
        if full { cheapest(&sizes) } else { None }
    });
    range.map(|r| Choice::Join(r.start + free..r.end + free))
}

/// True for a run that spans half of the time that is still readable. If it were joined with newer
/// ones, the horizon would never come to its end, and nothing in it could ever go.
fn is_grown(run: &Run, table: &TableChunks, horizon: Timestamp) -> bool {
    let newest = table.runs.last().map_or(run.hi, |r| r.hi);
    let readable = newest.0.saturating_sub(horizon.0);
    readable > 0 && run.hi.0.saturating_sub(run.lo.0) >= readable / 2
}

/// True if a spill must not add a run.
pub(crate) fn is_full(table: &TableChunks, runs_max: usize) -> bool {
    table.runs.len() >= runs_max.max(2)
}

/// Bytes of the base that share their range with a file of the first runs, and bytes of these files,
/// without those that can be adopted.
fn cost(table: &TableChunks, count: usize) -> (u64, u64) {
    let adopted = adoptable(&table.chunks, &table.runs[..count]);
    let files = table.runs[..count].iter().flat_map(|r| &r.chunks).filter(|c| !adopted.contains(c));
    let mut touched = vec![false; table.chunks.len()];
    let mut brought = 0;
    for file in files {
        brought += file.bytes;
        touched[overlapped(&table.chunks, file)].fill(true);
    }
    let touched = table.chunks.iter().zip(touched).filter(|(_, touched)| *touched);
    (touched.map(|(c, _)| c.bytes).sum(), brought)
}

/// The base's chunks that share their range with a file.
fn overlapped(base: &[ChunkMeta], file: &ChunkMeta) -> Range<usize> {
    let first = base.partition_point(|c| c.max_key < file.min_key);
    first..base.partition_point(|c| c.min_key <= file.max_key).max(first)
}

/// The files of some runs that can be chunks of the base as they are: they hold one version of each
/// key and no deletions, and overlap neither a chunk of the base nor each other.
pub(crate) fn adoptable<'a>(base: &[ChunkMeta], runs: &'a [Run]) -> Vec<&'a ChunkMeta> {
    let mut files: Vec<&ChunkMeta> = runs.iter().flat_map(|r| &r.chunks).collect();
    files.sort_by(|a, b| a.min_key.cmp(&b.min_key));
    let mut adopted = Vec::new();
    let mut reached = None;
    for (i, file) in files.iter().enumerate() {
        let alone = reached.is_none_or(|end| end < &file.min_key)
            && files.get(i + 1).is_none_or(|next| file.max_key < next.min_key);
        reached = reached.max(Some(&file.max_key));
        if alone && !file.mixed && overlapped(base, file).is_empty() {
            adopted.push(*file);
        }
    }
    adopted
}

/// Neighbours of like size: none is more than one and a half times all newer ones among them.
fn alike(sizes: &[u64]) -> Option<Range<usize>> {
    (WIDTH..=sizes.len()).rev().find_map(|end| {
        let mut start = end - 1;
        let mut sum = sizes[start];
        while start > 0 && 2 * sizes[start - 1] <= 3 * sum {
            start -= 1;
            sum += sizes[start];
        }
        (end - start >= WIDTH).then_some(start..end)
    })
}

/// The neighbours that cost the fewest bytes for each run there is less.
fn cheapest(sizes: &[u64]) -> Option<Range<usize>> {
    let n = sizes.len();
    let windows = (0..n).flat_map(|start| (start + 2..=n).map(move |end| start..end));
    windows.min_by_key(|w| sizes[w.clone()].iter().sum::<u64>() * 1024 / (w.len() - 1) as u64)
}

#[cfg(test)]
mod tests;
