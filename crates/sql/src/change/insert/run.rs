//! Running INSERT: complete the rows, lock, check, write.

use super::{Conflict, InsertPlan, Source, draw};
use crate::cell::{Cell, Computed};
use crate::change::lock::lock_and_read;
use crate::change::{Changed, Run};
use crate::plan;
use crate::shape::Place;
use crate::types::Assigner;
use base::{Error, Result, SqlState, Value};
use futures::StreamExt;
use std::collections::BTreeSet;

impl InsertPlan {
    /// A whole row: given values, defaults, hidden key.
    fn complete(&self, run: &Run<'_>, given: Vec<Option<Value>>) -> Result<Vec<Value>> {
        let mut row: Vec<Option<Value>> = vec![None; self.shape.columns().len()];
        for (position, value) in self.columns.iter().zip(given) {
            if !self.ignored.contains(position) {
                row[*position] = value;
            }
        }
        for (position, cell) in &self.defaults {
            if row[*position].is_none() {
                let column = &self.shape.columns()[*position];
                row[*position] = Some(cell.assign(&[], run.frame, column.ty, &column.name)?);
            }
        }
        let columns = self.shape.columns().iter();
        Ok(row
            .into_iter()
            .zip(columns)
            .map(|(value, column)| match value {
                Some(value) => value,
                None if column.hidden => Value::Int(run.txn.fresh_row_id()),
                None => Value::Null,
            })
            .collect())
    }
}

/// Runs an INSERT.
pub async fn insert(run: &mut Run<'_>, plan: &InsertPlan) -> Result<Changed> {
    let mut changed = Changed::default();
    match &plan.source {
        Source::Values(rows) => {
            for chunk in rows.chunks(4096) {
                draw::for_values(run, plan, chunk).await?;
                let mut whole = Vec::with_capacity(chunk.len());
                for cells in chunk {
                    whole.push(plan.complete(run, given(run, plan, cells)?)?);
                }
                put(run, plan, whole, &mut changed).await?;
            }
        }
        Source::Query(query) => {
            let frame = run.frame;
            let bound = plan::bind(query.as_ref().clone(), &frame.params, &frame.circumstances)?;
            let mut batches = plan::execute(run.runtime, &bound, run.txn.view()?).await?;
            while let Some(batch) = batches.next().await {
                let batch = batch?;
                let assigners: Vec<Assigner> = plan
                    .columns
                    .iter()
                    .zip(batch.columns())
                    .map(|(i, a)| Assigner::new(a.data_type(), plan.shape.columns()[*i].ty))
                    .collect();
                draw::for_rows(run, plan, batch.num_rows()).await?;
                let mut whole = Vec::with_capacity(batch.num_rows());
                for row in 0..batch.num_rows() {
                    let mut given = Vec::with_capacity(plan.columns.len());
                    for ((assigner, array), i) in
                        assigners.iter().zip(batch.columns()).zip(&plan.columns)
                    {
                        let name = &plan.shape.columns()[*i].name;
                        given.push(Some(assigner.cell(array, row, name)?));
                    }
                    whole.push(plan.complete(run, given)?);
                }
                put(run, plan, whole, &mut changed).await?;
            }
        }
    }
    Ok(changed)
}

/// Inserts rows whose values have the columns' types already (COPY).
pub async fn insert_rows(
    run: &mut Run<'_>,
    plan: &InsertPlan,
    rows: Vec<Vec<Value>>,
) -> Result<u64> {
    let mut changed = Changed::default();
    draw::for_rows(run, plan, rows.len()).await?;
    let mut whole = Vec::with_capacity(rows.len());
    for row in rows {
        whole.push(plan.complete(run, row.into_iter().map(Some).collect())?);
    }
    put(run, plan, whole, &mut changed).await?;
    Ok(changed.count)
}

fn given(run: &Run<'_>, plan: &InsertPlan, cells: &[Option<Cell>]) -> Result<Vec<Option<Value>>> {
    cells
        .iter()
        .zip(&plan.columns)
        .map(|(cell, i)| {
            let column = &plan.shape.columns()[*i];
            match cell {
                Some(cell) => cell.assign(&[], run.frame, column.ty, &column.name).map(Some),
                None => Ok(None),
            }
        })
        .collect()
}

/// Locks, checks and writes complete rows.
async fn put(
    run: &mut Run<'_>,
    plan: &InsertPlan,
    rows: Vec<Vec<Value>>,
    changed: &mut Changed,
) -> Result<()> {
    let shape = &plan.shape;
    for row in &rows {
        shape.check(row)?;
    }
    run.txn.start_writing()?;
    let places: Vec<Place> = rows.iter().map(|r| shape.place(r)).collect();
    // A hidden key is new by construction: nobody else can have it.
    let found = if shape.table.has_hidden_key() {
        vec![None; rows.len()]
    } else {
        lock_and_read(run, shape.table.storage, &places).await?
    };
    let mut seen: BTreeSet<Place> = BTreeSet::new();
    let several = rows.len() > 1;
    for ((row, place), found) in rows.into_iter().zip(places).zip(found) {
        let twice = several && !seen.insert(place.clone());
        if found.is_none() && !twice {
            run.txn.write(place.0, place.1, Some(shape.encode(&row)))?;
            changed.count += 1;
            if plan.returning.is_some() {
                changed.rows.push(row);
            }
            continue;
        }
        match &plan.conflict {
            Conflict::Fail => return Err(shape.duplicate(&row)),
            Conflict::Skip => {}
            Conflict::Update(..) if twice => {
                return Err(Error::new(
                    SqlState::CARDINALITY_VIOLATION,
                    "ON CONFLICT DO UPDATE command cannot affect row a second time",
                ));
            }
            Conflict::Update(sets, condition) => {
                let Some(found) = found else { continue };
                let old = shape.decode(&found.row)?;
                if let Some(new) = merged(run, plan, old, row, sets, condition.as_ref())? {
                    run.txn.write(place.0, place.1, Some(shape.encode(&new)))?;
                    changed.count += 1;
                    if plan.returning.is_some() {
                        changed.rows.push(new);
                    }
                }
            }
        }
    }
    Ok(())
}

/// The existing row as DO UPDATE changes it; `None` if its condition does not hold.
fn merged(
    run: &Run<'_>,
    plan: &InsertPlan,
    old: Vec<Value>,
    proposed: Vec<Value>,
    sets: &[(usize, Cell)],
    condition: Option<&Computed>,
) -> Result<Option<Vec<Value>>> {
    let width = old.len();
    let mut both = old;
    both.extend(proposed);
    if let Some(condition) = condition
        && !condition.holds(&both, run.frame)?
    {
        return Ok(None);
    }
    let mut new = both[..width].to_vec();
    for (position, cell) in sets {
        let column = &plan.shape.columns()[*position];
        new[*position] = cell.assign(&both, run.frame, column.ty, &column.name)?;
    }
    plan.shape.check(&new)?;
    Ok(Some(new))
}
