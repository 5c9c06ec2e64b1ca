//! Branches of standbys, and what a lost primary had, opened as a database.

use crate::world::{BANK, Cluster, balances, balances_at, begin, open_bank, pair, put, seeds, set};
use base::{SqlState, TableDescriptor, Timestamp};
use dr::ReplicateRequest;
use env::sim::{World, run};
use meta::Purpose;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use txn::BranchOrder;

fn order(name: &str) -> BranchOrder {
    let (source, name) = (BANK.to_owned(), name.to_owned());
    BranchOrder { source, name, at: None, purpose: Purpose::Own, by: None }
}

/// What is on the disk is what the metadata knows of.
fn nothing_leaks(cluster: &Cluster) {
    let mut known: Vec<String> =
        cluster.engine.meta.read(|s| s.databases.keys().map(|id| id.to_string()).collect());
    known.sort();
    let mut folders = cluster.engine.env.disk.list(Path::new("/data/db")).unwrap_or_default();
    folders.sort();
    assert_eq!(folders, known, "{}", cluster.name);
}

#[test]
fn a_standby_is_branched_at_one_moment_and_goes_on_following() {
    run(91, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 30).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        let mut last = Timestamp::ZERO;
        for n in 0..5 {
            // All accounts of one transaction are in it, or none.
            let ids: Vec<i64> = (0..30).collect();
            set(&east.bank(), &table, &ids, n).await.unwrap();
            if n == 2 {
                west.caught_up(&east).await;
                west.engine.spill_above(&west.bank(), 0).await.unwrap();
            }
            let made = west.engine.branch(order(&format!("b{n}"))).await.unwrap();
            assert!(made.cut > last, "the standby has gone on");
            last = made.cut;
            let seen = balances(&made.database).await;
            assert_eq!(seen, balances_at(&west.bank(), made.cut).await.unwrap());
            assert_eq!(seen.values().collect::<std::collections::BTreeSet<_>>().len(), 1);
            set(&made.database, &table, &[1, 2, 3], 77).await.unwrap();
            west.caught_up(&east).await;
            assert_eq!(west.balances().await, east.balances().await, "nothing of it is here");
        }
        // The standby is promoted, and dropped; the branches do not mind.
        west.links.stop(BANK, "test").await.unwrap();
        set(&west.bank(), &table, &[5], 5_000).await.unwrap();
        west.engine.drop_database(BANK).await.unwrap();
        west.crash();
        let west = west.restart().await;
        for n in 0..5 {
            let branch = west.engine.database(&format!("b{n}")).unwrap();
            assert_eq!(balances(&branch).await[&1], 77);
        }
        nothing_leaks(&west);
    });
}

#[test]
fn a_branch_can_have_a_standby_of_its_own_and_come_back_to_it() {
    run(92, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 30).await;
        let fork = east.engine.branch(order("fork")).await.unwrap().database;
        set(&fork, &table, &[1], 1).await.unwrap();
        let request = |source: &str, differential| ReplicateRequest {
            database: "fork".into(),
            ..east.request(source, differential)
        };
        west.links.replicate(request("east", false), "test").await.unwrap();
        let all = balances(&fork).await;
        assert_eq!(all.len(), 30);
        follows(&west, &all).await;
        set(&fork, &table, &[2], 2).await.unwrap();
        follows(&west, &balances(&fork).await).await;
        drop(fork);
        east.crash();
        west.links.stop("fork", "test").await.unwrap();
        set(&west.engine.database("fork").unwrap(), &table, &[3], 3).await.unwrap();
        let east = east.restart().await;
        let back = ReplicateRequest { database: "fork".into(), ..east.request("west", true) };
        east.links.replicate(back, "test").await.unwrap();
        follows(&east, &balances(&west.engine.database("fork").unwrap()).await).await;
        let copies = east
            .engine
            .meta
            .read(|s| s.history.iter().filter(|row| row.kind == "full copy").count());
        assert_eq!(copies, 0, "by difference");
    });
}

/// Waits until the standby `fork` shows something.
async fn follows(cluster: &Cluster, all: &BTreeMap<i64, i64>) {
    for _ in 0..3_000 {
        if let Ok(database) = cluster.engine.database("fork")
            && database.read_timestamp().is_ok()
            && balances(&database).await == *all
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} does not follow: {:?}", cluster.name, cluster.links.status());
}

