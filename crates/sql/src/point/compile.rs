//! Recognising statements about one row.

use crate::cell::{Cell, Compiler, Computed};
use crate::change::{Returning, Scope, Target, assignments, delete_relation};
use crate::shape::Shape;
use crate::types;
use base::{Result, SqlType};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, Operator};
use datafusion::sql::sqlparser::ast::{
    self, Delete, GroupByExpr, LockType, NonBlock, Query, Select, SelectItem, SetExpr, Statement,
    TableWithJoins, Update,
};
use partition::{LockMode, LockWait};
use std::sync::Arc;

/// What happens to the row.
#[derive(Debug)]
pub enum Action {
    /// It is read; locked first if asked for.
    Select(Option<(LockMode, Option<LockWait>)>),
    /// These columns change.
    Update(Vec<(usize, Cell)>),
    /// It goes.
    Delete,
}

/// A compiled statement about one row.
#[derive(Debug)]
pub struct PointPlan {
    /// The table.
    pub shape: Arc<Shape>,
    /// Values of the key columns, in key order.
    pub key: Vec<Cell>,
    /// What else the row must fulfil.
    pub residual: Vec<Computed>,
    /// What happens to it.
    pub action: Action,
    /// The result columns of a SELECT, or RETURNING.
    pub output: Option<Returning>,
}

impl PointPlan {
    /// `None` if the statement is not about one row, or not in a form this path knows; errors are
    /// left to the planned path to report.
    pub fn compile(scope: &mut Scope<'_>, statement: &Statement) -> Option<PointPlan> {
        let types = scope.types.clone();
        let plan = match statement {
            Statement::Query(query) => select(scope, query),
            Statement::Update(update) => change(scope, update),
            Statement::Delete(delete) => remove(scope, delete),
            _ => Ok(None),
        };
        match plan {
            Ok(Some(plan)) => Some(plan),
            _ => {
                scope.types = types;
                None
            }
        }
    }
}

/// The table, and the rest, of a query that only picks and shows rows of one table.
pub(super) fn plain(query: &Query) -> Option<(&TableWithJoins, &Select)> {
    let SetExpr::Select(body) = query.body.as_ref() else { return None };
    let plain = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.pipe_operators.is_empty()
        && query.locks.len() <= 1
        && is_plain(body);
    match body.from.as_slice() {
        [from] if plain => Some((from, body)),
        _ => None,
    }
}

fn select(scope: &mut Scope<'_>, query: &Query) -> Result<Option<PointPlan>> {
    let Some((from, body)) = plain(query) else { return Ok(None) };
    let lock = match query.locks.first() {
        None => None,
        Some(clause) => {
            let mode = match clause.lock_type {
                LockType::Share => LockMode::Shared,
                LockType::Update => LockMode::Exclusive,
            };
            let wait = match clause.nonblock {
                None => None,
                Some(NonBlock::Nowait) => Some(LockWait::NoWait),
                Some(NonBlock::SkipLocked) => Some(LockWait::SkipLocked),
            };
            Some((mode, wait))
        }
    };
    let target = Target::of(scope, from)?;
    let Some((key, residual)) = condition(scope, &target, body.selection.as_ref())? else {
        return Ok(None);
    };
    let output = Some(Returning::compile(scope, &target, &body.projection)?);
    Ok(Some(PointPlan { shape: target.shape, key, residual, action: Action::Select(lock), output }))
}

fn is_plain(select: &Select) -> bool {
    let ungrouped =
        matches!(&select.group_by, GroupByExpr::Expressions(e, m) if e.is_empty() && m.is_empty());
    let stars_are_plain = select.projection.iter().all(|item| match item {
        SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
            options.opt_exclude.is_none()
                && options.opt_except.is_none()
                && options.opt_replace.is_none()
                && options.opt_rename.is_none()
                && options.opt_ilike.is_none()
        }
        _ => true,
    });
    ungrouped
        && stars_are_plain
        && select.distinct.is_none()
        && select.top.is_none()
        && select.into.is_none()
        && select.having.is_none()
        && select.qualify.is_none()
        && select.lateral_views.is_empty()
        && select.named_window.is_empty()
}

