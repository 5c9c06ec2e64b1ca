//! Running statements about one row.

use super::compile::{Action, PointPlan};
use crate::cell::{Cell, Frame};
use crate::change::{Changed, Run, apply, in_relation};
use crate::shape::{Place, Shape};
use crate::types::{Exact, exact};
use base::{Result, Value};

/// What became of it.
pub enum Answer {
    /// The row a SELECT has found, if any.
    Row(Option<Vec<Value>>),
    /// What an UPDATE or DELETE has changed.
    Changed(Changed),
}

/// Runs it.
pub async fn run(run: &mut Run<'_>, plan: &PointPlan) -> Result<Answer> {
    let place = place(run, plan)?;
    match &plan.action {
        Action::Select(None) => {
            let Some((partition, key)) = place else { return Ok(Answer::Row(None)) };
            let found = run.txn.view()?.get(partition, vec![key]).await?.pop().flatten();
            let row = match found {
                Some(version) => Some(plan.shape.decode(&version.row)?),
                None => None,
            };
            Ok(Answer::Row(matching(run, plan, row)?))
        }
        Action::Select(Some((mode, wait))) => {
            let Some(place) = place else { return Ok(Answer::Row(None)) };
            let wait = wait.unwrap_or(run.wait);
            let locked = run.txn.lock(std::slice::from_ref(&place), *mode, wait).await;
            let name = &plan.shape.table.name;
            let locked = locked.map_err(|error| in_relation(error, name))?;
            if locked.first() != Some(&true) {
                return Ok(Answer::Row(None));
            }
            Ok(Answer::Row(latest(run, plan, &place).await?))
        }
        Action::Update(_) | Action::Delete => {
            run.txn.begin_writing().await?;
            let Some(place) = place else { return Ok(Answer::Changed(Changed::default())) };
            let one = std::slice::from_ref(&place);
            if !run.private.contains(&plan.shape.table.storage) {
                run.txn.lock(one, partition::LockMode::Exclusive, run.wait).await?;
            }
            let Some(old) = latest(run, plan, &place).await? else {
                return Ok(Answer::Changed(Changed::default()));
            };
            let new = match &plan.action {
                Action::Update(sets) => {
                    let mut new = old.clone();
                    for (position, cell) in sets {
                        let column = &plan.shape.columns()[*position];
                        new[*position] = cell.assign(&old, run.frame, column.ty, &column.name)?;
                    }
                    Some(new)
                }
                _ => None,
            };
            let returning = plan.output.is_some();
            let changed = apply(run, &plan.shape, vec![(place, old, new)], returning).await?;
            Ok(Answer::Changed(changed))
        }
    }
}

/// Where the row is; `None` if no row can have the key asked for.
fn place(run: &Run<'_>, plan: &PointPlan) -> Result<Option<Place>> {
    let key = exact_values(&plan.key, &plan.shape, &plan.shape.key, run.frame)?;
    Ok(key.map(|key| plan.shape.place_of_key(&key)))
}

/// The values that these columns are asked for; `None` if no row can have them.
pub(super) fn exact_values(
    cells: &[Cell],
    shape: &Shape,
    columns: &[usize],
    frame: &Frame,
) -> Result<Option<Vec<Value>>> {
    let mut values = Vec::with_capacity(cells.len());
    for (cell, position) in cells.iter().zip(columns) {
        let ty = shape.columns()[*position].ty;
        match exact(&cell.value(&[], frame)?, ty) {
            Exact::Value(value) => values.push(value),
            Exact::Nothing => return Ok(None),
            Exact::Unknown => {
                return Err(base::Error::internal(format!(
                    "a column of type {ty} is compared with another type"
                )));
            }
        }
    }
    Ok(Some(values))
}

/// The newest version of a locked row, if it fulfils the condition.
async fn latest(run: &mut Run<'_>, plan: &PointPlan, place: &Place) -> Result<Option<Vec<Value>>> {
    let found = run.txn.latest(std::slice::from_ref(place)).await?.pop().flatten();
    let row = match found {
        Some(version) => Some(plan.shape.decode(&version.row)?),
        None => None,
    };
    matching(run, plan, row)
}

fn matching(
    run: &Run<'_>,
    plan: &PointPlan,
    row: Option<Vec<Value>>,
) -> Result<Option<Vec<Value>>> {
    let Some(row) = row else { return Ok(None) };
    for condition in &plan.residual {
        if !condition.holds(&row, run.frame)? {
            return Ok(None);
        }
    }
    Ok(Some(row))
}
