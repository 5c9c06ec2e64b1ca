//! The data under test: `accounts` and `transfers`, spread over the partitions, written without SQL.

use crate::dice::{Dice, Pauses};
use crate::indexes;
use crate::plan::{BALANCE, Plan};
use base::{Column, Error, Result, SqlType, TableDescriptor, Value};
use bytes::Bytes;
use partition::{LockMode, LockWait};
use std::sync::Arc;
use std::time::Duration;
use txn::{Database, Isolation, Transaction, TxnOptions};

/// The longest wait for a lock.
pub(crate) const LOCK_WAIT: LockWait = LockWait::Block(Some(Duration::from_secs(2)));

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Its unique id.
    pub id: i64,
    /// The account that gives.
    pub from: i64,
    /// The account that takes.
    pub to: i64,
    /// How much.
    pub amount: i64,
    /// Ballast.
    pub note: String,
}

impl Transfer {
    /// A random one.
    pub fn draw(id: i64, plan: &Plan, dice: &Dice) -> Transfer {
        let others = plan.accounts as u64 - 1;
        let from = dice.range(0, others) as i64;
        let to = (from + dice.range(1, others) as i64) % plan.accounts;
        let amount = dice.range(1, 50) as i64;
        let large = dice.range(1, 1_000) <= plan.large_per_mille;
        let len = if large { dice.range(10_000, plan.large_bytes) } else { dice.range(0, 40) };
        Transfer { id, from, to, amount, note: "x".repeat(len as usize) }
    }
}

/// A column without a default.
pub fn column(id: u32, name: &str, ty: SqlType, missing: Value) -> Column {
    let not_null = !missing.is_null() || id == 1;
    Column { id, name: name.to_owned(), ty, not_null, default: None, missing, hidden: false }
}

/// Makes a table whose first column is its key.
pub async fn table(
    txn: &mut Transaction,
    name: &str,
    columns: Vec<Column>,
) -> Result<TableDescriptor> {
    let table = TableDescriptor {
        id: txn.next_table_id().await?,
        schema: "public".to_owned(),
        name: name.to_owned(),
        storage: txn.next_storage_id().await?,
        indexes: Vec::new(),
        next_column_id: columns.len() as u32 + 1,
        columns,
        primary_key: vec![1],
        shard_key: vec![1],
        version: 1,
    };
    txn.put_table(&table).await?;
    Ok(table)
}

/// Begins a transaction and its first statement.
pub async fn begin(database: &Arc<Database>, options: TxnOptions) -> Result<Transaction> {
    let mut txn = database.begin(options);
    txn.start_statement().await?;
    Ok(txn)
}

/// Makes the tables and fills `accounts`.
pub async fn create(database: &Arc<Database>, accounts: i64) -> Result<()> {
    let mut txn = begin(database, TxnOptions::default()).await?;
    let int = |id, name: &str| column(id, name, SqlType::BigInt, Value::Null);
    let mut accounts_table =
        table(&mut txn, "accounts", vec![int(1, "id"), int(2, "balance")]).await?;
    indexes::add(&mut txn, &mut accounts_table, "by_balance", &[(2, true)], false, true).await?;
    let note = column(5, "note", SqlType::Text, Value::Null);
    let columns = vec![int(1, "id"), int(2, "source"), int(3, "target"), int(4, "amount"), note];
    let mut transfers = table(&mut txn, "transfers", columns).await?;
    indexes::add(&mut txn, &mut transfers, "once", &[(1, false), (3, false)], true, true).await?;
    for id in 0..accounts {
        let row = vec![(1, Value::Int(id)), (2, Value::Int(BALANCE))];
        put(&mut txn, &accounts_table, id, row).await?;
    }
    txn.commit().await.map(drop)
}

/// Makes another table, with a row in every partition or so.
pub async fn create_extra(database: &Arc<Database>, name: &str) -> Result<()> {
    let mut txn = begin(database, TxnOptions::default()).await?;
    let id = column(1, "id", SqlType::BigInt, Value::Null);
    let table = table(&mut txn, name, vec![id]).await?;
    for id in 0..8 {
        put(&mut txn, &table, id, vec![(1, Value::Int(id))]).await?;
    }
    txn.commit().await.map(drop)
}

