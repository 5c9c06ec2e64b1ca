use super::*;
use std::path::Path;

const DIR: &str = "/data";

fn bytes(seed: u64) -> (String, Vec<u8>) {
    run(seed, |world| async move {
        let node = world.node();
        let env = node.env();
        env.disk.create_dir(Path::new(DIR)).unwrap();
        let file = env.disk.create(&Path::new(DIR).join("a")).unwrap();
        file.write_at(&[1; 10_000], 0).unwrap();
        file.sync().unwrap();
        env.disk.sync_dir(Path::new(DIR)).unwrap();
        for i in 0..40u8 {
            file.write_at(&[i + 2; 700], u64::from(i) * 500).unwrap();
        }
        for name in ["x", "y", "z"] {
            env.disk.create(&Path::new(DIR).join(name)).unwrap();
        }
        env.disk.rename(&Path::new(DIR).join("z"), &Path::new(DIR).join("w")).unwrap();
        node.crash();
        assert!(file.read_at(&mut [0; 1], 0).is_err());
        assert!(env.disk.list(Path::new(DIR)).is_err());
        let env = node.restart();
        let names = env.disk.list(Path::new(DIR)).unwrap().join(",");
        (names, env.disk.read(&Path::new(DIR).join("a")).unwrap())
    })
}

#[test]
fn a_crash_follows_from_the_seed_and_differs_between_seeds() {
    let outcomes: Vec<_> = (0..30).map(bytes).collect();
    for (seed, outcome) in outcomes.iter().enumerate() {
        assert_eq!(&bytes(seed as u64), outcome, "seed {seed}");
        assert!(outcome.0.starts_with('a'), "a synced name is never lost (seed {seed})");
        assert!(outcome.1.len() >= 10_000, "synced bytes are never lost (seed {seed})");
        assert!(!(outcome.0.contains('w') && outcome.0.contains('z')), "rename is atomic");
    }
    let distinct: std::collections::BTreeSet<_> = outcomes.iter().collect();
    assert!(distinct.len() > 10, "only {} different outcomes", distinct.len());
}

#[test]
fn a_second_name_outlives_the_first() {
    run(1, |world| async move {
        let node = world.node();
        let env = node.env();
        let (a, b) = (Path::new("/d/a"), Path::new("/e/b"));
        env.disk.create_dir(Path::new("/d")).unwrap();
        env.disk.create_dir(Path::new("/e")).unwrap();
        env.disk.replace(a, b"safe").unwrap();
        env.disk.link(a, b).unwrap();
        assert_eq!(node.used_bytes(), 4);
        assert_eq!(env.disk.link(a, b).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
        env.disk.sync_dir(Path::new("/e")).unwrap();
        env.disk.remove(a).unwrap();
        env.disk.sync_dir(Path::new("/d")).unwrap();
        node.crash();
        let env = node.restart();
        assert!(!env.disk.exists(a));
        assert_eq!(env.disk.read(b).unwrap(), b"safe");
        env.disk.remove(b).unwrap();
        assert_eq!(node.used_bytes(), 0);
    });
}

#[test]
fn synced_data_survives_and_a_kill_keeps_even_the_rest() {
    run(1, |world| async move {
        let node = world.node();
        let env = node.env();
        let path = Path::new("/d/f");
        env.disk.create_dir(Path::new("/d")).unwrap();
        let file = env.disk.create(path).unwrap();
        file.write_at(b"unsynced", 0).unwrap();
        let env = node.restart();
        assert!(file.sync().is_err(), "a handle of the old life is dead");
        assert_eq!(env.disk.read(path).unwrap(), b"unsynced");
        env.disk.replace(Path::new("/d/g"), b"safe").unwrap();
        node.crash();
        let env = node.restart();
        assert_eq!(env.disk.read(Path::new("/d/g")).unwrap(), b"safe");
    });
}

#[test]
fn a_power_loss_in_the_middle_of_replace_leaves_old_or_new() {
    for seed in 0..200 {
        run(seed, |world| async move {
            let node = world.node();
            let path = Path::new("/d/file");
            node.env().disk.create_dir(Path::new("/d")).unwrap();
            node.env().disk.replace(path, &[1; 9000]).unwrap();
            node.crash_after(world.rng().below(6));
            let done = node.env().disk.replace(path, &[2; 5000]).is_ok();
            node.crash();
            let found = node.restart().disk.read(path).unwrap();
            let (old, new) = (vec![1; 9000], vec![2; 5000]);
            assert!(found == new || (!done && found == old), "seed {seed}");
        });
    }
}

#[test]
fn removed_folders_and_names_come_back_only_as_a_whole() {
    for seed in 0..50 {
        run(seed, |world| async move {
            let node = world.node();
            let disk = node.env().disk;
            disk.create_dir(Path::new("/d/sub")).unwrap();
            disk.replace(Path::new("/d/sub/f"), b"1").unwrap();
            disk.remove_dir(Path::new("/d/sub")).unwrap();
            disk.create_dir(Path::new("/d/sub")).unwrap();
            disk.replace(Path::new("/d/sub/f"), b"2").unwrap();
            node.crash();
            let disk = node.restart().disk;
            assert_eq!(disk.read(Path::new("/d/sub/f")).unwrap(), b"2", "seed {seed}");
        });
    }
}

#[test]
fn faults_and_a_full_disk_are_reported() {
    run(1, |world| async move {
        let node = world.node();
        let disk = node.env().disk;
        let file = disk.create(Path::new("/f")).unwrap();
        node.set_capacity(Some(100));
        file.write_at(&[1; 100], 0).unwrap();
        let full = file.write_at(&[1; 1], 100).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        file.write_at(&[2; 100], 0).unwrap();
        assert_eq!(disk.free_bytes(Path::new("/")).unwrap(), 0);
        node.set_capacity(None);
        file.write_at(&[1; 1], 100).unwrap();
        node.fail_reads(true);
        assert!(file.read_at(&mut [0], 0).is_err());
        node.fail_syncs(true);
        assert!(file.sync().is_err());
        let held = disk.lock(Path::new("/")).unwrap();
        assert!(disk.lock(Path::new("/")).is_err());
        node.crash();
        assert!(node.restart().disk.lock(Path::new("/")).is_ok());
        drop(held);
    });
}

#[test]
fn time_is_free_and_tasks_end_with_their_node() {
    run(1, |world| async move {
        let node = world.node();
        let env = node.env();
        node.set_clock_skew(-5);
        env.sleep(Duration::from_secs(3600)).await;
        assert_eq!(env.clock.now_ms(), START_MS + 3_600_000 - 5);
        assert_eq!(env.clock.monotonic(), Duration::from_secs(3600));
        assert_eq!(world.elapsed(), Duration::from_secs(3600));
        let mut task = env.tasks.spawn("endless", Box::pin(std::future::pending()));
        node.crash();
        task.join().await;
        let mut refused = env.tasks.spawn("late", Box::pin(std::future::pending()));
        refused.join().await;
        let env = node.restart();
        assert_eq!(env.clock.monotonic(), Duration::ZERO);
        assert_eq!(env.blocking(|| 5).await, Some(5));
    });
}
