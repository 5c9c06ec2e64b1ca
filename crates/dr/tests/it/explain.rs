//! `EXPLAIN`: steps, estimate, loss and blockers, with nothing changed on either side.

use crate::world::{BANK, Cluster, open_bank, pair, set};
use base::TableDescriptor;
use dr::{Explained, ExplainedKind, FailoverRequest, Verb};
use env::sim::{World, run};
use std::time::Duration;

async fn followed(world: &World) -> (Cluster, Cluster, TableDescriptor) {
    let (east, west) = pair(world).await;
    let table = open_bank(&east, 20).await;
    west.replicate("east").await;
    west.caught_up(&east).await;
    (east, west, table)
}

fn failover(data_loss: bool) -> Verb {
    Verb::Failover(FailoverRequest { database: BANK.into(), at: None, data_loss })
}

fn switchover(to: &str) -> Verb {
    Verb::Switchover { database: BANK.into(), to: to.into() }
}

/// Explains, and checks that neither side's metadata has changed by it.
async fn explain(there: &Cluster, here: &Cluster, verb: Verb) -> Vec<Explained> {
    let state = |c: &Cluster| {
        let mut record = c.engine.record(BANK).ok();
        // Acknowledgements go on by themselves.
        record.iter_mut().flat_map(|r| r.slots.values_mut()).for_each(|s| {
            (s.acked, s.replicated, s.last_seen_ms) = (Vec::new(), base::Timestamp::ZERO, 0);
        });
        (record, c.engine.meta.read(|s| s.events))
    };
    let before = (state(here), state(there));
    let lines = here.links.explain(&verb).await.expect("explains");
    assert_eq!((state(here), state(there)), before, "{verb:?} changed something");
    lines
}

fn number(lines: &[Explained], kind: ExplainedKind, item: &str) -> i64 {
    let found = lines.iter().find(|l| l.kind == kind && l.item == item);
    found.and_then(|l| l.number).unwrap_or_else(|| panic!("no {item} in {lines:#?}"))
}

fn blockers(lines: &[Explained]) -> Vec<&str> {
    let all = lines.iter().filter(|l| l.kind == ExplainedKind::Blocker);
    all.map(|l| l.value.as_str()).collect()
}

fn steps(lines: &[Explained]) -> usize {
    lines.iter().filter(|l| l.kind == ExplainedKind::Step).count()
}

#[test]
fn planned_ways_lose_nothing_and_say_what_blocks_them() {
    run(1, |world| async move {
        let (east, west, _) = followed(&world).await;
        for (there, here, verb) in [
            (&east, &west, failover(false)),
            (&east, &west, switchover("west")),
            (&west, &east, switchover("west")),
        ] {
            let lines = explain(there, here, verb).await;
            assert!(blockers(&lines).is_empty() && steps(&lines) == 5, "{lines:#?}");
            assert_eq!(number(&lines, ExplainedKind::Loss, "transactions"), 0);
        }
        let lines = explain(&west, &east, switchover("north")).await;
        assert!(blockers(&lines)[0].contains("no standby"), "{lines:#?}");
        let lines = explain(&west, &east, failover(true)).await;
        assert!(blockers(&lines)[0].contains("follows nobody"), "{lines:#?}");
        east.network.leave("east:5432");
        tokio::time::sleep(Duration::from_secs(5)).await;
        let lines = explain(&east, &west, failover(false)).await;
        assert!(blockers(&lines).iter().any(|b| b.contains("nobody answers")), "{lines:#?}");
    });
}

#[test]
fn loss_is_quoted_as_last_known_with_its_age() {
    run(2, |world| async move {
        let (east, west, table) = followed(&world).await;
        let stop = Verb::Stop { database: BANK.into() };
        let lines = explain(&east, &west, stop.clone()).await;
        assert_eq!(number(&lines, ExplainedKind::Loss, "transactions"), 0);
        assert!(lines.iter().any(|l| l.item == "source" && l.value.contains("alive")));
        // Batches arrive, but only the figures of what is beyond them are heard of.
        for v in 0..10 {
            set(&east.bank(), &table, &[v, v + 1], 100 + v).await.expect("commits");
        }
        east.network.leave("east:5432");
        tokio::time::sleep(Duration::from_secs(10)).await;
        let lines = explain(&east, &west, stop).await;
        let age = number(&lines, ExplainedKind::Loss, "milliseconds since last known");
        assert!((9_000..15_000).contains(&age), "{lines:#?}");
        assert!(number(&lines, ExplainedKind::Loss, "milliseconds at most") >= age);
        assert!(!lines.iter().any(|l| l.item == "source"));
    });
}

#[test]
fn way_back_is_told_with_what_would_be_taken_out() {
    run(3, |world| async move {
        let (east, west, table) = followed(&world).await;
        east.network.leave("east:5432");
        for v in 0..7 {
            set(&east.bank(), &table, &[v, v + 1], 100 + v).await.expect("commits");
        }
        west.links.stop(BANK, "test").await.expect("promotes");
        set(&west.bank(), &table, &[15], 1_500).await.expect("writable");
        east.network.listen("east:5432", east.links.replication());
        let back = Verb::Replicate(east.request("west", true));
        let lines = explain(&west, &east, back).await;
        assert!(blockers(&lines).is_empty(), "{lines:#?}");
        assert_eq!(number(&lines, ExplainedKind::Loss, "transactions"), 7);
        assert_eq!(number(&lines, ExplainedKind::Loss, "rows"), 14);
        assert!(number(&lines, ExplainedKind::Estimate, "records to receive") > 0);
        // The other way round would be wrong.
        let wrong = Verb::Replicate(west.request("east", true));
        let lines = explain(&east, &west, wrong).await;
        assert!(blockers(&lines).iter().any(|b| b.contains("stale")), "{lines:#?}");
        assert!(east.engine.record(BANK).expect("there").gate.is_none(), "nobody was fenced");
        let first = Verb::Replicate(east.request("west", false));
        let lines = explain(&west, &east, first).await;
        assert!(blockers(&lines).iter().any(|b| b.contains("already exists")), "{lines:#?}");
        east.come_back("west").await;
        east.caught_up(&west).await;
        assert_eq!(east.links.diverged(BANK).expect("readable").len(), 7);
        let again = Verb::Replicate(east.request("west", true));
        let lines = explain(&west, &east, again).await;
        assert!(blockers(&lines).iter().any(|b| b.contains("already")), "{lines:#?}");
    });
}
