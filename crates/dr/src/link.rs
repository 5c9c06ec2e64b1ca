//! One link's shell: carries out what the [core](core::Core) orders. A task per link, and under it a
//! task per partition and a reporter, which end with the connection.

pub(crate) mod core;
mod figures;
mod follow;
mod rebuild;
mod renew;
pub(crate) mod session;
mod work;

pub(crate) use self::core::Phase;
pub(crate) use self::figures::Figures;
pub use figures::{LinkStatus, PartitionLag};

use self::core::{Command, Core, Event, Told};
use crate::diverged::Fork;
use crate::links::Links;
use crate::peer::{Answer, BaseOffer, Connect, Hello, Peer, Subscription};
use crate::vaults::Vaults;
use base::{Error, Result};
use env::TaskHandle;
use futures::future::BoxFuture;
use meta::{Command as Change, DatabaseState};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use txn::{Database, Engine};

/// What a link's tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub engine: Arc<Engine>,
    pub links: Weak<Links>,
    pub vaults: Arc<Vaults>,
    pub connect: Arc<dyn Connect>,
    pub name: String,
    pub phase: Mutex<Phase>,
    pub figures: Mutex<Figures>,
    /// What has become durable here is waited for at the source.
    pub awaited: Notify,
    /// The user wants the link to pause or end: a long copy stops at the next piece.
    pub leaving: AtomicBool,
}

impl Shared {
    pub(crate) fn database(&self) -> Result<Arc<Database>> {
        self.engine.database(&self.name)
    }

    pub(crate) fn record(&self) -> Result<meta::Database> {
        self.engine.record(&self.name)
    }

    pub(crate) fn link(&self) -> Result<meta::Link> {
        let message = format!("database \"{}\" is not replicating", self.name);
        self.record()?
            .link
            .ok_or_else(|| Error::new(base::SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message))
    }

    pub(crate) fn note(&self, kind: &str, detail: String) -> Result<()> {
        tracing::info!(database = self.name, kind, detail, "link");
        let at_ms = self.engine.env.clock.now_ms();
        let row = meta::HistoryRow::new(at_ms, self.name.as_str(), kind, detail);
        self.engine.meta.apply(Change::History(row)).map(drop)
    }
}

/// What reaches a link's task.
enum Message {
    /// From the user.
    User(Event),
    /// From a task of a connection; of no meaning once that is over.
    Session(u64, Event),
    /// The greeting succeeded.
    Peer(u64, Arc<dyn Peer>, Hello),
    /// A partition's answer.
    Granted(u64, u16, Subscription),
}

/// A running link.
#[derive(Debug)]
pub(crate) struct Link {
    pub shared: Arc<Shared>,
    messages: mpsc::Sender<Message>,
    task: tokio::sync::Mutex<TaskHandle>,
}

impl Link {
    /// Starts the link of a database; it connects at once unless it is paused.
    pub(crate) fn start(shared: Arc<Shared>) -> Result<Link> {
        let record = shared.record()?;
        let link = shared.link()?;
        let partitions = u16::try_from(record.partitions.len()).unwrap_or(u16::MAX);
        let core = Core::new(record.state, link.differential, partitions);
        let (messages, inbox) = mpsc::channel(1_024);
        let runner = Runner {
            shared: shared.clone(),
            messages: messages.clone(),
            core,
            session: 0,
            peer: None,
            hello: None,
            grants: BTreeMap::new(),
            tasks: Vec::new(),
            reported: link.last_error,
        };
        let first = (!link.paused).then_some(Event::Resume);
        let tasks = &shared.engine.env.tasks;
        let task = tasks.spawn("link", Box::pin(runner.run(inbox, first)));
        Ok(Link { shared, messages, task: tokio::sync::Mutex::new(task) })
    }

