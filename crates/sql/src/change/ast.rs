//! Small readings of the AST.

use base::{Catalog, Column, Error, Result, SqlState, TableId};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr,
    Statement, With,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// An identifier as it is stored: lower case unless quoted.
pub fn fold(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// `schema.name` or `name`.
pub fn schema_and_name(name: &ObjectName) -> Result<(Option<String>, String)> {
    let parts: Option<Vec<String>> = name.0.iter().map(|p| p.as_ident().map(fold)).collect();
    match parts.as_deref() {
        Some([name]) => Ok((None, name.clone())),
        Some([schema, name]) | Some([_, schema, name]) => Ok((Some(schema.clone()), name.clone())),
        _ => Err(Error::new(base::SqlState::SYNTAX_ERROR, format!("not a name: {name}"))),
    }
}

/// The last part of a name.
pub fn last_part(name: &ObjectName) -> Result<String> {
    schema_and_name(name).map(|(_, name)| name)
}

/// `DEFAULT` in place of a value.
pub fn is_default(e: &Expr) -> bool {
    matches!(e, Expr::Identifier(i) if i.quote_style.is_none()
        && i.value.eq_ignore_ascii_case("default"))
}

/// Reads an expression that was stored as text.
pub fn parse_expr(text: &str) -> Result<Expr> {
    let mut e = Parser::new(&PostgreSqlDialect {})
        .try_with_sql(text)
        .and_then(|mut p| p.parse_expr())
        .map_err(|e| Error::internal(format!("stored expression {text:?}: {e}")))?;
    crate::sequence::plain_names(&mut e);
    Ok(e)
}

/// The default of a column: its sequence's next value if it is an identity column, else what was
/// declared; `None` if it has none.
pub fn default_of(catalog: &Catalog, table: TableId, column: &Column) -> Result<Option<Expr>> {
    match (catalog.identity(table, column.id), &column.default) {
        (Some(sequence), _) => parse_expr(&crate::sequence::call_text(sequence)).map(Some),
        (None, Some(text)) => parse_expr(text).map(Some),
        (None, None) => Ok(None),
    }
}

/// A value for an identity column that takes none.
pub fn generated_always(column: &str, message: String) -> Error {
    Error::new(SqlState::GENERATED_ALWAYS, message)
        .detail(format!("Column \"{column}\" is an identity column defined as GENERATED ALWAYS."))
}

/// An empty `SELECT` to fill in.
pub fn select(change: impl FnOnce(&mut Select)) -> Result<Query> {
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, "SELECT 1");
    if let Ok(Some(Statement::Query(mut query))) = parsed.map(|mut all| all.pop())
        && let SetExpr::Select(select) = query.body.as_mut()
    {
        change(select);
        return Ok(*query);
    }
    Err(Error::internal("an empty SELECT does not parse"))
}

/// Takes a statement that changes rows out of `WITH … INSERT/UPDATE/DELETE`.
pub fn split_with(statement: &Statement) -> (Option<With>, &Statement) {
    if let Statement::Query(query) = statement
        && let SetExpr::Insert(inner) | SetExpr::Update(inner) | SetExpr::Delete(inner) =
            query.body.as_ref()
    {
        return (query.with.clone(), inner);
    }
    (None, statement)
}

/// The names PostgreSQL gives to the result columns of a query, as far as they do not come from
/// `*`; `width` is how many columns there are.
pub fn output_names(body: &SetExpr, width: usize) -> Vec<Option<String>> {
    match body {
        SetExpr::Select(select) => names_of(&select.projection, width),
        SetExpr::Query(query) => output_names(&query.body, width),
        SetExpr::SetOperation { left, .. } => output_names(left, width),
        _ => Vec::new(),
    }
}

/// See [`output_names`].
pub fn names_of(items: &[SelectItem], width: usize) -> Vec<Option<String>> {
    let mut names = vec![None; width];
    let stars = |item: &SelectItem| {
        matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
    };
    for (i, item) in items.iter().take_while(|i| !stars(i)).enumerate() {
        if let Some(slot) = names.get_mut(i) {
            *slot = name_of(item);
        }
    }
    if items.iter().any(stars) {
        for (back, item) in items.iter().rev().take_while(|i| !stars(i)).enumerate() {
            if let Some(slot) = width.checked_sub(back + 1).and_then(|i| names.get_mut(i)) {
                *slot = name_of(item);
            }
        }
    }
    names
}

fn name_of(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
        SelectItem::UnnamedExpr(e) => Some(expr_name(e).unwrap_or_else(|| "?column?".into())),
        _ => None,
    }
}

/// The name PostgreSQL gives to an expression.
pub fn expr_name(e: &Expr) -> Option<String> {
    match e {
        Expr::Identifier(i) => Some(fold(i)),
        Expr::CompoundIdentifier(parts) => parts.last().map(fold),
        Expr::Function(f) => {
            let name = match f.name.0.last()? {
                ObjectNamePart::Identifier(i) => fold(i),
                ObjectNamePart::Function(_) => return None,
            };
            Some(match (&f.args, name.as_str()) {
                (FunctionArguments::None, "user") => "current_user".into(),
                _ => name,
            })
        }
        Expr::Cast { expr, data_type, .. } => expr_name(expr).or_else(|| {
            let name = data_type.to_string().to_lowercase();
            Some(match name.split(['(', ' ']).next().unwrap_or("") {
                "int" | "integer" => "int4".into(),
                "bigint" => "int8".into(),
                "smallint" => "int2".into(),
                "boolean" => "bool".into(),
                "double" => "float8".into(),
                "real" => "float4".into(),
                "decimal" => "numeric".into(),
                other => other.into(),
            })
        }),
        Expr::Nested(inner) => expr_name(inner),
        Expr::Case { .. } => Some("case".into()),
        Expr::Exists { .. } => Some("exists".into()),
        Expr::Extract { .. } => Some("extract".into()),
        Expr::Substring { .. } => Some("substring".into()),
        Expr::Trim { .. } => Some("btrim".into()),
        Expr::Position { .. } => Some("position".into()),
        Expr::Ceil { .. } => Some("ceil".into()),
        Expr::Floor { .. } => Some("floor".into()),
        Expr::Subquery(query) => output_names(&query.body, 1).pop().flatten(),
        _ => None,
    }
}
