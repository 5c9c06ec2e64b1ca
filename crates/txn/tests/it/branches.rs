//! Branches: what another database held at one time, from where both go on.

use crate::world::{add, balances, bank, begin, open, put, read, settings};
use base::{SqlState, Timestamp};
use meta::{DatabaseState, Purpose};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use txn::Isolation::ReadCommitted;
use txn::{BranchOrder, Branched, Database, Engine};

const ACCOUNTS: i64 = 40;

fn order(name: &str, at: Option<Timestamp>) -> BranchOrder {
    let (source, name) = ("bank".to_owned(), name.to_owned());
    BranchOrder { source, name, at, purpose: Purpose::Own, by: None }
}

async fn sum(database: &Arc<Database>, table: &base::TableDescriptor) -> i64 {
    balances(&begin(database, ReadCommitted).await, table).await.iter().sum()
}

/// Moves money between accounts of different partitions until the database refuses.
async fn transfers(database: Arc<Database>, table: base::TableDescriptor, seed: i64) {
    for n in seed.. {
        let mut txn = begin(&database, ReadCommitted).await;
        let mut moves = [(n % ACCOUNTS, -1), ((n * 7 + 3) % ACCOUNTS, 1)];
        moves.sort();
        for (id, by) in moves {
            if add(&mut txn, &table, id, by).await.is_err() {
                return;
            }
        }
        if txn.commit().await.is_err() {
            return;
        }
    }
}

/// A branch shows what the source shows of its time.
async fn agree(source: &Arc<Database>, made: &Branched, table: &base::TableDescriptor) {
    assert_eq!(sum(&made.database, table).await, 100 * ACCOUNTS, "one consistent moment");
    let mut past = source.begin(txn::TxnOptions::default());
    past.read_as_of(made.cut).expect("just now");
    let mine = begin(&made.database, ReadCommitted).await;
    assert_eq!(balances(&mine, table).await, balances(&past, table).await);
}

/// Folders of databases, as far as the metadata knows of them.
fn known_folders(engine: &Engine) -> Vec<String> {
    let mut known =
        engine.meta.read(|s| s.databases.keys().map(|id| id.to_string()).collect::<Vec<_>>());
    known.sort();
    known
}

#[test]
fn a_branch_begins_at_one_moment_and_neither_side_disturbs_the_other() {
    env::sim::run(71, |world| async move {
        let node = world.node();
        let mut settings = settings();
        // Commits over several partitions are undecided for a while.
        settings.log.gather = Duration::from_millis(5);
        let engine = Engine::open(node.env(), settings).await.expect("opens");
        let (database, table) = bank(&engine, ACCOUNTS).await;
        let client = |seed| tokio::spawn(transfers(database.clone(), table.clone(), seed));
        let traffic: Vec<_> = (0..6).map(|n| client(n * 17)).collect();
        for n in 0..40 {
            tokio::time::sleep(Duration::from_millis(7 * n + 1)).await;
            let made = engine.branch(order("passing", None)).await.expect("can be made");
            agree(&database, &made, &table).await;
            drop(made);
            engine.drop_database("passing").await.expect("drops");
        }
        for n in 0..6 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            if n % 2 == 1 {
                engine.spill_above(&database, 0).await.expect("spills");
            }
            let name = format!("b{n}");
            let made = engine.branch(order(&name, None)).await.expect("can be made");
            agree(&database, &made, &table).await;
            let other = made.database;
            let mut txn = begin(&other, ReadCommitted).await;
            put(&mut txn, &table, 1_000 + n, 5).await.expect("writable");
            txn.commit().await.expect("no conflict");
            assert_eq!(sum(&other, &table).await, 4_005);
        }
        traffic.iter().for_each(tokio::task::JoinHandle::abort);
        assert_eq!(sum(&database, &table).await, 4_000, "no branch has written here");
        // The source goes, with all its files; the branches stay, over a power loss too.
        drop(database);
        engine.drop_database("bank").await.expect("drops");
        drop(engine);
        node.crash();
        let engine = open(node.restart()).await.expect("opens");
        for n in 0..6 {
            let other = engine.database(&format!("b{n}")).expect("there");
            assert_eq!(sum(&other, &table).await, 4_005);
            engine.checkpoint(&other).await.expect("writes chunks");
            assert_eq!(sum(&other, &table).await, 4_005);
            assert_eq!(read(&begin(&other, ReadCommitted).await, &table, 1_000 + n).await, Some(5));
        }
    });
}

