//! Replicas that the source declares: started, paused, forced, promoted, and called back, whatever
//! fails on the way.

use crate::world::{BANK, Cluster, open_bank, pair, set};
use base::{SqlState, TableDescriptor};
use dr::memory::{Call, Verdict};
use dr::{AddReplica, ReplicaStatus, Verb};
use env::sim::{World, run};
use meta::{DatabaseState, RemoteServer, ReplicaCommand, ReplicaOptions, Wanted};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub const THERE: &str = "there";
pub const BACK: &str = "back";

/// Makes a remote server `other` of a cluster, with or without a superuser's login.
pub fn server(here: &Cluster, other: &str, login: bool) {
    let server = RemoteServer {
        id: 0,
        host: other.into(),
        port: 5432,
        user: login.then(|| "root".into()),
        password: login.then(|| "secret".into()),
    };
    let put = ReplicaCommand::PutRemoteServer { name: other.into(), server, replace: false };
    here.engine.meta.apply(put.into()).expect("a new name");
}

pub fn options(frequency_ms: u64) -> ReplicaOptions {
    ReplicaOptions {
        alias: BANK.into(),
        frequency_ms,
        bytes_per_second: None,
        reverse: None,
        own_rights: false,
        exclude: Vec::new(),
    }
}

async fn add(here: &Cluster, name: &str, to: &str, frequency_ms: u64) {
    declare(here, name, to, options(frequency_ms)).await;
}

pub async fn declare(here: &Cluster, name: &str, to: &str, options: ReplicaOptions) {
    let (database, name, server) = (BANK.into(), name.into(), to.into());
    let add = AddReplica { database, name, server, options };
    here.links.add_replica(add, "test").await.expect("is declared");
}

/// A bank in the east with a replica in the west that is not started.
async fn declared(world: &World, frequency_ms: u64) -> (Cluster, Cluster, TableDescriptor) {
    let (east, west) = pair(world).await;
    let table = open_bank(&east, 20).await;
    server(&east, "west", true);
    add(&east, THERE, "west", frequency_ms).await;
    (east, west, table)
}

/// The same, followed, and with a way back.
async fn followed(world: &World) -> (Cluster, Cluster, TableDescriptor) {
    let (east, west, table) = declared(world, 0).await;
    start(&east).await;
    west.links.wait_standby(BANK).await.expect("follows");
    west.caught_up(&east).await;
    server(&west, "east", false);
    add(&west, BACK, "east", 0).await;
    (east, west, table)
}

pub async fn start(east: &Cluster) {
    let told = east.links.start_replica(BANK, THERE, "test").await.expect("starts");
    assert!(told.is_none(), "{told:?}");
}

pub fn wanted(here: &Cluster, name: &str) -> Wanted {
    here.engine.record(BANK).expect("there").replicas[name].wanted
}

pub fn status(here: &Cluster, name: &str) -> ReplicaStatus {
    here.links.replicas().into_iter().find(|r| r.name == name).expect("is declared")
}

pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}

fn cut(any: &Cluster, what: &'static str) {
    any.network.set_faults(Arc::new(move |call: &Call| match call.what == what {
        true => Verdict::Cut,
        false => Verdict::Pass,
    }));
}

fn heal(any: &Cluster) {
    any.network.set_faults(Arc::new(|_| Verdict::Pass));
}

/// Waits until `former` follows `primary` and shows the same.
pub async fn exchanged(primary: &Cluster, former: &Cluster) {
    until("the other one follows", || former.role() == DatabaseState::Standby).await;
    former.caught_up(primary).await;
    assert_eq!(primary.balances().await, former.balances().await);
}

