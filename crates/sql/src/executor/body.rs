//! Compiling statements.

use super::Executor;
use super::query::QueryPlan;
use crate::change::{
    InsertPlan, LockPlan, ModifyPlan, Scope, Source, Target, delete_relation, output_names,
    split_with,
};
use crate::plan::{Names, ResultColumn, Sequences, columns_of};
use crate::point::{LookupPlan, PointPlan};
use crate::privilege::{Need, of_change};
use crate::sequence;
use crate::statement::Stmt;
use crate::system;
use base::{Error, Privileges, Result, SqlType, TableDescriptor};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::sql::sqlparser::ast::{Query, Statement};
use std::borrow::Cow;
use std::sync::Arc;
use txn::Transaction;

/// A compiled statement.
pub(super) struct Compiled {
    /// How it runs.
    pub body: Body,
    /// Types of its parameters.
    pub params: Vec<SqlType>,
    /// What it takes to run it.
    pub needs: Vec<Need>,
    /// The user tables it names.
    pub used: Vec<Arc<TableDescriptor>>,
    /// True if it reads system tables, whose content is fixed while planning.
    pub system: bool,
    /// What it has to do with sequences.
    pub sequences: Sequences,
}

/// How a compiled statement runs.
pub(super) enum Body {
    /// A query.
    Query(QueryPlan),
    /// INSERT
    Insert(InsertPlan),
    /// UPDATE and DELETE
    Modify(ModifyPlan),
    /// A statement about one row.
    Point(PointPlan),
    /// A query for the rows with some values of an index.
    Lookup(Arc<LookupPlan>),
}

impl Compiled {
    /// The result columns.
    pub fn columns(&self) -> Option<Vec<ResultColumn>> {
        match &self.body {
            Body::Query(q) => Some(q.columns.clone()),
            Body::Insert(p) => p.returning.as_ref().map(|r| r.columns.clone()),
            Body::Modify(p) => p.returning.as_ref().map(|r| r.columns.clone()),
            Body::Point(p) => p.output.as_ref().map(|r| r.columns.clone()),
            Body::Lookup(p) => Some(p.output.columns.clone()),
        }
    }

    /// The table it changes.
    pub fn target(&self) -> Option<&TableDescriptor> {
        use crate::point::Action;
        match &self.body {
            Body::Query(q) => q.lock.as_ref().map(|l| l.shape.table.as_ref()),
            Body::Lookup(_) => None,
            Body::Insert(p) => Some(&p.shape.table),
            Body::Modify(p) => Some(&p.shape.table),
            Body::Point(p) if matches!(p.action, Action::Select(None)) => None,
            Body::Point(p) => Some(&p.shape.table),
        }
    }
}

/// True if the statement is a query or changes rows; all others run straight from their AST.
pub(super) fn has_plan(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Sql(ast) if matches!(
        ast.as_ref(),
        Statement::Query(_)
            | Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::Explain { .. }
    ))
}

impl Executor {
    /// Compiles at the transaction's snapshot.
    pub(super) async fn compile(
        &self,
        txn: &mut Transaction,
        stmt: &Stmt,
        types: Vec<Option<SqlType>>,
    ) -> Result<Compiled> {
        let Stmt::Sql(ast) = stmt else {
            return Err(Error::internal("a statement without a plan was compiled"));
        };
        let catalog = txn.catalog().await?;
        let partitions = txn.database().partitions().len() as u16;
        let mut ast = Cow::Borrowed(ast.as_ref());
        if !catalog.sequences.is_empty() && sequence::concerns(ast.as_ref()) {
            sequence::plain_names(ast.to_mut());
        }
        let names = Names::new(&self.runtime, &catalog, &self.database, partitions);
        let mut names = names.counted(txn.database());
        let mut reads_system = system::concerns(&ast);
        let mut found = system::Scope::default();
        if reads_system {
            let source = self.source(catalog.clone());
            found = system::scope(&source, ast.to_mut()).await?.unwrap_or_default();
        }
        let mut needs = Vec::new();
        for sequence in sequence::read_as_tables(&catalog, &ast) {
            reads_system = true;
            needs.push(Need { relation: sequence.id, privileges: Privileges::SELECT });
            let shown = txn.sequence_shown(&sequence).await?;
            let key = (sequence.schema.clone(), sequence.name.clone());
            found.tables.insert(key, sequence::as_table(shown)?);
        }
        if reads_system {
            names = names.with_system(found);
        }
        let mut scope =
            Scope { runtime: &self.runtime, names: &names, catalog: &catalog, partitions, types };
        let mut body = body(&mut scope, &ast)?;
        let params = scope.types.iter().map(|t| t.unwrap_or(SqlType::Text)).collect();
        let mut used = names.used();
        let compiled_target = match &mut body {
            Body::Insert(p) => Some(p.shape.table.clone()),
            Body::Modify(p) => Some(p.shape.table.clone()),
            Body::Point(p) => Some(p.shape.table.clone()),
            Body::Lookup(p) => Some(p.shape.table.clone()),
            Body::Query(_) => None,
        };
        let read = |table: &Arc<TableDescriptor>| Need {
            relation: table.id,
            privileges: Privileges::SELECT,
        };
        needs.extend(used.iter().map(read));
        let locked = match &body {
            Body::Query(q) => q.lock.as_ref().map(|l| l.shape.table.id),
            _ => None,
        };
        let target = compiled_target.as_ref().map(|t| t.id).or(locked).or(names.changed());
        let privileges = of_change(&ast);
        needs.extend(target.map(|relation| Need { relation, privileges }));
        used.extend(compiled_target);
        let (system, sequences) = (reads_system, names.sequences());
        Ok(Compiled { body, params, needs, used, system, sequences })
    }
}

