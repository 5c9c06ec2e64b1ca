//! `generate_series` in a SELECT list: a row for each value, as in PostgreSQL. DataFusion has a
//! function of that name, whose value is a list.

use crate::walk;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart, Query,
    Select, SelectItem, TableWithJoins, Value, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use std::ops::ControlFlow;

const SERIES: &str = "generate_series";

/// Makes rows of the series in a SELECT list. One that needs nothing else becomes what is selected
/// from, which takes no memory however long it is; any other is a list that is taken apart.
pub(super) fn spread(select: &mut Select) {
    let mut calls = Vec::new();
    each_call(select, &mut |call| calls.push(call.clone()));
    let Some(first) = calls.first() else { return };
    let source = match first {
        Expr::Function(f) if calls.len() == 1 && select.from.is_empty() && is_fixed(f) => {
            rows_of(f)
        }
        _ => None,
    };
    name_first(select);
    each_call(select, &mut |call| {
        let text = match source {
            Some(_) => SERIES.to_owned(),
            None => format!("unnest({call})"),
        };
        if let Ok(e) = parser(&text).and_then(|mut p| p.parse_expr()) {
            *call = e;
        }
    });
    select.from.extend(source);
}

/// A column that is a series has its name, also for a query around this one.
fn name_first(select: &mut Select) {
    let bare = select.projection.iter_mut().find_map(|item| match item {
        SelectItem::UnnamedExpr(e) if is_series(e) => Some((e.clone(), item)),
        _ => None,
    });
    if let Some((expr, item)) = bare {
        *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', SERIES) };
    }
}

/// Calls `change` for the series of a SELECT list, not for those of the queries in it.
fn each_call(select: &mut Select, change: &mut dyn FnMut(&mut Expr)) {
    struct Calls<'c> {
        depth: usize,
        change: &'c mut dyn FnMut(&mut Expr),
    }
    impl VisitorMut for Calls<'_> {
        type Break = ();
        fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }
        fn post_visit_expr(&mut self, e: &mut Expr) -> ControlFlow<()> {
            if self.depth == 0 && is_series(e) {
                (self.change)(e);
            }
            ControlFlow::Continue(())
        }
    }
    let _ = walk::change(&mut select.projection, &mut Calls { depth: 0, change });
}

fn is_series(e: &Expr) -> bool {
    let Expr::Function(Function { name, over: None, .. }) = e else { return false };
    let Some(ObjectNamePart::Identifier(name)) = name.0.last() else { return false };
    name.value.eq_ignore_ascii_case(SERIES)
}

/// True if every argument is known before anything is read.
fn is_fixed(series: &Function) -> bool {
    fn fixed(e: &Expr) -> bool {
        match e {
            Expr::Value(value) => !matches!(value.value, Value::Placeholder(_)),
            Expr::Nested(e) | Expr::UnaryOp { expr: e, .. } | Expr::Cast { expr: e, .. } => {
                fixed(e)
            }
            Expr::BinaryOp { left, right, .. } => fixed(left) && fixed(right),
            _ => false,
        }
    }
    let FunctionArguments::List(list) = &series.args else { return false };
    list.args
        .iter()
        .all(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) if fixed(e)))
}

/// `series AS generate_series(generate_series)`
fn rows_of(series: &Function) -> Option<TableWithJoins> {
    let text = format!("{series} AS {SERIES}({SERIES})");
    parser(&text).and_then(|mut p| p.parse_table_and_joins()).ok()
}

fn parser(text: &str) -> Result<Parser<'static>, ParserError> {
    Parser::new(&PostgreSqlDialect {}).try_with_sql(text)
}
