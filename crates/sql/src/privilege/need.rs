//! What a statement that has a plan wants of the tables it names.

use super::{Identity, Object};
use crate::change::split_with;
use crate::walk;
use base::{Catalog, Privileges, Result, TableId};
use datafusion::sql::sqlparser::ast::{
    Assignment, ConflictTarget, Delete, Expr, FromTable, Insert, OnConflictAction, OnInsert, Query,
    Statement, Update, Visitor,
};
use std::ops::ControlFlow;

/// Privileges wanted of one table or sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Which.
    pub relation: TableId,
    /// What.
    pub privileges: Privileges,
}

impl Need {
    /// Nothing, if a user has them. What is no longer there is for others to say.
    ///
    /// # Errors
    /// 42501
    pub fn check(&self, catalog: &Catalog, by: &Identity) -> Result<()> {
        if let Some(table) = catalog.tables.get(&self.relation) {
            return Object::table(catalog, table).need(by, self.privileges);
        }
        match catalog.sequences.get(&self.relation) {
            Some(sequence) => Object::sequence(catalog, sequence).need(by, self.privileges),
            None => Ok(()),
        }
    }
}

/// What a statement wants of the table that it changes, or whose rows it locks, besides what
/// reading in it wants.
pub fn of_change(statement: &Statement) -> Privileges {
    let statement = match statement {
        Statement::Explain { statement, .. } => statement.as_ref(),
        other => other,
    };
    match split_with(statement).1 {
        Statement::Insert(insert) => of_insert(insert),
        Statement::Update(update) => of_update(update),
        Statement::Delete(delete) => of_delete(delete),
        Statement::Query(query) => of_query(query),
        _ => Privileges::NONE,
    }
}

fn also(all: Privileges, reads: bool) -> Privileges {
    if reads { all.with(Privileges::SELECT) } else { all }
}

fn of_insert(ast: &Insert) -> Privileges {
    let mut all = also(Privileges::INSERT, ast.returning.is_some());
    if let Some(OnInsert::OnConflict(on)) = &ast.on {
        let named = matches!(&on.conflict_target, Some(ConflictTarget::Columns(_)));
        all = also(all, named);
        if let OnConflictAction::DoUpdate(update) = &on.action {
            let reads = update.selection.is_some() || read_columns(&update.assignments);
            all = also(all.with(Privileges::UPDATE), reads);
        }
    }
    all
}

fn of_update(ast: &Update) -> Privileges {
    let reads = ast.selection.is_some()
        || ast.returning.is_some()
        || ast.from.is_some()
        || read_columns(&ast.assignments);
    also(Privileges::UPDATE, reads)
}

fn of_delete(ast: &Delete) -> Privileges {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &ast.from;
    let joined = from.iter().any(|f| !f.joins.is_empty());
    let reads = ast.selection.is_some() || ast.returning.is_some() || ast.using.is_some() || joined;
    also(Privileges::DELETE, reads)
}

/// Locking rows takes a right to change them.
fn of_query(query: &Query) -> Privileges {
    also(if query.locks.is_empty() { Privileges::NONE } else { Privileges::UPDATE }, true)
}

/// True if new values are computed from columns.
fn read_columns(assignments: &[Assignment]) -> bool {
    struct Columns;
    impl Visitor for Columns {
        type Break = ();
        fn pre_visit_expr(&mut self, e: &Expr) -> ControlFlow<()> {
            match e {
                Expr::Identifier(i) if i.value.eq_ignore_ascii_case("default") => {
                    ControlFlow::Continue(())
                }
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    assignments.iter().any(|a| walk::read(&a.value, &mut Columns).is_break())
}
