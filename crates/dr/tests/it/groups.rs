//! Databases that change sides together, at one cut.

use crate::content::{drop_slots, forget_log, forgetful, history};
use crate::world::{BANK, Cluster, balances, create_table, open_bank, pair, set};
use base::{Result, SqlState, TableDescriptor, Timestamp};
use dr::{FailoverRequest, GroupRequest, Grouped, ReplicateRequest};
use env::sim::{World, run};
use meta::{DatabaseState, Durability};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use txn::{Database, EngineSettings};

const ORDERS: &str = "orders";
const GROUP: &str = "shop";

impl Cluster {
    fn orders(&self) -> Arc<Database> {
        self.engine.database(ORDERS).expect("there")
    }

    fn state_of(&self, database: &str) -> DatabaseState {
        self.engine.record(database).expect("there").state
    }

    async fn replicate_orders(&self, source: &str, differential: bool) {
        let request =
            ReplicateRequest { database: ORDERS.into(), ..self.request(source, differential) };
        self.links.replicate(request, "test").await.expect("replicates");
    }

    async fn group(&self, request: GroupRequest) -> Result<Vec<Grouped>> {
        self.links.group(request, "ann").await
    }
}

fn failover(at: Option<Timestamp>, data_loss: bool) -> GroupRequest {
    GroupRequest::Failover { group: GROUP.into(), at, data_loss }
}

