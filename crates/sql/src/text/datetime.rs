//! Dates and times from text: the ISO form straight from the bytes, all others by way of
//! [`super::fields`].

use super::calendar::{DAY, Day, SECOND};
use super::fields;
use base::{Error, Result, SqlState, SqlType, Value};

/// A field of a date or time is outside its range.
const FIELD_OVERFLOW: SqlState = SqlState("22008");

/// An offset from Greenwich is outside its range.
const DISPLACEMENT: SqlState = SqlState("22009");

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) day: Option<Day>,
    /// Since midnight; 24:00:00 is allowed.
    pub(super) clock: Option<i64>,
    /// Seconds east of Greenwich.
    pub(super) offset: Option<i64>,
}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// Not a date or time.
    Syntax,
    /// A month 13 or a 30th of February.
    Range,
    /// An offset of a day or more, or of 60 minutes.
    Displacement,
    /// A zone nobody knows here.
    Zone,
    /// `infinity`, `now` and their like.
    Special,
}

/// A date; a time behind it is dropped.
pub(super) fn date(text: &str) -> Result<Value> {
    let parts = read(text, SqlType::Date).map_err(|bad| error(bad, SqlType::Date, text))?;
    let day = parts.day.ok_or_else(|| error(Bad::Syntax, SqlType::Date, text))?;
    match i32::try_from(day.to_days()) {
        Ok(days) => Ok(Value::Date(days)),
        Err(_) => Err(error(Bad::Range, SqlType::Date, text)),
    }
}

/// A time of day; a date before it and a zone behind it are dropped.
pub(super) fn time(text: &str) -> Result<Value> {
    let parts = read(text, SqlType::Time).map_err(|bad| error(bad, SqlType::Time, text))?;
    let clock = parts.clock.ok_or_else(|| error(Bad::Syntax, SqlType::Time, text))?;
    Ok(Value::Micros(clock))
}

/// A timestamp; without zone, an offset is dropped as PostgreSQL does.
pub(super) fn timestamp(text: &str, ty: SqlType) -> Result<Value> {
    let parts = read(text, ty).map_err(|bad| error(bad, ty, text))?;
    let day = parts.day.ok_or_else(|| error(Bad::Syntax, ty, text))?;
    let offset = if ty == SqlType::TimestampTz { parts.offset.unwrap_or(0) } else { 0 };
    let in_day = parts.clock.unwrap_or(0) - offset * SECOND;
    match day.to_days().checked_mul(DAY).and_then(|micros| micros.checked_add(in_day)) {
        Some(micros) => Ok(Value::Micros(micros)),
        None => Err(error(Bad::Range, ty, text)),
    }
}

fn read(text: &str, ty: SqlType) -> Result<Parts, Bad> {
    match iso(text.trim_ascii().as_bytes()) {
        Some(parts) => parts,
        None => fields::read(text, ty == SqlType::Time),
    }
}

/// `YYYY-MM-DD[{ |T}HH:MM[:SS[.fraction]][zone]]`. `None`: not of this form.
fn iso(text: &[u8]) -> Option<Result<Parts, Bad>> {
    let (date, rest) = text.split_at_checked(10)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else { return None };
    let year = digits(&[*y1, *y2, *y3, *y4])?;
    let (month, day) = (digits(&[*m1, *m2])?, digits(&[*d1, *d2])?);
    let found = Day::new(year as i32, month, day).filter(|d| d.year > 0);
    if found.is_none() {
        return Some(Err(Bad::Range));
    }
    let mut parts = Parts { day: found, ..Parts::default() };
    let rest = match rest {
        [] => return Some(Ok(parts)),
        [b' ' | b'T', rest @ ..] => rest,
        _ => return None,
    };
    let zone = rest.iter().position(|b| !matches!(b, b'0'..=b'9' | b':' | b'.'));
    let (time, zone) = rest.split_at(zone.unwrap_or(rest.len()));
    match clock(time)? {
        Ok(micros) => parts.clock = Some(micros),
        Err(bad) => return Some(Err(bad)),
    }
    parts.offset = match zone {
        [] => None,
        [b'Z'] => Some(0),
        [b'+' | b'-', ..] => match offset(zone)? {
            Ok(seconds) => Some(seconds),
            Err(bad) => return Some(Err(bad)),
        },
        _ => return None,
    };
    Some(Ok(parts))
}

