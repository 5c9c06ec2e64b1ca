//! Two clusters with a small bank: helpers for the tests beside it.

use arrow::array::AsArray;
use base::{
    ClusterId, Column, NodeId, Result, SqlType, StorageId, TableDescriptor, Timestamp, Value,
};
use bytes::Bytes;
use dr::memory::{Call, Network, Verdict};
use dr::{LinkStatus, Links, ReplicateRequest};
use env::Env;
use env::sim::{SimNode, World};
use meta::{Bootstrap, DatabaseState, Durability};
use partition::{LockMode, LockWait};
use state::ScanSpec;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use txn::{Database, Engine, EngineSettings, EntryMove, Isolation, Transaction, TxnOptions};

pub const PARTITIONS: u16 = 3;
pub const BANK: &str = "bank";

/// The seeds to try: `n` of them, or what ANTIPODE_SEEDS says (`from..to`).
pub fn seeds(n: u64) -> std::ops::Range<u64> {
    let given = std::env::var("ANTIPODE_SEEDS").ok();
    let range = given
        .as_deref()
        .and_then(|s| s.split_once(".."))
        .map(|(from, to)| from.parse().expect("a number")..to.parse().expect("a number"));
    range.unwrap_or(0..n)
}

/// One cluster of one node.
pub struct Cluster {
    pub id: u8,
    pub name: &'static str,
    pub node: SimNode,
    pub network: Network,
    pub engine: Arc<Engine>,
    pub links: Arc<Links>,
}

pub fn settings(id: u8, name: &str) -> EngineSettings {
    let bootstrap = Bootstrap {
        cluster_id: ClusterId(id),
        name: name.into(),
        node: NodeId(1),
        superuser: "root".into(),
        password: "secret".into(),
    };
    let mut settings = EngineSettings::new("/data".into(), bootstrap);
    settings.log.segment_bytes = 1 << 20;
    // The simulated power loss has ended the node already.
    settings.log.on_fatal = log::OnFatal::call(|_| {});
    settings
}

async fn start(
    env: Env,
    id: u8,
    name: &'static str,
    network: &Network,
    tune: fn(&mut EngineSettings),
) -> (Arc<Engine>, Arc<Links>) {
    let mut settings = settings(id, name);
    tune(&mut settings);
    let engine = Engine::open(env.clone(), settings).await.expect("opens");
    let connect = network.connector(env, name);
    let links = Links::open(engine.clone(), connect).await.expect("opens");
    network.listen(&format!("{name}:5432"), links.replication());
    (engine, links)
}

impl Cluster {
    pub async fn new(world: &World, network: &Network, id: u8, name: &'static str) -> Cluster {
        let node = world.node();
        let (engine, links) = start(node.env(), id, name, network, |_| {}).await;
        Cluster { id, name, node, network: network.clone(), engine, links }
    }

    /// Off the network, then power loss.
    pub fn crash(&self) {
        self.network.leave(&format!("{}:5432", self.name));
        self.node.crash();
    }

    /// A new life.
    pub async fn restart(self) -> Cluster {
        self.restart_with(|_| {}).await
    }

    pub async fn restart_with(self, tune: fn(&mut EngineSettings)) -> Cluster {
        let Cluster { id, name, node, network, engine, links } = self;
        drop((engine, links));
        let (engine, links) = start(node.restart(), id, name, &network, tune).await;
        Cluster { id, name, node, network, engine, links }
    }

    pub fn bank(&self) -> Arc<Database> {
        self.engine.database(BANK).expect("there")
    }

    pub fn role(&self) -> DatabaseState {
        self.engine.record(BANK).expect("there").state
    }

    pub fn request(&self, source: &str, differential: bool) -> ReplicateRequest {
        ReplicateRequest {
            database: BANK.into(),
            differential,
            durability: None,
            user: "root".into(),
            password: Some("secret".into()),
            host: source.into(),
            port: None,
            source_database: None,
        }
    }

