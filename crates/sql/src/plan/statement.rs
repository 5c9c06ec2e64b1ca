//! Planning a whole statement.

use super::names::Names;
use super::parameters::{fields, placed, placeholder_index};
use crate::error;
use crate::types::sql_type_of;
use base::{Result, SqlType};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::Statement;

/// Plans a statement with parameters open. `types` holds what is known of their types; planning
/// adds what it finds out.
pub fn plan_statement(
    names: &Names<'_>,
    statement: Statement,
    types: &mut [Option<SqlType>],
) -> Result<LogicalPlan> {
    placed(&statement, types);
    let plan = match attempt(names, statement.clone(), types) {
        // A parameter in a place that says nothing about its type: it is text.
        Err(e) if types.iter().any(Option::is_none) && says_placeholder(&e) => {
            types.iter_mut().for_each(|t| *t = t.or(Some(SqlType::Text)));
            attempt(names, statement, types)
        }
        other => other,
    }
    .map_err(error::datafusion)?;
    learn(&plan, types)?;
    Ok(plan)
}

fn attempt(
    names: &Names<'_>,
    statement: Statement,
    types: &[Option<SqlType>],
) -> datafusion::common::Result<LogicalPlan> {
    let mut context = PlannerContext::new().with_prepare_param_data_types(fields(types));
    SqlToRel::new(names).sql_statement_to_plan_with_context(statement, &mut context)
}

fn says_placeholder(e: &datafusion::error::DataFusionError) -> bool {
    e.to_string().to_ascii_lowercase().contains("placeholder")
}

fn learn(plan: &LogicalPlan, types: &mut [Option<SqlType>]) -> Result<()> {
    if types.iter().all(Option::is_some) {
        return Ok(());
    }
    for (id, field) in plan.get_parameter_fields().map_err(error::datafusion)? {
        if let Some(field) = field
            && let Some(slot @ None) = placeholder_index(&id).and_then(|i| types.get_mut(i))
        {
            *slot = Some(sql_type_of(&field));
        }
    }
    Ok(())
}
