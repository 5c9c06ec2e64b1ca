//! Queries over tables that are always empty.
//!
//! `psql` asks for policies, publications, statistics objects and triggers of every table. None of
//! them exists here, so the answer is known without planning the query, whose expressions are the
//! hardest of all.

use super::{arguments, function_name, names, null};
use crate::system::mention::relation;
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, GroupByExpr, JoinOperator, Query, Select, SelectItem, SetExpr,
    SetOperator, TableFactor, TableWithJoins, Value,
};

/// Tables of `pg_catalog` that never have rows here.
const ALWAYS_EMPTY: &[&str] = &[
    "pg_aggregate",
    "pg_cast",
    "pg_collation",
    "pg_conversion",
    "pg_default_acl",
    "pg_description",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_group",
    "pg_inherits",
    "pg_language",
    "pg_matviews",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_partitioned_table",
    "pg_policies",
    "pg_policy",
    "pg_prepared_statements",
    "pg_prepared_xacts",
    "pg_proc",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_range",
    "pg_rewrite",
    "pg_rules",
    "pg_shdescription",
    "pg_statistic_ext",
    "pg_subscription",
    "pg_trigger",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_user_mapping",
];

/// Functions that give a row even if there are none to aggregate.
const AGGREGATES: &[&str] = &[
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "array_agg",
    "string_agg",
    "bool_and",
    "bool_or",
    "every",
    "json_agg",
    "jsonb_agg",
];

/// Replaces a query that is known to have no rows, or the parts of it that are.
pub(super) fn replace(query: &mut Query) -> bool {
    if query.with.is_some() {
        return false;
    }
    let empty = replace_body(&mut query.body);
    if empty {
        // It may name columns that are gone.
        query.order_by = None;
    }
    empty
}

/// True if a query is known to have no rows.
pub(super) fn is_empty(query: &Query) -> bool {
    replace(&mut query.clone())
}

fn replace_body(body: &mut SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => replace_select(select),
        SetExpr::Query(query) => replace(query),
        SetExpr::SetOperation { op, left, right, .. } => {
            let (left, right) = (replace_body(left), replace_body(right));
            match op {
                SetOperator::Union => left && right,
                SetOperator::Intersect => left || right,
                _ => left,
            }
        }
        _ => false,
    }
}

fn replace_select(select: &mut Select) -> bool {
    let grouped = matches!(&select.group_by, GroupByExpr::Expressions(by, _) if !by.is_empty());
    let known = (select.from.iter().any(no_rows) || is_packed_sequence(select))
        && (grouped || !select.projection.iter().any(aggregates))
        && select.projection.iter().all(is_one_column);
    if !known {
        return false;
    }
    for item in &mut select.projection {
        let alias = match item {
            SelectItem::ExprWithAlias { alias, .. } => alias.clone(),
            SelectItem::UnnamedExpr(expr) => names::of(expr),
            _ => continue,
        };
        *item = SelectItem::ExprWithAlias { expr: null_text(), alias };
    }
    unique_names(&mut select.projection);
    select.from.clear();
    select.distinct = None;
    select.selection = Some(Expr::Value(Value::Boolean(false).into()));
    select.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
    select.having = None;
    true
}

/// One client asks for the options of an identity column as one JSON object and does without if
/// there are none; there is no such function here.
fn is_packed_sequence(select: &Select) -> bool {
    let packed = |item: &SelectItem| item.to_string().contains("json_build_object");
    let sequences = |from: &TableWithJoins| from.to_string().contains("pg_sequence");
    select.projection.iter().any(packed) && select.from.iter().any(sequences)
}

/// DataFusion wants each column of a projection to have its own name.
fn unique_names(items: &mut [SelectItem]) {
    let mut seen = std::collections::BTreeSet::new();
    for item in items {
        if let SelectItem::ExprWithAlias { alias, .. } = item {
            while !seen.insert(alias.value.clone()) {
                alias.value.push('_');
            }
        }
    }
}

fn null_text() -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(null()),
        data_type: DataType::Text,
        array: false,
        format: None,
    }
}

/// True if a table with its joins has no rows for sure.
fn no_rows(from: &TableWithJoins) -> bool {
    let mut empty = is_empty_table(&from.relation);
    for join in &from.joins {
        let right = is_empty_table(&join.relation);
        empty = match join.join_operator {
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => {
                empty || right
            }
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => empty,
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => right,
            _ => empty && right,
        };
    }
    empty
}

fn is_empty_table(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::Table { name, args: None, .. } => {
            relation(name).is_some_and(|(schema, name)| {
                schema == "pg_catalog" && ALWAYS_EMPTY.binary_search(&name.as_str()).is_ok()
            })
        }
        // No table has storage parameters here.
        TableFactor::Table { name, args: Some(args), .. } => {
            name.to_string().ends_with("unnest") && args.to_string_list().contains("reloptions")
        }
        TableFactor::Function { name, args, .. } => {
            name.to_string().ends_with("unnest")
                && args.iter().any(|a| a.to_string().ends_with("reloptions"))
        }
        TableFactor::UNNEST { array_exprs, .. } => {
            array_exprs.iter().any(|e| e.to_string().ends_with("reloptions"))
        }
        TableFactor::Derived { subquery, .. } => is_empty(subquery),
        _ => false,
    }
}

/// A table function's arguments as text.
trait ArgumentText {
    fn to_string_list(&self) -> String;
}

impl ArgumentText for datafusion::sql::sqlparser::ast::TableFunctionArgs {
    fn to_string_list(&self) -> String {
        self.args.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

fn is_one_column(item: &SelectItem) -> bool {
    matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
}

fn aggregates(item: &SelectItem) -> bool {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => aggregate(expr),
        _ => false,
    }
}

/// True if an aggregate stands where clients put them: at the top, or inside one call or cast.
fn aggregate(expr: &Expr) -> bool {
    match expr {
        Expr::Function(function) => {
            AGGREGATES.contains(&function_name(function).as_str())
                || arguments(function).into_iter().any(aggregate)
        }
        Expr::Cast { expr, .. } | Expr::Nested(expr) => aggregate(expr),
        Expr::BinaryOp { left, right, .. } => aggregate(left) || aggregate(right),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn tables_are_sorted_by_name() {
        assert!(super::ALWAYS_EMPTY.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
