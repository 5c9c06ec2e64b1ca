//! A cluster that follows another one by its settings, or that takes no links.

use crate::world::{BANK, Cluster, PARTITIONS, create_table, open_bank, pair, set, settings};
use base::SqlState;
use dr::memory::Network;
use dr::{ClusterRole, FailoverRequest, Links};
use env::sim::{World, run};
use meta::{DatabaseState, Durability, Source};
use std::time::Duration;
use txn::Engine;

fn replica_of(host: &str) -> ClusterRole {
    let (user, password) = ("root".into(), "secret".into());
    let source = Source { host: host.into(), port: 5432, user, password, database: String::new() };
    ClusterRole::Replica { source, except: vec!["admin".into()] }
}

impl Cluster {
    /// The node with a role, after its process has ended.
    async fn restart_as(self, role: ClusterRole) -> Cluster {
        let Cluster { id, name, node, network, engine, links } = self;
        drop((engine, links));
        let env = node.restart();
        let engine = Engine::open(env.clone(), settings(id, name)).await.expect("opens");
        let connect = network.connector(env, name);
        let links = Links::open_as(engine.clone(), connect, role).await.expect("opens");
        network.listen(&format!("{name}:5432"), links.replication());
        Cluster { id, name, node, network, engine, links }
    }

    async fn with_role(world: &World, network: &Network, role: ClusterRole) -> Cluster {
        let west = Cluster::new(world, network, 2, "west").await;
        west.crash();
        west.restart_as(role).await
    }

    async fn make(&self, name: &str) {
        let made = self.engine.create_database(name, PARTITIONS, Durability::Sync);
        create_table(&made.await.expect("new name"), "accounts").await;
    }

    fn role_of(&self, database: &str) -> Option<DatabaseState> {
        self.engine.record(database).ok().map(|r| r.state)
    }

    async fn stands(&self, database: &str) {
        for _ in 0..2_000 {
            if self.role_of(database) == Some(DatabaseState::Standby) {
                return;
            }
            wait(20).await;
        }
        panic!("{database} is {:?}: {:?}", self.role_of(database), self.links.role());
    }
}

async fn wait(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

async fn promote(cluster: &Cluster, database: &str) {
    let request = FailoverRequest { database: database.into(), at: None, data_loss: true };
    cluster.links.failover(request, "ann").await.expect("promotes");
}

#[test]
fn a_replica_follows_what_its_source_has_and_what_comes_later() {
    run(1, |world| async move {
        let network = Network::default();
        // The source is not there yet.
        let west = Cluster::with_role(&world, &network, replica_of("east")).await;
        wait(3_000).await;
        let role = west.links.role();
        assert_eq!((role.role, role.source.as_deref()), ("replica", Some("east:5432")));
        assert!(role.error.is_some_and(|e| e.contains("nobody answers")), "it says why");

        let east = Cluster::new(&world, &network, 1, "east").await;
        let table = open_bank(&east, 20).await;
        east.make("admin").await;
        west.stands(BANK).await;
        wait(3_000).await;
        assert_eq!(west.links.role().error, None);
        assert_eq!(west.role_of("admin"), None, "every cluster has its own");
        west.caught_up(&east).await;
        assert_eq!(west.balances().await, east.balances().await);
        let refused = set(&west.bank(), &table, &[1], 1).await.expect_err("a standby");
        assert_eq!(refused.state, SqlState::READ_ONLY_SQL_TRANSACTION);

        east.make("later").await;
        west.stands("later").await;
        // What was dropped here stays dropped.
        west.links.forget("later").await;
        west.engine.drop_database("later").await.expect("drops");
        wait(20_000).await;
        assert_eq!(west.role_of("later"), None);
        west.crash();
        let west = west.restart_as(replica_of("east")).await;
        wait(20_000).await;
        assert_eq!(west.role_of("later"), None, "also after a restart");
        west.caught_up(&east).await;
    });
}

#[test]
fn a_promoted_replica_is_a_master_also_after_a_restart_until_it_follows_again() {
    run(2, |world| async move {
        let network = Network::default();
        let east = Cluster::new(&world, &network, 1, "east").await;
        let table = open_bank(&east, 20).await;
        let west = Cluster::with_role(&world, &network, replica_of("east")).await;
        west.stands(BANK).await;
        west.caught_up(&east).await;
        promote(&west, BANK).await;
        let role = west.links.role();
        assert_eq!((role.configured, role.role), ("replica", "master"));
        assert_eq!(role.promoted.as_deref(), Some(BANK));
        set(&west.bank(), &table, &[1], 11).await.expect("it takes writes");
        // The source is alive, and has something new: it is nobody's business here any more.
        east.make("later").await;
        wait(20_000).await;
        assert_eq!(west.role_of("later"), None);
        west.crash();
        let west = west.restart_as(replica_of("east")).await;
        wait(20_000).await;
        assert_eq!(west.role_of(BANK), Some(DatabaseState::Primary));
        assert_eq!(west.role_of("later"), None);

        // The planned way back.
        east.come_back("west").await;
        east.caught_up(&west).await;
        east.links.switchover(BANK, "east", "ann").await.expect("takes over");
        west.stands(BANK).await;
        west.stands("later").await;
        assert_eq!(west.links.role().role, "replica");
        west.caught_up(&east).await;
        assert_eq!(west.balances().await, east.balances().await);
        assert_eq!(east.balances().await[&1], 11);
    });
}

#[test]
fn a_name_that_is_taken_is_told_and_the_others_follow() {
    run(3, |world| async move {
        let network = Network::default();
        let east = Cluster::new(&world, &network, 1, "east").await;
        open_bank(&east, 5).await;
        east.make("orders").await;
        let west = Cluster::new(&world, &network, 2, "west").await;
        west.make(BANK).await;
        west.crash();
        let west = west.restart_as(replica_of("east")).await;
        west.stands("orders").await;
        wait(3_000).await;
        let error = west.links.role().error.expect("a name is taken");
        assert!(error.contains("database \"bank\" of east:5432 cannot be attached"), "{error}");
        assert_eq!(west.role_of(BANK), Some(DatabaseState::Primary), "it stays as it is");
        assert_eq!(west.links.role().role, "replica", "it was not promoted");
        west.engine.drop_database(BANK).await.expect("drops");
        west.stands(BANK).await;
        wait(15_000).await;
        assert_eq!(west.links.role().error, None);
    });
}

#[test]
fn a_cluster_without_a_role_takes_no_links_and_makes_them_wait() {
    run(4, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 20).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        east.crash();
        let east = east.restart_as(ClusterRole::None).await;
        wait(10_000).await;
        let status = west.status();
        assert!(!status.connected);
        assert!(status.last_error.is_some_and(|e| e.contains("takes no links")), "it says why");
        let third = Cluster::new(&world, &east.network, 3, "third").await;
        let request = third.request("east", false);
        let error = third.links.replicate(request, "ann").await.expect_err("refused");
        assert_eq!(error.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
        assert!(error.hint.as_ref().is_some_and(|h| h.contains("dr-role = master")));
        assert!(third.engine.record(BANK).is_err(), "nothing was made");
        // That it was replaced is told all the same.
        promote(&west, BANK).await;
        wait(10_000).await;
        let gate = east.engine.record(BANK).expect("there").gate;
        assert!(gate.is_some_and(|g| g.reason.contains("was promoted")), "it is fenced");
        set(&east.bank(), &table, &[1], 1).await.expect_err("it takes no writes");
        east.crash();
        let east = east.restart().await;
        east.come_back("west").await;
        east.caught_up(&west).await;
    });
}
