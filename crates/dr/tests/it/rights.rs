//! Targets with users and grants of their own (`SECURITY_MODE 'NONE'`): nothing of the source's comes,
//! and nothing of theirs is lost, whichever side is the primary.

use crate::content::{drop_slots, forget_log, forgetful, history};
use crate::replicas::{self, BACK, THERE, exchanged, options, server, start, until};
use crate::world::{BANK, Cluster, begin, open_bank, pair, set};
use base::{Access, Securable, StorageId, TableDescriptor};
use dr::Verb;
use env::sim::{World, run};
use meta::{Command, DatabaseState, ReplicaOptions, User};
use std::time::Duration;

/// Makes a role, and gives it the table and the database.
async fn give(cluster: &Cluster, table: &TableDescriptor, name: &str, id: u64) {
    let at = cluster.engine.oracle.next();
    let role = User { id, changed: at, ..User::new(cluster.engine.meta.new_verifier(name)) };
    cluster.engine.meta.apply(Command::CreateRole { name: name.into(), role }).expect("a new role");
    let mut txn = begin(&cluster.bank()).await;
    let access = Access { owner: Some(name.into()), ..Access::default() };
    for of in [Securable::Relation(table.id), Securable::Database] {
        txn.put_access(of, &access).await.expect("primary");
    }
    txn.commit().await.expect("no conflict");
}

/// Who owns the table and the database, as everybody sees it.
async fn owners(cluster: &Cluster, table: &TableDescriptor) -> [Option<String>; 2] {
    let catalog = cluster.bank().newest_catalog().await.expect("readable");
    assert!(catalog.table("public", "accounts").is_some());
    [Securable::Relation(table.id), Securable::Database]
        .map(|of| catalog.access.get(&of).and_then(|a| a.owner.clone()))
}

fn both(name: &str) -> [Option<String>; 2] {
    [Some(name.into()), Some(name.into())]
}

fn has_role(cluster: &Cluster, name: &str) -> bool {
    cluster.engine.meta.read(|s| s.users.contains_key(name))
}

/// How many rows about rights a side has, whoever may read them.
fn stored(cluster: &Cluster) -> usize {
    cluster.keys(StorageId::CATALOG, format::access::range()).len()
}

async fn declare(here: &Cluster, name: &str, to: &str, own_rights: bool) {
    let options = ReplicaOptions { own_rights, ..options(0) };
    replicas::declare(here, name, to, options).await;
}

async fn set_mode(here: &Cluster, name: &str, own: bool) {
    let change = |o: &mut ReplicaOptions| o.own_rights = own;
    here.links.alter_replica(BANK, name, change).await.expect("alters");
}

async fn equal(standby: &Cluster) {
    let done = standby.links.verify(BANK, "test").await.expect("compares");
    assert!(done.tables.iter().all(|t| t.differing.is_empty()), "{:?}", done.tables);
}

/// East is ann's, in chunks and in the log; west follows, and has its own rights. The way back keeps
/// them apart, too, or does not.
async fn followed(world: &World, apart_back: bool) -> (Cluster, Cluster, TableDescriptor) {
    let (east, west) = pair(world).await;
    let (east, west) = (east.restart_with(forgetful).await, west.restart_with(forgetful).await);
    let table = open_bank(&east, 200).await;
    give(&east, &table, "ann", 7).await;
    forget_log(&east, &table).await;
    server(&east, "west", true);
    declare(&east, THERE, "west", true).await;
    start(&east).await;
    west.links.wait_standby(BANK).await.expect("follows");
    server(&west, "east", false);
    declare(&west, BACK, "east", apart_back).await;
    (east, west, table)
}

async fn promote_lossy(west: &Cluster) {
    west.links.promote_replica(BANK, BACK, true, "test").await.expect("promotes");
}

#[test]
fn neither_side_has_the_others_rights_over_copy_stream_failover_and_the_way_back() {
    run(1, |world| async move {
        let (east, west, table) = followed(&world, true).await;
        assert!(stored(&east) > 0);
        assert_eq!(stored(&west), 0, "the copy has none");
        give(&east, &table, "bob", 8).await;
        set(&east.bank(), &table, &[1], 11).await.expect("commits");
        west.caught_up(&east).await;
        assert_eq!((stored(&west), west.balances().await[&1]), (0, 11), "nor has the log");
        assert_eq!(owners(&west, &table).await, [None, None]);
        equal(&west).await;
        east.crash();
        promote_lossy(&west).await;
        assert!(!has_role(&west, "ann") && !has_role(&west, "bob"));
        give(&west, &table, "wes", 9).await;
        let east = east.restart_with(forgetful).await;
        exchanged(&west, &east).await;
        assert_eq!(owners(&east, &table).await, both("bob"), "its own");
        equal(&east).await;
        east.links.promote_replica(BANK, THERE, false, "test").await.expect("back");
        exchanged(&east, &west).await;
        assert_eq!(owners(&east, &table).await, both("bob"));
        assert_eq!(owners(&west, &table).await, both("wes"), "what it granted meanwhile");
        assert!(!has_role(&east, "wes") && !has_role(&west, "bob"));
        // All of that is there after a restart.
        east.crash();
        west.crash();
        let (east, west) = (east.restart().await, west.restart().await);
        west.links.wait_standby(BANK).await.expect("follows");
        set(&east.bank(), &table, &[2], 22).await.expect("commits");
        west.caught_up(&east).await;
        assert_eq!(owners(&west, &table).await, both("wes"));
        assert!(west.engine.record(BANK).expect("there").own_rights);
    });
}

