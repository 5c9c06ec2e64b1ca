//! Reads of the past: what is kept for how long, over spills, merges and restarts.

use crate::world::{add, balances, bank, begin, create_table, open, put, read, settings};
use base::{SqlState, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use txn::Isolation::ReadCommitted;
use txn::{Database, Engine, Transaction, TxnOptions};

const MINUTE: Duration = Duration::from_secs(60);

async fn spill(engine: &Engine, database: &Arc<Database>) {
    // Until everything so far is closed.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    engine.spill_above(database, 0).await.expect("spills");
}

fn at(database: &Arc<Database>, ts: Timestamp) -> base::Result<Transaction> {
    let mut txn = database.begin(TxnOptions::default());
    txn.read_as_of(ts)?;
    Ok(txn)
}

/// Adds 1 to all of ten accounts, and spills; when that was.
async fn round(
    engine: &Arc<Engine>,
    database: &Arc<Database>,
    table: &base::TableDescriptor,
) -> Timestamp {
    let mut txn = begin(database, ReadCommitted).await;
    for id in 0..10 {
        add(&mut txn, table, id, 1).await.expect("free");
    }
    txn.commit().await.expect("no conflict");
    let now = engine.oracle.now();
    spill(engine, database).await;
    now
}

#[test]
fn the_window_holds_over_spills_merges_and_a_restart() {
    env::sim::run(31, |world| async move {
        let node = world.node();
        let mut settings = settings();
        settings.version_retention = MINUTE;
        // Merges are due all the time.
        settings.state.runs_max = 2;
        let mut engine = Engine::open(node.env(), settings.clone()).await.expect("opens");
        let (mut database, table) = bank(&engine, 10).await;
        let mut times = Vec::new();
        for n in 1..=40 {
            times.push((round(&engine, &database, &table).await, 100 + n));
            if n % 13 == 0 {
                drop((database, engine));
                node.crash();
                engine = Engine::open(node.restart(), settings.clone()).await.expect("opens");
                database = engine.database("bank").expect("there");
            }
            let window = database.window().expect("readable");
            let promised = engine.oracle.now().ms() - MINUTE.as_millis() as u64;
            assert!(window.oldest.ms() <= promised, "{window:?}, {promised}");
            for (ts, balance) in times.iter().filter(|(ts, _)| *ts >= window.oldest) {
                let past = at(&database, *ts).expect("in the window");
                assert_eq!(balances(&past, &table).await, vec![*balance; 10], "{ts}");
                assert_eq!(read(&past, &table, 7).await, Some(*balance), "{ts}");
            }
        }
        tokio::time::sleep(3 * MINUTE).await;
        let last = round(&engine, &database, &table).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (first, _) = times[0];
        let refused = at(&database, first).expect_err("long ago");
        assert_eq!(refused.state, SqlState::SNAPSHOT_TOO_OLD);
        assert!(refused.detail.as_ref().is_some_and(|d| d.contains("it can be read from")));
        assert_eq!(at(&database, last.next()).map(|t| t.read_ts()).expect("now"), last.next());
    });
}

#[test]
fn what_the_window_has_left_behind_is_really_gone() {
    env::sim::run(32, |world| async move {
        let node = world.node();
        let mut settings = settings();
        settings.version_retention = Duration::from_secs(10);
        let engine = Engine::open(node.env(), settings).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        for _ in 0..30 {
            round(&engine, &database, &table).await;
        }
        let mut rows = 0;
        tokio::time::sleep(MINUTE).await;
        round(&engine, &database, &table).await;
        tokio::time::sleep(MINUTE).await;
        for partition in database.partitions() {
            rows += partition.status().await.expect("here").chunk_rows;
        }
        // Ten accounts, the catalog, and what the newest runs have.
        assert!(rows < 60, "{rows} versions are kept of 330");
    });
}

#[test]
fn a_longer_retention_holds_from_then_on_and_survives_a_restart() {
    env::sim::run(33, |world| async move {
        let node = world.node();
        let mut settings = settings();
        settings.version_retention = Duration::ZERO;
        let engine = Engine::open(node.env(), settings.clone()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let early = round(&engine, &database, &table).await;
        round(&engine, &database, &table).await;
        assert!(at(&database, early).is_err());
        engine.set_version_retention("bank", Some(MINUTE)).expect("set");
        let kept = round(&engine, &database, &table).await;
        drop((database, engine));
        node.crash();
        let engine = Engine::open(node.restart(), settings).await.expect("opens");
        let database = engine.database("bank").expect("there");
        assert_eq!(database.version_retention(), MINUTE);
        for _ in 0..10 {
            round(&engine, &database, &table).await;
        }
        let past = at(&database, kept).expect("kept");
        assert_eq!(balances(&past, &table).await, vec![103; 10]);
    });
}

#[test]
fn tables_and_columns_of_the_past_come_back_after_a_restart() {
    env::sim::run(34, |world| async move {
        let node = world.node();
        let engine = open(node.env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let wide = engine.oracle.now();
        spill(&engine, &database).await;
        let mut ddl = begin(&database, ReadCommitted).await;
        let mut narrow = table.clone();
        narrow.columns.retain(|c| c.id == 1);
        narrow.version += 1;
        ddl.put_table(&narrow).await.expect("free name");
        ddl.commit().await.expect("no conflict");
        // Written down by someone who knows the narrow table only.
        spill(&engine, &database).await;
        let other = create_table(&database, "other").await;
        let mut txn = begin(&database, ReadCommitted).await;
        put(&mut txn, &other, 1, 5).await.expect("free");
        txn.commit().await.expect("no conflict");
        let both = engine.oracle.now();
        spill(&engine, &database).await;
        let mut ddl = begin(&database, ReadCommitted).await;
        ddl.drop_table(table.id).await.expect("there");
        ddl.drop_table(other.id).await.expect("there");
        ddl.commit().await.expect("no conflict");
        spill(&engine, &database).await;
        let none = engine.oracle.now();
        drop((database, engine));
        node.crash();
        let engine = open(node.restart()).await.expect("opens");
        let database = engine.database("bank").expect("there");
        for _ in 0..2 {
            let mut past = at(&database, wide).expect("in the window");
            let catalog = past.catalog().await.expect("readable");
            assert_eq!(catalog.tables.len(), 1);
            assert_eq!(catalog.tables[&table.id].columns.len(), 2);
            assert_eq!(balances(&past, &table).await, vec![100; 10]);
            let mut past = at(&database, both).expect("in the window");
            let catalog = past.catalog().await.expect("readable");
            assert_eq!(catalog.tables.len(), 2);
            assert_eq!(catalog.tables[&table.id].columns.len(), 1);
            assert_eq!(read(&past, &other, 1).await, Some(5));
            let mut past = at(&database, none).expect("in the window");
            assert_eq!(past.catalog().await.expect("readable").tables.len(), 0);
            // Again after everything was merged once more.
            create_table(&database, &format!("more{}", engine.oracle.next().0)).await;
            spill(&engine, &database).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
}

#[test]
fn a_reader_of_the_past_keeps_what_it_reads() {
    env::sim::run(35, |world| async move {
        let node = world.node();
        let mut settings = settings();
        settings.version_retention = Duration::from_secs(5);
        let engine = Engine::open(node.env(), settings).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let early = round(&engine, &database, &table).await;
        let past = at(&database, early).expect("in the window");
        for _ in 0..30 {
            round(&engine, &database, &table).await;
        }
        assert_eq!(balances(&past, &table).await, vec![101; 10]);
        assert!(at(&database, early).is_ok(), "as long as somebody reads there");
        drop(past);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(at(&database, early).is_err());
    });
}

#[test]
fn a_transaction_of_the_past_reads_only() {
    env::sim::run(36, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, table) = bank(&engine, 1).await;
        let mut past = at(&database, engine.oracle.now()).expect("now");
        past.start_statement().await.expect("readable");
        let refused = put(&mut past, &table, 0, 1).await.expect_err("read only");
        assert_eq!(refused.state, SqlState::READ_ONLY_SQL_TRANSACTION);
        assert!(past.set_options(TxnOptions::default()).is_err());
        let later = Timestamp::from_ms(engine.oracle.now().ms() + 1_000);
        let refused = at(&database, later).expect_err("in the future");
        assert_eq!(refused.state, SqlState::INVALID_PARAMETER_VALUE);
        let mut present = begin(&database, ReadCommitted).await;
        assert!(present.read_as_of(engine.oracle.now()).is_err(), "it has a snapshot already");
    });
}
