//! Remote servers and replicas.

use super::{databases, find, note};
use crate::command::{ReplicaCommand, Response};
use crate::replica::{CYCLES_MAX, Cycle, RemoteServer, Replica, ReplicaOptions, Wanted};
use crate::state::{Database, HistoryRow, State};
use base::{ClusterId, DatabaseId, Error, Result, SqlState};

/// Dispatches.
pub(super) fn step(state: &mut State, command: ReplicaCommand) -> Result<Response> {
    match command {
        ReplicaCommand::PutLogin { cluster, password } => {
            // The first one stays: the other cluster may know it already.
            state.logins.entry(cluster).or_insert(password);
            Ok(Response::Done)
        }
        ReplicaCommand::PutRemoteServer { name, server, replace } => {
            put_server(state, name, server, replace)
        }
        ReplicaCommand::DropRemoteServer { name } => drop_server(state, &name),
        ReplicaCommand::AddReplica { database, name, replica, by } => {
            add(state, database, name, replica, by)
        }
        ReplicaCommand::DropReplica { database, name, at_ms, by } => {
            drop(state, database, &name, at_ms, by)
        }
        ReplicaCommand::SetReplica { database, name, wanted, target, at_ms, by } => {
            set(state, database, &name, (wanted, target), at_ms, by)
        }
        ReplicaCommand::AlterReplica { database, name, options } => {
            alter(state, database, &name, options)
        }
        ReplicaCommand::NoteCycle { database, name, cycle } => ended(state, database, &name, cycle),
        ReplicaCommand::SetBandwidth { database, bytes_per_second, at_ms } => {
            databases::limit(state, database, bytes_per_second, at_ms)
        }
        ReplicaCommand::SetOwnRights { database, own, at_ms } => {
            own_rights(state, database, own, at_ms)
        }
        ReplicaCommand::SetHidden { database, hidden, at_ms, by } => {
            databases::hide(state, database, hidden, at_ms, by)
        }
    }
}

fn put_server(
    state: &mut State,
    name: String,
    mut server: RemoteServer,
    replace: bool,
) -> Result<Response> {
    match (state.remote_servers.get(&name), replace) {
        (Some(_), false) => {
            let message = format!("remote server \"{name}\" already exists");
            return Err(Error::new(SqlState::DUPLICATE_OBJECT, message));
        }
        (None, true) => return Err(no_server(&name)),
        (Some(old), true) => server.id = old.id,
        (None, false) => {
            state.last_object += 1;
            server.id = state.last_object;
        }
    }
    state.remote_servers.insert(name, server);
    Ok(Response::Done)
}

fn drop_server(state: &mut State, name: &str) -> Result<Response> {
    let uses = state.databases.values().find_map(|d| {
        let replica = d.replicas.iter().find(|(_, r)| r.server == name)?;
        Some((d.name.clone(), replica.0.clone()))
    });
    if let Some((database, replica)) = uses {
        let message =
            format!("cannot drop remote server \"{name}\" because other objects depend on it");
        return Err(Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message)
            .detail(format!("replica \"{replica}\" of database \"{database}\" leads there"))
            .hint(format!("ALTER DATABASE {database} DROP REPLICA {replica} first")));
    }
    state.remote_servers.remove(name).ok_or_else(|| no_server(name))?;
    Ok(Response::Done)
}

fn add(
    state: &mut State,
    id: DatabaseId,
    name: String,
    mut replica: Replica,
    by: Option<String>,
) -> Result<Response> {
    if !state.remote_servers.contains_key(&replica.server) {
        return Err(no_server(&replica.server));
    }
    replica.id = state.last_object + 1;
    let database = find(state, id)?;
    if database.replicas.contains_key(&name) {
        let message =
            format!("replica \"{name}\" of database \"{}\" already exists", database.name);
        return Err(Error::new(SqlState::DUPLICATE_OBJECT, message));
    }
    let alike =
        |r: &&Replica| r.server == replica.server && r.options.alias == replica.options.alias;
    if database.replicas.values().any(|r| alike(&r)) {
        let message = format!(
            "database \"{}\" has a replica \"{}\" at \"{}\" already",
            database.name, replica.options.alias, replica.server
        );
        return Err(Error::new(SqlState::DUPLICATE_OBJECT, message));
    }
    let detail = format!("{name} to {} as {}", replica.server, replica.options.alias);
    let row = HistoryRow::new(replica.since_ms, database.name.as_str(), "add replica", detail);
    database.replicas.insert(name, replica);
    state.last_object += 1;
    note(state, row.by(by));
    Ok(Response::Done)
}

