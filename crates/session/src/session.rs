//! One client's session: its state, and what happens to it around a statement.

use crate::activity::Seen;
use crate::block::{Block, Running, Status};
use crate::command::{IsolationLevel, Modes};
use crate::front::{Front, Place, Visitor};
use crate::interrupt::Interrupts;
use crate::notice::Notice;
use crate::portal::Portal;
use crate::prepared::{Parsed, Statement};
use crate::settings::{self, Settings};
use base::{Error, Result};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::watch;
use txn::{Database, Isolation, TxnOptions};

/// One client's session. Dropping it rolls its transaction back.
pub struct Session {
    pub(crate) place: Place,
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) executor: sql::Executor,
    pub(crate) settings: Settings,
    pub(crate) block: Block,
    pub(crate) statements: BTreeMap<String, Arc<Statement>>,
    pub(crate) portals: BTreeMap<String, Portal>,
    pub(crate) parsed: Parsed,
    pub(crate) notices: Vec<Notice>,
    pub(crate) interrupts: Interrupts,
    /// What others see of it.
    pub(crate) seen: Arc<Seen>,
    /// The client knows that the standbys are too far behind.
    pub(crate) warned_of_lag: bool,
    /// Tells of changes of the database's role, gate and epoch.
    roles: watch::Receiver<u64>,
    /// Settings as the client was last told.
    told: BTreeMap<&'static str, String>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", &self.place.id()).field("user", &self.user).finish()
    }
}

impl Session {
    pub(crate) fn open(
        mut place: Place,
        visitor: Visitor,
        defaults: &BTreeMap<String, String>,
    ) -> Result<Session> {
        let front = place.front().clone();
        front.engine().database(&visitor.database)?;
        let settings = Settings::new(defaults, &visitor.settings)?;
        let executor = sql::Executor::new(
            front.runtime().clone(),
            front.engine().clone(),
            Some(front.links().clone()),
            &visitor.database,
            &visitor.user,
            place.id(),
        );
        executor.set_address(visitor.address);
        let signal = place.signal().clone();
        let who = (visitor.user.as_str(), visitor.database.as_str());
        let since_ms = front.engine().env.clock.now_ms();
        let seen = Arc::new(Seen::new(place.id(), who, visitor.address, since_ms));
        front.show(place.id(), seen.clone());
        let interrupts = Interrupts::new(front.engine().env.clone(), signal);
        let mut session = Session {
            place,
            user: visitor.user,
            database: visitor.database,
            executor,
            settings,
            block: Block::Idle,
            statements: BTreeMap::new(),
            portals: BTreeMap::new(),
            notices: Vec::new(),
            interrupts,
            seen,
            warned_of_lag: false,
            parsed: Parsed::default(),
            roles: front.engine().meta.watch(),
            told: BTreeMap::new(),
        };
        if let Some(zone) = visitor.settings.get("TimeZone") {
            session.warn_about_zone(zone);
        }
        session.obey_settings();
        Ok(session)
    }

    pub(crate) fn front(&self) -> &Arc<Front> {
        self.place.front()
    }

    /// The connection's number.
    pub fn id(&self) -> i32 {
        self.place.id()
    }

    /// Who is logged in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// What a cancel request has to know.
    pub fn secret(&self) -> i32 {
        self.place.secret()
    }

    /// Where the client stands with its transaction.
    pub fn status(&self) -> Status {
        self.block.status()
    }

    /// Notices since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The settings a client is told about whose value it does not know yet.
    pub fn take_reports(&mut self) -> Vec<(&'static str, String)> {
        let changed = self.settings.take_changed() | self.roles.has_changed().unwrap_or(false);
        if !changed && !self.told.is_empty() {
            return Vec::new();
        }
        self.roles.mark_unchanged();
        let mut reports = Vec::new();
        for name in settings::reported() {
            let value = self.setting(name).unwrap_or_default();
            if self.told.get(name) != Some(&value) {
                if name == "application_name" {
                    self.seen.is_called(&value);
                }
                self.told.insert(name, value.clone());
                reports.push((name, value));
            }
        }
        reports
    }

