//! Values to text.

use super::calendar::{DAY, Day, SECOND};
use base::{SqlType, Value};
use std::fmt::Write;

/// The text of a value, as a client sees it. NULL is empty: who calls tells it apart.
pub fn format(ty: SqlType, value: &Value) -> String {
    let mut out = String::new();
    write(ty, value, &mut out);
    out
}

/// Appends the text of a value.
pub fn write(ty: SqlType, value: &Value, out: &mut String) {
    match value {
        Value::Null => {}
        Value::Bool(b) => out.push(if *b { 't' } else { 'f' }),
        Value::Int(n) => integer(*n, out),
        Value::Float4(n) => float(f64::from(*n), &format_args!("{n:e}"), 6, out),
        Value::Float8(n) => float(*n, &format_args!("{n:e}"), 15, out),
        Value::Decimal(n) => {
            let scale = if let SqlType::Numeric { scale, .. } = ty { scale } else { 0 };
            decimal(*n, scale, out);
        }
        Value::Text(text) => out.push_str(text),
        Value::Bytes(bytes) => {
            out.push_str("\\x");
            bytes.iter().for_each(|b| add(out, format_args!("{b:02x}")));
        }
        Value::Date(days) => {
            if date(i64::from(*days), out) {
                out.push_str(" BC");
            }
        }
        Value::Micros(micros) if ty == SqlType::Time => clock(*micros, out),
        Value::Micros(micros) => {
            let bc = date(micros.div_euclid(DAY), out);
            out.push(' ');
            clock(micros.rem_euclid(DAY), out);
            if ty == SqlType::TimestampTz {
                out.push_str("+00");
            }
            if bc {
                out.push_str(" BC");
            }
        }
    }
}

/// Writing to a string cannot fail.
fn add(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn integer(n: i64, out: &mut String) {
    add(out, format_args!("{n}"));
}

/// The shortest digits that read back as the same number, in positional or exponent form as
/// PostgreSQL chooses: positional if the exponent is from -4 to below `digits_max`.
fn float(n: f64, shortest: &dyn std::fmt::Display, digits_max: i32, out: &mut String) {
    if n.is_nan() {
        return out.push_str("NaN");
    }
    if n.is_infinite() {
        return out.push_str(if n > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let text = shortest.to_string();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mantissa = match mantissa.strip_prefix('-') {
        Some(rest) => {
            out.push('-');
            rest
        }
        None => mantissa,
    };
    if !(-4..digits_max).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return add(out, format_args!("{mantissa}e{sign}{:02}", exponent.abs()));
    }
    let digits = mantissa.bytes().filter(|b| *b != b'.').map(char::from);
    if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
        return out.extend(digits);
    }
    let whole = exponent as usize + 1;
    let mut written = 0;
    for digit in digits {
        if written == whole {
            out.push('.');
        }
        out.push(digit);
        written += 1;
    }
    out.extend(std::iter::repeat_n('0', whole.saturating_sub(written)));
}

fn decimal(n: i128, scale: u8, out: &mut String) {
    if n < 0 {
        out.push('-');
    }
    let magnitude = n.unsigned_abs();
    if scale == 0 {
        return add(out, format_args!("{magnitude}"));
    }
    let unit = 10_u128.pow(u32::from(scale.min(38)));
    let (whole, fraction) = (magnitude / unit, magnitude % unit);
    add(out, format_args!("{whole}.{fraction:0width$}", width = usize::from(scale)));
}

/// Appends year, month and day; true if the year is before Christ.
fn date(days: i64, out: &mut String) -> bool {
    let Day { year, month, day } = Day::from_days(days);
    let bc = year <= 0;
    let year = if bc { 1 - year } else { year };
    add(out, format_args!("{year:04}-{month:02}-{day:02}"));
    bc
}

/// Appends hours, minutes and seconds, and the fraction without its last zeros.
fn clock(micros: i64, out: &mut String) {
    let seconds = micros / SECOND;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    add(out, format_args!("{hour:02}:{minute:02}:{second:02}"));
    let fraction = micros % SECOND;
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
}
