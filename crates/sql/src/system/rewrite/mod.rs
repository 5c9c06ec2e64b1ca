//! Saying in another way what DataFusion cannot plan. Only statements that concern the system come
//! here, so a user's own statements keep their words.
//!
//! | clients write | here it becomes |
//! |---|---|
//! | a query over a table that is always empty | the same columns, NULL, `WHERE false` |
//! | `CROSS JOIN LATERAL (SELECT e) AS o(n)` | `e` wherever `o.n` stood |
//! | `(SELECT e FROM pg_… WHERE … outer …)` | `(SELECT max(e) …)`: at most one row for the planner |
//! | `ARRAY(SELECT e …)` | `(SELECT array_agg(e) …)`, or an empty list |
//! | `'t'::regclass`, `c.oid::regclass` | a function that looks up the number, or the name |
//! | `x::name`, `x::pg_catalog.int4` | `x::text`, `x::integer` |
//! | `OPERATOR(pg_catalog.~)`, `COLLATE c`, `pg_catalog.f()` | `~`, nothing, `f()` |

mod casts;
mod empty;
mod lateral;
mod names;
mod subquery;

use super::mention::parts;
use crate::walk;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    ObjectName, ObjectNamePart, Query, Select, Statement, TableFactor, VisitorMut,
};
use std::ops::ControlFlow;

/// Rewrites a statement in place.
pub(super) fn rewrite(ast: &mut Statement) {
    let _ = walk::change(ast, &mut Rewriter);
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        empty::replace(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        lateral::inline(select);
        names::keep(&mut select.projection);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                strip(name);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        subquery::single_row(expr);
        subquery::arrays(expr);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => strip(&mut function.name),
            Expr::Cast { .. } => casts::replace(expr),
            Expr::Collate { expr: inner, .. } => {
                let inner = std::mem::replace(inner.as_mut(), null());
                *expr = inner;
            }
            Expr::BinaryOp { op, .. } => plain_operator(op),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Takes `pg_catalog.` from a function's name.
fn strip(name: &mut ObjectName) {
    if let [schema, _] = parts(name).as_slice()
        && schema == "pg_catalog"
    {
        name.0.remove(0);
    }
}

/// `OPERATOR(pg_catalog.~)` to `~`, and so on.
fn plain_operator(op: &mut BinaryOperator) {
    let BinaryOperator::PGCustomBinaryOperator(names) = op else { return };
    let plain = match names.last().map(String::as_str) {
        Some("~") => BinaryOperator::PGRegexMatch,
        Some("~*") => BinaryOperator::PGRegexIMatch,
        Some("!~") => BinaryOperator::PGRegexNotMatch,
        Some("!~*") => BinaryOperator::PGRegexNotIMatch,
        Some("=") => BinaryOperator::Eq,
        Some("<>") => BinaryOperator::NotEq,
        Some("<") => BinaryOperator::Lt,
        Some("<=") => BinaryOperator::LtEq,
        Some(">") => BinaryOperator::Gt,
        Some(">=") => BinaryOperator::GtEq,
        Some("||") => BinaryOperator::StringConcat,
        Some("+") => BinaryOperator::Plus,
        Some("-") => BinaryOperator::Minus,
        Some("*") => BinaryOperator::Multiply,
        Some("~~") => BinaryOperator::PGLikeMatch,
        Some("!~~") => BinaryOperator::PGNotLikeMatch,
        _ => return,
    };
    *op = plain;
}

/// `NULL`
fn null() -> Expr {
    Expr::Value(datafusion::sql::sqlparser::ast::Value::Null.into())
}

/// A text literal.
fn literal(text: &str) -> Expr {
    let value = datafusion::sql::sqlparser::ast::Value::SingleQuotedString(text.to_string());
    Expr::Value(value.into())
}

/// `name(arguments)`
fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    use datafusion::sql::sqlparser::ast::FunctionArgumentList;
    let args = arguments.into_iter();
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e))).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// The arguments of a function, as far as they are plain expressions.
fn arguments(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    let plain = |arg| match arg {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref e)) => Some(e),
        _ => None,
    };
    list.args.iter().filter_map(plain).collect()
}

/// The name of a function, without schema.
fn function_name(function: &Function) -> String {
    parts(&function.name).pop().unwrap_or_default()
}
