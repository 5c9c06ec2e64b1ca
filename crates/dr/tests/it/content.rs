//! Coming back when the log is gone: only what differs travels, and what only one side has is kept.

use crate::world::{BANK, Cluster, begin, create_table, fill, open_bank, pair, seeds, set};
use base::{Column, SqlType, TableDescriptor, Value};
use dr::Verb;
use dr::memory::Verdict;
use env::sim::{World, run};
use meta::{Command, DatabaseState};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use txn::EngineSettings;

const ROWS: i64 = 20_000;

pub fn forgetful(settings: &mut EngineSettings) {
    settings.log_retention_bytes = 0;
    settings.restart_check = false;
    settings.version_retention = Duration::ZERO;
    settings.state.row_group_rows = 1_024;
    settings.state.chunk_bytes = 64 << 10;
}

/// West follows an east with a large table.
async fn followed(world: &World) -> (Cluster, Cluster, TableDescriptor) {
    let (east, west) = pair(world).await;
    let (east, west) = (east.restart_with(forgetful).await, west.restart_with(forgetful).await);
    let table = open_bank(&east, 200).await;
    for from in (200..ROWS).step_by(900) {
        fill(&east.bank(), &table, from..(from + 900).min(ROWS)).await;
    }
    west.replicate("east").await;
    west.caught_up(&east).await;
    (east, west, table)
}

/// The slots are given up, as if they had held back too much.
pub fn drop_slots(cluster: &Cluster) {
    let record = cluster.engine.record(BANK).expect("there");
    for name in record.slots.into_keys() {
        let reason = Some("too much log".to_owned());
        let (database, at_ms) = (record.id, 1);
        let command = Command::DropSlot { database, name, reason, at_ms };
        cluster.engine.meta.apply(command).expect("applies");
    }
}

/// Writes everything down until the log before it is gone.
pub async fn forget_log(cluster: &Cluster, table: &TableDescriptor) {
    let before: Vec<_> = cluster.bank().local_partitions().iter().map(|p| p.end()).collect();
    for round in 0..40 {
        // Segments go as a whole.
        let ids: Vec<i64> = (0..300).map(|i| (round * 331 + i * 7) % 60).collect();
        set(&cluster.bank(), table, &ids, 7).await.expect("commits");
        let ballast: Vec<i64> = (60..200).collect();
        set(&cluster.bank(), table, &ballast, round).await.expect("commits");
        tokio::time::sleep(Duration::from_secs(1)).await;
        cluster.engine.spill_above(&cluster.bank(), 0).await.expect("spills");
        let bank = cluster.bank();
        let gone = |(p, end): (&Arc<partition::Partition>, &base::Lsn)| p.first() > end.next();
        if bank.local_partitions().iter().zip(&before).all(gone) {
            return;
        }
    }
    panic!("the log does not go");
}

pub fn history(cluster: &Cluster, kind: &str) -> Vec<String> {
    let all = cluster.engine.meta.read(|s| s.history.clone());
    all.into_iter().filter(|h| h.kind == kind).map(|h| h.detail).collect()
}

/// About what all rows take as stored: key, timestamp, two numbers.
const BYTES: u64 = ROWS as u64 * 31;

async fn delete(cluster: &Cluster, table: &TableDescriptor, id: i64) {
    let mut txn = begin(&cluster.bank()).await;
    let value = Value::Int(id);
    let partition = format::key::shard(&[&value], crate::world::PARTITIONS);
    let key = format::key::encode(table.storage, &[&value]);
    let at = (partition, key.clone());
    let wait = partition::LockWait::Block(None);
    txn.lock(std::slice::from_ref(&at), partition::LockMode::Exclusive, wait).await.expect("free");
    txn.latest(std::slice::from_ref(&at)).await.expect("readable");
    txn.write(partition, key, None).expect("fits");
    txn.commit().await.expect("commits");
}

