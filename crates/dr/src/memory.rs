//! A network in memory, for simulations: [`Peer`]s that call a [`Replication`] directly, with a hook
//! that may delay or cut any call and any batch of a stream.

use crate::links::DEFAULT_PORT;
use crate::peer::{
    Ack, Acked, CompareRequest, Compared, Connect, Content, ContentRequest, Fetch, FrameBatch,
    HandoverAnswer, HandoverRequest, Hello, HelloRequest, Invitation, Invited, Peer, Positions,
    SaveDiverged, SubscribeRequest, Subscription, Verified, VerifyRequest,
};
use crate::source::Replication;
use async_trait::async_trait;
use base::{Error, Result, SqlState};
use bytes::Bytes;
use env::Env;
use futures::StreamExt;
use meta::{Source, scram};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// One use of the network.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who calls.
    pub from: String,
    /// The address called.
    pub to: String,
    /// `connect`, `hello`, `subscribe`, `batch`, `ack`, `positions`, `handover`, `invite`,
    /// `databases`, `compare`, `verify`, `content`, `fetch` or `save_diverged`.
    pub what: &'static str,
    /// Whose stream it is (`subscribe` and `batch`).
    pub partition: Option<u16>,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Pass,
    /// It arrives later.
    Delay(Duration),
    /// It does not arrive.
    Cut,
    /// It arrives, but its answer is lost.
    CutAnswer,
}

/// Judges calls.
pub type Faults = Arc<dyn Fn(&Call) -> Verdict + Send + Sync>;

/// Clusters that can reach each other. Cheap to clone.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    nodes: BTreeMap<String, Listener>,
    faults: Faults,
}

struct Listener {
    replication: Arc<Replication>,
    /// Dropped when the node goes away: everything under way breaks.
    alive: watch::Sender<()>,
}

impl Default for Network {
    fn default() -> Network {
        let faults: Faults = Arc::new(|_| Verdict::Pass);
        Network { inner: Arc::new(Mutex::new(Inner { nodes: BTreeMap::new(), faults })) }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

impl Network {
    /// Answers at `address` (`host:port`), in place of whoever did before.
    pub fn listen(&self, address: &str, replication: Arc<Replication>) {
        let (alive, _) = watch::channel(());
        self.inner.lock().nodes.insert(address.to_owned(), Listener { replication, alive });
    }

    /// Takes a node off the network; everything under way with it breaks.
    pub fn leave(&self, address: &str) {
        self.inner.lock().nodes.remove(address);
    }

    /// Judges every call from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.inner.lock().faults = faults;
    }

    /// The network as seen by a cluster, which others find as host `from`.
    pub fn connector(&self, env: Env, from: &str) -> Arc<dyn Connect> {
        Arc::new(Connector { network: self.clone(), env, from: from.to_owned() })
    }

    fn judge(&self, call: &Call) -> Verdict {
        let faults = self.inner.lock().faults.clone();
        faults(call)
    }
}

#[derive(Debug)]
struct Connector {
    network: Network,
    env: Env,
    from: String,
}

#[async_trait]
impl Connect for Connector {
    async fn connect(&self, source: &Source) -> Result<Arc<dyn Peer>> {
        let to = format!("{}:{}", source.host, source.port);
        let found = {
            let inner = self.network.inner.lock();
            inner.nodes.get(&to).map(|l| (l.replication.clone(), l.alive.subscribe()))
        };
        let refused = || cut(&format!("nobody answers at {to}"));
        let (replication, alive) = found.ok_or_else(refused)?;
        let (network, env, from) = (self.network.clone(), self.env.clone(), self.from.clone());
        let wire = Wire { network, env, from, to, alive, partition: None };
        let door = replication.clone();
        wire.call("connect", async move { log_in(&self.env, &door, source) }).await?;
        Ok(Arc::new(MemoryPeer { replication, wire, user: source.user.clone() }))
    }