    /// The keys of the bank that lie in a range of a key space here, readable or not.
    pub fn keys(&self, storage: StorageId, (start, end): (Bytes, Bytes)) -> BTreeSet<Vec<u8>> {
        let mut all = BTreeSet::new();
        for partition in self.bank().local_partitions() {
            let spec = ScanSpec {
                storage,
                start: start.clone(),
                end: end.clone(),
                ts: Timestamp::MAX,
                columns: Vec::new(),
                with_key: true,
                batch_rows: 100,
                limit: None,
            };
            for batch in partition.stored(spec).expect("readable") {
                let batch = batch.expect("readable");
                all.extend(batch.column(0).as_binary::<i32>().iter().flatten().map(<[u8]>::to_vec));
            }
        }
        all
    }

    /// Who is asked to give a database away does so, but the answer is lost, and everything about it
    /// after that.
    pub fn lose_handover(&self) {
        let seen = Arc::new(AtomicUsize::new(0));
        self.network.set_faults(Arc::new(move |call: &Call| match call.what {
            "handover" if seen.fetch_add(1, Ordering::Relaxed) == 0 => Verdict::CutAnswer,
            "handover" => Verdict::Cut,
            _ => Verdict::Pass,
        }));
    }

    pub async fn replicate(&self, source: &str) {
        self.links.replicate(self.request(source, false), "test").await.expect("replicates");
    }

    pub async fn come_back(&self, source: &str) {
        self.links.replicate(self.request(source, true), "test").await.expect("comes back");
    }

    pub fn status(&self) -> LinkStatus {
        self.links.status().into_iter().find(|s| s.database == BANK).expect("a link")
    }

