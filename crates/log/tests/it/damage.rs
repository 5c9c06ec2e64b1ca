//! Torn tails are cut, damage is named, old lives of files stay dead.

use super::*;
use base::SqlState;
use env::sim;
use format::frame::stored_len;

const SIZE: usize = 108;

/// Offset of the n-th frame (from 0) of a first segment with frames of [`SIZE`] only.
fn offset(n: usize) -> usize {
    64 + n * stored_len(SIZE)
}

/// A killed node whose log has three frames, each a write of its own.
async fn three_frames(world: &sim::World) -> SimNode {
    let node = world.node();
    fill(&open(&node).unwrap(), A, 1..=3, 1, SIZE).await;
    node.restart();
    node
}

fn reopened(node: &SimNode) -> base::Result<Log> {
    node.restart();
    open(node)
}

#[track_caller]
fn assert_corrupt(log: base::Result<Log>, file: u64, at: usize) {
    let error = log.map(|_| ()).unwrap_err();
    assert_eq!(error.state, SqlState::DATA_CORRUPTED, "{error}");
    let (path, at) = (segment(file).display().to_string(), format!("offset {at}:"));
    assert!(error.message.contains(&path) && error.message.contains(&at), "{error}");
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_written_anew() {
    for junk in [0, 0xa5] {
        for cut in 0..stored_len(SIZE) {
            sim::run(1, |world| async move {
                let node = three_frames(&world).await;
                edit(&node.env(), &segment(1), |b| b[offset(2) + cut..offset(3)].fill(junk));
                let log = reopened(&node).unwrap();
                // Torn inside of the padding, the frame is whole.
                let whole = if cut >= 34 + SIZE { 3 } else { 2 };
                assert_eq!(log.end(A), Lsn(whole), "torn at {cut} with {junk}");
                fill(&log, A, whole + 1..=5, 1, SIZE - 10).await;
                let log = reopened(&node).unwrap();
                assert_eq!(content(&log, A), (1..=5).map(|l| (l, 1)).collect::<Vec<_>>());
            });
        }
    }
}

#[test]
fn damage_before_the_last_write_is_an_error_that_names_the_place() {
    for (n, within) in [(0, 0), (0, 5), (0, 9), (0, 33), (1, 40), (1, 34 + SIZE - 1)] {
        sim::run(1, |world| async move {
            let node = three_frames(&world).await;
            edit(&node.env(), &segment(1), |b| b[offset(n) + within] ^= 0x10);
            assert_corrupt(reopened(&node), 1, offset(n));
        });
    }
}

#[test]
fn after_a_clean_end_damage_of_the_last_write_is_seen_too() {
    sim::run(1, |world| async move {
        let node = world.node();
        let log = open(&node).unwrap();
        fill(&log, A, 1..=3, 1, SIZE).await;
        log.shutdown().await;
        edit(&node.env(), &segment(1), |b| b[offset(2) + 50] ^= 1);
        assert_corrupt(reopened(&node), 1, offset(2));
    });
}

#[test]
fn damage_in_earlier_segments_is_an_error() {
    sim::run(1, |world| async move {
        let node = world.node();
        fill(&open(&node).unwrap(), A, 1..=300, 1, SIZE).await;
        let env = node.restart();
        let per_segment = (16384 - 64) / stored_len(SIZE);
        let saved = env.disk.read(&segment(2)).unwrap();
        edit(&env, &segment(2), |b| b[offset(per_segment - 1) + 60] ^= 1);
        assert_corrupt(reopened(&node), 2, offset(per_segment - 1));
        // The end mark belongs to the last write of the segment; without it the segment is open.
        let env = node.restart();
        env.disk.replace(&segment(2), &saved).unwrap();
        edit(&env, &segment(2), |b| b[offset(per_segment)] ^= 1);
        assert_corrupt(reopened(&node), 2, offset(per_segment));
        node.env().disk.replace(&segment(2), &saved[..8192]).unwrap();
        assert_corrupt(reopened(&node), 2, 0);
        let mut header = saved.clone();
        header[20] ^= 1;
        node.env().disk.replace(&segment(2), &header).unwrap();
        assert_corrupt(reopened(&node), 2, 0);
        node.env().disk.remove(&segment(2)).unwrap();
        let missing = reopened(&node).map(|_| ()).unwrap_err();
        assert!(missing.message.contains("0000000002.seg is missing"), "{missing}");
        node.env().disk.replace(&segment(2), &saved).unwrap();
        assert_eq!(reopened(&node).unwrap().end(A), Lsn(300));
    });
}

#[test]
fn damage_met_while_reading_is_an_error_that_names_the_place() {
    sim::run(1, |world| async move {
        let node = world.node();
        let log = open(&node).unwrap();
        fill(&log, A, 1..=3, 1, SIZE).await;
        let file = node.env().disk.open(&segment(1)).unwrap();
        file.write_at(&[0xee; 3], offset(1) as u64 + 50).unwrap();
        assert_eq!(log.read(A, Lsn(1), 1).unwrap().len(), 1);
        let error = log.read(A, Lsn(1), 10_000).unwrap_err();
        assert_eq!(error.state, SqlState::DATA_CORRUPTED);
        assert!(error.message.contains("0000000001.seg is corrupt at offset"), "{error}");
        node.fail_reads(true);
        assert_eq!(log.read(A, Lsn(1), 1).unwrap_err().state, SqlState::IO_ERROR);
    });
}

#[test]
fn leftovers_of_an_unfinished_write_never_come_to_life() {
    sim::run(1, |world| async move {
        let node = world.node();
        let log = open(&node).unwrap();
        fill(&log, A, 1..=1, 1, SIZE).await;
        log.append(A, (2..=4).map(|lsn| frame(A, lsn, 1, SIZE)).collect()).unwrap();
        log.wait_durable(A, Lsn(4)).await.unwrap();
        let env = node.restart();
        // The page of frame 2 was lost, those of 3 and 4 were kept.
        edit(&env, &segment(1), |b| b[offset(1)..offset(2)].fill(0));
        let log = reopened(&node).unwrap();
        assert_eq!(log.end(A), Lsn(1));
        // A frame of the same size now precedes where 3 was.
        fill(&log, A, 2..=2, 1, SIZE).await;
        assert_eq!(content(&reopened(&node).unwrap(), A), [(1, 1), (2, 1)]);
    });
}

#[test]
fn a_recycled_segment_never_revives_its_frames() {
    sim::run(1, |world| async move {
        let node = world.node();
        let mut log = open(&node).unwrap();
        let mut lsn = 0;
        for round in 0..20 {
            fill(&log, A, lsn + 1..=lsn + 90, 1, SIZE).await;
            lsn += 90;
            log.trim(A, Lsn(lsn));
            log.recycle();
            node.env().sleep(std::time::Duration::from_millis(10)).await;
            assert!(log.size().segments <= 4, "{:?}", log.size());
            if round % 3 == 2 {
                drop(log);
                log = reopened(&node).unwrap();
                assert_eq!(log.end(A), Lsn(lsn));
                content(&log, A);
            }
        }
        let names = node.env().disk.list(Path::new(DIR)).unwrap();
        assert!(names[0].as_str() > "0000000010.seg", "segments move on: {names:?}");
    });
}

#[test]
fn a_newer_format_is_refused_with_a_hint() {
    sim::run(1, |world| async move {
        let node = three_frames(&world).await;
        edit(&node.env(), &segment(1), |b| {
            b[8] = 2;
            let crc = crc32c::crc32c(&b[..60]);
            b[60..64].copy_from_slice(&crc.to_le_bytes());
        });
        let error = reopened(&node).map(|_| ()).unwrap_err();
        assert!(error.message.contains("format version 2") && error.hint.is_some(), "{error}");
    });
}
