//! `GRANT`, `REVOKE`, owners, and what new sessions begin with.

use super::Stmt;
use super::error::Failure;
use super::input::Input;
use base::{Error, Privileges, SqlState};
use datafusion::sql::sqlparser::ast::ObjectName;
use datafusion::sql::sqlparser::tokenizer::Token;

/// A role as statements name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleName {
    /// By its name.
    Named(String),
    /// Whoever runs the statement.
    Current,
    /// Everybody.
    Public,
}

/// What privileges are granted on.
#[derive(Clone, Debug, PartialEq)]
pub enum Objects {
    /// Tables, and sequences named like tables.
    Tables(Vec<ObjectName>),
    /// Sequences.
    Sequences(Vec<ObjectName>),
    /// `ALL {TABLES|SEQUENCES} IN SCHEMA s, …`
    All {
        /// Sequences instead of tables.
        sequences: bool,
        /// Where.
        schemas: Vec<String>,
    },
    /// Databases.
    Databases(Vec<String>),
    /// Schemas.
    Schemas(Vec<String>),
}

/// `GRANT` or `REVOKE` of privileges.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// It takes away.
    pub revoke: bool,
    /// Which; `None` are all there are.
    pub privileges: Option<Privileges>,
    /// On what.
    pub on: Objects,
    /// To or from whom.
    pub roles: Vec<RoleName>,
    /// `WITH GRANT OPTION`, `GRANT OPTION FOR`
    pub option: bool,
    /// `CASCADE`
    pub cascade: bool,
}

/// For which sessions a setting is the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sessions {
    /// All of the cluster.
    All,
    /// Those of a role.
    Role(RoleName),
    /// Those in a database.
    Database(String),
    /// Those of a role in a database.
    RoleInDatabase(RoleName, String),
}

/// A statement about rights and defaults.
#[derive(Clone, Debug, PartialEq)]
pub enum Rights {
    /// Privileges on objects.
    Grant(Grant),
    /// `GRANT r, … TO m, … [WITH ADMIN OPTION]` and `REVOKE [ADMIN OPTION FOR] r, … FROM m, …`
    Membership {
        /// It takes away.
        revoke: bool,
        /// The groups.
        roles: Vec<RoleName>,
        /// Their members.
        members: Vec<RoleName>,
        /// `WITH ADMIN OPTION`, `ADMIN OPTION FOR`
        admin: bool,
    },
    /// `ALTER {DATABASE|SCHEMA} n OWNER TO r`
    Owner {
        /// The database or the schema.
        on: Objects,
        /// The new owner.
        to: RoleName,
    },
    /// `ALTER ROLE r RENAME TO n`
    Rename {
        /// Who.
        role: RoleName,
        /// Its new name.
        to: String,
    },
    /// `REASSIGN OWNED BY r, … TO n` and `DROP OWNED BY r, …`
    Owned {
        /// Whose.
        roles: Vec<RoleName>,
        /// The new owner; without one what was granted to them is revoked.
        to: Option<RoleName>,
    },
    /// `ALTER {ROLE|DATABASE|SYSTEM} … {SET n = v|RESET n|RESET ALL}`, `SET GLOBAL n = v`
    Default {
        /// For whom.
        of: Sessions,
        /// The setting; all if absent.
        setting: Option<String>,
        /// Its value; none takes it back.
        value: Option<String>,
    },
    /// `SHOW GRANTS [FOR r]`
    Show(Option<RoleName>),
}

impl Rights {
    /// True for statements about the cluster's roles, which belong to no transaction.
    pub fn stands_alone(&self) -> bool {
        match self {
            Rights::Membership { .. } | Rights::Rename { .. } => true,
            Rights::Default { of: Sessions::All | Sessions::Role(_), .. } => true,
            Rights::Show(_) => false,
            _ => false,
        }
    }

    /// The command tag.
    pub fn tag(&self) -> &'static str {
        match self {
            Rights::Grant(Grant { revoke: false, .. }) => "GRANT",
            Rights::Grant(_) => "REVOKE",
            Rights::Membership { revoke: false, .. } => "GRANT ROLE",
            Rights::Membership { .. } => "REVOKE ROLE",
            Rights::Owner { on: Objects::Databases(_), .. } => "ALTER DATABASE",
            Rights::Owner { .. } => "ALTER SCHEMA",
            Rights::Rename { .. } => "ALTER ROLE",
            Rights::Owned { to: Some(_), .. } => "REASSIGN OWNED",
            Rights::Owned { .. } => "DROP OWNED",
            Rights::Default { of: Sessions::All, .. } => "ALTER SYSTEM",
            Rights::Default { of: Sessions::Database(_), .. } => "ALTER DATABASE",
            Rights::Default { .. } => "ALTER ROLE",
            Rights::Show(_) => "SHOW",
        }
    }
}

