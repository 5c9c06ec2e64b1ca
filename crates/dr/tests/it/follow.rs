use crate::world::{BANK, begin, fill, open_bank, pair, put, set};
use base::SqlState;
use env::sim::run;
use meta::DatabaseState;
use std::time::Duration;

#[test]
fn target_copies_follows_and_refuses_writes() {
    run(1, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 50).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        assert_eq!(west.balances().await.len(), 50);
        fill(&east.bank(), &table, 50..90).await;
        west.caught_up(&east).await;
        assert_eq!(west.balances().await, east.balances().await);
        let mut txn = begin(&west.bank()).await;
        let refused = put(&mut txn, &table, 1, 1).await.unwrap_err();
        assert_eq!(refused.state, SqlState::READ_ONLY_SQL_TRANSACTION);
        let status = west.status();
        assert_eq!((status.state, status.connected), ("streaming", true));
        assert_eq!((status.lag_records, status.lag_rows), (Some(0), Some(0)));
        assert!(status.received_bytes > 0);
        let slots = east.links.slots();
        assert_eq!((slots.len(), slots[0].connected), (1, true));
        assert!(slots[0].lag_records < 20 && slots[0].lag_ms < 1_000, "{slots:?}");
        assert_eq!(slots[0].target, "west");
    });
}

#[test]
fn planned_promotion_of_a_gated_source_loses_nothing() {
    run(2, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 30).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        set(&east.bank(), &table, &[1, 2, 3, 4], 7).await.unwrap();
        east.engine.gate(BANK, "test", "hand-over").await.unwrap();
        let want = east.balances().await;
        let promoted = west.links.stop(BANK, "test").await.unwrap();
        assert_eq!(promoted.set_aside, 0);
        assert_eq!(west.role(), DatabaseState::Primary);
        assert_eq!(west.balances().await, want);
        set(&west.bank(), &table, &[1], 8).await.unwrap();
        assert!(west.links.stop(BANK, "test").await.is_err(), "it is no target any more");
    });
}

#[test]
fn pause_restart_and_cut_resume_where_they_were() {
    run(3, |world| async move {
        let (east, west) = pair(&world).await;
        let table = open_bank(&east, 30).await;
        west.replicate("east").await;
        west.caught_up(&east).await;
        west.links.pause(BANK, "test").await.unwrap();
        set(&east.bank(), &table, &[1, 2], 5).await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let status = west.status();
        assert_eq!((status.state, status.lag_records), ("paused", None));
        assert!(status.lag_ms.is_some_and(|ms| ms > 9_000), "{status:?}");
        assert_eq!(west.balances().await[&1], 100);

        west.crash();
        let west = west.restart().await;
        assert_eq!(west.status().state, "paused");
        west.links.resume(BANK, "test").await.unwrap();
        west.caught_up(&east).await;
        assert_eq!(west.balances().await[&1], 5);
        let before = west.status().received_records;

        east.crash();
        tokio::time::sleep(Duration::from_secs(20)).await;
        let status = west.status();
        assert_eq!(status.state, "failed");
        assert!(status.last_error.is_some_and(|e| e.contains("nobody answers")));
        let east = east.restart().await;
        west.caught_up(&east).await;
        set(&east.bank(), &table, &[1], 6).await.unwrap();
        west.caught_up(&east).await;
        assert_eq!(west.balances().await[&1], 6);
        assert_eq!(west.status().last_error, None);
        assert!(west.status().received_records < before + 200, "nothing was sent twice");
    });
}
