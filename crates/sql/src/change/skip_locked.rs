//! `SELECT … FOR UPDATE SKIP LOCKED`: what many workers take jobs from a queue with.
//!
//! ```text
//!   query without LIMIT ──batch──▶ lock what is free, no more than is still wanted ──▶ rows
//!                                       │ a row has changed since the snapshot
//!                                       └──▶ again on a new snapshot, with the locks held
//! ```
//!
//! The rows themselves are the answer: a second look at the table could show others. As in
//! PostgreSQL the rows that OFFSET leaves out are locked too.

use super::ast::select;
use super::find::{TRIES, kept_changing, places};
use super::lock::in_order;
use super::query_lock::LockPlan;
use super::{Run, Scope, Target};
use crate::plan::{self, Rows};
use crate::shape::Place;
use arrow::array::{AsArray, RecordBatch, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::Int64Type;
use base::{Error, Result, SqlState};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Ident, LimitClause, Query, Select, SelectItem, Statement, Value,
};
use futures::StreamExt;
use partition::LockWait;

/// How many rows, by a query of one row: `limit, offset`, each perhaps null.
pub(super) type Bounds = Box<LogicalPlan>;

/// The query for the client's columns with the key columns after them, and its bounds.
pub(super) fn compile(
    scope: &mut Scope<'_>,
    query: &Query,
    body: &Select,
    target: &Target,
) -> Result<(Box<LogicalPlan>, Bounds)> {
    let keys =
        target.key_idents().into_iter().enumerate().map(|(i, key)| SelectItem::ExprWithAlias {
            expr: Expr::CompoundIdentifier(key),
            alias: Ident::with_quote('"', format!("key of the row {i}")),
        });
    let mut rows = select(|s| {
        s.projection = body.projection.iter().cloned().chain(keys).collect();
        s.from = vec![target.relation()];
        s.selection = body.selection.clone();
    })?;
    rows.with = query.with.clone();
    rows.order_by = query.order_by.clone();
    // Beside an aggregate the key columns cannot be.
    let rows = scope.plan(Statement::Query(Box::new(rows))).map_err(|e| match e.state {
        SqlState::GROUPING_ERROR => not_allowed("aggregate functions"),
        _ => e,
    });
    let rows = Box::new(rows?);
    check_rows(&rows)?;
    let (limit, offset) = match &query.limit_clause {
        None => (None, None),
        Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
            (limit.clone(), offset.as_ref().map(|o| o.value.clone()))
        }
        Some(_) => return Err(Error::unsupported("this LIMIT with SKIP LOCKED")),
    };
    if query.fetch.is_some() {
        return Err(Error::unsupported("FETCH FIRST with SKIP LOCKED").hint("use LIMIT"));
    }
    let number = |e: Option<Expr>, name: &str| {
        let expr = Box::new(e.unwrap_or(Expr::Value(Value::Null.into())));
        let (kind, data_type) = (CastKind::Cast, DataType::BigInt(None));
        let expr = Expr::Cast { kind, expr, data_type, array: false, format: None };
        SelectItem::ExprWithAlias { expr, alias: Ident::new(name) }
    };
    let numbers = vec![number(limit, "wanted"), number(offset, "skipped")];
    let bounds = select(|s| s.projection = numbers)?;
    Ok((rows, Box::new(scope.plan(Statement::Query(Box::new(bounds)))?)))
}