fn stmt(rights: Rights) -> Stmt {
    Stmt::Rights(Box::new(rights))
}

/// A role.
pub(super) fn role(input: &mut Input<'_>) -> Result<RoleName, Failure> {
    input.eat("group");
    for word in ["current_user", "session_user", "current_role"] {
        if input.eat(word) {
            return Ok(RoleName::Current);
        }
    }
    if input.eat("public") {
        return Ok(RoleName::Public);
    }
    Ok(RoleName::Named(input.name()?))
}

pub(super) fn roles(input: &mut Input<'_>) -> Result<Vec<RoleName>, Failure> {
    let mut all = vec![role(input)?];
    while input.eat_sign(&Token::Comma) {
        all.push(role(input)?);
    }
    Ok(all)
}

fn names(input: &mut Input<'_>) -> Result<Vec<String>, Failure> {
    let mut all = vec![input.name()?];
    while input.eat_sign(&Token::Comma) {
        all.push(input.name()?);
    }
    Ok(all)
}

fn object_names(input: &mut Input<'_>) -> Result<Vec<ObjectName>, Failure> {
    Ok(input.parser.parse_comma_separated(|p| p.parse_object_name(false))?)
}

/// `GRANT …` and `REVOKE …`
pub(super) fn grant(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    let revoke = input.eat("revoke");
    if !revoke {
        input.expect("grant")?;
    }
    let mut option = revoke && input.eat_all(&["grant", "option", "for"]);
    let mut admin = revoke && input.eat_all(&["admin", "option", "for"]);
    let given = privileges(input)?;
    if !input.eat("on") {
        let to_or_from = if revoke { "from" } else { "to" };
        if !input.eat(to_or_from) {
            return input.wrong(if revoke { "ON or FROM" } else { "ON or TO" });
        }
        let roles = given.roles()?;
        let members = self::roles(input)?;
        admin |= !revoke && admin_option(input)?;
        granted_by(input)?;
        let _ = input.eat("cascade") || input.eat("restrict");
        return Ok(stmt(Rights::Membership { revoke, roles, members, admin }));
    }
    let privileges = given.privileges()?;
    let on = objects(input)?;
    input.expect(if revoke { "from" } else { "to" })?;
    let roles = self::roles(input)?;
    option |= !revoke && input.eat_all(&["with", "grant", "option"]);
    granted_by(input)?;
    let cascade = input.eat("cascade");
    input.eat("restrict");
    Ok(stmt(Rights::Grant(Grant { revoke, privileges, on, roles, option, cascade })))
}

/// `WITH ADMIN {OPTION|TRUE|FALSE}`
fn admin_option(input: &mut Input<'_>) -> Result<bool, Failure> {
    if !input.eat("with") {
        return Ok(false);
    }
    if input.at("inherit") || input.at("set") {
        let what = "WITH INHERIT or SET for a single membership";
        return Err(Failure::Final(Error::unsupported(what)));
    }
    input.expect("admin")?;
    if input.eat("option") || input.eat("true") {
        return Ok(true);
    }
    input.expect("false")?;
    Ok(false)
}

fn granted_by(input: &mut Input<'_>) -> Result<(), Failure> {
    if input.eat_all(&["granted", "by"]) && role(input)? != RoleName::Current {
        let error = Error::new(SqlState::FEATURE_NOT_SUPPORTED, "grantor must be current user");
        return Err(Failure::Final(error));
    }
    Ok(())
}

/// What stands before `ON`, `TO` or `FROM`: words that may be privileges or roles.
enum Given {
    All,
    Words(Vec<(String, RoleName)>),
}

fn privileges(input: &mut Input<'_>) -> Result<Given, Failure> {
    if input.eat("all") {
        input.eat("privileges");
        return columns(input).map(|()| Given::All);
    }
    let mut words = Vec::new();
    loop {
        let word = input.word(0);
        words.push((word, role(input)?));
        columns(input)?;
        if !input.eat_sign(&Token::Comma) {
            return Ok(Given::Words(words));
        }
    }
}

