//! Tables that are not replicated: each side has its own rows, and everything else is the same.

use crate::world::{BANK, Cluster, PARTITIONS, begin, fill, open_bank, pair, put, set};
use base::{StorageId, TableDescriptor};
use dr::FailoverRequest;
use env::sim::{World, run};
use std::collections::BTreeSet;
use std::time::Duration;
use txn::Database;

async fn wait(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// A table like `accounts` that stays where it is.
async fn create_local(
    database: &std::sync::Arc<Database>,
    like: &TableDescriptor,
) -> TableDescriptor {
    let mut txn = begin(database).await;
    let table = TableDescriptor {
        id: txn.next_table_id().await.expect("primary"),
        name: "notes".into(),
        storage: txn.next_storage_id().await.expect("primary").with_local(true),
        ..like.clone()
    };
    txn.put_table(&table).await.expect("free name");
    txn.commit().await.expect("no conflict");
    table
}

/// One transaction over both tables, in all partitions it happens to be in.
async fn both(
    cluster: &Cluster,
    (accounts, notes): (&TableDescriptor, &TableDescriptor),
    ids: &[i64],
    v: i64,
) {
    let mut txn = begin(&cluster.bank()).await;
    for id in ids {
        put(&mut txn, accounts, *id, v).await.expect("free");
        put(&mut txn, notes, *id, v).await.expect("free");
    }
    txn.commit().await.expect("no conflict");
}

/// The keys that a side has in a key space, readable or not.
fn keys(cluster: &Cluster, storage: StorageId) -> BTreeSet<Vec<u8>> {
    cluster.keys(storage, format::key::range(storage))
}

fn ends(cluster: &Cluster) -> Vec<u64> {
    cluster.bank().local_partitions().iter().map(|p| p.end().0).collect()
}

async fn equal(standby: &Cluster) {
    let done = standby.links.verify(BANK, "ann").await.expect("compares");
    for table in &done.tables {
        assert!(table.differing.is_empty(), "{table:?}");
        assert!(!table.table.contains("notes"), "{table:?}");
    }
    assert!(done.tables.iter().any(|t| t.table.contains("accounts") && t.rows > 0));
}

async fn promote(cluster: &Cluster) {
    let request = FailoverRequest { database: BANK.into(), at: None, data_loss: true };
    cluster.links.failover(request, "ann").await.expect("promotes");
}

struct Scene {
    east: Cluster,
    west: Cluster,
    accounts: TableDescriptor,
    notes: TableDescriptor,
}

/// East has rows of both tables in chunks and in the log; west follows.
async fn scene(world: &World) -> Scene {
    let (east, west) = pair(world).await;
    east.crash();
    let east = east.restart_with(|s| s.log_retention_bytes = 0).await;
    let accounts = open_bank(&east, 20).await;
    let notes = create_local(&east.bank(), &accounts).await;
    fill(&east.bank(), &notes, 0..50).await;
    for _ in 0..20 {
        wait(1_000).await;
        east.engine.spill_above(&east.bank(), 0).await.expect("writes chunks");
    }
    assert!(east.bank().local_partitions().iter().all(|p| p.first().0 > 1), "chunks are needed");
    west.replicate("east").await;
    west.caught_up(&east).await;
    both(&east, (&accounts, &notes), &[100, 101, 102, 103], 5).await;
    fill(&east.bank(), &notes, 200..260).await;
    west.caught_up(&east).await;
    Scene { east, west, accounts, notes }
}

#[test]
fn rows_of_a_local_table_do_not_travel_and_positions_are_the_same() {
    run(1, |world| async move {
        let Scene { east, west, accounts, notes } = scene(&world).await;
        let copied = west.engine.meta.read(|s| s.history.iter().any(|h| h.kind == "copy"));
        assert!(copied, "chunks were copied");
        assert_eq!(keys(&east, notes.storage).len(), 50 + 4 + 60);
        assert_eq!(keys(&west, notes.storage), BTreeSet::new());
        assert_eq!(keys(&west, accounts.storage), keys(&east, accounts.storage));
        assert_eq!(west.balances().await, east.balances().await);
        equal(&west).await;
        wait(2_000).await;
        let lag = west.status().lag_records;
        assert!(lag.is_some_and(|n| n <= u64::from(PARTITIONS)), "{lag:?}");
        // What west has of the log opens as it is.
        west.crash();
        let west = west.restart().await;
        west.caught_up(&east).await;
        assert_eq!(keys(&west, notes.storage), BTreeSet::new());
        assert_eq!(west.balances().await, east.balances().await);
        assert_eq!(ends(&west).len(), usize::from(PARTITIONS));
    });
}

#[test]
fn each_side_has_its_own_rows_over_a_failover_and_the_way_back() {
    run(2, |world| async move {
        let Scene { east, west, accounts, notes } = scene(&world).await;
        east.network.leave("east:5432");
        // Stranded: a replicated row, and a local one that no other side has to know of.
        both(&east, (&accounts, &notes), &[1], 77).await;
        fill(&east.bank(), &notes, 300..303).await;
        wait(100).await;
        promote(&west).await;
        both(&west, (&accounts, &notes), &[2, 500], 88).await;
        assert_eq!(keys(&west, notes.storage).len(), 2, "it is empty and takes writes");
        east.network.listen("east:5432", east.links.replication());
        east.come_back("west").await;
        east.caught_up(&west).await;
        assert_eq!(east.balances().await, west.balances().await);
        assert_eq!(keys(&east, notes.storage).len(), 50 + 4 + 60, "as it was at the fork");
        assert_eq!(keys(&west, notes.storage).len(), 2);
        equal(&east).await;
        // Its own vault has what it has lost, the other side's only what concerns both.
        let rows = |c: &Cluster| -> Vec<String> {
            let all = c.links.diverged(BANK).expect("readable");
            all.iter()
                .flat_map(|t| &t.parts)
                .flat_map(|p| &p.rows)
                .map(|r| r.table.clone())
                .collect()
        };
        let (here, there) = (rows(&east), rows(&west));
        assert_eq!(here.iter().filter(|t| *t == "notes").count(), 1 + 3, "{here:?}");
        assert_eq!(there, ["accounts"]);
        east.links.switchover(BANK, "east", "ann").await.expect("takes over");
        west.caught_up(&east).await;
        fill(&east.bank(), &notes, 600..601).await;
        west.caught_up(&east).await;
        assert_eq!(keys(&west, notes.storage).len(), 2, "west keeps its own");
        assert_eq!(keys(&east, notes.storage).len(), 50 + 4 + 60 + 1);
        equal(&west).await;
    });
}

#[test]
fn coming_back_by_content_leaves_local_rows_as_they_are() {
    run(3, |world| async move {
        let Scene { east, west, accounts, notes } = scene(&world).await;
        let short = |s: &mut txn::EngineSettings| {
            s.slot_age_max = Some(Duration::from_secs(30));
            s.log_retention_bytes = 0;
        };
        east.crash();
        promote(&west).await;
        both(&west, (&accounts, &notes), &[3, 700], 9).await;
        west.crash();
        let west = west.restart_with(short).await;
        wait(60_000).await;
        set(&west.bank(), &accounts, &[4], 10).await.expect("commits");
        west.engine.checkpoint(&west.bank()).await.expect("trims");
        wait(60_000).await;
        west.engine.checkpoint(&west.bank()).await.expect("trims");
        let east = east.restart().await;
        let before = keys(&east, notes.storage);
        assert_eq!(before.len(), 50 + 4 + 60);
        east.come_back("west").await;
        east.caught_up(&west).await;
        assert_eq!(east.status().way, Some("by content"), "{:?}", east.status());
        assert_eq!(east.balances().await, west.balances().await);
        assert_eq!(keys(&east, notes.storage), before);
        assert_eq!(keys(&west, notes.storage).len(), 2);
        equal(&east).await;
    });
}
