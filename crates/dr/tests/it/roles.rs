//! Roles travel with their databases: who is promoted has the roles of the cut.

use crate::world::{BANK, Cluster, open_bank, pair, set};
use env::sim;
use meta::{Command, DatabaseState, Membership, RoleChange, User};
use std::time::Duration;

/// Makes a role, as a statement does: at a time, with an identity.
fn create(cluster: &Cluster, name: &str, id: u64) {
    let at = cluster.engine.oracle.next();
    let role = User { id, changed: at, ..User::new(cluster.engine.meta.new_verifier(name)) };
    cluster.engine.meta.apply(Command::CreateRole { name: name.into(), role }).expect("a new role");
}

fn role(cluster: &Cluster, name: &str) -> Option<User> {
    cluster.engine.meta.read(|s| s.users.get(name).cloned())
}

/// Waits until a standby has received what a role is at its source.
async fn carried(standby: &Cluster, source: &Cluster) {
    let now = source.engine.meta.read(|s| s.principals(BANK));
    for _ in 0..2_000 {
        let catalog = standby.bank().newest_catalog().await;
        if catalog.is_ok_and(|c| txn::carried(&c).expect("readable") == Some(now.clone())) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("roles do not arrive");
}

fn alter(cluster: &Cluster, name: &str, change: RoleChange) {
    let change = RoleChange { at: cluster.engine.oracle.next(), ..change };
    let alter = Command::AlterRole { name: name.into(), change };
    cluster.engine.meta.apply(alter).expect("there is this role");
}

fn drop_role(cluster: &Cluster, name: &str) {
    let at = cluster.engine.oracle.next();
    cluster.engine.meta.apply(Command::DropUser { name: name.into(), at }).expect("there is one");
}

fn note(cluster: &Cluster) -> String {
    cluster.engine.meta.read(|s| {
        let rows = s.history.iter().filter(|row| row.kind == "roles");
        rows.map(|row| row.detail.clone()).collect::<Vec<_>>().join(" | ")
    })
}

#[test]
fn a_failover_makes_the_roles_that_are_missing_and_leaves_its_own() {
    sim::run(11, |world| async move {
        let (east, west) = pair(&world).await;
        open_bank(&east, 10).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        // `app` is in both clusters, made twice; `bob` is new in the east.
        create(&west, "app", 5);
        create(&east, "app", 6);
        create(&east, "bob", 7);
        create(&east, "staff", 8);
        let (role_, member) = ("staff".to_string(), "bob".to_string());
        let at = east.engine.oracle.next();
        let grantor = "root".to_string();
        let membership = Membership { role: role_, member, admin: true, grantor, at };
        east.engine.meta.apply(Command::GrantRole(membership.clone())).expect("both exist");
        carried(&west, &east).await;
        assert_eq!(role(&west, "bob"), None, "a standby's cluster keeps its own roles");
        let own = role(&west, "app").expect("made here");
        east.crash();
        west.links.stop(BANK, "test").await.expect("promoted");
        assert_eq!(role(&west, "bob"), role(&east, "bob"), "with its password");
        assert_eq!(role(&west, "app"), Some(own), "a role of one's own stays as it is");
        assert_eq!(west.engine.meta.read(|s| s.memberships.clone()), [membership]);
        assert_eq!(note(&west), "made: bob, staff; left as they are here: app, root");
        assert!(!west.engine.record(BANK).expect("there").adopting);
    });
}

#[test]
fn the_roles_are_those_of_the_cut() {
    sim::run(12, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 10).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        create(&east, "before", 7);
        carried(&west, &east).await;
        set(&east.bank(), &table, &[1], 5).await.expect("open");
        west.caught_up(&east).await;
        let cut = west.bank().replicated_time();
        tokio::time::sleep(Duration::from_secs(2)).await;
        create(&east, "after", 8);
        carried(&west, &east).await;
        east.crash();
        let request = dr::FailoverRequest { database: BANK.into(), at: Some(cut), data_loss: true };
        west.links.failover(request, "test").await.expect("promoted in the past");
        assert!(role(&west, "before").is_some());
        assert_eq!(role(&west, "after"), None, "it was made after the cut");
    });
}

#[test]
fn changes_come_back_with_the_database_and_what_was_dropped_is_shut_out() {
    sim::run(13, |world| async move {
        let (east, west) = pair(&world).await;
        open_bank(&east, 10).await;
        create(&east, "bob", 7);
        create(&east, "eve", 8);
        west.replicate("east").await;
        west.caught_up(&east).await;
        carried(&west, &east).await;
        west.links.switchover(BANK, "west", "test").await.expect("planned");
        assert_eq!(role(&west, "bob"), role(&east, "bob"));
        // In the west bob gets another password, eve is dropped, zoe is new.
        let verifier = Some(west.engine.meta.new_verifier("other"));
        alter(&west, "bob", RoleChange { verifier, ..RoleChange::default() });
        drop_role(&west, "eve");
        create(&west, "zoe", 9);
        for _ in 0..2_000 {
            if east.role() == DatabaseState::Standby {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        carried(&east, &west).await;
        east.links.switchover(BANK, "east", "test").await.expect("and back");
        assert_eq!(role(&east, "bob"), role(&west, "bob"), "the newer password counts");
        assert_eq!(role(&east, "zoe"), role(&west, "zoe"));
        let eve = role(&east, "eve").expect("other databases may be hers");
        assert!(!eve.login, "who was dropped does not come in again");
        let told = note(&east);
        let wanted = "made: zoe; changed as they were there: bob; left as they are here: root; \
                      gone there, may not log in any more: eve";
        assert!(told.ends_with(wanted), "{told}");
    });
}

#[test]
fn a_restart_completes_what_a_promotion_began() {
    sim::run(14, |world| async move {
        let (east, west) = pair(&world).await;
        open_bank(&east, 10).await;
        create(&east, "bob", 7);
        west.replicate("east").await;
        west.caught_up(&east).await;
        carried(&west, &east).await;
        east.crash();
        west.links.stop(BANK, "test").await.expect("promoted");
        // As if the power had failed right after the promotion's commit point.
        drop_role(&west, "bob");
        let database = west.bank().id();
        let promotion = west.engine.record(BANK).expect("there").promotion.expect("promoted");
        let again = Command::Batch(vec![
            Command::SetDatabaseState { database, state: DatabaseState::Standby },
            Command::Promote {
                database,
                cut: promotion.cut,
                epoch: promotion.epoch.successor(west.engine.cluster(), west.engine.node()),
                reason: "again".into(),
                at_ms: 1,
                keep: None,
                by: None,
                former: None,
            },
        ]);
        west.engine.meta.apply(again).expect("a promotion");
        assert!(west.engine.record(BANK).expect("there").adopting);
        west.crash();
        let west = west.restart().await;
        assert!(!west.engine.record(BANK).expect("there").adopting);
        assert!(role(&west, "bob").is_some());
    });
}
