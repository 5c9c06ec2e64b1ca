use super::*;
use base::{ClusterId, NodeId, Timestamp};
use bytes::Bytes;
use env::sim::run;
use format::vault::DivergedRow;

fn epoch(number: u32) -> Epoch {
    Epoch { number, cluster: ClusterId(1), node: NodeId(1) }
}

fn part(txn: u128, partition: u16, complete: bool) -> DivergedPart {
    DivergedPart {
        txn: TxnId(txn),
        partition,
        epoch: epoch(1),
        lsn: Lsn(txn as u64 + 10),
        commit_ts: Timestamp(txn as u64),
        origin: ClusterId(1),
        complete,
        decided: complete,
        rows: vec![DivergedRow {
            table: format!("t{partition}"),
            key: "{\"id\":1}".into(),
            old: None,
            new: Some("{\"id\":1,\"v\":2}".into()),
            raw_key: Bytes::from_static(b"k"),
            raw_old: None,
            raw_new: Some(Bytes::from_static(b"r")),
        }],
        by_content: false,
    }
}

#[test]
fn saving_again_changes_nothing_and_complete_replaces_incomplete() {
    run(1, |world| async move {
        let node = world.node();
        let open = || Vault::open(node.env(), "db/1/vault".into()).unwrap();
        let vault = open();
        assert_eq!(vault.add(&[part(2, 0, false), part(1, 0, true)]).unwrap(), 2);
        assert_eq!(vault.add(&[part(2, 0, false), part(1, 0, true)]).unwrap(), 0);
        assert_eq!(vault.add(&[part(2, 0, true), part(2, 1, true), part(2, 1, true)]).unwrap(), 2);
        assert_eq!(vault.add(&[part(2, 0, false)]).unwrap(), 0);
        for vault in [vault, open()] {
            let all = vault.transactions().unwrap();
            assert_eq!(all.iter().map(|t| t.txn.0).collect::<Vec<_>>(), [1, 2]);
            assert!(all.iter().all(|t| t.complete && t.decided));
            assert_eq!(all[1].tables, ["t0", "t1"]);
            assert_eq!(vault.count(), 2);
        }
    });
}

#[test]
fn unconfirmed_parts_are_voided_once_their_writer_has_told_all() {
    run(1, |world| async move {
        let node = world.node();
        let vault = Vault::open(node.env(), "v".into()).unwrap();
        vault.add(&[part(1, 0, false), part(2, 0, true)]).unwrap();
        assert_eq!(vault.settle(&[epoch(9)]).unwrap(), 0);
        assert_eq!(vault.settle(&[epoch(1)]).unwrap(), 1);
        assert_eq!(vault.add(&[part(1, 0, false)]).unwrap(), 0);
        let vault = Vault::open(node.env(), "v".into()).unwrap();
        assert_eq!(vault.count(), 1);
        assert_eq!(vault.add(&[part(1, 0, true)]).unwrap(), 1, "better knowledge still counts");
    });
}

/// A standby that is given another source tells of parts that it received, perhaps after their writer.
#[test]
fn unconfirmed_parts_that_come_after_their_writer_has_told_all_are_nothing() {
    run(1, |world| async move {
        let node = world.node();
        let open = || Vault::open(node.env(), "v".into()).unwrap();
        let other = DivergedPart { epoch: epoch(2), ..part(4, 0, false) };
        let decided = DivergedPart { decided: true, ..part(5, 0, false) };
        assert_eq!(open().settle(&[epoch(1)]).unwrap(), 0);
        assert_eq!(open().add(&[part(3, 0, false), other, decided]).unwrap(), 2);
        assert_eq!(open().settle(&[epoch(1)]).unwrap(), 1, "not told by its writer either");
        let left: Vec<_> = open().transactions().unwrap().iter().map(|t| t.txn.0).collect();
        assert_eq!(left, [4], "of a writer that is still to come");
    });
}

#[test]
fn staged_parts_count_only_for_the_promotion_that_was_decided() {
    run(1, |world| async move {
        let node = world.node();
        let vault = Vault::open(node.env(), "v".into()).unwrap();
        vault.stage(epoch(2), &[part(1, 0, false)]).unwrap();
        vault.unstage(Some(epoch(3))).unwrap();
        assert_eq!(vault.count(), 0);
        vault.stage(epoch(2), &[part(1, 0, false)]).unwrap();
        node.crash();
        node.restart();
        let vault = Vault::open(node.env(), "v".into()).unwrap();
        vault.unstage(Some(epoch(2))).unwrap();
        vault.unstage(Some(epoch(2))).unwrap();
        assert_eq!(vault.count(), 1);
    });
}

#[test]
fn torn_tail_is_cut_and_damage_is_named() {
    run(1, |world| async move {
        let node = world.node();
        let path: PathBuf = "v/parts".into();
        let open = || Vault::open(node.env(), "v".into());
        open().unwrap().add(&[part(1, 0, true)]).unwrap();
        open().unwrap().add(&[part(2, 0, true)]).unwrap();
        let file = node.env().disk.open(&path).unwrap();
        file.set_len(file.len().unwrap() - 1).unwrap();
        assert_eq!(open().unwrap().count(), 1);
        open().unwrap().add(&[part(2, 0, true)]).unwrap();
        file.write_at(b"#", 30).unwrap();
        let e = open().unwrap_err();
        assert!(e.message.contains("v/parts: damaged record at offset 0"), "{e}");
    });
}