async fn wait(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Waits until a cluster has all of a database that another one has now.
async fn same(east: &Cluster, west: &Cluster, database: &str) {
    let now = east.engine.oracle.now();
    for _ in 0..2_000 {
        let there = west.engine.database(database).expect("there");
        if there.state() == DatabaseState::Standby && there.replicated_time() >= now {
            return;
        }
        wait(20).await;
    }
    panic!("{} does not catch up with {database}: {:?}", west.name, west.links.status());
}

struct Shop {
    east: Cluster,
    west: Cluster,
    bank: TableDescriptor,
    orders: TableDescriptor,
}

impl Shop {
    /// Two databases in the east, a group, followed by west, which knows of the group.
    async fn open(world: &World) -> Shop {
        let (east, west) = pair(world).await;
        let bank = open_bank(&east, 1).await;
        let made = east.engine.create_database(ORDERS, crate::world::PARTITIONS, Durability::Sync);
        let orders = create_table(&made.await.expect("new name"), "accounts").await;
        let databases = vec![BANK.to_owned(), ORDERS.to_owned()];
        let create = GroupRequest::Create { group: GROUP.into(), databases };
        east.group(create.clone()).await.expect("creates");
        assert_eq!(east.group(create).await.expect_err("twice").state, SqlState::DUPLICATE_OBJECT);
        west.replicate("east").await;
        west.replicate_orders("east", false).await;
        let shop = Shop { east, west, bank, orders };
        shop.caught_up().await;
        wait(3_000).await;
        assert_eq!(shop.west.engine.group(GROUP).len(), 2, "the standby knows of the group");
        shop
    }

    /// As [`Shop::open`]; west restarts with other settings.
    async fn open_with(world: &World, tune: fn(&mut EngineSettings)) -> Shop {
        let Shop { east, west, bank, orders } = Shop::open(world).await;
        west.crash();
        Shop { east, west: west.restart_with(tune).await, bank, orders }
    }

    async fn caught_up(&self) {
        same(&self.east, &self.west, BANK).await;
        same(&self.east, &self.west, ORDERS).await;
    }

    /// An order, and then its payment: a payment without its order is never seen.
    async fn sell(&self, ids: std::ops::Range<i64>) {
        for id in ids {
            set(&self.east.orders(), &self.orders, &[id], id).await.expect("orders");
            set(&self.east.bank(), &self.bank, &[id], id).await.expect("pays");
        }
    }

    /// What the west has of both, which must fit together.
    async fn sold(west: &Cluster) -> (BTreeMap<i64, i64>, BTreeMap<i64, i64>) {
        let (orders, payments) = (balances(&west.orders()).await, balances(&west.bank()).await);
        let unpaid = orders.keys().filter(|id| !payments.contains_key(id)).count();
        let without: Vec<_> =
            payments.keys().filter(|id| **id != 0 && !orders.contains_key(id)).collect();
        assert!(without.is_empty(), "payments without orders: {without:?}");
        assert!(unpaid <= 1, "{unpaid} orders are unpaid: the cuts differ");
        (orders, payments)
    }
}

#[test]
fn lossy_failover_takes_one_cut_although_one_database_is_far_behind() {
    run(1, |world| async move {
        let shop = Shop::open(&world).await;
        shop.sell(1..20).await;
        shop.caught_up().await;
        shop.west.links.pause(ORDERS, "ann").await.expect("pauses");
        wait(1_000).await;
        shop.sell(20..40).await;
        same(&shop.east, &shop.west, BANK).await;
        // Chunks do not get ahead of the group, however often they are written.
        for _ in 0..3 {
            let bank = shop.west.bank();
            shop.west.engine.spill_above(&bank, 0).await.expect("spills");
            wait(1_000).await;
        }
        shop.east.network.leave("east:5432");
        let done = shop.west.group(failover(None, true)).await.expect("promotes");
        assert_eq!(done.len(), 2);
        assert_eq!(done[0].done.cut, done[1].done.cut, "one cut");
        let (orders, payments) = Shop::sold(&shop.west).await;
        assert!(orders.contains_key(&19) && !orders.contains_key(&20), "{orders:?}");
        assert!(payments.contains_key(&19) && !payments.contains_key(&21), "{payments:?}");
        assert!(done[0].done.set_aside >= 19, "the bank had more: {done:?}");
        let again = shop.west.group(failover(None, true)).await.expect("says so");
        assert!(again.iter().all(|g| g.done.already), "{again:?}");

        shop.east.network.listen("east:5432", shop.east.links.replication());
        shop.east.come_back("west").await;
        shop.east.replicate_orders("west", true).await;
        let Shop { east, west, .. } = shop;
        same(&west, &east, BANK).await;
        same(&west, &east, ORDERS).await;
        assert_eq!(Shop::sold(&east).await, (orders, payments));
        assert!(!east.links.diverged(ORDERS).expect("readable").is_empty());
    });
}

fn cramped(settings: &mut EngineSettings) {
    settings.delta_bytes = 64 << 10;
    settings.delta_limit = 512 << 10;
}

/// Memory that ran short once let the one ahead write down what the others did not have; with the source
/// lost the group could never be promoted again.
#[test]
fn one_that_is_ahead_of_its_group_waits_for_it_when_memory_is_short() {
    run(6, |world| async move {
        let shop = Shop::open_with(&world, cramped).await;
        shop.sell(1..20).await;
        shop.caught_up().await;
        shop.west.links.pause(ORDERS, "ann").await.expect("pauses");
        shop.sell(20..40).await;
        // More than there is room for, a little at a time.
        for from in (1_000..5_000).step_by(100) {
            let ids: Vec<i64> = (from..from + 100).collect();
            set(&shop.east.orders(), &shop.orders, &ids, 1).await.expect("orders");
            set(&shop.east.bank(), &shop.bank, &ids, 1).await.expect("pays");
            wait(500).await;
        }
        let held: usize = shop.west.bank().local_partitions().iter().map(|p| p.delta_bytes()).sum();
        assert!((256 << 10..512 << 10).contains(&held), "{held}");
        shop.east.network.leave("east:5432");
        let done = shop.west.group(failover(None, true)).await.expect("promotes");
        assert_eq!(done[0].done.cut, done[1].done.cut, "one cut");
        let (orders, payments) = Shop::sold(&shop.west).await;
        assert!(orders.contains_key(&19) && !orders.contains_key(&20), "{orders:?}");
        assert!(payments.contains_key(&19) && !payments.contains_key(&21), "{payments:?}");
    });
}

/// The source wrote down what is closed only once somebody followed: up to then the log of the second
/// one names no moment, and the first one has none after it.
#[test]
fn group_is_promoted_although_one_was_first_followed_after_the_other_had_stopped() {
    run(8, |world| async move {
        let (east, west) = pair(&world).await;
        let bank = open_bank(&east, 1).await;
        let made = east.engine.create_database(ORDERS, crate::world::PARTITIONS, Durability::Sync);
        let orders = create_table(&made.await.expect("new name"), "accounts").await;
        let databases = vec![BANK.to_owned(), ORDERS.to_owned()];
        let create = GroupRequest::Create { group: GROUP.into(), databases };
        east.group(create).await.expect("creates");
        let shop = Shop { east, west, bank, orders };
        shop.sell(1..10).await;
        shop.west.replicate_orders("east", false).await;
        same(&shop.east, &shop.west, ORDERS).await;
        shop.west.links.pause(ORDERS, "ann").await.expect("pauses");
        wait(1_000).await;
        shop.west.replicate("east").await;
        shop.sell(10..20).await;
        same(&shop.east, &shop.west, BANK).await;
        shop.east.network.leave("east:5432");
        let done = shop.west.group(failover(None, true)).await.expect("promotes");
        assert_eq!(done[0].done.cut, done[1].done.cut, "one cut");
        let (orders, payments) = Shop::sold(&shop.west).await;
        assert!(orders.contains_key(&9) && !orders.contains_key(&10), "{orders:?}");
        assert!(payments.contains_key(&9) && !payments.contains_key(&10), "{payments:?}");
    });
}

/// One was rebuilt beyond what the other has, which does not come on, and their source is lost.
#[test]
fn standbys_whose_source_is_lost_can_leave_a_group_without_a_common_moment() {
    run(7, |world| async move {
        let mut shop = Shop::open_with(&world, forgetful).await;
        shop.east.crash();
        shop.east = shop.east.restart_with(forgetful).await;
        shop.caught_up().await;
        let Shop { east, west, bank, .. } = &shop;
        for name in [BANK, ORDERS] {
            west.links.pause(name, "ann").await.expect("pauses");
        }
        drop_slots(east);
        forget_log(east, bank).await;
        west.links.resume(BANK, "ann").await.expect("resumes");
        while history(west, "by content").len() < 2 {
            wait(100).await;
        }
        wait(2_000).await;
        let rewinding = matches!(west.state_of(BANK), DatabaseState::Rewinding { .. });
        assert!(rewinding, "it cannot be promoted with the other one: {:?}", west.state_of(BANK));
        let leave = GroupRequest::Drop { group: GROUP.into(), if_exists: false };
        let refused = west.group(leave.clone()).await.expect_err("the source is heard");
        assert!(refused.hint.as_deref().unwrap_or_default().contains("cannot be heard"));
        east.network.leave("east:5432");
        wait(20_000).await;
        west.group(leave).await.expect("the source is lost");
        let alone = FailoverRequest { database: ORDERS.into(), at: None, data_loss: true };
        west.links.failover(alone, "ann").await.expect("promotes alone");
    });
}

#[test]
fn a_group_is_handed_over_from_either_side_and_nothing_is_lost() {
    run(2, |world| async move {
        let shop = Shop::open(&world).await;
        shop.sell(1..30).await;
        let before = Shop::sold(&shop.east).await;
        let to = |to: &str| GroupRequest::Switchover { group: GROUP.into(), to: to.into() };
        // Typed at the primary.
        let done = shop.east.group(to("west")).await.expect("switches");
        assert!(done.iter().all(|g| g.done.lossless && g.done.followed), "{done:?}");
        assert_eq!(done.len(), 2);
        for database in [BANK, ORDERS] {
            assert_eq!(shop.west.state_of(database), DatabaseState::Primary);
            same(&shop.west, &shop.east, database).await;
        }
        assert_eq!(Shop::sold(&shop.west).await, before);
        // And back, typed at the standby, as a failover without loss.
        let done = shop.east.group(failover(None, false)).await.expect("switches");
        assert_eq!(done[0].done.cut, done[1].done.cut, "one cut");
        for database in [BANK, ORDERS] {
            assert_eq!(shop.east.state_of(database), DatabaseState::Primary);
            same(&shop.east, &shop.west, database).await;
            assert!(shop.east.links.diverged(database).expect("readable").is_empty());
        }
        assert_eq!(Shop::sold(&shop.east).await, before);
    });
}

#[test]
fn one_of_a_group_does_not_go_alone() {
    run(3, |world| async move {
        let shop = Shop::open(&world).await;
        let alone = |error: base::Error| {
            assert_eq!(error.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "{error:?}");
            assert!(error.message.contains("replication group \"shop\""), "{error:?}");
        };
        let links = &shop.west.links;
        alone(links.stop(BANK, "ann").await.expect_err("refused"));
        let request = FailoverRequest { database: BANK.into(), at: None, data_loss: true };
        alone(links.failover(request, "ann").await.expect_err("refused"));
        alone(links.switchover(BANK, "west", "ann").await.expect_err("refused"));
        alone(shop.east.links.switchover(BANK, "west", "ann").await.expect_err("refused"));
        assert_eq!(shop.west.role(), DatabaseState::Standby);
        let create = GroupRequest::Create { group: "other".into(), databases: vec![BANK.into()] };
        let taken = shop.east.group(create).await.expect_err("it is in another one");
        assert_eq!(taken.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);

        let databases = vec![BANK.to_owned()];
        let drop = GroupRequest::Alter { group: GROUP.into(), add: false, databases };
        let there = shop.west.group(drop.clone()).await.expect_err("a standby follows");
        assert_eq!(there.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
        shop.east.group(drop).await.expect("takes it out");
        wait(3_000).await;
        shop.west.links.stop(BANK, "ann").await.expect("alone now");
        let gone = GroupRequest::Drop { group: "none".into(), if_exists: false };
        let gone = shop.east.group(gone).await.expect_err("there is none");
        assert_eq!(gone.state, SqlState::UNDEFINED_OBJECT);
    });
}

/// The machine dies at any change on its disk: all are promoted, or none.
#[test]
fn group_is_promoted_as_a_whole_or_not_at_all() {
    let mut outcomes = std::collections::BTreeSet::new();
    for changes in (0..40).step_by(3) {
        let both = run(changes, |world| async move {
            let shop = Shop::open(&world).await;
            shop.sell(1..10).await;
            shop.caught_up().await;
            shop.east.network.leave("east:5432");
            shop.west.node.crash_after(changes);
            let done = tokio::time::timeout(
                Duration::from_secs(30),
                shop.west.group(failover(None, true)),
            )
            .await;
            let told = matches!(&done, Ok(Ok(_)));
            let Shop { west, .. } = shop;
            west.crash();
            let west = west.restart().await;
            wait(1_000).await;
            let states = [west.state_of(BANK), west.state_of(ORDERS)];
            assert_eq!(states[0], states[1], "after {changes} changes");
            let promoted = states[0] == DatabaseState::Primary;
            assert!(promoted || !told, "it was told to have happened");
            Shop::sold(&west).await;
            promoted
        });
        outcomes.insert(both);
    }
    assert_eq!(outcomes.len(), 2, "no crash fell before, or none after, the commit point");
}

/// What an error after the commit point leaves: the metadata has promoted all, and one is not open.
#[test]
fn a_repeated_failover_of_a_group_completes_what_an_error_has_left_undone() {
    run(6, |world| async move {
        let shop = Shop::open(&world).await;
        shop.sell(1..10).await;
        shop.caught_up().await;
        shop.east.network.leave("east:5432");
        let west = &shop.west;
        west.group(failover(None, true)).await.expect("promotes");
        west.orders().set_state(DatabaseState::Standby);
        set(&west.orders(), &shop.orders, &[50], 1).await.expect_err("it is not open");
        let again = west.group(failover(None, true)).await.expect("is completed");
        assert!(again.len() == 2 && again.iter().all(|g| g.done.already), "{again:?}");
        set(&west.orders(), &shop.orders, &[50], 1).await.expect("takes writes");
        set(&west.bank(), &shop.bank, &[50], 1).await.expect("takes writes");
    });
}
