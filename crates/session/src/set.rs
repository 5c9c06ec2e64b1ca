//! The grammar of `SET`, `SHOW` and `RESET`.

use crate::command::{Command, Reach};
use crate::lexer::Token;
use crate::reader::Reader;
use base::{Error, Result};

/// Words after `SHOW` that the `sql` room answers.
const SHOWN_BY_SQL: &[&str] = &[
    "databases",
    "tables",
    "columns",
    "replication",
    "create",
    "schemas",
    "functions",
    "partitions",
    "indexes",
    "index",
    "diverged",
    "links",
    "processlist",
    "status",
    "full",
    "grants",
    "extended",
    "users",
];

pub(crate) fn set(r: &mut Reader<'_>) -> Result<Option<Command>> {
    let mut reach = Reach::Session;
    if matches!(r.peek_word(), Some("database" | "global")) {
        // `SET DATABASE d READ ONLY …`, `SET GLOBAL …` are no settings of the session.
        return Ok(None);
    }
    if r.eat("session") {
        if r.eat("characteristics") {
            r.expect("as")?;
            r.expect("transaction")?;
            return Ok(Some(Command::SetSessionCharacteristics(r.modes()?)));
        }
        if r.eat("authorization") {
            return Err(Error::unsupported("SET SESSION AUTHORIZATION"));
        }
    } else if r.eat("local") {
        reach = Reach::Transaction;
    }
    if r.eat("transaction") {
        if r.peek_word() == Some("snapshot") {
            return Err(Error::unsupported("SET TRANSACTION SNAPSHOT"));
        }
        return Ok(Some(Command::SetTransaction(r.modes()?)));
    }
    if r.eat("time") {
        r.expect("zone")?;
        let value = if r.eat("local") { None } else { values(r)? };
        return Ok(Some(Command::Set { name: "timezone".into(), value, reach }));
    }
    if r.eat("names") {
        let value = values(r)?;
        return Ok(Some(Command::Set { name: "client_encoding".into(), value, reach }));
    }
    if r.eat("role") {
        return match r.word()?.as_str() {
            "none" | "default" => Ok(Some(Command::Nothing("SET"))),
            _ => Err(Error::unsupported("SET ROLE")),
        };
    }
    let name = setting_name(r)?;
    if !r.eat("to") {
        r.expect_symbol('=')?;
    }
    Ok(Some(Command::Set { name, value: values(r)?, reach }))
}

pub(crate) fn show(r: &mut Reader<'_>) -> Result<Option<Command>> {
    if r.peek_word().is_some_and(|w| SHOWN_BY_SQL.contains(&w)) {
        return Ok(None);
    }
    if r.eat("all") {
        return Ok(Some(Command::ShowAll));
    }
    if r.eat("global") {
        let _ = r.eat("all") || r.eat("variables");
        let name = if r.peek_word().is_some() { Some(setting_name(r)?) } else { None };
        return Ok(Some(Command::ShowGlobal(name)));
    }
    if r.eat("time") {
        r.expect("zone")?;
        return Ok(Some(Command::Show("TimeZone".into())));
    }
    if r.eat("transaction") {
        r.expect("isolation")?;
        r.expect("level")?;
        return Ok(Some(Command::Show("transaction_isolation".into())));
    }
    if r.eat("session") {
        r.expect("authorization")?;
        return Ok(Some(Command::Show("session_authorization".into())));
    }
    Ok(Some(Command::Show(setting_name(r)?)))
}

pub(crate) fn reset(r: &mut Reader<'_>) -> Result<Option<Command>> {
    if r.peek_word() == Some("replication") {
        return Ok(None);
    }
    if r.eat("all") {
        return Ok(Some(Command::Reset(None)));
    }
    if r.eat("time") {
        r.expect("zone")?;
        return Ok(Some(Command::Reset(Some("timezone".into()))));
    }
    if r.eat("role") {
        return Ok(Some(Command::Nothing("RESET")));
    }
    if r.eat("session") {
        r.expect("authorization")?;
        return Ok(Some(Command::Nothing("RESET")));
    }
    Ok(Some(Command::Reset(Some(setting_name(r)?))))
}

fn setting_name(r: &mut Reader<'_>) -> Result<String> {
    let mut name = r.name()?;
    while r.eat_symbol('.') {
        name.push('.');
        name.push_str(&r.name()?);
    }
    Ok(name)
}

/// One or more values, joined by `, `; `None` for `DEFAULT`.
fn values(r: &mut Reader<'_>) -> Result<Option<String>> {
    if r.eat("default") {
        return Ok(None);
    }
    let mut all = Vec::new();
    loop {
        let minus = r.eat_symbol('-');
        let plus = !minus && r.eat_symbol('+');
        let value = match r.peek() {
            Some(Token::Number(n)) => n.clone(),
            Some(Token::Word(w) | Token::Name(w) | Token::Text(w)) if !minus && !plus => w.clone(),
            _ => return Err(r.unexpected()),
        };
        r.skip_one();
        all.push(if minus { format!("-{value}") } else { value });
        if !r.eat_symbol(',') {
            return Ok(Some(all.join(", ")));
        }
    }
}
