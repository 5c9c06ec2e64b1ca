//! ON CONFLICT.

use super::Conflict;
use crate::cell::Compiler;
use crate::change::ast::{fold, last_part};
use crate::change::{Scope, Target};
use base::{Error, Result, SqlState};
use datafusion::sql::sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, OnConflictAction, OnInsert,
};

pub(super) fn conflict(scope: &mut Scope<'_>, target: &Target, on: &OnInsert) -> Result<Conflict> {
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
        Some(ConflictTarget::OnConstraint(name))
            if last_part(name)? != format!("{}_pkey", shape.table.name) =>
        {
            return Err(no_constraint());
        }
        Some(ConflictTarget::OnConstraint(_)) | None => {}
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
    Ok(Conflict::Update(sets, condition))
}

fn no_constraint() -> Error {
    Error::new(
        SqlState::INVALID_TABLE_DEFINITION,
        "there is no unique or exclusion constraint matching the ON CONFLICT specification",
    )
}
