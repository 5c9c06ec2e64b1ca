//! Reserving the values of sequences that some rows will need, all at once.

use super::InsertPlan;
use crate::cell::Cell;
use crate::change::Run;
use crate::sequence::{self, Drawn};
use base::{Result, TableId};
use std::collections::BTreeMap;

/// How many values of each sequence.
#[derive(Default)]
struct Needs(BTreeMap<TableId, usize>);

impl Needs {
    fn add(&mut self, run: &Run<'_>, cell: &Cell, rows: usize) -> Result<()> {
        for drawn in cell.drawn() {
            if let Drawn::Next(reference) = drawn {
                *self.0.entry(reference.id(run.frame)?).or_default() += rows;
            }
        }
        Ok(())
    }

    async fn reserve(self, run: &Run<'_>) -> Result<()> {
        for (id, count) in self.0.into_iter().filter(|(_, count)| *count > 0) {
            sequence::draws(run.frame)?.reserve(id, count).await?;
        }
        Ok(())
    }
}

/// For rows of VALUES; `None` is DEFAULT.
pub(super) async fn for_values(
    run: &Run<'_>,
    plan: &InsertPlan,
    rows: &[Vec<Option<Cell>>],
) -> Result<()> {
    if !plan.draws {
        return Ok(());
    }
    let mut needs = Needs::default();
    for cell in rows.iter().flatten().flatten() {
        needs.add(run, cell, 1)?;
    }
    for (position, default) in &plan.defaults {
        let counts = !plan.ignored.contains(position);
        let given = plan.columns.iter().position(|i| counts && i == position);
        let defaulted = match given {
            None => rows.len(),
            Some(at) => rows.iter().filter(|row| row.get(at).is_none_or(Option::is_none)).count(),
        };
        needs.add(run, default, defaulted)?;
    }
    needs.reserve(run).await
}

/// For rows that have a value for each of the plan's columns.
pub(super) async fn for_rows(run: &Run<'_>, plan: &InsertPlan, rows: usize) -> Result<()> {
    if !plan.draws {
        return Ok(());
    }
    let mut needs = Needs::default();
    for (position, default) in &plan.defaults {
        if !plan.columns.contains(position) || plan.ignored.contains(position) {
            needs.add(run, default, rows)?;
        }
    }
    needs.reserve(run).await
}
