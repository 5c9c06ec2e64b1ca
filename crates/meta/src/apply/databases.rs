//! Databases: birth, role, gate, promotion, death.

use super::{find, note};
use crate::command::{NewDatabase, Response};
use crate::state::{
    Database, DatabaseState, Gate, Handover, HistoryRow, MaxLag, Promotion, Slot, State,
};
use base::{DatabaseId, Epoch, Error, LineId, LogId, Result, SqlState};
use std::collections::BTreeMap;

/// The most partitions a database can have.
const PARTITIONS_MAX: u16 = 1_024;

pub(super) fn create(state: &mut State, new: NewDatabase) -> Result<Response> {
    if new.name.is_empty() {
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, "a database needs a name"));
    }
    if state.database(&new.name).is_some() {
        let message = format!("database \"{}\" already exists", new.name);
        return Err(Error::new(SqlState::DUPLICATE_DATABASE, message));
    }
    let id = DatabaseId(state.next_database);
    state.next_database += 1;
    let logs = take_logs(state, new.partitions)?;
    let detail = match &new.link {
        None => format!("{} partitions", logs.len()),
        Some(l) => format!("target of {}:{}/{}", l.source.host, l.source.port, l.source.database),
    };
    let row = HistoryRow::new(new.at_ms, new.name.as_str(), "create", detail).by(new.by);
    let origin = new.branch.as_ref().and_then(|b| state.databases.get(&b.of));
    let version_retention_ms = origin.and_then(|d| d.version_retention_ms);
    let branch = new.branch.is_some();
    if new.attached {
        state.attached.insert(new.name.clone(), id);
    }
    let database = Database {
        id,
        name: new.name,
        line: new.line,
        partitions: logs.clone(),
        durability: new.durability,
        state: new.state,
        promotion_epoch: new.epoch,
        promotion: None,
        gate: None,
        link: new.link,
        slots: BTreeMap::new(),
        handover: None,
        version_retention_ms,
        max_lag: None,
        group: None,
        replicas: BTreeMap::new(),
        bytes_per_second: None,
        hidden: false,
        branch: new.branch,
        last_drill: None,
        last_proven: None,
        incoming: Vec::new(),
        adopting: false,
        own_rights: false,
    };
    state.databases.insert(id, database);
    // A branch is worth telling of once it is complete.
    if !branch {
        note(state, row);
    }
    Ok(Response::Database { id, logs })
}

/// A later promotion is known of, made by another cluster.
pub(super) fn raise(
    state: &mut State,
    id: DatabaseId,
    epoch: Epoch,
    at_ms: u64,
) -> Result<Response> {
    let database = find(state, id)?;
    if epoch <= database.promotion_epoch {
        return Ok(Response::Done);
    }
    database.promotion_epoch = epoch;
    let detail = format!("another cluster ({}) was promoted: epoch {epoch}", epoch.cluster);
    let row = HistoryRow::new(at_ms, database.name.as_str(), "epoch", detail);
    if at_ms > 0 {
        note(state, row);
    }
    Ok(Response::Done)
}

fn take_logs(state: &mut State, partitions: u16) -> Result<Vec<LogId>> {
    if partitions == 0 || partitions > PARTITIONS_MAX {
        return Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("a database has 1 to {PARTITIONS_MAX} partitions, not {partitions}"),
        ));
    }
    let first = state.next_log;
    state.next_log += u32::from(partitions);
    Ok((first..state.next_log).map(LogId).collect())
}

pub(super) fn drop(state: &mut State, id: DatabaseId, at_ms: u64) -> Result<Response> {
    find(state, id)?;
    if let Some(database) = state.databases.remove(&id)
        && !database.is_passing()
    {
        note(state, HistoryRow::new(at_ms, database.name, "drop", ""));
    }
    Ok(Response::Done)
}