fn body(scope: &mut Scope<'_>, ast: &Statement) -> Result<Body> {
    if let Some(point) = PointPlan::compile(scope, ast) {
        return Ok(Body::Point(point));
    }
    if let Some(lookup) = LookupPlan::compile(scope, ast) {
        return Ok(Body::Lookup(Arc::new(lookup)));
    }
    if let Some(change) = change(scope, ast)? {
        return Ok(change);
    }
    match ast {
        Statement::Query(query) => self::query(scope, query),
        Statement::Explain { statement, analyze, verbose, .. } => {
            explain(scope, ast, statement, *analyze, *verbose)
        }
        other => Err(Error::unsupported(format!("{other}"))),
    }
}

/// INSERT, UPDATE and DELETE by plan; `None` if it is something else.
fn change(scope: &mut Scope<'_>, ast: &Statement) -> Result<Option<Body>> {
    let (with, inner) = split_with(ast);
    Ok(Some(match inner {
        Statement::Insert(insert) => {
            let plan = InsertPlan::compile(scope, insert, with)?;
            scope.names.note_changed(plan.shape.table.id);
            Body::Insert(plan)
        }
        Statement::Update(update) => {
            let target = Target::of(scope, &update.table)?;
            scope.names.note_changed(target.shape.table.id);
            scope.names.set_target(target.shape.clone());
            Body::Modify(ModifyPlan::update(scope, target, update, with)?)
        }
        Statement::Delete(delete) => {
            let target = Target::of(scope, delete_relation(delete)?)?;
            scope.names.note_changed(target.shape.table.id);
            scope.names.set_target(target.shape.clone());
            Body::Modify(ModifyPlan::delete(scope, target, delete, with)?)
        }
        _ => return Ok(None),
    }))
}

fn query(scope: &mut Scope<'_>, query: &Query) -> Result<Body> {
    let lock = LockPlan::compile(scope, query)?;
    let mut plain = query.clone();
    plain.locks.clear();
    let plan = scope.plan(Statement::Query(Box::new(plain)))?;
    let fields = plan.schema().as_arrow();
    let names = output_names(&query.body, fields.fields().len());
    let columns = columns_of(fields, &names);
    Ok(Body::Query(QueryPlan::new(plan, columns, lock, "SELECT")))
}

/// EXPLAIN of a query, or of the query that finds the rows of a change.
fn explain(
    scope: &mut Scope<'_>,
    whole: &Statement,
    inner: &Statement,
    analyze: bool,
    verbose: bool,
) -> Result<Body> {
    let plan = match split_with(inner).1 {
        Statement::Query(_) => scope.plan(whole.clone())?,
        _ if analyze => return Err(Error::unsupported("EXPLAIN ANALYZE of anything but a query")),
        _ => {
            let query = match change(scope, inner)? {
                Some(Body::Modify(plan)) => plan.query,
                Some(Body::Insert(InsertPlan { source: Source::Query(query), .. })) => query,
                _ => return Err(Error::unsupported("EXPLAIN of this statement")),
            };
            let explained = LogicalPlanBuilder::from(*query).explain(verbose, false);
            explained.and_then(LogicalPlanBuilder::build).map_err(crate::error::datafusion)?
        }
    };
    let columns = vec![ResultColumn { name: "QUERY PLAN".into(), ty: SqlType::Text }];
    Ok(Body::Query(QueryPlan::new(plan, columns, None, "EXPLAIN")))
}
