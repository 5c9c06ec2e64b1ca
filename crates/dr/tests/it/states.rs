//! Every state of a database and every verb: what is allowed, what is refused with which code, and
//! that a refusal changes nothing. The picture of it is in docs/states.md.

use crate::replicas::{self, options, server};
use crate::world::{BANK, Cluster, open_bank, pair, set};
use base::{ClusterId, Result, TableDescriptor, Timestamp};
use dr::memory::{Call, Verdict};
use dr::{FailoverRequest, Partner, ResetRequest, Verb};
use env::sim::{World, run};
use meta::{DatabaseState, Purpose};
use std::sync::Arc;
use std::time::Duration;
use txn::BranchOrder;

/// `+` it is done, `=` it is fine and changes nothing, a SQLSTATE: it is refused.
///
/// * primary: west follows it; gated, bound by a handover whose other side died, fenced after a
///   restart because its standby was not heard of; alone: nobody follows
/// * standby: streaming; cut off from its source; paused; copying; rewinding
/// * promoted: a standby that took over from a source that is gone
///
/// Each has a replica declared, not started, that leads to the other cluster.
const TABLE: &str = "
verb              | primary gated bound fenced alone standby cutoff paused copying rewinding promoted
replicate         | 42P04   42P04 42P04 42P04  42P04 42P04   42P04  42P04  42P04   42P04     42P04
come back         | 55000   55000 08006 55000  3D000 +       08006  +      55006   55006     08006
pause             | 55000   55000 55000 55000  55000 +       +      =      +       +         55000
continue          | 55000   55000 55000 55000  55000 =       =      +      =       =         55000
stop              | 55000   55000 55000 55000  55000 +       +      +      55000   55000     55000
failover          | 55000   55000 55000 55000  55000 +       55000  55000  55000   55000     =
failover lossy    | 55000   55000 55000 55000  55000 +       +      +      55000   55000     =
failover at 1970  | 55000   55000 55000 55000  55000 55000   55000  55000  55000   55000     55000
switchover here   | 55000   55000 55000 55000  55000 +       55000  55000  55000   55000     55000
switchover there  | +       +     55000 55000  55000 55000   55000  55000  55000   55000     55000
gate              | +       +     55006 +      +     55000   55000  55000  55000   55000     +
unlock            | =       +     55006 =      =     55000   55000  55000  55000   55000     =
unlock force      | =       +     +     =      =     55000   55000  55000  55000   55000     =
verify            | 55000   55000 55000 55000  55000 +       08006  55000  55000   55000     55000
branch            | =       =     =     =      =     =       =      =      57P03   57P03     =
explain           | =       =     =     =      =     =       =      =      =       =         =
explain back      | =       =     =     =      =     =       =      =      =       =         =
replica start     | +       +     08006 +      +     55000   55000  55000  55000   55000     08006
replica pause     | 55000   55000 55000 55000  55000 55000   55000  55000  55000   55000     55000
replica force     | 55000   55000 55000 55000  55000 55000   55000  55000  55000   55000     55000
replica promote   | 55000   55000 55000 55000  55000 +       55000  55000  55000   55000     +
replica lossy     | 55000   55000 55000 55000  55000 +       +      +      55000   55000     +
replica drop      | +       +     +     +      +     +       +      +      +       +         +
reset             | 55006   55006 55006 =      42704 55000   55000  55000  55000   55000     =
reset force       | =       =     +     =      42704 55000   55000  55000  55000   55000     =
";

const REPLICA: &str = "replica";

/// Two clusters, of which the one at `here` has its database in the wanted state.
struct Scene {
    clusters: [Cluster; 2],
    here: usize,
    table: TableDescriptor,
}

impl Scene {
    fn here(&self) -> &Cluster {
        &self.clusters[self.here]
    }

