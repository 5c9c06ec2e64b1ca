//! Planning a whole statement.

use super::names::Names;
use super::parameters::{fields, placed, placeholder_index};
use crate::error;
use crate::types::sql_type_of;
use crate::walk;
use base::{Result, SqlType};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SetExpr, Statement, VisitorMut,
};
use std::ops::ControlFlow;

/// Plans a statement with parameters open. `types` holds what is known of their types; planning
/// adds what it finds out.
pub fn plan_statement(
    names: &Names<'_>,
    statement: Statement,
    types: &mut [Option<SqlType>],
) -> Result<LogicalPlan> {
    placed(&statement, types);
    let mut statement = statement;
    visit_selects(&mut statement, &mut super::series::spread);
    let mut distinguished = false;
    let plan = loop {
        let e = match attempt(names, statement.clone(), types) {
            Ok(plan) => break plan,
            Err(e) => e,
        };
        let text = e.to_string();
        if text.contains("unique expression names") && !distinguished {
            distinguish(&mut statement);
            distinguished = true;
        } else if text.to_ascii_lowercase().contains("placeholder")
            && types.iter().any(Option::is_none)
        {
            // A parameter in a place that says nothing about its type: it is text.
            types.iter_mut().for_each(|t| *t = t.or(Some(SqlType::Text)));
        } else {
            return Err(error::datafusion(e));
        }
    };
    learn(&plan, types)?;
    Ok(plan)
}

/// PostgreSQL lets several result columns have one name, DataFusion does not: those that come again
/// get a name that nobody sees, because clients are told names that come from the statement.
fn distinguish(statement: &mut Statement) {
    let top = match statement {
        Statement::Query(query) => query.body.as_ref().clone(),
        _ => return,
    };
    visit_selects(statement, &mut |select: &mut Select| {
        let is_top = matches!(&top, SetExpr::Select(top) if top.as_ref() == select);
        let starred = is_top && select.projection.iter().any(is_star);
        let mut seen: Vec<String> = Vec::new();
        for (n, item) in select.projection.iter_mut().enumerate() {
            let SelectItem::UnnamedExpr(e) = item else { continue };
            let bare = bare(e);
            let text = bare.to_string();
            let column = matches!(bare, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            if seen.contains(&text) || starred && column {
                let alias = Ident::with_quote('"', format!("\u{1}{n}"));
                *item = SelectItem::ExprWithAlias { expr: e.clone(), alias };
            } else {
                seen.push(text);
            }
        }
    });
}

/// Without casts, which have no part in a name.
fn bare(e: &Expr) -> &Expr {
    match e {
        Expr::Cast { expr, .. } | Expr::Nested(expr) => bare(expr),
        _ => e,
    }
}

fn is_star(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

/// Calls `change` for every SELECT of a statement.
fn visit_selects(statement: &mut Statement, change: &mut dyn FnMut(&mut Select)) {
    struct Selects<'c>(&'c mut dyn FnMut(&mut Select));
    impl VisitorMut for Selects<'_> {
        type Break = ();
        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            each_select(&mut query.body, self.0);
            ControlFlow::Continue(())
        }
    }
    let _ = walk::change(statement, &mut Selects(change));
}

fn each_select(body: &mut SetExpr, change: &mut dyn FnMut(&mut Select)) {
    match body {
        SetExpr::Select(select) => change(select),
        SetExpr::SetOperation { left, right, .. } => {
            each_select(left, change);
            each_select(right, change);
        }
        _ => {}
    }
}

fn attempt(
    names: &Names<'_>,
    statement: Statement,
    types: &[Option<SqlType>],
) -> datafusion::common::Result<LogicalPlan> {
    let mut context = PlannerContext::new().with_prepare_param_data_types(fields(types));
    SqlToRel::new(names).sql_statement_to_plan_with_context(statement, &mut context)
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
