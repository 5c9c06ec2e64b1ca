//! UPDATE and DELETE.

use super::ast::{default_of, generated_always, is_default, last_part, parse_expr, select};
use super::entries::move_entries;
use super::find::{Found, find};
use super::lock::lock_and_read;
use super::returning::Returning;
use super::table::Target;
use super::{Changed, Run, Scope};
use crate::plan::assigned;
use crate::shape::{Place, Shape};
use crate::types;
use base::{Catalog, Error, Result, SqlState, Value};
use bytes::Bytes;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Ident, SelectItem, Statement,
    TableWithJoins, Update, UpdateTableFromKind, With,
};
use partition::LockMode;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Which of the two.
#[derive(Debug)]
pub enum Kind {
    /// New values for these columns, by position, in the order of the query's columns.
    Update(Vec<usize>),
    /// Rows go.
    Delete,
}

/// A compiled UPDATE or DELETE.
pub struct ModifyPlan {
    /// The table.
    pub shape: Arc<Shape>,
    /// Finds the rows: key columns, then new values.
    pub query: Box<LogicalPlan>,
    /// Which of the two.
    pub kind: Kind,
    /// RETURNING.
    pub returning: Option<Returning>,
}

impl ModifyPlan {
    /// Compiles an UPDATE.
    pub fn update(
        scope: &mut Scope<'_>,
        target: Target,
        ast: &Update,
        with: Option<With>,
    ) -> Result<ModifyPlan> {
        if ast.limit.is_some() || !ast.order_by.is_empty() || ast.or.is_some() {
            return Err(Error::unsupported("UPDATE with ORDER BY or LIMIT"));
        }
        let sets = assignments(scope.catalog, &target.shape, &ast.assignments)?;
        for (position, value) in &sets {
            assigned(&mut scope.types, value, target.shape.columns()[*position].ty);
        }
        let from = match &ast.from {
            Some(UpdateTableFromKind::AfterSet(from) | UpdateTableFromKind::BeforeSet(from)) => {
                from.clone()
            }
            None => Vec::new(),
        };
        let values = sets.iter().map(|(_, e)| e.clone()).collect();
        let selection = ast.selection.clone();
        let query = target_query(scope, &target, values, from, selection, with)?;
        let returning = match &ast.returning {
            Some(items) => Some(Returning::compile(scope, &target, items)?),
            None => None,
        };
        let kind = Kind::Update(sets.into_iter().map(|(i, _)| i).collect());
        Ok(ModifyPlan { shape: target.shape, query, kind, returning })
    }

    /// Compiles a DELETE.
    pub fn delete(
        scope: &mut Scope<'_>,
        target: Target,
        ast: &Delete,
        with: Option<With>,
    ) -> Result<ModifyPlan> {
        if ast.limit.is_some() || !ast.order_by.is_empty() || !ast.tables.is_empty() {
            return Err(Error::unsupported("DELETE with ORDER BY, LIMIT or several tables"));
        }
        let using = ast.using.clone().unwrap_or_default();
        let selection = ast.selection.clone();
        let query = target_query(scope, &target, Vec::new(), using, selection, with)?;
        let returning = match &ast.returning {
            Some(items) => Some(Returning::compile(scope, &target, items)?),
            None => None,
        };
        Ok(ModifyPlan { shape: target.shape, query, kind: Kind::Delete, returning })
    }
}

/// The table of a DELETE.
pub fn delete_relation(ast: &Delete) -> Result<&TableWithJoins> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &ast.from;
    match from.as_slice() {
        [one] => Ok(one),
        _ => Err(Error::unsupported("DELETE from several tables")),
    }
}

/// `(position, expression)` for each assignment; DEFAULT is replaced by the column's default.
pub fn assignments(
    catalog: &Catalog,
    shape: &Shape,
    all: &[Assignment],
) -> Result<Vec<(usize, Expr)>> {
    let mut sets: Vec<(usize, Expr)> = Vec::with_capacity(all.len());
    let mut add = |name: &str, value: &Expr| {
        let position = shape.position(name)?;
        if sets.iter().any(|(i, _)| *i == position) {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                format!("multiple assignments to same column \"{name}\""),
            ));
        }
        let value = if !is_default(value) {
            let column = &shape.columns()[position];
            if crate::ddl::always(catalog, shape.table.id, column.id) {
                return Err(generated_always(
                    name,
                    format!("column \"{name}\" can only be updated to DEFAULT"),
                ));
            }
            value.clone()
        } else {
            let column = &shape.columns()[position];
            match default_of(catalog, shape.table.id, column)? {
                Some(default) => default,
                None => parse_expr("NULL")?,
            }
        };
        sets.push((position, value));
        Ok(())
    };
    for assignment in all {
        match (&assignment.target, &assignment.value) {
            (AssignmentTarget::ColumnName(name), value) => add(&last_part(name)?, value)?,
            (AssignmentTarget::Tuple(names), Expr::Tuple(values))
                if names.len() == values.len() =>
            {
                for (name, value) in names.iter().zip(values) {
                    add(&last_part(name)?, value)?;
                }
            }
            _ => return Err(Error::unsupported("this form of SET (a, b) = …")),
        }
    }
    Ok(sets)
}

