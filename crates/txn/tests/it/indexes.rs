//! Indexes made beside writers.

use crate::world::{add, bank, begin, open, place, put};
use base::{IndexColumn, IndexDescriptor, TableDescriptor, TableId};
use partition::{LockMode, LockWait};
use std::sync::Arc;
use std::time::Duration;
use txn::Database;
use txn::Isolation::ReadCommitted;

async fn register(database: &Arc<Database>, table: &TableDescriptor) -> TableId {
    let mut txn = begin(database, ReadCommitted).await;
    let mut table = table.clone();
    let id = txn.next_table_id().await.expect("primary");
    table.indexes.push(IndexDescriptor {
        id,
        name: "by_balance".into(),
        storage: txn.next_index_storage_id(table.storage).await.expect("primary"),
        columns: vec![IndexColumn { column: 2, descending: false, nulls_first: false }],
        unique: false,
        constraint: false,
        ready: false,
    });
    txn.put_table(&table).await.expect("free name");
    txn.commit().await.expect("no conflict");
    id
}

async fn matches(database: &Arc<Database>) -> bool {
    let mut txn = begin(database, ReadCommitted).await;
    let catalog = txn.catalog().await.expect("readable");
    let table = catalog.table("public", "accounts").expect("there");
    let view = txn.view().expect("started");
    let audited = view.audit_index(table, &table.indexes[0]).await.expect("readable");
    audited.is_none() && table.indexes[0].ready
}

#[test]
fn filling_waits_for_rows_that_are_held_and_is_in_nobodys_way_meanwhile() {
    env::sim::run(41, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, table) = bank(&engine, 40).await;
        // It has the rows' locks from before, and does not write them.
        let mut holder = begin(&database, ReadCommitted).await;
        let held = [place(&table, 3), place(&table, 4)];
        let wait = LockWait::Block(None);
        holder.lock(&held, LockMode::Exclusive, wait).await.expect("free");
        let index = register(&database, &table).await;
        let filling = tokio::spawn({
            let (database, id) = (database.clone(), table.id);
            async move { database.fill_index(id, index).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!filling.is_finished(), "two rows are not to be had");
        // Whatever the holder wants next, it gets: who fills holds nothing while it waits.
        let all: Vec<_> = (0..40).map(|id| place(&table, id)).collect();
        let limit = LockWait::Block(Some(Duration::from_secs(1)));
        holder.lock(&all, LockMode::Exclusive, limit).await.expect("nobody has them for long");
        holder.rollback().await;
        assert_eq!(filling.await.expect("no panic").expect("fills"), None);
        database.finish_index(table.id, index, None).await.expect("there");
        assert!(matches(&database).await);
    });
}

#[test]
fn the_last_step_lets_others_through_while_it_waits() {
    env::sim::run(42, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let index = register(&database, &table).await;
        assert_eq!(database.fill_index(table.id, index).await.expect("fills"), None);
        let wait = LockWait::Block(None);
        let mut idle = begin(&database, ReadCommitted).await;
        while idle.lock_table(table.id, LockMode::Shared, wait).await.expect("free") {
            idle.start_statement().await.expect("readable");
        }
        let finishing = tokio::spawn({
            let (database, id) = (database.clone(), table.id);
            async move { database.finish_index(id, index, None).await }
        });
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            let mut other = begin(&database, ReadCommitted).await;
            let soon = LockWait::Block(Some(Duration::from_secs(2)));
            other.lock_table(table.id, LockMode::Shared, soon).await.expect("gets through");
            other.rollback().await;
        }
        assert!(!finishing.is_finished(), "somebody uses the table");
        idle.rollback().await;
        finishing.await.expect("no panic").expect("ready");
        assert!(matches(&database).await);
    });
}

#[test]
fn a_row_that_changes_between_scan_and_entry_gets_the_entry_of_its_newest_version() {
    env::sim::run(43, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, table) = bank(&engine, 20).await;
        // A writer of before the index, who knows nothing of it: the index waits for it.
        let mut early = begin(&database, ReadCommitted).await;
        early.lock_table(table.id, LockMode::Shared, LockWait::Block(None)).await.expect("free");
        add(&mut early, &table, 7, 900).await.expect("free");
        put(&mut early, &table, 100, 5).await.expect("free");
        let registering = tokio::spawn({
            let (database, table) = (database.clone(), table.clone());
            async move { register(&database, &table).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!registering.is_finished(), "it must not miss what is written");
        early.commit().await.expect("no conflict");
        let index = registering.await.expect("no panic");
        assert_eq!(database.fill_index(table.id, index).await.expect("fills"), None);
        database.finish_index(table.id, index, None).await.expect("there");
        assert!(matches(&database).await);
    });
}
