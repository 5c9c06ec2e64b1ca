//! Rough figures: `cargo test -p antipode-state -- --ignored --nocapture measure`.

use crate::room::{A, key_of, ts};
use base::{EpochHistory, Lsn, SqlType, Timestamp, Value};
use bytes::Bytes;
use format::{ColumnLayout, Op, row};
use state::{PageCache, ScanSpec, Settings, SpillRequest, State};

const ROWS: i64 = 300_000;

fn columns() -> Vec<ColumnLayout> {
    let types = [
        SqlType::BigInt,
        SqlType::Int,
        SqlType::Numeric { precision: 12, scale: 2 },
        SqlType::Text,
        SqlType::Text,
        SqlType::TimestampTz,
        SqlType::Bool,
        SqlType::Double,
    ];
    let layout = |(i, ty)| ColumnLayout { id: i as u32 + 1, ty, missing: Value::Null };
    types.into_iter().enumerate().map(layout).collect()
}

fn op(id: i64) -> Op {
    let row = [
        Value::Int(id),
        Value::Int(id % 1000),
        Value::Decimal(i128::from(id) * 37),
        Value::Text(format!("customer number {id}").into()),
        Value::Text("a common text of middling length".into()),
        Value::Micros(1_700_000_000_000_000 + id),
        Value::Bool(id % 3 == 0),
        Value::Float8(id as f64 / 7.0),
    ];
    let row: Vec<_> = (1..).zip(row).collect();
    Op { key: key_of(A, id), prev: Timestamp::ZERO, row: Some(row::encode(&row)) }
}

fn timed<T>(what: &str, rows: i64, work: impl FnOnce() -> T) -> T {
    let clock = env::real::env().clock;
    let begin = clock.monotonic();
    let result = work();
    let seconds = (clock.monotonic() - begin).as_secs_f64();
    println!("{what:<40} {:>9.0} k rows/s  {seconds:.2} s", rows as f64 / seconds / 1000.0);
    result
}

fn count(state: &State, columns: &[u32]) -> usize {
    let (start, end) = format::key::range(A);
    count_in(state, columns, start, end)
}

fn count_in(state: &State, columns: &[u32], start: Bytes, end: Bytes) -> usize {
    let columns = self::columns().into_iter().filter(|c| columns.contains(&c.id)).collect();
    let spec = ScanSpec {
        storage: A,
        start,
        end,
        ts: Timestamp::MAX,
        columns,
        with_key: false,
        batch_rows: 8192,
        limit: None,
    };
    state.scan(spec).unwrap().map(|b| b.unwrap().num_rows()).sum()
}

fn spill(state: &State, at: u64) {
    let layouts = |_| Some(columns());
    state
        .spill(SpillRequest {
            at: ts(at),
            horizon: ts(at),
            replay_from: Lsn(1),
            history: EpochHistory::default(),
            cuts: Vec::new(),
            layouts: &layouts,
            keep_newest_at_or_below: ts(at),
        })
        .unwrap();
}

