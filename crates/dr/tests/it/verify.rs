//! `VERIFY DATABASE`: equal sides are told equal at any time, and what differs is named.

use crate::world::{BANK, Cluster, PARTITIONS, fill, open_bank, pair, set};
use base::{ClusterId, SqlState, TableDescriptor, Timestamp, TxnId, Value};
use dr::{Difference, Verification};
use env::sim::{World, run};
use format::{Frame, Op, Record};
use std::time::Duration;

const ROWS: i64 = 6_000;

async fn followed(world: &World, rows: i64) -> (Cluster, Cluster, TableDescriptor) {
    let (east, west) = pair(world).await;
    let table = open_bank(&east, 10).await;
    fill(&east.bank(), &table, 10..rows).await;
    west.replicate("east").await;
    west.caught_up(&east).await;
    (east, west, table)
}

fn accounts(done: &Verification) -> &dr::VerifiedTable {
    done.tables.iter().find(|t| t.table == "accounts").expect("there")
}

#[test]
fn equal_sides_are_equal_under_traffic_and_whatever_lies_in_chunks() {
    run(1, |world| async move {
        let (east, west, table) = followed(&world, ROWS).await;
        let writer = {
            let (bank, table) = (east.bank(), table.clone());
            tokio::spawn(async move {
                for v in 0..2_000 {
                    set(&bank, &table, &[v % ROWS, (v * 7) % ROWS], v).await.expect("commits");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
        };
        for round in 0..4 {
            let done = west.links.verify(BANK, "ann").await.expect("verifies");
            assert!(done.is_equal(), "{done:?}");
            let accounts = accounts(&done);
            assert_eq!((accounts.rows, accounts.source_rows), (ROWS as u64, ROWS as u64));
            assert!(accounts.ranges > u64::from(PARTITIONS), "{accounts:?}");
            let side = if round % 2 == 0 { &east } else { &west };
            side.engine.spill_above(&side.bank(), 0).await.expect("spills");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        writer.await.expect("no panic");
        let told = west.engine.meta.read(|s| s.history.clone());
        let told: Vec<_> = told.iter().filter(|h| h.kind == "verify").collect();
        assert_eq!(told.len(), 4);
        assert!(told[0].detail.starts_with("equal: 4 tables"), "{:?}", told[0]);
        assert!(told[0].cut.is_some() && told[0].who.as_deref() == Some("ann"));
    });
}

/// Writes a row into a standby's log in place of what its source will send next there, as a bug
/// might.
fn damage(west: &Cluster, table: &TableDescriptor, id: i64, row: Option<i64>) {
    let key = format::key::encode(table.storage, &[&Value::Int(id)]);
    let partition = format::key::shard(&[&Value::Int(id)], PARTITIONS);
    let partition = west.bank().local_partitions()[usize::from(partition)].clone();
    let row = row.map(|v| format::row::encode(&[(1, Value::Int(id)), (2, Value::Int(v))]));
    let record = Record::Txn {
        txn: TxnId(id as u128),
        commit_ts: partition.newest_timestamp().next(),
        origin: ClusterId(1),
        ops: vec![Op { key, prev: Timestamp::ZERO, row }],
    };
    let epoch = partition.history().last().expect("an epoch");
    let (kind, payload) = (record.kind(), record.encode());
    let frame = Frame { lsn: partition.end().next(), epoch, kind, payload };
    partition.ingest(vec![frame]).expect("fits");
}

#[test]
fn what_differs_is_named_with_its_range_and_row() {
    run(2, |world| async move {
        let (east, west, table) = followed(&world, ROWS).await;
        damage(&west, &table, 17, Some(1_000_000));
        damage(&west, &table, 4_000, None);
        damage(&west, &table, ROWS + 5, Some(1));
        let done = west.links.verify(BANK, "ann").await.expect("verifies");
        assert!(!done.is_equal());
        let accounts = accounts(&done);
        let mut named: Vec<_> = accounts.named.iter().map(|n| (n.1.as_str(), n.2)).collect();
        named.sort_by_key(|n| n.0.len());
        let extra = format!("{{\"id\":{}}}", ROWS + 5);
        let want = [
            ("{\"id\":17}", Difference::Other),
            ("{\"id\":4000}", Difference::Missing),
            (extra.as_str(), Difference::Extra),
        ];
        assert!(want.iter().all(|w| named.contains(w)) && named.len() == 3, "{named:?}");
        assert!((1..=3).contains(&accounts.differing.len()), "{accounts:?}");
        let others = done.tables.iter().filter(|t| t.table != "accounts");
        assert!(others.into_iter().all(|t| t.differing.is_empty()));
        let told = west.engine.meta.read(|s| s.history.last().cloned()).expect("an event");
        assert!(told.detail.starts_with("DIFFERENT: accounts"), "{told:?}");
        let _ = east;
    });
}

#[test]
fn only_a_standby_that_reaches_its_source_is_verified() {
    run(3, |world| async move {
        let (east, west, _) = followed(&world, 100).await;
        let error = east.links.verify(BANK, "ann").await.expect_err("a primary");
        assert_eq!(error.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
        east.network.leave("east:5432");
        let error = west.links.verify(BANK, "ann").await.expect_err("cut off");
        assert_eq!(error.state, SqlState::CONNECTION_FAILURE);
        east.network.listen("east:5432", east.links.replication());
        west.links.pause(BANK, "test").await.expect("links");
        let error = west.links.verify(BANK, "ann").await.expect_err("paused");
        assert_eq!(error.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "{error:?}");
    });
}

fn watchful(settings: &mut txn::EngineSettings) {
    settings.verify_interval = Some(Duration::from_secs(5));
    settings.verify_pace = 1 << 20;
}

fn told(cluster: &Cluster, kind: &str) -> Vec<meta::HistoryRow> {
    let all = cluster.engine.meta.read(|s| s.history.clone());
    all.into_iter().filter(|h| h.kind == kind).collect()
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it takes for ever: {what}");
}

/// Without being asked, over restarts, under traffic; what differs is told with range and row.
#[test]
fn standby_verifies_itself_again_and_again() {
    run(4, |world| async move {
        let (east, west, table) = followed(&world, ROWS).await;
        assert!(west.status().verified.is_none());
        west.crash();
        let west = west.restart_with(watchful).await;
        for round in 0..200 {
            set(&east.bank(), &table, &[round % ROWS, (round * 7) % ROWS], round)
                .await
                .expect("commits");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        until("first round", || !told(&west, "verify").is_empty()).await;
        let first = told(&west, "verify").remove(0);
        assert!(first.detail.starts_with("equal: 4 tables, 600"), "{first:?}");
        assert_eq!(first.who.as_deref(), Some("verification"));
        let verified = west.status().verified.expect("noted");
        assert_eq!((verified.differing, Some(verified.cut)), (0, first.cut));
        west.crash();
        let west = west.restart_with(watchful).await;
        assert!(west.status().verified.is_some(), "survives a restart");
        west.caught_up(&east).await;
        damage(&west, &table, 17, Some(1_000_000));
        until("divergence", || !told(&west, "divergence").is_empty()).await;
        let found = told(&west, "divergence").remove(0);
        assert!(
            found.detail.starts_with("accounts differs from the source in partition"),
            "{found:?}"
        );
        assert!(found.detail.contains("{\"id\":17} other than at the source"), "{found:?}");
        until("second round", || west.status().verified.is_some_and(|v| v.differing == 1)).await;
        // Promoted, it verifies nothing any more.
        west.links.pause(BANK, "test").await.expect("pauses");
        let rounds = told(&west, "verify").len();
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(told(&west, "verify").len(), rounds, "not while the link is paused");
    });
}
