//! ON CONFLICT.

use super::{Arbiter, Conflict};
use crate::cell::Compiler;
use crate::change::ast::{fold, last_part};
use crate::change::{Scope, Target};
use crate::shape::{IndexShape, Shape};
use base::{Error, Result, SqlState};
use datafusion::sql::sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, OnConflictAction, OnInsert,
};

pub(super) fn conflict(scope: &mut Scope<'_>, target: &Target, on: &OnInsert) -> Result<Conflict> {
    let OnInsert::OnConflict(on) = on else {
        return Err(Error::unsupported("ON DUPLICATE KEY"));
    };
    let shape = &target.shape;
    let arbiter = match &on.conflict_target {
        Some(ConflictTarget::Columns(names)) => {
            let wanted = names.iter().map(|n| shape.position(&fold(n)));
            Some(by_columns(shape, wanted.collect::<Result<_>>()?).ok_or_else(no_constraint)?)
        }
        Some(ConflictTarget::OnConstraint(name)) => Some(by_name(shape, &last_part(name)?)?),
        None => None,
    };
    let update = match &on.action {
        OnConflictAction::DoNothing => return Ok(Conflict::Skip(arbiter)),
        OnConflictAction::DoUpdate(update) => update,
    };
    let arbiter = arbiter.ok_or_else(|| {
        Error::new(
            SqlState::SYNTAX_ERROR,
            "ON CONFLICT DO UPDATE requires inference specification or constraint name",
        )
    })?;
    let parts = [(target.alias.as_str(), shape.schema.clone()), ("excluded", shape.schema.clone())];
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
    if compiler.draws {
        return Err(Error::unsupported("nextval() in ON CONFLICT DO UPDATE"));
    }
    scope.types = compiler.types;
    Ok(Conflict::Update(arbiter, sets, condition))
}

/// What keeps rows with the same values of these columns apart, in whatever order they are named.
fn by_columns(shape: &Shape, mut wanted: Vec<usize>) -> Option<Arbiter> {
    wanted.sort_unstable();
    wanted.dedup();
    let same = |columns: &[usize]| {
        let mut columns = columns.to_vec();
        columns.sort_unstable();
        columns == wanted
    };
    if same(&shape.key) && !shape.table.has_hidden_key() {
        return Some(Arbiter::Key);
    }
    let usable = |i: &IndexShape| i.index.unique && i.index.ready && same(&i.columns);
    shape.indexes.iter().position(usable).map(Arbiter::Index)
}

fn by_name(shape: &Shape, name: &str) -> Result<Arbiter> {
    if name == shape.table.key_name() && !shape.table.has_hidden_key() {
        return Ok(Arbiter::Key);
    }
    let is = |i: &IndexShape| i.index.constraint && i.index.ready && i.index.name == name;
    shape.indexes.iter().position(is).map(Arbiter::Index).ok_or_else(|| {
        Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!("constraint \"{name}\" for table \"{}\" does not exist", shape.table.name),
        )
    })
}

fn no_constraint() -> Error {
    Error::new(
        SqlState::INVALID_COLUMN_REFERENCE,
        "there is no unique or exclusion constraint matching the ON CONFLICT specification",
    )
}
