//! `… AS OF SYSTEM TIME t`: a statement that reads the past.
//!
//! The words are taken out of the tokens before the SQL parser sees them, wherever they stand: a
//! statement reads one time, so it does not matter behind which table that is said.

use super::error::{Failure, near, position};
use super::input::{Piece, Walk};
use super::{Copy, Stmt};
use crate::text;
use base::{Error, Result, SqlState, SqlType, Timestamp, Value};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// A time as a statement names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemTime {
    /// So many milliseconds before the statement begins (`'-10s'`).
    Ago(u64),
    /// This one: a hybrid time (`115292150460684697`, `'1764404530000.3'`), or the first one of a
    /// millisecond (`'2026-11-29 08:10:00'`).
    At(Timestamp),
}

impl SystemTime {
    /// Reads a time.
    ///
    /// # Errors
    /// 22007 if it is none, 22023 for an interval that does not lead back.
    pub fn parse(text: &str) -> Result<SystemTime> {
        let text = text.trim();
        if let Some(back) = text.strip_prefix('-') {
            return interval_ms(back).map(SystemTime::Ago).ok_or_else(|| not_a_time(text));
        }
        if text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && let Some(ts) = hybrid(text)
        {
            return Ok(SystemTime::At(ts));
        }
        if interval_ms(text).is_some() {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("AS OF SYSTEM TIME '{text}' is in the future"),
            )
            .hint("an interval leads back from now and is negative: '-10s'"));
        }
        match text::parse(SqlType::TimestampTz, text) {
            Ok(Value::Micros(micros)) => Ok(SystemTime::At(at_micros(micros))),
            _ => Err(not_a_time(text)),
        }
    }

    /// The timestamp, for a statement that begins at `now`.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            SystemTime::Ago(ms) => Timestamp(now.0.saturating_sub(ms.saturating_mul(1 << 16))),
            SystemTime::At(ts) => ts,
        }
    }
}

fn not_a_time(text: &str) -> Error {
    Error::new(
        SqlState::INVALID_DATETIME_FORMAT,
        format!("\"{text}\" is not a time that can be read as of"),
    )
    .hint("give '-10s', '2026-11-29 08:10:00+00' or what hybrid_time() told")
}

/// `n` as it is stored, or `milliseconds.counter` as views print it.
fn hybrid(text: &str) -> Option<Timestamp> {
    let Some((ms, counter)) = text.split_once('.') else { return text.parse().ok().map(Timestamp) };
    let (ms, counter): (u64, u16) = (ms.parse().ok()?, counter.parse().ok()?);
    (ms < 1 << 48).then(|| Timestamp(Timestamp::from_ms(ms).0 | u64::from(counter)))
}

fn at_micros(micros: i64) -> Timestamp {
    let ms = u64::try_from(micros.div_euclid(1000)).unwrap_or(0);
    Timestamp::from_ms(ms.min((1 << 48) - 1))
}

/// An interval such as `1h30m`, `10 s`, `1.5 hours`, `2 days 4 min`, in milliseconds; `None` if the
/// text is none.
pub fn interval_ms(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        total += number * unit_ms(&rest[..letters].to_ascii_lowercase())?;
        rest = rest[letters..].trim_start();
    }
    (total < (1u64 << 47) as f64).then(|| total.ceil() as u64)
}

fn unit_ms(unit: &str) -> Option<f64> {
    Some(match unit {
        "us" | "microsecond" | "microseconds" => 0.001,
        "ms" | "millisecond" | "milliseconds" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1e3,
        "m" | "min" | "mins" | "minute" | "minutes" => 6e4,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3.6e6,
        "d" | "day" | "days" => 8.64e7,
        "w" | "week" | "weeks" => 6.048e8,
        _ => return None,
    })
}

/// Takes `AS OF SYSTEM TIME t` out of a statement's tokens.
pub(super) fn take(sql: &str, piece: &mut Piece) -> Result<Option<SystemTime>> {
    const WORDS: [&str; 4] = ["as", "of", "system", "time"];
    let mut found = None;
    let mut from = 0;
    loop {
        let places: Vec<usize> =
            (from..piece.tokens.len()).filter(|i| !is_blank(&piece.tokens[*i])).collect();
        let at = places.windows(4).position(|four| {
            four.iter().zip(WORDS).all(|(i, word)| is_word(&piece.tokens[*i].token, word))
        });
        let Some(at) = at else { return Ok(found) };
        let (first, mut end) = (places[at], at + 4);
        let next = |n: usize| places.get(n).map(|i| &piece.tokens[*i]);
        let typed = ["interval", "timestamp", "timestamptz"];
        if next(end).is_some_and(|t| typed.iter().any(|word| is_word(&t.token, word))) {
            end += 1;
        }
        let Some(value) = next(end) else { return Err(near(sql, piece.end)) };
        let byte = Walk::new(sql).byte_of(value.span.start);
        let time = read(&value.token, || near(sql, byte))
            .map_err(|e| if e.position.is_none() { e.at(position(sql, byte)) } else { e })?;
        if found.is_some_and(|other| other != time) {
            let message = "a statement can be AS OF one SYSTEM TIME only";
            return Err(Error::unsupported("reading several times in a statement")
                .detail(message)
                .at(position(sql, byte)));
        }
        found = Some(time);
        piece.tokens.drain(first..=places[end]);
        from = first;
    }
}

fn read(token: &Token, unexpected: impl Fn() -> Error) -> Result<SystemTime> {
    match token {
        Token::SingleQuotedString(text)
        | Token::EscapedStringLiteral(text)
        | Token::Number(text, _) => SystemTime::parse(text),
        Token::Placeholder(_) => Err(Error::unsupported("a parameter as SYSTEM TIME")),
        _ => Err(unexpected()),
    }
}

fn is_blank(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_))
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

/// A statement at its time.
///
/// # Errors
/// 25006 if it is not one that only reads.
pub(super) fn apply(stmt: Stmt, time: Option<SystemTime>) -> Result<Stmt, Failure> {
    let Some(time) = time else { return Ok(stmt) };
    match stmt {
        Stmt::CreateBranch { name, if_not_exists, source, .. } => {
            Ok(Stmt::CreateBranch { name, if_not_exists, source, at: Some(time) })
        }
        Stmt::Copy(copy) if copy.to => Ok(Stmt::Copy(Copy { as_of: Some(time), ..copy })),
        Stmt::Sql(ast) if only_reads(&ast) => {
            Ok(Stmt::AsOf { stmt: Box::new(Stmt::Sql(ast)), time })
        }
        _ => Err(Failure::Final(Error::new(
            SqlState::READ_ONLY_SQL_TRANSACTION,
            "only queries can be AS OF SYSTEM TIME: the past cannot be changed",
        ))),
    }
}

fn only_reads(ast: &ast::Statement) -> bool {
    match ast {
        ast::Statement::Query(_) => true,
        ast::Statement::Explain { statement, .. } => only_reads(statement),
        _ => false,
    }
}
