use crate::world::{BANK, open_bank, pair, seeds, set};
use dr::memory::Verdict;
use env::sim::run;
use std::sync::Arc;
use std::time::Duration;

/// Links that break at any call and any batch, in any direction, lose and double nothing.
#[test]
fn cut_links_converge() {
    for seed in seeds(15) {
        run(seed, |world| async move {
            let (east, west) = pair(&world).await;
            let table = open_bank(&east, 20).await;
            let rng = world.rng();
            east.network.set_faults(Arc::new(move |_| match rng.next_u64() % 12 {
                0 => Verdict::Cut,
                1 => Verdict::CutAnswer,
                2 => Verdict::Delay(Duration::from_millis(rng.next_u64() % 300)),
                _ => Verdict::Pass,
            }));
            while west.links.replicate(west.request("east", false), "test").await.is_err() {}
            for n in 0..60 {
                set(&east.bank(), &table, &[n % 20, (n * 7) % 20], n).await.unwrap();
                tokio::time::sleep(Duration::from_millis(world.rng().next_u64() % 60)).await;
            }
            east.network.set_faults(Arc::new(|_| Verdict::Pass));
            west.caught_up(&east).await;
            assert_eq!(west.balances().await, east.balances().await, "seed {seed}");
            let promoted = west.links.stop(BANK, "test").await.unwrap();
            assert_eq!(promoted.set_aside, 0, "seed {seed}");
        });
    }
}

/// A full disk at the target stops it, visibly; when there is room again it goes on by itself.
#[test]
fn full_disk_of_a_target_is_survived() {
    run(1, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 20).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        west.node.set_capacity(Some(west.node.used_bytes()));
        for n in 0..300 {
            let ids: Vec<i64> = (0..2_000).map(|i| 1_000 + n * 2_000 + i).collect();
            set(&east.bank(), &table, &ids, n).await.unwrap();
            if west.status().state == "failed" {
                break;
            }
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(west.status().state, "failed");
        east.crash();
        let east = east.restart().await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        west.node.set_capacity(None);
        west.caught_up(&east).await;
        assert_eq!(west.balances().await, east.balances().await);
    });
}

/// A source that cannot read its log for a moment is no reason for a full copy.
#[test]
fn read_failures_at_the_source_cost_only_time() {
    run(1, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 20).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        east.network.leave("east:5432");
        set(&east.bank(), &table, &[1, 2], 5).await.unwrap();
        west.links.stop(BANK, "test").await.unwrap();
        set(&west.bank(), &table, &[3, 4], 6).await.unwrap();
        east.crash();
        let east = east.restart().await;
        west.node.fail_reads(true);
        east.come_back("west").await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(east.status().state, "failed");
        west.node.fail_reads(false);
        east.caught_up(&west).await;
        assert_eq!(east.balances().await, west.balances().await);
        let history = east.engine.meta.read(|s| s.history.clone());
        assert!(!history.iter().any(|h| h.kind == "full copy"), "{history:?}");
        assert_eq!(east.links.diverged(BANK).unwrap().len(), 1);
    });
}
