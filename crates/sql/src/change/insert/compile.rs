//! Compiling INSERT.

use super::conflict::conflict;
use super::{Conflict, InsertPlan, Source};
use crate::cell::{Cell, Compiler};
use crate::change::ast::generated_always;
use crate::change::ast::{default_of, fold, is_default, last_part, select};
use crate::change::{Returning, Scope, Target};
use crate::plan::assigned;
use crate::shape::Shape;
use crate::statement::{Overriding, overriding};
use base::{Error, Result, SqlState};
use datafusion::sql::sqlparser::ast::{
    Insert, Query, SelectItem, SetExpr, SetOperator, SetQuantifier, Statement, TableObject, Values,
    With,
};
use std::sync::Arc;

impl InsertPlan {
    /// Compiles it.
    pub fn compile(scope: &mut Scope<'_>, ast: &Insert, with: Option<With>) -> Result<InsertPlan> {
        let TableObject::TableName(name) = &ast.table else {
            return Err(Error::unsupported("INSERT into anything but a table"));
        };
        if ast.replace_into || ast.ignore || ast.overwrite || !ast.assignments.is_empty() {
            return Err(Error::unsupported("this form of INSERT"));
        }
        let alias = ast.table_alias.as_ref().map(|a| fold(&a.alias));
        let target = Target::named(scope, name, alias)?;
        let named = ast.columns.iter().map(last_part).collect::<Result<Vec<_>>>()?;
        let mut columns = column_list(&target.shape, &named)?;
        let source = match &ast.source {
            None => {
                columns.clear();
                Source::Values(vec![Vec::new()])
            }
            Some(query) => source(scope, &target, &mut columns, query, with, !named.is_empty())?,
        };
        let ignored = identities(scope, ast, &target.shape, &columns, &source)?;
        let counted: Vec<usize> =
            columns.iter().copied().filter(|i| !ignored.contains(i)).collect();
        let (defaults, drawn) = defaults(scope, &target.shape, &counted, &source)?;
        let draws = drawn || source.draws();
        let conflict = match &ast.on {
            None => Conflict::Fail,
            Some(on) => conflict(scope, &target, on)?,
        };
        let returning = match &ast.returning {
            Some(items) => Some(Returning::compile(scope, &target, items)?),
            None => None,
        };
        let shape = target.shape;
        Ok(InsertPlan { shape, columns, source, defaults, ignored, draws, conflict, returning })
    }

    /// For rows that come from elsewhere (COPY) into these columns.
    pub fn for_rows(
        scope: &mut Scope<'_>,
        shape: Arc<Shape>,
        named: &[String],
    ) -> Result<InsertPlan> {
        let columns = column_list(&shape, named)?;
        let source = Source::Values(Vec::new());
        let (defaults, draws) = defaults(scope, &shape, &columns, &source)?;
        Ok(InsertPlan {
            shape,
            columns,
            source,
            defaults,
            ignored: Vec::new(),
            draws,
            conflict: Conflict::Fail,
            returning: None,
        })
    }
}

/// Checks the values given for identity columns; the columns for which they do not count.
///
/// # Errors
/// 428C9 for a column that takes none.
fn identities(
    scope: &Scope<'_>,
    ast: &Insert,
    shape: &Shape,
    columns: &[usize],
    source: &Source,
) -> Result<Vec<usize>> {
    let said = overriding(ast);
    let mut ignored = Vec::new();
    for (at, position) in columns.iter().enumerate() {
        let column = &shape.columns()[*position];
        let (catalog, table) = (scope.catalog, shape.table.id);
        if catalog.identity(table, column.id).is_none() {
            continue;
        }
        let given = match source {
            Source::Values(rows) => rows.iter().any(|row| row.get(at).is_some_and(Option::is_some)),
            Source::Query(_) => true,
        };
        match said {
            Some(Overriding::User) => ignored.push(*position),
            None if given && crate::ddl::always(catalog, table, column.id) => {
                let name = &column.name;
                return Err(generated_always(
                    name,
                    format!("cannot insert a non-DEFAULT value into column \"{name}\""),
                )
                .hint("Use OVERRIDING SYSTEM VALUE to override."));
            }
            _ => {}
        }
    }
    Ok(ignored)
}

fn column_list(shape: &Shape, named: &[String]) -> Result<Vec<usize>> {
    if named.is_empty() {
        return Ok(shape.visible().map(|(i, _)| i).collect());
    }
    let mut columns = Vec::with_capacity(named.len());
    for name in named {
        let position = shape.position(name)?;
        if columns.contains(&position) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        columns.push(position);
    }
    Ok(columns)
}

