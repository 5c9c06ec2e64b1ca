//! Appending, waiting, reading, superseding, opening again.

use super::*;
use base::{Outcome, SqlState};
use env::sim;
use std::time::Duration;

#[test]
fn what_is_appended_can_be_read_now_and_after_opening_again() {
    sim::run(1, |world| async move {
        let node = world.node();
        let log = open(&node).unwrap();
        log.retain(&[A, B]);
        assert_eq!((log.first(A), log.end(A), log.durable(A)), (Lsn(1), Lsn(0), Lsn(0)));
        for lsn in 1..=200 {
            fill(&log, A, lsn..=lsn, 1, lsn as usize * 3).await;
            fill(&log, B, lsn + 50..=lsn + 50, 1, 10).await;
        }
        assert!(log.size().segments > 5, "several segments are in use");
        let check = |log: &Log| {
            assert_eq!(content(log, A), (1..=200).map(|l| (l, 1)).collect::<Vec<_>>());
            assert_eq!(content(log, B), (51..=250).map(|l| (l, 1)).collect::<Vec<_>>());
            assert_eq!((log.end(B), log.durable(B)), (Lsn(250), Lsn(250)));
            assert_eq!(log.history(B).0, [(epoch(1), Lsn(51))]);
            assert_eq!(log.read(A, Lsn(7), 1).unwrap().len(), 1, "always at least one");
            assert!(log.read(A, Lsn(201), 9999).unwrap().is_empty());
            let trimmed = log.read(B, Lsn(50), 1).unwrap_err();
            assert_eq!(trimmed.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
        };
        check(&log);
        log.shutdown().await;
        assert_eq!(log.append(A, vec![frame(A, 201, 1, 5)]).unwrap_err().state.0, "57P01");
        node.crash();
        node.restart();
        check(&open(&node).unwrap());
    });
}

#[test]
fn many_committers_share_one_sync() {
    sim::run(2, |world| async move {
        let node = world.node();
        let env = node.env();
        let large = LogSettings { write_bytes: 1 << 20, ..settings(&node) };
        let log = Log::open(env.clone(), DIR.into(), large).unwrap();
        log.retain(&[A]);
        env.sleep(Duration::from_secs(1)).await;
        let before = node.disk_changes();
        let mut tasks = Vec::new();
        for lsn in 1..=100 {
            let log = log.clone();
            tasks.push(env.tasks.spawn(
                "committer",
                Box::pin(async move {
                    log.append(A, vec![frame(A, lsn, 1, 20)]).unwrap();
                    log.wait_durable(A, Lsn(lsn)).await.unwrap();
                }),
            ));
        }
        for task in &mut tasks {
            task.join().await;
        }
        assert_eq!(log.durable(A), Lsn(100));
        let changes = node.disk_changes() - before;
        assert!(changes <= 4, "{changes} disk changes for 100 commits");
    });
}

#[test]
fn a_large_append_is_written_and_made_safe_in_pieces() {
    sim::run(2, |world| async move {
        let node = world.node();
        let log = open(&node).unwrap();
        log.retain(&[A]);
        let room = log.admit(10_000).await.unwrap();
        let before = node.disk_changes();
        log.append(A, (1..=10).map(|lsn| frame(A, lsn, 1, 1000)).collect()).unwrap();
        drop(room);
        log.wait_durable(A, Lsn(10)).await.unwrap();
        let changes = node.disk_changes() - before;
        // Two frames fill a write; each is written, then synced.
        assert!(changes >= 2 * 5, "{changes} disk changes");
        node.crash();
        node.restart();
        assert_eq!(content(&open(&node).unwrap(), A).len(), 10);
    });
}

#[test]
fn a_higher_epoch_supersedes_and_that_survives() {
    sim::run(3, |world| async move {
        let node = world.node();
        let log = open(&node).unwrap();
        fill(&log, A, 1..=30, 1, 100).await;
        fill(&log, B, 1..=3, 1, 100).await;
        log.truncate_after(A, Lsn(20)).unwrap();
        assert_eq!((log.end(A), log.durable(A)), (Lsn(20), Lsn(20)));
        let stale = log.append(A, vec![frame(A, 21, 1, 100)]).unwrap_err();
        assert_eq!(stale.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
        fill(&log, A, 21..=22, 2, 100).await;
        fill(&log, A, 5..=6, 3, 100).await;
        let expected: Vec<_> = (1..=4).map(|l| (l, 1)).chain([(5, 3), (6, 3)]).collect();
        assert_eq!(content(&log, A), expected);
        drop(log);
        node.crash();
        node.restart();
        let log = open(&node).unwrap();
        assert_eq!(content(&log, A), expected);
        assert_eq!(log.history(A).0, [(epoch(1), Lsn(1)), (epoch(3), Lsn(5))]);
        assert_eq!(content(&log, B), [(1, 1), (2, 1), (3, 1)]);
        fill(&log, A, 7..=7, 3, 100).await;
    });
}

#[test]
fn waiters_learn_of_frames_rewinds_drops_and_failures() {
    sim::run(4, |world| async move {
        let node = world.node();
        let (env, log) = (node.env(), open(&node).unwrap());
        log.retain(&[A, B]);
        let (waiting, mut seen) = (log.clone(), tokio::sync::mpsc::unbounded_channel());
        let tell = seen.0.clone();
        env.tasks.spawn(
            "shipper",
            Box::pin(async move {
                let mut from = Lsn(0);
                while waiting.wait_appended(A, from).await.is_ok() {
                    from = waiting.durable(A);
                    let _ = tell.send(from.0);
                }
                let _ = tell.send(999);
            }),
        );
        fill(&log, A, 1..=2, 1, 10).await;
        assert_eq!((seen.1.recv().await, seen.1.recv().await), (Some(1), Some(2)));
        log.drop_log(A);
        assert_eq!(seen.1.recv().await, Some(999));
        let never = log.wait_durable(B, Lsn(5)).await.unwrap_err();
        assert_eq!(never.state, SqlState::INTERNAL_ERROR);
        log.append(B, vec![frame(B, 1, 1, 10), frame(B, 2, 1, 10)]).unwrap();
        let (first, second) = (log.clone(), log.clone());
        let first = async move { first.wait_durable(B, Lsn(1)).await };
        let second = async move { second.wait_durable(B, Lsn(2)).await };
        let cut = async { log.truncate_after(B, Lsn(1)) };
        let (first, second, cut) = tokio::join!(biased; first, second, cut);
        assert!(first.is_ok() && cut.is_ok());
        assert_eq!(second.unwrap_err().outcome, Outcome::Unknown);
        node.fail_syncs(true);
        log.append(B, vec![frame(B, 2, 2, 10)]).unwrap();
        let failed = log.wait_durable(B, Lsn(2)).await.unwrap_err();
        assert_eq!((failed.state, failed.outcome), (SqlState::IO_ERROR, Outcome::Unknown));
        assert!(failed.message.contains("0000000001.seg"), "{failed}");
        assert!(!node.is_alive(), "the hook has crashed the node");
        let refused = log.append(B, vec![frame(B, 3, 2, 10)]).unwrap_err();
        assert_eq!(refused.outcome, Outcome::NotApplied);
    });
}

#[test]
fn unknown_logs_and_gaps_are_refused() {
    sim::run(5, |world| async move {
        let log = open(&world.node()).unwrap();
        assert!(log.append(A, vec![frame(A, 1, 1, 1)]).is_err(), "not registered");
        log.register(A);
        fill(&log, A, 10..=11, 1, 10).await;
        assert!(log.append(A, vec![frame(A, 13, 1, 1)]).is_err(), "a gap");
        assert!(log.append(A, vec![frame(A, 12, 1, 1), frame(A, 14, 1, 1)]).is_err());
        assert_eq!(log.end(A), Lsn(11), "all or none");
        log.start_at(B, Lsn(70));
        assert_eq!((log.first(B), log.end(B), log.durable(B)), (Lsn(70), Lsn(69), Lsn(69)));
        assert!(log.append(B, vec![frame(B, 71, 1, 1)]).is_err(), "a gap");
        fill(&log, B, 70..=70, 1, 10).await;
    });
}

#[test]
fn threads_and_a_real_disk_do_the_same() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let small = LogSettings { segment_bytes: 64 << 10, ..LogSettings::default() };
    runtime.block_on(async {
        let env = env::real::env();
        let log = Log::open(env.clone(), dir.path().join("log"), small.clone()).unwrap();
        let mut tasks = Vec::new();
        for id in (1..=16).map(LogId) {
            let log = log.clone();
            let work = async move { fill(&log, id, 1..=40, 1, 300).await };
            tasks.push(env.tasks.spawn("committer", Box::pin(work)));
        }
        for task in &mut tasks {
            task.join().await;
        }
        log.shutdown().await;
        drop(log);
        let log = Log::open(env, dir.path().join("log"), small).unwrap();
        for id in (1..=16).map(LogId) {
            assert_eq!(content(&log, id), (1..=40).map(|l| (l, 1)).collect::<Vec<_>>());
        }
        assert!(log.size().segments > 3);
        log.shutdown().await;
    });
}
