//! Branches of databases: `CREATE DATABASE … BRANCH OF`, `DRILL`, `OPEN DIVERGED`.

use super::Stmt;
use super::error::Failure;
use super::input::Input;
use datafusion::sql::sqlparser::tokenizer::Token;

/// `BRANCH OF s` after the name of a new database, if it comes next. The time has been taken out.
pub(super) fn branch_of(
    input: &mut Input<'_>,
    name: &str,
    if_not_exists: bool,
) -> Result<Option<Stmt>, Failure> {
    if !input.eat_all(&["branch", "of"]) {
        return Ok(None);
    }
    let (name, source) = (name.to_owned(), input.name()?);
    Ok(Some(Stmt::CreateBranch { name, if_not_exists, source, at: None }))
}

/// `DRILL DATABASE d [CHECK 'SELECT …' [, …]]`
pub(super) fn drill(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["drill", "database"])?;
    let database = input.name()?;
    let mut checks = Vec::new();
    if input.eat("check") {
        checks.push(input.string()?);
        while input.eat_sign(&Token::Comma) {
            checks.push(input.string()?);
        }
    }
    Ok(Stmt::Drill { database, checks })
}

/// `OPEN DIVERGED [TRANSACTIONS [OF d]] AS DATABASE x`
pub(super) fn open_diverged(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["open", "diverged"])?;
    let of = match input.eat("transactions") && input.eat("of") {
        true => Some(input.name()?),
        false => None,
    };
    input.expect_all(&["as", "database"])?;
    Ok(Stmt::OpenDiverged { of, name: input.name()? })
}
