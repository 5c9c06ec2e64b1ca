use crate::world::{BANK, Cluster, begin, open_bank, pair, put, seeds, set};
use base::{SqlState, StorageId, TableDescriptor};
use env::sim::{World, run};
use format::ColumnLayout;
use meta::DatabaseState;
use partition::Layouts;
use std::time::Duration;

/// East and west in step, then a network that is cut while east goes on alone with 3 transactions
/// of which 2 are over several partitions; west is promoted and goes on too.
async fn split(world: &World) -> (Cluster, Cluster, TableDescriptor) {
    let (east, west) = pair(world).await;
    let table = open_bank(&east, 30).await;
    west.replicate("east").await;
    west.caught_up(&east).await;
    east.network.leave("east:5432");
    for (n, ids) in [[1, 2, 3], [4, 5, 6], [7, 7, 7]].iter().enumerate() {
        set(&east.bank(), &table, ids, 1_000 + n as i64).await.unwrap();
    }
    west.links.stop(BANK, "test").await.unwrap();
    for id in 10..20 {
        set(&west.bank(), &table, &[id, id + 1], 2_000).await.unwrap();
    }
    east.crash();
    let east = east.restart().await;
    (east, west, table)
}

fn stranded() -> Vec<(String, usize)> {
    (1..8).map(|id| (format!("{{\"id\":{id}}}"), 1)).collect()
}

#[test]
fn old_primary_comes_back_by_difference_and_each_stranded_transaction_is_kept_once() {
    run(1, |world| async move {
        let (east, west, table) = split(&world).await;
        let mut txn = begin(&east.bank()).await;
        let refused = put(&mut txn, &table, 1, 1).await.unwrap_err();
        assert_eq!(refused.state, SqlState::READ_ONLY_SQL_TRANSACTION, "not heard from west");
        drop(txn);
        let received = west.status_bytes();
        east.come_back("west").await;
        east.caught_up(&west).await;
        assert_eq!(east.balances().await, west.balances().await);
        assert_eq!(east.balances().await[&1], 100);
        for side in [&east, &west] {
            assert_eq!(side.kept().into_iter().collect::<Vec<_>>(), stranded(), "{}", side.name);
            let all = side.links.diverged(BANK).unwrap();
            assert_eq!(all.len(), 3);
            let row = &all[0].parts[0].rows[0];
            assert_eq!(row.old.as_deref(), Some(&*row.key.replace('}', ",\"balance\":100}")));
            assert!(row.new.as_ref().is_some_and(|n| n.contains("1000")));
        }
        assert_eq!(received, 0);
        assert!(east.status().received_bytes < 20_000, "only the difference travels");
        assert!(east.engine.record(BANK).unwrap().slots.is_empty());
    });
}

impl Cluster {
    fn status_bytes(&self) -> u64 {
        self.links.status().iter().map(|s| s.received_bytes).sum()
    }
}

#[test]
fn hand_over_back_and_forth() {
    run(2, |world| async move {
        let (mut east, mut west, table) = split(&world).await;
        east.come_back("west").await;
        east.caught_up(&west).await;
        for round in 0..4 {
            // West leads at the beginning of each round.
            set(&west.bank(), &table, &[21, 22, 23], 3_000 + round).await.unwrap();
            west.engine.gate(BANK, "test", "hand-over").await.unwrap();
            east.links.stop(BANK, "test").await.unwrap();
            set(&east.bank(), &table, &[24], round).await.unwrap();
            west.engine.ungate(BANK, "test").unwrap();
            west.come_back(east.name).await;
            west.caught_up(&east).await;
            assert_eq!(east.balances().await, west.balances().await);
            assert_eq!(west.balances().await[&21], 3_000 + round);
            assert_eq!(west.kept().len(), 7, "a planned hand-over strands nothing");
            std::mem::swap(&mut east, &mut west);
        }
    });
}

#[test]
fn way_back_can_be_crashed_at_any_moment() {
    for seed in seeds(12) {
        run(seed, |world| async move {
            let (east, mut west, _) = split(&world).await;
            let mut east = east;
            east.come_back("west").await;
            for _ in 0..4 {
                let pause = world.rng().next_u64() % 120;
                tokio::time::sleep(Duration::from_millis(pause)).await;
                if world.rng().next_u64().is_multiple_of(2) {
                    east.crash();
                    east = east.restart().await;
                } else {
                    west.crash();
                    west = west.restart().await;
                }
            }
            east.caught_up(&west).await;
            assert_eq!(east.balances().await, west.balances().await, "seed {seed}");
            for side in [&east, &west] {
                let kept: Vec<_> = side.kept().into_iter().collect();
                assert_eq!(kept, stranded(), "seed {seed} {}", side.name);
            }
        });
    }
}

#[test]
fn stale_source_closes_itself_when_a_target_knows_better() {
    run(4, |world| async move {
        let (east, west, table) = split(&world).await;
        // West wrongly asks the old primary: its own line, but a lower epoch.
        let refused = west.links.replicate(west.request("east", true), "test").await.unwrap_err();
        assert!(refused.message.contains("stale"), "{refused}");
        tokio::time::sleep(Duration::from_millis(10)).await;
        let gate = east.engine.record(BANK).unwrap().gate.unwrap();
        assert_eq!(gate.owner, "replication");
        assert!(set(&east.bank(), &table, &[1], 1).await.is_err());
        assert_eq!(west.role(), DatabaseState::Primary);
    });
}

