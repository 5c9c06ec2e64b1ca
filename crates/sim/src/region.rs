//! One region: a simulated node, and the engine and links that live on it at present.

use crate::far;
use crate::plan::{DATABASE, Plan};
use crate::trace::Trace;
use base::{ClusterId, Error, NodeId, Result, SqlState};
use dr::Links;
use dr::memory::Network;
use env::Env;
use env::sim::SimNode;
use meta::Bootstrap;
use parking_lot::Mutex;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use txn::{Database, Engine, EngineSettings};

/// The port that both regions listen on.
pub const PORT: u16 = 5432;
/// The superuser of both regions, and its password.
pub const USER: (&str, &str) = ("root", "secret");

/// A region.
pub struct Region {
    /// `east` or `west`.
    pub name: &'static str,
    /// Its machine.
    pub node: SimNode,
    /// The other machine in the story: the clients' and the operator's.
    outside: Env,
    settings: EngineSettings,
    network: Network,
    trace: Arc<Trace>,
    life: Mutex<Life>,
    /// Nobody but the one who set it may start it again.
    held: Mutex<bool>,
    failing: Mutex<bool>,
    starting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Life {
    number: u64,
    open: Option<Access>,
}

/// What a region's users hold: dead once the life is over.
#[derive(Clone)]
pub struct Access {
    /// Which life of the region.
    pub life: u64,
    /// Databases.
    pub engine: Arc<Engine>,
    /// Links.
    pub links: Arc<Links>,
}

impl Access {
    /// The database under test.
    pub fn database(&self) -> Result<Arc<Database>> {
        self.engine.database(DATABASE)
    }

    /// Its metadata.
    pub fn record(&self) -> Result<meta::Database> {
        self.engine.record(DATABASE)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region").field("name", &self.name).finish_non_exhaustive()
    }
}

fn settings(name: &str, cluster: u8, plan: &Plan, node: &SimNode) -> EngineSettings {
    let bootstrap = Bootstrap {
        cluster_id: ClusterId(cluster),
        name: name.to_owned(),
        node: NodeId(1),
        superuser: USER.0.to_owned(),
        password: USER.1.to_owned(),
    };
    let mut settings = EngineSettings::new("/data".into(), bootstrap);
    settings.delta_bytes = plan.delta_bytes;
    settings.cache_bytes = 1 << 20;
    settings.delta_limit = plan.delta_bytes.max(64 << 10) * 4;
    settings.version_retention = Duration::from_millis(plan.version_retention_ms);
    settings.log_retention_bytes = plan.log_retention_bytes;
    if plan.forgets {
        settings.log_retention_bytes = 0;
    }
    settings.verify_interval = plan.verifies.then_some(Duration::from_secs(2));
    settings.log.segment_bytes = plan.segment_bytes;
    settings.log.gather = Duration::from_millis(plan.write_ms);
    settings.state.row_group_rows = plan.row_group_rows;
    settings.state.chunk_bytes = plan.chunk_bytes;
    // What the real process does: it stops at once.
    let node = node.clone();
    settings.log.on_fatal = log::OnFatal::call(move |_| node.kill());
    settings
}

impl Region {
    /// A region that is down.
    pub fn new(
        name: &'static str,
        cluster: u8,
        plan: &Plan,
        node: SimNode,
        outside: Env,
        network: Network,
        trace: Arc<Trace>,
    ) -> Region {
        let mut settings = settings(name, cluster, plan, &node);
        settings.between = plan.far.then(|| far::between(outside.clone(), plan.decide_ms));
        node.kill();
        Region {
            name,
            node,
            outside,
            settings,
            network,
            trace,
            life: Mutex::default(),
            held: Mutex::default(),
            failing: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("{}:{PORT}", self.name)
    }

    /// What runs there now.
    pub fn access(&self) -> Option<Access> {
        self.tidy();
        self.life.lock().open.clone()
    }

    /// Lays a dead life to rest.
    fn tidy(&self) {
        let ended = !self.node.is_alive() && self.life.lock().open.take().is_some();
        if ended {
            self.network.leave(&self.address());
            self.trace.say(format_args!("{} is down", self.name));
        }
    }

    /// Starts it, if it is down.
    pub async fn start(&self) -> Result<()> {
        self.start_doomed(None).await
    }

    /// Starts it, if it is down; it loses power again after so many changes of its disk.
    pub async fn start_doomed(&self, doom: Option<u64>) -> Result<()> {
        let _starting = self.starting.lock().await;
        if self.access().is_some() {
            return Ok(());
        }
        let env = self.node.restart();
        if let Some(changes) = doom {
            self.trace.say(format_args!("{} will lose power after {changes} changes", self.name));
            self.node.crash_after(changes);
        }
        let number = {
            let mut life = self.life.lock();
            life.number += 1;
            life.number
        };
        let opened = self.while_alive(number, self.open(env, number)).await;
        let opened = opened.unwrap_or_else(|| {
            Err(Error::new(SqlState::CONNECTION_FAILURE, "it died while it was starting"))
        });
        match opened {
            Ok(access) => {
                self.network.listen(&self.address(), access.links.replication());
                self.life.lock().open = Some(access);
                self.trace.say(format_args!("{} is up (life {number})", self.name));
                Ok(())
            }
            Err(error) => {
                self.node.kill();
                self.trace.say(format_args!("{} does not start: {error}", self.name));
                Err(error)
            }
        }
    }

    async fn open(&self, env: Env, life: u64) -> Result<Access> {
        let engine = Engine::open(env.clone(), self.settings.clone()).await?;
        let connect = self.network.connector(env, self.name);
        let links = Links::open(engine.clone(), connect).await?;
        Ok(Access { life, engine, links })
    }

    /// Ends its life: by a loss of power, or by a mere end of the process.
    pub fn stop(&self, power_loss: bool) {
        let how = if power_loss { "power loss" } else { "kill" };
        if self.node.is_alive() {
            self.trace.say(format_args!("{how} of {}", self.name));
        }
        if power_loss {
            self.node.crash();
        } else {
            self.node.kill();
        }
        self.tidy();
    }

    /// Stops in order, as an operator does for maintenance.
    pub async fn shut_down(&self) {
        let Some(access) = self.access() else { return };
        self.trace.say(format_args!("{} shuts down", self.name));
        let stop = async {
            access.links.stop_all().await;
            access.engine.shutdown().await;
        };
        if self.while_alive(access.life, stop).await.is_some() {
            self.node.kill();
        }
        self.tidy();
    }

    /// Lets its disk fail from now on, or not: when it is read, written or synced.
    pub fn disk_fails(&self, what: u64, on: bool) {
        *self.failing.lock() = on;
        match what {
            0 => self.node.fail_reads(on),
            1 => self.node.fail_writes(on),
            _ => self.node.fail_syncs(on),
        }
    }

    /// True while its disk fails.
    pub fn is_failing(&self) -> bool {
        *self.failing.lock()
    }

    /// Keeps it down, or lets it be started again.
    pub fn hold(&self, on: bool) {
        *self.held.lock() = on;
    }

    /// True if it is to stay down.
    pub fn is_held(&self) -> bool {
        *self.held.lock()
    }

    /// Runs `work` as long as this life goes on; `None` if it ended first, as a broken connection
    /// tells a client.
    pub async fn while_alive<T>(&self, life: u64, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.end_of(life) => None,
        }
    }

    async fn end_of(&self, life: u64) {
        loop {
            self.tidy();
            if !self.node.is_alive() || self.life.lock().number != life {
                return;
            }
            self.outside.sleep(Duration::from_millis(1)).await;
        }
    }
}
