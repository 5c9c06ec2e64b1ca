//! Links (the target's end) and slots (the source's end).

use super::{LINK_DOWN, LINK_UP, find, note, replicas};
use crate::command::Response;
use crate::replica::Wanted;
use crate::state::{
    Database, DatabaseState, Handover, HandoverSide, HistoryRow, Link, Slot, State, Verified,
};
use base::{ClusterId, DatabaseId, Error, Lsn, Result, SqlState, Timestamp};

pub(super) fn put(
    state: &mut State,
    id: DatabaseId,
    link: Link,
    role: DatabaseState,
    by: Option<String>,
) -> Result<Response> {
    let database = find(state, id)?;
    if database.link.is_some() {
        let message = format!("database \"{}\" is replicating already", database.name);
        return Err(Error::new(SqlState::OBJECT_IN_USE, message)
            .hint(format!("STOP REPLICATING {} first", database.name)));
    }
    if matches!(database.state, DatabaseState::Branching | DatabaseState::Dropping) {
        let message = format!("database \"{}\" is {}", database.name, database.state.name());
        return Err(Error::new(SqlState::OBJECT_IN_USE, message));
    }
    let detail = format!(
        "from {}:{}/{}{}; from {} to {}",
        link.source.host,
        link.source.port,
        link.source.database,
        if link.differential { " by difference" } else { "" },
        database.state.name(),
        role.name(),
    );
    let row = HistoryRow::new(link.since_ms, database.name.as_str(), "link", detail).by(by);
    database.link = Some(link);
    database.state = role;
    database.gate = None;
    database.handover = None;
    replicas::rest(database);
    note(state, row);
    Ok(Response::Done)
}

fn link(database: &mut Database) -> Result<&mut Link> {
    let message = format!("database \"{}\" is not replicating", database.name);
    database
        .link
        .as_mut()
        .ok_or_else(|| Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message))
}

pub(super) fn pause(
    state: &mut State,
    id: DatabaseId,
    paused: bool,
    at_ms: u64,
    by: Option<String>,
) -> Result<Response> {
    let database = find(state, id)?;
    let was = std::mem::replace(&mut link(database)?.paused, paused);
    let kind = if paused { "pause" } else { "continue" };
    let row = HistoryRow::new(at_ms, database.name.as_str(), kind, "").by(by);
    if was != paused && at_ms > 0 {
        note(state, row);
    }
    Ok(Response::Done)
}

pub(super) fn error(
    state: &mut State,
    id: DatabaseId,
    error: Option<String>,
    at_ms: u64,
) -> Result<Response> {
    let database = find(state, id)?;
    let name = database.name.clone();
    let was = std::mem::replace(&mut link(database)?.last_error, error.clone());
    let kind = if error.is_some() { LINK_DOWN } else { LINK_UP };
    if was != error && at_ms > 0 {
        note(state, HistoryRow::new(at_ms, name, kind, error.unwrap_or_default()));
    }
    Ok(Response::Done)
}

/// The link may be gone by now: then nobody asks.
pub(super) fn verified(state: &mut State, id: DatabaseId, outcome: Verified) -> Result<Response> {
    if let Some(link) = &mut find(state, id)?.link {
        link.verified = Some(outcome);
    }
    Ok(Response::Done)
}

pub(super) fn put_slot(
    state: &mut State,
    id: DatabaseId,
    name: String,
    slot: Slot,
) -> Result<Response> {
    let database = find(state, id)?;
    let detail = format!("{} follows (slot {name})", slot.target_name);
    let row = HistoryRow::new(slot.last_seen_ms, database.name.as_str(), "standby", detail);
    let before = database.slots.insert(name, slot);
    if before.is_none_or(|slot| slot.dropped.is_some()) {
        note(state, row);
    }
    Ok(Response::Done)
}

pub(super) fn ack(
    database: &mut Database,
    name: &str,
    acked: &[Lsn],
    replicated: Timestamp,
    at_ms: u64,
) -> Result<Response> {
    let slot = database.slots.get_mut(name).ok_or_else(|| unknown(name))?;
    if let Some(reason) = &slot.dropped {
        return Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("slot \"{name}\" was given up: {reason}"),
        ));
    }
    slot.acked.resize(slot.acked.len().max(acked.len()), Lsn::ZERO);
    for (have, new) in slot.acked.iter_mut().zip(acked) {
        *have = (*have).max(*new);
    }
    slot.replicated = slot.replicated.max(replicated);
    slot.last_seen_ms = slot.last_seen_ms.max(at_ms);
    Ok(Response::Done)
}

pub(super) fn drop_slot(
    state: &mut State,
    id: DatabaseId,
    name: &str,
    reason: Option<String>,
    at_ms: u64,
) -> Result<Response> {
    let database = find(state, id)?;
    let known = match &reason {
        None => database.slots.remove(name).is_some(),
        Some(_) => match database.slots.get_mut(name) {
            None => false,
            Some(slot) => {
                slot.dropped = reason.clone();
                true
            }
        },
    };
    if !known {
        return Err(unknown(name));
    }
    let detail = format!("{name}: {}", reason.as_deref().unwrap_or("removed"));
    let row = HistoryRow::new(at_ms, database.name.as_str(), "slot dropped", detail);
    note(state, row);
    Ok(Response::Done)
}

pub(super) fn forget(
    state: &mut State,
    id: DatabaseId,
    cluster: ClusterId,
    detail: String,
    at_ms: u64,
    by: Option<String>,
) -> Result<Response> {
    let database = find(state, id)?;
    database.slots.retain(|_, slot| slot.target_cluster != cluster);
    // Bound by one that is not over, this database waits for what the other side says: only whoever
    // gives that handover up can end it.
    let told = |h: &mut Handover| h.peer == cluster && matches!(h.side, HandoverSide::Taken { .. });
    database.handover.take_if(told);
    for replica in database.replicas.values_mut().filter(|r| r.target == Some(cluster)) {
        replica.wanted = Wanted::NotStarted;
    }
    let row = HistoryRow::new(at_ms, database.name.as_str(), "reset", detail).by(by);
    note(state, row);
    Ok(Response::Done)
}

fn unknown(name: &str) -> Error {
    Error::new(SqlState::UNDEFINED_OBJECT, format!("there is no slot \"{name}\""))
}
