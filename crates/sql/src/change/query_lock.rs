//! `SELECT … FOR UPDATE`: lock first what the query is about, then run it on what is locked.

use super::ast::select;
use super::find::find;
use super::table::Target;
use super::{Run, Scope, skip_locked};
use crate::plan::Rows;
use crate::shape::Shape;
use base::{Error, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, LockType, NonBlock, Query, SelectItem, SetExpr, Statement,
};
use partition::{LockMode, LockWait};
use std::sync::Arc;

/// The locking half of a `SELECT … FOR UPDATE`.
pub struct LockPlan {
    /// The table.
    pub shape: Arc<Shape>,
    pub(super) query: Box<LogicalPlan>,
    pub(super) mode: LockMode,
    wait: Option<LockWait>,
    /// `SKIP LOCKED`: how many rows.
    skip: Option<skip_locked::Bounds>,
}

impl LockPlan {
    /// `None` if the query locks nothing.
    pub fn compile(scope: &mut Scope<'_>, query: &Query) -> Result<Option<LockPlan>> {
        let Some(clause) = query.locks.first() else {
            return Ok(None);
        };
        let SetExpr::Select(body) = query.body.as_ref() else {
            return Err(Error::unsupported("FOR UPDATE on this kind of query"));
        };
        let grouped = !matches!(&body.group_by, GroupByExpr::Expressions(e, _) if e.is_empty());
        let one_table = matches!(body.from.as_slice(), [from] if from.joins.is_empty());
        if query.locks.len() > 1 || grouped || body.distinct.is_some() || !one_table {
            return Err(Error::unsupported("FOR UPDATE on anything but rows of one table")
                .hint("select the rows of one table without DISTINCT, GROUP BY or joins"));
        }
        let target = Target::of(scope, &body.from[0])?;
        scope.names.set_target(target.shape.clone());
        let mode = match clause.lock_type {
            LockType::Share => LockMode::Shared,
            LockType::Update => LockMode::Exclusive,
        };
        let wait = match clause.nonblock {
            None => None,
            Some(NonBlock::Nowait) => Some(LockWait::NoWait),
            Some(NonBlock::SkipLocked) => {
                let (query, bounds) = skip_locked::compile(scope, query, body, &target)?;
                let (shape, skip) = (target.shape, Some(bounds));
                return Ok(Some(LockPlan { shape, query, mode, wait: None, skip }));
            }
        };
        let keys = target.key_idents().into_iter().map(Expr::CompoundIdentifier);
        let projection = keys.map(SelectItem::UnnamedExpr).collect();
        let mut rows = select(|s| {
            s.projection = projection;
            s.from = vec![target.relation()];
            s.selection = body.selection.clone();
        })?;
        rows.with = query.with.clone();
        rows.order_by = query.order_by.clone();
        rows.limit_clause = query.limit_clause.clone();
        let query = Box::new(scope.plan(Statement::Query(Box::new(rows)))?);
        Ok(Some(LockPlan { shape: target.shape, query, mode, wait, skip: None }))
    }
}

/// Locks the rows. Afterwards the statement's snapshot shows them as they are locked; with SKIP
/// LOCKED what could be locked is the answer itself.
pub async fn lock_rows(run: &mut Run<'_>, plan: &LockPlan) -> Result<Option<Rows>> {
    if let Some(bounds) = &plan.skip {
        return skip_locked::rows(run, plan, bounds).await.map(Some);
    }
    run.wait = plan.wait.unwrap_or(run.wait);
    find(run, &plan.shape, &plan.query, plan.mode).await.map(|_| None)
}
