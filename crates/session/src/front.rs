//! What all sessions of a node share: who is connected, cancelling, limits, shutting down.

use crate::activity::Seen;
use crate::session::Session;
use base::{Error, Result, SqlState};
use dr::Links;
use meta::scram::Verifier;
use parking_lot::Mutex;
use sql::system::SessionFact;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use txn::Engine;

/// Limits of the front door.
#[derive(Clone, Debug)]
pub struct FrontSettings {
    /// Sessions at a time; one more is refused with 53300.
    pub connections_max: usize,
    /// Longest time a client may take to log in.
    pub login_timeout: Duration,
}

impl Default for FrontSettings {
    fn default() -> FrontSettings {
        FrontSettings { connections_max: 500, login_timeout: Duration::from_secs(60) }
    }
}

/// Signals to one session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Signal {
    /// Goes up with every cancel request.
    pub(crate) cancels: u64,
    /// The server is going down.
    pub(crate) stop: bool,
}

/// What the front knows of a connection.
#[derive(Debug)]
struct Entry {
    secret: i32,
    signal: watch::Sender<Signal>,
    /// What others see of the session, once there is one.
    seen: Option<Arc<Seen>>,
}

/// The front door of a node. One per process, shared by all listeners.
pub struct Front {
    engine: Arc<Engine>,
    links: Arc<Links>,
    runtime: Arc<sql::Runtime>,
    settings: FrontSettings,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    by_id: BTreeMap<i32, Entry>,
    last: i32,
    stopping: bool,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").field("settings", &self.settings).finish()
    }
}

/// Who wants in, after the password was checked.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    /// The user.
    pub user: String,
    /// The database.
    pub database: String,
    /// Settings sent at startup (`application_name`, `client_encoding` …).
    pub settings: BTreeMap<String, String>,
    /// Where it comes from, if it comes over a network.
    pub address: Option<IpAddr>,
}

/// A place among the connections, held from the first packet on.
#[derive(Debug)]
pub struct Place {
    front: Arc<Front>,
    id: i32,
    secret: i32,
    signal: watch::Receiver<Signal>,
}

impl Place {
    /// The connection's number, as in `pg_backend_pid()`.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// What a cancel request has to know.
    pub fn secret(&self) -> i32 {
        self.secret
    }

    pub(crate) fn front(&self) -> &Arc<Front> {
        &self.front
    }

    pub(crate) fn signal(&mut self) -> &mut watch::Receiver<Signal> {
        &mut self.signal
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.front.entries.lock().by_id.remove(&self.id);
    }
}

impl Front {
    /// Opens the front door of an engine.
    pub fn new(
        engine: Arc<Engine>,
        links: Arc<Links>,
        runtime: Arc<sql::Runtime>,
        settings: FrontSettings,
    ) -> Arc<Front> {
        let entries = Mutex::default();
        let front = Arc::new(Front { engine, links, runtime, settings, entries });
        let this = Arc::downgrade(&front);
        let activity = move || this.upgrade().map(|front| front.activity()).unwrap_or_default();
        front.runtime.set_activity(Arc::new(activity));
        front
    }

    /// Lets others see a session.
    pub(crate) fn show(&self, id: i32, seen: Arc<Seen>) {
        if let Some(entry) = self.entries.lock().by_id.get_mut(&id) {
            entry.seen = Some(seen);
        }
    }

    fn activity(&self) -> Vec<SessionFact> {
        let entries = self.entries.lock();
        let all: Vec<Arc<Seen>> = entries.by_id.values().filter_map(|e| e.seen.clone()).collect();
        drop(entries);
        all.iter().map(|seen| seen.fact()).collect()
    }

    /// The engine behind it.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The links behind it.
    pub fn links(&self) -> &Arc<Links> {
        &self.links
    }

    pub(crate) fn runtime(&self) -> &Arc<sql::Runtime> {
        &self.runtime
    }

    /// Its limits.
    pub fn settings(&self) -> &FrontSettings {
        &self.settings
    }

    /// How many are connected.
    pub fn connections(&self) -> usize {
        self.entries.lock().by_id.len()
    }

    /// Reserves a place for a connection.
    ///
    /// # Errors
    /// 53300 if there is none, 57P03 if the server is going down.
    pub fn admit(self: &Arc<Self>) -> Result<Place> {
        let mut entries = self.entries.lock();
        if entries.stopping {
            return Err(Error::new(
                SqlState::CANNOT_CONNECT_NOW,
                "the database system is shutting down",
            ));
        }
        if entries.by_id.len() >= self.settings.connections_max {
            return Err(Error::new(
                SqlState::TOO_MANY_CONNECTIONS,
                "sorry, too many clients already",
            ));
        }
        let id = loop {
            entries.last = entries.last.checked_add(1).unwrap_or(1);
            if !entries.by_id.contains_key(&entries.last) {
                break entries.last;
            }
        };
        let secret = self.engine.env.rng.next_u64() as i32;
        let (tx, signal) = watch::channel(Signal::default());
        entries.by_id.insert(id, Entry { secret, signal: tx, seen: None });
        Ok(Place { front: self.clone(), id, secret, signal })
    }

    /// What checks a user's password. For a user that does not exist it looks real and no password
    /// fits.
    pub fn verifier(&self, user: &str) -> Verifier {
        self.engine.meta.verifier(user).0
    }

    /// Random bytes for a login.
    pub fn nonce(&self) -> [u8; 18] {
        let mut nonce = [0; 18];
        self.engine.env.rng.fill(&mut nonce);
        nonce
    }

    /// Opens a session for somebody whose password was checked.
    ///
    /// # Errors
    /// 28000 for a role that may not log in, 3D000 for an unknown database, 42501 for one that it may
    /// not connect to, and whatever is wrong with the settings sent along.
    pub async fn open(self: &Arc<Self>, place: Place, visitor: Visitor) -> Result<Session> {
        let defaults = crate::entry::check(&self.engine, &visitor).await?;
        Session::open(place, visitor, &defaults)
    }

    /// Cancels what a session is doing, if the secret is right. Nobody is told whether it was.
    pub fn cancel(&self, id: i32, secret: i32) {
        if let Some(entry) = self.entries.lock().by_id.get(&id)
            && entry.secret == secret
        {
            entry.signal.send_modify(|s| s.cancels += 1);
        }
    }

    /// Lets nobody in any more and asks every session to end: idle ones at once, busy ones with
    /// their statement cancelled.
    pub fn stop(&self) {
        let mut entries = self.entries.lock();
        entries.stopping = true;
        for entry in entries.by_id.values() {
            entry.signal.send_modify(|s| s.stop = true);
        }
    }
}
