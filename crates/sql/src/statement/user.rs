//! Roles: `CREATE`, `ALTER` and `DROP` `USER` or `ROLE`.

use super::Stmt;
use super::error::Failure;
use super::input::Input;
use super::rights::{self, RoleName, Sessions};
use base::{Error, SqlState};

/// What is said about a role. Absent: nothing said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserOptions {
    /// The password in clear; empty (from `PASSWORD NULL`) forbids logging in by password.
    pub password: Option<String>,
    /// May do everything.
    pub superuser: Option<bool>,
    /// May connect.
    pub login: Option<bool>,
    /// May make databases.
    pub createdb: Option<bool>,
    /// May make roles.
    pub createrole: Option<bool>,
    /// May copy databases to another cluster.
    pub replication: Option<bool>,
    /// Has the privileges of what it is a member of.
    pub inherit: Option<bool>,
    /// `IN ROLE …`: what it is to be a member of.
    pub in_roles: Vec<RoleName>,
    /// `ROLE …`, `ADMIN …`: who is to be its member, and whether it may make others.
    pub members: Vec<(RoleName, bool)>,
}

/// `CREATE {USER|ROLE} [IF NOT EXISTS] u [[WITH] option …]`
pub(super) fn create(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect("create")?;
    let user = input.eat("user");
    if !user && !input.eat("group") {
        input.expect("role")?;
    }
    let if_not_exists = input.eat_all(&["if", "not", "exists"]);
    let name = name(input)?;
    let mut options = options(input, true)?;
    options.login = options.login.or(Some(user));
    Ok(Stmt::CreateUser { name, if_not_exists, options })
}

/// A name for a role.
fn name(input: &mut Input<'_>) -> Result<String, Failure> {
    match rights::role(input)? {
        RoleName::Named(name) => Ok(name),
        _ => {
            let message = "this is the name of no single role";
            Err(Failure::Final(Error::new(SqlState::RESERVED_NAME, message)))
        }
    }
}

/// `ALTER {USER|ROLE} u {[WITH] option … | RENAME TO n | [IN DATABASE d] {SET …|RESET …}}`
pub(super) fn alter(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect("alter")?;
    if !input.eat("user") {
        input.expect("role")?;
    }
    if input.eat("all") {
        let of = match input.eat_all(&["in", "database"]) {
            true => Sessions::Database(input.name()?),
            false => Sessions::All,
        };
        return rights::default(input, of);
    }
    let name = rights::role(input)?;
    if let Some(stmt) = rights::of_role(input, &name)? {
        return Ok(stmt);
    }
    let options = options(input, false)?;
    if options == UserOptions::default() {
        return input.wrong("an option such as PASSWORD or SUPERUSER");
    }
    Ok(Stmt::AlterUser { name, options })
}

/// `DROP {USER|ROLE} [IF EXISTS] u, …`
pub(super) fn drop(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect("drop")?;
    if !input.eat("user") && !input.eat("group") {
        input.expect("role")?;
    }
    let if_exists = input.eat_all(&["if", "exists"]);
    let names = input.parser.parse_comma_separated(|p| p.parse_identifier())?;
    let names = names.iter().map(super::input::fold).collect();
    Ok(Stmt::DropUser { names, if_exists })
}

fn options(input: &mut Input<'_>, new: bool) -> Result<UserOptions, Failure> {
    let mut options = UserOptions::default();
    input.eat("with");
    loop {
        let word = input.word(0);
        let (on, attribute) = match word.strip_prefix("no") {
            Some(attribute) => (false, attribute),
            None => (true, word.as_str()),
        };
        let mut ignored = None;
        let slot = match attribute {
            "superuser" => &mut options.superuser,
            "login" => &mut options.login,
            "createdb" => &mut options.createdb,
            "createrole" | "createuser" => &mut options.createrole,
            "replication" => &mut options.replication,
            "inherit" => &mut options.inherit,
            // There are no policies that it could pass by.
            "bypassrls" | "encrypted" => &mut ignored,
            _ => {
                if !other(input, &word, new, &mut options)? {
                    return Ok(options);
                }
                continue;
            }
        };
        *slot = Some(on);
        input.expect(&word)?;
    }
}

/// An option with a value; false if there is none.
fn other(
    input: &mut Input<'_>,
    word: &str,
    new: bool,
    options: &mut UserOptions,
) -> Result<bool, Failure> {
    match word {
        "password" => {
            input.expect("password")?;
            let none = input.eat("null");
            options.password = Some(if none { String::new() } else { input.string()? });
        }
        "identified" => {
            input.expect_all(&["identified", "by"])?;
            options.password = Some(input.string()?);
        }
        "in" if new => {
            input.expect("in")?;
            if !input.eat("group") {
                input.expect("role")?;
            }
            options.in_roles.extend(rights::roles(input)?);
        }
        "role" | "user" | "admin" if new => {
            input.expect(word)?;
            let admin = word == "admin";
            options.members.extend(rights::roles(input)?.into_iter().map(|r| (r, admin)));
        }
        "connection" | "valid" => {
            let what = format!("the role option {}", word.to_ascii_uppercase());
            return Err(Failure::Final(Error::unsupported(what)));
        }
        _ => return Ok(false),
    }
    Ok(true)
}