    fn other(&self) -> &'static str {
        ["west", "east"][self.here]
    }

    /// The database's metadata without what goes on by itself.
    fn record(&self) -> meta::Database {
        let mut record = self.here().engine.record(BANK).expect("there");
        record.slots.clear();
        if let Some(link) = &mut record.link {
            link.last_error = None;
        }
        record
    }

    async fn writable(&self) -> bool {
        set(&self.here().bank(), &self.table, &[1], 1).await.is_ok()
    }
}

async fn wait(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

fn cut(any: &Cluster, what: &'static [&'static str]) {
    any.network.set_faults(Arc::new(move |call: &Call| match what.contains(&call.what) {
        true => Verdict::Cut,
        false => Verdict::Pass,
    }));
}

async fn scene(world: &World, state: &str) -> Scene {
    let (east, west) = pair(world).await;
    let table = open_bank(&east, 20).await;
    if state == "alone" {
        return Scene { clusters: [east, west], here: 0, table };
    }
    if state == "copying" {
        cut(&east, &["subscribe"]);
        west.replicate("east").await;
        wait(1_000).await;
        return Scene { clusters: [east, west], here: 1, table };
    }
    west.replicate("east").await;
    west.caught_up(&east).await;
    wait(3_000).await;
    let (mut east, here) = (east, usize::from(!matches!(state, "primary" | "gated" | "bound")));
    match state {
        "gated" => east.engine.gate(BANK, "root", "audit").await.expect("gates"),
        "bound" => {
            east.lose_handover();
            west.links.switchover(BANK, "west", "test").await.expect_err("cut");
            west.crash();
            wait(6_000).await;
        }
        "fenced" => {
            west.links.pause(BANK, "test").await.expect("links");
            east.crash();
            east = east.restart().await;
            return Scene { clusters: [east, west], here: 0, table };
        }
        "cutoff" => {
            east.network.leave("east:5432");
            wait(6_000).await;
        }
        "paused" => west.links.pause(BANK, "test").await.expect("links"),
        "rewinding" => {
            east.network.leave("east:5432");
            set(&east.bank(), &table, &[3], 33).await.expect("commits");
            west.links.stop(BANK, "test").await.expect("promotes");
            cut(&east, &["save_diverged"]);
            east.come_back("west").await;
            wait(1_000).await;
            assert!(matches!(east.role(), DatabaseState::Rewinding { .. }), "{:?}", east.role());
            return Scene { clusters: [east, west], here: 0, table };
        }
        "promoted" => {
            east.crash();
            let lossy = FailoverRequest { database: BANK.into(), at: None, data_loss: true };
            west.links.failover(lossy, "test").await.expect("promotes");
        }
        _ => {}
    }
    Scene { clusters: [east, west], here, table }
}

/// Declares a replica that leads to the other cluster.
async fn declare(here: &Cluster, other: &str) {
    server(here, other, true);
    replicas::declare(here, REPLICA, other, options(0)).await;
}

