//! Which index a scan goes through, and which of its entries, from the filters. Always a superset of
//! what the filters let through, as [`super::bounds`].

use super::bounds::{Bounds, Limits, limits};
use crate::shape::{IndexShape, Shape};
use base::{IndexColumn, Value};
use bytes::Bytes;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::split_conjunction;
use format::index::{put_column, value_tag};
use format::key;

/// Longer lists (`a IN (…)`) are one range from the least to the greatest.
const LIST_MAX: usize = 100;

/// Entries of one index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexBounds {
    /// The index, by its place in [`Shape::indexes`].
    pub at: usize,
    /// Half-open ranges of entries, ascending and apart.
    pub ranges: Vec<(Bytes, Bytes)>,
    /// The only partition that can have matching rows; `None`: all.
    pub partition: Option<u16>,
    /// How many of the index's columns have one value each.
    pub equal: usize,
    /// The column after these is bounded.
    pub ranged: bool,
}

impl IndexBounds {
    /// The index that bounds the rows best, if it does so better than the primary key.
    pub fn choose(shape: &Shape, filters: &[Expr], key: &Bounds) -> Option<IndexBounds> {
        if shape.indexes.is_empty() || key.empty || filters.is_empty() {
            return None;
        }
        let conjuncts: Vec<&Expr> = filters.iter().flat_map(split_conjunction).collect();
        let of = |position: &usize| limits(shape, *position, &conjuncts);
        let by_key: Vec<Limits> = shape.key.iter().map(of).collect();
        let bound = reach(&by_key);
        let partition = partition(shape, &conjuncts);
        let ready = shape.indexes.iter().enumerate().filter(|(_, i)| i.index.ready);
        let candidates = ready.filter_map(|(at, index)| {
            let limits: Vec<Limits> = index.columns.iter().map(of).collect();
            let (equal, ranged) = reach(&limits);
            let worth = worth(equal, ranged, index.columns.len(), index.index.unique);
            (equal > 0 || ranged).then_some((worth, at, limits))
        });
        // Through the key the rows come at once, so of equals it is the better one.
        let own = worth(bound.0, bound.1, shape.key.len(), !shape.table.has_hidden_key());
        let (_, at, limits) = candidates
            .filter(|(worth, ..)| *worth > own)
            .max_by_key(|(worth, at, _)| (*worth, std::cmp::Reverse(*at)))?;
        let (equal, ranged) = reach(&limits);
        let ranges = ranges(&shape.indexes[at], &limits);
        Some(IndexBounds { at, ranges, partition, equal, ranged })
    }
}

/// How many leading columns have one value, and whether the next one is bounded.
fn reach(limits: &[Limits]) -> (usize, bool) {
    let equal = limits.iter().take_while(|l| l.equal.is_some()).count();
    let next = limits.get(equal);
    let ranged = next.is_some_and(|l| l.lower.is_some() || l.upper.is_some());
    (equal, ranged)
}

/// Without statistics: a single row is best, then the more columns have one value the better.
fn worth(equal: usize, ranged: bool, columns: usize, unique: bool) -> (bool, usize, bool) {
    (unique && equal == columns, equal, ranged)
}

/// The partition, if the filters give the shard key.
fn partition(shape: &Shape, conjuncts: &[&Expr]) -> Option<u16> {
    let values: Option<Vec<Value>> =
        shape.shard.iter().map(|i| limits(shape, *i, conjuncts).equal).collect();
    let values = values?;
    Some(key::shard(&values.iter().collect::<Vec<_>>(), shape.partitions))
}

fn ranges(index: &IndexShape, limits: &[Limits]) -> Vec<(Bytes, Bytes)> {
    let storage = index.index.storage;
    let mut prefix = key::encode(storage, &[]).to_vec();
    for (column, limit) in index.index.columns.iter().zip(limits) {
        if limit.nothing {
            return Vec::new();
        }
        if let Some(value) = &limit.equal {
            put_column(&mut prefix, column, value);
            continue;
        }
        return match &limit.one_of {
            Some(values) if values.len() <= LIST_MAX => listed(&prefix, column, values),
            _ => vec![between(&prefix, column, limit)],
        };
    }
    vec![(prefix.clone().into(), key::prefix_end(&prefix))]
}

/// One range for each value.
fn listed(prefix: &[u8], column: &IndexColumn, values: &[Value]) -> Vec<(Bytes, Bytes)> {
    let mut all: Vec<(Bytes, Bytes)> = values
        .iter()
        .map(|value| {
            let start = with(prefix, column, value);
            let end = key::prefix_end(&start);
            (start.into(), end)
        })
        .collect();
    all.sort();
    all
}

fn with(prefix: &[u8], column: &IndexColumn, value: &Value) -> Vec<u8> {
    let mut bytes = prefix.to_vec();
    put_column(&mut bytes, column, value);
    bytes
}

/// The entries under a prefix whose next column is within limits; nulls never are.
fn between(prefix: &[u8], column: &IndexColumn, limit: &Limits) -> (Bytes, Bytes) {
    let unbounded = limit.lower.is_none() && limit.upper.is_none();
    if unbounded {
        return (Bytes::copy_from_slice(prefix), key::prefix_end(prefix));
    }
    let (first, last) = match column.descending {
        false => (&limit.lower, &limit.upper),
        true => (&limit.upper, &limit.lower),
    };
    let values = [prefix, &[value_tag(column)]].concat();
    let start = match first {
        Some((value, true)) => with(prefix, column, value).into(),
        Some((value, false)) => key::prefix_end(&with(prefix, column, value)),
        None => values.clone().into(),
    };
    let end = match last {
        Some((value, true)) => key::prefix_end(&with(prefix, column, value)),
        Some((value, false)) => with(prefix, column, value).into(),
        None => key::prefix_end(&values),
    };
    (start, end)
}