/// East goes on alone, with what only it has; west is promoted and goes on, too. What east had at
/// its end.
async fn split(world: &World) -> (Cluster, Cluster, TableDescriptor, BTreeMap<i64, i64>) {
    let (east, west) = pair(world).await;
    let table = open_bank(&east, 30).await;
    west.replicate("east").await;
    west.caught_up(&east).await;
    east.network.leave("east:5432");
    for (n, ids) in [[1, 2, 3], [4, 5, 6], [1, 7, 40]].iter().enumerate() {
        set(&east.bank(), &table, ids, 1_000 + n as i64).await.unwrap();
    }
    let lost = east.balances().await;
    west.links.stop(BANK, "test").await.unwrap();
    for id in 1..20 {
        set(&west.bank(), &table, &[id, id + 1], 2_000).await.unwrap();
    }
    east.crash();
    let east = east.restart().await;
    (east, west, table, lost)
}

#[test]
fn what_a_lost_primary_had_is_opened_as_it_was_on_both_sides() {
    run(93, |world| async move {
        let (east, west, table, lost) = split(&world).await;
        east.come_back("west").await;
        east.caught_up(&west).await;
        for side in [&east, &west] {
            let now = side.balances().await;
            let opened = side.links.open_diverged(BANK, "then", "test").await.unwrap();
            assert_eq!((opened.transactions, opened.left_out, opened.rows), (3, 0, 8));
            let then = side.engine.database("then").unwrap();
            assert_eq!(balances(&then).await, lost, "{}", side.name);
            assert_eq!(side.balances().await, now, "nothing has changed in the bank");
            let mut txn = begin(&then).await;
            let refused = put(&mut txn, &table, 1, 1).await.unwrap_err();
            assert_eq!(refused.state, SqlState::READ_ONLY_SQL_TRANSACTION);
            assert!(refused.message.contains("lost primary"), "{refused}");
            drop(txn);
            let refused = side.links.unlock("then", true, "test").unwrap_err();
            assert_eq!(refused.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
        }
        // It is the same after a restart, and goes like any database.
        east.crash();
        let east = east.restart().await;
        let then = east.engine.database("then").unwrap();
        assert_eq!(balances(&then).await, lost);
        assert!(set(&then, &table, &[1], 1).await.is_err());
        drop(then);
        east.engine.drop_database("then").await.unwrap();
        east.caught_up(&west).await;
        nothing_leaks(&east);
        assert_eq!(east.balances().await, west.balances().await);
    });
}

#[test]
fn what_is_no_longer_kept_is_not_made_up() {
    run(94, |world| async move {
        let (east, west, table, _) = split(&world).await;
        let none = west.links.open_diverged(BANK, "then", "test").await.unwrap_err();
        assert_eq!(none.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "{none}");
        east.come_back("west").await;
        east.caught_up(&west).await;
        for n in 0..20 {
            tokio::time::sleep(Duration::from_secs(120)).await;
            set(&west.bank(), &table, &[1, 2, 3], n).await.unwrap();
            east.caught_up(&west).await;
            for side in [&east, &west] {
                side.engine.spill_above(&side.bank(), 0).await.unwrap();
            }
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        for side in [&east, &west] {
            let gone = side.links.open_diverged(BANK, "then", "test").await.unwrap_err();
            assert_eq!(gone.state, SqlState::SNAPSHOT_TOO_OLD, "{gone}");
            assert!(gone.hint.as_ref().is_some_and(|hint| hint.contains("version_retention")));
            assert!(side.engine.record("then").is_err());
            nothing_leaks(side);
        }
    });
}

#[test]
fn a_crash_while_it_is_opened_leaves_all_or_nothing() {
    for seed in seeds(10) {
        run(seed, |world| async move {
            let (east, west, _, lost) = split(&world).await;
            let mut east = east;
            east.come_back("west").await;
            east.caught_up(&west).await;
            east.node.crash_after(world.rng().next_u64() % 60);
            let links = east.links.clone();
            let opening = tokio::spawn(async move { links.open_diverged(BANK, "then", "t").await });
            let limit = Duration::from_secs(5);
            let done = matches!(tokio::time::timeout(limit, opening).await, Ok(Ok(Ok(_))));
            let done = done && east.node.is_alive();
            east.crash();
            east = east.restart().await;
            east.caught_up(&west).await;
            match east.engine.database("then") {
                Ok(then) => assert_eq!(balances(&then).await, lost, "seed {seed}"),
                Err(_) => assert!(!done, "seed {seed}"),
            }
            nothing_leaks(&east);
            assert_eq!(east.balances().await, west.balances().await);
        });
    }
}
