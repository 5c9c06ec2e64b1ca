//! `LATERAL` subqueries without a table: only names for expressions.

use crate::statement::fold;
use crate::walk;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, Query, Select, SelectItem, SetExpr, TableAlias,
    TableFactor, VisitorMut,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Puts the expressions of such subqueries where their names stood.
pub(super) fn inline(select: &mut Select) {
    let mut named = BTreeMap::new();
    for from in &mut select.from {
        from.joins.retain(|join| {
            let plain = matches!(
                &join.join_operator,
                JoinOperator::CrossJoin(_)
                    | JoinOperator::Join(JoinConstraint::None)
                    | JoinOperator::Inner(JoinConstraint::None)
            );
            !(plain && take(&join.relation, &mut named))
        });
    }
    if select.from.len() > 1 {
        select.from.retain(|from| !(from.joins.is_empty() && take(&from.relation, &mut named)));
    }
    if !named.is_empty() {
        let _ = walk::change(select, &mut Put(named));
    }
}

/// Notes what a subquery's columns stand for; false if it is not of this kind.
fn take(factor: &TableFactor, named: &mut BTreeMap<(String, String), Expr>) -> bool {
    let TableFactor::Derived { lateral: true, subquery, alias: Some(alias), .. } = factor else {
        return false;
    };
    let Some(expressions) = expressions(subquery) else { return false };
    if alias.columns.len() > expressions.len() {
        return false;
    }
    for (i, (name, expr)) in expressions.into_iter().enumerate() {
        let name = column(alias, i).or(name);
        let Some(name) = name else { return false };
        named.insert((fold(&alias.name), fold(&name)), expr);
    }
    true
}

fn column(alias: &TableAlias, i: usize) -> Option<Ident> {
    alias.columns.get(i).map(|c| c.name.clone())
}

/// The expressions of a subquery that is nothing but `SELECT e, e AS name`.
fn expressions(query: &Query) -> Option<Vec<(Option<Ident>, Expr)>> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let bare = select.from.is_empty()
        && select.selection.is_none()
        && select.having.is_none()
        && select.distinct.is_none()
        && query.with.is_none()
        && query.limit_clause.is_none();
    if !bare {
        return None;
    }
    let one = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) => Some((None, expr.clone())),
        SelectItem::ExprWithAlias { expr, alias } => Some((Some(alias.clone()), expr.clone())),
        _ => None,
    };
    select.projection.iter().map(one).collect()
}

struct Put(BTreeMap<(String, String), Expr>);

impl VisitorMut for Put {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(idents) = expr
            && let [table, name] = idents.as_slice()
            && let Some(meant) = self.0.get(&(fold(table), fold(name)))
        {
            *expr = meant.clone();
        }
        ControlFlow::Continue(())
    }
}