#[test]
fn standby_whose_log_is_gone_receives_only_what_differs_and_stays_readable() {
    run(1, |world| async move {
        let (east, west, table) = followed(&world).await;
        west.links.pause(BANK, "test").await.expect("pauses");
        drop_slots(&east);
        for id in (300..ROWS).step_by(500) {
            set(&east.bank(), &table, &[id], 5).await.expect("commits");
        }
        fill(&east.bank(), &table, ROWS..ROWS + 50).await;
        delete(&east, &table, 777).await;
        forget_log(&east, &table).await;
        let before = west.balances().await;
        let received = west.status().received_bytes;
        west.links.resume(BANK, "test").await.expect("resumes");
        while west.status().way != Some("by content") || history(&west, "by content").len() < 2 {
            assert_eq!(west.role(), DatabaseState::Standby, "it stays a standby");
            let seen = west.balances().await;
            assert!(seen == before || seen.len() != before.len(), "one cut or the other");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        west.caught_up(&east).await;
        assert_eq!(west.balances().await, east.balances().await);
        assert_eq!(west.balances().await.get(&777), None);
        assert_eq!(west.balances().await[&(ROWS + 49)], 100);
        assert!(history(&west, "full copy").is_empty());
        let told = history(&west, "by content");
        assert!(told[0].contains("the source's log begins at"), "{told:?}");
        assert!(told[0].contains("bytes of disk"), "{told:?}");
        let status = west.status();
        let shipped = status.shipped_bytes;
        assert!(shipped > 0 && shipped * 10 < BYTES, "{shipped} of {BYTES}");
        assert!(status.received_bytes - received < BYTES / 5);
        let verified = west.links.verify(BANK, "test").await.expect("verifies");
        assert!(verified.is_equal(), "{verified:?}");
        // Through a restart, and as a source for others.
        west.crash();
        let west = west.restart_with(forgetful).await;
        set(&east.bank(), &table, &[3], 9_999).await.expect("commits");
        west.caught_up(&east).await;
        assert_eq!(west.balances().await, east.balances().await);
        assert!(west.links.diverged(BANK).expect("readable").is_empty());
    });
}

/// What a vault has: key, old and new row, by commit time.
fn vault(cluster: &Cluster) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let mut all = BTreeMap::new();
    for txn in cluster.links.diverged(BANK).expect("readable") {
        assert!(txn.decided && txn.by_content, "{txn:?}");
        for row in txn.parts.into_iter().flat_map(|p| p.rows) {
            let twice = all.insert(format!("{} {}", row.table, row.key), (row.old, row.new));
            assert_eq!(twice, None, "{} is kept twice", row.key);
        }
    }
    all
}

/// East and west part; east goes on alone, and its log and its slot are gone. So is west's.
async fn parted(world: &World) -> (Cluster, Cluster, TableDescriptor) {
    let (east, west, table) = followed(world).await;
    east.network.leave("east:5432");
    tokio::time::sleep(Duration::from_secs(3)).await;
    west.links.stop(BANK, "test").await.expect("promotes");
    drop_slots(&east);
    drop_slots(&west);
    set(&east.bank(), &table, &[5_000, 5_001], 1).await.expect("commits");
    set(&east.bank(), &table, &[5_000], 2).await.expect("commits");
    fill(&east.bank(), &table, 30_000..30_002).await;
    delete(&east, &table, 6_000).await;
    delete(&east, &table, 30_001).await;
    forget_log(&east, &table).await;
    set(&west.bank(), &table, &[5_001, 7_000], 3).await.expect("commits");
    fill(&west.bank(), &table, 40_000..40_001).await;
    forget_log(&west, &table).await;
    east.crash();
    let east = east.restart_with(forgetful).await;
    (east, west, table)
}

fn check_kept(cluster: &Cluster) {
    let kept = vault(cluster);
    let row = |id: i64, v: i64| Some(format!("{{\"id\":{id},\"balance\":{v}}}"));
    let want = [
        (5_000, row(5_000, 100), row(5_000, 2)),
        (5_001, row(5_001, 3), row(5_001, 1)),
        (30_000, None, row(30_000, 100)),
        (6_000, row(6_000, 100), None),
    ];
    for (id, old, new) in want {
        let found = kept.get(&format!("accounts {{\"id\":{id}}}"));
        assert_eq!(found, Some(&(old, new)), "{id} in {}", cluster.name);
    }
    // What both sides went on to change is kept too, as it was here.
    let others = kept.keys().filter(|k| k.len() < "accounts {\"id\":1000}".len());
    assert_eq!(others.count(), 200);
    assert_eq!(kept.len(), 204, "nothing else");
}

