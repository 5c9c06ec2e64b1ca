//! `SWITCHOVER`: nothing lost, the roles exchanged, whatever fails on the way.

use crate::world::{BANK, Cluster, PARTITIONS, begin, open_bank, pair, put, set};
use base::SqlState;
use dr::memory::{Call, Verdict};
use env::sim::{World, run};
use meta::DatabaseState;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A bank in the east that west follows.
async fn followed(world: &World) -> (Cluster, Cluster, base::TableDescriptor) {
    let (east, west) = pair(world).await;
    let table = open_bank(&east, 20).await;
    west.replicate("east").await;
    west.links.wait_standby(BANK).await.expect("follows");
    (east, west, table)
}

/// Waits until `former` follows `primary` and both show the same.
async fn exchanged(primary: &Cluster, former: &Cluster) {
    assert_eq!(primary.role(), DatabaseState::Primary);
    former.links.wait_standby(BANK).await.expect("follows");
    former.caught_up(primary).await;
    assert_eq!(primary.balances().await, former.balances().await);
    assert!(primary.kept().is_empty() && former.kept().is_empty(), "nothing was stranded");
}

fn refused(error: &base::Error) {
    assert_eq!(error.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "{error:?}");
}

#[test]
fn standby_takes_over_and_the_primary_follows_it() {
    run(1, |world| async move {
        let (east, west, table) = followed(&world).await;
        for v in 0..20 {
            set(&east.bank(), &table, &[v, (v + 7) % 20], v).await.expect("commits");
        }
        // Typed at the standby.
        let done = west.links.switchover(BANK, "west", "test").await.expect("takes over");
        assert!(done.followed, "{done:?}");
        assert_eq!((done.receipt.from.as_str(), done.receipt.to.as_str()), ("east", "west"));
        exchanged(&west, &east).await;
        set(&west.bank(), &table, &[3], 1_000).await.expect("writable");
        set(&east.bank(), &table, &[3], 1_000).await.expect_err("a standby");
        // And back, typed at the primary.
        let done = west.links.switchover(BANK, "east", "test").await.expect("gives away");
        assert_eq!(done.receipt.to, "east");
        exchanged(&east, &west).await;
        assert_eq!(east.balances().await[&3], 1_000);
        set(&east.bank(), &table, &[4], 5).await.expect("writable");
    });
}

#[test]
fn wrong_places_and_names_change_nothing() {
    run(2, |world| async move {
        let (east, west, table) = followed(&world).await;
        refused(&east.links.switchover(BANK, "north", "test").await.expect_err("unknown"));
        refused(&east.links.switchover(BANK, "east", "test").await.expect_err("primary already"));
        refused(
            &west.links.switchover(BANK, "east", "test").await.expect_err("not from a standby"),
        );
        assert!(east.links.switchover("nothing", "west", "test").await.is_err());
        west.links.pause(BANK, "test").await.expect("links");
        refused(&west.links.switchover(BANK, "west", "test").await.expect_err("paused"));
        set(&east.bank(), &table, &[1], 1).await.expect("as before");
    });
}

#[test]
fn transaction_that_does_not_end_stops_the_handover_not_the_database() {
    run(3, |world| async move {
        let (east, west, table) = followed(&world).await;
        let mut open = begin(&east.bank()).await;
        put(&mut open, &table, 5, 55).await.expect("free");
        let error = west.links.switchover(BANK, "west", "test").await.expect_err("somebody writes");
        assert_eq!(error.state, SqlState::OBJECT_IN_USE);
        open.commit().await.expect("was let to end");
        set(&east.bank(), &table, &[1], 1).await.expect("open again");
        west.links.switchover(BANK, "west", "test").await.expect("free now");
        exchanged(&west, &east).await;
        assert_eq!(west.balances().await[&5], 55);
    });
}

#[test]
fn gate_that_was_there_before_stays_when_a_handover_is_given_up() {
    run(4, |world| async move {
        let (east, west, table) = followed(&world).await;
        east.engine.gate(BANK, "root", "inventory").await.expect("gates");
        // The gate is granted, but its answer is lost.
        cut_once(&east, "handover", Verdict::CutAnswer);
        west.links.switchover(BANK, "west", "test").await.expect_err("cut");
        let gated = set(&east.bank(), &table, &[1], 1).await.expect_err("still gated");
        assert!(gated.message.contains("inventory"), "{gated:?}");
        assert!(east.engine.record(BANK).expect("there").handover.is_none());
    });
}

