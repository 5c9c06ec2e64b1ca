//! The room's front: every link of this node, and what SQL statements ask of them.

mod explain;
mod failover;
mod fence;
mod gates;
mod groups;
mod open_diverged;
mod promote;
mod replicate;
mod reset;
mod roles;
mod status;
mod verify;

pub(crate) use explain::Lines;
pub use explain::{Explained, Kind as ExplainedKind, Verb};
pub use failover::{Failover, FailoverRequest, Loss};
pub(crate) use groups::check_alone;
pub use groups::{GroupRequest, Grouped};
pub use open_diverged::OpenedDiverged;
pub(crate) use promote::Order;
pub use promote::Promoted;
pub(crate) use promote::check_standby;
pub use replicate::ReplicateRequest;
pub use reset::{Forgotten, Partner, ResetRequest};
pub(crate) use roles::publish_in_time;
pub use verify::{Difference, Verification, VerifiedTable};

use crate::grpc;
use crate::handover;
use crate::link::core::Event;
use crate::link::{Figures, Link, LinkStatus, Phase, Shared};
use crate::peer::Connect;
use crate::replicas::Replicas;
use crate::role::ClusterRole;
use crate::source::{Producer, Replication, SlotStatus};
use crate::vault::DivergedTransaction;
use crate::vaults::Vaults;
use base::{Error, Result, SqlState};
use meta::{Command, Database as Record, DatabaseState, HandoverSide};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::oneshot;
use txn::Engine;

/// The port that a source has if none is named.
pub(crate) const DEFAULT_PORT: u16 = 5432;

/// All links of a node.
#[derive(Debug)]
pub struct Links {
    pub(crate) engine: Arc<Engine>,
    pub(crate) connect: Arc<dyn Connect>,
    pub(crate) vaults: Arc<Vaults>,
    pub(crate) replication: Arc<Replication>,
    pub(crate) running: Mutex<BTreeMap<String, Arc<Link>>>,
    /// One statement about links at a time.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// Handovers that standbys here have begun, by database.
    pub(crate) open: Mutex<BTreeMap<String, u64>>,
    /// Databases whose primary has said something about a handover that is being attended to.
    pub(crate) heeding: Mutex<BTreeSet<String>>,
    /// One statement about replicas at a time; not held by what another cluster asks for, so that
    /// two clusters that declare replicas of each other do not wait for each other.
    pub(crate) declaring: tokio::sync::Mutex<()>,
    /// What is known of replicas.
    pub(crate) replicas: Mutex<Replicas>,
    /// The part that this cluster plays.
    pub(crate) role: ClusterRole,
    /// Why what the role orders is not done.
    pub(crate) role_error: Mutex<Option<String>>,
    this: Weak<Links>,
}

impl Links {
    /// Takes up all links that the metadata has, and completes what promotions left undone.
    pub async fn open(engine: Arc<Engine>, connect: Arc<dyn Connect>) -> Result<Arc<Links>> {
        Links::open_as(engine, connect, ClusterRole::default()).await
    }

    /// As [`Links::open`], of a cluster that plays this part.
    pub async fn open_as(
        engine: Arc<Engine>,
        connect: Arc<dyn Connect>,
        role: ClusterRole,
    ) -> Result<Arc<Links>> {
        let vaults = Arc::new(Vaults::new(engine.clone()));
        let links = Arc::new_cyclic(|this: &Weak<Links>| Links {
            replication: Arc::new(Replication::new(engine.clone(), vaults.clone(), this.clone())),
            engine,
            connect,
            vaults,
            running: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            open: Mutex::default(),
            heeding: Mutex::default(),
            declaring: tokio::sync::Mutex::default(),
            replicas: Mutex::default(),
            role,
            role_error: Mutex::default(),
            this: this.clone(),
        });
        links.keep_watch();
        links.keep_verifying();
        links.keep_roles();
        let records: Vec<Record> =
            links.engine.meta.read(|s| s.databases.values().cloned().collect());
        for record in records.iter().filter(|r| r.state != DatabaseState::Dropping) {
            if links.vaults.exists(record.id) {
                let promoted = record.promotion.as_ref().map(|p| p.epoch);
                links.vaults.of(record.id)?.unstage(promoted)?;
            }
            if record.link.is_some() {
                links.start(&record.name)?;
            }
            links.go_on_telling(record)?;
            links.fence(record);
        }
        links.keep_replicas();
        links.keep_role();
        Ok(links)
    }

    /// As [`Links::open`], over gRPC.
    pub async fn open_grpc(
        engine: Arc<Engine>,
        settings: grpc::GrpcSettings,
    ) -> Result<Arc<Links>> {
        Links::open_grpc_as(engine, settings, ClusterRole::default()).await
    }

    /// As [`Links::open_as`], over gRPC.
    pub async fn open_grpc_as(
        engine: Arc<Engine>,
        settings: grpc::GrpcSettings,
        role: ClusterRole,
    ) -> Result<Arc<Links>> {
        let connect = Arc::new(grpc::GrpcConnect::new(engine.env.clone(), settings));
        Links::open_as(engine, connect, role).await
    }

    /// The gRPC service that answers other clusters' links.
    pub fn service(&self) -> grpc::generated::replication_server::ReplicationServer<grpc::Service> {
        grpc::service(self.replication.clone())
    }

