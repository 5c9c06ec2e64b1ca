use super::*;
use base::{ClusterId, Epoch};

const WRITER: Witness = Witness::Writer(ClusterId(1));

fn txn(id: u128, ts: u64, decided: bool, participants: &[u16]) -> DivergedTxn {
    DivergedTxn {
        txn: TxnId(id),
        epoch: Epoch::default(),
        lsn: Lsn(1),
        commit_ts: Timestamp(ts),
        origin: ClusterId(1),
        decided,
        participants: participants.to_vec(),
        ops: Vec::new(),
    }
}

fn told(found: Vec<(u16, DivergedTxn)>, witness: Witness) -> Vec<(u128, u16, u64, bool, bool)> {
    judge(found, witness)
        .iter()
        .map(|j| (j.txn.txn.0, j.partition, j.commit_ts.0, j.complete, j.decided))
        .collect()
}

#[test]
fn prepared_everywhere_is_committed_at_the_greatest_time() {
    let both = || vec![(0, txn(1, 5, false, &[0, 1])), (1, txn(1, 8, false, &[0, 1]))];
    let want = vec![(1, 0, 8, true, true), (1, 1, 8, true, true)];
    assert_eq!(told(both(), WRITER), want);
    assert_eq!(told(both(), Witness::Target), want);
}

#[test]
fn missing_prepare_means_aborted_to_the_writer_and_unknown_to_a_target() {
    let one = || vec![(0, txn(1, 5, false, &[0, 1]))];
    assert_eq!(told(one(), WRITER), []);
    assert_eq!(told(one(), Witness::Target), [(1, 0, 5, false, false)]);
}

#[test]
fn decision_of_one_part_counts_for_all() {
    let found = vec![(0, txn(1, 9, true, &[0, 1])), (1, txn(1, 5, false, &[0, 1]))];
    assert_eq!(told(found, WRITER), [(1, 0, 9, true, true), (1, 1, 9, true, true)]);
    let part = vec![(0, txn(1, 9, true, &[0, 1]))];
    assert_eq!(told(part, Witness::Target), [(1, 0, 9, false, true)]);
}

#[test]
fn transactions_of_one_partition_are_whole() {
    assert_eq!(told(vec![(2, txn(7, 3, true, &[]))], Witness::Target), [(7, 2, 3, true, true)]);
}

/// A standby that is given another source has what it received from the lost one in parts, too.
#[test]
fn who_comes_back_is_a_target_of_what_others_wrote() {
    let other = Witness::Writer(ClusterId(2));
    let undecided = vec![(0, txn(1, 5, false, &[0, 1]))];
    assert_eq!(told(undecided, other), [(1, 0, 5, false, false)]);
    let part = vec![(0, txn(1, 9, true, &[0, 1]))];
    assert_eq!(told(part, other), [(1, 0, 9, false, true)]);
}