pub(super) fn fresh(
    state: &mut State,
    id: DatabaseId,
    partitions: u16,
    line: LineId,
) -> Result<Response> {
    if !find(state, id)?.state.is_target() {
        return Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            "only the target of a link can be copied anew",
        ));
    }
    let logs = take_logs(state, partitions)?;
    let database = find(state, id)?;
    database.partitions = logs.clone();
    database.line = line;
    database.state = DatabaseState::Copying;
    database.promotion = None;
    database.incoming.clear();
    // Slots name positions of the logs that are gone.
    database.slots.clear();
    Ok(Response::Database { id, logs })
}

pub(super) fn prepare(state: &mut State, id: DatabaseId) -> Result<Response> {
    let database = find(state, id)?;
    if !database.state.is_target() {
        return Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            "only the target of a link can be given partitions anew",
        ));
    }
    let partitions = u16::try_from(database.partitions.len()).unwrap_or(u16::MAX);
    let logs = take_logs(state, partitions)?;
    find(state, id)?.incoming.clone_from(&logs);
    Ok(Response::Database { id, logs })
}

pub(super) fn take(state: &mut State, id: DatabaseId, role: DatabaseState) -> Result<Response> {
    let database = find(state, id)?;
    if database.incoming.is_empty() || !database.state.is_target() {
        return Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            "there are no new partitions for this database",
        ));
    }
    let logs = std::mem::take(&mut database.incoming);
    database.partitions.clone_from(&logs);
    database.state = role;
    database.promotion = None;
    database.slots.clear();
    Ok(Response::Database { id, logs })
}

pub(super) fn promote(
    state: &mut State,
    id: DatabaseId,
    promotion: Promotion,
    keep: Option<(String, Slot)>,
    by: Option<String>,
) -> Result<Response> {
    let database = find(state, id)?;
    let same = |p: &Promotion| (p.epoch, p.cut) == (promotion.epoch, promotion.cut);
    if database.promotion.as_ref().is_some_and(same) {
        return Ok(Response::Done);
    }
    if database.state != DatabaseState::Standby {
        return Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "database \"{}\" is {} and cannot become primary",
                database.name,
                database.state.name()
            ),
        ));
    }
    if promotion.epoch <= database.promotion_epoch {
        return Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("epoch {} is not above {}", promotion.epoch, database.promotion_epoch),
        ));
    }
    let detail = format!("cut {}, epoch {}: {}", promotion.cut, promotion.epoch, promotion.reason);
    let row = HistoryRow::new(promotion.at_ms, database.name.as_str(), "promote", detail);
    let row = row.by(by).at(promotion.epoch, promotion.cut);
    database.state = DatabaseState::Primary;
    database.promotion_epoch = promotion.epoch;
    database.promotion = Some(promotion);
    database.adopting = !database.own_rights;
    database.link = None;
    database.gate = None;
    database.incoming.clear();
    database.slots.extend(keep);
    note(state, row);
    Ok(Response::Done)
}

pub(super) fn retain(
    state: &mut State,
    id: DatabaseId,
    ms: Option<u64>,
    at_ms: u64,
) -> Result<Response> {
    let database = find(state, id)?;
    database.version_retention_ms = ms;
    let name = database.name.clone();
    let detail = ms.map_or("the node's setting".into(), |ms| format!("{ms} ms"));
    note(state, HistoryRow::new(at_ms, name, "version retention", detail));
    Ok(Response::Done)
}

pub(super) fn group(
    state: &mut State,
    ids: &[DatabaseId],
    group: Option<&String>,
    at_ms: u64,
    by: Option<&String>,
) -> Result<Response> {
    for id in ids {
        let database = find(state, *id)?;
        if database.group.as_ref() == group {
            continue;
        }
        let detail = match (&database.group, group) {
            (_, Some(now)) => format!("in {now} from now on"),
            (before, None) => format!("in {} no longer", before.as_deref().unwrap_or_default()),
        };
        database.group = group.cloned();
        let row = HistoryRow::new(at_ms, database.name.as_str(), "group", detail);
        note(state, row.by(by.cloned()));
    }
    Ok(Response::Done)
}

