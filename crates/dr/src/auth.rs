//! Who may replicate: superusers, roles with `REPLICATION`, and clusters that have handed a database over to this one. Logins
//! by SCRAM, then a token.

use base::{Error, Result, SqlState};
use env::Env;
use meta::{Meta, peer_of, scram};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;

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
    /// When each token was last shown.
    tokens: BTreeMap<String, Duration>,
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
        state.tokens.retain(|_, shown| now.saturating_sub(*shown) < TOKEN_IDLE);
        state.tokens.insert(token.clone(), now);
        Ok(Step { exchange, message, token: Some(token) })
    }

    /// Checks a token.
    pub(crate) fn check(&self, token: &str) -> Result<()> {
        let now = self.env.clock.monotonic();
        match self.state.lock().tokens.get_mut(token) {
            Some(shown) => {
                *shown = now;
                Ok(())
            }
            None => Err(refused()),
        }
    }
}

fn refused() -> Error {
    Error::new(SqlState::INVALID_AUTHORIZATION, "log in first")
}
