//! What is written comes back.

use crate::values::{any_value, record, row, ty};
use base::{
    ClusterId, Column, Epoch, EpochHistory, Lsn, NodeId, StorageId, TableDescriptor, TableId,
    Timestamp, TxnId, Value,
};
use bytes::Bytes;
use format::catalog::{self, Counters};
use format::{
    ChunkMeta, ColumnLayout, DivergedPart, DivergedRow, Manifest, Op, Record, Run, TableChunks, key,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn epoch(number: u32) -> Epoch {
    Epoch { number, cluster: ClusterId(3), node: NodeId(2) }
}

fn chunk(min: &'static [u8], max: &'static [u8]) -> ChunkMeta {
    ChunkMeta {
        file: format!("chunk-4-{}.parquet", min[0]),
        min_key: min.into(),
        max_key: max.into(),
        rows: 70_000,
        bytes: 5_000_000_000,
        crc32c: 0xdead_beef,
        mixed: false,
    }
}

/// With runs above the base.
pub fn manifest_with_runs(columns: Vec<ColumnLayout>) -> Manifest {
    let mut manifest = manifest(columns);
    manifest.horizon = Timestamp(1 << 56);
    let mixed = ChunkMeta { mixed: true, ..chunk(b"a", b"e") };
    manifest.tables[0].runs = vec![
        Run { lo: Timestamp(5), hi: Timestamp(1 << 55), chunks: vec![chunk(b"d", b"f")] },
        Run { lo: Timestamp(1 << 55), hi: Timestamp(1 << 57), chunks: vec![mixed] },
    ];
    manifest
}

pub fn manifest(columns: Vec<ColumnLayout>) -> Manifest {
    Manifest {
        seq: 4,
        ts: Timestamp(1 << 57),
        horizon: Timestamp(1 << 57),
        replay_from: Lsn(99),
        history: EpochHistory(vec![(epoch(1), Lsn(1)), (epoch(5), Lsn(50))]),
        cuts: Vec::new(),
        tables: vec![TableChunks {
            storage: StorageId(100),
            columns,
            chunks: vec![chunk(b"b", b"c"), chunk(b"ca", b"d\0")],
            runs: Vec::new(),
        }],
    }
}

pub fn part() -> DivergedPart {
    DivergedPart {
        txn: TxnId(1 << 100 | 7),
        partition: 3,
        epoch: epoch(2),
        lsn: Lsn(130),
        commit_ts: Timestamp(77),
        origin: ClusterId(9),
        complete: true,
        decided: false,
        rows: vec![DivergedRow {
            table: "public.t".into(),
            key: "[1]".into(),
            old: None,
            new: Some("{\"id\":1}".into()),
            raw_key: b"\0\0\0\x64\x01".as_slice().into(),
            raw_old: None,
            raw_new: Some(b"\x01".as_slice().into()),
        }],
        by_content: false,
    }
}

/// What later versions have added is absent in what earlier ones wrote, and kept by this one.
#[test]
fn cuts_and_parts_by_content() {
    let cuts = vec![(epoch(1), Timestamp::MAX), (epoch(5), Timestamp(1 << 50))];
    let with = Manifest { cuts, ..manifest(Vec::new()) };
    assert_eq!(Manifest::decode(&with.encode()).unwrap(), with);
    let without = Manifest { cuts: Vec::new(), ..with };
    assert_eq!(Manifest::decode(&without.encode()).unwrap(), without);
    let told = DivergedPart { by_content: true, ..part() };
    assert_eq!(DivergedPart::decode(&told.encode()).unwrap(), told);
}

proptest! {
    #[test]
    fn rows(row in row()) {
        let back = format::row::decode(&format::row::encode(&row)).unwrap();
        // As text, so that NaN equals itself and -0 differs from 0.
        prop_assert_eq!(format!("{back:?}"), format!("{row:?}"));
    }

    #[test]
    fn single_values(value in any_value()) {
        let back = format::row::decode_value(&format::row::encode_value(&value)).unwrap();
        prop_assert_eq!(format!("{back:?}"), format!("{value:?}"));
    }

    #[test]
    fn records(record in record()) {
        let back = Record::decode(record.kind(), &record.encode()).unwrap();
        prop_assert_eq!(back, record);
    }

    #[test]
    fn descriptors(
        columns in vec((any::<u32>(), ".*", ty(), any::<bool>(), prop::option::of(".*")), 0..5),
        name in ".*",
        key in vec(any::<u32>(), 0..3),
    ) {
        let columns = columns.into_iter().map(|(id, name, ty, flag, default)| Column {
            id, name, ty, not_null: flag, default, missing: Value::Int(i64::from(id)), hidden: !flag,
        });
        let table = TableDescriptor {
            id: TableId(9),
            schema: "public".into(),
            name,
            storage: StorageId(100),
            columns: columns.collect(),
            primary_key: key.clone(),
            shard_key: key,
            indexes: Vec::new(),
            next_column_id: 7,
            version: 3,
        };
        let row = catalog::encode(&table);
        prop_assert!(!catalog::is_counters(&row));
        let row = format::row::decode(&format::row::encode(&row)).unwrap();
        prop_assert_eq!(catalog::decode(&row).unwrap(), table);
    }

    #[test]
    fn manifests(columns in vec((any::<u32>(), ty()), 0..5)) {
        let columns = columns.into_iter()
            .map(|(id, ty)| ColumnLayout { id, ty, missing: Value::Null });
        let manifest = manifest_with_runs(columns.collect());
        prop_assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), manifest);
    }
}