/// `HH:MM[:SS[.fraction]]` as microseconds. `None`: not of this form.
pub(super) fn clock(text: &[u8]) -> Option<Result<i64, Bad>> {
    let mut pieces = text.splitn(3, |b| *b == b':');
    let (hour, minute) = (digits(pieces.next()?)?, digits(pieces.next()?)?);
    let (second, fraction) = match pieces.next() {
        None => (0, 0),
        Some(piece) => {
            let mut halves = piece.splitn(2, |b| *b == b'.');
            let second = digits(halves.next()?)?;
            (second, halves.next().map_or(Some(0), micros)?)
        }
    };
    Some(of_day(hour, minute, second, fraction))
}

/// Microseconds since midnight, if the clock shows such a time.
pub(super) fn of_day(hour: u32, minute: u32, second: u32, fraction: i64) -> Result<i64, Bad> {
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    let micros = seconds * SECOND + fraction;
    // A 60th second is the next minute, and midnight at the end of a day is a time of that day.
    if hour > 24 || minute > 59 || second > 60 || micros > DAY {
        return Err(Bad::Range);
    }
    Ok(micros)
}

/// The digits behind a point as microseconds, rounded.
fn micros(text: &[u8]) -> Option<i64> {
    let mut micros = 0;
    for i in 0..6 {
        micros = micros * 10 + text.get(i).map_or(Some(0), |b| digits(&[*b]))?;
    }
    if text.iter().any(|b| !b.is_ascii_digit()) {
        return None;
    }
    let up = text.get(6).is_some_and(|b| *b >= b'5');
    Some(i64::from(micros) + i64::from(up))
}

/// `{+|-}HH[[:]MM[[:]SS]]` as seconds. `None`: not of this form.
pub(super) fn offset(text: &[u8]) -> Option<Result<i64, Bad>> {
    let (sign, rest) = text.split_first()?;
    let mut pieces = [0; 3];
    if rest.contains(&b':') {
        let mut given = rest.split(|b| *b == b':');
        for piece in &mut pieces {
            *piece = given.next().map_or(Some(0), digits)?;
        }
        if given.next().is_some() {
            return None;
        }
    } else {
        pieces = match rest.len() {
            1 | 2 => [digits(rest)?, 0, 0],
            4 => [digits(&rest[..2])?, digits(&rest[2..])?, 0],
            6 => [digits(&rest[..2])?, digits(&rest[2..4])?, digits(&rest[4..])?],
            _ => return None,
        };
    }
    let [hours, minutes, seconds] = pieces.map(i64::from);
    if hours > 15 || minutes > 59 || seconds > 59 {
        return Some(Err(Bad::Displacement));
    }
    let total = hours * 3600 + minutes * 60 + seconds;
    Some(Ok(if *sign == b'-' { -total } else { total }))
}

/// A number of one to nine digits.
pub(super) fn digits(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    text.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
}

fn error(bad: Bad, ty: SqlType, text: &str) -> Error {
    match bad {
        Bad::Syntax => Error::new(
            SqlState::INVALID_DATETIME_FORMAT,
            format!("invalid input syntax for type {ty}: \"{text}\""),
        ),
        Bad::Range => {
            Error::new(FIELD_OVERFLOW, format!("date/time field value out of range: \"{text}\""))
        }
        Bad::Displacement => {
            Error::new(DISPLACEMENT, format!("time zone displacement out of range: \"{text}\""))
        }
        Bad::Zone => Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("time zone not recognized in \"{text}\""),
        )
        .hint("write the zone as an offset, such as +02 or -05:30"),
        Bad::Special => Error::unsupported(format!("\"{text}\" as a value of type {ty}"))
            .hint("for the present time there are current_timestamp and current_date"),
    }
}
