//! Reads of the past on a standby, and across a failback.

use crate::world::{BANK, Cluster, balances_at, open_bank, pair, set};
use base::{SqlState, Timestamp};
use env::sim::run;
use std::collections::BTreeMap;
use std::time::Duration;

async fn spill(cluster: &Cluster) {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    cluster.engine.spill_above(&cluster.bank(), 0).await.unwrap();
}

async fn at(cluster: &Cluster, ts: Timestamp) -> base::Result<BTreeMap<i64, i64>> {
    balances_at(&cluster.bank(), ts).await
}

#[test]
fn a_standby_shows_the_same_past_also_after_a_restart_and_a_copy() {
    run(41, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 20).await;
        set(&east.bank(), &table, &[1], 5).await.unwrap();
        let before = east.engine.oracle.now();
        spill(&east).await;
        set(&east.bank(), &table, &[1], 6).await.unwrap();
        // What east keeps of the past comes along with the copy.
        west.replicate("east").await;
        west.caught_up(&east).await;
        let between = east.engine.oracle.now();
        set(&east.bank(), &table, &[1], 7).await.unwrap();
        west.caught_up(&east).await;
        spill(&west).await;
        west.crash();
        let west = west.restart().await;
        west.caught_up(&east).await;
        spill(&west).await;
        for (ts, value) in [(before, 5), (between, 6)] {
            let seen = at(&west, ts).await.unwrap();
            assert_eq!(seen[&1], value);
            assert_eq!(seen, at(&east, ts).await.unwrap());
        }
        west.links.pause(BANK, "test").await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let refused = at(&west, east.engine.oracle.now()).await.unwrap_err();
        assert_eq!(refused.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "{refused:?}");
        let future = Timestamp::from_ms(east.engine.oracle.now().ms() + 60_000);
        assert_eq!(at(&west, future).await.unwrap_err().state, SqlState::INVALID_PARAMETER_VALUE);
    });
}

#[test]
fn who_comes_back_shows_the_past_of_the_line() {
    run(42, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 20).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        let shared = east.engine.oracle.now();
        set(&east.bank(), &table, &[1], 5).await.unwrap();
        west.caught_up(&east).await;
        west.links.pause(BANK, "test").await.unwrap();
        set(&east.bank(), &table, &[1], 666).await.unwrap();
        spill(&east).await;
        let stranded = east.engine.oracle.now();
        east.crash();
        west.links.stop(BANK, "test").await.unwrap();
        set(&west.bank(), &table, &[2], 8).await.unwrap();
        let after = west.engine.oracle.now();
        let east = east.restart().await;
        east.come_back("west").await;
        east.caught_up(&west).await;
        assert_eq!(at(&east, shared).await.unwrap()[&1], 100);
        for ts in [shared, stranded.max(after)] {
            assert_eq!(at(&east, ts).await.unwrap(), at(&west, ts).await.unwrap());
        }
    });
}
