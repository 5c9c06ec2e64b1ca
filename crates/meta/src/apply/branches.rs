//! Branches and drills.

use super::{find, note};
use crate::command::Response;
use crate::state::{DatabaseState, Drill, Gate, HistoryRow, Purpose, State};
use base::{DatabaseId, Error, Result, SqlState};

/// A branch is complete.
pub(super) fn finish(
    state: &mut State,
    id: DatabaseId,
    gate: Option<Gate>,
    at_ms: u64,
    by: Option<String>,
) -> Result<Response> {
    let database = find(state, id)?;
    let Some(branch) =
        database.branch.clone().filter(|_| database.state == DatabaseState::Branching)
    else {
        let message = format!("database \"{}\" is no unfinished branch", database.name);
        return Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message));
    };
    database.state = DatabaseState::Primary;
    database.gate = gate;
    let detail = match branch.purpose {
        Purpose::Diverged => {
            format!("of {} at cut {}, with what diverged", branch.name, branch.cut)
        }
        Purpose::Own | Purpose::Drill => format!("of {} at cut {}", branch.name, branch.cut),
    };
    let row = HistoryRow::new(at_ms, database.name.as_str(), "branch", detail).by(by);
    let row = row.at(database.promotion_epoch, branch.cut);
    // A drill tells of itself when it is over.
    if branch.purpose != Purpose::Drill {
        note(state, row);
    }
    Ok(Response::Done)
}

/// A drill is over.
pub(super) fn drilled(
    state: &mut State,
    id: DatabaseId,
    drill: Drill,
    by: Option<String>,
) -> Result<Response> {
    let database = find(state, id)?;
    let verdict = if drill.passed { "passed" } else { "FAILED" };
    let detail = format!("{verdict}: {}", drill.detail);
    let row = HistoryRow::new(drill.at_ms, database.name.as_str(), "drill", detail).by(by);
    let row = row.at(database.promotion_epoch, drill.cut);
    if drill.passed {
        database.last_proven = Some(drill.clone());
    }
    database.last_drill = Some(drill);
    note(state, row);
    Ok(Response::Done)
}
