//! Comparisons with literals, as PostgreSQL reads them: a quoted literal has no type of its own
//! and takes the type of what it is compared with.

use crate::error::wrap;
use crate::types::{arrow_type, fit, sql_type_of, to_scalar};
use ::arrow::datatypes::FieldRef;
use base::SqlType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, TypePlanner};
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType};
use std::sync::Arc;

/// Gives literals their type.
#[derive(Debug)]
pub(super) struct Literals;

impl ExprPlanner for Literals {
    fn plan_binary_op(
        &self,
        mut raw: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let compares = matches!(
            raw.op,
            BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq
        );
        if compares {
            if let Some(typed) = typed(&raw.right, &raw.left, schema)? {
                raw.right = typed;
            } else if let Some(typed) = typed(&raw.left, &raw.right, schema)? {
                raw.left = typed;
            }
        }
        Ok(PlannerResult::Original(raw))
    }
}

/// `literal` in the type of `other`, if it is a quoted one and `other` is not text.
fn typed(literal: &Expr, other: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)), None) = literal else {
        return Ok(None);
    };
    if matches!(other, Expr::Literal(..) | Expr::Placeholder(_)) {
        return Ok(None);
    }
    let Ok((_, field)) = other.to_field(schema) else {
        return Ok(None);
    };
    let ty = sql_type_of(&field);
    if field.data_type() != &arrow_type(ty) || matches!(ty, SqlType::Text | SqlType::Varchar(_)) {
        return Ok(None);
    }
    let value = match ty {
        // Longer text simply compares as different.
        SqlType::Char(_) => match fit(base::Value::Text(text.as_str().into()), ty) {
            Ok(value) => value,
            Err(_) => return Ok(None),
        },
        // A literal of another scale than the column's must not be rounded before it is compared.
        SqlType::Numeric { .. } => {
            let wide = SqlType::Numeric { precision: 38, scale: scale_of(text) };
            let value = crate::text::parse(wide, text).map_err(wrap)?;
            return Ok(Some(Expr::Literal(to_scalar(&value, wide), None)));
        }
        _ => crate::text::parse(ty, text).map_err(wrap)?,
    };
    Ok(Some(Expr::Literal(to_scalar(&value, ty), None)))
}

fn scale_of(text: &str) -> u8 {
    let digits = text.split_once('.').map_or("", |(_, fraction)| fraction.trim_end());
    digits.bytes().take_while(u8::is_ascii_digit).count().min(30) as u8
}

/// Types in casts are the types of columns.
#[derive(Debug)]
pub(super) struct CastTypes;

impl TypePlanner for CastTypes {
    fn plan_type_field(&self, ty: &DataType) -> Result<Option<FieldRef>> {
        if matches!(ty, DataType::Interval { .. } | DataType::Array(_)) {
            return Ok(None);
        }
        let name = ty.to_string();
        if name.eq_ignore_ascii_case("regclass") || name.eq_ignore_ascii_case("oid") {
            return Ok(Some(Arc::new(crate::types::field("", SqlType::BigInt, true))));
        }
        let ty = crate::types::sql_type(ty).map_err(wrap)?;
        Ok(Some(Arc::new(crate::types::field("", ty, true))))
    }
}
