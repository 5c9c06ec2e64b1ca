//! The room's front: every link of this node, and what SQL statements ask of them.

mod promote;
mod status;

pub use promote::Promoted;
pub(crate) use promote::check_standby;

use crate::grpc;
use crate::handover;
use crate::link::core::Event;
use crate::link::session::{check, check_same, slot_name};
use crate::link::{Link, LinkStatus, Phase, Shared};
use crate::peer::{Connect, FORMAT_VERSION, Hello, HelloRequest, Mode, Receipt};
use crate::source::{Replication, SlotStatus};
use crate::vault::DivergedTransaction;
use crate::vaults::Vaults;
use base::{ClusterId, Epoch, Error, Result, SqlState};
use meta::{
    Command, Database as Record, DatabaseState, Durability, HandoverSide, NewDatabase, Source,
};
use parking_lot::Mutex;
use partition::Role;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::Duration;
use txn::Engine;

/// The port that a source has if none is named.
pub(crate) const DEFAULT_PORT: u16 = 5432;

/// `REPLICATE DATABASE …`
#[derive(Clone, PartialEq)]
pub struct ReplicateRequest {
    /// The database here.
    pub database: String,
    /// `WITH FORCE DIFFERENTIAL`: it exists here already and comes back.
    pub differential: bool,
    /// When commits are acknowledged once it is promoted; synchronous if not given.
    pub durability: Option<Durability>,
    /// A superuser at the source.
    pub user: String,
    /// Its password there.
    pub password: Option<String>,
    /// Where the source is; `https://` in front asks for TLS.
    pub host: String,
    /// Its port; 5432 if not given.
    pub port: Option<u16>,
    /// Its database; named as here if not given.
    pub source_database: Option<String>,
}

impl fmt::Debug for ReplicateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.source();
        write!(f, "{} from {}:{}/{}", self.database, source.host, source.port, source.database)
    }
}

impl ReplicateRequest {
    fn source(&self) -> Source {
        Source {
            host: self.host.clone(),
            port: self.port.unwrap_or(DEFAULT_PORT),
            user: self.user.clone(),
            password: self.password.clone().unwrap_or_default(),
            database: self.source_database.clone().unwrap_or_else(|| self.database.clone()),
        }
    }
}

/// All links of a node.
#[derive(Debug)]
pub struct Links {
    pub(crate) engine: Arc<Engine>,
    pub(crate) connect: Arc<dyn Connect>,
    vaults: Arc<Vaults>,
    pub(crate) replication: Arc<Replication>,
    pub(crate) running: Mutex<BTreeMap<String, Arc<Link>>>,
    /// One statement about links at a time.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// Handovers that standbys here have begun, by database.
    pub(crate) open: Mutex<BTreeMap<String, u64>>,
    /// Databases whose primary has said something about a handover that is being attended to.
    pub(crate) heeding: Mutex<BTreeSet<String>>,
    this: Weak<Links>,
}

