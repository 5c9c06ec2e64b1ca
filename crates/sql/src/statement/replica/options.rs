//! Option lists of remote servers and replicas.

use super::{ReplicaOptions, ServerOptions};
use crate::statement::as_of;
use crate::statement::error::{self, Failure};
use crate::statement::input::{Input, fold};
use base::{Error, SqlState};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

/// The longest pause between two cycles: a day.
const FREQUENCY_MAX: u64 = 86_400;
/// The least that may be sent in a second, in bytes.
const BANDWIDTH_MIN: u64 = 64 << 10;

pub(super) fn server_options(input: &mut Input<'_>) -> Result<ServerOptions, Failure> {
    let mut options = ServerOptions::default();
    for (name, value) in list(input)? {
        match name.as_str() {
            "host" => options.host = Some(value.text),
            "port" => options.port = Some(port(&value.text)?),
            "user" | "username" => options.user = Some(value.text),
            "password" => options.password = Some(value.text),
            _ => return Err(unknown("remote server", &name, "HOST, PORT, USER, PASSWORD")),
        }
    }
    // `'ybeast:5433'`, but not the address `'::1'`.
    if let Some(host) = options.host.take() {
        let bare = host.strip_prefix("https://").unwrap_or(&host);
        match bare.rsplit_once(':') {
            Some((name, number)) if !name.contains(':') && options.port.is_none() => {
                options.port = Some(port(number)?);
                options.host = Some(host[..host.len() - number.len() - 1].to_owned());
            }
            _ => options.host = Some(host),
        }
        if options.host.as_deref().is_some_and(|h| h.trim_start_matches("https://").is_empty()) {
            return Err(invalid("a remote server needs a HOST"));
        }
    }
    Ok(options)
}

pub(super) fn replica_options(input: &mut Input<'_>) -> Result<ReplicaOptions, Failure> {
    let mut options = ReplicaOptions::default();
    for (name, value) in list(input)? {
        match name.as_str() {
            "alias" => options.alias = Some(value.text),
            "frequency" => options.frequency = Some(frequency(&value.text)?),
            "bw_limit" => options.bytes_per_second = Some(rate("BW_LIMIT", &value)?),
            "reverse_replica" => options.reverse = Some(value.text),
            "security_mode" => options.own_rights = Some(own_rights(&value.text)?),
            "exclude" => options.exclude = Some(tables(&value.text)?),
            "table_level_restart" => {
                return Err(Failure::Final(Error::unsupported("TABLE_LEVEL_RESTART").hint(
                    "a copy that was broken off goes on with the next file, the log with the \
                     next record",
                )));
            }
            _ => {
                let known = "ALIAS, FREQUENCY, BW_LIMIT, REVERSE_REPLICA, SECURITY_MODE, EXCLUDE";
                return Err(unknown("replica", &name, known));
            }
        }
    }
    Ok(options)
}

/// A value as written.
pub(super) struct Value {
    text: String,
    /// A bare number.
    number: bool,
}

/// `WITH (name [=] value, …)`
fn list(input: &mut Input<'_>) -> Result<Vec<(String, Value)>, Failure> {
    input.expect("with")?;
    input.parser.expect_token(&Token::LParen)?;
    let mut all: Vec<(String, Value)> = Vec::new();
    while !input.eat_sign(&Token::RParen) {
        if !all.is_empty() {
            input.parser.expect_token(&Token::Comma)?;
        }
        let at = error::position(input.sql, input.byte());
        let name = input.name()?;
        if all.iter().any(|(known, _)| *known == name) {
            let message = format!("option \"{name}\" specified more than once");
            return Err(Failure::Final(Error::new(SqlState::SYNTAX_ERROR, message).at(at)));
        }
        input.eat_sign(&Token::Eq);
        all.push((name, value(input)?));
    }
    Ok(all)
}

pub(super) fn value(input: &mut Input<'_>) -> Result<Value, Failure> {
    match &input.parser.peek_token_ref().token {
        Token::Number(digits, _) => {
            let text = digits.clone();
            input.parser.next_token();
            Ok(Value { text, number: true })
        }
        Token::Word(_) => Ok(Value { text: input.name()?, number: false }),
        _ => Ok(Value { text: input.string()?, number: false }),
    }
}

