//! What both ends of a link tell of themselves: queues, positions, rates.

use crate::world::{BANK, Cluster, PARTITIONS, fill, open_bank, pair, set};
use dr::memory::{Call, Verdict};
use dr::{Producer, ProducerMode};
use env::sim::run;
use std::sync::Arc;
use std::time::Duration;

async fn wait(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

fn producer(cluster: &Cluster) -> Producer {
    let mut all = cluster.links.producers();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn bytes(p: &Producer) -> u64 {
    p.partitions.iter().map(|p| p.bytes).sum()
}

#[test]
fn a_queue_grows_while_its_target_is_away_and_shrinks_when_it_is_back() {
    run(1, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 20).await;
        assert!(east.links.producers().is_empty());
        west.replicate("east").await;
        west.caught_up(&east).await;
        wait(2_000).await;
        let idle = producer(&east);
        assert_eq!((idle.database.as_str(), idle.target.as_str()), (BANK, "west"));
        assert_eq!((idle.cluster.0, idle.connected, idle.synced), (2, true, true), "{idle:?}");
        assert_eq!(idle.partitions.len(), usize::from(PARTITIONS));
        assert!(idle.partitions.iter().all(|p| p.mode == ProducerMode::Stream && p.records() < 5));

        west.crash();
        let before = east.engine.oracle.now();
        fill(&east.bank(), &table, 100..400).await;
        wait(10_000).await;
        let away = producer(&east);
        assert_eq!((away.connected, away.synced), (false, false));
        // A row of two numbers takes some tens of bytes of log.
        assert!(bytes(&away) > 300 * 20 && bytes(&away) > bytes(&idle), "{away:?}");
        for p in &away.partitions {
            assert!(p.records() > 1 && p.queued_at > before && p.acked_at < before, "{p:?}");
        }
        let west = west.restart().await;
        west.caught_up(&east).await;
        wait(2_000).await;
        let back = producer(&east);
        assert!(back.connected && back.synced && bytes(&back) < 1_000, "{back:?}");
        assert!(back.partitions.iter().all(|p| p.acked_at > before), "{back:?}");
        assert!(back.partitions.iter().all(|p| p.acked_at <= p.queued_at), "{back:?}");
    });
}

#[test]
fn a_target_that_copies_is_told_from_one_that_streams() {
    run(2, |world| async move {
        let (east, west) = pair(&world).await;
        east.crash();
        let east = east.restart_with(|s| s.log_retention_bytes = 0).await;
        open_bank(&east, 200).await;
        for _ in 0..20 {
            wait(1_000).await;
            east.engine.spill_above(&east.bank(), 0).await.expect("writes chunks");
        }
        east.network.set_faults(Arc::new(|call: &Call| match call.what {
            "fetch" => Verdict::Delay(Duration::from_secs(3)),
            _ => Verdict::Pass,
        }));
        west.replicate("east").await;
        wait(2_000).await;
        let copying = producer(&east);
        assert!(copying.partitions.iter().any(|p| p.mode == ProducerMode::Copy), "{copying:?}");
        assert!(!copying.synced);
        west.caught_up(&east).await;
        wait(2_000).await;
        let streams = producer(&east);
        assert!(
            streams.synced && streams.partitions.iter().all(|p| p.mode == ProducerMode::Stream)
        );
    });
}

#[test]
fn the_target_tells_what_it_has_received_and_how_fast() {
    run(3, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 20).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        let before = east.engine.oracle.now();
        for v in 0..200 {
            set(&east.bank(), &table, &[v % 20], v).await.expect("commits");
        }
        west.caught_up(&east).await;
        wait(1_000).await;
        let status = west.status();
        assert!(status.partitions.iter().all(|p| p.covered), "{status:?}");
        let newest = status.partitions.iter().map(|p| p.received_at).max().expect("partitions");
        assert!(newest > before, "{status:?}");
        assert!(status.partitions.iter().all(|p| p.applied_at == p.received_at), "{status:?}");
        assert!(status.bytes_per_second_1m > 0, "{status:?}");
        let soon = status.bytes_per_second_1m;

        east.network.leave("east:5432");
        wait(50_000).await;
        let status = west.status();
        assert!(status.partitions.iter().all(|p| !p.covered), "{status:?}");
        assert_eq!(status.partitions.iter().map(|p| p.received_at).max(), Some(newest));
        assert!(status.bytes_per_second_1m < soon, "{status:?}");
        wait(60_000).await;
        let status = west.status();
        assert_eq!(status.bytes_per_second_1m, 0, "nothing came for more than a minute");
        assert!(status.bytes_per_second_5m > 0, "{status:?}");
        wait(300_000).await;
        assert_eq!(west.status().bytes_per_second_5m, 0);
    });
}
