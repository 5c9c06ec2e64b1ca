//! Which chunks of the base a merge rewrites: pure.
//!
//! ```text
//!   keys      ──gap──[ chunk 0 ]──gap──[ chunk 1 ]──gap──[ chunk 2 ]──gap──
//!   changes      x                         x  x        x
//!   steps     Rewrite(chunk 0 if small)   Rewrite(1)…     Keep(2)
//! ```
//!
//! Changes inside a chunk's range rewrite that chunk. Changes in a gap join a neighbour that is
//! rewritten anyway or small, and become a chunk of their own otherwise: rows appended at the end
//! of a table never rewrite full chunks. Many small chunks side by side become few large ones.

use base::Result;
use bytes::Bytes;
use format::{ChunkMeta, key};
use std::ops::Range;

/// So many small chunks side by side are joined even if they make no full one.
const SMALL_MAX: usize = 8;

/// What becomes of a stretch of a key space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The chunk stays as it is.
    Keep(usize),
    /// These chunks (perhaps none) and all changes in `start..end` are merged into new chunks.
    Rewrite { chunks: Range<usize>, start: Bytes, end: Bytes },
}

/// Plans one key space. `changed` tells whether there are changes in a half-open range of keys.
pub(crate) fn plan(
    chunks: &[ChunkMeta],
    space: (Bytes, Bytes),
    chunk_bytes: usize,
    changed: impl Fn(&Bytes, &Bytes) -> Result<bool>,
) -> Result<Vec<Step>> {
    let n = chunks.len();
    // Gap i lies before chunk i; gap n after the last.
    let gap_start =
        |i: usize| if i == 0 { space.0.clone() } else { key::after(&chunks[i - 1].max_key) };
    let gap_end = |i: usize| if i == n { space.1.clone() } else { chunks[i].min_key.clone() };
    let gaps: Result<Vec<bool>> = (0..=n).map(|i| changed(&gap_start(i), &gap_end(i))).collect();
    let gaps = gaps?;
    let touched: Result<Vec<bool>> =
        chunks.iter().map(|c| changed(&c.min_key, &key::after(&c.max_key))).collect();
    let mut touched = touched?;
    let below = |i: usize, share: usize| chunks[i].bytes < (chunk_bytes / share) as u64;
    for i in (0..=n).filter(|i| gaps[*i]) {
        let (left, right) = (i.checked_sub(1), (i < n).then_some(i));
        let joins = |j: &usize| touched[*j] || below(*j, 2);
        if let Some(j) = left.filter(joins).or_else(|| right.filter(joins)) {
            touched[j] = true;
        }
    }
    for i in 0..n {
        let beside = (i > 0 && touched[i - 1]) || touched.get(i + 1).is_some_and(|t| *t);
        touched[i] |= beside && below(i, 4);
    }
    join_small(chunks, chunk_bytes, &mut touched);
    let mut steps = Vec::new();
    let mut open: Option<(Bytes, usize)> = None;
    for i in 0..=n {
        if gaps[i] && open.is_none() {
            open = Some((gap_start(i), i));
        }
        if i < n && touched[i] {
            open.get_or_insert_with(|| (gap_start(i), i));
        } else {
            if let Some((start, first)) = open.take() {
                steps.push(Step::Rewrite { chunks: first..i, start, end: gap_end(i) });
            }
            if i < n {
                steps.push(Step::Keep(i));
            }
        }
    }
    debug_assert!(key::storage_of(&space.0).0 > 0);
    Ok(steps)
}

/// Rewrites stretches of small chunks that are enough for a full one, or very many.
fn join_small(chunks: &[ChunkMeta], chunk_bytes: usize, touched: &mut [bool]) {
    let mut i = 0;
    while i < chunks.len() {
        let small = chunks[i..].iter().take_while(|c| c.bytes < chunk_bytes as u64 / 2).count();
        let bytes: u64 = chunks[i..i + small].iter().map(|c| c.bytes).sum();
        if small >= SMALL_MAX || (small > 1 && bytes >= chunk_bytes as u64) {
            touched[i..i + small].fill(true);
        }
        i += small.max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(min: &str, max: &str, bytes: u64) -> ChunkMeta {
        ChunkMeta {
            file: format!("{min}-{max}"),
            min_key: Bytes::copy_from_slice(min.as_bytes()),
            max_key: Bytes::copy_from_slice(max.as_bytes()),
            rows: 1,
            bytes,
            crc32c: 0,
            mixed: false,
        }
    }

    fn steps(chunks: &[ChunkMeta], changes: &[&str]) -> Vec<String> {
        let space = (Bytes::from_static(b"a\0\0\0"), Bytes::from_static(b"z"));
        let changed = |start: &Bytes, end: &Bytes| {
            Ok(changes.iter().any(|c| c.as_bytes() >= start && c.as_bytes() < end))
        };
        plan(chunks, space, 1000, changed)
            .unwrap()
            .iter()
            .map(|s| match s {
                Step::Keep(i) => format!("keep {i}"),
                Step::Rewrite { chunks, .. } => format!("rewrite {}..{}", chunks.start, chunks.end),
            })
            .collect()
    }

    #[test]
    fn only_touched_chunks_are_rewritten() {
        let chunks = [chunk("b", "d", 900), chunk("f", "h", 900), chunk("j", "l", 900)];
        assert_eq!(steps(&chunks, &["g"]), ["keep 0", "rewrite 1..2", "keep 2"]);
        assert_eq!(steps(&chunks, &[]), ["keep 0", "keep 1", "keep 2"]);
    }

    #[test]
    fn appended_rows_become_a_chunk_of_their_own_unless_the_last_is_small() {
        let full = [chunk("b", "d", 900)];
        assert_eq!(steps(&full, &["x", "y"]), ["keep 0", "rewrite 1..1"]);
        let small = [chunk("b", "d", 400)];
        assert_eq!(steps(&small, &["x", "y"]), ["rewrite 0..1"]);
    }

    #[test]
    fn changes_between_two_rewritten_chunks_join_them() {
        let chunks = [chunk("b", "d", 900), chunk("f", "h", 900), chunk("j", "l", 900)];
        assert_eq!(steps(&chunks, &["c", "e", "g"]), ["rewrite 0..2", "keep 2"]);
        assert_eq!(
            steps(&chunks, &["a1", "g"]),
            ["rewrite 0..0", "keep 0", "rewrite 1..2", "keep 2"]
        );
    }

    #[test]
    fn a_tiny_neighbour_is_taken_along() {
        let chunks = [chunk("b", "d", 100), chunk("f", "h", 900)];
        assert_eq!(steps(&chunks, &["g"]), ["rewrite 0..2"]);
    }

    #[test]
    fn small_neighbours_are_joined_when_they_fill_a_chunk() {
        let small = |c: char| chunk(&format!("{c}a"), &format!("{c}z"), 400);
        let two = [small('b'), small('c'), chunk("d", "e", 900)];
        assert_eq!(steps(&two, &[]), ["keep 0", "keep 1", "keep 2"]);
        let three = [small('b'), small('c'), small('d'), chunk("e", "f", 900)];
        assert_eq!(steps(&three, &[]), ["rewrite 0..3", "keep 3"]);
        let tiny: Vec<_> =
            ('b'..='i').map(|c| chunk(&format!("{c}"), &format!("{c}z"), 1)).collect();
        assert_eq!(steps(&tiny, &[]), ["rewrite 0..8"]);
    }

    #[test]
    fn an_empty_space_gets_its_first_chunk() {
        assert_eq!(steps(&[], &["g"]), ["rewrite 0..0"]);
    }
}
