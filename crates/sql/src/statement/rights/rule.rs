//! Address rules.

use super::super::Stmt;
use super::super::error::Failure;
use super::super::input::Input;
use super::{Rights, role, stmt};
use datafusion::sql::sqlparser::tokenizer::Token;

/// `CREATE ADDRESS RULE …`
pub(in crate::statement) fn create_rule(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["create", "address", "rule"])?;
    let if_not_exists = input.eat_all(&["if", "not", "exists"]);
    let name = input.name()?;
    input.expect("for")?;
    let all = input.eat("all") || input.eat("public");
    let role = if all { None } else { Some(role(input)?) };
    let database = match input.eat_all(&["on", "database"]) {
        true => Some(input.name()?),
        false => None,
    };
    input.expect("from")?;
    let network = input.string()?;
    let allow = input.eat("allow");
    if !allow && !input.eat("deny") {
        return input.wrong("ALLOW or DENY");
    }
    let priority = if input.eat("priority") { priority(input)? } else { 0 };
    let force = input.eat("force");
    Ok(stmt(Rights::CreateRule {
        name,
        if_not_exists,
        role,
        database,
        network,
        allow,
        priority,
        force,
    }))
}

fn priority(input: &mut Input<'_>) -> Result<i32, Failure> {
    let sign = if input.eat_sign(&Token::Minus) { -1 } else { 1 };
    match i32::try_from(input.number()?) {
        Ok(n) => Ok(sign * n),
        Err(_) => input.wrong("a smaller number"),
    }
}

/// `DROP ADDRESS RULE [IF EXISTS] n [FORCE]`
pub(in crate::statement) fn drop_rule(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["drop", "address", "rule"])?;
    let if_exists = input.eat_all(&["if", "exists"]);
    let name = input.name()?;
    let force = input.eat("force");
    Ok(stmt(Rights::DropRule { name, if_exists, force }))
}