#[test]
fn started_replica_is_made_by_its_target_and_follows() {
    run(1, |world| async move {
        let (east, west, table) = declared(&world, 0).await;
        assert_eq!(wanted(&east, THERE), Wanted::NotStarted);
        start(&east).await;
        start(&east).await;
        west.links.wait_standby(BANK).await.expect("follows");
        set(&east.bank(), &table, &[1, 2], 7).await.expect("commits");
        west.caught_up(&east).await;
        assert_eq!(west.balances().await[&2], 7);
        until("it is heard of", || status(&east, THERE).connected).await;
        // Both know it after a restart.
        for cluster in [&east, &west] {
            cluster.crash();
        }
        let (east, west) = (east.restart().await, west.restart().await);
        west.links.wait_standby(BANK).await.expect("follows");
        until("it is heard of", || status(&east, THERE).connected).await;
        assert_eq!(wanted(&east, THERE), Wanted::Running);
    });
}

#[test]
fn start_that_cannot_reach_the_target_changes_nothing() {
    run(2, |world| async move {
        let (east, west, _) = declared(&world, 0).await;
        west.network.leave("west:5432");
        let error = east.links.start_replica(BANK, THERE, "test").await.expect_err("unreachable");
        assert_eq!(error.state, SqlState::CONNECTION_FAILURE);
        assert_eq!(wanted(&east, THERE), Wanted::NotStarted);
        let lines = east
            .links
            .explain(&Verb::StartReplica { database: BANK.into(), name: THERE.into() })
            .await
            .expect("explained");
        assert!(lines.iter().any(|l| l.item == "08006"), "{lines:?}");
    });
}

#[test]
fn name_that_is_taken_there_and_a_wrong_login_are_refused() {
    run(3, |world| async move {
        let (east, west, _) = declared(&world, 0).await;
        open_bank(&west, 1).await;
        let error = east.links.start_replica(BANK, THERE, "test").await.expect_err("taken");
        assert_eq!(error.state, SqlState::DUPLICATE_DATABASE, "{error:?}");
        let server = RemoteServer {
            id: 0,
            host: "west".into(),
            port: 5432,
            user: Some("root".into()),
            password: Some("wrong".into()),
        };
        let put = ReplicaCommand::PutRemoteServer { name: "west".into(), server, replace: true };
        east.engine.meta.apply(put.into()).expect("there");
        let error = east.links.start_replica(BANK, THERE, "test").await.expect_err("wrong");
        assert_eq!(error.state, SqlState::INVALID_PASSWORD, "{error:?}");
        assert_eq!(wanted(&east, THERE), Wanted::NotStarted);
    });
}

/// The target is told to follow, but its answer, or the order itself, is lost: it is called again.
#[test]
fn start_is_completed_whatever_is_lost_after_the_first_step() {
    for (seed, verdict) in [(4, Verdict::Cut), (5, Verdict::CutAnswer)] {
        run(seed, move |world| async move {
            let (east, west, _) = declared(&world, 0).await;
            let seen = Arc::new(AtomicUsize::new(0));
            east.network.set_faults(Arc::new(move |call: &Call| {
                let second = call.what == "invite" && seen.fetch_add(1, Ordering::Relaxed) == 1;
                if second { verdict } else { Verdict::Pass }
            }));
            let told = east.links.start_replica(BANK, THERE, "test").await.expect("starts");
            assert!(told.is_some(), "the answer was lost");
            assert_eq!(wanted(&east, THERE), Wanted::Running);
            until("the target has it", || west.engine.record(BANK).is_ok()).await;
            west.links.wait_standby(BANK).await.expect("follows");
            west.caught_up(&east).await;
        });
    }
}

/// Either side dies between the steps.
#[test]
fn start_is_completed_after_a_crash_of_either_side() {
    for (seed, dies) in [(6, "east"), (7, "west"), (8, "both")] {
        run(seed, move |world| async move {
            let (mut east, mut west, table) = declared(&world, 0).await;
            let seen = Arc::new(AtomicUsize::new(0));
            east.network.set_faults(Arc::new(move |call: &Call| {
                let later = call.what == "invite" && seen.fetch_add(1, Ordering::Relaxed) > 0;
                if later { Verdict::Cut } else { Verdict::Pass }
            }));
            let told = east.links.start_replica(BANK, THERE, "test").await.expect("starts");
            assert!(told.is_some());
            if dies != "west" {
                east.crash();
                east = east.restart().await;
            }
            if dies != "east" {
                west.crash();
                west = west.restart().await;
            }
            heal(&east);
            until("the target has it", || west.engine.record(BANK).is_ok()).await;
            west.links.wait_standby(BANK).await.expect("follows");
            set(&east.bank(), &table, &[5], 55).await.expect("commits");
            west.caught_up(&east).await;
            assert_eq!(west.balances().await[&5], 55);
        });
    }
}