impl Links {
    /// Takes up all links that the metadata has, and completes what promotions left undone.
    pub async fn open(engine: Arc<Engine>, connect: Arc<dyn Connect>) -> Result<Arc<Links>> {
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
            this: this.clone(),
        });
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
        }
        Ok(links)
    }

    /// As [`Links::open`], over gRPC.
    pub async fn open_grpc(
        engine: Arc<Engine>,
        settings: grpc::GrpcSettings,
    ) -> Result<Arc<Links>> {
        let connect = Arc::new(grpc::GrpcConnect::new(engine.env.clone(), settings));
        Links::open(engine, connect).await
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
            figures: Mutex::default(),
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

    /// Makes a link. Returns when the source has agreed and the relationship is durable; the copy
    /// (or the way back) goes on by itself.
    pub async fn replicate(&self, request: ReplicateRequest) -> Result<()> {
        let _changing = self.changing.lock().await;
        if request.differential {
            return self.come_back(&request).await;
        }
        if self.engine.record(&request.database).is_ok() {
            let message = format!("database \"{}\" already exists", request.database);
            return Err(Error::new(SqlState::DUPLICATE_DATABASE, message)
                .hint("WITH FORCE DIFFERENTIAL lets a former primary come back"));
        }
        let hello = self.greet(&request, None).await?;
        let new = NewDatabase {
            name: request.database.clone(),
            line: hello.line,
            partitions: hello.partitions,
            durability: request.durability.unwrap_or_default(),
            state: DatabaseState::Copying,
            epoch: hello.promotion_epoch,
            link: Some(self.link(&request, &hello)),
            at_ms: self.engine.env.clock.now_ms(),
        };
        self.engine.add_database(new).await?;
        self.start(&request.database)
    }

    fn link(&self, request: &ReplicateRequest, hello: &Hello) -> meta::Link {
        meta::Link {
            source: request.source(),
            source_cluster: hello.cluster,
            paused: false,
            differential: request.differential,
            last_error: None,
            since_ms: self.engine.env.clock.now_ms(),
        }
    }

    async fn greet(&self, request: &ReplicateRequest, record: Option<&Record>) -> Result<Hello> {
        let source = request.source();
        let peer = self.connect.connect(&source).await?;
        let cluster = self.engine.meta.read(|s| s.cluster.clone());
        let hello = peer
            .hello(HelloRequest {
                database: source.database,
                line: record.map(|r| r.line),
                cluster: cluster.id,
                cluster_name: cluster.name,
                slot: slot_name(&self.engine, &request.database),
                promotion_epoch: record.map(|r| r.promotion_epoch).unwrap_or_default(),
                format_version: FORMAT_VERSION,
                mode: if record.is_some() { Mode::Differential } else { Mode::Copy },
            })
            .await?;
        check(&hello, cluster.id)?;
        Ok(hello)
    }

    /// A former primary becomes the target of the one that took over.
    async fn come_back(&self, request: &ReplicateRequest) -> Result<()> {
        let name = &request.database;
        let record = self.engine.record(name)?;
        if record.link.is_some() {
            let message = format!("database \"{name}\" is replicating already");
            return Err(Error::new(SqlState::OBJECT_IN_USE, message)
                .hint(format!("STOP REPLICATING {name} first")));
        }
        if request.durability.is_some_and(|wanted| wanted != record.durability) {
            let text = "changing the durability of a database that comes back";
            return Err(Error::unsupported(text));
        }
        let hello = self.greet(request, Some(&record)).await?;
        check_same(&hello, &record)?;
        let link = self.link(request, &hello);
        self.turn_around(&record, link, hello.promotion_epoch, Vec::new())
    }

    /// Makes a former primary a target, durably, together with other changes.
    fn turn_around(
        &self,
        record: &Record,
        link: meta::Link,
        epoch: Epoch,
        mut with: Vec<Command>,
    ) -> Result<()> {
        let since_ms = self.engine.env.clock.now_ms();
        let state = DatabaseState::Rewinding { since_ms };
        let database = record.id;
        with.push(Command::PutLink { database, link, state });
        with.push(Command::RaiseEpoch { database, epoch });
        // From here on clients are refused; a crash goes on from the same place.
        self.engine.meta.apply(Command::Batch(with))?;
        let database = self.engine.database(&record.name)?;
        database.set_state(state);
        database.set_promotion_epoch(epoch);
        for partition in database.local_partitions() {
            partition.set_role(Role::Follower);
        }
        self.start(&record.name)
    }

    /// The primary's last step in a planned handover: follows whoever has taken over.
    pub(crate) async fn follow_new_primary(
        &self,
        name: &str,
        source: Source,
        source_cluster: ClusterId,
        receipt: &Receipt,
    ) -> Result<()> {
        let _changing = self.changing.lock().await;
        let record = self.engine.record(name)?;
        if record.handover.as_ref().is_none_or(|h| h.id != receipt.id) {
            // It has heard this already.
            return Ok(());
        }
        let since_ms = self.engine.env.clock.now_ms();
        let link = meta::Link {
            source,
            source_cluster,
            paused: false,
            differential: true,
            last_error: None,
            since_ms,
        };
        let note = handover::history(name, since_ms, receipt.text());
        self.turn_around(&record, link, receipt.epoch, vec![note])
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

    /// `UNLOCK TABLES`: opens a gated database. With `force` also one that is bound by a handover
    /// whose other side is gone for good.
    ///
    /// # Errors
    /// 55006 while a handover is under way.
    pub fn unlock(&self, name: &str, force: bool) -> Result<()> {
        let record = self.engine.record(name)?;
        let giving = |h: &&meta::Handover| matches!(h.side, HandoverSide::Giving { .. });
        let Some(open) = record.handover.as_ref().filter(giving) else {
            return self.engine.ungate(name);
        };
        if !force {
            let message =
                format!("a handover of database \"{name}\" to {} is under way", open.peer_name);
            return Err(Error::new(SqlState::OBJECT_IN_USE, message)
                .detail("It ends by itself as soon as the standby is heard of again.")
                .hint(format!(
                    "if it is gone for good, and was not promoted: UNLOCK TABLES ON {name} FORCE"
                )));
        }
        self.replication.keep(name, open.peer, open.id, "UNLOCK TABLES … FORCE")?;
        self.engine.ungate(name)
    }

    /// Stops a link for now.
    pub async fn pause(&self, name: &str) -> Result<()> {
        self.set_paused(name, true, Event::Pause).await
    }

    /// Lets a paused link go on; one that waits after a failure tries at once.
    pub async fn resume(&self, name: &str) -> Result<()> {
        self.set_paused(name, false, Event::Resume).await
    }

    async fn set_paused(&self, name: &str, paused: bool, event: Event) -> Result<()> {
        let _changing = self.changing.lock().await;
        let link = self.running(name)?;
        let database = self.engine.record(name)?.id;
        self.engine.meta.apply(Command::PauseLink { database, paused })?;
        link.tell(event).await;
        Ok(())
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

    /// What is in a database's vault.
    pub fn diverged(&self, name: &str) -> Result<Vec<DivergedTransaction>> {
        let record = self.engine.record(name)?;
        if !self.vaults.exists(record.id) {
            return Ok(Vec::new());
        }
        self.vaults.of(record.id)?.transactions()
    }
}
