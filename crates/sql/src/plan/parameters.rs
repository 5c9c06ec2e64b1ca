//! Types of parameters: what the client says, else where the parameter stands.

use crate::{types, walk};
use ::arrow::datatypes::FieldRef;
use base::{Result, SqlType};
use datafusion::sql::sqlparser::ast::{
    Expr, LimitClause, Query, SelectItem, SetExpr, Value, ValueWithSpan, Visit, Visitor,
};
use std::ops::ControlFlow;
use std::sync::Arc;

/// `$3` → 2.
pub fn placeholder_index(id: &str) -> Option<usize> {
    id.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)
}

/// The parameter an expression consists of.
pub fn placeholder_of(e: &Expr) -> Option<usize> {
    match e {
        Expr::Value(ValueWithSpan { value: Value::Placeholder(id), .. }) => placeholder_index(id),
        Expr::Nested(inner) => placeholder_of(inner),
        _ => None,
    }
}

/// How many parameters a piece of a statement has: the greatest number in it.
pub fn count_placeholders<T: Visit>(ast: &T) -> usize {
    struct Count(usize);
    impl Visitor for Count {
        type Break = ();
        fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
            if let Value::Placeholder(id) = &value.value
                && let Some(i) = placeholder_index(id)
            {
                self.0 = self.0.max(i + 1);
            }
            ControlFlow::Continue(())
        }
    }
    let mut count = Count(0);
    let _ = walk::read(ast, &mut count);
    count.0
}

/// Notes that a parameter is assigned to a column (or otherwise must have this type), unless its
/// type is known already.
pub fn assigned(types: &mut [Option<SqlType>], e: &Expr, ty: SqlType) {
    if let Some(i) = placeholder_of(e)
        && let Some(slot @ None) = types.get_mut(i)
    {
        *slot = Some(ty);
    }
}

/// Types that follow from the place alone: casts, LIMIT, and bare parameters as result columns.
pub fn placed<T: Visit>(ast: &T, types: &mut [Option<SqlType>]) {
    struct Places<'a>(&'a mut [Option<SqlType>]);
    impl Visitor for Places<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, e: &Expr) -> ControlFlow<()> {
            if let Expr::Cast { expr, data_type, .. } = e
                && let Ok(ty) = types::sql_type(data_type)
            {
                assigned(self.0, expr, ty);
            }
            ControlFlow::Continue(())
        }

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &query.limit_clause {
                for e in limit.iter().chain(offset.iter().map(|o| &o.value)) {
                    assigned(self.0, e, SqlType::BigInt);
                }
            }
            if let SetExpr::Select(select) = query.body.as_ref() {
                for item in &select.projection {
                    if let SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } =
                        item
                    {
                        assigned(self.0, e, SqlType::Text);
                    }
                }
            }
            ControlFlow::Continue(())
        }
    }
    let _ = walk::read(ast, &mut Places(types));
}

/// The types in the form the planner takes.
pub fn fields(types: &[Option<SqlType>]) -> Vec<Option<FieldRef>> {
    types.iter().map(|t| t.map(|t| Arc::new(types::field("", t, true)))).collect()
}

/// True if the expression has a parameter anywhere.
pub fn has_placeholder(e: &Expr) -> bool {
    count_placeholders(e) > 0
}

/// Checks that the client sent as many values as there are parameters.
pub fn check_count(wanted: usize, got: usize) -> Result<()> {
    if wanted == got {
        return Ok(());
    }
    Err(base::Error::new(
        base::SqlState::PROTOCOL_VIOLATION,
        format!("the statement has {wanted} parameters, but {got} values came"),
    ))
}