fn change(scope: &mut Scope<'_>, update: &Update) -> Result<Option<PointPlan>> {
    if update.from.is_some()
        || update.limit.is_some()
        || !update.order_by.is_empty()
        || update.or.is_some()
    {
        return Ok(None);
    }
    let target = Target::of(scope, &update.table)?;
    let Some((key, residual)) = condition(scope, &target, update.selection.as_ref())? else {
        return Ok(None);
    };
    let sets = assignments(scope.catalog, &target.shape, &update.assignments)?;
    let parts = [(target.alias.as_str(), target.shape.schema.clone())];
    let types = std::mem::take(&mut scope.types);
    let mut compiler = Compiler::over(scope.runtime, scope.names, &parts, types)?;
    let mut cells = Vec::with_capacity(sets.len());
    for (position, value) in sets {
        let ty = target.shape.columns()[position].ty;
        cells.push((position, compiler.cell(&value, Some(ty))?));
    }
    if compiler.draws {
        return Ok(None);
    }
    scope.types = compiler.types;
    let output = match &update.returning {
        Some(items) => Some(Returning::compile(scope, &target, items)?),
        None => None,
    };
    let action = Action::Update(cells);
    Ok(Some(PointPlan { shape: target.shape, key, residual, action, output }))
}

fn remove(scope: &mut Scope<'_>, delete: &Delete) -> Result<Option<PointPlan>> {
    if delete.using.is_some()
        || delete.limit.is_some()
        || !delete.order_by.is_empty()
        || !delete.tables.is_empty()
    {
        return Ok(None);
    }
    let target = Target::of(scope, delete_relation(delete)?)?;
    let Some((key, residual)) = condition(scope, &target, delete.selection.as_ref())? else {
        return Ok(None);
    };
    let output = match &delete.returning {
        Some(items) => Some(Returning::compile(scope, &target, items)?),
        None => None,
    };
    Ok(Some(PointPlan { shape: target.shape, key, residual, action: Action::Delete, output }))
}

/// Splits a condition into the key's values and the rest; `None` if the key is not whole.
fn condition(
    scope: &mut Scope<'_>,
    target: &Target,
    selection: Option<&ast::Expr>,
) -> Result<Option<(Vec<Cell>, Vec<Computed>)>> {
    let Some(selection) = selection else { return Ok(None) };
    let shape = &target.shape;
    if shape.table.has_hidden_key() || shape.columns().iter().any(|c| c.hidden) {
        return Ok(None);
    }
    let parts = [(target.alias.as_str(), shape.schema.clone())];
    let types = scope.types.clone();
    let mut compiler = Compiler::over(scope.runtime, scope.names, &parts, types)?;
    let whole = compiler.logical(selection)?;
    if whole.is_volatile() {
        return Ok(None);
    }
    let mut key: Vec<Option<Cell>> = vec![None; shape.key.len()];
    let mut residual = Vec::new();
    for conjunct in split_conjunction_owned(whole) {
        let found = equal(shape, &conjunct).and_then(|(position, value)| {
            Some((shape.key.iter().position(|k| *k == position)?, value))
        });
        match found {
            Some((at, value)) if key[at].is_none() => {
                let cell = compiler.compile(value.clone())?;
                let ty = shape.columns()[shape.key[at]].ty;
                if !comparable(&cell, ty) {
                    return Ok(None);
                }
                key[at] = Some(cell);
            }
            _ => residual.push(compiler.computed(conjunct)?),
        }
    }
    let Some(key) = key.into_iter().collect::<Option<Vec<Cell>>>() else { return Ok(None) };
    scope.types = compiler.types;
    Ok(Some((key, residual)))
}

/// `column = expression without columns`: the column's position, and the expression.
pub(super) fn equal<'e>(shape: &Shape, e: &'e Expr) -> Option<(usize, &'e Expr)> {
    let Expr::BinaryExpr(b) = e else { return None };
    if b.op != Operator::Eq {
        return None;
    }
    let (column, value) = match (b.left.as_ref(), b.right.as_ref()) {
        (Expr::Column(c), v) if v.column_refs().is_empty() => (c, v),
        (v, Expr::Column(c)) if v.column_refs().is_empty() => (c, v),
        _ => return None,
    };
    let position = shape.columns().iter().position(|c| c.name == column.name)?;
    Some((position, value))
}

/// True if values of the cell can be looked up as keys of this type without changing what equality
/// means.
pub(super) fn comparable(cell: &Cell, ty: SqlType) -> bool {
    if let Cell::Constant(v) = cell
        && v.is_null()
    {
        return true;
    }
    let exact = |t: SqlType| {
        matches!(t, SqlType::SmallInt | SqlType::Int | SqlType::BigInt | SqlType::Numeric { .. })
    };
    let text = |t: SqlType| matches!(t, SqlType::Text | SqlType::Varchar(_));
    let is = match cell {
        Cell::Computed(c) => types::natural(c.field.data_type()),
        other => other.ty(),
    };
    let padded = matches!(ty, SqlType::Char(_)) && (text(is) || matches!(is, SqlType::Char(_)));
    let spelled = matches!(ty, SqlType::Uuid) && text(is);
    is == ty || exact(is) && exact(ty) || text(is) && text(ty) || padded || spelled
}
