//! Finding the rows a statement is about, by a query, until what it found is what is there.

use super::lock::{in_relation, lock_new};
use super::{Run, Scope};
use crate::plan;
use crate::shape::{Place, Shape};
use crate::types::Assigner;
use arrow::array::ArrayRef;
use base::{Error, Result, SqlState, Value};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::Statement;
use futures::StreamExt;
use partition::{LockMode, VersionedRow};
use std::collections::{BTreeMap, BTreeSet};

/// How often a statement looks again before it gives up. Each time it holds more locks, so this is
/// reached only if rows keep appearing that match.
pub(super) const TRIES: usize = 64;

/// A row found: where it is, what is there, and what the query computed for it.
pub struct Found {
    /// Its place.
    pub place: Place,
    /// The version that is there now, locked.
    pub version: VersionedRow,
    /// The query's other columns.
    pub computed: Vec<ScalarValue>,
}

impl Scope<'_> {
    /// Plans a statement; parameters and session functions stay open.
    pub fn plan(&mut self, statement: Statement) -> Result<LogicalPlan> {
        plan::plan_statement(self.names, statement, &mut self.types)
    }
}

/// Runs `query`, whose first columns are the table's key, and locks what it finds. If a row has
/// changed since the snapshot, starts again on a new one.
pub async fn find(
    run: &mut Run<'_>,
    shape: &Shape,
    query: &LogicalPlan,
    mode: LockMode,
) -> Result<Vec<Found>> {
    let mut held: BTreeSet<Place> = BTreeSet::new();
    for _ in 0..TRIES {
        let mut rows = candidates(run, shape, query).await?;
        let places: Vec<Place> = rows.keys().cloned().collect();
        if !run.private.contains(&shape.table.storage) {
            let locked = lock_new(run.txn, &places, &mut held, mode, run.wait).await;
            locked.map_err(|error| in_relation(error, &shape.table.name))?;
        }
        let latest = run.txn.latest(&places).await?;
        let snapshot = run.txn.read_ts();
        let stale = latest.iter().any(|v| v.as_ref().is_none_or(|v| v.ts > snapshot));
        if stale {
            run.txn.start_statement().await?;
            continue;
        }
        let found = places.into_iter().zip(latest);
        return Ok(found
            .filter_map(|(place, version)| {
                let computed = rows.remove(&place)?;
                Some(Found { place, version: version?, computed })
            })
            .collect());
    }
    Err(kept_changing(shape))
}

/// The error after [`TRIES`].
pub(super) fn kept_changing(shape: &Shape) -> Error {
    Error::new(
        SqlState::SERIALIZATION_FAILURE,
        format!("rows of {} kept changing while they were locked", shape.table.name),
    )
    .hint("run the transaction again")
}

/// The rows the query finds at the snapshot, by place; of several matches of a row one is kept.
async fn candidates(
    run: &mut Run<'_>,
    shape: &Shape,
    query: &LogicalPlan,
) -> Result<BTreeMap<Place, Vec<ScalarValue>>> {
    let bound = plan::bind(query.clone(), &run.frame.params, &run.frame.circumstances)?;
    let mut batches = plan::execute(run.runtime, &bound, run.txn.view()?).await?;
    let mut rows = BTreeMap::new();
    let width = shape.key.len();
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        let places = places(shape, &batch.columns()[..width], batch.num_rows())?;
        for (row, place) in places.into_iter().enumerate() {
            let computed = batch.columns()[width..]
                .iter()
                .map(|a| ScalarValue::try_from_array(a, row).map_err(crate::error::datafusion))
                .collect::<Result<Vec<_>>>()?;
            rows.entry(place).or_insert(computed);
        }
    }
    Ok(rows)
}

/// Where the rows with these keys are.
pub(super) fn places(shape: &Shape, keys: &[ArrayRef], rows: usize) -> Result<Vec<Place>> {
    let assigners: Vec<Assigner> = shape
        .key
        .iter()
        .zip(keys)
        .map(|(i, a)| Assigner::new(a.data_type(), shape.columns()[*i].ty))
        .collect();
    let place = |row| -> Result<Place> {
        let cells = assigners.iter().zip(keys).map(|(a, array)| a.cell(array, row, "key"));
        Ok(shape.place_of_key(&cells.collect::<Result<Vec<Value>>>()?))
    };
    (0..rows).map(place).collect()
}
