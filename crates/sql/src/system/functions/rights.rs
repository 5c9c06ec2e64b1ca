//! `has_…_privilege` and `pg_has_role`.

use super::answers::{class_named, sequence_of, table_of};
use super::call::{Args, Result};
use crate::privilege::{Identity, Object};
use crate::system::cluster::user_name;
use crate::system::columns::RELATIONS;
use crate::system::oids;
use crate::system::rights::{identity, of_database};
use crate::system::sheet::Cell;
use crate::system::source::Facts;
use base::{Error, Privileges, SqlState};

/// Arguments as `(user, object, …, privileges)`, of which the user may be left out.
struct Asked {
    by: Identity,
    object: usize,
    wanted: Vec<(Privileges, bool)>,
}

impl Asked {
    /// `None` if an argument is NULL.
    fn read(facts: &Facts, args: &Args<'_>, full: usize) -> Result<Option<Asked>> {
        let last = args.count().saturating_sub(1);
        let (by, object) = match args.count() {
            n if n == full => match user(facts, args, 0)? {
                Some(name) => (identity(facts, &name), 1),
                None => return Ok(None),
            },
            _ => (identity(facts, &facts.user), 0),
        };
        let Some(text) = args.text(last) else { return Ok(None) };
        let wanted = text.split(',').map(one).collect::<Result<Vec<_>>>()?;
        Ok(Some(Asked { by, object, wanted }))
    }

    /// One of the privileges is enough.
    fn answer(&self, object: &Object) -> Result {
        let (held, grantable) = (object.held(&self.by), object.grantable(&self.by));
        let has =
            |(one, option): &(Privileges, bool)| held.has(*one) && (!option || grantable.has(*one));
        Ok(self.wanted.iter().any(has).into())
    }
}

/// `SELECT WITH GRANT OPTION`
fn one(text: &str) -> Result<(Privileges, bool)> {
    let text = text.trim().to_ascii_uppercase();
    let (word, option) = match text.strip_suffix(" WITH GRANT OPTION") {
        Some(word) => (word.trim(), true),
        None => (text.as_str(), false),
    };
    Privileges::named(word).map(|one| (one, option)).ok_or_else(|| {
        let message = format!("unrecognized privilege type: \"{text}\"");
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
    })
}

/// A role by name or number; PUBLIC has no name that a role could have.
fn user(facts: &Facts, args: &Args<'_>, i: usize) -> Result<Option<String>> {
    let Some(text) = args.text(i) else { return Ok(None) };
    if let Some(name) = args.int(i).and_then(|oid| user_name(facts, oid)) {
        return Ok(Some(name));
    }
    if text == "public" || facts.users.iter().any(|u| u.name == text) {
        return Ok(Some(text));
    }
    let message = format!("role \"{text}\" does not exist");
    Err(Error::new(SqlState::UNDEFINED_OBJECT, message))
}

pub(super) fn table(facts: &Facts, args: &Args<'_>) -> Result {
    relation(facts, args, 3)
}

pub(super) fn sequence(facts: &Facts, args: &Args<'_>) -> Result {
    relation(facts, args, 3)
}

pub(super) fn any_column(facts: &Facts, args: &Args<'_>) -> Result {
    relation(facts, args, 3)
}

/// A column is as its table is.
pub(super) fn column(facts: &Facts, args: &Args<'_>) -> Result {
    relation(facts, args, 4)
}

fn relation(facts: &Facts, args: &Args<'_>, full: usize) -> Result {
    let Some(asked) = Asked::read(facts, args, full)? else { return Ok(Cell::Null) };
    let Some(text) = args.text(asked.object) else { return Ok(Cell::Null) };
    let oid = class_named(facts, &text).ok_or_else(|| {
        let message = format!("relation \"{text}\" does not exist");
        Error::new(SqlState::UNDEFINED_TABLE, message)
    })?;
    if let Some(table) = table_of(facts, oid) {
        return asked.answer(&Object::table(&facts.catalog, table));
    }
    if let Some(sequence) = sequence_of(facts, oid) {
        return asked.answer(&Object::sequence(&facts.catalog, sequence));
    }
    if RELATIONS.values().any(|r| r.oid == oid) {
        let reads = asked.wanted.iter().any(|(one, option)| *one == Privileges::SELECT && !option);
        return Ok(reads.into());
    }
    Ok(Cell::Null)
}

pub(super) fn database(facts: &Facts, args: &Args<'_>) -> Result {
    let Some(asked) = Asked::read(facts, args, 3)? else { return Ok(Cell::Null) };
    let (name, oid) = (args.text(asked.object), args.int(asked.object));
    let is = |d: &&crate::system::DatabaseFact| {
        Some(&d.name) == name.as_ref() || Some(oids::database(d.id)) == oid
    };
    match (facts.databases.iter().find(is), name) {
        (Some(database), _) => match of_database(database) {
            Some(object) => asked.answer(&object),
            None => Ok(asked.by.superuser.into()),
        },
        (None, Some(name)) if oid.is_none() => {
            let message = format!("database \"{name}\" does not exist");
            Err(Error::new(SqlState::INVALID_CATALOG_NAME, message))
        }
        _ => Ok(Cell::Null),
    }
}

pub(super) fn schema(facts: &Facts, args: &Args<'_>) -> Result {
    let Some(asked) = Asked::read(facts, args, 3)? else { return Ok(Cell::Null) };
    let (name, oid) = (args.text(asked.object), args.int(asked.object));
    if name.as_deref() == Some("public") || oid == Some(oids::PUBLIC) {
        return asked.answer(&Object::schema(&facts.catalog));
    }
    // The system's own can be looked into by everybody.
    let usage = |(one, option): &(Privileges, bool)| *one == Privileges::USAGE && !option;
    Ok(asked.wanted.iter().any(usage).into())
}

/// `pg_has_role([user,] role, 'MEMBER' | 'USAGE' | 'SET')`
pub(super) fn role(facts: &Facts, args: &Args<'_>) -> Result {
    let full = args.count() == 3;
    let by = if full { user(facts, args, 0)? } else { Some(facts.user.clone()) };
    let role = user(facts, args, usize::from(full))?;
    let how = args.text(args.count().saturating_sub(1));
    let (Some(by), Some(role), Some(how)) = (by, role, how) else { return Ok(Cell::Null) };
    let by = identity(facts, &by);
    let all =
        if how.to_ascii_uppercase().starts_with("USAGE") { &by.roles } else { &by.memberships };
    Ok((by.superuser || all.contains(&role)).into())
}

/// The groups of a role, as PostgreSQL writes a list.
pub(super) fn groups(facts: &Facts, args: &Args<'_>) -> Result {
    let name = args.int(0).and_then(|oid| user_name(facts, oid));
    let groups = facts.memberships.iter().filter(|m| Some(&m.member) == name.as_ref());
    let mut groups: Vec<&str> = groups.map(|m| m.role.as_str()).collect();
    groups.sort_unstable();
    Ok(format!("{{{}}}", groups.join(",")).into())
}
