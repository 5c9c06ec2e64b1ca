use crate::world::{BANK, Cluster, fill, open_bank, pair, seeds, set};
use env::sim::{World, run};
use meta::DatabaseState;
use std::time::Duration;
use txn::EngineSettings;

fn forgetful(settings: &mut EngineSettings) {
    settings.log_retention_bytes = 0;
    settings.restart_check = false;
}

/// An east whose log no longer reaches back to its beginning.
async fn trimmed(world: &World) -> (Cluster, Cluster) {
    let (east, west) = pair(world).await;
    let east = east.restart_with(forgetful).await;
    let table = open_bank(&east, 200).await;
    for round in 0..30 {
        fill(&east.bank(), &table, 1_000 + round * 500..1_500 + round * 500).await;
    }
    trim(&east).await;
    (east, west)
}

/// Until the closed timestamps allow chunks, and the upkeep trims.
async fn spill(east: &Cluster) {
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        east.engine.spill_above(&east.bank(), 0).await.unwrap();
    }
}

async fn trim(east: &Cluster) {
    spill(east).await;
    assert!(east.bank().local_partitions().iter().all(|p| p.first().0 > 1), "the log is trimmed");
}

#[test]
fn first_copy_from_chunks_when_the_log_does_not_reach_back() {
    run(1, |world| async move {
        let (east, west) = trimmed(&world).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        assert_eq!(west.balances().await.len(), 15_200);
        assert_eq!(west.balances().await, east.balances().await);
        let history = west.engine.meta.read(|s| s.history.clone());
        assert!(history.iter().any(|h| h.kind == "copy"), "{history:?}");
        west.crash();
        let west = west.restart().await;
        west.caught_up(&east).await;
        assert_eq!(west.balances().await, east.balances().await);
    });
}

/// All of the log is there, and is much longer than what it has led to.
#[test]
fn first_copy_from_chunks_when_they_are_shorter_than_the_log() {
    run(5, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 200).await;
        for round in 0..40 {
            fill(&east.bank(), &table, round * 1_000..(round + 1) * 1_000).await;
        }
        spill(&east).await;
        assert!(east.bank().local_partitions().iter().all(|p| p.first().0 <= 1), "nothing trimmed");
        fill(&east.bank(), &table, 50_000..50_100).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        let history = west.engine.meta.read(|s| s.history.clone());
        assert!(history.iter().any(|h| h.kind == "copy"), "{history:?}");
        assert!(west.bank().local_partitions().iter().all(|p| p.first().0 > 1), "only the rest");
        assert_eq!(west.balances().await.len(), 40_100);
        assert_eq!(west.balances().await, east.balances().await);
    });
}

fn runs(cluster: &Cluster) -> usize {
    let bank = cluster.bank();
    let manifests = bank.local_partitions().iter().map(|p| p.manifest());
    manifests.map(|m| m.tables.iter().map(|t| t.runs.len()).sum::<usize>()).sum()
}

/// As [`forgetful`], and old row versions are kept only for those who read already.
fn presentist(settings: &mut EngineSettings) {
    forgetful(settings);
    settings.version_retention = Duration::ZERO;
}

/// Runs travel with the base they lie on.
#[test]
fn first_copy_from_chunks_while_somebody_reads_the_past() {
    run(4, |world| async move {
        let (east, west) = pair(&world).await;
        let east = east.restart_with(presentist).await;
        let west = west.restart_with(presentist).await;
        let table = open_bank(&east, 200).await;
        let old = east.bank().snapshot().unwrap();
        for round in 0..10 {
            let from = round * 40;
            fill(&east.bank(), &table, from..from + 400).await;
            set(&east.bank(), &table, &[1, from + 2], 7 + round).await.unwrap();
        }
        trim(&east).await;
        assert!(runs(&east) > 0, "the reader keeps versions out of the base");
        west.replicate("east").await;
        west.caught_up(&east).await;
        assert_eq!(west.balances().await, east.balances().await);
        west.crash();
        let west = west.restart_with(presentist).await;
        drop(old);
        set(&east.bank(), &table, &[5, 6], 70).await.unwrap();
        west.caught_up(&east).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!((runs(&east), runs(&west)), (0, 0), "merged when nobody reads the past");
        assert_eq!(west.balances().await, east.balances().await);
    });
}