#[test]
fn paused_target_gets_nothing_and_a_forced_cycle_everything_up_to_then() {
    run(9, |world| async move {
        let (east, west, table) = followed(&world).await;
        assert_eq!(
            east.links.force_replica(BANK, THERE).await.expect_err("runs").state,
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE
        );
        east.links.pause_replica(BANK, THERE, "test").await.expect("pauses");
        tokio::time::sleep(Duration::from_secs(1)).await;
        set(&east.bank(), &table, &[1], 11).await.expect("commits");
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(west.balances().await[&1], 100);
        assert!(status(&east, THERE).connected, "it stays connected");
        east.links.force_replica(BANK, THERE).await.expect("one cycle");
        assert_eq!(west.balances().await[&1], 11);
        set(&east.bank(), &table, &[1], 12).await.expect("commits");
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(west.balances().await[&1], 11);
        // A pause outlives a restart of the source.
        east.crash();
        let east = east.restart().await;
        until("it is heard of", || status(&east, THERE).connected).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(west.balances().await[&1], 11);
        east.links.resume_replica(BANK, THERE, "test").await.expect("goes on");
        west.caught_up(&east).await;
        assert_eq!(west.balances().await[&1], 12);
        let cycles = east.engine.record(BANK).expect("there").replicas[THERE].cycles.clone();
        let states: Vec<_> = cycles.iter().map(|c| c.state.name()).collect();
        assert_eq!(states, ["PAUSED", "DONE"], "{cycles:?}");
    });
}

#[test]
fn target_in_cycles_shows_the_cut_of_its_last_one_and_is_promoted_with_everything() {
    run(10, |world| async move {
        let (east, west, table) = declared(&world, 60_000).await;
        start(&east).await;
        west.links.wait_standby(BANK).await.expect("follows");
        let cycles = |east: &Cluster| {
            let record = east.engine.record(BANK).expect("there");
            record.replicas[THERE].cycles.clone()
        };
        until("the first cycle ends", || cycles(&east).len() == 1).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        set(&east.bank(), &table, &[1], 11).await.expect("commits");
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(west.balances().await[&1], 100, "the next cycle has not begun");
        until("the second cycle ends", || cycles(&east).len() == 2).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(west.balances().await[&1], 11);
        let done = cycles(&east);
        assert!(done[1].cut > done[0].cut && done.iter().all(|c| c.sent_bytes > 0), "{done:?}");
        assert!(done[1].started_ms >= done[0].started_ms + 60_000, "{done:?}");
        // What it shows never goes back, not even when it begins anew.
        west.crash();
        let west = west.restart().await;
        assert_eq!(west.balances().await[&1], 11);
        west.links.wait_standby(BANK).await.expect("follows");
        set(&east.bank(), &table, &[2], 22).await.expect("commits");
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(west.balances().await[&2], 100, "not shown yet");
        east.crash();
        west.links.stop(BANK, "test").await.expect("promotes");
        assert_eq!(west.balances().await[&2], 22, "but here");
        assert!(west.kept().is_empty());
    });
}

#[test]
fn without_cycles_again_a_target_shows_all_it_has() {
    run(11, |world| async move {
        let (east, west, table) = declared(&world, 3_600_000).await;
        start(&east).await;
        west.links.wait_standby(BANK).await.expect("follows");
        tokio::time::sleep(Duration::from_secs(2)).await;
        set(&east.bank(), &table, &[1], 11).await.expect("commits");
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(west.balances().await[&1], 100);
        let all = |options: &mut ReplicaOptions| options.frequency_ms = 0;
        east.links.alter_replica(BANK, THERE, all).await.expect("alters");
        let mut shown = 100;
        for _ in 0..500 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            shown = west.balances().await[&1];
            if shown == 11 {
                break;
            }
        }
        assert_eq!(shown, 11, "as soon as it has heard of it");
    });
}