/// The answer's rows must be rows of the table.
fn check_rows(plan: &LogicalPlan) -> Result<()> {
    let mut found = None;
    let _ = plan.apply(|node| {
        found = match node {
            LogicalPlan::Aggregate(_) => Some("aggregate functions"),
            LogicalPlan::Window(_) => Some("window functions"),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        Ok(TreeNodeRecursion::Stop)
    });
    found.map_or(Ok(()), |what| Err(not_allowed(what)))
}

fn not_allowed(what: &str) -> Error {
    let message = format!("FOR UPDATE is not allowed with {what}");
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
}

/// Locks what is free, and gives the rows of it.
pub(super) async fn rows(run: &mut Run<'_>, plan: &LockPlan, bounds: &Bounds) -> Result<Rows> {
    let (limit, offset) = numbers(run, bounds).await?;
    let wanted = limit.map_or(u64::MAX, |n| n.saturating_add(offset));
    for _ in 0..TRIES {
        if let Some(batches) = attempt(run, plan, wanted).await? {
            return Ok(futures::stream::iter(without(batches, offset).into_iter().map(Ok)).boxed());
        }
        run.txn.start_statement().await?;
    }
    Err(kept_changing(&plan.shape))
}

/// LIMIT and OFFSET.
async fn numbers(run: &mut Run<'_>, bounds: &Bounds) -> Result<(Option<u64>, u64)> {
    let bound = plan::bind(bounds.as_ref().clone(), &run.frame.params, &run.frame.circumstances)?;
    let mut batches = plan::execute(run.runtime, &bound, run.txn.view()?).await?;
    let Some(batch) = batches.next().await.transpose()? else { return Ok((None, 0)) };
    let number = |column: usize, what: &str| -> Result<Option<u64>> {
        let array = batch.column(column).as_primitive::<Int64Type>();
        let value = array.iter().next().flatten();
        let state = SqlState(if what == "LIMIT" { "2201W" } else { "2201X" });
        let negative = |_| Error::new(state, format!("{what} must not be negative"));
        value.map(|v| u64::try_from(v).map_err(negative)).transpose()
    };
    Ok((number(0, "LIMIT")?, number(1, "OFFSET")?.unwrap_or(0)))
}

/// The first `wanted` rows that are free; `None` if one has changed since the snapshot.
async fn attempt(
    run: &mut Run<'_>,
    plan: &LockPlan,
    wanted: u64,
) -> Result<Option<Vec<RecordBatch>>> {
    let bound =
        plan::bind(plan.query.as_ref().clone(), &run.frame.params, &run.frame.circumstances)?;
    let mut batches = plan::execute(run.runtime, &bound, run.txn.view()?).await?;
    let (mut taken, mut count) = (Vec::new(), 0);
    while count < wanted {
        let Some(batch) = batches.next().await.transpose()? else { break };
        let width = batch.num_columns() - plan.shape.key.len();
        let places = places(&plan.shape, &batch.columns()[width..], batch.num_rows())?;
        let mut free: Vec<u64> = Vec::new();
        let mut from = 0;
        while from < places.len() && count < wanted {
            let still = usize::try_from(wanted - count).unwrap_or(usize::MAX);
            let to = places.len().min(from.saturating_add(still));
            let Some(locked) = lock(run, plan, &places[from..to]).await? else { return Ok(None) };
            free.extend(locked.iter().map(|i| (from + i) as u64));
            count += locked.len() as u64;
            from = to;
        }
        let columns: Vec<usize> = (0..width).collect();
        let rows =
            batch.project(&columns).and_then(|b| take_record_batch(&b, &UInt64Array::from(free)));
        taken.push(rows.map_err(|e| Error::internal(format!("taking rows: {e}")))?);
    }
    Ok(Some(taken))
}

/// Locks those of the places that are free; their positions, in order. `None` if one of them has
/// changed since the snapshot.
async fn lock(run: &mut Run<'_>, plan: &LockPlan, places: &[Place]) -> Result<Option<Vec<usize>>> {
    let mut order = in_order(places);
    if !run.private.contains(&plan.shape.table.storage) {
        let sorted: Vec<Place> = order.iter().map(|i| places[*i].clone()).collect();
        let free = run.txn.lock(&sorted, plan.mode, LockWait::SkipLocked).await?;
        let mut answers = free.into_iter();
        order.retain(|_| answers.next().unwrap_or(false));
    }
    let locked: Vec<Place> = order.iter().map(|i| places[*i].clone()).collect();
    let snapshot = run.txn.read_ts();
    let latest = run.txn.latest(&locked).await?;
    if latest.iter().any(|v| v.as_ref().is_none_or(|v| v.ts > snapshot)) {
        return Ok(None);
    }
    order.sort_unstable();
    Ok(Some(order))
}

/// All rows but the first `offset`.
fn without(batches: Vec<RecordBatch>, mut offset: u64) -> Vec<RecordBatch> {
    let mut rest = Vec::with_capacity(batches.len());
    for batch in batches {
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX).min(batch.num_rows());
        offset -= skipped as u64;
        rest.push(batch.slice(skipped, batch.num_rows() - skipped));
    }
    rest
}