async fn act(scene: &Scene, verb: &str) -> Result<()> {
    let (here, other) = (scene.here(), scene.other());
    let links = &here.links;
    let failover = |at: Option<u64>, data_loss| FailoverRequest {
        database: BANK.into(),
        at: at.map(Timestamp::from_ms),
        data_loss,
    };
    match verb {
        "replicate" => links.replicate(here.request(other, false), "test").await,
        "come back" => links.replicate(here.request(other, true), "test").await,
        "pause" => links.pause(BANK, "test").await,
        "continue" => links.resume(BANK, "test").await,
        "stop" => links.stop(BANK, "test").await.map(drop),
        "failover" => links.failover(failover(None, false), "test").await.map(drop),
        "failover lossy" => links.failover(failover(None, true), "test").await.map(drop),
        "failover at 1970" => links.failover(failover(Some(1), true), "test").await.map(drop),
        "switchover here" => links.switchover(BANK, here.name, "test").await.map(drop),
        "switchover there" => links.switchover(BANK, other, "test").await.map(drop),
        "gate" => {
            let (owner, reason) = ("test".to_owned(), "another reason".to_owned());
            links.gate(BANK, txn::GateRequest { owner, reason, ..Default::default() }).await
        }
        "unlock" => links.unlock(BANK, false, "test"),
        "unlock force" => links.unlock(BANK, true, "test"),
        "reset" | "reset force" => {
            let other = ClusterId([2, 1][scene.here]);
            let (partner, force) = (Partner::Id(other), verb == "reset force");
            links.reset(ResetRequest { partner, force }, "test").await.map(drop)
        }
        "verify" => links.verify(BANK, "test").await.map(drop),
        "replica start" => links.start_replica(BANK, REPLICA, "test").await.map(drop),
        "replica pause" => links.pause_replica(BANK, REPLICA, "test").await,
        "replica force" => links.force_replica(BANK, REPLICA).await,
        "replica promote" => links.promote_replica(BANK, REPLICA, false, "test").await.map(drop),
        "replica lossy" => links.promote_replica(BANK, REPLICA, true, "test").await.map(drop),
        "replica drop" => links.drop_replica(BANK, REPLICA, false, "test").await,
        "branch" => {
            let (source, name) = (BANK.to_owned(), "branch".to_owned());
            let order = BranchOrder { source, name, at: None, purpose: Purpose::Own, by: None };
            here.engine.branch(order).await.map(drop)
        }
        "explain" => links.explain(&Verb::Failover(failover(None, true))).await.map(drop),
        "explain back" => {
            links.explain(&Verb::Replicate(here.request(other, true))).await.map(drop)
        }
        _ => panic!("no such verb: {verb}"),
    }
}

/// Checks one column of the table.
fn check(state: &'static str) {
    let mut lines = TABLE.lines().filter(|line| !line.is_empty());
    let head = lines.next().expect("a head").split_once('|').expect("a bar").1;
    let column = head.split_whitespace().position(|s| s == state).expect("a known state");
    for line in lines {
        let (verb, cells) = line.split_once('|').expect("a bar");
        let verb = verb.trim();
        let want = cells.split_whitespace().nth(column).expect("a cell");
        run(1, |world| async move {
            let scene = scene(&world, state).await;
            declare(scene.here(), scene.other()).await;
            let (before, wrote) = (scene.record(), scene.writable().await);
            let done = act(&scene, verb).await;
            let got = done.as_ref().map_or_else(|e| e.state.0, |()| "");
            match want {
                "+" | "=" => assert_eq!(got, "", "{state}, {verb}: {done:?}"),
                code => assert_eq!(got, code, "{state}, {verb}: {done:?}"),
            }
            match want {
                "+" => assert_ne!(scene.record(), before, "{state}, {verb} does nothing"),
                _ => {
                    assert_eq!(scene.record(), before, "{state}, {verb} changes something");
                    // A fence may have been lifted meanwhile, never put up.
                    assert!(scene.writable().await >= wrote, "{state}, {verb}");
                }
            }
            if let Err(error) = done {
                assert!(error.message.len() > 10, "{state}, {verb}: {error:?}");
            }
        });
    }
}

macro_rules! states {
    ($($name:ident => $state:literal;)*) => {
        $(#[test]
        fn $name() {
            check($state);
        })*
    };
}

states! {
    verbs_on_a_primary => "primary";
    verbs_on_a_gated_primary => "gated";
    verbs_on_a_primary_that_is_bound_by_a_handover => "bound";
    verbs_on_a_primary_that_is_fenced_after_a_restart => "fenced";
    verbs_on_a_database_that_nobody_follows => "alone";
    verbs_on_a_standby => "standby";
    verbs_on_a_standby_that_is_cut_off => "cutoff";
    verbs_on_a_paused_standby => "paused";
    verbs_on_a_first_copy => "copying";
    verbs_on_a_database_that_comes_back => "rewinding";
    verbs_on_a_promoted_standby => "promoted";
}