#[test]
fn promotion_without_loss_and_the_way_back() {
    run(12, |world| async move {
        let (east, west, table) = followed(&world).await;
        set(&east.bank(), &table, &[1], 11).await.expect("commits");
        let done = west.links.promote_replica(BANK, BACK, false, "test").await.expect("promotes");
        assert!(done.lossless && done.followed, "{done:?}");
        exchanged(&west, &east).await;
        assert_eq!(
            (wanted(&west, BACK), wanted(&east, THERE)),
            (Wanted::Running, Wanted::NotStarted)
        );
        assert_eq!(west.balances().await[&1], 11);
        until("the former one is heard of", || status(&west, BACK).connected).await;
        set(&west.bank(), &table, &[2], 22).await.expect("writable");
        let done = east.links.promote_replica(BANK, THERE, false, "test").await.expect("back");
        assert!(done.lossless, "{done:?}");
        exchanged(&east, &west).await;
        assert_eq!(
            (wanted(&west, BACK), wanted(&east, THERE)),
            (Wanted::NotStarted, Wanted::Running)
        );
        assert_eq!(east.balances().await[&2], 22);
        assert!(east.kept().is_empty() && west.kept().is_empty());
        let again = east.links.promote_replica(BANK, THERE, false, "test").await.expect("fine");
        assert!(again.already);
    });
}

#[test]
fn paused_target_is_brought_up_to_date_before_it_is_promoted() {
    run(13, |world| async move {
        let (east, west, table) = followed(&world).await;
        east.links.pause_replica(BANK, THERE, "test").await.expect("pauses");
        tokio::time::sleep(Duration::from_secs(1)).await;
        set(&east.bank(), &table, &[1], 11).await.expect("commits");
        west.links.promote_replica(BANK, BACK, false, "test").await.expect("promotes");
        exchanged(&west, &east).await;
        assert_eq!(west.balances().await[&1], 11);
        assert!(west.kept().is_empty());
    });
}

#[test]
fn promotion_without_loss_fails_if_the_source_is_gone_and_with_loss_it_comes_back_by_itself() {
    run(14, |world| async move {
        let (east, west, table) = followed(&world).await;
        west.network.leave("west:5432");
        set(&east.bank(), &table, &[1], 11).await.expect("commits");
        east.crash();
        let error = west.links.promote_replica(BANK, BACK, false, "test").await.expect_err("gone");
        assert_eq!(error.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "{error:?}");
        assert_eq!(wanted(&west, BACK), Wanted::NotStarted);
        let done = west.links.promote_replica(BANK, BACK, true, "test").await.expect("promotes");
        assert!(!done.lossless);
        set(&west.bank(), &table, &[2], 22).await.expect("writable at once");
        // It calls the former source in vain, also after a restart of its own.
        until("it has called", || status(&west, BACK).error.is_some()).await;
        west.crash();
        let west = west.restart().await;
        let east = east.restart().await;
        set(&east.bank(), &table, &[3], 33).await.expect_err("read-only until it has heard");
        exchanged(&west, &east).await;
        assert_eq!(wanted(&east, THERE), Wanted::NotStarted);
        let balances = east.balances().await;
        assert_eq!((balances[&1], balances[&2]), (100, 22));
        assert_eq!((east.kept().len(), west.kept().len()), (1, 1), "what only east had");
        // And back without loss.
        east.links.promote_replica(BANK, THERE, false, "test").await.expect("back");
        exchanged(&east, &west).await;
    });
}

/// The promoted side dies right after its commit point: what it then does comes from its metadata.
#[test]
fn former_source_is_called_back_after_a_crash_of_the_new_primary() {
    run(15, |world| async move {
        let (east, west, _) = followed(&world).await;
        east.crash();
        west.links.promote_replica(BANK, BACK, true, "test").await.expect("promotes");
        west.crash();
        let west = west.restart().await;
        assert_eq!(wanted(&west, BACK), Wanted::Running);
        let east = east.restart().await;
        exchanged(&west, &east).await;
    });
}