fn port(text: &str) -> Result<u16, Failure> {
    let number = text.trim().parse().ok().filter(|port| *port > 0);
    number.ok_or_else(|| invalid(&format!("invalid port: \"{text}\"")))
}

/// `NONE`: the target has users and grants of its own.
fn own_rights(text: &str) -> Result<bool, Failure> {
    match text.to_ascii_lowercase().as_str() {
        "all" => Ok(false),
        "none" => Ok(true),
        _ => Err(Failure::Final(
            Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("invalid SECURITY_MODE: \"{text}\""))
                .hint("ALL: users, roles, grants and address rules go along; NONE: the target has its own"),
        )),
    }
}

/// `EXCLUDE`: names of tables, with or without their schema.
fn tables(text: &str) -> Result<Vec<String>, Failure> {
    let unreadable = |_| {
        let message = format!("invalid EXCLUDE: \"{text}\"");
        Failure::Final(
            Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .hint("list tables, as in EXCLUDE 't, public.u'"),
        )
    };
    let parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(text);
    let mut parser = parser.map_err(unreadable)?;
    let mut all = Vec::new();
    while parser.peek_token_ref().token != Token::EOF {
        if !all.is_empty() {
            parser.expect_token(&Token::Comma).map_err(unreadable)?;
        }
        let name = fold(&parser.parse_identifier().map_err(unreadable)?);
        let table = match parser.consume_token(&Token::Period) {
            false if name == "public" => {
                let message = "EXCLUDE 'public' would leave nothing to replicate";
                return Err(Failure::Final(
                    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                        .hint("all tables are in that schema: list those that are not to go along"),
                ));
            }
            false => name,
            true if name == "public" => fold(&parser.parse_identifier().map_err(unreadable)?),
            true => {
                let message = format!("schema \"{name}\" does not exist");
                return Err(Failure::Final(
                    Error::new(SqlState::INVALID_SCHEMA_NAME, message)
                        .hint("tables live in the schema public: EXCLUDE 't, public.u'"),
                ));
            }
        };
        if !all.contains(&table) {
            all.push(table);
        }
    }
    Ok(all)
}

/// Seconds, as a number or with a unit.
fn frequency(text: &str) -> Result<u64, Failure> {
    let seconds = match text.trim().parse() {
        Ok(seconds) => Some(seconds),
        Err(_) => as_of::interval_ms(text).filter(|ms| ms % 1_000 == 0).map(|ms| ms / 1_000),
    };
    seconds.filter(|s| *s <= FREQUENCY_MAX).ok_or_else(|| {
        Failure::Final(
            Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("invalid FREQUENCY: \"{text}\""))
                .hint("give whole seconds up to a day; 0 sends all the time"),
        )
    })
}

/// Bytes in a second: a bare number is megabytes, 0 is no limit.
pub(super) fn rate(option: &str, value: &Value) -> Result<Option<u64>, Failure> {
    let wrong = || {
        let message = format!("invalid {option}: \"{}\"", value.text);
        Failure::Final(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint(
            "give what may be sent in a second: megabytes as a number, or '500 kB', '10 MB', '1 GB', \
             at least 64 kB; 0 is no limit",
        ))
    };
    let text = value.text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match (unit.trim().to_ascii_lowercase().as_str(), value.number) {
        ("", true) | ("mb", _) => 1 << 20,
        ("kb", _) => 1 << 10,
        ("gb", _) => 1 << 30,
        ("" | "b", _) => 1,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let bytes = number.checked_mul(unit).ok_or_else(wrong)?;
    match bytes {
        0 => Ok(None),
        n if (BANDWIDTH_MIN..1 << 50).contains(&n) => Ok(Some(n)),
        _ => Err(wrong()),
    }
}

fn unknown(of: &str, option: &str, known: &str) -> Failure {
    let message = format!("a {of} has no option \"{option}\"");
    Failure::Final(
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint(format!("known are {known}")),
    )
}

pub(super) fn invalid(message: &str) -> Failure {
    Failure::Final(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
}