fn drop(
    state: &mut State,
    id: DatabaseId,
    name: &str,
    at_ms: u64,
    by: Option<String>,
) -> Result<Response> {
    let database = find(state, id)?;
    let Some(replica) = database.replicas.remove(name) else {
        return Err(no_replica(database, name));
    };
    // What the target needs of the log is of no interest any more.
    if let Some(slot) = replica.slot() {
        database.slots.remove(&slot);
    }
    let row = HistoryRow::new(at_ms, database.name.as_str(), "drop replica", name).by(by);
    note(state, row);
    Ok(Response::Done)
}

fn set(
    state: &mut State,
    id: DatabaseId,
    name: &str,
    (wanted, target): (Wanted, Option<ClusterId>),
    at_ms: u64,
    by: Option<String>,
) -> Result<Response> {
    let database = find(state, id)?;
    let replica = of(database, name)?;
    let was = std::mem::replace(&mut replica.wanted, wanted);
    replica.target = target.or(replica.target);
    let detail = format!("{name}: from {} to {}", was.name(), wanted.name());
    let row = HistoryRow::new(at_ms, database.name.as_str(), "replica", detail).by(by);
    if was != wanted {
        note(state, row);
    }
    Ok(Response::Done)
}

fn alter(
    state: &mut State,
    id: DatabaseId,
    name: &str,
    options: ReplicaOptions,
) -> Result<Response> {
    of(find(state, id)?, name)?.options = options;
    Ok(Response::Done)
}

fn ended(state: &mut State, id: DatabaseId, name: &str, mut cycle: Cycle) -> Result<Response> {
    let replica = of(find(state, id)?, name)?;
    replica.last_cycle += 1;
    cycle.id = replica.last_cycle;
    replica.cycles.push(cycle);
    let surplus = replica.cycles.len().saturating_sub(CYCLES_MAX);
    replica.cycles.drain(..surplus);
    Ok(Response::Done)
}

fn own_rights(state: &mut State, id: DatabaseId, own: bool, at_ms: u64) -> Result<Response> {
    let database = find(state, id)?;
    let was = std::mem::replace(&mut database.own_rights, own);
    let detail = match own {
        true => "users, roles, grants and address rules are of this cluster alone",
        false => "users, roles, grants and address rules are those of the primary",
    };
    let row = HistoryRow::new(at_ms, database.name.as_str(), "rights", detail);
    if was != own {
        note(state, row);
    }
    Ok(Response::Done)
}

/// A database that follows another one has nobody to send to.
pub(super) fn rest(database: &mut Database) {
    for replica in database.replicas.values_mut() {
        replica.wanted = Wanted::NotStarted;
    }
}

fn of<'a>(database: &'a mut Database, name: &str) -> Result<&'a mut Replica> {
    let unknown = no_replica(database, name);
    database.replicas.get_mut(name).ok_or(unknown)
}

fn no_replica(database: &Database, name: &str) -> Error {
    let message = format!("database \"{}\" has no replica \"{name}\"", database.name);
    Error::new(SqlState::UNDEFINED_OBJECT, message)
}

fn no_server(name: &str) -> Error {
    let message = format!("remote server \"{name}\" does not exist");
    Error::new(SqlState::UNDEFINED_OBJECT, message)
        .hint("CREATE REMOTE SERVER … WITH (HOST '…') makes one")
}

#[cfg(test)]
mod tests;
