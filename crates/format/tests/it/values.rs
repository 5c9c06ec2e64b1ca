//! Strategies for values, rows and records.

use base::{ClusterId, Lsn, Row, SqlType, Timestamp, TxnId, Value};
use format::{Op, Record};
use proptest::collection::vec;
use proptest::prelude::*;

pub fn ty() -> impl Strategy<Value = SqlType> {
    prop::sample::select(vec![
        SqlType::Bool,
        SqlType::SmallInt,
        SqlType::Int,
        SqlType::BigInt,
        SqlType::Real,
        SqlType::Double,
        SqlType::Numeric { precision: 20, scale: 4 },
        SqlType::Text,
        SqlType::Varchar(9),
        SqlType::Char(3),
        SqlType::Bytea,
        SqlType::Date,
        SqlType::Time,
        SqlType::Timestamp,
        SqlType::TimestampTz,
        SqlType::Uuid,
        SqlType::Jsonb,
    ])
}

/// Few letters, so that prefixes and zero bytes are common.
fn text() -> impl Strategy<Value = Box<str>> {
    vec(prop::sample::select(vec!['\0', '\u{1}', 'a', 'b', 'é', '\u{10ffff}']), 0..5)
        .prop_map(|c| c.into_iter().collect::<String>().into())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(prop::sample::select(vec![0u8, 1, 2, 0x7f, 0xfe, 0xff]), 0..5)
}

pub fn of(ty: SqlType) -> BoxedStrategy<Value> {
    let value = match ty {
        SqlType::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        SqlType::SmallInt | SqlType::Int | SqlType::BigInt => {
            prop_oneof![any::<i64>(), -3..3i64].prop_map(Value::Int).boxed()
        }
        SqlType::Real => any::<f32>().prop_map(Value::Float4).boxed(),
        SqlType::Double => any::<f64>().prop_map(Value::Float8).boxed(),
        SqlType::Numeric { .. } => {
            prop_oneof![any::<i128>(), -3..3i128].prop_map(Value::Decimal).boxed()
        }
        SqlType::Bytea => bytes().prop_map(|b| Value::Bytes(b.into())).boxed(),
        SqlType::Date => any::<i32>().prop_map(Value::Date).boxed(),
        SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz => {
            any::<i64>().prop_map(Value::Micros).boxed()
        }
        _ => text().prop_map(Value::Text).boxed(),
    };
    prop_oneof![1 => Just(Value::Null), 6 => value].boxed()
}

pub fn any_value() -> impl Strategy<Value = Value> {
    ty().prop_flat_map(of)
}

pub fn row() -> impl Strategy<Value = Row> {
    prop::collection::btree_map(prop_oneof![0..20u32, any::<u32>()], any_value(), 0..12)
        .prop_map(|m| m.into_iter().collect())
}

fn op() -> impl Strategy<Value = Op> {
    (bytes(), any::<u64>(), prop::option::of(bytes())).prop_map(|(key, prev, row)| Op {
        key: key.into(),
        prev: Timestamp(prev),
        row: row.map(Into::into),
    })
}

pub fn record() -> impl Strategy<Value = Record> {
    let txn = || any::<u128>().prop_map(TxnId);
    let ts = || any::<u64>().prop_map(Timestamp);
    let origin = || any::<u8>().prop_map(ClusterId);
    let reason = || text().prop_map(String::from);
    prop_oneof![
        (txn(), ts(), origin(), vec(op(), 0..5)).prop_map(|(txn, commit_ts, origin, ops)| {
            Record::Txn { txn, commit_ts, origin, ops }
        }),
        (txn(), vec(op(), 0..5)).prop_map(|(txn, ops)| Record::Stage { txn, ops }),
        (txn(), ts(), origin(), vec(any::<u16>(), 0..5), vec(op(), 0..5)).prop_map(
            |(txn, prepare_ts, origin, participants, ops)| Record::Prepare {
                txn,
                prepare_ts,
                origin,
                participants,
                ops
            }
        ),
        (txn(), prop::option::of(ts()))
            .prop_map(|(txn, commit_ts)| Record::Decide { txn, commit_ts }),
        ts().prop_map(|ts| Record::Closed { ts }),
        (ts(), any::<u64>(), reason()).prop_map(|(cut, end, reason)| Record::EpochStart {
            cut,
            previous_end: Lsn(end),
            reason
        }),
        (any::<bool>(), reason(), any::<u64>()).prop_map(|(closed, reason, at_ms)| Record::Gate {
            closed,
            reason,
            at_ms
        }),
    ]
}
