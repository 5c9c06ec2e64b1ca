//! The state machine: [`apply()`] is the only way metadata changes. Pure: no clock, no chance, no I/O.
//! An error leaves the state in an undefined half; callers apply to a copy and keep it on success.

mod databases;
mod links;
mod users;

use crate::command::{Command, Response};
use crate::state::{Database, HISTORY_ROWS, HistoryRow, State};
use base::{DatabaseId, Error, Result, SqlState};

/// Applies one command. Deterministic. On an error throw `state` away.
pub fn apply(state: &mut State, command: Command) -> Result<Response> {
    let response = step(state, command)?;
    state.applied += 1;
    Ok(response)
}

/// Dispatches without counting, so that a batch counts once.
fn step(state: &mut State, command: Command) -> Result<Response> {
    match command {
        Command::CreateUser { name, verifier, superuser } => {
            users::create(state, name, verifier, superuser)
        }
        Command::AlterUser { name, verifier, superuser } => {
            users::alter(state, &name, verifier, superuser)
        }
        Command::DropUser { name } => users::drop(state, &name),
        Command::CreateDatabase(new) => databases::create(state, new),
        Command::DropDatabase { database, at_ms } => databases::drop(state, database, at_ms),
        Command::FreshPartitions { database, partitions, line } => {
            databases::fresh(state, database, partitions, line)
        }
        Command::SetDatabaseState { database, state: role } => {
            find(state, database)?.state = role;
            Ok(Response::Done)
        }
        Command::SetVersionRetention { database, ms, at_ms } => {
            databases::retain(state, database, ms, at_ms)
        }
        Command::RaiseEpoch { database, epoch } => {
            let d = find(state, database)?;
            d.promotion_epoch = d.promotion_epoch.max(epoch);
            Ok(Response::Done)
        }
        Command::Promote { database, cut, epoch, reason, at_ms, keep } => {
            let promotion = crate::Promotion { cut, epoch, reason, at_ms };
            databases::promote(state, database, promotion, keep)
        }
        Command::SetGate { database, gate } => databases::gate(state, database, gate),
        Command::ClearGate { database, at_ms } => databases::ungate(state, database, at_ms),
        Command::PutHandover { database, handover } => databases::hand(state, database, handover),
        Command::EndHandover { database, id } => {
            let open = &mut find(state, database)?.handover;
            open.take_if(|h| h.id == id);
            Ok(Response::Done)
        }
        Command::PutPeer { cluster, verifier } => {
            state.peers.insert(cluster, verifier);
            Ok(Response::Done)
        }
        Command::PutLink { database, link, state: role } => links::put(state, database, link, role),
        Command::RemoveLink { database } => {
            find(state, database)?.link = None;
            Ok(Response::Done)
        }
        Command::PauseLink { database, paused } => links::pause(state, database, paused),
        Command::LinkError { database, error } => links::error(state, database, error),
        Command::PutSlot { database, name, slot } => {
            find(state, database)?.slots.insert(name, slot);
            Ok(Response::Done)
        }
        Command::AckSlot { database, name, acked, replicated, at_ms } => {
            links::ack(find(state, database)?, &name, &acked, replicated, at_ms)
        }
        Command::DropSlot { database, name, reason, at_ms } => {
            links::drop_slot(state, database, &name, reason, at_ms)
        }
        Command::OracleBound(bound) => {
            state.oracle_bound = state.oracle_bound.max(bound);
            Ok(Response::Done)
        }
        Command::History(row) => {
            note(state, row);
            Ok(Response::Done)
        }
        Command::Batch(commands) => batch(state, commands),
    }
}

fn batch(state: &mut State, commands: Vec<Command>) -> Result<Response> {
    let mut last = Response::Done;
    for command in commands {
        last = step(state, command)?;
    }
    Ok(last)
}

fn find(state: &mut State, id: DatabaseId) -> Result<&mut Database> {
    state.databases.get_mut(&id).ok_or_else(|| {
        Error::new(SqlState::INVALID_CATALOG_NAME, format!("there is no database with id {id}"))
    })
}

fn note(state: &mut State, row: HistoryRow) {
    state.history.push(row);
    let surplus = state.history.len().saturating_sub(HISTORY_ROWS);
    state.history.drain(..surplus);
}

fn event(state: &mut State, at_ms: u64, database: &str, kind: &str, detail: String) {
    note(state, HistoryRow { at_ms, database: database.into(), kind: kind.into(), detail });
}

#[cfg(test)]
mod tests;