    fn address(&self) -> Option<(String, u16)> {
        Some((self.from.clone(), DEFAULT_PORT))
    }
}

fn log_in(env: &Env, replication: &Replication, source: &Source) -> Result<()> {
    let mut nonce = [0; 18];
    env.rng.fill(&mut nonce);
    let mut client = scram::Client::new(&source.user, &source.password, &nonce);
    let first = replication.door.step(0, &client.first())?;
    let proof = client.respond(&first.message)?;
    let last = replication.door.step(first.exchange, &proof)?;
    client.verify(&last.message)
}

/// A connection.
#[derive(Clone, Debug)]
struct Wire {
    network: Network,
    env: Env,
    from: String,
    to: String,
    alive: watch::Receiver<()>,
    partition: Option<u16>,
}

fn cut(why: &str) -> Error {
    Error::new(SqlState::CONNECTION_FAILURE, why)
}

impl Wire {
    async fn call<T>(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let partition = self.partition;
        let call = Call { from: self.from.clone(), to: self.to.clone(), what, partition };
        let verdict = self.network.judge(&call);
        match verdict {
            Verdict::Cut => return Err(cut(&format!("the link was cut ({what})"))),
            Verdict::Delay(time) => self.env.sleep(time).await,
            Verdict::Pass | Verdict::CutAnswer => {}
        }
        let mut alive = self.alive.clone();
        let done = tokio::select! {
            biased;
            _ = gone(&mut alive) => Err(cut(&format!("{} went away", self.to))),
            done = work => done,
        }?;
        if verdict == Verdict::CutAnswer {
            return Err(cut(&format!("the link was cut ({what}, answer)")));
        }
        Ok(done)
    }
}

async fn gone(alive: &mut watch::Receiver<()>) {
    while alive.changed().await.is_ok() {}
}

/// A session over a [`Network`].
#[derive(Debug)]
struct MemoryPeer {
    replication: Arc<Replication>,
    wire: Wire,
    /// As whom it has logged in.
    user: String,
}

#[async_trait]
impl Peer for MemoryPeer {
    async fn hello(&self, request: HelloRequest) -> Result<Hello> {
        self.wire.call("hello", self.replication.hello(request)).await
    }

    async fn subscribe(&self, request: SubscribeRequest) -> Result<Subscription> {
        let wire = Wire { partition: Some(request.partition), ..self.wire.clone() };
        let granted = wire.call("subscribe", self.replication.subscribe(request)).await?;
        let state = (wire, granted.frames);
        let frames = futures::stream::try_unfold(state, |(wire, mut frames)| async move {
            let next = async { frames.next().await.transpose() };
            let batch: Option<FrameBatch> = wire.call("batch", next).await?;
            Ok(batch.map(|batch| (batch, (wire, frames))))
        });
        Ok(Subscription { answer: granted.answer, frames: frames.boxed() })
    }

    async fn ack(&self, ack: Ack) -> Result<Acked> {
        self.wire.call("ack", self.replication.ack(ack)).await
    }

    async fn handover(&self, request: HandoverRequest) -> Result<HandoverAnswer> {
        self.wire.call("handover", self.replication.handover(request)).await
    }

    async fn invite(&self, invitation: Invitation) -> Result<Invited> {
        self.wire.call("invite", self.replication.invite(invitation, &self.user)).await
    }

    async fn databases(&self) -> Result<Vec<String>> {
        self.wire.call("databases", self.replication.databases()).await
    }

    async fn positions(&self, database: &str) -> Result<Positions> {
        self.wire.call("positions", self.replication.positions(database)).await
    }

    async fn compare(&self, request: CompareRequest) -> Result<Compared> {
        self.wire.call("compare", self.replication.compare(request)).await
    }

    async fn verify(&self, request: VerifyRequest) -> Result<Verified> {
        self.wire.call("verify", self.replication.verify(request)).await
    }

    async fn content(&self, request: ContentRequest) -> Result<Content> {
        self.wire.call("content", self.replication.content(request)).await
    }

    async fn fetch(&self, fetch: Fetch) -> Result<Bytes> {
        self.wire.call("fetch", self.replication.fetch(fetch)).await
    }

    async fn save_diverged(&self, request: SaveDiverged) -> Result<()> {
        self.wire.call("save_diverged", self.replication.save_diverged(request)).await
    }
}
