use super::*;
use base::{SqlType, Value};
use datafusion::common::ScalarValue;

const MONEY: SqlType = SqlType::Numeric { precision: 5, scale: 2 };

fn decimal(v: i128, s: i8) -> ScalarValue {
    ScalarValue::Decimal128(Some(v), 38, s)
}

#[test]
fn assignment_rounds_halves_as_postgres_does() {
    let cases = [
        (decimal(25, 1), SqlType::Int, Value::Int(3)),
        (decimal(-25, 1), SqlType::Int, Value::Int(-3)),
        (decimal(24, 1), SqlType::Int, Value::Int(2)),
        (ScalarValue::Float64(Some(2.5)), SqlType::Int, Value::Int(2)),
        (ScalarValue::Float64(Some(3.5)), SqlType::Int, Value::Int(4)),
        (decimal(1005, 3), MONEY, Value::Decimal(101)),
        (decimal(-1005, 3), MONEY, Value::Decimal(-101)),
        (ScalarValue::Int64(Some(7)), MONEY, Value::Decimal(700)),
        (decimal(1, 1), SqlType::Double, Value::Float8(0.1)),
    ];
    for (from, ty, to) in cases {
        assert_eq!(assign(&from, ty, "c").expect("a value"), to, "{from} to {ty}");
    }
}

#[test]
fn assignment_refuses_what_does_not_fit() {
    let cases = [
        (ScalarValue::Int64(Some(40_000)), SqlType::SmallInt, "22003"),
        (ScalarValue::Int64(Some(1000)), MONEY, "22003"),
        (decimal(999_995, 3), MONEY, "22003"),
        (ScalarValue::Float64(Some(f64::NAN)), SqlType::BigInt, "22003"),
        (ScalarValue::Float64(Some(1e300)), SqlType::Real, "22003"),
        (ScalarValue::Boolean(Some(true)), SqlType::Int, "42804"),
        (ScalarValue::Int32(Some(1)), SqlType::Bool, "42804"),
        (ScalarValue::Int32(Some(1)), SqlType::Date, "42804"),
        (ScalarValue::Utf8(Some("abcd".into())), SqlType::Varchar(3), "22001"),
    ];
    for (from, ty, state) in cases {
        let e = assign(&from, ty, "c").expect_err("refused");
        assert_eq!(e.state.0, state, "{from} to {ty}: {e}");
    }
}

#[test]
fn keys_are_looked_up_exactly_or_not_at_all() {
    let value = |v| Exact::Value(v);
    let cases = [
        (ScalarValue::Int64(Some(5)), SqlType::Int, value(Value::Int(5))),
        (ScalarValue::Int64(Some(1 << 40)), SqlType::Int, Exact::Nothing),
        (decimal(50, 1), SqlType::Int, value(Value::Int(5))),
        (decimal(55, 1), SqlType::Int, Exact::Nothing),
        (decimal(1230, 3), MONEY, value(Value::Decimal(123))),
        (decimal(1234, 3), MONEY, Exact::Nothing),
        (ScalarValue::Null, SqlType::Int, Exact::Nothing),
        (ScalarValue::Float64(Some(1.0)), SqlType::Int, Exact::Unknown),
        (ScalarValue::Utf8(Some("a".into())), SqlType::Char(3), value(Value::Text("a  ".into()))),
    ];
    for (from, ty, to) in cases {
        assert_eq!(exact(&from, ty), to, "{from} as {ty}");
    }
}

#[test]
fn fields_remember_their_sql_type() {
    for ty in [
        SqlType::Uuid,
        SqlType::Jsonb,
        SqlType::Varchar(7),
        SqlType::Char(3),
        SqlType::Text,
        SqlType::TimestampTz,
        MONEY,
    ] {
        assert_eq!(sql_type_of(&field("c", ty, true)), ty);
    }
}
