//! Room: full disks, large records, back-pressure, trimming.

use super::*;
use base::{Outcome, SqlState};
use env::sim;
use std::time::Duration;

/// Appends until refused; returns the last position accepted and the refusal.
async fn until_full(log: &Log, mut lsn: u64) -> (u64, base::Error) {
    loop {
        match log.admit(500).await {
            Ok(_room) => log.append(A, vec![frame(A, lsn + 1, 1, 500)]).unwrap(),
            Err(e) => return (lsn, e),
        };
        lsn += 1;
    }
}

#[test]
fn a_full_disk_refuses_loses_nothing_and_recovers() {
    sim::run(1, |world| async move {
        let node = world.node();
        node.set_capacity(Some(100_000));
        let (env, log) = (node.env(), open(&node).unwrap());
        log.retain(&[A]);
        let (end, full) = until_full(&log, 0).await;
        assert_eq!((full.state, full.outcome), (SqlState::DISK_FULL, Outcome::NotApplied));
        assert!(full.detail.is_some() && full.hint.is_some());
        assert!(end > 100 && log.is_full());
        log.wait_durable(A, Lsn(end)).await.unwrap();
        assert_eq!(content(&log, A).len() as u64, end, "reads go on");
        // The reserve is there for small records that were not admitted.
        log.append(A, vec![frame(A, end + 1, 1, 50)]).unwrap();
        let mut last = end + 1;
        while log.append(A, vec![frame(A, last + 1, 1, 50)]).is_ok() {
            last += 1;
        }
        log.wait_durable(A, Lsn(last)).await.unwrap();
        let refused = log.append(A, vec![frame(A, last + 1, 1, 50)]).unwrap_err();
        assert_eq!(refused.state, SqlState::DISK_FULL);
        drop(log);
        node.crash();
        node.restart();
        let log = open(&node).unwrap();
        assert_eq!(content(&log, A).len() as u64, last);
        env.sleep(Duration::from_secs(3)).await;
        let (still, _) = until_full(&log, last).await;
        assert_eq!(still, last);
        node.set_capacity(Some(200_000));
        env.sleep(Duration::from_secs(2)).await;
        assert!(!log.is_full());
        fill(&log, A, last + 1..=last + 20, 1, 500).await;
        let (end, _) = until_full(&log, last + 20).await;
        log.wait_durable(A, Lsn(end)).await.unwrap();
        // Trimming makes room as well, at once.
        log.trim(A, Lsn(end));
        log.recycle();
        env.sleep(Duration::from_millis(10)).await;
        assert!(!log.is_full());
        fill(&log, A, end + 1..=end + 20, 1, 500).await;
    });
}

#[test]
fn a_frame_larger_than_a_segment_gets_a_larger_one() {
    sim::run(1, |world| async move {
        let node = world.node();
        let log = open(&node).unwrap();
        fill(&log, A, 1..=5, 1, 500).await;
        fill(&log, A, 6..=6, 1, 100_000).await;
        fill(&log, A, 7..=50, 1, 500).await;
        fill(&log, A, 51..=52, 1, 300_000).await;
        fill(&log, A, 53..=60, 1, 5000).await;
        drop(log);
        node.crash();
        node.restart();
        let log = open(&node).unwrap();
        assert_eq!(content(&log, A), (1..=60).map(|l| (l, 1)).collect::<Vec<_>>());
        log.trim(A, Lsn(61));
        log.recycle();
        node.env().sleep(Duration::from_secs(1)).await;
        assert!(log.size().bytes <= 3 * 16384, "large segments go: {:?}", log.size());
        let unadmitted = log.append(A, vec![frame(A, 61, 1, 100_000)]).unwrap_err();
        assert_eq!(unadmitted.state, SqlState::DISK_FULL);
        node.set_capacity(Some(200_000));
        assert_eq!(log.admit(150_000).await.unwrap_err().state, SqlState::DISK_FULL);
        fill(&log, A, 61..=70, 1, 1000).await;
        assert_eq!(log.admit(2 << 30).await.unwrap_err().state.0, "54000");
    });
}