    /// Ends, with its reason, when an idle session has to be closed.
    pub fn must_end(&self) -> impl Future<Output = Error> + '_ {
        self.seen.rests(self.block.status());
        let obeyed = self.settings.obeyed();
        let timeout = match self.block.status() {
            Status::Idle => obeyed.idle_timeout.map(|t| (t, false)),
            _ => obeyed.idle_in_transaction_timeout.map(|t| (t, true)),
        };
        self.interrupts.idle(timeout)
    }

    /// Ends when the server is going down.
    pub fn must_stop(&self) -> impl Future<Output = Error> + '_ {
        self.interrupts.idle(None)
    }

    /// The database, as it is open now.
    pub(crate) fn database(&self) -> Result<Arc<Database>> {
        self.front().engine().database(&self.database)
    }

    pub(crate) fn obey_settings(&self) {
        self.executor.set_lock_timeout(self.settings.obeyed().lock_timeout);
    }

    /// A statement begins: what was cancelled before does not count.
    pub(crate) fn begin_statement(&mut self) {
        self.interrupts.begin(self.settings.obeyed().statement_timeout);
    }

    pub(crate) fn options(&self, modes: Modes) -> TxnOptions {
        let obeyed = self.settings.obeyed();
        TxnOptions {
            isolation: isolation(modes.isolation.unwrap_or(obeyed.isolation)),
            read_only: modes.read_only.unwrap_or(obeyed.read_only),
        }
    }

    pub(crate) fn new_running(&self, options: TxnOptions) -> Result<Box<Running>> {
        Ok(Box::new(Running {
            txn: self.database()?.begin(options),
            mark: self.settings.mark(),
            savepoints: Vec::new(),
        }))
    }

    /// Sees to it that there is a transaction to run a statement in: the open one, or an implicit
    /// one.
    pub(crate) fn transaction(&mut self) -> Result<()> {
        if let Block::Idle = self.block {
            self.block = Block::Implicit(self.new_running(self.options(Modes::default()))?);
        }
        Ok(())
    }

    /// Undoes what a failed statement began. Every error that reaches a client goes through here;
    /// a protocol calls it for errors that it finds itself (a malformed parameter).
    pub async fn fail(&mut self) {
        match self.block.take() {
            Block::Idle => {}
            Block::Implicit(running) => {
                self.settings.back_to(&running.mark);
                self.portals.clear();
                running.txn.rollback().await;
            }
            Block::Open(running) if running.savepoints.is_empty() => {
                self.portals.clear();
                self.block = Block::Failed(None, running.mark);
                running.txn.rollback().await;
            }
            Block::Open(running) => {
                let mark = running.mark.clone();
                self.block = Block::Failed(Some(running), mark);
            }
            failed @ Block::Failed(..) => self.block = failed,
        }
        self.obey_settings();
    }

    /// Commits the implicit transaction, if there is one. Called at the end of a simple query and
    /// at Sync.
    pub async fn end_implicit(&mut self) -> Result<()> {
        match self.block.take() {
            Block::Implicit(running) => self.commit(running).await,
            Block::Idle => {
                self.portals.clear();
                Ok(())
            }
            block => {
                self.block = block;
                Ok(())
            }
        }
    }

    /// Commits; cancelling does not reach here, so that the outcome is always known.
    pub(crate) async fn commit(&mut self, running: Box<Running>) -> Result<()> {
        self.portals.clear();
        let (database, wait) = (running.txn.database().clone(), self.settings.obeyed().commit_wait);
        let done = running.txn.commit().await;
        match &done {
            Ok(_) => self.settings.end_transaction(),
            Err(_) => self.settings.back_to(&running.mark),
        }
        self.obey_settings();
        self.after_commit(&database, done?.ts, wait).await;
        Ok(())
    }

    pub(crate) async fn roll_back(&mut self, running: Option<Box<Running>>, mark: &settings::Mark) {
        self.portals.clear();
        self.settings.back_to(mark);
        self.settings.end_transaction();
        if let Some(running) = running {
            running.txn.rollback().await;
        }
        self.obey_settings();
    }
}

pub(crate) fn isolation(level: IsolationLevel) -> Isolation {
    match level {
        IsolationLevel::ReadCommitted => Isolation::ReadCommitted,
        IsolationLevel::RepeatableRead => Isolation::RepeatableRead,
        IsolationLevel::Serializable => Isolation::Serializable,
    }
}

pub(crate) fn level(isolation: Isolation) -> IsolationLevel {
    match isolation {
        Isolation::ReadCommitted => IsolationLevel::ReadCommitted,
        Isolation::RepeatableRead => IsolationLevel::RepeatableRead,
        Isolation::Serializable => IsolationLevel::Serializable,
    }
}
