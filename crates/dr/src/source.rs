//! The source's end of links: answers targets from this node's databases. One per node; both
//! twins of [`Peer`](crate::peer::Peer) call it.

mod answer;
mod bases;
mod compare;
mod content;
mod flow;
mod handover;
mod producers;
mod rights;
mod slots;
mod stream;
mod verify;

pub(crate) use flow::Flow;
use flow::Terms;
pub use producers::{Producer, ProducerMode, ProducerPartition};
pub use slots::SlotStatus;

use crate::auth::Door;
use crate::links::Links;
use crate::peer::{
    Ack, Acked, Answer, FORMAT_VERSION, Fetch, Hello, HelloRequest, Invitation, Invited, Mode,
    Positions, SaveDiverged, SubscribeRequest, Subscription,
};
use crate::vaults::Vaults;
use base::{DatabaseId, Epoch, Error, Result, SqlState};
use bytes::Bytes;
use futures::StreamExt;
use meta::DatabaseState;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use txn::{Database, Engine};

/// Answers targets.
pub struct Replication {
    pub(crate) engine: Arc<Engine>,
    pub(crate) vaults: Arc<Vaults>,
    pub(crate) door: Door,
    links: Weak<Links>,
    handovers: Mutex<handover::Handovers>,
    live: Mutex<BTreeMap<(DatabaseId, String), slots::Live>>,
    bases: Mutex<bases::Bases>,
    flows: Mutex<BTreeMap<(DatabaseId, String), Arc<Flow>>>,
    verifying: Mutex<verify::Sessions>,
    pinned: Mutex<content::Pinned>,
}

impl fmt::Debug for Replication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replication").finish_non_exhaustive()
    }
}

impl Replication {
    pub(crate) fn new(engine: Arc<Engine>, vaults: Arc<Vaults>, links: Weak<Links>) -> Replication {
        let door = Door::new(engine.env.clone(), engine.meta.clone());
        Replication {
            engine,
            vaults,
            door,
            links,
            handovers: Mutex::default(),
            live: Mutex::default(),
            bases: Mutex::default(),
            flows: Mutex::default(),
            verifying: Mutex::default(),
            pinned: Mutex::default(),
        }
    }

