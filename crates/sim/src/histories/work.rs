//! Random transactions, and what their steps do.

use crate::dice::{Dice, Pauses};
use arrow::array::AsArray;
use base::{Error, Result, TableDescriptor, Value};
use bytes::Bytes;
use futures::TryStreamExt;
use parking_lot::Mutex;
use partition::{LockMode, LockWait};
use state::ScanSpec;
use std::sync::Arc;
use std::time::Duration;
use txn::{Database, Isolation, Transaction};

/// The table of all lists and registers: `id`, and numbers as text.
pub const TABLE: &str = "lists";
/// The table of markers.
pub const MARKERS: &str = "markers";
/// Rows that are worked on at a time.
const KEYS: usize = 5;
/// A row is left alone after so many writes, and a new one comes in its place.
const WRITES: u32 = 14;
/// The longest wait for a lock.
const LOCK_WAIT: LockWait = LockWait::Block(Some(Duration::from_secs(2)));

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Appends to lists.
    Lists,
    /// Overwrites registers.
    Registers,
}

/// How a row is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By its key.
    Key,
    /// By a scan of its partition.
    Scan,
    /// Under a shared lock.
    Lock,
}

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Appends a number to a list.
    Append(i64, i64),
    /// Writes a number into a register.
    Write(i64, i64),
    /// Reads a list, or a register as a list of one; `None` before it was read.
    Read(i64, How, Kind, Option<Vec<i64>>),
}

