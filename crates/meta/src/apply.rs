//! The state machine: [`apply()`] is the only way metadata changes. Pure: no clock, no chance, no I/O.
//! An error leaves the state in an undefined half; callers apply to a copy and keep it on success.

mod adopt;
mod branches;
mod databases;
mod links;
mod replicas;
mod roles;
mod users;

use crate::command::{Command, Response};
use crate::state::{Database, HISTORY_ROWS, HistoryRow, LINK_ROWS, State};
use base::{DatabaseId, Error, Result, SqlState};

/// Applies one command. Deterministic. On an error throw `state` away.
pub fn apply(state: &mut State, command: Command) -> Result<Response> {
    let response = step(state, command)?;
    state.applied += 1;
    Ok(response)
}

/// Dispatches without counting, so that a batch counts once. What is about roles is in [`roles`].
fn step(state: &mut State, command: Command) -> Result<Response> {
    match command {
        Command::CreateUser { name, verifier, superuser } => {
            users::create(state, name, verifier, superuser)
        }
        Command::AlterUser { name, verifier, superuser } => {
            users::alter(state, &name, verifier, superuser)
        }
        Command::DropUser { name, at } => users::drop(state, &name, at),
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
        Command::SetGroup { databases, group, at_ms, by } => {
            databases::group(state, &databases, group.as_ref(), at_ms, by.as_ref())
        }
        Command::SetMaxLag { database, limit, at_ms, by } => {
            databases::limit_lag(state, database, limit, at_ms, by)
        }
        Command::RaiseEpoch { database, epoch, at_ms } => {
            databases::raise(state, database, epoch, at_ms)
        }
        Command::Promote { database, cut, epoch, reason, at_ms, keep, by, former } => {
            let promotion = crate::Promotion { cut, epoch, reason, at_ms, former };
            databases::promote(state, database, promotion, keep, by)
        }
        Command::FormerHeard { database, epoch } => {
            if let Some(promotion) = &mut find(state, database)?.promotion
                && promotion.epoch == epoch
            {
                promotion.former = None;
            }
            Ok(Response::Done)
        }
        Command::SetGate { database, gate } => databases::gate(state, database, gate),
        Command::ClearGate { database, at_ms, by } => databases::ungate(state, database, at_ms, by),
        Command::ExpireGate { database, at_ms } => databases::expire(state, database, at_ms),
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
        Command::PutLink { database, link, state: role, by } => {
            links::put(state, database, link, role, by)
        }
        Command::RemoveLink { database } => {
            find(state, database)?.link = None;
            Ok(Response::Done)
        }
        Command::PauseLink { database, paused, at_ms, by } => {
            links::pause(state, database, paused, at_ms, by)
        }
        Command::LinkError { database, error, at_ms } => {
            links::error(state, database, error, at_ms)
        }
        Command::PutSlot { database, name, slot } => links::put_slot(state, database, name, slot),
        Command::AckSlot { database, name, acked, replicated, at_ms } => {
            links::ack(find(state, database)?, &name, &acked, replicated, at_ms)
        }
        Command::DropSlot { database, name, reason, at_ms } => {
            links::drop_slot(state, database, &name, reason, at_ms)
        }
        Command::ForgetPartner { database, cluster, detail, at_ms, by } => {
            links::forget(state, database, cluster, detail, at_ms, by)
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
        Command::Replicas(command) => replicas::step(state, command),
        Command::FinishBranch { database, gate, at_ms, by } => {
            branches::finish(state, database, gate, at_ms, by)
        }
        Command::Drilled { database, drill, by } => branches::drilled(state, database, drill, by),
        Command::PrepareIncoming { database } => databases::prepare(state, database),
        Command::TakeIncoming { database, state: role } => databases::take(state, database, role),
        Command::LinkVerified { database, verified } => links::verified(state, database, verified),
        other => roles::step(state, other),
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

/// Links that come and go: there may be many such events.
fn is_passing(row: &HistoryRow) -> bool {
    matches!(row.kind.as_str(), LINK_DOWN | LINK_UP)
}

const LINK_DOWN: &str = "link down";
const LINK_UP: &str = "link up";

fn note(state: &mut State, mut row: HistoryRow) {
    state.events += 1;
    row.id = state.events;
    row.epoch = row.epoch.or_else(|| state.database(&row.database).map(|d| d.promotion_epoch));
    let passing = is_passing(&row);
    state.history.push(row);
    if passing
        && state.history.iter().filter(|r| is_passing(r)).count() > LINK_ROWS
        && let Some(oldest) = state.history.iter().position(is_passing)
    {
        state.history.remove(oldest);
    }
    let surplus = state.history.len().saturating_sub(HISTORY_ROWS);
    state.history.drain(..surplus);
}

#[cfg(test)]
mod tests;