/// The source was never down: it goes on writing until it hears of the promotion.
#[test]
fn source_that_was_cut_off_comes_back_and_its_writes_are_kept() {
    run(16, |world| async move {
        let (east, west, table) = followed(&world).await;
        east.network.set_faults(Arc::new(|_: &Call| Verdict::Cut));
        set(&east.bank(), &table, &[1], 11).await.expect("commits");
        west.links.promote_replica(BANK, BACK, true, "test").await.expect("promotes");
        set(&east.bank(), &table, &[1], 12).await.expect("commits");
        heal(&east);
        exchanged(&west, &east).await;
        assert_eq!(east.balances().await[&1], 100);
        assert_eq!(east.kept().values().sum::<usize>(), 2);
    });
}

#[test]
fn dropped_replica_is_followed_no_more_and_can_be_made_again() {
    run(17, |world| async move {
        let (east, west, table) = followed(&world).await;
        cut(&east, "invite");
        let error = east.links.drop_replica(BANK, THERE, false, "test").await.expect_err("cut");
        assert_eq!(error.state, SqlState::CONNECTION_FAILURE);
        assert_eq!(wanted(&east, THERE), Wanted::Running);
        heal(&east);
        east.links.drop_replica(BANK, THERE, false, "test").await.expect("drops");
        assert!(east.links.slots().is_empty(), "nothing is kept for it");
        set(&east.bank(), &table, &[1], 11).await.expect("commits");
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert_eq!(west.balances().await[&1], 100);
        assert!(east.links.slots().is_empty());
        add(&east, THERE, "west", 0).await;
        start(&east).await;
        west.caught_up(&east).await;
        assert_eq!(west.balances().await[&1], 11);
    });
}

/// A source that declared a copy does not make it again behind the back of whoever has dropped it.
#[test]
fn copy_that_was_dropped_at_the_target_is_made_again_by_a_start_only() {
    run(22, |world| async move {
        let (east, west, _) = followed(&world).await;
        west.links.forget(BANK).await;
        west.engine.drop_database(BANK).await.expect("drops");
        let gone = || status(&east, THERE).error.is_some_and(|e| e.contains("is gone"));
        until("east has called in vain", gone).await;
        assert!(west.engine.record(BANK).is_err());
        start(&east).await;
        west.links.wait_standby(BANK).await.expect("follows");
        west.caught_up(&east).await;
    });
}

/// The way back without a login, of a link that a person has made: known before, and later.
#[test]
fn way_back_that_cannot_be_called_says_so() {
    run(23, |world| async move {
        let (east, west) = pair(&world).await;
        open_bank(&east, 5).await;
        west.replicate("east").await;
        west.links.wait_standby(BANK).await.expect("follows");
        server(&west, "east", false);
        add(&west, BACK, "east", 0).await;
        let (database, name) = (BANK.into(), BACK.into());
        let verb = Verb::PromoteReplica { database, name, data_loss: true };
        let lines = west.links.explain(&verb).await.expect("explained");
        assert!(lines.iter().any(|l| l.value.contains("cannot call")), "{lines:?}");
        east.crash();
        west.links.promote_replica(BANK, BACK, true, "test").await.expect("promotes");
        let error = || status(&west, BACK).error.is_some_and(|e| e.contains("no user"));
        until("it says why", error).await;
    });
}