#[test]
fn a_branch_of_the_past_ends_there() {
    env::sim::run(72, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let mut times = Vec::new();
        for n in 1..=6 {
            times.push((engine.oracle.next(), 1_000 + (n - 1) * 10));
            let mut txn = begin(&database, ReadCommitted).await;
            for id in 0..10 {
                add(&mut txn, &table, id, 1).await.expect("free");
            }
            txn.commit().await.expect("no conflict");
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            if n % 2 == 0 {
                engine.spill_above(&database, 0).await.expect("spills");
            }
        }
        for (n, (at, expected)) in times.iter().enumerate() {
            let made =
                engine.branch(order(&format!("b{n}"), Some(*at))).await.expect("in the window");
            assert_eq!(made.cut, *at);
            assert_eq!(sum(&made.database, &table).await, *expected, "at {at}");
        }
        let (before, known) = (Timestamp::from_ms(1), engine.databases().len());
        let refused = engine.branch(order("never", Some(engine.oracle.now().next()))).await;
        assert_eq!(refused.expect_err("the future").state, SqlState::INVALID_PARAMETER_VALUE);
        let taken = engine.branch(order("b1", None)).await.expect_err("taken");
        assert_eq!(taken.state, SqlState::DUPLICATE_DATABASE);
        // Nothing was there then: not even the table.
        let empty = engine.branch(order("empty", Some(before))).await;
        if let Ok(empty) = empty {
            let mut txn = begin(&empty.database, ReadCommitted).await;
            assert!(txn.catalog().await.expect("readable").tables.is_empty());
        }
        assert!(engine.databases().len() <= known + 1);
    });
}

/// A power loss after every possible number of disk changes: a branch is whole or not there at all,
/// and no file is left of one that is not.
#[test]
fn wherever_the_power_fails_a_branch_is_whole_or_leaves_nothing() {
    let mut whole = 0;
    for changes in 0..400 {
        let done = env::sim::run(500 + changes, |world| async move {
            let node = world.node();
            let engine = open(node.env()).await.expect("opens");
            let (database, table) = bank(&engine, 30).await;
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            engine.spill_above(&database, 0).await.expect("spills");
            let mut txn = begin(&database, ReadCommitted).await;
            for (id, by) in [(1, -30), (2, 30)] {
                add(&mut txn, &table, id, by).await.expect("free");
            }
            txn.commit().await.expect("no conflict");
            node.crash_after(changes);
            let making = tokio::spawn({
                let engine = engine.clone();
                async move { engine.branch(order("b", None)).await.map(drop) }
            });
            let limit = Duration::from_secs(5);
            let done = matches!(tokio::time::timeout(limit, making).await, Ok(Ok(Ok(()))));
            let done = done && node.is_alive();
            drop((database, engine));
            node.crash();
            let env = node.restart();
            let engine = open(env.clone()).await.expect("opens");
            let made = engine.database("b").ok();
            assert!(made.is_some() || !done, "changes={changes}: it was promised");
            if let Some(made) = &made {
                assert_eq!(made.state(), DatabaseState::Primary);
                assert_eq!(sum(made, &table).await, 3_000, "changes={changes}");
                let txn = begin(made, ReadCommitted).await;
                assert_eq!(read(&txn, &table, 1).await, Some(70), "changes={changes}");
            }
            let source = engine.database("bank").expect("there");
            assert_eq!(sum(&source, &table).await, 3_000, "changes={changes}");
            let mut folders = env.disk.list(Path::new("/data/db")).expect("there");
            folders.sort();
            assert_eq!(folders, known_folders(&engine), "changes={changes}");
            // The name is free again, or taken by the branch.
            let again = engine.branch(order("b", None)).await;
            assert_eq!(again.is_ok(), made.is_none(), "changes={changes}");
            done
        });
        whole += u64::from(done);
        if whole == 3 {
            assert!(changes > 20, "a branch changes the disk more often than {changes} times");
            return;
        }
    }
    panic!("a branch never came to an end");
}

#[test]
fn a_branch_that_cannot_be_written_leaves_nothing() {
    env::sim::run(73, |world| async move {
        let node = world.node();
        let env = node.env();
        let engine = open(env.clone()).await.expect("opens");
        let (database, table) = bank(&engine, 30).await;
        node.set_capacity(Some(node.used_bytes() + 1_000));
        let refused = engine.branch(order("b", None)).await.expect_err("no room");
        assert_eq!(refused.state, SqlState::DISK_FULL, "{refused}");
        node.set_capacity(None);
        assert!(engine.record("b").is_err());
        let folders = env.disk.list(Path::new("/data/db")).expect("there");
        assert_eq!(folders, known_folders(&engine));
        assert_eq!(sum(&database, &table).await, 3_000);
        engine.branch(order("b", None)).await.expect("there is room now");
    });
}

#[test]
fn the_branch_of_a_drill_does_not_outlive_the_process() {
    env::sim::run(74, |world| async move {
        let node = world.node();
        let engine = open(node.env()).await.expect("opens");
        let (database, table) = bank(&engine, 30).await;
        let drill = BranchOrder { purpose: Purpose::Drill, ..order("drill", None) };
        let made = engine.branch(drill).await.expect("can be made");
        assert_eq!(sum(&made.database, &table).await, 3_000);
        let refused = engine.drop_database("drill").await.expect_err("it is in use");
        assert_eq!(refused.state, SqlState::OBJECT_IN_USE);
        drop((made, database, engine));
        node.crash();
        let env = node.restart();
        let engine = open(env.clone()).await.expect("opens");
        assert!(engine.record("drill").is_err());
        let folders = env.disk.list(Path::new("/data/db")).expect("there");
        assert_eq!(folders, known_folders(&engine));
        let told = engine.meta.read(|s| s.history.last().cloned()).expect("an event");
        assert_eq!((told.database.as_str(), told.kind.as_str()), ("bank", "drill"));
        assert!(told.detail.contains("not completed"), "{}", told.detail);
    });
}
