//! Reading a range of the delta, at one timestamp, over all its generations.

use crate::delta::{Generation, Version};
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
    ready: VecDeque<(Bytes, Version)>,
    /// Where the next slice begins; `None` at the end.
    resume: Option<Bytes>,
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

    /// The next key, without moving on.
    pub(crate) fn peek(&mut self) -> Option<&Bytes> {
        self.fill();
        self.sides.iter().filter_map(|s| Some(&s.ready.front()?.0)).min()
    }
}

impl Iterator for Walk {
    type Item = (Bytes, Version);

    fn next(&mut self) -> Option<(Bytes, Version)> {
        let key = self.peek()?.clone();
        let mut newest: Option<Version> = None;
        for side in &mut self.sides {
            if side.ready.front().is_some_and(|(k, _)| *k == key)
                && let Some((_, version)) = side.ready.pop_front()
                && newest.as_ref().is_none_or(|n| n.ts < version.ts)
            {
                newest = Some(version);
            }
        }
        newest.map(|version| (key, version))
    }
}
