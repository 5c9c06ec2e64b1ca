use crate::world::{add, balances, bank, begin, open};
use std::time::Duration;
use txn::Isolation::{ReadCommitted, RepeatableRead};

/// Transfers keep the sum at every snapshot, while chunks are written, over power losses.
#[test]
fn the_sum_of_all_balances_never_changes() {
    for seed in 0..8 {
        env::sim::run(seed, |world| async move {
            let node = world.node();
            let mut engine = open(node.env()).await.expect("opens");
            let (_, table) = bank(&engine, 30).await;
            let rng = world.rng();
            for _life in 0..3 {
                let database = engine.database("bank").expect("there");
                let clients: Vec<_> = (0..4)
                    .map(|_| {
                        let (database, table, rng) = (database.clone(), table.clone(), world.rng());
                        tokio::spawn(async move {
                            loop {
                                let mut txn = begin(&database, ReadCommitted).await;
                                let by = (rng.next_u64() % 20) as i64;
                                let from = (rng.next_u64() % 30) as i64;
                                let to = (rng.next_u64() % 30) as i64;
                                let moved = async {
                                    add(&mut txn, &table, from, -by).await?;
                                    tokio::time::sleep(Duration::from_millis(1)).await;
                                    add(&mut txn, &table, to, by).await
                                };
                                if moved.await.is_ok() {
                                    let _ = txn.commit().await;
                                }
                            }
                        })
                    })
                    .collect();
                for _ in 0..20 {
                    tokio::time::sleep(Duration::from_millis(rng.next_u64() % 50)).await;
                    let txn = begin(&database, RepeatableRead).await;
                    let all = balances(&txn, &table).await;
                    assert_eq!(all.iter().sum::<i64>(), 3000, "seed {seed}");
                    if rng.next_u64().is_multiple_of(4) {
                        engine.spill_above(&database, 0).await.expect("spills");
                    }
                    assert_eq!(balances(&txn, &table).await.len(), 30, "seed {seed}");
                }
                clients.iter().for_each(tokio::task::JoinHandle::abort);
                drop((database, engine));
                node.crash();
                engine = open(node.restart()).await.expect("opens after a power loss");
            }
        });
    }
}