#[test]
fn unsorted_rows_are_sorted() {
    let row = vec![(2, Value::Int(2)), (1, Value::Int(1))];
    let back = format::row::decode(&format::row::encode(&row)).unwrap();
    assert_eq!(back, vec![(1, Value::Int(1)), (2, Value::Int(2))]);
}

#[test]
fn counters_and_vault_parts() {
    let counters = Counters { next_table: 5, next_storage: 200, chosen_only: false };
    assert!(catalog::is_counters(&counters.encode()));
    assert_eq!(Counters::decode(&counters.encode()).unwrap(), counters);
    assert!(catalog::decode(&counters.encode()).is_err());
    assert_eq!(DivergedPart::decode(&part().encode()).unwrap(), part());
}

#[test]
fn a_manifest_that_names_a_path_is_refused() {
    let mut manifest = manifest(Vec::new());
    manifest.tables[0].chunks[0].file = "../../etc/passwd".into();
    assert!(Manifest::decode(&manifest.encode()).is_err());
}

#[test]
fn a_manifest_whose_runs_make_no_sense_is_refused() {
    let good = manifest_with_runs(Vec::new());
    let refused = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = good.clone();
        change(&mut manifest);
        assert!(Manifest::decode(&manifest.encode()).is_err());
    };
    refused(&|m| m.tables[0].runs.swap(0, 1));
    refused(&|m| m.tables[0].runs[0].lo = m.tables[0].runs[0].hi);
    refused(&|m| m.tables[0].runs[1].hi = m.ts.next());
    refused(&|m| m.tables[0].runs[0].chunks.clear());
    refused(&|m| m.tables[0].runs[0].chunks[0].file = "../up".into());
    refused(&|m| m.tables[0].chunks[0].mixed = true);
    refused(&|m| m.horizon = m.ts.next());
}

#[test]
fn what_is_not_replicated_is_left_out_and_the_record_stays() {
    let key = |storage: StorageId, n| key::encode(storage, &[&Value::Int(n)]);
    let op = |storage, n| Op {
        key: key(storage, n),
        prev: Timestamp(7),
        row: Some(Bytes::from_static(b"row")),
    };
    let (sent, local) = (StorageId(100), StorageId(101).with_local(true));
    let mixed = vec![op(sent, 1), op(local, 1), op(sent.of_index(), 2), op(local.of_index(), 2)];
    let txn = TxnId(9);
    let with = |ops: Vec<Op>| {
        let (ts, origin) = (Timestamp(11), ClusterId(3));
        [
            Record::Txn { txn, commit_ts: ts, origin, ops: ops.clone() },
            Record::Stage { txn, ops: ops.clone() },
            Record::Prepare { txn, prepare_ts: ts, origin, participants: vec![0, 3], ops },
        ]
    };
    let rest = vec![op(sent, 1), op(sent.of_index(), 2)];
    let only = |ops| with(ops).into_iter();
    for (before, after) in
        only(mixed).zip(with(rest.clone())).chain(only(vec![op(local, 1)]).zip(with(Vec::new())))
    {
        let left = Record::without_local(before.kind(), &before.encode(), false).unwrap();
        let left = left.unwrap_or_else(|| panic!("{before:?}"));
        assert_eq!(Record::decode(before.kind(), &left).unwrap(), after);
    }
    for whole in with(rest).into_iter().chain([Record::Closed { ts: Timestamp(1) }]) {
        assert_eq!(Record::without_local(whole.kind(), &whole.encode(), false).unwrap(), None);
    }
}
