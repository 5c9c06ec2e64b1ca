//! INSERT.

use super::ast::{fold, is_default, last_part, parse_expr};
use super::lock::lock_and_read;
use super::returning::Returning;
use super::table::Target;
use super::{Changed, Run, Scope};
use crate::cell::{Cell, Compiler, Computed};
use crate::plan::{self, assigned};
use crate::shape::{Place, Shape};
use crate::types::Assigner;
use base::{Error, Result, SqlState, Value};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, Insert, OnConflictAction, OnInsert, Query, SetExpr, Statement,
    TableObject, Values, With,
};
use futures::StreamExt;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where the rows come from.
pub enum Source {
    /// `VALUES`, one vector of expressions per row; `None` is `DEFAULT`.
    Values(Vec<Vec<Option<Cell>>>),
    /// Any other query.
    Query(Box<LogicalPlan>),
}

/// What to do if the key exists.
pub enum Conflict {
    /// 23505.
    Fail,
    /// Leave the row out.
    Skip,
    /// Change the existing row: `(column, value)`, if the condition holds. Expressions are over the
    /// existing row followed by the one that was to be inserted.
    Update(Vec<(usize, Cell)>, Option<Computed>),
}

/// A compiled INSERT.
pub struct InsertPlan {
    /// The table.
    pub shape: Arc<Shape>,
    /// The columns the source's columns go to, by position.
    pub columns: Vec<usize>,
    /// The rows.
    pub source: Source,
    /// Defaults of the other columns.
    defaults: Vec<(usize, Cell)>,
    conflict: Conflict,
    /// RETURNING.
    pub returning: Option<Returning>,
}

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
        let defaults = defaults(scope, &target.shape, &columns, &source)?;
        let conflict = match &ast.on {
            None => Conflict::Fail,
            Some(on) => conflict(scope, &target, on)?,
        };
        let returning = match &ast.returning {
            Some(items) => Some(Returning::compile(scope, &target, items)?),
            None => None,
        };
        Ok(InsertPlan { shape: target.shape, columns, source, defaults, conflict, returning })
    }

    /// For rows that come from elsewhere (COPY) into these columns.
    pub fn for_rows(scope: &mut Scope<'_>, shape: Arc<Shape>, named: &[String]) -> Result<InsertPlan> {
        let columns = column_list(&shape, named)?;
        let source = Source::Values(Vec::new());
        let defaults = defaults(scope, &shape, &columns, &source)?;
        Ok(InsertPlan {
            shape,
            columns,
            source,
            defaults,
            conflict: Conflict::Fail,
            returning: None,
        })
    }

    /// A whole row: given values, defaults, hidden key.
    fn complete(&self, run: &Run<'_>, given: Vec<Option<Value>>) -> Result<Vec<Value>> {
        let mut row: Vec<Option<Value>> = vec![None; self.shape.columns().len()];
        for (position, value) in self.columns.iter().zip(given) {
            row[*position] = value;
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
    if let SetExpr::Select(select) = query.body.as_ref() {
        for (item, position) in select.projection.iter().zip(columns.iter()) {
            use datafusion::sql::sqlparser::ast::SelectItem;
            if let SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } = item {
                assigned(&mut scope.types, e, target.shape.columns()[*position].ty);
            }
        }
    }
    let plan = scope.plan(Statement::Query(Box::new(query)))?;
    fit_width(columns, plan.schema().fields().len(), explicit)?;
    Ok(Source::Query(Box::new(plan)))
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

/// Compiles the defaults that may be needed.
fn defaults(
    scope: &mut Scope<'_>,
    shape: &Shape,
    given: &[usize],
    source: &Source,
) -> Result<Vec<(usize, Cell)>> {
    let explicit = match source {
        Source::Values(rows) => rows.iter().flatten().any(Option::is_none),
        Source::Query(_) => false,
    };
    let mut compiler = Compiler::without_row(scope.runtime, scope.names, Vec::new());
    let mut all = Vec::new();
    for (i, column) in shape.visible() {
        if let Some(text) = &column.default
            && (explicit || !given.contains(&i))
        {
            all.push((i, compiler.cell(&parse_expr(text)?, Some(column.ty))?));
        }
    }
    Ok(all)
}

fn conflict(scope: &mut Scope<'_>, target: &Target, on: &OnInsert) -> Result<Conflict> {
    let OnInsert::OnConflict(on) = on else {
        return Err(Error::unsupported("ON DUPLICATE KEY"));
    };
    let shape = &target.shape;
    match &on.conflict_target {
        Some(ConflictTarget::Columns(names)) => {
            let mut key = shape.key.clone();
            let mut wanted =
                names.iter().map(|n| shape.position(&fold(n))).collect::<Result<Vec<_>>>()?;
            key.sort_unstable();
            wanted.sort_unstable();
            if key != wanted {
                return Err(no_constraint());
            }
        }
        Some(ConflictTarget::OnConstraint(name)) => {
            if last_part(name)? != format!("{}_pkey", shape.table.name) {
                return Err(no_constraint());
            }
        }
        None => {}
    }
    let update = match &on.action {
        OnConflictAction::DoNothing => return Ok(Conflict::Skip),
        OnConflictAction::DoUpdate(_) if on.conflict_target.is_none() => {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                "ON CONFLICT DO UPDATE requires inference specification or constraint name",
            ));
        }
        OnConflictAction::DoUpdate(update) => update,
    };
    let parts =
        [(target.alias.as_str(), shape.schema.clone()), ("excluded", shape.schema.clone())];
    let types = std::mem::take(&mut scope.types);
    let mut compiler = Compiler::over(scope.runtime, scope.names, &parts, types)?;
    let mut sets = Vec::new();
    for Assignment { target: column, value } in &update.assignments {
        let AssignmentTarget::ColumnName(name) = column else {
            return Err(Error::unsupported("SET (a, b) = …"));
        };
        let position = shape.position(&last_part(name)?)?;
        if shape.key.contains(&position) {
            return Err(Error::unsupported("changing the primary key in ON CONFLICT DO UPDATE"));
        }
        sets.push((position, compiler.cell(value, Some(shape.columns()[position].ty))?));
    }
    let condition = match &update.selection {
        Some(e) => {
            let e = compiler.logical(e)?;
            Some(compiler.computed(e)?)
        }
        None => None,
    };
    scope.types = compiler.types;
    Ok(Conflict::Update(sets, condition))
}

fn no_constraint() -> Error {
    Error::new(
        SqlState::INVALID_TABLE_DEFINITION,
        "there is no unique or exclusion constraint matching the ON CONFLICT specification",
    )
}

/// Runs an INSERT.
pub async fn insert(run: &mut Run<'_>, plan: &InsertPlan) -> Result<Changed> {
    let mut changed = Changed::default();
    match &plan.source {
        Source::Values(rows) => {
            for chunk in rows.chunks(4096) {
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