#[test]
fn primary_whose_log_is_gone_comes_back_by_content_and_what_only_it_had_is_kept() {
    run(2, |world| async move {
        let (east, west, _) = parted(&world).await;
        let back = Verb::Replicate(east.request("west", true));
        let lines = east.links.explain(&back).await.expect("explains");
        let by_content = |l: &dr::Explained| l.value.starts_with("by content: the source's log");
        assert!(lines.iter().any(by_content), "{lines:#?}");
        let least = lines.iter().find(|l| l.item == "bytes to ship at least").expect("told");
        assert!(least.number.is_some_and(|n| n > 0), "{least:?}");
        east.come_back("west").await;
        east.caught_up(&west).await;
        assert_eq!(east.balances().await, west.balances().await);
        assert_eq!(east.balances().await[&6_000], 100);
        assert!(history(&east, "full copy").is_empty(), "{:?}", history(&east, "full copy"));
        check_kept(&east);
        check_kept(&west);
        let shipped = east.status().shipped_bytes;
        assert!(shipped > 0 && shipped * 10 < BYTES, "{shipped} of {BYTES}");
        // And back again, by log.
        west.engine.gate(BANK, "test", "hand-over").await.expect("gates");
        east.caught_up(&west).await;
        east.links.stop(BANK, "test").await.expect("promotes");
        west.engine.ungate(BANK, "test").expect("opens");
        west.come_back("east").await;
        west.caught_up(&east).await;
        assert_eq!(east.balances().await, west.balances().await);
    });
}

#[test]
fn the_way_back_by_content_can_be_crashed_at_any_moment() {
    for seed in seeds(8) {
        run(seed, |world| async move {
            let (mut east, mut west, _) = parted(&world).await;
            east.network.set_faults(Arc::new(|call| match call.what {
                "content" => Verdict::Delay(Duration::from_millis(4)),
                _ => Verdict::Pass,
            }));
            east.come_back("west").await;
            for _ in 0..4 {
                let pause = world.rng().next_u64() % 400;
                tokio::time::sleep(Duration::from_millis(pause)).await;
                if world.rng().next_u64().is_multiple_of(3) {
                    west.crash();
                    west = west.restart_with(forgetful).await;
                } else {
                    east.crash();
                    east = east.restart_with(forgetful).await;
                }
            }
            east.caught_up(&west).await;
            assert_eq!(east.balances().await, west.balances().await, "seed {seed}");
            check_kept(&east);
            check_kept(&west);
            assert!(history(&east, "full copy").is_empty(), "seed {seed}");
        });
    }
}

/// A standby that is being brought up to date can be promoted as it was, at any moment.
#[test]
fn standby_that_compares_contents_can_still_be_promoted() {
    for seed in seeds(4) {
        run(seed, |world| async move {
            let (east, west, table) = followed(&world).await;
            west.links.pause(BANK, "test").await.expect("pauses");
            drop_slots(&east);
            set(&east.bank(), &table, &[1_000, 2_000], 5).await.expect("commits");
            forget_log(&east, &table).await;
            east.network.set_faults(Arc::new(|call| match call.what {
                "content" => Verdict::Delay(Duration::from_millis(20)),
                _ => Verdict::Pass,
            }));
            west.links.resume(BANK, "test").await.expect("resumes");
            let pause = world.rng().next_u64() % 2_000;
            tokio::time::sleep(Duration::from_millis(pause)).await;
            east.network.leave("east:5432");
            west.links.stop(BANK, "test").await.expect("promotes");
            let balances = west.balances().await;
            assert_eq!(balances.len(), ROWS as usize, "seed {seed}");
            let old_and_new = [balances[&1_000], balances[&2_000]];
            assert!(old_and_new == [100, 100] || old_and_new == [5, 5], "{old_and_new:?}");
            set(&west.bank(), &table, &[1], 1).await.expect("commits");
        });
    }
}

/// Two tables that got the same numbers on the two sides, with other columns.
#[test]
fn tables_made_on_both_sides_do_not_mix() {
    run(5, |world| async move {
        let (east, west, table) = followed(&world).await;
        east.network.leave("east:5432");
        tokio::time::sleep(Duration::from_secs(3)).await;
        west.links.stop(BANK, "test").await.expect("promotes");
        drop_slots(&east);
        drop_slots(&west);
        let mine = create_table(&east.bank(), "mine").await;
        fill(&east.bank(), &mine, 0..10).await;
        let theirs = create_other(&west, "theirs").await;
        assert_eq!(mine.storage, theirs.storage);
        forget_log(&east, &table).await;
        forget_log(&west, &table).await;
        east.crash();
        let east = east.restart_with(forgetful).await;
        east.come_back("west").await;
        east.caught_up(&west).await;
        assert_eq!(east.balances().await, west.balances().await);
        let verified = east.links.verify(BANK, "test").await.expect("verifies");
        assert!(verified.is_equal(), "{verified:?}");
        for side in [&east, &west] {
            let kept = vault(side);
            let rows = kept.keys().filter(|k| k.starts_with("mine ")).count();
            assert_eq!(rows, 10, "{:?}", kept.keys());
            assert!(kept.keys().any(|k| k.starts_with("(schema)")), "{:?}", kept.keys());
        }
    });
}

