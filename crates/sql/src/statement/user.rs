//! Users: `CREATE`, `ALTER` and `DROP` `USER` or `ROLE`.

use super::Stmt;
use super::error::Failure;
use super::input::Input;
use base::Error;

/// What is said about a user. Absent: nothing said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserOptions {
    /// The password in clear; empty (from `PASSWORD NULL`) forbids logging in by password.
    pub password: Option<String>,
    /// May do everything.
    pub superuser: Option<bool>,
    /// May connect.
    pub login: Option<bool>,
    /// May copy databases to another cluster.
    pub replication: Option<bool>,
}

/// `CREATE {USER|ROLE} [IF NOT EXISTS] u [[WITH] option …]`
pub(super) fn create(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect("create")?;
    let user = input.eat("user");
    if !user {
        input.expect("role")?;
    }
    let if_not_exists = input.eat_all(&["if", "not", "exists"]);
    let name = input.name()?;
    let mut options = options(input)?;
    options.login = options.login.or(Some(user));
    Ok(Stmt::CreateUser { name, if_not_exists, options })
}

/// `ALTER {USER|ROLE} u [WITH] option …`
pub(super) fn alter(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect("alter")?;
    if !input.eat("user") {
        input.expect("role")?;
    }
    let name = input.name()?;
    for word in ["rename", "set", "reset", "in"] {
        if input.at(word) {
            let what = format!("ALTER USER … {}", word.to_ascii_uppercase());
            return Err(Failure::Final(Error::unsupported(what)));
        }
    }
    let options = options(input)?;
    if options == UserOptions::default() {
        return input.wrong("an option such as PASSWORD or SUPERUSER");
    }
    Ok(Stmt::AlterUser { name, options })
}

/// `DROP {USER|ROLE} [IF EXISTS] u, …`
pub(super) fn drop(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect("drop")?;
    if !input.eat("user") {
        input.expect("role")?;
    }
    let if_exists = input.eat_all(&["if", "exists"]);
    let names = input.parser.parse_comma_separated(|p| p.parse_identifier())?;
    let names = names.iter().map(super::input::fold).collect();
    Ok(Stmt::DropUser { names, if_exists })
}

fn options(input: &mut Input<'_>) -> Result<UserOptions, Failure> {
    let mut options = UserOptions::default();
    input.eat("with");
    loop {
        let word = input.word(0);
        match word.as_str() {
            "superuser" | "nosuperuser" => options.superuser = Some(word == "superuser"),
            "login" | "nologin" => options.login = Some(word == "login"),
            "replication" | "noreplication" => options.replication = Some(word == "replication"),
            "createdb" | "nocreatedb" | "createrole" | "nocreaterole" | "inherit" | "noinherit"
            | "bypassrls" | "nobypassrls" | "createuser" | "nocreateuser" | "encrypted" => {}
            "password" => {
                input.expect("password")?;
                let none = input.eat("null");
                options.password = Some(if none { String::new() } else { input.string()? });
                continue;
            }
            "identified" => {
                input.expect_all(&["identified", "by"])?;
                options.password = Some(input.string()?);
                continue;
            }
            "connection" | "valid" => {
                return Err(Failure::Final(Error::unsupported(format!(
                    "the user option {}",
                    word.to_ascii_uppercase()
                ))));
            }
            _ => return Ok(options),
        }
        input.expect(&word)?;
    }
}
