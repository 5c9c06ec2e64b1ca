//! What the tests share: small chunks, two key spaces, rows of an id, a text and an added column.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use base::{EpochHistory, Lsn, Result, SqlType, StorageId, Timestamp, Value};
use bytes::Bytes;
use env::Env;
use format::{ColumnLayout, Op, key, row};
use state::{PageCache, ScanSpec, Settings, SpillRequest, State, value_at};
use std::collections::BTreeMap;
use std::path::PathBuf;

pub const A: StorageId = StorageId(100);
pub const B: StorageId = StorageId(101);
/// The value of column 3 in rows written before it was added.
pub const ADDED: Value = Value::Int(7);

pub fn dir() -> PathBuf {
    PathBuf::from("/data/db/1/0")
}

pub fn small() -> Settings {
    Settings {
        row_group_rows: 8,
        page_rows: 2,
        page_bytes: 64 << 10,
        row_group_bytes: 1 << 20,
        chunk_bytes: 900,
        runs_max: 4,
    }
}

pub fn open(env: &Env) -> Result<State> {
    State::open(env, dir(), PageCache::new(1 << 20), small())
}

pub fn layout() -> Vec<ColumnLayout> {
    let column = |id, ty, missing| ColumnLayout { id, ty, missing };
    vec![
        column(2, SqlType::Text, Value::Null),
        column(1, SqlType::BigInt, Value::Null),
        column(3, SqlType::Int, ADDED),
    ]
}

pub fn key_of(storage: StorageId, id: i64) -> Bytes {
    key::encode(storage, &[&Value::Int(id)])
}

/// A row with or without the added column.
pub fn put(storage: StorageId, id: i64, text: &str, added: Option<i64>) -> Op {
    let mut row = vec![(1, Value::Int(id)), (2, Value::Text(text.into()))];
    row.extend(added.map(|v| (3, Value::Int(v))));
    Op { key: key_of(storage, id), prev: Timestamp::ZERO, row: Some(row::encode(&row)) }
}

pub fn delete(storage: StorageId, id: i64) -> Op {
    Op { key: key_of(storage, id), prev: Timestamp::ZERO, row: None }
}

pub fn ts(n: u64) -> Timestamp {
    Timestamp(n)
}

pub fn spill(state: &State, at: u64, keep: u64) -> Result<()> {
    spill_with(state, at, keep, &|_| Some(layout()))
}

/// A spill while somebody still reads at `horizon`.
pub fn spill_above(state: &State, at: u64, horizon: u64) -> Result<()> {
    state.spill(SpillRequest {
        at: ts(at),
        horizon: ts(horizon),
        replay_from: Lsn(at + 1),
        history: EpochHistory::default(),
        cuts: Vec::new(),
        layouts: &|_| Some(layout()),
        keep_newest_at_or_below: ts(at),
    })
}

/// Merges until there is nothing to merge.
pub fn settle(state: &State) {
    while state.merge(state.manifest().ts).unwrap() {}
}

pub fn spill_with(
    state: &State,
    at: u64,
    keep: u64,
    layouts: &dyn Fn(StorageId) -> Option<Vec<ColumnLayout>>,
) -> Result<()> {
    state.spill(SpillRequest {
        at: ts(at),
        horizon: ts(at),
        replay_from: Lsn(at + 1),
        history: EpochHistory::default(),
        cuts: Vec::new(),
        layouts,
        keep_newest_at_or_below: ts(keep),
    })
}

pub fn whole(storage: StorageId, at: u64) -> ScanSpec {
    let (start, end) = key::range(storage);
    ScanSpec {
        storage,
        start,
        end,
        ts: ts(at),
        columns: layout(),
        with_key: true,
        batch_rows: 5,
        limit: None,
    }
}

/// Rows by key: commit time, text, id, added column.
pub type Rows = BTreeMap<Bytes, (u64, Vec<Value>)>;

pub fn collect(scan: impl Iterator<Item = Result<RecordBatch>>) -> Result<Rows> {
    let (mut rows, columns) = (Rows::new(), layout());
    for batch in scan {
        let batch = batch?;
        assert!(batch.num_rows() > 0 && batch.num_rows() <= 5);
        let keys = batch.column(0).as_binary::<i32>();
        let stamps = batch.column(1).as_primitive::<UInt64Type>();
        for i in 0..batch.num_rows() {
            let values =
                columns.iter().zip(&batch.columns()[2..]).map(|(c, a)| value_at(a, i, c.ty));
            let row = (stamps.value(i), values.collect());
            let before = rows.insert(Bytes::copy_from_slice(keys.value(i)), row);
            assert!(before.is_none(), "a row came twice");
        }
    }
    Ok(rows)
}

pub fn scan(state: &State, spec: ScanSpec) -> Result<Rows> {
    collect(state.scan(spec)?)
}

/// File names in the folder.
pub fn files(env: &Env) -> Vec<String> {
    env.disk.list(&dir()).unwrap()
}
