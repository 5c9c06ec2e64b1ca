//! Values of sequences over a promotion and back.

use crate::world::{BANK, begin, open_bank, pair};
use base::{Result, SequenceDescriptor, SqlState, SqlType};
use dr::memory::Verdict;
use meta::DatabaseState;
use partition::LockWait;
use std::collections::BTreeSet;
use std::sync::Arc;
use txn::Database;

async fn create(database: &Arc<Database>) -> SequenceDescriptor {
    let mut txn = begin(database).await;
    let s = SequenceDescriptor {
        id: txn.next_table_id().await.expect("primary"),
        schema: "public".into(),
        name: "s".into(),
        ty: SqlType::BigInt,
        start: 1,
        increment: 1,
        min: 1,
        max: i64::MAX,
        cache: 1,
        cycle: false,
        owner: None,
        generation: 1,
        version: 1,
    };
    txn.put_sequence(&s, Some((1, false))).await.expect("free name");
    txn.commit().await.expect("no conflict");
    s
}

async fn next(database: &Arc<Database>, s: &SequenceDescriptor, count: usize) -> Result<Vec<i64>> {
    let mut txn = begin(database).await;
    txn.start_writing()?;
    let values = txn.sequences(LockWait::Block(None))?.next(s.id, count).await?;
    txn.commit().await?;
    Ok(values)
}

#[test]
fn no_value_is_given_twice_over_a_lost_region_and_its_return() {
    env::sim::run(60, |world| async move {
        let (east, west) = pair(&world).await;
        open_bank(&east, 3).await;
        let s = create(&east.bank()).await;
        let mut given: BTreeSet<i64> = BTreeSet::new();
        let mut note = |values: Vec<i64>| {
            for value in values {
                assert!(given.insert(value), "{value} came twice");
            }
        };
        note(next(&east.bank(), &s, 10).await.expect("values"));
        west.replicate("east").await;
        west.caught_up(&east).await;
        let refused = next(&west.bank(), &s, 1).await.expect_err("a standby");
        assert_eq!(refused.state, SqlState::READ_ONLY_SQL_TRANSACTION);
        let mut reader = begin(&west.bank()).await;
        let ((last, called), _) = reader.sequence_shown(&s).await.expect("readable");
        assert!(last >= 10 && called, "what is reserved is shown: {last}");
        drop(reader);

        // What is reserved from now on never reaches the west.
        east.network.set_faults(Arc::new(|_| Verdict::Cut));
        for _ in 0..20 {
            note(next(&east.bank(), &s, 30).await.expect("values"));
        }
        east.crash();
        west.links.stop(BANK, "test").await.expect("promotes");
        for _ in 0..5 {
            note(next(&west.bank(), &s, 30).await.expect("values"));
        }
        east.network.set_faults(Arc::new(|_| Verdict::Pass));
        let east = east.restart().await;
        east.come_back("west").await;
        east.caught_up(&west).await;
        assert!(east.kept().is_empty(), "reservations are nothing a user wrote");
        assert_eq!(east.role(), DatabaseState::Standby);
        west.engine.gate(BANK, "test", "handing over").await.expect("gated");
        east.caught_up(&west).await;
        east.links.stop(BANK, "test").await.expect("promotes");
        note(next(&east.bank(), &s, 100).await.expect("values"));
    });
}