#[test]
fn way_back_must_lead_to_the_source() {
    run(18, |world| async move {
        let (_, west, _) = followed(&world).await;
        let mut elsewhere = options(0);
        elsewhere.alias = "other".into();
        let (database, name, server) = (BANK.into(), "wrong".into(), "east".into());
        let add = AddReplica { database, name, server, options: elsewhere };
        let error = west.links.add_replica(add, "test").await.expect_err("elsewhere");
        assert_eq!(error.state, SqlState::INVALID_PARAMETER_VALUE);
        let error = west.links.start_replica(BANK, BACK, "test").await.expect_err("a standby");
        assert_eq!(error.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
    });
}

#[test]
fn standby_that_is_hidden_is_read_by_nobody_and_goes_on() {
    run(19, |world| async move {
        let (east, west, table) = followed(&world).await;
        west.engine.set_hidden(BANK, true, "test").expect("there");
        let mut txn = west.bank().begin(txn::TxnOptions::default());
        let error = txn.start_statement().await.expect_err("hidden");
        assert_eq!(error.state, SqlState::CANNOT_CONNECT_NOW);
        set(&east.bank(), &table, &[1], 11).await.expect("commits");
        west.caught_up(&east).await;
        west.crash();
        let west = west.restart().await;
        let mut txn = west.bank().begin(txn::TxnOptions::default());
        txn.start_statement().await.expect_err("hidden, also after a restart");
        west.links.wait_standby(BANK).await.expect("follows");
        west.links.promote_replica(BANK, BACK, false, "test").await.expect("promotes");
        assert_eq!(west.balances().await[&1], 11, "a primary is not hidden");
    });
}

/// One login for each cluster, however many databases it follows with it.
#[test]
fn second_handover_does_not_shut_out_the_database_of_the_first() {
    run(20, |world| async move {
        let (east, west, table) = followed(&world).await;
        let other = "other";
        east.engine.create_database(other, 1, meta::Durability::Sync).await.expect("new");
        let mut request = west.request("east", false);
        request.database = other.into();
        west.links.replicate(request, "test").await.expect("replicates");
        west.links.wait_standby(other).await.expect("follows");
        west.links.switchover(BANK, "west", "test").await.expect("takes over");
        west.links.switchover(other, "west", "test").await.expect("takes over");
        // East follows both, and has to log in again.
        east.crash();
        let east = east.restart().await;
        east.links.wait_standby(BANK).await.expect("follows");
        east.links.wait_standby(other).await.expect("follows");
        set(&west.bank(), &table, &[1], 11).await.expect("commits");
        east.caught_up(&west).await;
    });
}

#[test]
fn limited_bandwidth_holds_for_what_is_sent_and_ends_with_a_handover() {
    run(21, |world| async move {
        let (east, west, table) = followed(&world).await;
        let slow = |options: &mut ReplicaOptions| options.bytes_per_second = Some(5_000);
        east.links.alter_replica(BANK, THERE, slow).await.expect("alters");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = west.status().received_bytes;
        let began = east.node.env().clock.monotonic();
        for v in 0..400 {
            set(&east.bank(), &table, &(0..20).collect::<Vec<_>>(), v).await.expect("commits");
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
        let took = (east.node.env().clock.monotonic() - began).as_secs() + 1;
        let sent = west.status().received_bytes - before;
        // Each partition may be one batch ahead.
        assert!(sent <= took * 5_000 + 3 * 8_192, "{sent} bytes in {took} s");
        assert!(west.status().lag_records.is_some_and(|n| n > 0), "{:?}", west.status());
        west.links.promote_replica(BANK, BACK, false, "test").await.expect("promotes in time");
        assert_eq!(west.balances().await[&1], 399);
    });
}

#[test]
fn a_switchover_starts_the_way_back_that_was_declared() {
    run(21, |world| async move {
        let (east, west, table) = followed(&world).await;
        west.links.switchover(BANK, "west", "test").await.expect("hands over");
        assert_eq!(
            (wanted(&west, BACK), wanted(&east, THERE)),
            (Wanted::Running, Wanted::NotStarted)
        );
        set(&west.bank(), &table, &[1], 11).await.expect("commits");
        exchanged(&west, &east).await;
        east.links.switchover(BANK, "east", "test").await.expect("and back");
        assert_eq!(
            (wanted(&west, BACK), wanted(&east, THERE)),
            (Wanted::NotStarted, Wanted::Running)
        );
        exchanged(&east, &west).await;
    });
}