/// Fits the target columns to the width of the source.
fn fit_width(columns: &mut Vec<usize>, width: usize, explicit: bool) -> Result<()> {
    if width > columns.len() {
        return Err(Error::new(
            SqlState::SYNTAX_ERROR,
            "INSERT has more expressions than target columns",
        ));
    }
    if width < columns.len() && explicit {
        return Err(Error::new(
            SqlState::SYNTAX_ERROR,
            "INSERT has more target columns than expressions",
        ));
    }
    columns.truncate(width);
    Ok(())
}

fn source(
    scope: &mut Scope<'_>,
    target: &Target,
    columns: &mut Vec<usize>,
    query: &Query,
    with: Option<With>,
    explicit: bool,
) -> Result<Source> {
    if let SetExpr::Values(values) = query.body.as_ref()
        && query.with.is_none()
        && with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
    {
        let width = values.rows.first().map_or(0, |r| r.content.len());
        fit_width(columns, width, explicit)?;
        match values_source(scope, target, columns, values) {
            Err(e) if e.state == SqlState::FEATURE_NOT_SUPPORTED => {}
            other => return other,
        }
    }
    let mut query = query.clone();
    if with.is_some() {
        query.with = with;
    }
    if let SetExpr::Values(values) = query.body.as_ref() {
        query.body = Box::new(selects(values)?);
    }
    if let SetExpr::Select(select) = query.body.as_ref() {
        for (item, position) in select.projection.iter().zip(columns.iter()) {
            if let SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } = item {
                assigned(&mut scope.types, e, target.shape.columns()[*position].ty);
            }
        }
    }
    let plan = scope.plan(Statement::Query(Box::new(query)))?;
    fit_width(columns, plan.schema().fields().len(), explicit)?;
    Ok(Source::Query(Box::new(plan)))
}

/// `SELECT … UNION ALL SELECT …` for VALUES with subqueries in them.
fn selects(values: &Values) -> Result<SetExpr> {
    let mut all: Option<SetExpr> = None;
    for row in &values.rows {
        let items = row.content.iter().cloned().map(SelectItem::UnnamedExpr);
        let body = *select(|s| s.projection = items.collect())?.body;
        all = Some(match all {
            None => body,
            Some(before) => SetExpr::SetOperation {
                op: SetOperator::Union,
                set_quantifier: SetQuantifier::All,
                left: Box::new(before),
                right: Box::new(body),
            },
        });
    }
    all.ok_or_else(|| Error::new(SqlState::SYNTAX_ERROR, "VALUES without rows"))
}

fn values_source(
    scope: &mut Scope<'_>,
    target: &Target,
    columns: &[usize],
    values: &Values,
) -> Result<Source> {
    let types = std::mem::take(&mut scope.types);
    let mut compiler = Compiler::without_row(scope.runtime, scope.names, types);
    let mut rows = Vec::with_capacity(values.rows.len());
    for row in &values.rows {
        if row.content.len() != columns.len() {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                "VALUES lists must all be the same length",
            ));
        }
        let mut cells = Vec::with_capacity(columns.len());
        for (e, position) in row.content.iter().zip(columns) {
            let ty = target.shape.columns()[*position].ty;
            let cell = if is_default(e) { None } else { Some(compiler.cell(e, Some(ty))?) };
            cells.push(cell);
        }
        rows.push(cells);
    }
    scope.types = compiler.types;
    Ok(Source::Values(rows))
}

/// Compiles the defaults that may be needed, and tells if they take values from sequences.
fn defaults(
    scope: &mut Scope<'_>,
    shape: &Shape,
    given: &[usize],
    source: &Source,
) -> Result<(Vec<(usize, Cell)>, bool)> {
    let explicit = match source {
        Source::Values(rows) => rows.iter().flatten().any(Option::is_none),
        Source::Query(_) => false,
    };
    let mut compiler = Compiler::without_row(scope.runtime, scope.names, Vec::new());
    let mut all = Vec::new();
    for (i, column) in shape.visible() {
        if !explicit && given.contains(&i) {
            continue;
        }
        if let Some(e) = default_of(scope.catalog, shape.table.id, column)? {
            all.push((i, compiler.cell(&e, Some(column.ty))?));
        }
    }
    Ok((all, compiler.draws))
}
