//! Owners, names, and what new sessions begin with.

use super::super::Stmt;
use super::super::error::Failure;
use super::super::input::Input;
use super::{Objects, Rights, RoleName, Sessions, role, roles, stmt};
use base::Error;
use datafusion::sql::sqlparser::tokenizer::Token;

/// `ALTER SCHEMA s OWNER TO r`
pub(in crate::statement) fn alter_schema(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["alter", "schema"])?;
    let on = Objects::Schemas(vec![input.name()?]);
    if !input.eat_all(&["owner", "to"]) {
        return Err(Failure::Final(Error::unsupported("this form of ALTER SCHEMA")));
    }
    Ok(stmt(Rights::Owner { on, to: role(input)? }))
}

/// `OWNER TO r`, after `ALTER DATABASE d`.
pub(in crate::statement) fn owner_of_database(
    input: &mut Input<'_>,
    name: String,
) -> Result<Stmt, Failure> {
    input.expect_all(&["owner", "to"])?;
    Ok(stmt(Rights::Owner { on: Objects::Databases(vec![name]), to: role(input)? }))
}

/// `REASSIGN OWNED BY …` and `DROP OWNED BY …`
pub(in crate::statement) fn owned(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    let reassign = input.eat("reassign");
    if !reassign {
        input.expect("drop")?;
    }
    input.expect_all(&["owned", "by"])?;
    let roles = roles(input)?;
    let to = match reassign {
        true => {
            input.expect("to")?;
            Some(role(input)?)
        }
        false => None,
    };
    input.eat("restrict");
    Ok(stmt(Rights::Owned { roles, to }))
}

/// `RENAME TO`, `SET`, `RESET`, `IN DATABASE d {SET|RESET}` after `ALTER ROLE r`; `None` if it is
/// none of these.
pub(in crate::statement) fn of_role(
    input: &mut Input<'_>,
    name: &RoleName,
) -> Result<Option<Stmt>, Failure> {
    if input.eat_all(&["rename", "to"]) {
        let (role, to) = (name.clone(), input.name()?);
        return Ok(Some(stmt(Rights::Rename { role, to })));
    }
    let of = match input.eat_all(&["in", "database"]) {
        true => Sessions::RoleInDatabase(name.clone(), input.name()?),
        false => Sessions::Role(name.clone()),
    };
    match input.at("set") || input.at("reset") {
        true => default(input, of).map(Some),
        false => Ok(None),
    }
}

/// `{SET n {=|TO} {v|DEFAULT} | RESET n | RESET ALL}`
pub(in crate::statement) fn default(input: &mut Input<'_>, of: Sessions) -> Result<Stmt, Failure> {
    if input.eat("reset") {
        let setting = if input.eat("all") { None } else { Some(setting(input)?) };
        return Ok(stmt(Rights::Default { of, setting, value: None }));
    }
    input.expect("set")?;
    assignment(input, of)
}

/// `SET GLOBAL n = v`
pub(in crate::statement) fn set_global(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["set", "global"])?;
    assignment(input, Sessions::All)
}

/// `ALTER SYSTEM {SET|RESET} …`
pub(in crate::statement) fn alter_system(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["alter", "system"])?;
    default(input, Sessions::All)
}

fn assignment(input: &mut Input<'_>, of: Sessions) -> Result<Stmt, Failure> {
    let name = match input.eat_all(&["time", "zone"]) {
        true => "timezone".to_owned(),
        false => {
            let name = setting(input)?;
            if !input.eat_sign(&Token::Eq) {
                input.expect("to")?;
            }
            name
        }
    };
    let value = if input.eat("default") { None } else { Some(value(input)?) };
    Ok(stmt(Rights::Default { of, setting: Some(name), value }))
}

/// A setting's name, which may have a dot.
fn setting(input: &mut Input<'_>) -> Result<String, Failure> {
    let mut name = input.name()?;
    while input.eat_sign(&Token::Period) {
        name.push('.');
        name.push_str(&input.name()?);
    }
    Ok(name)
}

/// A value, or several with commas between them.
fn value(input: &mut Input<'_>) -> Result<String, Failure> {
    let mut all = Vec::new();
    loop {
        let minus = if input.eat_sign(&Token::Minus) { "-" } else { "" };
        let one = match input.parser.peek_token().token {
            Token::Number(digits, _) => {
                input.parser.next_token();
                digits
            }
            Token::Word(_) => input.name()?,
            _ => input.string()?,
        };
        all.push(format!("{minus}{one}"));
        if !input.eat_sign(&Token::Comma) {
            return Ok(all.join(", "));
        }
    }
}