fn columns(input: &Input<'_>) -> Result<(), Failure> {
    if input.parser.peek_token_ref().token == Token::LParen {
        return Err(Failure::Final(Error::unsupported("privileges on single columns")));
    }
    Ok(())
}

impl Given {
    fn privileges(self) -> Result<Option<Privileges>, Failure> {
        let Given::Words(words) = self else { return Ok(None) };
        let mut all = Privileges::NONE;
        for (word, _) in words {
            match Privileges::named(&word) {
                Some(one) => all = all.with(one),
                None if matches!(word.as_str(), "execute" | "set" | "maintain") => {
                    let what = format!("the privilege {}", word.to_ascii_uppercase());
                    return Err(Failure::Final(Error::unsupported(what)));
                }
                None => {
                    let message = format!("unrecognized privilege type \"{word}\"");
                    return Err(Failure::Final(Error::new(SqlState::SYNTAX_ERROR, message)));
                }
            }
        }
        Ok(Some(all))
    }

    fn roles(self) -> Result<Vec<RoleName>, Failure> {
        match self {
            Given::Words(words) => Ok(words.into_iter().map(|(_, role)| role).collect()),
            Given::All => {
                let message = "ALL is not a role";
                Err(Failure::Final(Error::new(SqlState::SYNTAX_ERROR, message)))
            }
        }
    }
}

fn objects(input: &mut Input<'_>) -> Result<Objects, Failure> {
    if input.at("all") {
        input.expect("all")?;
        let sequences = input.eat("sequences");
        if !sequences && !input.eat("tables") {
            let what = "this form of GRANT … ON ALL";
            return Err(Failure::Final(Error::unsupported(what)));
        }
        input.expect_all(&["in", "schema"])?;
        return Ok(Objects::All { sequences, schemas: names(input)? });
    }
    for word in [
        "function",
        "procedure",
        "routine",
        "language",
        "tablespace",
        "type",
        "domain",
        "foreign",
        "large",
        "parameter",
    ] {
        if input.at(word) && input.word(1) != "to" && input.word(1) != "from" {
            let what = format!("privileges on a {word}");
            return Err(Failure::Final(Error::unsupported(what)));
        }
    }
    Ok(if input.eat("database") {
        Objects::Databases(names(input)?)
    } else if input.eat("schema") {
        Objects::Schemas(names(input)?)
    } else if input.eat("sequence") {
        Objects::Sequences(object_names(input)?)
    } else {
        input.eat("table");
        Objects::Tables(object_names(input)?)
    })
}

/// `ALTER SCHEMA s OWNER TO r`
pub(super) fn alter_schema(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["alter", "schema"])?;
    let on = Objects::Schemas(vec![input.name()?]);
    if !input.eat_all(&["owner", "to"]) {
        return Err(Failure::Final(Error::unsupported("this form of ALTER SCHEMA")));
    }
    Ok(stmt(Rights::Owner { on, to: role(input)? }))
}

/// `OWNER TO r`, after `ALTER DATABASE d`.
pub(super) fn owner_of_database(input: &mut Input<'_>, name: String) -> Result<Stmt, Failure> {
    input.expect_all(&["owner", "to"])?;
    Ok(stmt(Rights::Owner { on: Objects::Databases(vec![name]), to: role(input)? }))
}

/// `REASSIGN OWNED BY …` and `DROP OWNED BY …`
pub(super) fn owned(input: &mut Input<'_>) -> Result<Stmt, Failure> {
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
pub(super) fn of_role(input: &mut Input<'_>, name: &RoleName) -> Result<Option<Stmt>, Failure> {
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
pub(super) fn default(input: &mut Input<'_>, of: Sessions) -> Result<Stmt, Failure> {
    if input.eat("reset") {
        let setting = if input.eat("all") { None } else { Some(setting(input)?) };
        return Ok(stmt(Rights::Default { of, setting, value: None }));
    }
    input.expect("set")?;
    assignment(input, of)
}

/// `SET GLOBAL n = v`
pub(super) fn set_global(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["set", "global"])?;
    assignment(input, Sessions::All)
}

/// `ALTER SYSTEM {SET|RESET} …`
pub(super) fn alter_system(input: &mut Input<'_>) -> Result<Stmt, Failure> {
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

/// `SHOW GRANTS [FOR r]`
pub(super) fn show_grants(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["show", "grants"])?;
    let who = if input.eat("for") { Some(role(input)?) } else { None };
    Ok(stmt(Rights::Show(who)))
}

#[cfg(test)]
mod tests;
