use super::*;

/// Versions of one key, newest first; `true` is a deletion. Which of them stay?
fn kept(horizon: u64, bottom: bool, versions: &[(u64, bool)]) -> Vec<u64> {
    let mut retain = Retain::new(Timestamp(horizon), bottom);
    assert!(retain.keeps(b"another key", Timestamp(3), false));
    let stay = versions.iter().filter(|(ts, del)| retain.keeps(b"key", Timestamp(*ts), *del));
    stay.map(|v| v.0).collect()
}

#[test]
fn the_newest_below_the_horizon_and_all_above_it_stay() {
    let versions = [(9, false), (7, true), (5, false), (3, false)];
    assert_eq!(kept(9, false, &versions), [9]);
    assert_eq!(kept(6, false, &versions), [9, 7, 5]);
    assert_eq!(kept(5, false, &versions), [9, 7, 5]);
    assert_eq!(kept(0, false, &versions), [9, 7, 5, 3]);
}

#[test]
fn a_deletion_goes_when_nothing_lies_below_it() {
    let versions = [(9, false), (7, true), (5, false)];
    assert_eq!(kept(8, false, &versions), [9, 7], "it hides what lies below");
    assert_eq!(kept(8, true, &versions), [9]);
    assert_eq!(kept(6, true, &versions), [9, 7, 5], "somebody may read at 6");
    assert_eq!(kept(9, true, &[(7, true)]), [0; 0]);
}