    /// The source's end, for an in-memory network.
    pub fn replication(&self) -> Arc<Replication> {
        self.replication.clone()
    }

    /// Ends all links of this process (not the relationships) and waits for them.
    pub async fn stop_all(&self) {
        let _changing = self.changing.lock().await;
        let running = std::mem::take(&mut *self.running.lock());
        for link in running.values() {
            link.stop().await;
        }
    }

    pub(crate) fn this(&self) -> Result<Arc<Links>> {
        self.this.upgrade().ok_or_else(|| Error::internal("shutting down"))
    }

    pub(crate) fn start(&self, name: &str) -> Result<()> {
        let shared = Arc::new(Shared {
            engine: self.engine.clone(),
            links: self.this.clone(),
            vaults: self.vaults.clone(),
            connect: self.connect.clone(),
            name: name.to_owned(),
            phase: Mutex::new(Phase::Paused),
            figures: Mutex::new(Figures::new(self.engine.env.clock.monotonic())),
            awaited: tokio::sync::Notify::new(),
            leaving: AtomicBool::new(false),
        });
        let link = Arc::new(Link::start(shared)?);
        self.running.lock().insert(name.to_owned(), link);
        Ok(())
    }

    pub(crate) fn running(&self, name: &str) -> Result<Arc<Link>> {
        self.engine.record(name)?;
        let running = self.running.lock().get(name).cloned();
        running.ok_or_else(|| {
            Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("database \"{name}\" is not replicating"),
            )
        })
    }

    /// Takes up a handover that this cluster has completed but the former primary may not know of.
    fn go_on_telling(&self, record: &Record) -> Result<()> {
        if record.handover.as_ref().is_some_and(|h| matches!(h.side, HandoverSide::Taken { .. })) {
            let (name, now_ms) =
                (self.engine.meta.read(|s| s.cluster.name.clone()), self.engine.env.clock.now_ms());
            self.tell_former(&record.name, handover::receipt_of(record, &name, now_ms)?);
        }
        Ok(())
    }

    /// Stops a link for now.
    pub async fn pause(&self, name: &str, by: &str) -> Result<()> {
        self.set_paused(name, true, by).await
    }

    /// Lets a paused link go on; one that waits after a failure tries at once.
    pub async fn resume(&self, name: &str, by: &str) -> Result<()> {
        self.set_paused(name, false, by).await
    }

    async fn set_paused(&self, name: &str, paused: bool, by: &str) -> Result<()> {
        let (links, name, by) = (self.this()?, name.to_owned(), Some(by.to_owned()));
        self.apart("pause", async move {
            let _changing = links.changing.lock().await;
            let link = links.running(&name)?;
            let database = links.engine.record(&name)?.id;
            let at_ms = links.engine.env.clock.now_ms();
            links.engine.meta.apply(Command::PauseLink { database, paused, at_ms, by })?;
            link.tell(if paused { Event::Pause } else { Event::Resume }).await;
            Ok(())
        })
        .await
    }

    /// Runs what an operator has ordered in a task of its own: whoever has typed it may go away,
    /// or lose patience, and nothing is left half done.
    ///
    /// # Errors
    /// Those of `work`; 08007 if this node stops meanwhile.
    pub(crate) async fn apart<T: Send + 'static>(
        &self,
        task: &'static str,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (tell, told) = oneshot::channel();
        let work = async move {
            // Nobody may be listening any more.
            let _ = tell.send(work.await);
        };
        self.engine.env.tasks.spawn(task, Box::pin(work));
        told.await.unwrap_or_else(|_| {
            let message = "this node stopped before the statement was over";
            Err(Error::new(SqlState::TRANSACTION_RESOLUTION_UNKNOWN, message)
                .hint("look at information_schema.replication_history once it runs again")
                .outcome_unknown())
        })
    }

    /// Ends the link of a database that is about to be dropped; fine if it has none.
    pub async fn forget(&self, name: &str) {
        let _changing = self.changing.lock().await;
        let link = self.running.lock().remove(name);
        if let Some(link) = link {
            link.stop().await;
        }
    }

    /// Waits until a target is readable and follows its source.
    pub async fn wait_standby(&self, name: &str) -> Result<()> {
        loop {
            let link = self.running(name)?;
            let phase = *link.shared.phase.lock();
            if phase == Phase::Streaming {
                return Ok(());
            }
            self.engine.env.sleep(Duration::from_millis(20)).await;
        }
    }

    /// All links, as their targets see them.
    pub fn status(&self) -> Vec<LinkStatus> {
        let running: Vec<_> = self.running.lock().values().cloned().collect();
        running.iter().filter_map(|link| status::of(link)).collect()
    }

    /// All links, as their sources see them.
    pub fn slots(&self) -> Vec<SlotStatus> {
        self.replication.slots()
    }

    /// What is sent to each target of the databases here.
    pub fn producers(&self) -> Vec<Producer> {
        self.replication.producers()
    }

    /// What is in a database's vault.
    pub fn diverged(&self, name: &str) -> Result<Vec<DivergedTransaction>> {
        let record = self.engine.record(name)?;
        if !self.vaults.exists(record.id) {
            return Ok(Vec::new());
        }
        self.vaults.of(record.id)?.transactions()
    }
}