    /// Waits until the link here has everything that its source has now.
    pub async fn caught_up(&self, source: &Cluster) {
        let now = source.engine.oracle.now();
        for _ in 0..3_000 {
            let there = self.bank().replicated_time() >= now;
            if there && self.role() == DatabaseState::Standby && self.status().lag_ms == Some(0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} does not catch up: {:?}", self.name, self.status());
    }

    pub async fn balances(&self) -> BTreeMap<i64, i64> {
        balances(&self.bank()).await
    }

    /// How often each marker (account id) is in the vault as the new row of a transaction.
    pub fn kept(&self) -> BTreeMap<String, usize> {
        let mut kept = BTreeMap::new();
        for txn in self.links.diverged(BANK).expect("readable") {
            assert!(txn.decided && txn.complete, "{txn:?}");
            for row in txn.parts.iter().flat_map(|p| &p.rows) {
                assert_eq!(row.table, "accounts");
                *kept.entry(row.key.clone()).or_default() += 1;
            }
        }
        kept
    }
}

pub async fn pair(world: &World) -> (Cluster, Cluster) {
    let network = Network::default();
    let east = Cluster::new(world, &network, 1, "east").await;
    let west = Cluster::new(world, &network, 2, "west").await;
    (east, west)
}

/// A bank with accounts in the east.
pub async fn open_bank(east: &Cluster, accounts: i64) -> TableDescriptor {
    let database =
        east.engine.create_database(BANK, PARTITIONS, Durability::Sync).await.expect("new name");
    let table = create_table(&database, "accounts").await;
    fill(&database, &table, 0..accounts).await;
    table
}

pub async fn fill(database: &Arc<Database>, table: &TableDescriptor, ids: std::ops::Range<i64>) {
    let mut txn = begin(database).await;
    for id in ids {
        put(&mut txn, table, id, 100).await.expect("free");
    }
    txn.commit().await.expect("no conflict");
}

pub async fn create_table(database: &Arc<Database>, name: &str) -> TableDescriptor {
    let mut txn = begin(database).await;
    let column = |id: u32, name: &str| Column {
        id,
        name: name.into(),
        ty: SqlType::BigInt,
        not_null: true,
        default: None,
        missing: Value::Null,
        hidden: false,
    };
    let table = TableDescriptor {
        id: txn.next_table_id().await.expect("primary"),
        schema: "public".into(),
        name: name.into(),
        storage: txn.next_storage_id().await.expect("primary"),
        columns: vec![column(1, "id"), column(2, "balance")],
        primary_key: vec![1],
        shard_key: vec![1],
        indexes: Vec::new(),
        next_column_id: 3,
        version: 1,
    };
    txn.put_table(&table).await.expect("free name");
    txn.commit().await.expect("no conflict");
    table
}

pub async fn begin(database: &Arc<Database>) -> Transaction {
    let isolation = Isolation::ReadCommitted;
    let mut txn = database.begin(TxnOptions { isolation, read_only: false });
    txn.start_statement().await.expect("readable");
    txn
}

fn place(table: &TableDescriptor, id: i64) -> (u16, Bytes) {
    let value = Value::Int(id);
    (format::key::shard(&[&value], PARTITIONS), format::key::encode(table.storage, &[&value]))
}

pub async fn put(txn: &mut Transaction, table: &TableDescriptor, id: i64, v: i64) -> Result<()> {
    let at = place(table, id);
    txn.lock(std::slice::from_ref(&at), LockMode::Exclusive, LockWait::Block(None)).await?;
    let old = txn.latest(std::slice::from_ref(&at)).await?.pop().flatten();
    let row = format::row::encode(&[(1, Value::Int(id)), (2, Value::Int(v))]);
    let entry = |index, row: &[u8]| {
        format::index::entry_of(table, index, &at.1, row).map(|entry| (at.0, entry))
    };
    let mut moves = Vec::new();
    for index in &table.indexes {
        let old = old.as_ref().map(|old| entry(index, &old.row)).transpose()?;
        moves.push(EntryMove { old, new: Some(entry(index, &row)?) });
    }
    txn.move_entries(&moves, Some(LockWait::Block(None))).await?;
    txn.write(at.0, at.1, Some(row))
}

/// Sets accounts in one transaction.
pub async fn set(
    database: &Arc<Database>,
    table: &TableDescriptor,
    ids: &[i64],
    v: i64,
) -> Result<()> {
    let isolation = Isolation::ReadCommitted;
    let mut txn = database.begin(TxnOptions { isolation, read_only: false });
    txn.start_statement().await?;
    for id in ids {
        put(&mut txn, table, *id, v).await?;
    }
    txn.commit().await.map(drop)
}

/// All accounts at the newest snapshot.
pub async fn balances(database: &Arc<Database>) -> BTreeMap<i64, i64> {
    balances_of(begin(database).await).await
}

/// All accounts as of a time.
pub async fn balances_at(
    database: &Arc<Database>,
    ts: base::Timestamp,
) -> Result<BTreeMap<i64, i64>> {
    let mut txn = database.begin(TxnOptions::default());
    txn.read_as_of(ts)?;
    Ok(balances_of(txn).await)
}

async fn balances_of(txn: Transaction) -> BTreeMap<i64, i64> {
    use arrow::array::AsArray;
    use futures::TryStreamExt;
    let (database, ts) = (txn.database(), txn.read_ts());
    let catalog = database.catalog(ts).await.expect("readable");
    let Some(table) = catalog.table("public", "accounts") else { return BTreeMap::new() };
    let (start, end) = format::key::range(table.storage);
    let column = |id| format::ColumnLayout { id, ty: SqlType::BigInt, missing: Value::Null };
    let mut all = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let spec = state::ScanSpec {
            storage: table.storage,
            start: start.clone(),
            end: end.clone(),
            ts: base::Timestamp::ZERO,
            columns: vec![column(1), column(2)],
            with_key: false,
            batch_rows: 100,
            limit: None,
        };
        let stream = txn.view().expect("started").scan(partition, spec).await.expect("readable");
        let batches: Vec<_> = stream.try_collect().await.expect("readable");
        for batch in batches {
            let ids = batch.column(0).as_primitive::<arrow::datatypes::Int64Type>();
            let values = batch.column(1).as_primitive::<arrow::datatypes::Int64Type>();
            all.extend(ids.values().iter().copied().zip(values.values().iter().copied()));
        }
    }
    all
}
