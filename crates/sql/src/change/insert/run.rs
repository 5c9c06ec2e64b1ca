//! Running INSERT: where the rows come from, and how they get whole.

use super::put::put;
use super::{InsertPlan, Refusal, Source, draw};
use crate::cell::Cell;
use crate::change::{Changed, Run};
use crate::plan;
use crate::types::Assigner;
use base::{Result, Value};
use futures::StreamExt;

impl InsertPlan {
    /// True if rows come with all their columns in order, and none of their values is overruled.
    fn is_whole(&self) -> bool {
        self.ignored.is_empty()
            && self.columns.len() == self.shape.columns().len()
            && self.columns.iter().enumerate().all(|(at, position)| at == *position)
    }

    /// A whole row, of values for all of the plan's columns.
    fn complete_all(&self, run: &Run<'_>, given: Vec<Value>) -> Result<Vec<Value>> {
        let counts = |p: &usize| !self.ignored.contains(p);
        let missing = |p: &usize| !(self.columns.contains(p) && counts(p));
        let mut row = vec![Value::Null; self.shape.columns().len()];
        for (position, value) in self.columns.iter().zip(given).filter(|(p, _)| counts(p)) {
            row[*position] = value;
        }
        for (position, cell) in self.defaults.iter().filter(|(p, _)| missing(p)) {
            let column = &self.shape.columns()[*position];
            row[*position] = cell.assign(&[], run.frame, column.ty, &column.name)?;
        }
        for (position, column) in self.shape.columns().iter().enumerate() {
            if column.hidden && missing(&position) {
                row[position] = Value::Int(run.txn.fresh_row_id());
            }
        }
        Ok(row)
    }

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
            let (frame, all) = (run.frame, plan.is_whole());
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
                    let mut given: Vec<Value> = Vec::with_capacity(plan.columns.len());
                    for ((assigner, array), i) in
                        assigners.iter().zip(batch.columns()).zip(&plan.columns)
                    {
                        let name = &plan.shape.columns()[*i].name;
                        given.push(assigner.cell(array, row, name)?);
                    }
                    whole.push(if all { given } else { plan.complete_all(run, given)? });
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
) -> Result<u64, Refusal> {
    let mut changed = Changed::default();
    draw::for_rows(run, plan, rows.len()).await?;
    let whole = match plan.is_whole() {
        true => rows,
        false => {
            let mut whole = Vec::with_capacity(rows.len());
            for (at, row) in rows.into_iter().enumerate() {
                let row = plan.complete_all(run, row);
                whole.push(row.map_err(Refusal::of(at))?);
            }
            whole
        }
    };
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
