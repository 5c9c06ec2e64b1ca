//! Reading a range of the delta, at one timestamp, over all its generations.

use crate::delta::{Generation, Piece, Stretch, Version};
use base::Timestamp;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// Walks over what several generations show at one timestamp, by ascending key, holding each lock
/// only for a slice of keys at a time.
pub(crate) struct Walk {
    sides: Vec<Side>,
    end: Bytes,
    ts: Timestamp,
}

struct Side {
    generation: Arc<Generation>,
    ready: VecDeque<Piece>,
    /// Where the next slice begins; `None` at the end.
    resume: Option<Bytes>,
}

impl Side {
    fn key(&self) -> Option<&[u8]> {
        self.ready.front().map(Piece::key)
    }

    /// The first row, if there is any.
    fn pop(&mut self) -> Option<(Bytes, Version)> {
        match self.ready.pop_front()? {
            Piece::Row(key, version) => Some((key, version)),
            Piece::Rows(rows) => Some(self.give_back_all_but(rows, 1).first()),
        }
    }

    /// The first `count` rows of a stretch that was taken out; the others go back.
    fn give_back_all_but(&mut self, rows: Stretch, count: usize) -> Stretch {
        let upto = rows.places.start.saturating_add(count);
        let (first, rest) = rows.split(upto);
        if let Some(rest) = rest {
            self.ready.push_front(Piece::Rows(rest));
        }
        first
    }
}

impl Walk {
    pub(crate) fn new(
        generations: impl Iterator<Item = Arc<Generation>>,
        start: Bytes,
        end: Bytes,
        ts: Timestamp,
    ) -> Walk {
        let sides = generations
            .map(|generation| Side {
                generation,
                ready: VecDeque::new(),
                resume: Some(start.clone()),
            })
            .collect();
        Walk { sides, end, ts }
    }

    fn fill(&mut self) {
        for side in &mut self.sides {
            while side.ready.is_empty()
                && let Some(start) = side.resume.take()
            {
                side.resume = side.generation.slice(&start, &self.end, self.ts, &mut side.ready);
            }
        }
    }

    /// The next key with its version, or the next rows of a block as long as no other generation
    /// has anything in between: at most `rows`, and of about so many bytes.
    pub(crate) fn next_piece(&mut self, rows: usize, bytes: usize) -> Option<Piece> {
        self.fill();
        let keys = self.sides.iter().enumerate().filter_map(|(i, s)| Some((s.key()?, i)));
        let (_, first) = keys.min()?;
        let others = self.sides.iter().enumerate().filter(|(i, _)| *i != first);
        let until = others.filter_map(|(_, side)| side.key()).min().map(Bytes::copy_from_slice);
        let side = &mut self.sides[first];
        match side.ready.pop_front()? {
            Piece::Rows(stretch) => {
                let start = stretch.places.start;
                let alone = until.map_or(usize::MAX, |key| stretch.block.lower_bound(&key));
                if alone > start {
                    let few = stretch.block.first_places(stretch.places.clone(), bytes).len();
                    let count = few.min(rows).min(alone - start);
                    return Some(Piece::Rows(side.give_back_all_but(stretch, count)));
                }
                side.ready.push_front(Piece::Rows(stretch));
            }
            row => side.ready.push_front(row),
        }
        self.next().map(|(key, version)| Piece::Row(key, version))
    }
}

impl Iterator for Walk {
    type Item = (Bytes, Version);

    fn next(&mut self) -> Option<(Bytes, Version)> {
        self.fill();
        let first = self.sides.iter().filter_map(Side::key).min()?;
        let first = Bytes::copy_from_slice(first);
        let mut newest: Option<(Bytes, Version)> = None;
        for side in &mut self.sides {
            if side.key() == Some(&first)
                && let Some(found) = side.pop()
                && newest.as_ref().is_none_or(|(_, n)| n.ts < found.1.ts)
            {
                newest = Some(found);
            }
        }
        newest
    }
}

#[cfg(test)]
mod tests;
