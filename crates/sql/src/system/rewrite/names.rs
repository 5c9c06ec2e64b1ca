//! Names of result columns: an expression that is rewritten keeps the name it had.

use crate::system::mention::parts;
use datafusion::sql::sqlparser::ast::{DataType, Expr, Ident, Query, SelectItem, SetExpr};
use std::collections::BTreeSet;

/// Gives expressions that will be rewritten the name PostgreSQL gives them, as long as it is the
/// only column of that name: the planner wants them to differ.
pub(super) fn keep(items: &mut [SelectItem]) {
    let mut taken: BTreeSet<String> = items.iter().filter_map(given).collect();
    for item in items {
        if let SelectItem::UnnamedExpr(expr) = item
            && is_rewritten(expr)
        {
            let alias = of(expr);
            if taken.insert(alias.value.clone()) {
                let expr = expr.clone();
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
        }
    }
}

/// The name PostgreSQL gives an unnamed result column.
pub(super) fn of(expr: &Expr) -> Ident {
    name(expr).unwrap_or_else(|| Ident::with_quote('"', "?column?"))
}

/// A cast is named after its operand, or after its type if the operand has no name.
fn name(expr: &Expr) -> Option<Ident> {
    match expr {
        Expr::Cast { expr, data_type, .. } => operand(expr).or_else(|| type_name(data_type)),
        other => operand(other),
    }
}

fn operand(expr: &Expr) -> Option<Ident> {
    match expr {
        Expr::Identifier(ident) => Some(ident.clone()),
        Expr::CompoundIdentifier(idents) => idents.last().cloned(),
        Expr::Function(function) => parts(&function.name).pop().map(Ident::new),
        Expr::Cast { expr, .. } | Expr::Nested(expr) => operand(expr),
        Expr::Case { .. } => Some(Ident::new("case")),
        Expr::Subquery(query) => first_item(query),
        _ => None,
    }
}

fn type_name(ty: &DataType) -> Option<Ident> {
    match ty {
        DataType::Custom(name, _) => parts(name).pop().map(Ident::new),
        other => Some(Ident::new(other.to_string().to_lowercase())),
    }
}

fn first_item(query: &Query) -> Option<Ident> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    match select.projection.first()? {
        SelectItem::UnnamedExpr(expr) => name(expr),
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.clone()),
        _ => None,
    }
}

/// The name a column has without doing anything.
fn given(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        SelectItem::UnnamedExpr(expr) if !is_rewritten(expr) => Some(of(expr).value),
        _ => None,
    }
}

fn is_rewritten(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Subquery(_) | Expr::Cast { data_type: DataType::Custom(..) | DataType::Regclass, .. }
    )
}