    /// Tells the link what the user wants.
    pub(crate) async fn tell(&self, event: Event) {
        let leaving = matches!(event, Event::Pause | Event::Stop);
        self.shared.leaving.store(leaving, Ordering::Relaxed);
        // A link that has ended needs no more telling.
        let _ = self.messages.send(Message::User(event)).await;
    }

    /// Ends the link and waits until nothing of it runs any more.
    pub(crate) async fn stop(&self) {
        self.tell(Event::Stop).await;
        self.task.lock().await.join().await;
    }
}

struct Runner {
    shared: Arc<Shared>,
    messages: mpsc::Sender<Message>,
    core: Core,
    session: u64,
    peer: Option<Arc<dyn Peer>>,
    hello: Option<Hello>,
    grants: BTreeMap<u16, Subscription>,
    tasks: Vec<TaskHandle>,
    reported: Option<String>,
}

impl Runner {
    async fn run(mut self, mut inbox: mpsc::Receiver<Message>, first: Option<Event>) {
        if let Some(event) = first {
            self.handle(event).await;
        }
        while self.core.phase() != Phase::Ended {
            let Some(message) = inbox.recv().await else { return };
            let event = match message {
                Message::User(event) => event,
                Message::Session(session, event) if session == self.session => event,
                Message::Peer(session, peer, hello) if session == self.session => {
                    let now = hello.now;
                    self.peer = Some(peer);
                    self.hello = Some(hello);
                    Event::Greeted { now }
                }
                Message::Granted(session, partition, granted) if session == self.session => {
                    let told = self.told(partition, &granted.answer);
                    self.grants.insert(partition, granted);
                    Event::Answered { partition, told }
                }
                _ => continue,
            };
            self.handle(event).await;
        }
    }

