//! Links (the target's end) and slots (the source's end).

use super::{event, find};
use crate::command::Response;
use crate::state::{Database, DatabaseState, Link, State};
use base::{DatabaseId, Error, Lsn, Result, SqlState, Timestamp};

pub(super) fn put(
    state: &mut State,
    id: DatabaseId,
    link: Link,
    role: DatabaseState,
) -> Result<Response> {
    let database = find(state, id)?;
    if database.link.is_some() {
        let message = format!("database \"{}\" is replicating already", database.name);
        return Err(Error::new(SqlState::OBJECT_IN_USE, message)
            .hint(format!("STOP REPLICATING {} first", database.name)));
    }
    let (name, at_ms) = (database.name.clone(), link.since_ms);
    let detail = format!(
        "from {}:{}/{}{}",
        link.source.host,
        link.source.port,
        link.source.database,
        if link.differential { " by difference" } else { "" }
    );
    database.link = Some(link);
    database.state = role;
    database.gate = None;
    database.handover = None;
    event(state, at_ms, &name, "link", detail);
    Ok(Response::Done)
}

fn link(database: &mut Database) -> Result<&mut Link> {
    let message = format!("database \"{}\" is not replicating", database.name);
    database
        .link
        .as_mut()
        .ok_or_else(|| Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message))
}

pub(super) fn pause(state: &mut State, id: DatabaseId, paused: bool) -> Result<Response> {
    link(find(state, id)?)?.paused = paused;
    Ok(Response::Done)
}

pub(super) fn error(state: &mut State, id: DatabaseId, error: Option<String>) -> Result<Response> {
    link(find(state, id)?)?.last_error = error;
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
    let of = database.name.clone();
    let detail = format!("{name}: {}", reason.as_deref().unwrap_or("removed"));
    event(state, at_ms, &of, "slot dropped", detail);
    Ok(Response::Done)
}

fn unknown(name: &str) -> Error {
    Error::new(SqlState::UNDEFINED_OBJECT, format!("there is no slot \"{name}\""))
}