pub(super) fn limit_lag(
    state: &mut State,
    id: DatabaseId,
    limit: Option<MaxLag>,
    at_ms: u64,
    by: Option<String>,
) -> Result<Response> {
    let database = find(state, id)?;
    database.max_lag = limit;
    let name = database.name.clone();
    let told = |l: MaxLag| {
        let then = if l.blocks { "new writers wait" } else { "a warning" };
        format!("at most {} ms, else {then}", l.ms)
    };
    let detail = limit.map_or("none".to_owned(), told);
    note(state, HistoryRow::new(at_ms, name, "max replication lag", detail).by(by));
    Ok(Response::Done)
}

pub(super) fn limit(
    state: &mut State,
    id: DatabaseId,
    bytes_per_second: Option<u64>,
    at_ms: u64,
) -> Result<Response> {
    let database = find(state, id)?;
    database.bytes_per_second = bytes_per_second;
    let name = database.name.clone();
    let detail = bytes_per_second.map_or("no limit".into(), |n| format!("{n} bytes in a second"));
    note(state, HistoryRow::new(at_ms, name, "replication bandwidth", detail));
    Ok(Response::Done)
}

pub(super) fn hide(
    state: &mut State,
    id: DatabaseId,
    hidden: bool,
    at_ms: u64,
    by: Option<String>,
) -> Result<Response> {
    let database = find(state, id)?;
    let was = std::mem::replace(&mut database.hidden, hidden);
    let detail = if hidden { "off" } else { "on" };
    let row = HistoryRow::new(at_ms, database.name.as_str(), "hot standby", detail).by(by);
    if was != hidden {
        note(state, row);
    }
    Ok(Response::Done)
}

pub(super) fn gate(state: &mut State, id: DatabaseId, gate: Gate) -> Result<Response> {
    let database = find(state, id)?;
    let row = HistoryRow::new(gate.at_ms, database.name.as_str(), "gate", gate.reason.as_str());
    let row = row.by(Some(gate.owner.clone()));
    database.gate = Some(gate);
    note(state, row);
    Ok(Response::Done)
}

pub(super) fn ungate(
    state: &mut State,
    id: DatabaseId,
    at_ms: u64,
    by: Option<String>,
) -> Result<Response> {
    let database = find(state, id)?;
    if let Some(gate) = database.gate.take() {
        let detail = format!("was: {}", gate.reason);
        let row = HistoryRow::new(at_ms, database.name.as_str(), "ungate", detail).by(by);
        note(state, row);
    }
    Ok(Response::Done)
}

pub(super) fn expire(state: &mut State, id: DatabaseId, at_ms: u64) -> Result<Response> {
    let database = find(state, id)?;
    let expired = |gate: &Gate| gate.expires_ms.is_some_and(|at| at <= at_ms);
    // A handover has a gate of its own, and puts this one back if it is given up.
    if database.handover.is_none() && database.gate.as_ref().is_some_and(expired) {
        return ungate(state, id, at_ms, Some("expiry".to_owned()));
    }
    Ok(Response::Done)
}

pub(super) fn hand(state: &mut State, id: DatabaseId, handover: Handover) -> Result<Response> {
    let database = find(state, id)?;
    // Whoever takes over begins one after the other: a later one of the same cluster means that it
    // has given the earlier one up.
    let goes_on = |open: &&Handover| open.peer != handover.peer || open.id > handover.id;
    if let Some(open) = database.handover.as_ref().filter(goes_on) {
        let message = format!(
            "a handover of database \"{}\" between here and {} is not over yet",
            database.name, open.peer_name
        );
        return Err(Error::new(SqlState::OBJECT_IN_USE, message));
    }
    database.handover = Some(handover);
    Ok(Response::Done)
}