/// `SELECT key, values FROM target, others WHERE condition`.
pub fn target_query(
    scope: &mut Scope<'_>,
    target: &Target,
    values: Vec<Expr>,
    others: Vec<TableWithJoins>,
    selection: Option<Expr>,
    with: Option<With>,
) -> Result<Box<LogicalPlan>> {
    let alias = |n: usize| Ident::with_quote('"', format!("\u{1}{n}"));
    let keys = target.key_idents().into_iter().map(Expr::CompoundIdentifier);
    let mut projection: Vec<SelectItem> = Vec::new();
    for (n, expr) in keys.chain(values).enumerate() {
        projection.push(SelectItem::ExprWithAlias { expr, alias: alias(n) });
    }
    let mut from = vec![target.relation()];
    from.extend(others);
    let mut query = select(|s| {
        s.projection = projection;
        s.from = from;
        s.selection = selection;
    })?;
    query.with = with;
    scope.plan(Statement::Query(Box::new(query))).map(Box::new)
}

/// Runs an UPDATE or DELETE.
pub async fn modify(run: &mut Run<'_>, plan: &ModifyPlan) -> Result<Changed> {
    run.txn.begin_writing().await?;
    let found = find(run, &plan.shape, &plan.query, LockMode::Exclusive).await?;
    let mut rows = Vec::with_capacity(found.len());
    for Found { place, version, computed } in found {
        let old = plan.shape.decode(&version.row)?;
        let new = match &plan.kind {
            Kind::Delete => None,
            Kind::Update(sets) => {
                let mut new = old.clone();
                for (position, value) in sets.iter().zip(&computed) {
                    let column = &plan.shape.columns()[*position];
                    new[*position] = types::assign(value, column.ty, &column.name)?;
                }
                Some(new)
            }
        };
        rows.push((place, old, new));
    }
    apply(run, &plan.shape, rows, plan.returning.is_some()).await
}

/// A locked row: its place, what it is, and what it becomes; `None` to delete it.
pub type Modified = (Place, Vec<Value>, Option<Vec<Value>>);

/// Writes locked rows.
pub async fn apply(
    run: &mut Run<'_>,
    shape: &Shape,
    rows: Vec<Modified>,
    returning: bool,
) -> Result<Changed> {
    let mut moved: Vec<(usize, Place)> = Vec::new();
    for (at, (place, old, new)) in rows.iter().enumerate() {
        let bytes: Option<Bytes> = match new {
            None => None,
            Some(new) => {
                shape.check(new)?;
                let stays = shape.key.iter().all(|i| old[*i] == new[*i]);
                if stays {
                    Some(shape.encode(new))
                } else {
                    moved.push((at, shape.place(new)));
                    None
                }
            }
        };
        run.txn.write(place.0, place.1.clone(), bytes)?;
    }
    if !moved.is_empty() {
        arrive(run, shape, &rows, &moved).await?;
    }
    if !shape.indexes.is_empty() {
        let mut places: Vec<&Place> = rows.iter().map(|(place, ..)| place).collect();
        moved.iter().for_each(|(at, place)| places[*at] = place);
        let pairs = rows.iter().zip(places).map(|((place, old, new), to)| {
            (Some((place, old.as_slice())), new.as_ref().map(|new| (to, new.as_slice())))
        });
        move_entries(run, shape, &pairs.collect::<Vec<_>>()).await?;
    }
    let count = rows.len() as u64;
    let shown = rows.into_iter().filter(|_| returning).map(|(_, old, new)| new.unwrap_or(old));
    Ok(Changed { count, rows: shown.collect() })
}

/// Rows whose key has changed arrive at their new places, after all have left the old ones.
async fn arrive(
    run: &mut Run<'_>,
    shape: &Shape,
    rows: &[Modified],
    moved: &[(usize, Place)],
) -> Result<()> {
    let places: Vec<Place> = moved.iter().map(|(_, p)| p.clone()).collect();
    let private = run.private.contains(&shape.table.storage);
    let found = lock_and_read(run, private, &places).await?;
    let mut seen = BTreeSet::new();
    for ((at, place), found) in moved.iter().zip(found) {
        let Some(row) = rows.get(*at).and_then(|(.., new)| new.as_ref()) else { continue };
        if found.is_some() || !seen.insert(place.clone()) {
            return Err(shape.duplicate(row));
        }
        run.txn.write(place.0, place.1.clone(), Some(shape.encode(row)))?;
    }
    Ok(())
}
