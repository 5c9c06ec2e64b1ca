//! Checks a value of a setting and brings it into the form that `SHOW` prints.

use super::table::{Definition, Kind};
use base::{Error, Result, SqlState};

/// The value to remember, or why it is refused.
pub(super) fn check(definition: &Definition, value: &str) -> Result<String> {
    let Definition { name, kind, .. } = definition;
    let lower = value.trim().to_ascii_lowercase();
    match kind {
        Kind::Any => Ok(value.to_string()),
        Kind::Fixed | Kind::Live => {
            // Setting a thing to what it is anyway does no harm; drivers do it.
            if lower == definition.default.to_ascii_lowercase() && *kind == Kind::Fixed {
                return Ok(definition.default.to_string());
            }
            Err(fixed(name))
        }
        Kind::Bool => match boolean(&lower) {
            Some(true) => Ok("on".into()),
            Some(false) => Ok("off".into()),
            None => Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("parameter \"{name}\" requires a Boolean value"),
            )),
        },
        Kind::Int(min, max) => match lower.parse::<i64>() {
            Ok(n) if (*min..=*max).contains(&n) => Ok(n.to_string()),
            Ok(n) => Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!(
                    "{n} is outside the valid range for parameter \"{name}\" ({min} .. {max})"
                ),
            )),
            Err(_) => Err(invalid(name, value)),
        },
        Kind::Millis => match millis(&lower) {
            Some(ms) => Ok(show_millis(ms)),
            None => Err(invalid(name, value).hint(
                "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".",
            )),
        },
        Kind::OneOf(choices) => match choices.iter().find(|c| **c == lower) {
            Some(choice) => Ok((*choice).to_string()),
            None => Err(invalid(name, value)
                .hint(format!("Available values: {}.", choices.join(", ")))),
        },
        // Only letters and digits count; a driver sends `'utf-8'` with its quotes.
        Kind::Encoding => match lower.replace(|c: char| !c.is_ascii_alphanumeric(), "").as_str() {
            "utf8" | "unicode" => Ok("UTF8".into()),
            _ => Err(invalid(name, value).hint("Only UTF8 is supported.")),
        },
        Kind::DateStyle => date_style(name, value, &lower),
        // The session warns if another zone was asked for; see `is_utc`.
        Kind::Zone => Ok("UTC".into()),
        Kind::Isolation => match crate::command::IsolationLevel::parse(&lower) {
            Some(level) => Ok(level.name().into()),
            None => Err(invalid(name, value)),
        },
    }
}

/// The refusal to change a setting that cannot be changed.
pub(super) fn fixed(name: &str) -> Error {
    Error::new(SqlState("55P02"), format!("parameter \"{name}\" cannot be changed"))
}

fn invalid(name: &str, value: &str) -> Error {
    Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("invalid value for parameter \"{name}\": \"{value}\""),
    )
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "yes" | "1" | "t" | "y" => Some(true),
        "off" | "false" | "no" | "0" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// Only ISO dates are written; the order of day and month matters for reading.
fn date_style(name: &str, value: &str, lower: &str) -> Result<String> {
    let mut order = "MDY";
    for word in lower.split(',').map(str::trim) {
        match word {
            "iso" | "default" => {}
            "mdy" | "us" | "noneuro" | "noneuropean" => order = "MDY",
            "dmy" | "euro" | "european" => order = "DMY",
            "ymd" => order = "YMD",
            _ => return Err(invalid(name, value).hint("Only the ISO style is supported.")),
        }
    }
    Ok(format!("ISO, {order}"))
}

/// Milliseconds of a number with an optional unit.
pub(super) fn millis(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let factor = match text[digits..].trim() {
        "us" => return Some(number.div_ceil(1000)),
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(factor).filter(|ms| *ms <= i32::MAX as u64)
}

fn show_millis(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    match units.iter().find(|(size, _)| ms > 0 && ms.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", ms / size),
        None if ms == 0 => "0".into(),
        None => format!("{ms}ms"),
    }
}

/// True for the names of the only zone there is.
pub(crate) fn is_utc(zone: &str) -> bool {
    let names =
        ["utc", "gmt", "z", "zulu", "0", "+00", "+00:00", "etc/utc", "etc/gmt", "universal"];
    names.iter().any(|n| zone.trim().eq_ignore_ascii_case(n))
}