/// Judges the first call of a kind so.
fn cut_once(any: &Cluster, what: &'static str, verdict: Verdict) {
    let seen = Arc::new(AtomicUsize::new(0));
    any.network.set_faults(Arc::new(move |call: &Call| {
        let first = call.what == what && seen.fetch_add(1, Ordering::Relaxed) == 0;
        if first { verdict } else { Verdict::Pass }
    }));
}

/// Waits until the database takes writes.
async fn open_again(east: &Cluster, table: &base::TableDescriptor) {
    for _ in 0..1_000 {
        if set(&east.bank(), table, &[1], 1).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("gated for ever: {:?}", east.engine.record(BANK));
}

#[test]
fn standby_that_dies_before_it_decides_leaves_the_primary_open() {
    run(5, |world| async move {
        let (east, west, table) = followed(&world).await;
        east.lose_handover();
        west.links.switchover(BANK, "west", "test").await.expect_err("cut");
        west.crash();
        set(&east.bank(), &table, &[1], 1).await.expect_err("bound and gated");
        let bound = east.links.unlock(BANK, false, "test").expect_err("bound");
        assert_eq!(bound.state, SqlState::OBJECT_IN_USE);
        // Also a restart of the primary changes nothing in that.
        east.crash();
        let east = east.restart().await;
        set(&east.bank(), &table, &[1], 1).await.expect_err("bound and gated");
        east.network.set_faults(Arc::new(|_| Verdict::Pass));
        let west = west.restart().await;
        open_again(&east, &table).await;
        west.links.wait_standby(BANK).await.expect("follows");
        west.links.switchover(BANK, "west", "test").await.expect("takes over");
        exchanged(&west, &east).await;
    });
}

#[test]
fn operator_can_open_a_primary_whose_standby_is_gone_for_good() {
    run(6, |world| async move {
        let (east, west, table) = followed(&world).await;
        east.lose_handover();
        west.links.switchover(BANK, "west", "test").await.expect_err("cut");
        west.crash();
        set(&east.bank(), &table, &[1], 1).await.expect_err("bound and gated");
        east.links.unlock(BANK, true, "test").expect("forced");
        set(&east.bank(), &table, &[1], 1).await.expect("open");
    });
}

#[test]
fn former_primary_that_was_away_follows_when_it_returns() {
    run(7, |world| async move {
        let (east, west, table) = followed(&world).await;
        // Everything after the gate is cut: east does not learn that west has taken over.
        let seen = Arc::new(AtomicUsize::new(0));
        east.network.set_faults(Arc::new(move |call: &Call| {
            let later = call.what == "handover" && seen.fetch_add(1, Ordering::Relaxed) > 0;
            if later { Verdict::Cut } else { Verdict::Pass }
        }));
        let done = west.links.switchover(BANK, "west", "test").await.expect("takes over");
        assert!(!done.followed);
        set(&west.bank(), &table, &[2], 22).await.expect("writable at once");
        set(&east.bank(), &table, &[2], 33).await.expect_err("never again by itself");
        // Both die; east still hears nothing.
        for cluster in [&east, &west] {
            cluster.crash();
        }
        let east = east.restart().await;
        let west = west.restart().await;
        set(&east.bank(), &table, &[2], 33).await.expect_err("never again by itself");
        east.network.set_faults(Arc::new(|_| Verdict::Pass));
        for _ in 0..1_000 {
            if east.role() != DatabaseState::Primary {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        exchanged(&west, &east).await;
        assert_eq!(east.balances().await[&2], 22);
    });
}

/// The lowest closed time of all partitions is the cut: what one partition has committed is not
/// in it before the others have closed their time up to there.
#[test]
fn stop_replicating_a_gated_source_waits_until_its_last_commit_is_inside_the_cut() {
    run(8, |world| async move {
        let (east, west, table) = followed(&world).await;
        west.caught_up(&east).await;
        // What closes time in partition 1 is late.
        east.network.set_faults(Arc::new(|call: &Call| match (call.what, call.partition) {
            ("batch", Some(1)) => Verdict::Delay(Duration::from_secs(1)),
            _ => Verdict::Pass,
        }));
        let id = (0..20).find(|id| partition_of(*id) == 0).expect("an account in partition 0");
        set(&east.bank(), &table, &[id], 77).await.expect("commits");
        east.engine.gate(BANK, "root", "moving").await.expect("gates");
        west.links.stop(BANK, "test").await.expect("promotes");
        assert_eq!(west.balances().await[&id], 77);
        assert!(west.kept().is_empty());
    });
}

fn partition_of(id: i64) -> u16 {
    format::key::shard(&[&base::Value::Int(id)], PARTITIONS)
}