#[test]
fn what_was_received_above_the_cut_is_set_aside_and_settled_by_the_writer() {
    run(5, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 30).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        // Partitions 1 and 2 go on; partition 0 is silent, so nothing new is closed.
        west.links.pause(BANK, "test").await.unwrap();
        for n in 0..20 {
            set(&east.bank(), &table, &[n, n + 1, n + 2], 500 + n).await.unwrap();
        }
        east.network.set_faults(std::sync::Arc::new(move |call| {
            match (call.what, call.partition) {
                ("batch", Some(0)) => dr::memory::Verdict::Delay(Duration::from_secs(60)),
                _ => dr::memory::Verdict::Pass,
            }
        }));
        west.links.resume(BANK, "test").await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        east.network.leave("east:5432");
        tokio::time::sleep(Duration::from_secs(5)).await;
        let promoted = west.links.stop(BANK, "test").await.unwrap();
        assert!(promoted.set_aside > 10, "{promoted:?}");
        let unsure = west.links.diverged(BANK).unwrap();
        assert!(unsure.iter().any(|t| t.complete) && unsure.iter().any(|t| !t.complete));
        set(&west.bank(), &table, &[29], 1).await.unwrap();
        let sum: i64 = west.balances().await.len() as i64;
        assert_eq!(sum, 30);
        east.network.set_faults(std::sync::Arc::new(|_| dr::memory::Verdict::Pass));
        east.crash();
        let east = east.restart().await;
        east.come_back("west").await;
        east.caught_up(&west).await;
        assert_eq!(east.balances().await, west.balances().await);
        let kept = east.kept();
        assert_eq!(kept, west.kept());
        let (a, b) = (east.links.diverged(BANK).unwrap(), west.links.diverged(BANK).unwrap());
        assert_eq!(a.len(), b.len());
    });
}

/// Chunks that are older than the fork, written when the log had gone on beyond it.
#[test]
fn manifest_from_before_the_fork_does_not_hide_the_new_log() {
    run(6, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 30).await;
        west.replicate("east").await;
        let at = east.bank().snapshot().unwrap().ts();
        west.caught_up(&east).await;
        east.network.leave("east:5432");
        tokio::time::sleep(Duration::from_secs(5)).await;
        let columns = table.columns.iter();
        let columns =
            columns.map(|c| ColumnLayout { id: c.id, ty: c.ty, missing: c.missing.clone() });
        let columns: Vec<_> = columns.collect();
        let layouts: Layouts = std::sync::Arc::new(move |storage| match storage {
            StorageId::CATALOG => Some(format::catalog::layout()),
            _ => Some(columns.clone()),
        });
        for partition in east.bank().local_partitions() {
            partition.spill(at, at, at, layouts.clone()).await.unwrap();
        }
        west.links.stop(BANK, "test").await.unwrap();
        for id in 0..30 {
            set(&west.bank(), &table, &[id], 7_000 + id).await.unwrap();
        }
        east.crash();
        let east = east.restart().await;
        east.come_back("west").await;
        east.caught_up(&west).await;
        assert_eq!(east.balances().await, west.balances().await);
        east.crash();
        let east = east.restart().await;
        east.caught_up(&west).await;
        assert_eq!(east.balances().await, west.balances().await, "after replaying its own log");
    });
}

/// What came after the fork is in runs by then, and the way back leads over older runs.
#[test]
fn rewind_over_runs_loses_nothing() {
    run(9, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 30).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        let reader = begin(&east.bank()).await;
        for round in 0..6 {
            let ids: Vec<i64> = (0..10).map(|i| round * 3 + i).collect();
            set(&east.bank(), &table, &ids, 100 + round).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            east.engine.spill_above(&east.bank(), 0).await.unwrap();
        }
        west.caught_up(&east).await;
        east.network.leave("east:5432");
        for round in 0..3 {
            set(&east.bank(), &table, &[1, 2, 3, 4, 5, 6, 7, 8], 500 + round).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            east.engine.spill_above(&east.bank(), 0).await.unwrap();
        }
        let manifests =
            east.bank().local_partitions().iter().map(|p| p.manifest()).collect::<Vec<_>>();
        assert!(manifests.iter().flat_map(|m| &m.tables).any(|t| t.runs.len() > 1));
        drop(reader);
        let promoted = west.links.stop(BANK, "test").await.unwrap();
        assert!(manifests.iter().any(|m| m.ts > promoted.cut), "the fork is below the chunks");
        set(&west.bank(), &table, &[2, 9], 9_000).await.unwrap();
        east.crash();
        let east = east.restart().await;
        east.come_back("west").await;
        east.caught_up(&west).await;
        assert_eq!(east.balances().await, west.balances().await);
        let history = east.engine.meta.read(|s| s.history.clone());
        assert!(history.iter().all(|h| h.kind != "full copy"), "{history:?}");
        east.crash();
        let east = east.restart().await;
        east.caught_up(&west).await;
        assert_eq!(east.balances().await, west.balances().await);
    });
}

/// A standby is known to its source, durably, before it can be promoted.
#[test]
fn restarted_primary_waits_for_a_standby_however_young() {
    for seed in seeds(20) {
        run(seed, |world| async move {
            let (east, west, table) = split(&world).await;
            // West is primary by promotion; east has just come back to it.
            east.come_back("west").await;
            while east.role() != DatabaseState::Standby {
                tokio::time::sleep(Duration::from_millis(world.rng().next_u64() % 20)).await;
            }
            west.crash();
            east.links.stop(BANK, "test").await.unwrap();
            let west = west.restart().await;
            let refused = set(&west.bank(), &table, &[1], 1).await.unwrap_err();
            assert_eq!(refused.state, SqlState::READ_ONLY_SQL_TRANSACTION, "seed {seed}");
        });
    }
}