impl Step {
    /// As a micro-operation of a history.
    pub fn json(&self) -> String {
        match self {
            Step::Append(key, value) => format!(r#"["append",{key},{value}]"#),
            Step::Write(key, value) => format!(r#"["w",{key},{value}]"#),
            Step::Read(key, _, Kind::Lists, Some(all)) => format!(r#"["r",{key},{all:?}]"#),
            Step::Read(key, _, Kind::Registers, Some(all)) if !all.is_empty() => {
                format!(r#"["r",{key},{}]"#, all[0])
            }
            Step::Read(key, ..) => format!(r#"["r",{key},null]"#),
        }
    }
}

/// Which rows are worked on, and which numbers were used.
#[derive(Debug)]
pub struct Pool {
    /// The workload.
    pub kind: Kind,
    state: Mutex<PoolState>,
}

#[derive(Debug)]
struct PoolState {
    /// Row and writes so far.
    keys: Vec<(i64, u32)>,
    next_key: i64,
    next_value: i64,
    next_marker: i64,
}

impl Pool {
    /// A pool in which nothing was written yet.
    pub fn new(kind: Kind) -> Pool {
        let keys = (0..KEYS as i64).map(|key| (key, 0)).collect();
        Pool {
            kind,
            state: Mutex::new(PoolState {
                keys,
                next_key: KEYS as i64,
                next_value: 1,
                next_marker: 0,
            }),
        }
    }

    /// A random transaction.
    pub fn draw(&self, dice: &Dice) -> Vec<Step> {
        let reads = dice.pick(&[30, 60, 60, 100]);
        (0..dice.range(1, 4)).map(|_| self.step(dice, reads)).collect()
    }

    fn step(&self, dice: &Dice, reads: u64) -> Step {
        let mut state = self.state.lock();
        let slot = dice.range(0, KEYS as u64 - 1) as usize;
        let key = state.keys[slot].0;
        if dice.chance(reads) {
            let how = dice.pick(&[How::Key, How::Key, How::Key, How::Scan, How::Lock]);
            return Step::Read(key, how, self.kind, None);
        }
        let value = state.next_value;
        state.next_value += 1;
        state.keys[slot].1 += 1;
        if state.keys[slot].1 == WRITES {
            state.keys[slot] = (state.next_key, 0);
            state.next_key += 1;
        }
        match self.kind {
            Kind::Lists => Step::Append(key, value),
            Kind::Registers => Step::Write(key, value),
        }
    }

    /// A name for a transaction's marker.
    pub fn marker(&self) -> i64 {
        let mut state = self.state.lock();
        state.next_marker += 1;
        state.next_marker
    }

    /// A transaction that reads everything there ever was.
    pub fn everything(&self) -> Vec<Step> {
        let all = 0..self.state.lock().next_key;
        all.map(|key| Step::Read(key, How::Key, self.kind, None)).collect()
    }
}

/// Runs the steps; reads are filled in.
pub async fn run(
    txn: &mut Transaction,
    steps: &mut [Step],
    marker: i64,
    pauses: &Pauses,
) -> Result<()> {
    for step in steps.iter_mut() {
        pauses.take().await;
        txn.start_statement().await?;
        let table = table(txn, TABLE).await?;
        match step {
            Step::Append(key, value) => {
                let mut list = lock(txn, &table, *key, LockMode::Exclusive).await?;
                list.push(*value);
                put(txn, &table, *key, &list)?;
            }
            Step::Write(key, value) => {
                lock(txn, &table, *key, LockMode::Exclusive).await?;
                put(txn, &table, *key, &[*value])?;
            }
            Step::Read(key, how, _, found) => {
                *found = Some(match how {
                    How::Key => get(txn, &table, *key).await?,
                    How::Scan => scan(txn, &table, *key).await?,
                    How::Lock => {
                        let list = lock(txn, &table, *key, LockMode::Shared).await?;
                        txn.await_shown().await?;
                        list
                    }
                });
            }
        }
    }
    mark(txn, steps, marker).await
}

async fn table(txn: &mut Transaction, name: &str) -> Result<Arc<TableDescriptor>> {
    let catalog = txn.catalog().await?;
    let found = catalog.table("public", name).cloned();
    found.ok_or_else(|| Error::internal(format!("table {name} is gone")))
}

/// The id of a marker in the partition of a row: the transaction is not to grow by one.
fn marker_of(database: &Database, table: &TableDescriptor, key: i64, marker: i64) -> i64 {
    let home = crate::bank::place(database, table, key).0;
    let mut ids = marker * 1_000..;
    ids.find(|id| crate::bank::place(database, table, *id).0 == home).unwrap_or(marker * 1_000)
}

fn written(steps: &[Step]) -> Option<i64> {
    steps.iter().find_map(|step| match step {
        Step::Append(key, _) | Step::Write(key, _) => Some(*key),
        Step::Read(..) => None,
    })
}

async fn mark(txn: &mut Transaction, steps: &[Step], marker: i64) -> Result<()> {
    let Some(key) = written(steps) else { return Ok(()) };
    let table = table(txn, MARKERS).await?;
    let id = marker_of(txn.database(), &table, key, marker);
    lock(txn, &table, id, LockMode::Exclusive).await?;
    put(txn, &table, id, &[marker])
}

/// True if a transaction's marker is there. One that wrote nothing has none.
pub async fn marked(txn: &mut Transaction, steps: &[Step], marker: i64) -> Result<bool> {
    let Some(key) = written(steps) else { return Ok(false) };
    let table = table(txn, MARKERS).await?;
    let id = marker_of(txn.database(), &table, key, marker);
    Ok(!get(txn, &table, id).await?.is_empty())
}

async fn lock(
    txn: &mut Transaction,
    table: &Arc<TableDescriptor>,
    key: i64,
    mode: LockMode,
) -> Result<Vec<i64>> {
    if txn.lock_table(table.id, LockMode::Shared, LOCK_WAIT).await? {
        txn.start_statement().await?;
    }
    let at = [crate::bank::place(txn.database(), table, key)];
    txn.lock(&at, mode, LOCK_WAIT).await?;
    let found = txn.latest(&at).await?.pop().flatten();
    found.map_or(Ok(Vec::new()), |row| numbers(&row.row))
}

fn put(txn: &mut Transaction, table: &TableDescriptor, key: i64, list: &[i64]) -> Result<()> {
    let text = list.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let row = format::row::encode(&[(1, Value::Int(key)), (2, Value::Text(text.into()))]);
    let (partition, at) = crate::bank::place(txn.database(), table, key);
    txn.write(partition, at, Some(row))
}

async fn get(txn: &Transaction, table: &TableDescriptor, key: i64) -> Result<Vec<i64>> {
    let (partition, at) = crate::bank::place(txn.database(), table, key);
    let found = txn.view()?.get(partition, vec![at]).await?.pop().flatten();
    found.map_or(Ok(Vec::new()), |row| numbers(&row.row))
}

async fn scan(txn: &Transaction, table: &TableDescriptor, key: i64) -> Result<Vec<i64>> {
    let (partition, at) = crate::bank::place(txn.database(), table, key);
    let (start, end) = format::key::range(table.storage);
    let spec = ScanSpec {
        storage: table.storage,
        start,
        end,
        ts: base::Timestamp::ZERO,
        columns: vec![format::ColumnLayout::from(&table.columns[1])],
        with_key: true,
        batch_rows: 64,
        limit: None,
    };
    let mut batches = txn.view()?.scan(partition, spec).await?;
    let mut found = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        let (keys, texts) = (batch.column(0).as_binary::<i32>(), batch.column(2));
        let texts = texts.as_string::<i32>();
        if let Some(i) = (0..batch.num_rows()).find(|i| keys.value(*i) == &at[..]) {
            found = parse(texts.value(i))?;
        }
    }
    Ok(found)
}

fn numbers(row: &Bytes) -> Result<Vec<i64>> {
    match format::row::decode(row)?.get(1) {
        Some((2, Value::Text(text))) => parse(text),
        other => Err(Error::internal(format!("a list is {other:?}"))),
    }
}

fn parse(text: &str) -> Result<Vec<i64>> {
    let number = |word: &str| word.parse::<i64>();
    let all = text.split(',').map(number).collect::<std::result::Result<Vec<i64>, _>>();
    all.map_err(|_| Error::internal(format!("a list is {text:?}")))
}

/// Makes the tables.
pub async fn create(database: &Arc<Database>) -> Result<()> {
    use base::SqlType;
    let options = txn::TxnOptions { isolation: Isolation::ReadCommitted, read_only: false };
    let mut txn = crate::bank::begin(database, options).await?;
    let columns = vec![
        crate::bank::column(1, "id", SqlType::BigInt, Value::Null),
        crate::bank::column(2, "numbers", SqlType::Text, Value::Null),
    ];
    crate::bank::table(&mut txn, TABLE, columns.clone()).await?;
    crate::bank::table(&mut txn, MARKERS, columns).await?;
    txn.commit().await.map(drop)
}