/// The first page of a write may be lost while the last one is kept.
#[test]
fn power_loss_in_a_long_write_costs_only_that_write() {
    for seed in 0..60 {
        run(seed, |world| async move {
            let node = world.node();
            let vault = Vault::open(node.env(), "v".into()).unwrap();
            vault.add(&[part(1000, 0, true)]).unwrap();
            node.crash_after(world.rng().below(3));
            let many: Vec<_> = (0..200).map(|n| part(n, 0, true)).collect();
            assert!(vault.add(&many).is_err() || !node.is_alive() || vault.count() == 201);
            node.crash();
            node.restart();
            let count = Vault::open(node.env(), "v".into()).unwrap().count();
            assert!((1..=201).contains(&count), "seed {seed}: {count}");
        });
    }
}

#[test]
fn saved_parts_survive_power_loss() {
    for seed in 0..20 {
        run(seed, |world| async move {
            let node = world.node();
            for n in 0..5 {
                let vault = Vault::open(node.env(), "db/1/vault".into()).unwrap();
                assert_eq!(vault.count(), n);
                vault.add(&[part(n as u128, 0, true)]).unwrap();
                node.crash();
                node.restart();
            }
        });
    }
}

const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];

/// What contents tell of some rows at a time: their new values, or that they are gone.
fn by_content(at: u64, rows: &[(&'static [u8], Option<&'static [u8]>)]) -> DivergedPart {
    let model = part(u128::from(at), 0, true);
    let row = |(key, new): &(&'static [u8], Option<&'static [u8]>)| DivergedRow {
        raw_key: Bytes::from_static(key),
        raw_new: new.map(Bytes::from_static),
        ..model.rows[0].clone()
    };
    let rows = rows.iter().map(row).collect();
    DivergedPart { by_content: true, lsn: Lsn::ZERO, rows, ..model }
}

/// The same as a log tells it.
fn by_log(at: u64, rows: &[(&'static [u8], Option<&'static [u8]>)]) -> DivergedPart {
    let txn = TxnId(u128::from(at) | 7 << 64);
    DivergedPart { txn, lsn: Lsn(5), by_content: false, ..by_content(at, rows) }
}

/// Each row in a vault: when, its key, and whether contents told it.
fn kept(vault: &Vault) -> Vec<(u64, Bytes, bool)> {
    let parts = vault.transactions().unwrap().into_iter().flat_map(|t| t.parts);
    let rows = parts.flat_map(|p| {
        let (at, by_content) = (p.commit_ts.0, p.by_content);
        p.rows.into_iter().map(move |r| (at, r.raw_key, by_content))
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

#[test]
fn what_a_log_tells_is_not_kept_by_content_too_whichever_comes_first() {
    let new: Option<&[u8]> = Some(b"r");
    let [a, b, c] = KEYS;
    let log = [by_log(50, &[(a, new), (b, new)]), by_log(70, &[(c, None)])];
    // Of what is gone only the earliest time is known; `b` was changed once more.
    let contents = [
        by_content(50, &[(a, new)]),
        by_content(60, &[(b, new), (c, new)]),
        by_content(41, &[(c, None)]),
    ];
    let want: Vec<(u64, Bytes, bool)> =
        [(50, a, false), (50, b, false), (60, b, true), (60, c, true), (70, c, false)]
            .map(|(at, key, by_content)| (at, Bytes::from_static(key), by_content))
            .into();
    for first_by_log in [true, false] {
        run(1, |world| {
            let (log, contents, want) = (log.clone(), contents.clone(), want.clone());
            async move {
                let node = world.node();
                let open = || Vault::open(node.env(), "v".into()).unwrap();
                let vault = open();
                let (one, two) = if first_by_log {
                    (&log[..], &contents[..])
                } else {
                    (&contents[..], &log[..])
                };
                assert!(vault.add(one).unwrap() > 0);
                assert!(vault.add(two).unwrap() > 0);
                assert_eq!(kept(&vault), want, "log first: {first_by_log}");
                for again in [one, two] {
                    assert_eq!(vault.add(again).unwrap(), 0, "nothing is news any more");
                }
                assert_eq!(kept(&open()), want, "log first: {first_by_log}, opened again");
            }
        });
    }
}

#[test]
fn two_clusters_that_tell_by_content_complete_each_other() {
    run(1, |world| async move {
        let node = world.node();
        let vault = Vault::open(node.env(), "v".into()).unwrap();
        let new: Option<&[u8]> = Some(b"r");
        let [a, b, c] = KEYS;
        assert_eq!(vault.add(&[by_content(50, &[(a, new), (b, new)])]).unwrap(), 1);
        assert_eq!(vault.add(&[by_content(50, &[(b, new), (c, new)])]).unwrap(), 1);
        assert_eq!(vault.add(&[by_content(50, &[(b, new)])]).unwrap(), 0);
        let keys: Vec<Bytes> = kept(&vault).into_iter().map(|row| row.1).collect();
        assert_eq!(keys, KEYS.map(Bytes::from_static));
    });
}
