//! One run: a region, its clients, its nemesis.

use super::record::{End, History};
use super::work::{self, Kind, Pool};
use super::{Options, client, nemesis};
use crate::bank;
use crate::dice::Dice;
use crate::plan::{DATABASE, Plan};
use crate::region::{Access, Region};
use crate::trace::Trace;
use base::Error;
use dr::memory::Network;
use env::Env;
use env::sim::World;
use meta::Durability;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use txn::{Isolation, TxnOptions};

/// How long the clients work, in simulated time.
const WORK: Duration = Duration::from_secs(4);

/// What all actors share.
#[derive(Debug)]
pub struct Town {
    /// The machine of the clients: it never fails.
    pub outside: Env,
    /// The region.
    pub region: Arc<Region>,
    /// What happened.
    pub trace: Arc<Trace>,
    /// What the clients asked and were told.
    pub history: Arc<History>,
    /// What they ask.
    pub pool: Pool,
    /// At which level.
    pub level: Isolation,
    /// The longest pause of a client between transactions.
    pub think_ms: u64,
    /// The longest time between two accidents.
    pub mischief_ms: u64,
    told: Mutex<Option<String>>,
    over: AtomicBool,
}

impl Town {
    /// True once everybody is to leave.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.told.lock().is_some()
    }

    /// Reports what must not happen, whatever the history says.
    pub fn report(&self, what: String) {
        self.told.lock().get_or_insert(what);
    }
}

/// Plays one run; its workload, its history and what else must not have happened.
pub async fn live(world: World, options: Options) -> (Kind, Arc<History>, Option<String>) {
    let node = world.node();
    let dice = || Dice::new(world.node().env().rng);
    let drawn = dice();
    let mut plan = Plan::draw(options.seed, Some(0), &drawn);
    (plan.partitions, plan.sync) = (drawn.range(1, 5) as u16, true);
    plan.far = drawn.chance(60);
    let kind = drawn.pick(&[Kind::Lists, Kind::Lists, Kind::Registers]);
    let trace = Arc::new(Trace::new(world.clone(), options.verbose, options.verbose));
    trace.say(format_args!("{kind:?} {options:?} {plan:?}"));
    let outside = world.node().env();
    let network = Network::default();
    let region = Region::new("town", 1, &plan, node, outside.clone(), network, trace.clone());
    let town = Arc::new(Town {
        outside: outside.clone(),
        region: Arc::new(region),
        trace,
        history: Arc::default(),
        pool: Pool::new(kind),
        level: options.level,
        think_ms: drawn.pick(&[1, 4, 20]),
        mischief_ms: drawn.pick(&[200, 800, 2_000]),
        told: Mutex::default(),
        over: AtomicBool::new(false),
    });
    let clients = drawn.range(3, 8);
    if let Err(error) = work(&town, plan.partitions, clients, dice).await {
        town.report(format!("the town came to no end: {} {error}", error.state.0));
    }
    let told = town.told.lock().clone();
    (kind, town.history.clone(), told)
}

async fn work(
    town: &Arc<Town>,
    partitions: u16,
    clients: u64,
    dice: impl Fn() -> Dice,
) -> Result<(), Error> {
    town.region.start().await?;
    let access = town.region.access().ok_or_else(|| Error::internal("it does not start"))?;
    access.engine.create_database(DATABASE, partitions, Durability::Sync).await?;
    work::create(&access.database()?).await?;
    drop(access);
    let mut actors = vec![spawn(town, nemesis::run(town.clone(), dice()))];
    for _ in 0..clients {
        actors.push(spawn(town, client::run(town.clone(), dice())));
    }
    town.outside.sleep(WORK).await;
    town.over.store(true, Ordering::Relaxed);
    for mut actor in actors {
        actor.recv().await;
    }
    // What it was doomed to, it gets now: the next life is to last.
    town.region.stop(false);
    town.region.start().await?;
    let access = town.region.access().ok_or_else(|| Error::internal("it does not start"))?;
    settle(town, &access).await?;
    let process = town.history.process();
    let mut steps = town.pool.everything();
    town.history.invoke(process, &steps);
    let end = loop {
        let end = client::attempt(town, &access, (&mut steps[..], 0), &dice()).await;
        if end != End::Fail || town.told.lock().is_some() {
            break end;
        }
    };
    town.history.end(process, end, steps, 0);
    town.region.shut_down().await;
    Ok(())
}

/// Finds out what became of the transactions whose clients were not told.
async fn settle(town: &Town, access: &Access) -> Result<(), Error> {
    let mut txn = bank::begin(&access.database()?, TxnOptions::default()).await?;
    let mut marked = BTreeMap::new();
    for open in town.history.open() {
        marked.insert(open.marker, work::marked(&mut txn, &open.steps, open.marker).await?);
    }
    town.history.settle(|open| marked.get(&open.marker).copied().unwrap_or_default());
    Ok(())
}

/// Starts an actor; the receiver ends with it.
fn spawn(
    town: &Town,
    actor: impl Future<Output = ()> + Send + 'static,
) -> tokio::sync::mpsc::Receiver<()> {
    let (left, leaving) = tokio::sync::mpsc::channel(1);
    town.outside.tasks.spawn(
        "actor",
        Box::pin(async move {
            actor.await;
            drop(left);
        }),
    );
    leaving
}
