//! Putting one execution's values into a plan: parameters, time, user.

use super::functions::{Circumstances, session_value};
use super::parameters::placeholder_index;
use crate::{error, sequence};
use base::{Error, Result, SqlState};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The plan with every parameter and every session function replaced by its value.
pub fn bind(plan: LogicalPlan, params: &[ScalarValue], c: &Circumstances) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|plan| {
        let names = NamePreserver::new(&plan);
        let bound = plan.map_expressions(|e| {
            let name = names.save(&e);
            let done = bind_expr(e, params, c)?;
            Ok(done.update_data(|e| name.restore(e)))
        })?;
        if bound.transformed { bound.map_data(|plan| plan.recompute_schema()) } else { Ok(bound) }
    })
    .map(|t| t.data)
    .map_err(error::datafusion)
}

fn bind_expr(
    e: Expr,
    params: &[ScalarValue],
    c: &Circumstances,
) -> Result<Transformed<Expr>, DataFusionError> {
    e.transform_up(|e| match &e {
        Expr::Placeholder(p) => {
            let value = placeholder_index(&p.id).and_then(|i| params.get(i)).ok_or_else(|| {
                error::wrap(Error::new(
                    SqlState::UNDEFINED_PARAMETER,
                    format!("there is no parameter {}", p.id),
                ))
            })?;
            Ok(Transformed::yes(Expr::Literal(value.clone(), None)))
        }
        Expr::ScalarFunction(f) => match session_value(f.func.name(), c) {
            Some(value) => Ok(Transformed::yes(Expr::Literal(value, None))),
            None => match sequence::bind(f, c) {
                Some(call) => call.map(Transformed::yes),
                None => Ok(Transformed::no(e)),
            },
        },
        _ => Ok(Transformed::no(e)),
    })
}