/// The log may be many times larger than memory: what has been replayed goes into chunks although
/// nobody can read the copy yet.
#[test]
fn first_copy_from_a_long_log_spills_while_it_goes_on() {
    run(2, |world| async move {
        let (east, west) = pair(&world).await;
        let west = west.restart_with(|settings| settings.delta_bytes = 200_000).await;
        let table = open_bank(&east, 200).await;
        for round in 1..60 {
            let from = round * 1_500;
            fill(&east.bank(), &table, from..from + 1_500).await;
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
        east.network.set_faults(std::sync::Arc::new(|call| match call.what {
            "batch" => dr::memory::Verdict::Delay(Duration::from_secs(2)),
            _ => dr::memory::Verdict::Pass,
        }));
        west.replicate("east").await;
        let mut spilled = 0;
        while west.role() == DatabaseState::Copying {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let bank = west.bank();
            let chunks = bank.local_partitions().iter().map(|p| p.manifest().chunks().count());
            if west.role() == DatabaseState::Copying {
                spilled = spilled.max(chunks.sum());
            }
        }
        assert!(spilled > 0, "nothing was spilled while the copy went on");
        west.caught_up(&east).await;
        assert_eq!(west.balances().await, east.balances().await);
        west.crash();
        let west = west.restart().await;
        west.caught_up(&east).await;
        assert_eq!(west.balances().await, east.balances().await);
    });
}

#[test]
fn copy_of_chunks_survives_crashes_of_both_sides() {
    for seed in seeds(6) {
        run(seed, |world| async move {
            let (mut east, mut west) = trimmed(&world).await;
            east.network.set_faults(std::sync::Arc::new(|call| match call.what {
                "fetch" => dr::memory::Verdict::Delay(Duration::from_millis(40)),
                _ => dr::memory::Verdict::Pass,
            }));
            west.replicate("east").await;
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_millis(world.rng().next_u64() % 300)).await;
                if world.rng().next_u64().is_multiple_of(2) {
                    east.crash();
                    east = east.restart_with(forgetful).await;
                } else {
                    west.crash();
                    west = west.restart().await;
                }
            }
            west.caught_up(&east).await;
            assert_eq!(west.balances().await, east.balances().await, "seed {seed}");
        });
    }
}

#[test]
fn standby_whose_log_is_gone_says_so_and_compares_contents() {
    run(3, |world| async move {
        let (east, west) = trimmed(&world).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        west.links.pause(BANK, "test").await.unwrap();
        // The slot is given up, as if it had held back too much.
        let (database, at_ms) = (east.bank().id(), 0);
        let name = "2/bank".to_owned();
        let reason = Some("too much log".to_owned());
        east.engine.meta.apply(meta::Command::DropSlot { database, name, reason, at_ms }).unwrap();
        let table = east.bank().catalog(east.engine.oracle.now()).await.unwrap();
        let table = table.table("public", "accounts").unwrap().as_ref().clone();
        for round in 0..10 {
            set(&east.bank(), &table, &[1, 2, 3], round).await.unwrap();
            fill(&east.bank(), &table, 50_000 + round * 100..50_100 + round * 100).await;
        }
        trim(&east).await;
        west.links.resume(BANK, "test").await.unwrap();
        west.caught_up(&east).await;
        assert_eq!(west.role(), DatabaseState::Standby);
        assert_eq!(west.balances().await, east.balances().await);
        let history = west.engine.meta.read(|s| s.history.clone());
        assert!(history.iter().all(|h| h.kind != "full copy"), "{history:?}");
        let told = history.iter().find(|h| h.kind == "by content").unwrap();
        assert!(told.detail.contains("the source's log begins at"), "{told:?}");
    });
}
