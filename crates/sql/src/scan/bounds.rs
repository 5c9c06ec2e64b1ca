//! Which keys and partitions a scan has to visit, from its filters. Always a superset of what the
//! filters let through; the filters run again above the scan.

use crate::shape::Shape;
use crate::types::{Exact, exact};
use base::Value;
use bytes::Bytes;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Operator};
use format::key;

/// A half-open key range and the partitions to look in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// First key.
    pub start: Bytes,
    /// First key beyond.
    pub end: Bytes,
    /// The only partition that can have matching rows; `None`: all.
    pub partition: Option<u16>,
    /// True if nothing can match.
    pub empty: bool,
}

/// What the filters say about one column.
#[derive(Default)]
pub(super) struct Limits {
    /// It has this value.
    pub equal: Option<Value>,
    /// It has one of these.
    pub one_of: Option<Vec<Value>>,
    /// It is above this; or equal, if true.
    pub lower: Option<(Value, bool)>,
    /// It is below this; or equal, if true.
    pub upper: Option<(Value, bool)>,
    /// It can have no value.
    pub nothing: bool,
}

impl Bounds {
    /// The whole table.
    pub fn all(shape: &Shape) -> Bounds {
        let (start, end) = key::range(shape.table.storage);
        Bounds { start, end, partition: None, empty: false }
    }

    /// What a conjunction of filters leaves.
    pub fn of(shape: &Shape, filters: &[Expr]) -> Bounds {
        let conjuncts: Vec<&Expr> = filters.iter().flat_map(split_conjunction).collect();
        let mut bounds = Bounds::all(shape);
        let limits: Vec<Limits> = shape.key.iter().map(|i| limits(shape, *i, &conjuncts)).collect();
        bounds.empty = limits.iter().any(|l| l.nothing);
        let mut prefix = key::encode(shape.table.storage, &[]).to_vec();
        for limit in &limits {
            if let Some(value) = &limit.equal {
                key::put_value(&mut prefix, value);
                continue;
            }
            bounds.narrow(&prefix, limit);
            bounds.choose_partition(shape, &limits);
            return bounds;
        }
        bounds.narrow(&prefix, &Limits::default());
        bounds.choose_partition(shape, &limits);
        bounds
    }

    fn narrow(&mut self, prefix: &[u8], limit: &Limits) {
        let with = |value: &Value| {
            let mut bytes = prefix.to_vec();
            key::put_value(&mut bytes, value);
            bytes
        };
        self.start = match &limit.lower {
            Some((value, true)) => with(value).into(),
            Some((value, false)) => key::prefix_end(&with(value)),
            None => Bytes::copy_from_slice(prefix),
        };
        self.end = match &limit.upper {
            Some((value, true)) => key::prefix_end(&with(value)),
            Some((value, false)) => with(value).into(),
            None => key::prefix_end(prefix),
        };
        self.empty |= self.start >= self.end;
    }

    fn choose_partition(&mut self, shape: &Shape, limits: &[Limits]) {
        let values: Option<Vec<&Value>> = shape
            .shard
            .iter()
            .map(|s| {
                let at = shape.key.iter().position(|k| k == s)?;
                limits[at].equal.as_ref()
            })
            .collect();
        if let Some(values) = values {
            self.partition = Some(key::shard(&values, shape.partitions));
        }
    }
}

/// What a conjunction of filters says about a column.
pub(super) fn limits(shape: &Shape, position: usize, conjuncts: &[&Expr]) -> Limits {
    let column = &shape.table.columns[position];
    let mut limits = Limits::default();
    for conjunct in conjuncts {
        match conjunct {
            Expr::BinaryExpr(b) => {
                if b.op == Operator::Or {
                    if let Some(values) = alternatives(conjunct, &column.name) {
                        limits.span(&values, column.ty);
                    }
                    continue;
                }
                let (op, literal) = match (b.left.as_ref(), b.right.as_ref()) {
                    (Expr::Column(c), Expr::Literal(v, _)) if c.name == column.name => (b.op, v),
                    (Expr::Literal(v, _), Expr::Column(c)) if c.name == column.name => {
                        match b.op.swap() {
                            Some(op) => (op, v),
                            None => continue,
                        }
                    }
                    _ => continue,
                };
                limits.add(op, literal, column.ty);
            }
            Expr::Between(b) if !b.negated => {
                if let (Expr::Column(c), Expr::Literal(low, _), Expr::Literal(high, _)) =
                    (b.expr.as_ref(), b.low.as_ref(), b.high.as_ref())
                    && c.name == column.name
                {
                    limits.add(Operator::GtEq, low, column.ty);
                    limits.add(Operator::LtEq, high, column.ty);
                }
            }
            Expr::InList(list) if !list.negated => {
                if let Expr::Column(c) = list.expr.as_ref()
                    && c.name == column.name
                {
                    limits.span(&list.list, column.ty);
                }
            }
            _ => {}
        }
    }
    limits
}

/// The values of `c = 1 OR c = 2 OR …`, which is what short IN lists become.
fn alternatives(e: &Expr, column: &str) -> Option<Vec<Expr>> {
    let Expr::BinaryExpr(b) = e else { return None };
    match (b.op, b.left.as_ref(), b.right.as_ref()) {
        (Operator::Or, left, right) => {
            let mut all = alternatives(left, column)?;
            all.extend(alternatives(right, column)?);
            Some(all)
        }
        (Operator::Eq, Expr::Column(c), v @ Expr::Literal(..))
        | (Operator::Eq, v @ Expr::Literal(..), Expr::Column(c))
            if c.name == column =>
        {
            Some(vec![v.clone()])
        }
        _ => None,
    }
}

impl Limits {
    /// The column is one of these: it lies between the least and the greatest.
    fn span(&mut self, values: &[Expr], ty: base::SqlType) {
        let mut keys: Vec<(Vec<u8>, Value)> = Vec::with_capacity(values.len());
        for value in values {
            match value {
                Expr::Literal(v, _) => match exact(v, ty) {
                    Exact::Value(value) => {
                        let mut bytes = Vec::new();
                        key::put_value(&mut bytes, &value);
                        keys.push((bytes, value));
                    }
                    Exact::Nothing => {}
                    Exact::Unknown => return,
                },
                _ => return,
            }
        }
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        keys.dedup_by(|a, b| a.0 == b.0);
        self.one_of = Some(keys.iter().map(|(_, value)| value.clone()).collect());
        match (keys.first(), keys.last()) {
            (Some((_, least)), Some((_, greatest))) => {
                self.lower = Some((least.clone(), true));
                self.upper = Some((greatest.clone(), true));
            }
            _ => self.nothing = true,
        }
    }

    fn add(&mut self, op: Operator, literal: &ScalarValue, ty: base::SqlType) {
        let value = match exact(literal, ty) {
            Exact::Value(value) => value,
            Exact::Nothing if op == Operator::Eq => {
                self.nothing = true;
                return;
            }
            _ => return,
        };
        // Of two limits the last one named is used; both filters run again above the scan.
        match op {
            Operator::Eq => self.equal = Some(value),
            Operator::Gt => self.lower = Some((value, false)),
            Operator::GtEq => self.lower = Some((value, true)),
            Operator::Lt => self.upper = Some((value, false)),
            Operator::LtEq => self.upper = Some((value, true)),
            _ => {}
        }
    }
}
