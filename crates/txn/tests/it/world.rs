//! A small bank in a simulated node: helpers for the tests beside it.

use base::{Column, Result, SqlType, TableDescriptor, Value};
use bytes::Bytes;
use env::Env;
use meta::{Bootstrap, Durability};
use partition::{LockMode, LockWait};
use std::sync::Arc;
use txn::{Database, Engine, EngineSettings, Isolation, Transaction, TxnOptions};

pub const PARTITIONS: u16 = 4;

pub fn settings() -> EngineSettings {
    let bootstrap = Bootstrap {
        cluster_id: base::ClusterId(1),
        name: "east".into(),
        node: base::NodeId(1),
        superuser: "root".into(),
        password: "secret".into(),
    };
    let mut settings = EngineSettings::new("/data".into(), bootstrap);
    settings.log.segment_bytes = 1 << 20;
    // The simulated power loss has ended the node already.
    settings.log.on_fatal = log::OnFatal::call(|_| {});
    settings
}

pub async fn open(env: Env) -> Result<Arc<Engine>> {
    Engine::open(env, settings()).await
}

/// A database with one table `accounts (id bigint primary key, balance bigint)`.
pub async fn bank(engine: &Arc<Engine>, accounts: i64) -> (Arc<Database>, TableDescriptor) {
    let database =
        engine.create_database("bank", PARTITIONS, Durability::Sync).await.expect("new name");
    let table = create_table(&database, "accounts").await;
    let mut txn = begin(&database, Isolation::ReadCommitted).await;
    for id in 0..accounts {
        put(&mut txn, &table, id, 100).await.expect("free");
    }
    txn.commit().await.expect("no conflict");
    (database, table)
}

pub async fn create_table(database: &Arc<Database>, name: &str) -> TableDescriptor {
    let mut txn = begin(database, Isolation::ReadCommitted).await;
    let column = |id: u32, name: &str| Column {
        id,
        name: name.into(),
        ty: SqlType::BigInt,
        not_null: true,
        default: None,
        missing: Value::Null,
        hidden: false,
    };
    let table = TableDescriptor {
        id: txn.next_table_id().await.expect("primary"),
        schema: "public".into(),
        name: name.into(),
        storage: txn.next_storage_id().await.expect("primary"),
        columns: vec![column(1, "id"), column(2, "balance")],
        primary_key: vec![1],
        shard_key: vec![1],
        indexes: Vec::new(),
        next_column_id: 3,
        version: 1,
    };
    txn.put_table(&table).await.expect("free name");
    txn.commit().await.expect("no conflict");
    table
}

pub async fn begin(database: &Arc<Database>, isolation: Isolation) -> Transaction {
    let mut txn = database.begin(TxnOptions { isolation, read_only: false });
    txn.start_statement().await.expect("readable");
    txn
}

pub fn place(table: &TableDescriptor, id: i64) -> (u16, Bytes) {
    let value = Value::Int(id);
    (format::key::shard(&[&value], PARTITIONS), format::key::encode(table.storage, &[&value]))
}

pub async fn put(
    txn: &mut Transaction,
    table: &TableDescriptor,
    id: i64,
    balance: i64,
) -> Result<()> {
    let at = place(table, id);
    txn.lock(std::slice::from_ref(&at), LockMode::Exclusive, LockWait::Block(None)).await?;
    txn.latest(std::slice::from_ref(&at)).await?;
    let row = format::row::encode(&[(1, Value::Int(id)), (2, Value::Int(balance))]);
    txn.write(at.0, at.1, Some(row))
}

/// Adds to a balance as an UPDATE does: lock, newest version, write.
pub async fn add(txn: &mut Transaction, table: &TableDescriptor, id: i64, by: i64) -> Result<i64> {
    let at = place(table, id);
    txn.lock(std::slice::from_ref(&at), LockMode::Exclusive, LockWait::Block(None)).await?;
    let row = txn.latest(std::slice::from_ref(&at)).await?.remove(0).expect("account");
    let now = balance_of(&row.row) + by;
    let row = format::row::encode(&[(1, Value::Int(id)), (2, Value::Int(now))]);
    txn.write(at.0, at.1, Some(row))?;
    Ok(now)
}

pub fn balance_of(row: &[u8]) -> i64 {
    match format::row::decode(row).expect("valid")[1].1 {
        Value::Int(balance) => balance,
        _ => panic!("a balance is an integer"),
    }
}

pub async fn read(txn: &Transaction, table: &TableDescriptor, id: i64) -> Option<i64> {
    let (partition, key) = place(table, id);
    let rows = txn.view().expect("started").get(partition, vec![key]).await.expect("readable");
    rows[0].as_ref().map(|row| balance_of(&row.row))
}

/// All balances at the transaction's snapshot, read by scans.
pub async fn balances(txn: &Transaction, table: &TableDescriptor) -> Vec<i64> {
    use arrow::array::AsArray;
    use futures::TryStreamExt;
    let (start, end) = format::key::range(table.storage);
    let columns = vec![format::ColumnLayout { id: 2, ty: SqlType::BigInt, missing: Value::Null }];
    let mut all = Vec::new();
    for partition in 0..PARTITIONS {
        let spec = state::ScanSpec {
            storage: table.storage,
            start: start.clone(),
            end: end.clone(),
            ts: base::Timestamp::ZERO,
            columns: columns.clone(),
            with_key: false,
            batch_rows: 100,
            limit: None,
        };
        let stream = txn.view().expect("started").scan(partition, spec).await.expect("readable");
        let batches: Vec<_> = stream.try_collect().await.expect("readable");
        for batch in batches {
            let column = batch.column(0).as_primitive::<arrow::datatypes::Int64Type>();
            all.extend(column.values().iter().copied());
        }
    }
    all
}
