//! Queries for the rows with certain values of all columns of an index, without planning.

use super::compile::{comparable, equal, plain};
use super::run::exact_values;
use crate::cell::{Cell, Compiler, Computed, Frame};
use crate::change::{Returning, Run, Scope, Target};
use crate::executor::Outcome;
use crate::scan::{IndexBounds, fetch};
use crate::shape::{IndexShape, Shape};
use ::arrow::array::{Array, AsArray, RecordBatch};
use base::{Result, Value};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::sql::sqlparser::ast::{Query, Statement};
use format::index::put_column;
use format::key;
use futures::{StreamExt, TryStreamExt};
use state::ScanSpec;
use std::sync::Arc;

/// A compiled query of this kind.
#[derive(Debug)]
pub struct LookupPlan {
    /// The table.
    pub shape: Arc<Shape>,
    /// The index, by its place in [`Shape::indexes`].
    index: usize,
    /// Values of its columns.
    values: Vec<Cell>,
    /// What the rows must fulfil, the values included.
    conditions: Vec<Computed>,
    /// The result columns.
    pub output: Returning,
}

impl LookupPlan {
    /// `None` if it is not such a query; errors are left to the planned path to report.
    pub fn compile(scope: &mut Scope<'_>, statement: &Statement) -> Option<LookupPlan> {
        let Statement::Query(query) = statement else { return None };
        let types = scope.types.clone();
        match compile(scope, query) {
            Ok(Some(plan)) => Some(plan),
            _ => {
                scope.types = types;
                None
            }
        }
    }
}

fn compile(scope: &mut Scope<'_>, query: &Query) -> Result<Option<LookupPlan>> {
    let Some((from, body)) = plain(query) else { return Ok(None) };
    let Some(selection) = &body.selection else { return Ok(None) };
    if !query.locks.is_empty() {
        return Ok(None);
    }
    let target = Target::of(scope, from)?;
    let shape = target.shape.clone();
    if shape.indexes.is_empty() || shape.columns().iter().any(|c| c.hidden) {
        return Ok(None);
    }
    let parts = [(target.alias.as_str(), shape.schema.clone())];
    let types = scope.types.clone();
    let mut compiler = Compiler::over(scope.runtime, scope.names, &parts, types)?;
    let whole = compiler.logical(selection)?;
    if whole.is_volatile() {
        return Ok(None);
    }
    let mut known: Vec<Option<Cell>> = vec![None; shape.columns().len()];
    let mut conditions = Vec::new();
    for conjunct in split_conjunction_owned(whole) {
        if let Some((position, value)) = equal(&shape, &conjunct) {
            let cell = compiler.compile(value.clone())?;
            if comparable(&cell, shape.columns()[position].ty) {
                known[position] = Some(cell);
            }
        }
        conditions.push(compiler.computed(conjunct)?);
    }
    let whole_of = |i: &IndexShape| i.columns.iter().all(|c| known[*c].is_some());
    let usable = shape.indexes.iter().enumerate().filter(|(_, i)| i.index.ready && whole_of(i));
    let best = usable.max_by_key(|(_, i)| (i.index.unique, i.columns.len()));
    let Some((index, found)) = best else { return Ok(None) };
    let values = found.columns.iter().filter_map(|c| known[*c].clone()).collect();
    if compiler.draws {
        return Ok(None);
    }
    scope.types = compiler.types;
    let output = Returning::compile(scope, &target, &body.projection)?;
    Ok(Some(LookupPlan { shape, index, values, conditions, output }))
}

/// Starts it.
pub fn lookup(run: &Run<'_>, plan: &Arc<LookupPlan>) -> Result<Outcome> {
    let (columns, verb) = (plan.output.columns.clone(), "SELECT");
    let Some((bounds, partitions)) = bounds(run, plan)? else {
        let rows = plan.output.rows(&[], run.frame)?;
        return Ok(Outcome::Rows { columns, rows, verb });
    };
    let (view, frame) = (run.txn.view()?, Arc::new(run.frame.clone()));
    let whole = everything(&plan.shape);
    let (plan, shape) = (plan.clone(), plan.shape.clone());
    let rows = futures::stream::iter(partitions)
        .then(move |p| {
            let (view, shape) = (view.clone(), shape.clone());
            let (bounds, whole) = (bounds.clone(), whole.clone());
            async move { fetch(view, p, &shape, &bounds, whole).await }
        })
        .try_flatten()
        .map(move |batch| shown(&plan, &batch?, &frame));
    Ok(Outcome::Rows { columns, rows: rows.boxed(), verb })
}

/// The entries with these values, and the partitions to look in; `None` if no row can have them.
fn bounds(run: &Run<'_>, plan: &LookupPlan) -> Result<Option<(IndexBounds, Vec<u16>)>> {
    let shape = &plan.shape;
    let index = &shape.indexes[plan.index];
    let Some(values) = exact_values(&plan.values, shape, &index.columns, run.frame)? else {
        return Ok(None);
    };
    let mut prefix = key::encode(index.index.storage, &[]).to_vec();
    for (column, value) in index.index.columns.iter().zip(&values) {
        put_column(&mut prefix, column, value);
    }
    let shard: Option<Vec<&Value>> = shape
        .shard
        .iter()
        .map(|s| values.get(index.columns.iter().position(|c| c == s)?))
        .collect();
    let partition = shard.map(|values| key::shard(&values, shape.partitions));
    let end = key::prefix_end(&prefix);
    let bounds = IndexBounds {
        at: plan.index,
        ranges: vec![(prefix.into(), end)],
        partition,
        equal: values.len(),
        ranged: false,
    };
    let partitions = partition.map_or_else(|| (0..shape.partitions).collect(), |p| vec![p]);
    Ok(Some((bounds, partitions)))
}

/// The scan that takes the place of too many single reads.
fn everything(shape: &Shape) -> ScanSpec {
    let (start, end) = key::range(shape.table.storage);
    ScanSpec {
        storage: shape.table.storage,
        start,
        end,
        ts: base::Timestamp::ZERO,
        columns: shape.layouts(),
        with_key: false,
        batch_rows: 8192,
        limit: None,
    }
}

/// What a query shows of some rows.
fn shown(plan: &LookupPlan, batch: &RecordBatch, frame: &Frame) -> Result<RecordBatch> {
    let row = |at: usize| -> Vec<Value> {
        let cells = batch.columns().iter().zip(plan.shape.columns());
        cells.map(|(array, c)| state::value_at(array.as_ref(), at, c.ty)).collect()
    };
    let mut rows: Vec<Vec<Value>> = (0..batch.num_rows()).map(row).collect();
    for condition in &plan.conditions {
        let fulfilled = condition.many(&rows, frame)?;
        let Some(fulfilled) = fulfilled.as_boolean_opt() else {
            // What is no truth value is an error for the first row, if there is one.
            rows.first().map(|row| condition.holds(row, frame)).transpose()?;
            continue;
        };
        let mut mask = (0..fulfilled.len()).map(|i| fulfilled.is_valid(i) && fulfilled.value(i));
        rows.retain(|_| mask.next().unwrap_or_default());
    }
    plan.output.batch(&rows, frame)
}
