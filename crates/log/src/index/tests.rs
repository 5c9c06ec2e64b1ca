use super::*;
use base::{ClusterId, NodeId};

fn epoch(number: u32) -> Epoch {
    Epoch { number, cluster: ClusterId(1), node: NodeId(1) }
}

fn stream(first: u64, epochs: &[u32]) -> Stream {
    let mut stream = Stream::default();
    for (i, number) in epochs.iter().enumerate() {
        let lsn = Lsn(first + i as u64);
        stream.check(lsn, epoch(*number)).unwrap();
        stream.push(lsn, epoch(*number), place(i as u32));
        stream.durable = lsn;
    }
    stream
}

fn place(offset: u32) -> Place {
    Place { segment: 1, offset, length: 1 }
}

#[test]
fn positions_are_dense_and_epochs_never_go_back() {
    let stream = stream(10, &[1, 1, 2]);
    assert_eq!((stream.first(), stream.end()), (Lsn(10), Lsn(12)));
    stream.check(Lsn(13), epoch(2)).unwrap();
    assert!(stream.check(Lsn(13), epoch(1)).is_err(), "an old writer");
    assert!(stream.check(Lsn(14), epoch(2)).is_err(), "a gap");
    assert!(stream.check(Lsn(12), epoch(2)).is_err(), "taken by the same epoch");
    stream.check(Lsn(12), epoch(3)).unwrap();
    assert!(Stream::default().check(Lsn::ZERO, epoch(1)).is_err());
}

#[test]
fn a_later_epoch_supersedes() {
    let mut stream = stream(1, &[1, 1, 2, 2]);
    stream.push(Lsn(3), epoch(3), place(99));
    assert_eq!((stream.end(), stream.durable, stream.cuts()), (Lsn(3), Lsn(2), 1));
    assert_eq!(stream.history().0, [(epoch(1), Lsn(1)), (epoch(3), Lsn(3))]);
    assert_eq!(stream.place(Lsn(3)), Some(place(99)));
    assert_eq!(stream.place(Lsn(4)), None);
}

#[test]
fn after_a_cut_only_a_later_epoch_may_follow() {
    let mut stream = stream(1, &[1, 1, 2, 2]);
    stream.cut(Lsn(2));
    assert_eq!(stream.history().0, [(epoch(1), Lsn(1))]);
    assert!(stream.check(Lsn(3), epoch(1)).is_err());
    assert!(stream.check(Lsn(3), epoch(2)).is_err(), "on disk the old ones are still there");
    stream.check(Lsn(3), epoch(3)).unwrap();
    stream.cut(Lsn(1));
    assert!(stream.check(Lsn(2), epoch(2)).is_err(), "a second cut does not forget the first");
    stream.push(Lsn(2), epoch(3), place(7));
    stream.check(Lsn(3), epoch(3)).unwrap();
}

#[test]
fn bytes_are_counted_between_positions_that_are_still_there() {
    let mut stream = stream(10, &[1, 1, 1, 1]);
    assert_eq!(stream.bytes_between(Lsn(11), Lsn(13)), 2, "11 and 12");
    assert_eq!(stream.bytes_between(Lsn::ZERO, Lsn(99)), 4);
    assert_eq!(stream.bytes_between(Lsn(13), Lsn(11)), 0);
    stream.trim(Lsn(12));
    assert_eq!(stream.bytes_between(Lsn(10), Lsn(13)), 1);
    assert_eq!(Stream::default().bytes_between(Lsn(1), Lsn(5)), 0);
}

#[test]
fn trimming_keeps_the_end_and_the_covering_epoch() {
    let mut stream = stream(5, &[1, 1, 2, 2]);
    stream.durable = Lsn(7);
    stream.trim(Lsn(6));
    assert_eq!((stream.first(), stream.end()), (Lsn(6), Lsn(8)));
    assert_eq!(stream.history().0, [(epoch(1), Lsn(6)), (epoch(2), Lsn(7))]);
    assert_eq!(stream.place(Lsn(5)), None);
    stream.trim(Lsn(100));
    assert_eq!((stream.first(), stream.end()), (Lsn(8), Lsn(8)), "the last one is not safe yet");
    stream.durable = Lsn(8);
    stream.trim(Lsn(100));
    assert_eq!((stream.first(), stream.end(), stream.oldest_segment()), (Lsn(9), Lsn(8), None));
    stream.check(Lsn(9), epoch(2)).unwrap();
    assert!(stream.check(Lsn(10), epoch(2)).is_err());
    stream.push(Lsn(9), epoch(2), place(1));
    assert_eq!(stream.place(Lsn(9)), Some(place(1)));
}

#[test]
fn superseding_below_the_first_frame_starts_over() {
    let mut stream = stream(5, &[1, 1]);
    stream.push(Lsn(3), epoch(2), place(1));
    assert_eq!((stream.first(), stream.end()), (Lsn(3), Lsn(3)));
    assert_eq!(stream.history().0, [(epoch(2), Lsn(3))]);
}

#[test]
fn the_end_of_a_write_begun_before_a_cut_counts_only_up_to_the_cut() {
    let mut stream = stream(1, &[1, 1]);
    for lsn in 3..=6 {
        stream.push(Lsn(lsn), epoch(1), place(lsn as u32));
    }
    stream.cut(Lsn(4));
    stream.push(Lsn(5), epoch(2), place(9));
    stream.synced(Lsn(6), 0);
    assert_eq!(stream.durable, Lsn(4));
    stream.synced(Lsn(5), 1);
    assert_eq!(stream.durable, Lsn(5));
}
