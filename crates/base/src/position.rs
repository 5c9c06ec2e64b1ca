//! Positions in logs, hybrid time, epochs and their history.

use crate::ids::{ClusterId, NodeId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A dense position in one partition's log: 1, 2, 3 …; 0 stands before the first record.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Before the first record.
    pub const ZERO: Lsn = Lsn(0);

    /// The position after this one.
    pub fn next(self) -> Lsn {
        Lsn(self.0 + 1)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Hybrid time: milliseconds since 1970 in the high 48 bits, a counter in the low 16.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Before everything.
    pub const ZERO: Timestamp = Timestamp(0);
    /// After everything.
    pub const MAX: Timestamp = Timestamp(u64::MAX);

    /// The first timestamp of a millisecond since 1970.
    pub fn from_ms(ms: u64) -> Timestamp {
        Timestamp(ms << 16)
    }

    /// Milliseconds since 1970, the counter dropped.
    pub fn ms(self) -> u64 {
        self.0 >> 16
    }

    /// The smallest later timestamp.
    pub fn next(self) -> Timestamp {
        Timestamp(self.0.saturating_add(1))
    }

    /// The largest earlier timestamp.
    pub fn prev(self) -> Timestamp {
        Timestamp(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.ms(), self.0 & 0xffff)
    }
}

/// The term of one writer of a partition. It goes up with every change of writer, by failover
/// inside a cluster or by promotion in another one. Compared by number, then cluster, then node.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch {
    /// Goes up by at least one with every change of writer.
    pub number: u32,
    /// The writer's cluster.
    pub cluster: ClusterId,
    /// The writer's node.
    pub node: NodeId,
}

impl Epoch {
    /// The next epoch, owned by the given writer.
    pub fn successor(self, cluster: ClusterId, node: NodeId) -> Epoch {
        Epoch { number: self.number + 1, cluster, node }
    }

    /// Packed for storage: number (32 bit), cluster (8), zero (8), node (16). Orders as `Epoch`.
    pub fn to_u64(self) -> u64 {
        (u64::from(self.number) << 32) | (u64::from(self.cluster.0) << 24) | u64::from(self.node.0)
    }

    /// The inverse of [`Epoch::to_u64`].
    pub fn from_u64(v: u64) -> Epoch {
        Epoch {
            number: (v >> 32) as u32,
            cluster: ClusterId((v >> 24) as u8),
            node: NodeId(v as u16),
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}.{}", self.number, self.cluster, self.node)
    }
}

/// Which epoch wrote which stretch of a log: `(epoch, first lsn)` pairs, ascending in both.
/// Two logs of one line are identical up to the point where their histories part
/// (Kafka's leader epochs and PostgreSQL's timelines are the same idea).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochHistory(pub Vec<(Epoch, Lsn)>);

impl EpochHistory {
    /// The newest epoch, if anything was ever written.
    pub fn last(&self) -> Option<Epoch> {
        self.0.last().map(|e| e.0)
    }

    /// The epoch that wrote `lsn`.
    pub fn epoch_at(&self, lsn: Lsn) -> Option<Epoch> {
        self.0.iter().rev().find(|(_, first)| *first <= lsn).map(|e| e.0)
    }

    /// Notes that `epoch` writes from `lsn` on. Same epoch as the last: no change.
    pub fn note(&mut self, epoch: Epoch, lsn: Lsn) {
        if self.last() != Some(epoch) {
            self.0.push((epoch, lsn));
        }
    }

    /// Forgets everything that began after `end`.
    pub fn truncate_after(&mut self, end: Lsn) {
        self.0.retain(|(_, first)| *first <= end);
    }

    /// The last position of `epoch` in a log that ends at `end`.
    fn end_of(&self, index: usize, end: Lsn) -> Lsn {
        self.0.get(index + 1).map_or(end, |(_, next)| Lsn(next.0 - 1).min(end))
    }

    /// The common point of two logs: the last position at which they are still identical.
    /// `mine`/`theirs` end at `my_end`/`their_end`. [`Lsn::ZERO`] if they share nothing.
    pub fn common_point(&self, my_end: Lsn, theirs: &EpochHistory, their_end: Lsn) -> Lsn {
        for (i, (epoch, first)) in self.0.iter().enumerate().rev() {
            if let Some(j) = theirs.0.iter().position(|e| e == &(*epoch, *first)) {
                return self.end_of(i, my_end).min(theirs.end_of(j, their_end));
            }
        }
        Lsn::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(pairs: &[(u32, u8, u64)]) -> EpochHistory {
        EpochHistory(
            pairs
                .iter()
                .map(|&(n, c, l)| {
                    (Epoch { number: n, cluster: ClusterId(c), node: NodeId(1) }, Lsn(l))
                })
                .collect(),
        )
    }

    #[test]
    fn common_point_is_where_the_shared_epoch_ends_first() {
        let old = history(&[(1, 1, 1)]);
        let new = history(&[(1, 1, 1), (2, 2, 101)]);
        assert_eq!(old.common_point(Lsn(130), &new, Lsn(500)), Lsn(100));
        assert_eq!(new.common_point(Lsn(500), &old, Lsn(130)), Lsn(100));
        assert_eq!(new.common_point(Lsn(500), &old, Lsn(90)), Lsn(90));
    }

    #[test]
    fn two_promotions_from_one_point_share_only_what_precedes_them() {
        let a = history(&[(1, 1, 1), (2, 1, 50)]);
        let b = history(&[(1, 1, 1), (2, 2, 60)]);
        assert_eq!(a.common_point(Lsn(80), &b, Lsn(80)), Lsn(49));
    }

    #[test]
    fn unrelated_logs_share_nothing() {
        assert_eq!(
            history(&[(1, 1, 1)]).common_point(Lsn(9), &history(&[(1, 2, 1)]), Lsn(9)),
            Lsn::ZERO
        );
    }

    #[test]
    fn epoch_packs_in_order() {
        let a = Epoch { number: 1, cluster: ClusterId(127), node: NodeId(9) };
        let b = Epoch { number: 2, cluster: ClusterId(1), node: NodeId(1) };
        assert!(a.to_u64() < b.to_u64());
        assert_eq!(Epoch::from_u64(a.to_u64()), a);
    }
}
