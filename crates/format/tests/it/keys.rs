//! Keys order as SQL orders.

use crate::values::{of, ty};
use base::{SqlType, StorageId, Value};
use format::key;
use proptest::collection::vec;
use proptest::prelude::*;
use std::cmp::Ordering;

/// The order SQL gives two values of one type: NULL last, NaN above all numbers, -0 = 0, text by
/// its bytes.
fn sql_order(a: &Value, b: &Value) -> Ordering {
    fn float(a: f64, b: f64) -> Ordering {
        a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    }
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => a.is_null().cmp(&b.is_null()),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) | (Value::Micros(a), Value::Micros(b)) => a.cmp(b),
        (Value::Float4(a), Value::Float4(b)) => float((*a).into(), (*b).into()),
        (Value::Float8(a), Value::Float8(b)) => float(*a, *b),
        (Value::Decimal(a), Value::Decimal(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        _ => unreachable!("two values of one type"),
    }
}

fn encode(values: &[Value]) -> bytes::Bytes {
    key::encode(StorageId(7), &values.iter().collect::<Vec<_>>())
}

/// Types and two lists of values of them, often alike at the front.
fn pair() -> impl Strategy<Value = (Vec<SqlType>, Vec<Value>, Vec<Value>)> {
    vec(ty(), 1..4).prop_flat_map(|types| {
        let values = || types.iter().map(|t| of(*t)).collect::<Vec<_>>();
        (Just(types.clone()), values(), values(), vec(any::<bool>(), types.len())).prop_map(
            |(types, a, mut b, same)| {
                for i in (0..a.len()).filter(|i| same[*i]) {
                    b[i] = a[i].clone();
                }
                (types, a, b)
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_order_of_bytes_is_the_order_of_sql((_, a, b) in pair()) {
        let expected = a.iter().zip(&b)
            .map(|(a, b)| sql_order(a, b))
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal);
        prop_assert_eq!(encode(&a).cmp(&encode(&b)), expected, "{:?} {:?}", a, b);
    }

    #[test]
    fn keys_decode_to_their_values((types, a, _) in pair()) {
        let back = key::decode(&encode(&a), &types).unwrap();
        prop_assert_eq!(back.len(), a.len());
        for (a, b) in a.iter().zip(&back) {
            prop_assert_eq!(sql_order(a, b), Ordering::Equal);
        }
    }

    #[test]
    fn a_prefix_ends_above_all_its_keys((_, a, b) in pair()) {
        let (prefix, full) = (encode(&a[..1]), encode(&a));
        prop_assert!(full < key::prefix_end(&prefix));
        let other = encode(&b);
        let inside = other >= prefix && other < key::prefix_end(&prefix);
        prop_assert_eq!(inside, other.starts_with(&prefix));
        let (start, end) = key::range(StorageId(7));
        prop_assert!(full >= start && full < end);
        prop_assert_eq!(key::storage_of(&full), StorageId(7));
    }

    #[test]
    fn every_row_has_a_partition((_, a, _) in pair(), n in 1..u16::MAX) {
        prop_assert!(key::shard(&a.iter().collect::<Vec<_>>(), n) < n);
    }
}

#[test]
fn shards_are_even_and_for_ever() {
    let mut counts = [0; 8];
    for i in 0..8000 {
        counts[usize::from(key::shard(&[&Value::Int(i)], 8))] += 1;
    }
    assert!(counts.iter().all(|c| (900..1100).contains(c)), "{counts:?}");
    let pinned: Vec<u16> = (0..8).map(|i| key::shard(&[&Value::Int(i)], 1000)).collect();
    assert_eq!(pinned, [370, 508, 824, 410, 557, 400, 678, 443]);
    assert_eq!(key::shard(&[&Value::Text("Frankfurt".into())], 1000), 647);
}

/// A column of an index: type, descending, nulls first.
type Member = (SqlType, bool, bool);

/// As [`pair`], with a direction for each column.
fn indexed() -> impl Strategy<Value = (Vec<Member>, Vec<Value>, Vec<Value>)> {
    let flags = vec((any::<bool>(), any::<bool>()), 4);
    (pair(), flags).prop_map(|((types, a, b), flags)| {
        let types = types.into_iter().zip(flags).map(|(ty, (d, n))| (ty, d, n));
        (types.collect(), a, b)
    })
}

fn descriptors(types: &[Member], unique: bool) -> (base::TableDescriptor, base::IndexDescriptor) {
    let column = |(i, (ty, ..)): (usize, &Member)| base::Column {
        id: i as u32 + 1,
        name: format!("c{i}"),
        ty: *ty,
        not_null: false,
        default: None,
        missing: Value::Null,
        hidden: false,
    };
    let table = base::TableDescriptor {
        id: base::TableId(1),
        schema: "public".into(),
        name: "t".into(),
        storage: StorageId(100),
        columns: types.iter().enumerate().map(column).collect(),
        primary_key: Vec::new(),
        shard_key: Vec::new(),
        indexes: Vec::new(),
        next_column_id: 9,
        version: 1,
    };
    let columns = types.iter().enumerate().map(|(i, (_, descending, nulls_first))| {
        let (descending, nulls_first) = (*descending, *nulls_first);
        base::IndexColumn { column: i as u32 + 1, descending, nulls_first }
    });
    let index = base::IndexDescriptor {
        id: base::TableId(2),
        name: "i".into(),
        storage: StorageId(101).of_index(),
        columns: columns.collect(),
        unique,
        constraint: false,
        ready: true,
    };
    (table, index)
}

proptest! {
    /// Entries order as the index says, and lead back to their rows.
    #[test]
    fn index_entries(
        (types, a, b) in indexed(),
        unique in any::<bool>(),
        pk in vec(any::<u8>(), 0..5),
    ) {
        let (table, index) = descriptors(&types, unique);
        let row_key: Vec<u8> = [&100u32.to_be_bytes()[..], &pk].concat();
        let entry = |values: &[Value]| format::index::entry(&index, values, &row_key).unwrap();
        let (left, right) = (entry(&a), entry(&b));
        let expected = types.iter().zip(a.iter().zip(&b)).map(|((_, descending, first), (a, b))| {
            match (a.is_null(), b.is_null()) {
                (true, true) => Ordering::Equal,
                (true, false) => if *first { Ordering::Less } else { Ordering::Greater },
                (false, true) => if *first { Ordering::Greater } else { Ordering::Less },
                _ if *descending => sql_order(b, a),
                _ => sql_order(a, b),
            }
        });
        let expected = expected.fold(Ordering::Equal, Ordering::then);
        prop_assert_eq!(left.key.cmp(&right.key), expected);
        let has_null = a.iter().any(Value::is_null);
        prop_assert_eq!(left.contested, unique && !has_null);
        let entries = format::index::Entries::of(&table, &index);
        let back = entries.row_key_of(&left.key, &left.row).unwrap();
        prop_assert_eq!(&back[..], &row_key[..]);
        prop_assert!(format::key::storage_of(&left.key).is_index());
    }
}
