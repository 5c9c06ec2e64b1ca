//! `FAILOVER`: without loss, with loss that is told before, and at an older time.

use crate::world::{BANK, Cluster, PARTITIONS, begin, open_bank, pair, seeds, set};
use base::{SqlState, TableDescriptor, Timestamp};
use dr::{Failover, FailoverRequest};
use env::sim::{World, run};
use meta::DatabaseState;
use std::time::Duration;

/// A bank in the east that west follows and has all of.
async fn followed(world: &World) -> (Cluster, Cluster, TableDescriptor) {
    let (east, west) = pair(world).await;
    let table = open_bank(&east, 20).await;
    west.replicate("east").await;
    west.caught_up(&east).await;
    (east, west, table)
}

fn request(at: Option<Timestamp>, data_loss: bool) -> FailoverRequest {
    FailoverRequest { database: BANK.into(), at, data_loss }
}

async fn fail_over(
    cluster: &Cluster,
    at: Option<Timestamp>,
    data_loss: bool,
) -> base::Result<Failover> {
    cluster.links.failover(request(at, data_loss), "ann").await
}

fn refused(result: base::Result<Failover>) -> base::Error {
    let error = result.expect_err("refused");
    assert_eq!(error.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "{error:?}");
    error
}

async fn wait(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// The promotions in a cluster's history: who, and in which epoch.
fn promotions(cluster: &Cluster) -> Vec<(String, u32)> {
    cluster.engine.meta.read(|s| {
        let promoted = s.history.iter().filter(|h| h.kind == "promote");
        let row = |h: &meta::HistoryRow| {
            assert!(h.cut.is_some(), "{h:?}");
            (h.who.clone().unwrap_or_default(), h.epoch.map_or(0, |e| e.number))
        };
        promoted.map(row).collect()
    })
}

#[test]
fn without_loss_everything_is_there_and_the_former_primary_follows() {
    run(1, |world| async move {
        let (east, west, table) = followed(&world).await;
        for v in 0..20 {
            set(&east.bank(), &table, &[v, (v + 7) % 20], v).await.expect("commits");
        }
        let before = east.balances().await;
        let done = fail_over(&west, None, false).await.expect("lossless");
        assert!(done.lossless && !done.already && done.followed, "{done:?}");
        assert_eq!(west.role(), DatabaseState::Primary);
        assert_eq!(west.balances().await, before);
        east.caught_up(&west).await;
        assert_eq!(east.balances().await, before);
        assert!(west.kept().is_empty() && east.kept().is_empty());
        assert_eq!(promotions(&west), [("ann".into(), 2)]);
        let again = fail_over(&west, None, false).await.expect("says so");
        assert!(again.already && again.epoch == done.epoch && again.cut == done.cut);
        assert_eq!(promotions(&west).len(), 1);
        refused(fail_over(&west, Some(Timestamp::from_ms(1)), true).await);
    });
}

#[test]
fn without_loss_is_refused_if_the_source_cannot_be_reached_and_changes_nothing() {
    run(2, |world| async move {
        let (east, west, table) = followed(&world).await;
        east.network.leave("east:5432");
        let error = refused(fail_over(&west, None, false).await);
        assert!(error.hint.as_ref().is_some_and(|h| h.contains("WITH DATA LOSS")));
        assert!(error.detail.as_ref().is_some_and(|d| d.contains("Nothing has happened")));
        refused(fail_over(&west, Some(west.bank().replicated_time()), false).await);
        assert_eq!(west.role(), DatabaseState::Standby);
        set(&east.bank(), &table, &[1], 1).await.expect("the primary goes on");
        east.network.listen("east:5432", east.links.replication());
        west.caught_up(&east).await;
        assert_eq!(west.balances().await, east.balances().await);
        assert!(promotions(&west).is_empty());
        // The primary itself has nobody to fail over from.
        refused(fail_over(&east, None, true).await);
    });
}

#[test]
fn loss_is_told_before_as_last_known_and_kept_when_the_old_primary_returns() {
    run(3, |world| async move {
        let (east, west, table) = followed(&world).await;
        let idle = west.links.loss(BANK, None).await.expect("a standby");
        assert_eq!((idle.records, idle.transactions, idle.set_aside), (0, 0, 0), "{idle:?}");
        assert!(idle.connected && idle.known_ms_ago.is_some_and(|ms| ms < 3_000), "{idle:?}");
        // What west hears of is counted; what it does not hear of any more is not, but its age is.
        west.links.pause(BANK, "test").await.expect("links");
        for v in 0..10 {
            set(&east.bank(), &table, &[v, v + 1], 100 + v).await.expect("commits");
        }
        east.network.leave("east:5432");
        wait(5_000).await;
        let loss = west.links.loss(BANK, None).await.expect("a standby");
        assert!(!loss.connected && loss.known_ms_ago.is_some_and(|ms| ms >= 5_000), "{loss:?}");
        assert!(loss.ms >= 5_000 && loss.text().contains("ago"), "{}", loss.text());
        assert!(!loss.is_none());
        let done = fail_over(&west, None, true).await.expect("promotes");
        assert!(!done.lossless && done.cut == loss.cut, "{done:?} {loss:?}");
        set(&west.bank(), &table, &[15], 1_500).await.expect("writable");
        east.crash();
        let east = east.restart().await;
        east.come_back("west").await;
        east.caught_up(&west).await;
        assert_eq!(east.balances().await, west.balances().await);
        assert_eq!(east.kept(), west.kept());
        assert_eq!(east.links.diverged(BANK).expect("readable").len(), 10);
    });
}

#[test]
fn nothing_heard_since_the_start_is_said_so() {
    run(4, |world| async move {
        let (east, west, _) = followed(&world).await;
        east.network.leave("east:5432");
        west.crash();
        let west = west.restart().await;
        let loss = west.links.loss(BANK, None).await.expect("a standby");
        assert_eq!(loss.known_ms_ago, None);
        assert!(loss.text().contains("not known"), "{}", loss.text());
    });
}

/// Two rounds of changes, and the moment between them.
async fn two_rounds(east: &Cluster, west: &Cluster, table: &TableDescriptor) -> Timestamp {
    for v in 0..10 {
        set(&east.bank(), table, &[v, v + 5], 100 + v).await.expect("commits");
    }
    wait(2_000).await;
    let at = east.engine.oracle.now();
    wait(2_000).await;
    for v in 0..10 {
        set(&east.bank(), table, &[v, v + 6], 200 + v).await.expect("commits");
    }
    west.caught_up(east).await;
    at
}

#[test]
fn older_time_gives_up_what_came_later_and_keeps_it_in_both_vaults() {
    for seed in seeds(10) {
        run(seed, |world| async move {
            let (east, west, table) = followed(&world).await;
            let before = {
                let at = two_rounds(&east, &west, &table).await;
                let loss = west.links.loss(BANK, Some(at)).await.expect("held");
                assert_eq!((loss.set_aside, loss.set_aside_rows), (10, 20), "{loss:?}");
                assert!(loss.set_aside_since.is_some_and(|since| since > at));
                east.network.leave("east:5432");
                let done = fail_over(&west, Some(at), true).await.expect("promotes");
                assert_eq!((done.cut, done.set_aside), (at, 10));
                west.balances().await
            };
            assert_eq!((before[&0], before[&9], before[&19]), (100, 109, 100));
            assert_eq!(west.kept().values().sum::<usize>(), 20);
            set(&west.bank(), &table, &[19], 1_900).await.expect("writable");
            if seed % 2 == 0 {
                west.crash();
            }
            let west = if seed % 2 == 0 { west.restart().await } else { west };
            let now = west.balances().await;
            assert_eq!((now[&0], now[&9], now[&19]), (100, 109, 1_900));
            east.crash();
            let east = east.restart().await;
            east.come_back("west").await;
            east.caught_up(&west).await;
            assert_eq!(east.balances().await, west.balances().await, "seed {seed}");
            assert_eq!(east.kept(), west.kept(), "seed {seed}");
            assert_eq!(west.links.diverged(BANK).expect("readable").len(), 10);
        });
    }
}

#[test]
fn older_time_than_the_chunks_is_refused_and_the_standby_goes_on() {
    run(6, |world| async move {
        let (east, west, table) = followed(&world).await;
        let at = two_rounds(&east, &west, &table).await;
        west.engine.spill_above(&west.bank(), 0).await.expect("spills");
        let error = refused(fail_over(&west, Some(at), true).await);
        assert!(error.detail.as_ref().is_some_and(|d| d.contains("Nothing has happened")));
        refused(fail_over(&west, Some(Timestamp(u64::MAX >> 1)), true).await);
        set(&east.bank(), &table, &[1], 77).await.expect("commits");
        west.caught_up(&east).await;
        assert_eq!(west.balances().await[&1], 77);
    });
}

/// The old primary has chunks that are newer than the cut: it cannot go back, and is copied anew;
/// what the other side never saw is kept all the same.
#[test]
fn older_time_than_the_old_primary_can_go_back_to_loses_nothing() {
    run(7, |world| async move {
        let (east, west, table) = followed(&world).await;
        let at = two_rounds(&east, &west, &table).await;
        wait(5_000).await;
        east.engine.spill_above(&east.bank(), 0).await.expect("spills");
        east.network.leave("east:5432");
        wait(5_000).await;
        set(&east.bank(), &table, &[3, 4], 999).await.expect("commits");
        fail_over(&west, Some(at), true).await.expect("promotes");
        east.crash();
        let east = east.restart().await;
        east.come_back("west").await;
        east.caught_up(&west).await;
        assert_eq!(east.balances().await, west.balances().await);
        let kept: Vec<_> = west.links.diverged(BANK).expect("readable");
        assert_eq!(kept.len(), 11, "ten that west gave up and one that it never saw");
    });
}

#[test]
fn power_loss_at_any_moment_of_a_promotion_at_an_older_time() {
    for changes in 0..40 {
        run(changes, |world| async move {
            let (east, west, table) = followed(&world).await;
            let at = two_rounds(&east, &west, &table).await;
            let newest = east.balances().await;
            east.network.leave("east:5432");
            west.node.crash_after(changes);
            let done = tokio::select! {
                done = fail_over(&west, Some(at), true) => done.is_ok(),
                () = tokio::time::sleep(Duration::from_secs(30)) => false,
            };
            west.crash();
            let west = west.restart().await;
            let promoted = west.role() == DatabaseState::Primary;
            assert!(promoted || !done, "it was told to have happened");
            let have = west.balances().await;
            if promoted {
                assert_eq!((have[&0], have[&9]), (100, 109), "after {changes} changes");
                assert_eq!(west.kept().values().sum::<usize>(), 20);
            } else {
                assert_eq!(have, newest, "after {changes} changes");
            }
        });
    }
}

/// A reader above the cut sees nothing of what is left.
#[test]
fn readers_above_the_cut_are_sent_away() {
    run(8, |world| async move {
        let (east, west, table) = followed(&world).await;
        let at = two_rounds(&east, &west, &table).await;
        let reader = begin(&west.bank()).await;
        fail_over(&west, Some(at), true).await.expect("promotes");
        let key = format::key::encode(table.storage, &[&base::Value::Int(1)]);
        for partition in 0..PARTITIONS {
            let read = reader.view().expect("begun").get(partition, vec![key.clone()]).await;
            assert_eq!(read.expect_err("gone").state, SqlState::CANNOT_CONNECT_NOW);
        }
        let _ = east;
    });
}

/// Whoever typed the statement goes away at any moment: it has happened or it has not.
#[test]
fn operator_who_goes_away_leaves_nothing_half_done() {
    for ms in 0..12 {
        run(ms, |world| async move {
            let (east, west, table) = followed(&world).await;
            let lossy = ms % 2 == 0;
            let stop = async {
                match lossy {
                    true => fail_over(&west, None, true).await.map(drop),
                    false => west.links.stop(BANK, "test").await.map(drop),
                }
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep(Duration::from_millis(ms / 2)) => {}
                _ = stop => {}
            }
            wait(20_000).await;
            match west.role() {
                DatabaseState::Primary => {
                    set(&west.bank(), &table, &[1], 5).await.expect("writable");
                    assert!(fail_over(&west, None, false).await.expect("says so").already);
                }
                _ => west.caught_up(&east).await,
            }
        });
    }
}

/// A primary that was only cut off closes itself as soon as the one that took over reaches it, and
/// also says so; what it took meanwhile is kept when it comes back.
#[test]
fn cut_off_primary_is_fenced_as_soon_as_it_can_be_reached() {
    fenced(9, false);
}

/// Also if the one that took over has been restarted meanwhile.
#[test]
fn cut_off_primary_is_fenced_by_a_primary_that_was_restarted() {
    fenced(10, true);
}

fn fenced(seed: u64, restart: bool) {
    run(seed, move |world| async move {
        let (east, west, table) = followed(&world).await;
        east.network.leave("east:5432");
        fail_over(&west, None, true).await.expect("promotes");
        wait(30_000).await;
        set(&east.bank(), &table, &[1], 111).await.expect("it knows of nothing");
        let west = if restart {
            west.crash();
            west.restart().await
        } else {
            west
        };
        set(&west.bank(), &table, &[2], 222).await.expect("writable");
        east.network.listen("east:5432", east.links.replication());
        wait(6_000).await;
        let refused = set(&east.bank(), &table, &[1], 112).await.expect_err("fenced");
        assert_eq!(refused.state, SqlState::READ_ONLY_SQL_TRANSACTION);
        assert!(refused.message.contains("another cluster was promoted"), "{refused:?}");
        let gate = east.engine.record(BANK).expect("there").gate.expect("durable");
        assert_eq!(gate.owner, "replication");
        let heard = west.engine.meta.read(|s| s.history.iter().any(|h| h.kind == "fence"));
        assert!(heard);
        east.come_back("west").await;
        east.caught_up(&west).await;
        assert_eq!(east.balances().await, west.balances().await);
        assert_eq!(west.links.diverged(BANK).expect("readable").len(), 1);
    });
}
