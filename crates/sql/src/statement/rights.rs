//! `GRANT`, `REVOKE`, owners, and what new sessions begin with.

mod default;
mod grant;
mod rule;

use super::Stmt;
use super::error::Failure;
use super::input::Input;
use base::Privileges;
use datafusion::sql::sqlparser::ast::ObjectName;
use datafusion::sql::sqlparser::tokenizer::Token;
pub(super) use default::{
    alter_schema, alter_system, default, of_role, owned, owner_of_database, set_global,
};
pub(super) use grant::grant;
pub(super) use rule::{create_rule, drop_rule};

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
    /// `CREATE ADDRESS RULE n FOR {ALL|r} [ON DATABASE d] FROM '…' {ALLOW|DENY} [PRIORITY n] [FORCE]`
    CreateRule {
        /// Its name.
        name: String,
        /// No error if it exists.
        if_not_exists: bool,
        /// Whom it concerns; everybody if absent.
        role: Option<RoleName>,
        /// Where; everywhere if absent.
        database: Option<String>,
        /// The network.
        network: String,
        /// Lets in.
        allow: bool,
        /// A higher one is looked at first.
        priority: i32,
        /// Also if it shuts this session out.
        force: bool,
    },
    /// `DROP ADDRESS RULE [IF EXISTS] n [FORCE]`
    DropRule {
        /// Which.
        name: String,
        /// No error if it does not exist.
        if_exists: bool,
        /// Also if that shuts this session out.
        force: bool,
    },
    /// `SHOW GRANTS [FOR r]`
    Show(Option<RoleName>),
}

impl Rights {
    /// True for statements about the cluster's roles, which belong to no transaction.
    pub fn stands_alone(&self) -> bool {
        match self {
            Rights::Membership { .. } | Rights::Rename { .. } => true,
            Rights::CreateRule { .. } | Rights::DropRule { .. } => true,
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
            Rights::CreateRule { .. } => "CREATE ADDRESS RULE",
            Rights::DropRule { .. } => "DROP ADDRESS RULE",
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

/// `SHOW GRANTS [FOR r]`
pub(super) fn show_grants(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["show", "grants"])?;
    let who = if input.eat("for") { Some(role(input)?) } else { None };
    Ok(stmt(Rights::Show(who)))
}

#[cfg(test)]
mod tests;
