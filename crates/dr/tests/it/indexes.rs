//! Indexes on a standby, after a promotion, and after going back over the making of one.

use crate::world::{BANK, Cluster, begin, open_bank, pair, set};
use base::{IndexColumn, IndexDescriptor, TableDescriptor, TableId};
use env::sim::run;
use std::sync::Arc;
use txn::Database;

/// The bank's table as it is now.
async fn accounts(database: &Arc<Database>) -> TableDescriptor {
    let catalog = begin(database).await.catalog().await.unwrap();
    catalog.table("public", "accounts").unwrap().as_ref().clone()
}

/// Enters an index on balances into the catalog.
async fn register(database: &Arc<Database>, name: &str) -> (TableId, TableId) {
    let mut txn = begin(database).await;
    txn.begin_ddl().await.unwrap();
    let mut table = accounts(database).await;
    let (id, column) = (txn.next_table_id().await.unwrap(), 2);
    table.indexes.push(IndexDescriptor {
        id,
        name: name.to_owned(),
        storage: txn.next_index_storage_id(table.storage).await.unwrap(),
        columns: vec![IndexColumn { column, descending: false, nulls_first: false }],
        unique: false,
        constraint: false,
        ready: false,
    });
    txn.put_table(&table).await.unwrap();
    txn.commit().await.unwrap();
    (table.id, id)
}

async fn make(database: &Arc<Database>, name: &str) {
    let (table, index) = register(database, name).await;
    assert_eq!(database.fill_index(table, index).await.unwrap(), None);
    database.finish_index(table, index, None).await.unwrap();
}

/// The indexes that are ready, each of which matches its table, and those that are not.
async fn indexes(cluster: &Cluster) -> (Vec<String>, Vec<String>) {
    let mut txn = begin(&cluster.bank()).await;
    let catalog = txn.catalog().await.unwrap();
    let (table, view) = (catalog.table("public", "accounts").unwrap(), txn.view().unwrap());
    for index in table.indexes.iter().filter(|i| i.ready) {
        assert_eq!(view.audit_index(table, index).await.unwrap(), None, "{}", cluster.name);
    }
    let (ready, not): (Vec<_>, Vec<_>) = table.indexes.iter().cloned().partition(|i| i.ready);
    let names = |all: Vec<IndexDescriptor>| all.into_iter().map(|i| i.name).collect();
    (names(ready), names(not))
}

#[test]
fn going_back_over_the_making_of_an_index_leaves_nothing_of_it() {
    run(31, |world| async move {
        let (east, west) = pair(&world).await;
        open_bank(&east, 30).await;
        make(&east.bank(), "both").await;
        west.replicate("east").await;
        let table = accounts(&east.bank()).await;
        set(&east.bank(), &table, &[1, 2, 3], 500).await.unwrap();
        west.caught_up(&east).await;
        let both = (vec!["both".to_owned()], Vec::new());
        assert_eq!(indexes(&west).await, both, "a standby has its index");

        east.network.leave("east:5432");
        make(&east.bank(), "lost").await;
        let table = accounts(&east.bank()).await;
        set(&east.bank(), &table, &[4, 5], 700).await.unwrap();
        assert_eq!(indexes(&east).await.0, ["both", "lost"]);

        west.links.stop(BANK, "test").await.unwrap();
        assert_eq!(indexes(&west).await, both, "the promoted one goes on with what it had");
        make(&west.bank(), "kept").await;
        let table = accounts(&west.bank()).await;
        set(&west.bank(), &table, &[5, 6], 900).await.unwrap();

        east.crash();
        let east = east.restart().await;
        east.come_back("west").await;
        east.caught_up(&west).await;
        for side in [&east, &west] {
            assert_eq!(indexes(side).await.0, ["both", "kept"], "{}", side.name);
            let vault = side.links.diverged(BANK).unwrap();
            let rows = vault.iter().flat_map(|t| &t.parts).flat_map(|p| &p.rows);
            // What people find there are schema changes and rows, no entries of indexes.
            let mut tables: Vec<&str> = rows.map(|r| r.table.as_str()).collect();
            tables.dedup();
            assert!(tables.iter().all(|t| ["accounts", "(schema)"].contains(t)), "{tables:?}");
            assert!(tables.contains(&"accounts"));
        }
        assert_eq!(east.balances().await, west.balances().await);
    });
}

#[test]
fn an_index_that_was_being_made_at_the_promotion_is_not_ready_and_can_be_filled() {
    run(32, |world| async move {
        let (east, west) = pair(&world).await;
        open_bank(&east, 30).await;
        west.replicate("east").await;
        let (table, index) = register(&east.bank(), "half").await;
        let current = accounts(&east.bank()).await;
        set(&east.bank(), &current, &[1, 2], 300).await.unwrap();
        west.caught_up(&east).await;
        east.network.leave("east:5432");
        west.links.stop(BANK, "test").await.unwrap();
        assert_eq!(indexes(&west).await, (Vec::new(), vec!["half".to_owned()]));
        set(&west.bank(), &current, &[2, 3], 400).await.unwrap();
        assert_eq!(west.bank().fill_index(table, index).await.unwrap(), None);
        west.bank().finish_index(table, index, None).await.unwrap();
        assert_eq!(indexes(&west).await, (vec!["half".to_owned()], Vec::new()));
    });
}