    /// Lets the core decide and carries it out; what fails then is the next event.
    async fn handle(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now_ms = self.shared.engine.env.clock.now_ms();
            for command in self.core.on(event, now_ms) {
                if let Err(error) = self.carry_out(command).await {
                    let at_work = self.core.at_work();
                    let broken =
                        if at_work { Event::Failed { error } } else { Event::Broken { error } };
                    events.push_back(broken);
                    break;
                }
            }
            // Only now: whoever waits for a phase relies on what it came with.
            *self.shared.phase.lock() = self.core.phase();
        }
    }

    async fn carry_out(&mut self, command: Command) -> Result<()> {
        match command {
            Command::Connect => self.connect(),
            Command::Ask => self.ask()?,
            Command::Follow => {
                session::take_epoch(&self.shared, self.hello()?.promotion_epoch)?;
                self.follow()?;
            }
            Command::Copy(partitions) => self.copy(&partitions)?,
            Command::Rewind(forks) => {
                let peer = self.peer()?;
                session::take_epoch(&self.shared, self.hello()?.promotion_epoch)?;
                self.grants.clear();
                self.rewind(peer, forks)?;
            }
            Command::Renew { reason, forks } => self.renew(reason, forks)?,
            Command::Become(role) => {
                if let Err(error) = self.take_role(role) {
                    self.core.correct_role(self.shared.record()?.state);
                    return Err(error);
                }
            }
            Command::HangUp => self.hang_up().await,
            Command::Wait { ms } => self.wait(ms),
            Command::Report(error) => self.report(error)?,
            Command::End => {}
        }
        Ok(())
    }

    fn peer(&self) -> Result<Arc<dyn Peer>> {
        self.peer.clone().ok_or_else(|| Error::internal("a link without a connection"))
    }

    fn hello(&self) -> Result<Hello> {
        self.hello.clone().ok_or_else(|| Error::internal("a link without a greeting"))
    }

    /// Starts a task that ends with the connection.
    fn spawn(&mut self, name: &'static str, task: BoxFuture<'static, ()>) {
        self.tasks.push(self.shared.engine.env.tasks.spawn(name, task));
    }

    fn connect(&mut self) {
        self.session += 1;
        let (shared, messages, session) =
            (self.shared.clone(), self.messages.clone(), self.session);
        let greet = async move {
            let message = match session::greet(&shared).await {
                Ok((peer, hello)) => Message::Peer(session, peer, hello),
                Err(error) => Message::Session(session, Event::Broken { error }),
            };
            let _ = messages.send(message).await;
        };
        self.spawn("link greeting", Box::pin(greet));
    }

    fn ask(&mut self) -> Result<()> {
        self.grants.clear();
        let database = self.shared.database()?;
        let source = self.shared.link()?.source.database;
        let own_rights = self.hello()?.own_rights;
        for partition in database.local_partitions() {
            let request =
                session::request(&self.shared, &database, partition, (&source, own_rights));
            let (peer, messages, session) = (self.peer()?, self.messages.clone(), self.session);
            let number = partition.number();
            let ask = async move {
                let message = match peer.subscribe(request).await {
                    Ok(granted) => Message::Granted(session, number, granted),
                    Err(error) => Message::Session(session, Event::Broken { error }),
                };
                let _ = messages.send(message).await;
            };
            self.spawn("link question", Box::pin(ask));
        }
        Ok(())
    }

    fn told(&self, partition: u16, answer: &Answer) -> Told {
        let end = self
            .shared
            .database()
            .ok()
            .and_then(|d| d.local_partitions().get(usize::from(partition)).map(|p| p.end()));
        let end = end.unwrap_or_default();
        match answer {
            Answer::Continue { cut } => Told::Continue { end, cut: *cut },
            Answer::RewindTo { common, cut } => Told::Rewind { common: *common, cut: *cut },
            Answer::NeedBase(offer) => Told::Base {
                empty: end == base::Lsn::ZERO,
                reason: offer.reason.clone(),
                diverged: offer.diverged,
            },
        }
    }

    fn follow(&mut self) -> Result<()> {
        let database = self.shared.database()?;
        self.shared.figures.lock().begin(database.local_partitions().len());
        for (partition, granted) in std::mem::take(&mut self.grants) {
            let index = usize::from(partition);
            let target = database.local_partitions().get(index).cloned();
            let target = target.ok_or_else(|| Error::internal("no such partition"))?;
            let pump = follow::pump(self.shared.clone(), target, granted.frames);
            self.until_broken("link stream", Box::pin(pump));
        }
        let (tell, session) = (self.messages.clone(), self.session);
        let reached = move |time, consistent| {
            // A report that finds the inbox full is repeated soon.
            let event = Event::Reached { time, consistent };
            let _ = tell.try_send(Message::Session(session, event));
        };
        let goal = self.hello()?.now;
        let report = follow::report(self.shared.clone(), self.peer()?, (database, goal), reached);
        self.until_broken("link reports", Box::pin(report));
        Ok(())
    }

    /// Starts a task that ends only by an error.
    fn until_broken(&mut self, name: &'static str, task: BoxFuture<'static, Error>) {
        let (messages, session) = (self.messages.clone(), self.session);
        let task = async move {
            let error = task.await;
            let _ = messages.send(Message::Session(session, Event::Broken { error })).await;
        };
        self.spawn(name, Box::pin(task));
    }

    fn copy(&mut self, partitions: &[u16]) -> Result<()> {
        let mut offers: Vec<(u16, BaseOffer)> = Vec::new();
        for (partition, granted) in std::mem::take(&mut self.grants) {
            if let Answer::NeedBase(offer) = granted.answer
                && partitions.contains(&partition)
            {
                offers.push((partition, *offer));
            }
        }
        let work = work::copy(self.shared.clone(), self.peer()?, offers);
        self.work(Box::pin(async { work.await.map(|()| Event::Done) }));
        Ok(())
    }

    fn renew(&mut self, reason: String, forks: Vec<Fork>) -> Result<()> {
        let (peer, hello) = (self.peer()?, self.hello()?);
        let offers = std::mem::take(&mut self.grants).into_values();
        let offers: Vec<BaseOffer> = offers
            .filter_map(|granted| match granted.answer {
                Answer::NeedBase(offer) => Some(*offer),
                _ => None,
            })
            .collect();
        let unrelated = offers.iter().any(|offer| offer.unrelated);
        let bytes = offers.iter().flat_map(|o| o.manifest.chunks()).map(|c| c.bytes).sum();
        let renewal = renew::Renewal { reason, forks, unrelated, bytes };
        let work = renew::renew(self.shared.clone(), peer, hello, renewal);
        self.work(Box::pin(async { Ok(Event::Renewed { role: work.await? }) }));
        Ok(())
    }

    fn rewind(&mut self, peer: Arc<dyn Peer>, forks: Vec<Fork>) -> Result<()> {
        if let Some(reason) = work::too_old(&self.shared, &forks)? {
            // Told as work is: the core hears of it after it has ordered it.
            let (messages, session) = (self.messages.clone(), self.session);
            let tell = async move {
                let _ = messages.send(Message::Session(session, Event::TooOld { reason })).await;
            };
            self.shared.engine.env.tasks.spawn("link work", Box::pin(tell));
            return Ok(());
        }
        let work = work::rewind(self.shared.clone(), peer, forks);
        self.work(Box::pin(async { work.await.map(|()| Event::Done) }));
        Ok(())
    }

    /// Starts work, which is not interrupted by anything but the end of the process.
    fn work(&mut self, work: BoxFuture<'static, Result<Event>>) {
        let (messages, session) = (self.messages.clone(), self.session);
        let work = async move {
            let event = work.await.unwrap_or_else(|error| Event::Failed { error });
            let _ = messages.send(Message::Session(session, event)).await;
        };
        self.shared.engine.env.tasks.spawn("link work", Box::pin(work));
    }

    fn take_role(&mut self, role: DatabaseState) -> Result<()> {
        let record = self.shared.record()?;
        let database = self.shared.database()?;
        let id = record.id;
        let mut changes = vec![Change::SetDatabaseState { database: id, state: role }];
        if role == DatabaseState::Standby && matches!(record.state, DatabaseState::Rewinding { .. })
        {
            // What its own former targets need is in the new line, not in this log any more.
            let at_ms = self.shared.engine.env.clock.now_ms();
            changes.extend(record.slots.into_keys().map(|name| Change::DropSlot {
                database: id,
                name,
                reason: None,
                at_ms,
            }));
        }
        self.shared.engine.meta.apply(Change::Batch(changes))?;
        database.set_state(role);
        let detail = format!("from {} to {}", record.state.name(), role.name());
        self.shared.note("role", detail)
    }

    async fn hang_up(&mut self) {
        // Whatever still arrives from this connection is of no meaning.
        self.session += 1;
        self.peer = None;
        self.hello = None;
        self.grants.clear();
        for task in &self.tasks {
            task.abort();
        }
        for mut task in self.tasks.drain(..) {
            task.join().await;
        }
        let now = self.shared.engine.env.clock.monotonic();
        self.shared.figures.lock().hang_up(now);
    }

    fn wait(&mut self, ms: u64) {
        let (env, messages, session) =
            (self.shared.engine.env.clone(), self.messages.clone(), self.session);
        let wait = async move {
            env.sleep(Duration::from_millis(ms)).await;
            let _ = messages.send(Message::Session(session, Event::Due)).await;
        };
        self.spawn("link pause", Box::pin(wait));
    }

    fn report(&mut self, error: Option<String>) -> Result<()> {
        if self.reported == error {
            return Ok(());
        }
        if let Some(error) = &error {
            tracing::warn!(database = self.shared.name, error, "link");
        }
        self.reported = error.clone();
        let database = self.shared.record()?.id;
        let at_ms = self.shared.engine.env.clock.now_ms();
        self.shared.engine.meta.apply(Change::LinkError { database, error, at_ms }).map(drop)
    }
}
