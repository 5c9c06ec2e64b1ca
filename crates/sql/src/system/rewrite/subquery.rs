//! Subqueries that stand for one value, and `ARRAY(SELECT …)`.

use super::{arguments, call, empty, function_name, literal, null};
use crate::statement::fold;
use crate::system::mention::{parts, relation};
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, FunctionArguments, GroupByExpr, Query, Select,
    SelectItem, SetExpr, TableFactor,
};

/// `(SELECT e FROM pg_… …)`: NULL if it has no rows, else `max(e)`, because the planner takes a
/// subquery that depends on the outer row only if it has one row for sure.
pub(super) fn single_row(expr: &mut Expr) {
    let Expr::Subquery(query) = expr else { return };
    if empty::is_empty(query) {
        *expr = null();
        return;
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    if query.limit_clause.is_some() || !names_system(select) {
        return;
    }
    if !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty()) {
        return;
    }
    match select.projection.as_mut_slice() {
        [SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. }]
            if !is_aggregate(e) =>
        {
            let inner = std::mem::replace(e, null());
            *e = call("max", vec![inner]);
            query.order_by = None;
        }
        _ => return,
    }
    if let Some(condition) = take_outer_conditions(select) {
        let result = std::mem::replace(expr, null());
        *expr = Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen { condition, result }],
            else_result: None,
        };
    }
}

/// Takes the conditions that are about the outer row alone, such as `AND a.atthasdef`, out of a
/// subquery: the planner wants each to name a column of both sides.
fn take_outer_conditions(select: &mut Select) -> Option<Expr> {
    let mut own = Vec::new();
    for from in &select.from {
        own.extend(table_name(&from.relation));
        own.extend(from.joins.iter().filter_map(|join| table_name(&join.relation)));
    }
    let is_outer = |e: &Expr| match e {
        Expr::CompoundIdentifier(idents) => {
            idents.first().is_some_and(|table| !own.contains(&fold(table)))
        }
        _ => false,
    };
    let (outer, inner): (Vec<Expr>, Vec<Expr>) =
        conjuncts(select.selection.take()?).into_iter().partition(is_outer);
    select.selection = inner.into_iter().reduce(and);
    outer.into_iter().reduce(and)
}

fn conjuncts(expr: Expr) -> Vec<Expr> {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            let mut all = conjuncts(*left);
            all.extend(conjuncts(*right));
            all
        }
        other => vec![other],
    }
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: Box::new(right) }
}

/// What a table of a FROM list is called in expressions.
fn table_name(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { alias: Some(alias), .. } => Some(fold(&alias.name)),
        TableFactor::Table { name, .. } => parts(name).pop(),
        _ => None,
    }
}

/// `ARRAY(SELECT e …)`.
pub(super) fn arrays(expr: &mut Expr) {
    if let Some(plain) = without_empty_list(expr) {
        *expr = plain;
        return;
    }
    let Some(query) = array_query(expr) else { return };
    if let Some(member) = groups_of(query) {
        *expr = call("system_roles_of", vec![member]);
        return;
    }
    if empty::is_empty(query) {
        *expr = literal("{}");
        return;
    }
    let mut query = query.clone();
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    if let [SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. }] =
        select.projection.as_mut_slice()
    {
        let inner = std::mem::replace(e, null());
        *e = call("array_agg", vec![inner]);
        query.order_by = None;
        *expr = Expr::Subquery(Box::new(query));
    }
}

/// `SELECT … FROM pg_auth_members m … WHERE m.member = r.oid`: whose groups are wanted. Asked of a
/// function, because a list for each outer row is not what the planner can do.
fn groups_of(query: &Query) -> Option<Expr> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let from = select.from.first()?;
    let TableFactor::Table { name, .. } = &from.relation else { return None };
    relation(name).filter(|(_, name)| name == "pg_auth_members")?;
    let own = table_name(&from.relation)?;
    let is_member = |e: &Expr| match e {
        Expr::CompoundIdentifier(idents) => match idents.as_slice() {
            [table, column] => fold(table) == own && fold(column) == "member",
            _ => false,
        },
        _ => false,
    };
    conjuncts(select.selection.clone()?).into_iter().find_map(|e| match e {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } if is_member(&left) => Some(*right),
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } if is_member(&right) => Some(*left),
        _ => None,
    })
}

/// `array_to_string` of nothing is nothing, and a list with nothing added is the list.
fn without_empty_list(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Function(function) if function_name(function) == "array_to_string" => {
            let first = arguments(function).into_iter().next()?;
            array_query(first).filter(|q| empty::is_empty(q)).map(|_| literal(""))
        }
        Expr::BinaryOp { left, op: BinaryOperator::StringConcat, right } => {
            array_query(right).filter(|q| empty::is_empty(q)).map(|_| left.as_ref().clone())
        }
        _ => None,
    }
}

fn array_query(expr: &Expr) -> Option<&Query> {
    match expr {
        Expr::Function(Function { name, args: FunctionArguments::Subquery(query), .. })
            if name.to_string().eq_ignore_ascii_case("array") =>
        {
            Some(query)
        }
        _ => None,
    }
}

fn names_system(select: &Select) -> bool {
    let is_system = |factor: &TableFactor| match factor {
        TableFactor::Table { name, .. } => relation(name).is_some(),
        _ => false,
    };
    select
        .from
        .iter()
        .any(|f| is_system(&f.relation) || f.joins.iter().any(|join| is_system(&join.relation)))
}

fn is_aggregate(expr: &Expr) -> bool {
    match expr {
        Expr::Function(function) => matches!(
            function_name(function).as_str(),
            "count"
                | "sum"
                | "min"
                | "max"
                | "avg"
                | "array_agg"
                | "string_agg"
                | "bool_and"
                | "bool_or"
        ),
        Expr::Cast { expr, .. } | Expr::Nested(expr) => is_aggregate(expr),
        _ => false,
    }
}