/// Changes a table's descriptor: adds a column to `transfers`, or drops or truncates another table.
pub async fn alter(database: &Arc<Database>, name: &str, change: Change) -> Result<()> {
    let mut txn = begin(database, TxnOptions::default()).await?;
    txn.begin_ddl().await?;
    let catalog = txn.catalog().await?;
    let Some(found) = catalog.table("public", name) else { return Ok(()) };
    let mut table = found.as_ref().clone();
    table.version += 1;
    match change {
        Change::Drop => txn.drop_table(table.id).await?,
        Change::Truncate => {
            table.storage = txn.next_storage_id().await?;
            for index in &mut table.indexes {
                index.storage = txn.next_index_storage_id(table.storage).await?;
            }
            txn.put_table(&table).await?;
        }
        Change::AddColumn => {
            let id = table.next_column_id;
            let added = column(id, &format!("c{id}"), SqlType::BigInt, Value::Int(-1));
            table.columns.push(added);
            table.next_column_id += 1;
            txn.put_table(&table).await?;
        }
    }
    txn.commit().await.map(drop)
}

/// A change of schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `ALTER TABLE … ADD COLUMN`
    AddColumn,
    /// `TRUNCATE`
    Truncate,
    /// `DROP TABLE`
    Drop,
}

/// The partition and the storage key of a row.
pub fn place(database: &Database, table: &TableDescriptor, id: i64) -> (u16, Bytes) {
    let value = Value::Int(id);
    let partitions = database.partitions().len() as u16;
    (format::key::shard(&[&value], partitions), format::key::encode(table.storage, &[&value]))
}

/// Writes a row of its own.
pub async fn put(
    txn: &mut Transaction,
    table: &TableDescriptor,
    id: i64,
    row: Vec<(u32, Value)>,
) -> Result<()> {
    let at = place(txn.database(), table, id);
    txn.lock(std::slice::from_ref(&at), LockMode::Exclusive, LOCK_WAIT).await?;
    txn.latest(std::slice::from_ref(&at)).await?;
    change(txn, table, at, None, format::row::encode(&row)).await
}

/// Writes a row that is locked, and its index entries.
async fn change(
    txn: &mut Transaction,
    table: &TableDescriptor,
    at: (u16, Bytes),
    old: Option<&[u8]>,
    new: Bytes,
) -> Result<()> {
    indexes::follow(txn, table, &at, old, &new).await?;
    txn.write(at.0, at.1, Some(new))
}

/// The two tables, locked against changes of the schema.
async fn tables(txn: &mut Transaction) -> Result<[Arc<TableDescriptor>; 2]> {
    loop {
        let catalog = txn.catalog().await?;
        let named = |name| catalog.table("public", name).cloned();
        let (Some(accounts), Some(transfers)) = (named("accounts"), named("transfers")) else {
            return Err(Error::internal("the catalog lacks the tables of the bank"));
        };
        let mut changed = false;
        for table in [&accounts, &transfers] {
            changed |= txn.lock_table(table.id, LockMode::Shared, LOCK_WAIT).await?;
        }
        if !changed {
            return Ok([accounts, transfers]);
        }
        txn.start_statement().await?;
    }
}

/// A transaction that has made a transfer and waits for its commit.
pub async fn transfer(
    database: &Arc<Database>,
    isolation: Isolation,
    transfer: &Transfer,
    pauses: &Pauses,
) -> Result<Transaction> {
    let mut txn = begin(database, TxnOptions { isolation, read_only: false }).await?;
    let [accounts, transfers] = tables(&mut txn).await?;
    for (account, by) in [(transfer.from, -transfer.amount), (transfer.to, transfer.amount)] {
        pauses.take().await;
        let at = place(database, &accounts, account);
        txn.lock(std::slice::from_ref(&at), LockMode::Exclusive, LOCK_WAIT).await?;
        let found = txn.latest(std::slice::from_ref(&at)).await?.pop().flatten();
        let row = found.ok_or_else(|| Error::internal(format!("no account {account}")))?;
        let balance = balance(&row.row)? + by;
        let new = format::row::encode(&[(1, Value::Int(account)), (2, Value::Int(balance))]);
        change(&mut txn, &accounts, at, Some(&row.row), new).await?;
    }
    pauses.take().await;
    let known = |name: &str| match name {
        "id" => Value::Int(transfer.id),
        "source" => Value::Int(transfer.from),
        "target" => Value::Int(transfer.to),
        "amount" => Value::Int(transfer.amount),
        "note" => Value::Text(transfer.note.as_str().into()),
        // Columns that were added later hold the id once more.
        _ => Value::Int(transfer.id),
    };
    let mut row: Vec<_> = transfers.columns.iter().map(|c| (c.id, known(&c.name))).collect();
    row.sort_by_key(|(id, _)| *id);
    put(&mut txn, &transfers, transfer.id, row).await?;
    Ok(txn)
}

/// The balance in a row of `accounts`.
pub fn balance(row: &[u8]) -> Result<i64> {
    match format::row::decode(row)?.get(1) {
        Some((2, Value::Int(balance))) => Ok(*balance),
        other => Err(Error::internal(format!("an account's balance is {other:?}"))),
    }
}
