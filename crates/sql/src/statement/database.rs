//! `CREATE DATABASE` and `DROP DATABASE`.

use super::error::Failure;
use super::input::Input;
use super::{Durability, Stmt, replica, rights};
use base::{Error, SqlState};
use datafusion::sql::sqlparser::tokenizer::Token;
use std::time::Duration;
use txn::LagLimit;

/// The partition index is 16 bit; this many is far beyond any sensible number on a node.
const PARTITIONS_MAX: u64 = 1024;

/// PostgreSQL's options that have no meaning here. Each takes a value.
const IGNORED: [&str; 12] = [
    "owner",
    "template",
    "encoding",
    "locale",
    "lc_collate",
    "lc_ctype",
    "icu_locale",
    "locale_provider",
    "collation_version",
    "tablespace",
    "allow_connections",
    "is_template",
];

/// `CREATE DATABASE [IF NOT EXISTS] d [PARTITIONS n] [WITH {SYNC|ASYNC} DURABILITY] …`, and
/// `CREATE DATABASE [IF NOT EXISTS] d BRANCH OF s`
pub(super) fn create(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["create", "database"])?;
    let if_not_exists = input.eat_all(&["if", "not", "exists"]);
    let name = input.name()?;
    if let Some(branch) = super::branch::branch_of(input, &name, if_not_exists)? {
        return Ok(branch);
    }
    let (mut partitions, mut given) = (None, None);
    loop {
        input.eat("with");
        if let Some(durability) = durability(input)? {
            given = Some(durability);
        } else if input.eat("partitions") {
            input.eat_sign(&Token::Eq);
            partitions = Some(partition_count(input)?);
        } else if input.at("hot_standby") {
            hot_standby(input)?;
        } else if input.eat_all(&["connection", "limit"]) || eat_ignored(input) {
            input.eat_sign(&Token::Eq);
            input.eat_sign(&Token::Minus);
            input.parser.next_token();
        } else {
            break;
        }
    }
    Ok(Stmt::CreateDatabase { name, if_not_exists, partitions, durability: given })
}

/// `HOT_STANDBY {ON|OFF}`: here a standby is made by its source, never empty.
fn hot_standby(input: &mut Input<'_>) -> Result<(), Failure> {
    input.expect("hot_standby")?;
    input.eat_sign(&Token::Eq);
    if input.eat("off") {
        return Ok(());
    }
    input.expect("on")?;
    Err(Failure::Final(
        Error::unsupported("CREATE DATABASE … HOT_STANDBY ON")
            .hint("ALTER REPLICA … START, on the source, makes the database it copies to"),
    ))
}

/// `ALTER DATABASE d {SET version_retention {= | TO} {'1 h' | DEFAULT} | RESET version_retention}` and
/// `ALTER DATABASE d {SET MAX_REPLICATION_LAG [= | TO] {'5 s' [ON EXCEED {WARN | BLOCK}] | DEFAULT} |
/// RESET MAX_REPLICATION_LAG}`; or its replicas, its owner, or what its sessions begin with.
pub(super) fn alter(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["alter", "database"])?;
    let database = input.name()?;
    if input.at("owner") {
        return rights::owner_of_database(input, database);
    }
    if let Some(stmt) = replica::of_database(input, &database)? {
        return Ok(stmt);
    }
    let reset = input.at("reset");
    if !reset && !input.at("set") {
        return Err(Failure::Final(Error::unsupported("this form of ALTER DATABASE")));
    }
    if !matches!(input.word(1).as_str(), "version_retention" | "max_replication_lag") {
        return rights::default(input, rights::Sessions::Database(database));
    }
    input.parser.next_token();
    if input.eat("max_replication_lag") {
        let limit = if reset { None } else { lag_limit(input)? };
        return Ok(Stmt::SetMaxReplicationLag { database, limit });
    }
    input.expect("version_retention")?;
    if reset {
        return Ok(Stmt::SetVersionRetention { database, retention: None });
    }
    if !input.eat_sign(&Token::Eq) {
        input.expect("to")?;
    }
    let at = super::error::position(input.sql, input.byte());
    let retention = match input.eat("default") {
        true => None,
        false => Some(time(&input.string()?, "version_retention", at)?),
    };
    Ok(Stmt::SetVersionRetention { database, retention })
}

fn lag_limit(input: &mut Input<'_>) -> Result<Option<LagLimit>, Failure> {
    if !input.eat_sign(&Token::Eq) {
        input.eat("to");
    }
    if input.eat("default") {
        return Ok(None);
    }
    let at = super::error::position(input.sql, input.byte());
    let max = time(&input.string()?, "max_replication_lag", at)?;
    let mut blocks = false;
    if input.eat_all(&["on", "exceed"]) {
        blocks = input.eat("block");
        if !blocks {
            input.expect("warn")?;
        }
    }
    Ok(Some(LagLimit { max, blocks }))
}

/// A length of time, for the setting of this name.
fn time(text: &str, name: &str, at: usize) -> Result<Duration, Failure> {
    match super::as_of::interval_ms(text) {
        Some(ms) => Ok(Duration::from_millis(ms)),
        None if text.trim() == "0" => Ok(Duration::ZERO),
        None => Err(Failure::Final(
            Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("invalid value for parameter \"{name}\": \"{text}\""),
            )
            .hint("give a time with its unit: '5 s', '10 min', '1 h', '7 days', or '0'")
            .at(at),
        )),
    }
}

/// `DROP DATABASE [IF EXISTS] d [WITH (FORCE)]`
pub(super) fn drop(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["drop", "database"])?;
    let if_exists = input.eat_all(&["if", "exists"]);
    let name = input.name()?;
    input.eat("with");
    if input.eat_sign(&Token::LParen) {
        input.expect("force")?;
        input.parser.expect_token(&Token::RParen)?;
    }
    Ok(Stmt::DropDatabase { name, if_exists })
}

/// Takes `{SYNC|ASYNC} DURABILITY` if it comes next.
pub(super) fn durability(input: &mut Input<'_>) -> Result<Option<Durability>, Failure> {
    let given = if input.eat("sync") {
        Durability::Sync
    } else if input.eat("async") {
        Durability::Async
    } else {
        return Ok(None);
    };
    input.expect("durability")?;
    Ok(Some(given))
}

fn eat_ignored(input: &mut Input<'_>) -> bool {
    IGNORED.iter().any(|word| input.eat(word))
}

fn partition_count(input: &mut Input<'_>) -> Result<u16, Failure> {
    let at = super::error::position(input.sql, input.byte());
    let count = input.number()?;
    if !(1..=PARTITIONS_MAX).contains(&count) {
        return Err(Failure::Final(
            Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("a database has 1 to {PARTITIONS_MAX} partitions, not {count}"),
            )
            .at(at),
        ));
    }
    Ok(count as u16)
}
