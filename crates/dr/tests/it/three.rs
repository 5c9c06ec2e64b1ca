//! Three clusters: a source with two standbys, of which one takes over.

use crate::replicas::{declare, options, server};
use crate::world::{BANK, Cluster, open_bank, pair, set};
use base::{SqlState, TableDescriptor};
use dr::memory::{Call, Verdict};
use dr::{FailoverRequest, Verb};
use env::sim::{World, run};
use meta::DatabaseState;
use std::sync::Arc;
use std::time::Duration;

struct Trio {
    east: Cluster,
    west: Cluster,
    north: Cluster,
    table: TableDescriptor,
}

async fn wait(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Two clusters do not hear each other.
fn part(any: &Cluster, one: &'static str, other: &'static str) {
    any.network.set_faults(Arc::new(move |call: &Call| {
        let to = call.to.split(':').next().unwrap_or_default();
        let between = [(one, other), (other, one)].contains(&(call.from.as_str(), to));
        if between { Verdict::Cut } else { Verdict::Pass }
    }));
}

fn heal(any: &Cluster) {
    any.network.set_faults(Arc::new(|_| Verdict::Pass));
}

impl Trio {
    /// A bank in the east that west and north follow.
    async fn open(world: &World) -> Trio {
        let (east, west) = pair(world).await;
        let north = Cluster::new(world, &east.network, 3, "north").await;
        let table = open_bank(&east, 30).await;
        for standby in [&west, &north] {
            standby.replicate("east").await;
            standby.caught_up(&east).await;
        }
        wait(3_000).await;
        Trio { east, west, north, table }
    }

    /// North has three accounts more of the east than west, then the east is gone and west promoted.
    async fn west_takes_over(self) -> Trio {
        let Trio { east, west, north, table } = &self;
        part(east, "east", "west");
        set(&east.bank(), table, &[1, 2, 3], 1_000).await.expect("commits");
        north.caught_up(east).await;
        east.crash();
        heal(east);
        lossy(west).await;
        set(&west.bank(), table, &[10], 2_000).await.expect("commits");
        self
    }
}

async fn lossy(standby: &Cluster) {
    let lossy = FailoverRequest { database: BANK.into(), at: None, data_loss: true };
    standby.links.failover(lossy, "test").await.expect("promotes");
}

fn stranded() -> Vec<(String, usize)> {
    (1..4).map(|id| (format!("{{\"id\":{id}}}"), 1)).collect()
}

#[test]
fn a_restarted_primary_waits_for_every_standby_that_may_have_been_promoted() {
    run(1, |world| async move {
        let Trio { east, west, north, table } = Trio::open(&world).await;
        east.crash();
        lossy(&west).await;
        part(&east, "east", "west");
        let east = east.restart().await;
        north.caught_up(&east).await;
        let refused = set(&east.bank(), &table, &[1], 7).await.expect_err("west was promoted");
        assert_eq!(refused.state, SqlState::READ_ONLY_SQL_TRANSACTION, "{refused:?}");
        assert!(refused.message.contains("all of its standbys"), "{refused:?}");
    });
}

#[test]
fn a_restarted_primary_opens_once_all_standbys_agree() {
    run(2, |world| async move {
        let Trio { east, west, north, table } = Trio::open(&world).await;
        part(&east, "east", "west");
        east.crash();
        let east = east.restart().await;
        north.caught_up(&east).await;
        set(&east.bank(), &table, &[1], 7).await.expect_err("west was not heard of");
        heal(&east);
        wait(8_000).await;
        set(&east.bank(), &table, &[1], 7).await.expect("both agree");
        west.caught_up(&east).await;
    });
}

#[test]
fn the_other_standby_follows_the_new_primary_by_difference() {
    run(3, |world| async move {
        let Trio { east, west, north, table } = Trio::open(&world).await.west_takes_over().await;
        assert_eq!(north.balances().await[&1], 1_000);
        let request = north.request("west", true);
        let lines = north.links.explain(&Verb::Replicate(request)).await.expect("explained");
        assert!(lines.iter().all(|l| l.kind.name() != "blocker"), "{lines:?}");
        north.come_back("west").await;
        north.caught_up(&west).await;
        assert_eq!(north.balances().await, west.balances().await);
        assert_eq!(north.balances().await[&1], 100);
        for side in [&north, &west] {
            assert_eq!(side.kept().into_iter().collect::<Vec<_>>(), stranded(), "{}", side.name);
        }
        // Whoever wrote it comes back with the same: it is kept once.
        let east = east.restart().await;
        east.come_back("west").await;
        east.caught_up(&west).await;
        for side in [&north, &west, &east] {
            assert_eq!(side.kept().into_iter().collect::<Vec<_>>(), stranded(), "{}", side.name);
        }
        let told = |cluster: &Cluster| {
            cluster.engine.meta.read(|s| s.history.iter().any(|h| h.kind == "full copy"))
        };
        assert!(!told(&north) && !told(&east), "only the difference travels");
        // And on from there, without loss: both others follow whoever is the primary.
        north.links.switchover(BANK, "north", "test").await.expect("hands over");
        west.caught_up(&north).await;
        let refused = north.links.replicate(north.request("east", true), "test").await;
        assert_eq!(refused.expect_err("the wrong way").state.0, "55000");
        east.come_back("north").await;
        set(&north.bank(), &table, &[20], 3_000).await.expect("commits");
        east.caught_up(&north).await;
        assert_eq!(east.balances().await, north.balances().await);
        let again = east.links.replicate(east.request("north", true), "test").await;
        assert_eq!(again.expect_err("it does already").state, SqlState::OBJECT_IN_USE);
    });
}

#[test]
fn a_replica_calls_the_other_standby_to_the_new_primary() {
    run(4, |world| async move {
        let Trio { west, north, .. } = Trio::open(&world).await.west_takes_over().await;
        server(&west, "north", true);
        declare(&west, "other", "north", options(0)).await;
        west.links.start_replica(BANK, "other", "test").await.expect("starts");
        north.caught_up(&west).await;
        assert_eq!(north.balances().await, west.balances().await);
        assert_eq!(north.kept().into_iter().collect::<Vec<_>>(), stranded());
    });
}

#[test]
fn a_standby_whose_way_back_has_lost_its_goal_takes_another_one() {
    run(5, |world| async move {
        let Trio { east, west, north, .. } = Trio::open(&world).await.west_takes_over().await;
        north.come_back("west").await;
        north.caught_up(&west).await;
        let east = east.restart().await;
        // The east is on its way back when west is lost, too.
        east.network.set_faults(Arc::new(|call: &Call| match call.what {
            "save_diverged" => Verdict::Cut,
            _ => Verdict::Pass,
        }));
        east.come_back("west").await;
        wait(1_000).await;
        assert!(matches!(east.role(), DatabaseState::Rewinding { .. }), "{:?}", east.role());
        west.crash();
        heal(&east);
        lossy(&north).await;
        east.come_back("north").await;
        east.caught_up(&north).await;
        assert_eq!(east.balances().await, north.balances().await);
        let west = west.restart().await;
        west.come_back("north").await;
        west.caught_up(&north).await;
        for side in [&north, &west, &east] {
            assert_eq!(side.kept().into_iter().collect::<Vec<_>>(), stranded(), "{}", side.name);
        }
    });
}
