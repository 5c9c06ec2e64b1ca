//! Rows as JSON for people who look into the vault. Nothing reads it back: what counts is the
//! raw row beside it.

use base::{SqlType, TableDescriptor, Timestamp, Value};
use format::row;
use std::fmt::Write as _;

/// A stored row as an object, in the order of the table's columns.
pub(crate) fn row(table: &TableDescriptor, stored: &[u8]) -> String {
    let Ok(values) = row::decode(stored) else {
        return format!("{{\"unreadable\":{}}}", text(&hex(stored)));
    };
    let of = |id: u32| values.iter().find(|(i, _)| *i == id).map(|(_, v)| v);
    let known = table.columns.iter();
    let mut fields: Vec<(String, String)> =
        known.map(|c| (c.name.clone(), value(c.ty, of(c.id).unwrap_or(&c.missing)))).collect();
    for (id, v) in values.iter().filter(|(id, _)| table.column(*id).is_none()) {
        fields.push((format!("column {id}"), value(SqlType::Text, v)));
    }
    object(&fields)
}

/// A storage key as an object of the primary key's columns.
pub(crate) fn key(table: &TableDescriptor, stored: &[u8]) -> String {
    let columns: Vec<_> = table.primary_key.iter().filter_map(|id| table.column(*id)).collect();
    let types: Vec<_> = columns.iter().map(|c| c.ty).collect();
    match format::key::decode(stored, &types) {
        Ok(values) => object(
            &columns
                .iter()
                .zip(&values)
                .map(|(c, v)| (c.name.clone(), value(c.ty, v)))
                .collect::<Vec<_>>(),
        ),
        Err(_) => unknown_key(stored),
    }
}

/// A storage key of a table that is not known any more.
pub(crate) fn unknown_key(stored: &[u8]) -> String {
    object(&[("key".to_owned(), text(&hex(stored)))])
}

/// A time for people.
pub(crate) fn moment(at: Timestamp) -> String {
    let micros = i64::try_from(at.ms()).unwrap_or(i64::MAX / 1_000).saturating_mul(1_000);
    value(SqlType::TimestampTz, &Value::Micros(micros)).trim_matches('"').to_owned()
}

fn object(fields: &[(String, String)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, v)| format!("{}:{v}", text(name))).collect();
    format!("{{{}}}", fields.join(","))
}

fn text(s: &str) -> String {
    serde_json::Value::from(s).to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("\\x".to_owned(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// One value. Numbers that JSON would round are texts.
fn value(ty: SqlType, v: &Value) -> String {
    match v {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => i.to_string(),
        Value::Float4(f) if f.is_finite() => f.to_string(),
        Value::Float8(f) if f.is_finite() => f.to_string(),
        Value::Float4(f) => text(&f.to_string()),
        Value::Float8(f) => text(&f.to_string()),
        Value::Decimal(d) => text(&decimal(*d, scale(ty))),
        Value::Text(s) => text(s),
        Value::Bytes(b) => text(&hex(b)),
        Value::Date(days) => text(&date(i64::from(*days))),
        Value::Micros(us) if ty == SqlType::Time => text(&time(*us)),
        Value::Micros(us) => {
            let (days, rest) = (us.div_euclid(86_400_000_000), us.rem_euclid(86_400_000_000));
            let zone = if ty == SqlType::TimestampTz { "+00" } else { "" };
            text(&format!("{} {}{zone}", date(days), time(rest)))
        }
    }
}

fn scale(ty: SqlType) -> u32 {
    match ty {
        SqlType::Numeric { scale, .. } => scale.into(),
        _ => 0,
    }
}

fn decimal(unscaled: i128, scale: u32) -> String {
    if scale == 0 {
        return unscaled.to_string();
    }
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    format!("{sign}{whole}.{fraction}")
}

/// Days since 1970-01-01 as year-month-day (proleptic Gregorian).
fn date(days: i64) -> String {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

fn time(us: i64) -> String {
    let (s, fraction) = (us / 1_000_000, us % 1_000_000);
    let clock = format!("{:02}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60);
    if fraction == 0 { clock } else { format!("{clock}.{fraction:06}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_in_sql() {
        let cases = [
            (SqlType::Numeric { precision: 10, scale: 2 }, Value::Decimal(-5), "\"-0.05\""),
            (SqlType::Numeric { precision: 10, scale: 0 }, Value::Decimal(12), "\"12\""),
            (SqlType::Date, Value::Date(0), "\"1970-01-01\""),
            (SqlType::Date, Value::Date(19_782), "\"2024-02-29\""),
            (SqlType::Date, Value::Date(-1), "\"1969-12-31\""),
            (SqlType::Time, Value::Micros(3_661_000_001), "\"01:01:01.000001\""),
            (SqlType::TimestampTz, Value::Micros(-1_000_000), "\"1969-12-31 23:59:59+00\""),
            (SqlType::Text, Value::Text("a\"b".into()), "\"a\\\"b\""),
            (SqlType::Bytea, Value::Bytes(bytes::Bytes::from_static(&[1, 255])), "\"\\\\x01ff\""),
            (SqlType::Double, Value::Float8(f64::NAN), "\"NaN\""),
            (SqlType::BigInt, Value::Int(-7), "-7"),
        ];
        for (ty, v, want) in cases {
            assert_eq!(value(ty, &v), want);
        }
    }
}
