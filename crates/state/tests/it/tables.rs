//! Columns and key spaces that come and go, and every type through a chunk.

use crate::room::*;
use base::{Lsn, SqlType, Timestamp, Value};
use env::sim;
use format::{ColumnLayout, Op, row};
use state::{ScanSpec, value_at};

#[test]
fn a_dropped_key_space_takes_its_chunks_with_it() {
    sim::run(1, |world| async move {
        let env = world.node().env();
        let state = open(&env).unwrap();
        state.apply(ts(5), Lsn(1), &[put(A, 1, "a", None), put(B, 1, "b", None)]);
        spill(&state, 5, 5).unwrap();
        state.apply(ts(6), Lsn(2), &[put(B, 2, "b", None)]);
        spill_with(&state, 6, 6, &|s| (s == A).then(layout)).unwrap();
        assert_eq!(state.manifest().tables.len(), 1);
        assert!(scan(&state, whole(B, 9)).unwrap().is_empty());
        assert_eq!(scan(&state, whole(A, 9)).unwrap().len(), 1);
        assert_eq!(files(&env).len(), 2);
    });
}

#[test]
fn untouched_chunks_are_named_again_and_touched_ones_get_new_columns() {
    sim::run(1, |world| async move {
        let state = open(&world.node().env()).unwrap();
        let narrow = || layout().into_iter().filter(|c| c.id != 3).collect::<Vec<_>>();
        let ops: Vec<_> = (0..200).map(|id| put(A, id, "a text of some length", None)).collect();
        state.apply(ts(5), Lsn(1), &ops);
        spill_with(&state, 5, 5, &|_| Some(narrow())).unwrap();
        settle(&state);
        assert_eq!(state.stats().merged_bytes, 0, "what overlaps nothing is not written again");
        let before = state.manifest();
        let chunks = before.tables[0].chunks.len();
        assert!(chunks > 4, "{chunks}");
        state.apply(ts(6), Lsn(2), &[put(A, 100, "changed", Some(1))]);
        spill(&state, 6, 6).unwrap();
        settle(&state);
        let after = state.manifest();
        let same = after.chunks().filter(|c| before.chunks().any(|b| b == *c)).count();
        assert!(same >= chunks - 2, "{same} of {chunks} stay");
        assert_eq!(after.tables[0].columns.len(), 3);
        let rows = scan(&state, whole(A, 9)).unwrap();
        assert_eq!(rows.len(), 200);
        for (key, (_, values)) in rows {
            let changed = key == key_of(A, 100);
            assert_eq!(values[2], if changed { Value::Int(1) } else { ADDED });
        }
        assert_eq!(state.stats().chunk_rows, 200);
    });
}

fn every_type() -> Vec<(SqlType, Value)> {
    let text = |t: &str| Value::Text(t.into());
    vec![
        (SqlType::Bool, Value::Bool(true)),
        (SqlType::SmallInt, Value::Int(-3)),
        (SqlType::Int, Value::Int(i32::MIN.into())),
        (SqlType::BigInt, Value::Int(i64::MAX)),
        (SqlType::Real, Value::Float4(1.5)),
        (SqlType::Double, Value::Float8(-0.25)),
        (SqlType::Numeric { precision: 38, scale: 10 }, Value::Decimal(-(1 << 100))),
        (SqlType::Text, text("täxt")),
        (SqlType::Varchar(5), text("")),
        (SqlType::Char(3), text("a  ")),
        (SqlType::Bytea, Value::Bytes(vec![0, 255].into())),
        (SqlType::Date, Value::Date(-1)),
        (SqlType::Time, Value::Micros(86_399_999_999)),
        (SqlType::Timestamp, Value::Micros(-5)),
        (SqlType::TimestampTz, Value::Micros(1 << 50)),
        (SqlType::Uuid, text("00000000-0000-0000-0000-000000000001")),
        (SqlType::Jsonb, text("{\"a\": [1]}")),
    ]
}

#[test]
fn every_type_goes_through_delta_and_chunk() {
    sim::run(1, |world| async move {
        let state = open(&world.node().env()).unwrap();
        let typed = every_type();
        let ids = 1..=typed.len() as u32;
        let columns: Vec<ColumnLayout> = ids
            .clone()
            .zip(&typed)
            .map(|(id, (ty, _))| ColumnLayout { id, ty: *ty, missing: Value::Null })
            .collect();
        let full: Vec<_> = ids.clone().zip(typed.iter().map(|(_, v)| v.clone())).collect();
        let nulls: Vec<_> = ids.map(|id| (id, Value::Null)).collect();
        let op = |id, row: &[(u32, Value)]| Op {
            key: key_of(A, id),
            prev: Timestamp::ZERO,
            row: Some(row::encode(row)),
        };
        let ops = [op(1, &full), op(2, &nulls)];
        state.apply(ts(5), Lsn(1), &ops);
        let spec = ScanSpec { columns: columns.clone(), with_key: false, ..whole(A, 9) };
        for _ in 0..2 {
            for (op, row) in ops.iter().zip([&full, &nulls]) {
                let stored = state.get(&op.key, ts(9)).unwrap().unwrap().row.unwrap();
                assert_eq!(&row::decode(&stored).unwrap(), row);
            }
            let batches: Vec<_> = state.scan(spec.clone()).unwrap().map(Result::unwrap).collect();
            assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), 2);
            for ((i, column), (_, value)) in columns.iter().enumerate().zip(&full) {
                assert_eq!(&value_at(batches[0].column(i), 0, column.ty), value);
                assert!(value_at(batches[0].column(i), 1, column.ty).is_null());
            }
            spill_with(&state, 5, 5, &|_| Some(columns.clone())).unwrap();
        }
        // Again through a merge.
        state.apply(ts(6), Lsn(2), &[op(1, &nulls), op(2, &full)]);
        spill_with(&state, 6, 6, &|_| Some(columns.clone())).unwrap();
        settle(&state);
        assert!(state.stats().merged_bytes > 0);
        for (key, row) in [(key_of(A, 1), &nulls), (key_of(A, 2), &full)] {
            let stored = state.get(&key, ts(9)).unwrap().unwrap().row.unwrap();
            assert_eq!(&row::decode(&stored).unwrap(), row);
        }
    });
}

#[test]
fn a_row_that_does_not_fit_its_column_is_an_error() {
    sim::run(1, |world| async move {
        let state = open(&world.node().env()).unwrap();
        let row = row::encode(&[(1, Value::Text("not a number".into()))]);
        let op = Op { key: key_of(A, 1), prev: Timestamp::ZERO, row: Some(row) };
        state.apply(ts(5), Lsn(1), &[op]);
        assert!(scan(&state, whole(A, 9)).is_err());
    });
}
