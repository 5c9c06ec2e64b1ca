//! Gates (`FLUSH TABLES`, `UNLOCK TABLES`), lists (`SHOW …`) and statements with nothing to do.

use super::error::Failure;
use super::input::Input;
use super::{Expiry, GateMode, Stmt};
use datafusion::sql::sqlparser::ast::Statement;

/// `FLUSH TABLES [ON d] WITH READ {ONLY|LOCK}`
pub(super) fn flush(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["flush", "tables"])?;
    let database = on_database(input)?;
    input.expect_all(&["with", "read"])?;
    let mode = if input.eat("only") {
        GateMode::ReadOnly
    } else if input.eat("lock") {
        GateMode::ReadLock
    } else {
        return input.wrong("ONLY or LOCK");
    };
    Ok(Stmt::FlushTables { database, mode })
}

/// `UNLOCK TABLES [ON d] [FORCE]`
pub(super) fn unlock(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["unlock", "tables"])?;
    Ok(Stmt::UnlockTables { database: on_database(input)?, force: input.eat("force") })
}

/// `SET DATABASE d READ {ONLY REASON '…' [EXPIRES {'…' | IN '…'}] | WRITE}`
pub(super) fn set_database(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["set", "database"])?;
    let database = input.name()?;
    input.expect("read")?;
    if input.eat("write") {
        return Ok(Stmt::SetReadWrite { database });
    }
    input.expect_all(&["only", "reason"])?;
    let reason = input.string()?;
    let expires = match (input.eat("expires"), input.at("in")) {
        (false, _) => None,
        (true, false) => Some(Expiry::At(input.string()?)),
        (true, true) => {
            input.expect("in")?;
            Some(Expiry::In(input.string()?))
        }
    };
    Ok(Stmt::SetReadOnly { database, reason, expires })
}

/// `SHOW REPLICATION STATUS [ON d]`
pub(super) fn show_status(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["show", "replication", "status"])?;
    Ok(Stmt::ShowReplicationStatus { database: on_database(input)? })
}

/// `SHOW DATABASES [EXTENDED]` and `SHOW TABLES`
pub(super) fn show_list(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect("show")?;
    if input.eat("tables") {
        return Ok(Stmt::ShowTables);
    }
    input.expect("databases")?;
    Ok(Stmt::ShowDatabases { extended: input.eat("extended") })
}

/// Statements that other servers need for their upkeep. Whatever follows the verb is accepted.
pub(super) fn noop(input: &mut Input<'_>) -> Stmt {
    let tag = match input.word(0).as_str() {
        "vacuum" => "VACUUM",
        "reindex" => "REINDEX",
        "cluster" => "CLUSTER",
        _ => "ANALYZE",
    };
    input.skip_rest();
    Stmt::Noop { tag }
}

/// `REINDEX [(options)] {INDEX|TABLE} [CONCURRENTLY] i`; of other things there is nothing to do.
pub(super) fn reindex(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    // Options in parentheses are few, and mean nothing here.
    let mut words = (1..12).map(|n| input.word(n));
    let index = match words
        .find(|w| matches!(w.as_str(), "index" | "table" | "schema" | "database" | "system"))
    {
        Some(word) if word == "index" => true,
        Some(word) if word == "table" => false,
        _ => return Ok(noop(input)),
    };
    while !input.eat("index") && !input.eat("table") {
        input.parser.next_token();
    }
    input.eat("concurrently");
    let name = input.parser.parse_object_name(false)?;
    Ok(Stmt::Reindex { index, name })
}

/// `ABORT [WORK|TRANSACTION]`, which is `ROLLBACK`.
pub(super) fn abort(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect("abort")?;
    let _ = input.eat("work") || input.eat("transaction");
    Ok(Stmt::Sql(Box::new(Statement::Rollback { chain: false, savepoint: None })))
}

/// Takes `ON d` if it comes next.
fn on_database(input: &mut Input<'_>) -> Result<Option<String>, Failure> {
    let named = input.eat("on") || input.eat("for");
    Ok(if named { Some(input.name()?) } else { None })
}