async fn create_other(cluster: &Cluster, name: &str) -> TableDescriptor {
    let mut txn = begin(&cluster.bank()).await;
    let column = |id: u32, ty: SqlType| Column {
        id,
        name: format!("c{id}"),
        ty,
        not_null: true,
        default: None,
        missing: Value::Null,
        hidden: false,
    };
    let table = TableDescriptor {
        id: txn.next_table_id().await.expect("primary"),
        schema: "public".into(),
        name: name.into(),
        storage: txn.next_storage_id().await.expect("primary"),
        columns: vec![column(1, SqlType::BigInt), column(2, SqlType::Text)],
        primary_key: vec![1],
        shard_key: vec![1],
        indexes: Vec::new(),
        next_column_id: 3,
        version: 1,
    };
    txn.put_table(&table).await.expect("free name");
    for id in 0..5 {
        let value = Value::Int(id);
        let partition = format::key::shard(&[&value], crate::world::PARTITIONS);
        let key = format::key::encode(table.storage, &[&value]);
        let row = format::row::encode(&[(1, value), (2, Value::Text("x".into()))]);
        let at = (partition, key.clone());
        let wait = partition::LockWait::Block(None);
        let lock = partition::LockMode::Exclusive;
        txn.lock(std::slice::from_ref(&at), lock, wait).await.expect("free");
        txn.latest(std::slice::from_ref(&at)).await.expect("readable");
        txn.write(partition, key, Some(row)).expect("fits");
    }
    txn.commit().await.expect("commits");
    table
}

/// The cut of a promotion is known after its record is gone, and after another promotion.
#[test]
fn what_was_committed_after_the_first_of_two_promotions_is_kept() {
    run(6, |world| async move {
        let (east, west, table) = parted(&world).await;
        // West promotes once more: the log says nothing of the first time.
        let record = west.engine.record(BANK).expect("there");
        let epoch = record.promotion_epoch.successor(base::ClusterId(2), base::NodeId(1));
        let cut = west.engine.oracle.now();
        for partition in west.bank().local_partitions() {
            partition.start_epoch(epoch, cut, "again").await.expect("starts");
        }
        forget_log(&west, &table).await;
        east.come_back("west").await;
        east.caught_up(&west).await;
        assert_eq!(east.balances().await, west.balances().await);
        check_kept(&east);
        check_kept(&west);
    });
}

/// A target that is away for too long is given up, and what it needs is gone; time in which the
/// source itself was down does not count.
#[test]
fn slot_of_a_target_that_is_away_too_long_is_dropped_visibly() {
    fn short(settings: &mut EngineSettings) {
        forgetful(settings);
        settings.slot_age_max = Some(Duration::from_secs(60));
    }
    run(7, |world| async move {
        let (east, west, table) = followed(&world).await;
        east.crash();
        let east = east.restart_with(short).await;
        west.caught_up(&east).await;
        let dropped = |cluster: &Cluster| {
            let record = cluster.engine.record(BANK).expect("there");
            record.slots["2/bank"].dropped.clone()
        };
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(dropped(&east), None, "a target that is heard of stays");
        west.links.pause(BANK, "test").await.expect("pauses");
        east.crash();
        tokio::time::sleep(Duration::from_secs(300)).await;
        let east = east.restart_with(short).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(dropped(&east), None, "nobody could have been heard");
        tokio::time::sleep(Duration::from_secs(60)).await;
        let reason = dropped(&east).expect("given up");
        assert!(reason.contains("slot-retention"), "{reason}");
        assert_eq!(history(&east, "slot dropped").len(), 1);
        let slot = east.links.slots().into_iter().find(|s| s.slot == "2/bank").expect("visible");
        assert!(slot.dropped.is_some());
        forget_log(&east, &table).await;
        west.links.resume(BANK, "test").await.expect("resumes");
        west.caught_up(&east).await;
        assert_eq!(west.status().way, Some("by content"));
        assert_eq!(west.balances().await, east.balances().await);
        assert_eq!(dropped(&east), None, "taken up again");
    });
}