    /// See [`Peer::hello`](crate::peer::Peer::hello).
    pub async fn hello(&self, request: HelloRequest) -> Result<Hello> {
        if let Some(links) = self.links.upgrade() {
            links.check_takes_links()?;
        }
        let version = request.format_version;
        if version > FORMAT_VERSION {
            return Err(Error::unsupported(format!("replicating to format {version}"))
                .detail(format!("this source writes format {FORMAT_VERSION}"))
                .hint("upgrade the source first"));
        }
        let cluster = self.engine.cluster();
        if request.cluster == cluster {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("source and target both have cluster id {cluster}"),
            )
            .hint("give every cluster an id of its own (--cluster-id)"));
        }
        let database = self.primary(&request.database)?;
        if let Some(line) = request.line {
            if line != database.line() {
                return Err(Error::new(
                    SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!(
                        "database \"{}\" of the source is of another line of history ({}, not {line})",
                        database.name(),
                        database.line()
                    ),
                )
                .hint("drop the target's database and replicate it in full"));
            }
            self.check_epoch(&database, request.promotion_epoch)?;
            self.engine.standby_seen(&database, &request.slot);
        } else if request.mode != Mode::Copy {
            return Err(Error::new(SqlState::PROTOCOL_VIOLATION, "a target without a line"));
        }
        self.open_slot(&database, &request)?;
        let own_rights = self.settle_rights(&database, &request).await?;
        Ok(Hello {
            line: database.line(),
            partitions: u16::try_from(database.local_partitions().len()).unwrap_or(u16::MAX),
            cluster,
            promotion_epoch: database.promotion_epoch(),
            state: database.state(),
            format_version: FORMAT_VERSION,
            now: self.engine.oracle.now(),
            own_rights,
        })
    }

    /// See [`Peer::subscribe`](crate::peer::Peer::subscribe).
    pub async fn subscribe(self: &Arc<Self>, request: SubscribeRequest) -> Result<Subscription> {
        let database = self.primary(&request.database)?;
        self.check_epoch(&database, request.promotion_epoch)?;
        let partition =
            database.local_partitions().get(usize::from(request.partition)).cloned().ok_or_else(
                || {
                    let message = format!("there is no partition {}", request.partition);
                    Error::new(SqlState::PROTOCOL_VIOLATION, message)
                },
            )?;
        self.check_rights(&database, &request)?;
        let answer = self.answer(&database, &partition, &request).await?;
        let frames = match &answer {
            Answer::Continue { .. } => {
                // One at rest would let the target wait for it; a full disk does not keep it from
                // what is there.
                let _ = self.engine.close_now(&partition);
                let flow = self.flow(database.id(), &request.slot);
                let (slot, keeps_rights) = (request.slot, request.own_rights);
                let outlet = stream::Outlet { database, partition, slot, flow, keeps_rights };
                stream::frames(self.engine.clone(), outlet, request.end.next())
            }
            _ => futures::stream::empty().boxed(),
        };
        Ok(Subscription { answer, frames })
    }

    /// See [`Peer::ack`](crate::peer::Peer::ack).
    pub async fn ack(&self, ack: Ack) -> Result<Acked> {
        let database = self.primary(&ack.database)?;
        self.check_epoch(&database, ack.promotion_epoch)?;
        self.engine.standby_seen(&database, &ack.slot);
        let answer = self.handover_with(database.id(), &ack.slot);
        if ack.promotable {
            database.cover().replicated(ack.replicated);
        }
        self.move_slot(&database, ack)?;
        Ok(answer)
    }

    /// See [`Peer::positions`](crate::peer::Peer::positions).
    pub async fn positions(&self, database: &str) -> Result<Positions> {
        let database = self.primary(database)?;
        // The gate first: what is committed after it was seen open is not promised to be in.
        let gated = database.gated().is_some();
        let mut partitions = Vec::new();
        for partition in database.partitions() {
            let status = partition.status().await?;
            partitions.push((status.end, status.last_commit));
        }
        Ok(Positions { gated, partitions })
    }

    /// See [`Peer::fetch`](crate::peer::Peer::fetch).
    pub async fn fetch(&self, fetch: Fetch) -> Result<Bytes> {
        let (id, slot) = self.bases.lock().whose(fetch.pin)?;
        let most = self.await_flow(id, &slot).await?;
        let now = self.engine.env.clock.monotonic();
        let place = self.bases.lock().place(&fetch, now)?;
        let disk = self.engine.env.disk.clone();
        let terms = self.terms(id, &slot);
        let most = if terms.limit.is_some() { most } else { usize::MAX };
        let fetch = Fetch { len: fetch.len.min(u32::try_from(most).unwrap_or(u32::MAX)), ..fetch };
        let read = move || bases::read(&disk, &place, &fetch);
        let read = self.engine.env.blocking(read).await;
        let piece = read.unwrap_or_else(|| Err(Error::internal("fetch failed")))?;
        self.flow(id, &slot).pay(&self.engine.env, piece.len(), terms);
        Ok(piece)
    }

    /// See [`Peer::invite`](crate::peer::Peer::invite).
    pub async fn invite(&self, invitation: Invitation, who: &str) -> Result<Invited> {
        let links = self.links()?;
        links.check_takes_links()?;
        links.invited(invitation, who).await
    }

    /// See [`Peer::databases`](crate::peer::Peer::databases).
    pub async fn databases(&self) -> Result<Vec<String>> {
        self.links()?.check_takes_links()?;
        Ok(self.engine.meta.read(|s| {
            let offered =
                |d: &&meta::Database| d.state == DatabaseState::Primary && d.branch.is_none();
            s.databases.values().filter(offered).map(|d| d.name.clone()).collect()
        }))
    }

    fn links(&self) -> Result<Arc<Links>> {
        self.links.upgrade().ok_or_else(|| Error::internal("shutting down"))
    }

    /// See [`Peer::save_diverged`](crate::peer::Peer::save_diverged).
    pub async fn save_diverged(&self, request: SaveDiverged) -> Result<()> {
        let database = self.primary(&request.database)?;
        let vault = self.vaults.of(database.id())?;
        let save = move || {
            vault.add(&request.parts)?;
            vault.settle(&request.settled)
        };
        let saved = self.engine.env.blocking(save).await;
        saved.unwrap_or_else(|| Err(Error::internal("saving diverged transactions failed")))?;
        Ok(())
    }

    /// The database of this name, if it can be a source.
    fn primary(&self, name: &str) -> Result<Arc<Database>> {
        let database = self.engine.database(name)?;
        let state = database.state();
        if state == DatabaseState::Primary {
            return Ok(database);
        }
        let what = if state.is_target() { "is itself a target" } else { "is not a primary" };
        Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("database \"{name}\" of the source {what} ({})", state.name()),
        )
        .hint("replicate from its primary"))
    }

    /// A target that knows of a higher epoch proves that this source is stale: it closes itself
    /// for writes at once and says so.
    pub(crate) fn check_epoch(&self, database: &Arc<Database>, theirs: Epoch) -> Result<()> {
        let ours = database.promotion_epoch();
        if theirs <= ours {
            return Ok(());
        }
        let reason =
            format!("another cluster was promoted: epoch {theirs} is above {ours} of here");
        let gated = self.engine.record(database.name()).is_ok_and(|r| r.gate.is_some());
        if !gated {
            let (engine, name, why) =
                (self.engine.clone(), database.name().to_owned(), reason.clone());
            let close = async move {
                if let Err(error) = engine.gate(&name, "replication", &why).await {
                    tracing::error!(database = name, %error, "closing a stale source failed");
                }
            };
            self.engine.env.tasks.spawn("fence", Box::pin(close));
        }
        Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("the source is stale and takes no more writes: {reason}"),
        )
        .hint("on the source, REPLICATE DATABASE … WITH FORCE DIFFERENTIAL from the new primary"))
    }
}