fn open_with(node: &SimNode, segment_kib: u64) -> Log {
    let settings = LogSettings { segment_bytes: segment_kib << 10, ..settings(node) };
    Log::open(node.env(), DIR.into(), settings).unwrap()
}

/// Appends frames of these sizes; every one is admitted in time.
async fn all_admitted(log: &Log, first: u64, sizes: impl Iterator<Item = usize>) {
    for (lsn, size) in (first..).zip(sizes) {
        let room = tokio::time::timeout(Duration::from_secs(60), log.admit(size)).await;
        let _room = room.unwrap_or_else(|_| panic!("{size} bytes wait for ever")).unwrap();
        log.append(A, vec![frame(A, lsn, 1, size)]).unwrap();
    }
}

/// A request that was a little too large for any rest of a segment got a segment of its own that was
/// smaller than a usual one, and the small ones after it found no room there.
#[test]
fn requests_of_any_size_after_each_other_find_room() {
    for seed in 1..=40 {
        sim::run(seed, |world| async move {
            let node = world.node();
            let log = open_with(&node, 256);
            log.retain(&[A]);
            let env = node.env();
            let sizes = std::iter::repeat_with(|| 10 + env.rng.next_u64() as usize % 100_000);
            all_admitted(&log, 1, sizes.take(100)).await;
        });
    }
}

#[test]
fn a_log_goes_on_with_segments_of_another_size() {
    sim::run(1, |world| async move {
        let node = world.node();
        for (round, kib) in [16, 256, 16, 64].into_iter().enumerate() {
            let log = open_with(&node, kib);
            log.retain(&[A]);
            let first = 50 * round as u64 + 1;
            all_admitted(&log, first, std::iter::repeat_n(500, 50)).await;
            log.wait_durable(A, Lsn(first + 49)).await.unwrap();
            drop(log);
            node.crash();
            node.restart();
        }
        assert_eq!(content(&open(&node).unwrap(), A).len(), 200);
    });
}

#[test]
fn admission_waits_for_the_queue_and_keeps_the_room_it_gave() {
    sim::run(1, |world| async move {
        let node = world.node();
        let mut slow = settings(&node);
        slow.gather = Duration::from_millis(10);
        let log = Log::open(node.env(), DIR.into(), slow).unwrap();
        log.retain(&[A]);
        let mut admissions = Vec::new();
        for _ in 0..30 {
            match tokio::time::timeout(Duration::from_secs(1), log.admit(400)).await {
                Ok(room) => admissions.push(room.unwrap()),
                Err(_waits) => break,
            }
        }
        assert!((5..25).contains(&admissions.len()), "{}", admissions.len());
        drop(admissions);
        let start = world.elapsed();
        for lsn in 1..=200 {
            let _room = log.admit(400).await.unwrap();
            log.append(A, vec![frame(A, lsn, 1, 400)]).unwrap();
        }
        let waited = world.elapsed() - start;
        assert!(waited >= Duration::from_millis(80), "the queue is bounded: {waited:?}");
    });
}

#[test]
fn trimming_frees_segments_when_no_log_needs_them() {
    sim::run(1, |world| async move {
        let node = world.node();
        let (env, log) = (node.env(), open(&node).unwrap());
        fill(&log, B, 1..=1, 1, 100).await;
        fill(&log, A, 1..=500, 1, 500).await;
        let full = log.size();
        log.trim(A, Lsn(490));
        log.recycle();
        env.sleep(Duration::from_millis(10)).await;
        assert_eq!(log.size(), full, "the other log still needs the first segment");
        assert_eq!((log.first(A), log.end(A)), (Lsn(490), Lsn(500)));
        log.drop_log(B);
        log.recycle();
        env.sleep(Duration::from_millis(10)).await;
        assert!(log.size().segments <= 4, "{:?}", log.size());
        assert_eq!(content(&log, A).len(), 11);
        drop(log);
        node.restart();
        let log = open(&node).unwrap();
        assert_eq!(log.end(A), Lsn(500));
        assert!(log.first(A) <= Lsn(490) && log.first(A) > Lsn(400));
        assert_eq!(log.end(B), Lsn(0));
    });
}
