//! `RESET REPLICATION`: who is gone is forgotten, who is alive comes back.

use crate::world::{BANK, Cluster, PARTITIONS, fill, open_bank, pair, set};
use base::{ClusterId, Error, Result, SqlState, TableDescriptor};
use dr::memory::{Call, Verdict};
use dr::{Explained, ExplainedKind, FailoverRequest, Forgotten, Partner, ResetRequest, Verb};
use env::sim::{World, run};
use meta::DatabaseState;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

async fn followed(world: &World) -> (Cluster, Cluster, TableDescriptor) {
    let (east, west) = pair(world).await;
    let table = open_bank(&east, 20).await;
    west.replicate("east").await;
    west.caught_up(&east).await;
    // The slot's progress is in the metadata by now.
    wait(3_000).await;
    (east, west, table)
}

async fn wait(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

fn west_by_id() -> Partner {
    Partner::Id(ClusterId(2))
}

async fn reset(cluster: &Cluster, partner: Partner, force: bool) -> Result<Vec<Forgotten>> {
    cluster.links.reset(ResetRequest { partner, force }, "ann").await
}

async fn explain(cluster: &Cluster, partner: Partner, force: bool) -> Vec<Explained> {
    let verb = Verb::Reset(ResetRequest { partner, force });
    let state = || {
        let mut record = cluster.engine.record(BANK).expect("there");
        record.slots.values_mut().for_each(|s| {
            (s.acked, s.replicated, s.last_seen_ms) = (Vec::new(), base::Timestamp::ZERO, 0);
        });
        (record, cluster.engine.meta.read(|s| s.events))
    };
    let before = state();
    let lines = cluster.links.explain(&verb).await.expect("explains");
    assert_eq!(state(), before, "{verb:?} changed something");
    lines
}

fn has(lines: &[Explained], kind: ExplainedKind, text: &str) -> bool {
    lines.iter().any(|l| l.kind == kind && (l.item.contains(text) || l.value.contains(text)))
}

fn only(done: Result<Vec<Forgotten>>) -> Forgotten {
    let mut done = done.expect("is forgotten");
    assert_eq!(done.len(), 1, "{done:?}");
    done.remove(0)
}

fn state_of<T: std::fmt::Debug>(done: Result<T>) -> (SqlState, Error) {
    let error = done.expect_err("refused");
    (error.state, error)
}

/// What the history says of it.
fn told(cluster: &Cluster) -> Vec<String> {
    cluster.engine.meta.read(|s| {
        let rows = s.history.iter().filter(|h| h.kind == "reset");
        rows.map(|h| format!("{} {}", h.who.as_deref().unwrap_or_default(), h.detail)).collect()
    })
}

#[test]
fn a_partner_that_is_alive_is_kept_unless_forced_and_comes_back_then() {
    run(1, |world| async move {
        let (east, west, table) = followed(&world).await;
        let lines = explain(&east, west_by_id(), false).await;
        assert!(has(&lines, ExplainedKind::Blocker, "is connected"), "{lines:#?}");
        let (state, error) = state_of(reset(&east, Partner::All, false).await);
        assert_eq!(state, SqlState::OBJECT_IN_USE);
        assert!(error.message.contains("west (cluster 2)"), "{error:?}");
        assert_eq!(error.detail.as_deref(), Some("Nothing was forgotten."));
        assert_eq!(east.engine.record(BANK).expect("there").slots.len(), 1);

        let done = only(reset(&east, Partner::Named("west".into()), true).await);
        assert_eq!((done.state, done.opened), ("connected", false));
        assert!(done.promotable_at.is_some(), "{done:?}");
        assert!(east.engine.record(BANK).expect("there").slots.is_empty());
        set(&east.bank(), &table, &[1, 2], 7).await.expect("commits");
        west.caught_up(&east).await;
        assert_eq!(west.balances().await, east.balances().await);
        assert_eq!(east.engine.record(BANK).expect("there").slots.len(), 1, "a new slot");
    });
}

#[test]
fn a_restarted_primary_waits_no_more_for_a_standby_that_was_forgotten() {
    run(2, |world| async move {
        let (east, west, table) = followed(&world).await;
        west.crash();
        set(&east.bank(), &table, &[1], 11).await.expect("commits");
        east.crash();
        let east = east.restart().await;
        let refused = set(&east.bank(), &table, &[2], 22).await.expect_err("it waits");
        assert_eq!(refused.state, SqlState::READ_ONLY_SQL_TRANSACTION);
        let lines = explain(&east, Partner::All, false).await;
        assert!(!has(&lines, ExplainedKind::Blocker, ""), "{lines:#?}");
        assert!(has(&lines, ExplainedKind::Step, "open database bank"), "{lines:#?}");
        assert!(has(&lines, ExplainedKind::Loss, "may have been promoted"), "{lines:#?}");
        assert!(has(&lines, ExplainedKind::Estimate, "by content"), "{lines:#?}");
        set(&east.bank(), &table, &[2], 22).await.expect_err("explaining opens nothing");

        let done = only(reset(&east, west_by_id(), false).await);
        assert!(done.opened && done.promotable_at.is_some(), "{done:?}");
        assert_eq!((done.state, done.slots.as_slice()), ("not connected", &["2/bank".into()][..]));
        set(&east.bank(), &table, &[2], 22).await.expect("it is open");
        let history = told(&east);
        assert_eq!(history.len(), 1);
        assert!(history[0].starts_with("ann west (cluster 2) is forgotten"), "{history:?}");
        assert!(history[0].contains("may have been promoted"), "{history:?}");
        // It stays so: there is nobody left to wait for.
        east.crash();
        let east = east.restart().await;
        set(&east.bank(), &table, &[3], 33).await.expect("open after a restart");
        let west = west.restart().await;
        west.caught_up(&east).await;
        assert_eq!(west.balances().await, east.balances().await);
    });
}

#[test]
fn another_standby_is_still_waited_for() {
    run(3, |world| async move {
        let (east, west, table) = followed(&world).await;
        let third = Cluster::new(&world, &east.network, 3, "third").await;
        third.replicate("east").await;
        third.caught_up(&east).await;
        wait(3_000).await;
        west.crash();
        third.crash();
        east.crash();
        let east = east.restart().await;
        let done = only(reset(&east, west_by_id(), false).await);
        assert!(!done.opened, "{done:?}");
        set(&east.bank(), &table, &[2], 22).await.expect_err("third may have been promoted");
        assert!(only(reset(&east, Partner::Id(ClusterId(3)), false).await).opened);
        set(&east.bank(), &table, &[2], 22).await.expect("nobody is left");
    });
}

#[test]
fn a_slot_that_was_given_up_is_removed_and_the_log_of_a_live_one_is_let_go() {
    run(4, |world| async move {
        let (east, west, table) = followed(&world).await;
        east.crash();
        let east = east
            .restart_with(|s| {
                s.slot_age_max = Some(Duration::from_secs(60));
                s.log_retention_bytes = 0;
            })
            .await;
        west.caught_up(&east).await;
        wait(3_000).await;
        west.crash();
        wait(10_000).await;
        fill(&east.bank(), &table, 100..2_000).await;
        east.engine.checkpoint(&east.bank()).await.expect("writes it down");
        let first =
            |c: &Cluster| -> u64 { c.bank().local_partitions().iter().map(|p| p.first().0).sum() };
        let before = first(&east);
        let held =
            only(Ok(reset(&east, Partner::Named("west".into()), false).await.expect("gone")));
        assert!(held.released_bytes > 1_000, "{held:?}");
        // What only older manifests need goes once newer ones are written.
        for round in 0..5 {
            fill(&east.bank(), &table, 3_000 + round * 50..3_050 + round * 50).await;
            wait(2_000).await;
            east.engine.spill_above(&east.bank(), 0).await.expect("writes it down");
        }
        wait(2_000).await;
        assert!(first(&east) > before, "the log has gone");

        let west = west.restart().await;
        west.caught_up(&east).await;
        assert_eq!(west.balances().await, east.balances().await);
        west.crash();
        wait(120_000).await;
        let slots = east.links.slots();
        assert!(slots.len() == 1 && slots[0].dropped.is_some(), "{slots:?}");
        let lines = explain(&east, Partner::All, false).await;
        assert!(has(&lines, ExplainedKind::Step, "slot-retention"), "{lines:#?}");
        let done = only(reset(&east, Partner::All, false).await);
        assert_eq!((done.state, done.released_bytes), ("given up", 0));
        assert!(east.links.slots().is_empty());
        assert!(reset(&east, Partner::All, false).await.expect("nothing to do").is_empty());
    });
}

#[test]
fn a_handover_to_a_partner_that_died_is_given_up_only_by_force() {
    run(5, |world| async move {
        let (east, west, table) = followed(&world).await;
        east.lose_handover();
        west.links.switchover(BANK, "west", "test").await.expect_err("cut");
        west.crash();
        wait(10_000).await;
        assert_eq!(state_of(reset(&east, west_by_id(), false).await).0, SqlState::OBJECT_IN_USE);
        set(&east.bank(), &table, &[1], 1).await.expect_err("it is bound");
        only(reset(&east, west_by_id(), true).await);
        set(&east.bank(), &table, &[1], 1).await.expect("it is free");
        let record = east.engine.record(BANK).expect("there");
        assert!(record.handover.is_none() && record.slots.is_empty() && record.gate.is_none());
    });
}

#[test]
fn a_new_primary_forgets_the_one_that_it_has_replaced() {
    run(6, |world| async move {
        let (east, west, table) = followed(&world).await;
        let seen = Arc::new(AtomicUsize::new(0));
        east.network.set_faults(Arc::new(move |call: &Call| match call.what {
            "handover" if seen.fetch_add(1, Ordering::Relaxed) > 0 => Verdict::Cut,
            _ => Verdict::Pass,
        }));
        let done = west.links.switchover(BANK, "west", "test").await.expect("takes over");
        assert!(!done.followed, "{done:?}");
        east.crash();
        wait(6_000).await;
        let lines = explain(&west, Partner::Id(ClusterId(1)), false).await;
        assert!(has(&lines, ExplainedKind::Step, "tell east (cluster 1) no more"), "{lines:#?}");
        let done = only(reset(&west, Partner::Named("1".into()), false).await);
        // What it has is not newer than this promotion.
        assert_eq!(done.promotable_at, None, "{done:?}");
        let record = west.engine.record(BANK).expect("there");
        assert!(record.handover.is_none() && record.slots.is_empty());
        // A later handover, to another cluster, is not held up by it.
        let third = Cluster::new(&world, &east.network, 3, "third").await;
        east.network.set_faults(Arc::new(|_| Verdict::Pass));
        third.replicate("west").await;
        third.caught_up(&west).await;
        third.links.switchover(BANK, "third", "test").await.expect("takes over");
        assert_eq!(third.role(), DatabaseState::Primary);
        set(&third.bank(), &table, &[4], 44).await.expect("writable");
    });
}

#[test]
fn who_is_no_partner_is_refused_with_the_reason() {
    run(7, |world| async move {
        let (east, west, _) = followed(&world).await;
        for partner in [Partner::Id(ClusterId(9)), Partner::Named("mars".into())] {
            assert_eq!(state_of(reset(&east, partner, true).await).0, SqlState::UNDEFINED_OBJECT);
        }
        let (state, error) = state_of(reset(&west, Partner::Id(ClusterId(1)), true).await);
        assert_eq!(state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
        assert!(error.message.contains("source of database \"bank\""), "{error:?}");
        let lines = explain(&west, Partner::Id(ClusterId(1)), false).await;
        assert!(has(&lines, ExplainedKind::Blocker, "source of database"), "{lines:#?}");
        assert_eq!(west.bank().local_partitions().len(), usize::from(PARTITIONS));
        // A former source of a database that was promoted is a partner.
        east.crash();
        let lossy = FailoverRequest { database: BANK.into(), at: None, data_loss: true };
        west.links.failover(lossy, "test").await.expect("promotes");
        let done = only(reset(&west, Partner::Id(ClusterId(1)), false).await);
        assert_eq!(done.state, "not connected");
        // Should it be alive after all, it still hears that it was replaced.
        let east = east.restart().await;
        wait(10_000).await;
        let gate = east.engine.record(BANK).expect("there").gate;
        assert!(gate.is_some_and(|g| g.reason.contains("was promoted")), "it takes writes");
    });
}
