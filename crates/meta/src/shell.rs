//! [`Meta`]: the state machine on disk, one voter.

use crate::apply::apply;
use crate::command::{Command, Response};
use crate::scram::{ITERATIONS, Verifier};
use crate::state::{Cluster, State, peer_user};
use crate::store::{Logged, Store};
use base::{ClusterId, Error, NodeId, Result, SqlState};
use env::Env;
use parking_lot::{Mutex, RwLock};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// What a new data folder is made with, and an existing one is checked against.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// 0 to 127.
    pub cluster_id: ClusterId,
    /// For people.
    pub name: String,
    /// This node.
    pub node: NodeId,
    /// The first user; used only for a new folder.
    pub superuser: String,
    /// Its password; used only for a new folder.
    pub password: String,
}

/// The metadata of this cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meta {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    env: Env,
    store: Mutex<Store>,
    state: RwLock<Arc<State>>,
    changed: watch::Sender<u64>,
}

impl Meta {
    /// Opens the folder, or makes it.
    pub fn open(env: Env, dir: PathBuf, bootstrap: Bootstrap) -> Result<Meta> {
        if bootstrap.cluster_id.0 > 127 {
            let message = format!("cluster id {} is not in 0..127", bootstrap.cluster_id);
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        }
        if !Store::exists(&env, &dir) {
            Store::create(&env, &dir, &first_state(&env, &bootstrap)?)?;
        }
        let (store, mut state, logged) = Store::open(env.clone(), dir.clone())?;
        check_identity(&state.cluster, &bootstrap)?;
        for Logged { number, command } in logged {
            if number <= state.applied {
                continue;
            }
            let place = format!("{}: command {number}", dir.join("commands").display());
            if number != state.applied + 1 {
                let message = format!("{place} follows {}", state.applied);
                return Err(Error::corrupt(message));
            }
            apply(&mut state, command).map_err(|e| Error::corrupt(format!("{place}: {e}")))?;
        }
        let (changed, _) = watch::channel(state.applied);
        let state = RwLock::new(Arc::new(state));
        Ok(Meta { inner: Arc::new(Inner { env, store: Mutex::new(store), state, changed }) })
    }

    /// Applies a command; it is durable when this returns. Blocks for one disk sync. A refused
    /// command changes nothing.
    pub fn apply(&self, command: Command) -> Result<Response> {
        let mut store = self.inner.store.lock();
        let mut next = State::clone(&self.state());
        let response = apply(&mut next, command.clone())?;
        store.append(next.applied, &command)?;
        let number = next.applied;
        let next = Arc::new(next);
        *self.inner.state.write() = next.clone();
        if let Err(e) = store.compact(&next) {
            // The command itself is safe; the next one will find the store broken if it is.
            tracing::error!(error = %e, "compacting the metadata failed");
        }
        drop(store);
        self.inner.changed.send_replace(number);
        Ok(response)
    }

    /// The present state.
    pub fn state(&self) -> Arc<State> {
        self.inner.state.read().clone()
    }

    /// Looks something up in the present state.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state())
    }

    /// Tells when a command was applied.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// The verifier of a user, and whether the user exists. For one who does not, the verifier
    /// looks real and fits no password.
    pub fn verifier(&self, user: &str) -> (Verifier, bool) {
        let state = self.state();
        match state.users.get(user) {
            Some(u) => (u.verifier.clone(), true),
            None => (Verifier::nobody(state.cluster.secret.as_bytes(), user), false),
        }
    }

    /// As [`Meta::verifier`], for another cluster that follows a database of this one.
    pub fn peer_verifier(&self, cluster: ClusterId) -> Verifier {
        let state = self.state();
        let unknown = || Verifier::nobody(state.cluster.secret.as_bytes(), &peer_user(cluster));
        state.peers.get(&cluster).cloned().unwrap_or_else(unknown)
    }

    /// The verifier of a user without a password: none fits, not even the empty one.
    pub fn no_password(&self, user: &str) -> Verifier {
        Verifier::nobody(self.state().cluster.secret.as_bytes(), user)
    }

    /// Makes a verifier for a new password with a random salt.
    pub fn new_verifier(&self, password: &str) -> Verifier {
        new_verifier(&self.inner.env, password)
    }
}

fn new_verifier(env: &Env, password: &str) -> Verifier {
    let mut salt = [0; 16];
    env.rng.fill(&mut salt);
    Verifier::new(password, &salt, ITERATIONS)
}

fn first_state(env: &Env, bootstrap: &Bootstrap) -> Result<State> {
    let secret = format!("{:016x}{:016x}", env.rng.next_u64(), env.rng.next_u64());
    let (id, name, node) = (bootstrap.cluster_id, bootstrap.name.clone(), bootstrap.node);
    let mut state = State::new(Cluster { id, name, node, secret });
    let create = Command::CreateUser {
        name: bootstrap.superuser.clone(),
        verifier: new_verifier(env, &bootstrap.password),
        superuser: true,
    };
    apply(&mut state, create)?;
    Ok(state)
}

fn check_identity(stored: &Cluster, given: &Bootstrap) -> Result<()> {
    let differs = |what: &str, stored: String, given: String| {
        Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("this data folder belongs to a cluster with {what} {stored}, not {given}"),
        )
        .hint("start with the folder's own cluster id and name, or use another folder")
    };
    if stored.id != given.cluster_id {
        return Err(differs("id", stored.id.to_string(), given.cluster_id.to_string()));
    }
    if stored.name != given.name {
        let quoted = |name: &str| format!("name \"{name}\"");
        return Err(differs("the", quoted(&stored.name), quoted(&given.name)));
    }
    if stored.node != given.node {
        return Err(differs("node id", stored.node.to_string(), given.node.to_string()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
