//! The arithmetic of sequences: which values come next.

use base::{Epoch, Error, Result, SequenceDescriptor, SqlState};
use format::sequence::SequenceState;

/// Values reserved at once if nobody wants more.
const BLOCK_MIN: u64 = 64;
/// Values reserved at once while they are used up quickly.
const BLOCK_MAX: u64 = 1024;
/// The part of a sequence's whole range that may be reserved at once: what a crash can waste.
const RANGE_SHARE: u64 = 256;

/// Values that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first.
    pub first: i64,
    /// From one to the next.
    pub step: i64,
    /// How many.
    pub count: u64,
}

impl Run {
    /// Takes up to `count` values off its front.
    pub fn take(&mut self, count: u64) -> impl Iterator<Item = i64> + use<> {
        let taken = count.min(self.count);
        let (first, step) = (self.first, self.step);
        // Only values within the sequence's bounds are ever asked for.
        self.first = self.first.wrapping_add(step.wrapping_mul(taken as i64));
        self.count -= taken;
        (0..taken as i64).map(move |i| first.wrapping_add(step.wrapping_mul(i)))
    }
}

/// Where a sequence stands that has never been used.
pub(crate) fn fresh(start: i64, epoch: Epoch) -> SequenceState {
    SequenceState { last: start, called: false, reserved: 0, epoch }
}

/// The least and the most values that are reserved at once.
pub(crate) fn block(s: &SequenceDescriptor) -> (u64, u64) {
    let all = (i128::from(s.max) - i128::from(s.min)) / i128::from(s.increment).abs() + 1;
    let share = u64::try_from(all).unwrap_or(u64::MAX) / RANGE_SHARE;
    let cache = s.cache.unsigned_abs().max(1);
    (BLOCK_MIN.min(share).max(cache), BLOCK_MAX.min(share).max(cache))
}

/// Reserves up to `wanted` values that follow each other, at least one, and tells where the
/// sequence stands then.
///
/// # Errors
/// 2200H if it has reached its end and does not begin anew.
pub(crate) fn reserve(
    s: &SequenceDescriptor,
    state: &SequenceState,
    wanted: u64,
) -> Result<(Run, SequenceState)> {
    let first = if state.called { next(s, state.last)? } else { state.last };
    let limit = if s.increment > 0 { s.max } else { s.min };
    let more = (i128::from(limit) - i128::from(first)) / i128::from(s.increment);
    let more = u64::try_from(more.max(0)).unwrap_or(u64::MAX);
    let count = wanted.max(1).min(more.saturating_add(1));
    let last = i128::from(first) + i128::from(s.increment) * i128::from(count - 1);
    // Between first and limit.
    let last = i64::try_from(last).unwrap_or(limit);
    let run = Run { first, step: s.increment, count };
    let after = SequenceState { last, called: true, reserved: count, epoch: state.epoch };
    Ok((run, after))
}

/// Where it stands once values are left out that somebody else may have reserved.
pub(crate) fn skip(s: &SequenceDescriptor, state: &SequenceState, epoch: Epoch) -> SequenceState {
    let (_, most) = block(s);
    let after = match reserve(s, state, most.max(state.reserved)) {
        Ok((_, after)) => after,
        Err(_) => *state,
    };
    SequenceState { epoch, ..after }
}

fn next(s: &SequenceDescriptor, last: i64) -> Result<i64> {
    let value = last.checked_add(s.increment).filter(|v| (s.min..=s.max).contains(v));
    match value {
        Some(value) => Ok(value),
        None if s.cycle && s.increment > 0 => Ok(s.min),
        None if s.cycle => Ok(s.max),
        None => {
            let (which, limit) =
                if s.increment > 0 { ("maximum", s.max) } else { ("minimum", s.min) };
            Err(Error::new(
                SqlState::SEQUENCE_GENERATOR_LIMIT_EXCEEDED,
                format!("nextval: reached {which} value of sequence \"{}\" ({limit})", s.name),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{SqlType, TableId};

    fn sequence(increment: i64, min: i64, max: i64, cycle: bool) -> SequenceDescriptor {
        SequenceDescriptor {
            id: TableId(1),
            schema: "public".into(),
            name: "s".into(),
            ty: SqlType::BigInt,
            start: if increment > 0 { min } else { max },
            increment,
            min,
            max,
            cache: 1,
            cycle,
            owner: None,
            generation: 1,
            version: 1,
        }
    }

    fn all(s: &SequenceDescriptor, wanted: u64, rounds: usize) -> Vec<i64> {
        let mut state = fresh(s.start, Epoch::default());
        let mut values = Vec::new();
        for _ in 0..rounds {
            let Ok((mut run, after)) = reserve(s, &state, wanted) else { break };
            values.extend(run.take(u64::MAX));
            state = after;
        }
        values
    }

    #[test]
    fn values_stay_within_bounds() {
        assert_eq!(all(&sequence(1, 1, 5, false), 2, 9), [1, 2, 3, 4, 5]);
        assert_eq!(all(&sequence(2, 1, 6, false), 9, 9), [1, 3, 5]);
        assert_eq!(all(&sequence(-2, -5, -1, false), 2, 9), [-1, -3, -5]);
        assert_eq!(all(&sequence(1, 1, 3, true), 2, 4), [1, 2, 3, 1, 2, 3]);
        assert_eq!(all(&sequence(-1, 1, 2, true), 9, 2), [2, 1, 2, 1]);
    }

    #[test]
    fn the_ends_of_all_integers_are_no_trap() {
        let up = sequence(1, i64::MAX - 1, i64::MAX, false);
        assert_eq!(all(&up, 10, 3), [i64::MAX - 1, i64::MAX]);
        let down = sequence(i64::MIN, i64::MIN, i64::MAX, false);
        assert_eq!(all(&down, 10, 3), [i64::MAX, -1]);
    }

    #[test]
    fn skipping_leaves_out_as_much_as_could_have_been_reserved() {
        let s = sequence(1, 1, i64::MAX, false);
        let at = |last, reserved| {
            let epoch = Epoch::default();
            SequenceState { last, called: true, reserved, epoch }
        };
        assert_eq!(skip(&s, &at(100, 64), Epoch::default()).last, 100 + 1024);
        assert_eq!(skip(&s, &at(9000, 8000), Epoch::default()).last, 9000 + 8000);
        let small = sequence(1, 1, 10, false);
        assert_eq!(skip(&small, &at(10, 1), Epoch::default()).last, 10);
    }

    #[test]
    fn a_small_range_is_not_wasted_by_large_blocks() {
        assert_eq!(block(&sequence(1, 1, 10, false)), (1, 1));
        assert_eq!(block(&sequence(1, 1, 32_767, false)), (64, 127));
        assert_eq!(block(&sequence(1, 1, i64::MAX, false)), (64, 1024));
    }
}