#[test]
fn rights_that_diverged_stay_in_their_own_vault() {
    run(2, |world| async move {
        let (east, west, table) = followed(&world, true).await;
        west.caught_up(&east).await;
        west.network.leave("east:5432");
        tokio::time::sleep(Duration::from_secs(5)).await;
        give(&east, &table, "bob", 8).await;
        set(&east.bank(), &table, &[3], 33).await.expect("commits");
        east.crash();
        promote_lossy(&west).await;
        let east = east.restart_with(forgetful).await;
        exchanged(&west, &east).await;
        assert_eq!(owners(&east, &table).await, both("ann"), "as before the fork");
        let tables = |cluster: &Cluster| {
            let all = cluster.links.diverged(BANK).expect("readable");
            let rows = all.iter().flat_map(|t| &t.parts).flat_map(|p| &p.rows);
            rows.map(|row| row.table.clone()).collect::<Vec<_>>()
        };
        assert_eq!(tables(&west), ["accounts"]);
        assert!(tables(&east).len() > 1, "{:?}", tables(&east));
    });
}

#[test]
fn who_comes_back_by_content_keeps_its_own_rights() {
    run(3, |world| async move {
        let (east, west, table) = followed(&world, true).await;
        west.caught_up(&east).await;
        east.crash();
        promote_lossy(&west).await;
        give(&west, &table, "wes", 9).await;
        drop_slots(&west);
        forget_log(&west, &table).await;
        let east = east.restart_with(forgetful).await;
        exchanged(&west, &east).await;
        assert!(!history(&east, "by content").is_empty());
        assert!(history(&east, "full copy").is_empty());
        assert_eq!(owners(&east, &table).await, both("ann"));
        equal(&east).await;
    });
}

#[test]
fn who_is_to_have_the_primarys_rights_from_now_on_gets_them_all() {
    run(4, |world| async move {
        let (east, west, table) = followed(&world, false).await;
        // A running replica is switched over.
        set_mode(&east, THERE, false).await;
        until("it hears", || !west.engine.record(BANK).expect("there").own_rights).await;
        west.caught_up(&east).await;
        assert_eq!(owners(&west, &table).await, both("ann"));
        equal(&west).await;
        set_mode(&east, THERE, true).await;
        until("it hears", || west.engine.record(BANK).expect("there").own_rights).await;
        give(&east, &table, "bob", 8).await;
        west.caught_up(&east).await;
        assert_eq!(owners(&west, &table).await, both("ann"), "what it had is its own now");
        assert!(!has_role(&west, "ann"));
        // The way back does not keep them apart.
        west.links.promote_replica(BANK, BACK, false, "test").await.expect("promotes");
        assert!(!has_role(&west, "bob"));
        give(&west, &table, "wes", 9).await;
        exchanged(&west, &east).await;
        until("they come", || !east.engine.record(BANK).expect("there").own_rights).await;
        east.caught_up(&west).await;
        assert_eq!(owners(&east, &table).await, both("wes"));
        equal(&east).await;
        east.links.promote_replica(BANK, THERE, false, "test").await.expect("and again");
        assert!(has_role(&east, "wes"));
        assert_eq!(east.role(), DatabaseState::Primary);
    });
}

#[test]
fn explain_tells_whose_rights_hold() {
    run(5, |world| async move {
        let (east, west, _) = followed(&world, true).await;
        let (database, name) = (BANK.to_owned(), BACK.to_owned());
        let promote = Verb::PromoteReplica { database: database.clone(), name, data_loss: false };
        let told = async |cluster: &Cluster, verb: &Verb| {
            let lines = cluster.links.explain(verb).await.expect("explained");
            lines.into_iter().map(|l| l.value).collect::<Vec<_>>().join("\n")
        };
        let told_west = told(&west, &promote).await;
        assert!(told_west.contains("those of this cluster stay"), "{told_west}");
        let start = Verb::StartReplica { database, name: THERE.into() };
        let told_east = told(&east, &start).await;
        assert!(told_east.contains("SECURITY_MODE NONE"), "{told_east}");
    });
}
