//! Casts to types that only the catalogs use.
//!
//! A `regclass` is a number that shows as a name. There is no such type here, so the cast does what
//! its operand suggests: a literal is a name to be looked up, anything else is a number to be shown.

use super::{call, function_name, null};
use crate::system::mention::parts;
use datafusion::sql::sqlparser::ast::{CastKind, DataType, ExactNumberInfo, Expr, Value};

/// Replaces the cast, if it is one of these.
pub(super) fn replace(cast: &mut Expr) {
    let Expr::Cast { expr, data_type, .. } = cast else { return };
    let name = match data_type {
        DataType::Regclass => "regclass".to_string(),
        DataType::Custom(name, _) => parts(name).pop().unwrap_or_default(),
        DataType::Text | DataType::Varchar(_) => "text".to_string(),
        _ => return,
    };
    let operand = std::mem::replace(expr.as_mut(), null());
    *cast = match name.as_str() {
        "regclass" | "regtype" | "regnamespace" | "regrole" => registered(&name, operand),
        "regproc" | "regprocedure" | "regoper" | "regoperator" => registered("regproc", operand),
        // `'t'::regclass::text` is the name again.
        "text" if looked_up(&operand).is_some() => match looked_up(&operand) {
            Some(kind) => call(&format!("system_{kind}_out"), vec![operand]),
            None => operand,
        },
        "oid" | "xid" | "cid" | "int8" => plain(operand, DataType::BigInt(None)),
        "int4" => plain(operand, DataType::Integer(None)),
        "int2" => plain(operand, DataType::SmallInt(None)),
        "bool" => plain(operand, DataType::Boolean),
        "float4" => plain(operand, DataType::Real),
        "float8" => plain(operand, DataType::DoublePrecision),
        "numeric" => plain(operand, DataType::Numeric(ExactNumberInfo::None)),
        "name" | "char" | "text" | "varchar" | "bpchar" | "cstring" | "aclitem"
        | "pg_node_tree" | "json" | "jsonb" => plain(operand, DataType::Text),
        _ => {
            *expr.as_mut() = operand;
            return;
        }
    };
}

fn plain(operand: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(operand),
        data_type,
        array: false,
        format: None,
    }
}

/// A number to be shown, or a name to be looked up.
fn registered(kind: &str, operand: Expr) -> Expr {
    let way = if is_name(&operand) { "in" } else { "out" };
    call(&format!("system_{kind}_{way}"), vec![operand])
}

/// True for literals and parameters, also if they are cast to text.
fn is_name(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => {
            matches!(value.value, Value::SingleQuotedString(_) | Value::Placeholder(_))
        }
        Expr::Cast { expr, .. } | Expr::Nested(expr) => is_name(expr),
        Expr::Function(function) => matches!(
            function_name(function).as_str(),
            "quote_ident" | "concat" | "format" | "lower" | "current_schema"
        ),
        _ => false,
    }
}

/// The kind of name that an expression has just looked up.
fn looked_up(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Function(function) => {
            let name = function_name(function);
            let kind = name.strip_prefix("system_")?.strip_suffix("_in")?;
            Some(kind.to_string())
        }
        Expr::Nested(expr) => looked_up(expr),
        _ => None,
    }
}
