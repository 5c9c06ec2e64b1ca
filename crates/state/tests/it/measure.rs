//! Rough figures: `cargo test -p antipode-state -- --ignored --nocapture measure`.

use crate::room::{A, key_of, ts};
use base::{EpochHistory, Lsn, SqlType, Timestamp, Value};
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
}