#[test]
#[ignore = "a measurement"]
fn measure() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _guard = runtime.enter();
    let folder = tempfile::tempdir().unwrap();
    let cache = PageCache::new(256 << 20);
    let dir = folder.path().join("0");
    let state = State::open(&env::real::env(), dir, cache.clone(), Settings::default()).unwrap();
    let ops: Vec<Op> = (0..ROWS).map(op).collect();
    let all: Vec<u32> = (1..=8).collect();
    timed("apply, ascending keys, 100 an op", ROWS, || {
        for (i, ops) in (1..).zip(ops.chunks(100)) {
            state.apply(ts(i), Lsn(i), ops);
        }
    });
    println!("delta: {} bytes a row", state.delta_bytes() as i64 / ROWS);
    timed("scan the delta, all columns", ROWS, || count(&state, &all));
    timed("scan the delta, one column", ROWS, || count(&state, &[1]));
    timed("get from the delta", ROWS, || {
        for id in 0..ROWS {
            state.get(&ops[(id * 7919 % ROWS) as usize].key, Timestamp::MAX).unwrap();
        }
    });
    timed("spill into nothing", ROWS, || spill(&state, 100_000));
    let stats = state.stats();
    println!("chunks: {} of {} bytes a row", stats.chunks, stats.chunk_bytes as i64 / ROWS);
    timed("first scan, all columns", ROWS, || count(&state, &all));
    timed("scan again, from the cache", ROWS, || count(&state, &all));
    println!("cache: {} bytes a row", cache.bytes() as i64 / ROWS);
    timed("get from chunks, cached", ROWS, || {
        for id in 0..ROWS {
            state.get(&ops[(id * 7919 % ROWS) as usize].key, Timestamp::MAX).unwrap();
        }
    });
    let changes: Vec<Op> = (0..ROWS).step_by(100).map(|id| ops[id as usize].clone()).collect();
    state.apply(ts(200_000), Lsn(1), &changes);
    timed("scan with 1 % changed, one column", ROWS, || count(&state, &[1]));
    timed("spill 1 % random changes", ROWS / 100, || spill(&state, 300_000));
    timed("scan with 1 % in a run, one column", ROWS, || count(&state, &[1]));
    timed("merge what is worth it", ROWS, || merge(&state, 300_000));
    drop(state);
    let cache = PageCache::new(64 << 10);
    let dir = folder.path().join("0");
    let state = State::open(&env::real::env(), dir, cache, Settings::default()).unwrap();
    count(&state, &[]);
    timed("get from chunks, cold, a cache of 64 kB", 2_000, || {
        for id in 0..2_000 {
            state.get(&ops[(id * 7919 % ROWS) as usize].key, Timestamp::MAX).unwrap();
        }
    });
    timed("scan 10 rows, cold", 1_000 * 10, || {
        for id in 0..1_000 {
            let from = id * 7919 % (ROWS - 10);
            assert_eq!(count_in(&state, &[1, 4], key_of(A, from), key_of(A, from + 10)), 10);
        }
    });
}

fn merge(state: &State, horizon: u64) {
    while state.merge(ts(horizon)).unwrap() {}
}

/// Random updates of 1 % of the rows for each spill: how often is a byte written, and how many
/// layers does a read look through?
#[test]
#[ignore = "a measurement"]
fn measure_random_updates() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _guard = runtime.enter();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("0");
    let cache = PageCache::new(64 << 20);
    let settings = Settings { chunk_bytes: 1 << 20, ..Settings::default() };
    let state = State::open(&env::real::env(), dir, cache, settings).unwrap();
    let ops: Vec<Op> = (0..ROWS).map(op).collect();
    state.apply(ts(1), Lsn(1), &ops);
    spill(&state, 1);
    merge(&state, 1);
    let bulk = state.stats();
    println!("bulk load: {} spilled, {} merged", bulk.spilled_bytes, bulk.merged_bytes);
    let mut dice = 1_u64;
    for round in 2..102 {
        let changes = (0..ROWS / 100).map(|_| {
            dice = dice.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ops[((dice >> 33) as i64 % ROWS) as usize].clone()
        });
        state.apply(ts(round), Lsn(round), &changes.collect::<Vec<_>>());
        spill(&state, round);
        merge(&state, round);
        for id in 0..50 {
            let id = (id * 7919 + round as i64 * 13) % ROWS;
            state.get(&ops[id as usize].key, Timestamp::MAX).unwrap();
        }
    }
    let stats = state.stats();
    let spilled = stats.spilled_bytes - bulk.spilled_bytes;
    let written = spilled + stats.merged_bytes - bulk.merged_bytes;
    println!("random updates: each byte is written {:.1} times", written as f64 / spilled as f64);
    println!("layers a get looks into: {:.1}", stats.get_layers as f64 / stats.gets as f64);
    println!("runs at the end: {}, base {} bytes", stats.runs, bulk.spilled_bytes);
}
