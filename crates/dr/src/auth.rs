//! Who may replicate: superusers, roles with `REPLICATION`, and clusters that have handed a database over to this one. Logins
//! by SCRAM, then a token.

use base::{ClusterId, Error, Result, SqlState};
use env::Env;
use meta::{Meta, ReplicaCommand, peer_of, peer_user, scram};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;
use txn::Engine;

/// Logins under way beyond this number push out the oldest.
const EXCHANGES_MAX: usize = 1_024;
/// A token that was not shown for so long is forgotten.
const TOKEN_IDLE: Duration = Duration::from_secs(3_600);

/// The source's answer to one step of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Names the exchange in the next step.
    pub exchange: u64,
    /// The SCRAM message.
    pub message: String,
    /// After the last step: shown with every call.
    pub token: Option<String>,
}

/// Lets targets in.
#[derive(Debug)]
pub(crate) struct Door {
    env: Env,
    meta: Meta,
    state: Mutex<DoorState>,
}

#[derive(Debug, Default)]
struct DoorState {
    last: u64,
    exchanges: BTreeMap<u64, scram::Server>,
    /// Whose each token is, and when it was last shown.
    tokens: BTreeMap<String, (String, Duration)>,
}

impl Door {
    pub(crate) fn new(env: Env, meta: Meta) -> Door {
        Door { env, meta, state: Mutex::default() }
    }

    /// The next step of a login; `exchange` 0 begins one.
    pub(crate) fn step(&self, exchange: u64, message: &str) -> Result<Step> {
        if exchange == 0 { self.begin(message) } else { self.finish(exchange, message) }
    }

    fn begin(&self, message: &str) -> Result<Step> {
        let user = scram::Server::user_of(message)?;
        let verifier = match peer_of(&user) {
            Some(cluster) => self.meta.peer_verifier(cluster),
            None => self.meta.verifier(&user).0,
        };
        let mut nonce = [0; 18];
        self.env.rng.fill(&mut nonce);
        let server = scram::Server::new(message, verifier, &nonce)?;
        let mut state = self.state.lock();
        state.last += 1;
        let step = Step { exchange: state.last, message: server.first().to_owned(), token: None };
        state.exchanges.insert(step.exchange, server);
        while state.exchanges.len() > EXCHANGES_MAX {
            state.exchanges.pop_first();
        }
        Ok(step)
    }

    fn finish(&self, exchange: u64, message: &str) -> Result<Step> {
        let server = self.state.lock().exchanges.remove(&exchange).ok_or_else(refused)?;
        let message = server.finish(message)?;
        let user = server.user();
        let peer = peer_of(user).is_some();
        let may = |u: &meta::User| u.login && (u.superuser || u.replication);
        if !peer && !self.meta.read(|s| s.users.get(user).is_some_and(may)) {
            return Err(Error::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("user \"{user}\" may not replicate: it is no superuser of the source"),
            )
            .hint(format!("at the source: ALTER ROLE \"{user}\" REPLICATION LOGIN")));
        }
        let token = format!("{:016x}{:016x}", self.env.rng.next_u64(), self.env.rng.next_u64());
        let now = self.env.clock.monotonic();
        let mut state = self.state.lock();
        state.tokens.retain(|_, (_, shown)| now.saturating_sub(*shown) < TOKEN_IDLE);
        state.tokens.insert(token.clone(), (user.to_owned(), now));
        Ok(Step { exchange, message, token: Some(token) })
    }

    /// Checks a token; tells whose it is.
    pub(crate) fn check(&self, token: &str) -> Result<String> {
        let now = self.env.clock.monotonic();
        match self.state.lock().tokens.get_mut(token) {
            Some((user, shown)) => {
                *shown = now;
                Ok(user.clone())
            }
            None => Err(refused()),
        }
    }
}

/// What this cluster logs in with at another one, as [`peer_user`]: always the same, because the
/// other one knows one login for each cluster, whatever databases are followed with it.
pub(crate) fn login_at(engine: &Engine, cluster: ClusterId) -> Result<String> {
    let state = engine.meta.state();
    if let Some(known) = state.logins.get(&cluster) {
        return Ok(known.clone());
    }
    let own = peer_user(state.cluster.id);
    let of_link = state.databases.values().filter_map(|d| d.link.as_ref());
    let used = of_link
        .filter(|link| link.source_cluster == cluster && link.source.user == own)
        .max_by_key(|link| link.since_ms);
    let password = match used {
        Some(link) => link.source.password.clone(),
        None => {
            let rng = &engine.env.rng;
            format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64())
        }
    };
    engine.meta.apply(ReplicaCommand::PutLogin { cluster, password }.into())?;
    let known = engine.meta.read(|s| s.logins.get(&cluster).cloned());
    known.ok_or_else(|| Error::internal("a login that was not noted"))
}

fn refused() -> Error {
    Error::new(SqlState::INVALID_AUTHORIZATION, "log in first")
}
