use super::*;
use base::Timestamp;
use env::sim::{SimNode, run};

fn bootstrap() -> Bootstrap {
    Bootstrap {
        cluster_id: ClusterId(1),
        name: "east".into(),
        node: NodeId(1),
        superuser: "root".into(),
        password: "secret".into(),
    }
}

fn bound(ms: u64) -> Command {
    Command::OracleBound(Timestamp::from_ms(ms))
}

fn open(node: &SimNode) -> Result<Meta> {
    Meta::open(node.env(), "data/meta".into(), bootstrap())
}

fn commands() -> PathBuf {
    "data/meta/commands".into()
}

#[test]
fn what_was_answered_survives_power_loss() {
    for seed in 0..20 {
        run(seed, |world| async move {
            let node = world.node();
            let mut applied = 0;
            for life in 1..6 {
                let meta = open(&node).unwrap();
                assert_eq!(meta.read(|s| s.oracle_bound), Timestamp::from_ms(applied));
                assert!(meta.verifier("root").0.accepts("secret"));
                for _ in 0..life {
                    applied += 1;
                    meta.apply(bound(applied)).unwrap();
                }
                node.crash();
                node.restart();
            }
        });
    }
}

#[test]
fn torn_tail_is_cut_and_damage_in_the_middle_is_named() {
    run(1, |world| async move {
        let node = world.node();
        let meta = open(&node).unwrap();
        (1..4).for_each(|ms| assert!(meta.apply(bound(ms)).is_ok()));
        drop(meta);
        let disk = node.env().disk;
        let whole = disk.read(&commands()).unwrap();
        let file = disk.open(&commands()).unwrap();
        file.set_len(whole.len() as u64 - 3).unwrap();
        let meta = open(&node).unwrap();
        assert_eq!(meta.read(|s| s.oracle_bound), Timestamp::from_ms(2));
        meta.apply(bound(9)).unwrap();
        drop(meta);
        assert_eq!(open(&node).unwrap().read(|s| s.oracle_bound), Timestamp::from_ms(9));

        file.write_at(b"#", 20).unwrap();
        let e = open(&node).unwrap_err();
        assert_eq!(e.state, SqlState::DATA_CORRUPTED);
        assert!(e.message.contains("data/meta/commands: damaged command at offset 0"), "{e}");
    });
}

#[test]
fn damaged_snapshot_and_newer_format_are_refused() {
    run(1, |world| async move {
        let node = world.node();
        drop(open(&node).unwrap());
        let disk = node.env().disk;
        let file = disk.open("data/meta/snapshot".as_ref()).unwrap();
        file.write_at(b"#", 100).unwrap();
        assert_eq!(open(&node).unwrap_err().state, SqlState::DATA_CORRUPTED);
        file.write_at(b"antipode-meta 9", 0).unwrap();
        let e = open(&node).unwrap_err();
        assert!(e.message.contains("metadata format 9"), "{e}");
    });
}

#[test]
fn snapshots_replace_a_long_file_of_commands() {
    run(3, |world| async move {
        let node = world.node();
        let meta = open(&node).unwrap();
        let long =
            |n: u64| Command::History(crate::HistoryRow::new(n, "d", "k", "x".repeat(100_000)));
        (0..30).for_each(|n| assert!(meta.apply(long(n)).is_ok()));
        let disk = node.env().disk;
        assert!(disk.open(&commands()).unwrap().len().unwrap() < 1 << 20);
        node.crash();
        node.restart();
        let meta = open(&node).unwrap();
        assert_eq!(meta.read(|s| (s.applied, s.history.len())), (31, 30));
    });
}

#[test]
fn foreign_folder_is_refused() {
    run(1, |world| async move {
        let node = world.node();
        drop(open(&node).unwrap());
        let other = |change: fn(&mut Bootstrap)| {
            let mut b = bootstrap();
            change(&mut b);
            Meta::open(node.env(), "data/meta".into(), b).unwrap_err().into_report().message
        };
        let e = other(|b| b.cluster_id = ClusterId(2));
        assert_eq!(e, "this data folder belongs to a cluster with id 1, not 2");
        let e = other(|b| b.name = "west".into());
        assert!(e.contains("name \"east\", not name \"west\""), "{e}");
        let e = other(|b| b.cluster_id = ClusterId(200));
        assert!(e.contains("not in 0..127"), "{e}");
    });
}

#[test]
fn failed_sync_and_full_disk_refuse_clearly() {
    run(1, |world| async move {
        let node = world.node();
        let meta = open(&node).unwrap();
        let watch = meta.watch();
        node.set_capacity(Some(node.used_bytes() + 10));
        assert_eq!(meta.apply(bound(1)).unwrap_err().state, SqlState::DISK_FULL);
        node.set_capacity(None);
        meta.apply(bound(2)).unwrap();
        assert_eq!(*watch.borrow(), 2);
        node.fail_syncs(true);
        let e = meta.apply(bound(3)).unwrap_err();
        assert_eq!(e.outcome, base::Outcome::Unknown);
        node.fail_syncs(false);
        assert!(meta.apply(bound(4)).is_err(), "nothing is accepted after a failed sync");
        assert_eq!(meta.read(|s| s.oracle_bound), Timestamp::from_ms(2));
    });
}

/// A process that is killed between write and sync leaves a command that counts from then on.
#[test]
fn what_was_found_after_a_kill_survives_a_power_loss() {
    for seed in 0..20 {
        run(seed, |world| async move {
            let node = world.node();
            let meta = open(&node).unwrap();
            node.fail_syncs(true);
            assert!(meta.apply(bound(7)).is_err(), "unknown outcome");
            node.fail_syncs(false);
            node.kill();
            node.restart();
            let found = open(&node).unwrap().read(|s| s.oracle_bound);
            node.crash();
            node.restart();
            assert_eq!(open(&node).unwrap().read(|s| s.oracle_bound), found, "seed {seed}");
        });
    }
}

#[test]
fn user_without_a_password_cannot_log_in_with_any() {
    run(1, |world| async move {
        let meta = open(&world.node()).unwrap();
        let name = "app".to_owned();
        let verifier = meta.no_password(&name);
        meta.apply(Command::CreateUser { name, verifier, superuser: false }).unwrap();
        assert!(!meta.verifier("app").0.accepts(""));
    });
}
