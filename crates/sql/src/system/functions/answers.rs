//! What each function says.

use super::call::{Args, Result};
use crate::system::columns::RELATIONS;
use crate::system::keys::quoted;
use crate::system::sequences::sequences;
use crate::system::sheet::Cell;
use crate::system::source::Facts;
use crate::system::{cluster, indexes, oids, relations, types};
use base::{Error, SequenceDescriptor, SqlState, TableDescriptor};
use std::sync::Arc;

pub(super) fn null(_: &Facts, _: &Args<'_>) -> Result {
    Ok(Cell::Null)
}

pub(super) fn yes(_: &Facts, _: &Args<'_>) -> Result {
    Ok(true.into())
}

pub(super) fn no(_: &Facts, _: &Args<'_>) -> Result {
    Ok(false.into())
}

pub(super) fn zero(_: &Facts, _: &Args<'_>) -> Result {
    Ok(0_i64.into())
}

pub(super) fn empty(_: &Facts, _: &Args<'_>) -> Result {
    Ok("".into())
}

pub(super) fn utf8(_: &Facts, _: &Args<'_>) -> Result {
    Ok("UTF8".into())
}

pub(super) fn first(_: &Facts, args: &Args<'_>) -> Result {
    Ok(args.text(0).into())
}

pub(super) fn second(_: &Facts, args: &Args<'_>) -> Result {
    Ok(args.text(1).into())
}

/// Expressions are kept as their text.
pub(super) fn expression(_: &Facts, args: &Args<'_>) -> Result {
    Ok(args.text(0).into())
}

pub(super) fn current_schemas(_: &Facts, args: &Args<'_>) -> Result {
    let implicit = args.text(0).is_some_and(|t| t == "true");
    let all = ["pg_catalog", "public"].map(String::from);
    Ok(Cell::Texts(all.into_iter().skip(usize::from(!implicit)).collect()))
}

pub(super) fn current_setting(facts: &Facts, args: &Args<'_>) -> Result {
    let Some(name) = args.text(0) else { return Ok(Cell::Null) };
    let known = facts.settings.iter().find(|s| s.name.eq_ignore_ascii_case(&name));
    match known {
        Some(setting) => Ok((&setting.value).into()),
        None if args.text(1).is_some_and(|t| t == "true") => Ok(Cell::Null),
        None => Err(Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!("unrecognized configuration parameter \"{name}\""),
        )),
    }
}

pub(super) fn format_type(_: &Facts, args: &Args<'_>) -> Result {
    let Some(oid) = args.int(0) else { return Ok(Cell::Null) };
    Ok(types::format_type(oid, args.int(1)).into())
}

pub(super) fn user_name(facts: &Facts, args: &Args<'_>) -> Result {
    let Some(oid) = args.int(0) else { return Ok(Cell::Null) };
    let name = cluster::user_name(facts, oid);
    Ok(name.unwrap_or_else(|| format!("unknown (OID={oid})")).into())
}

pub(super) fn table_is_visible(facts: &Facts, args: &Args<'_>) -> Result {
    let Some(oid) = args.int(0) else { return Ok(Cell::Null) };
    let schema = class(facts, oid).map(|(schema, _)| schema);
    Ok(schema.is_some_and(|s| s == "public" || s == "pg_catalog").into())
}

pub(super) fn index_definition(facts: &Facts, args: &Args<'_>) -> Result {
    let Some(oid) = args.int(0) else { return Ok(Cell::Null) };
    let Some(index) = indexes::by_oid(facts, oid) else { return Ok(Cell::Null) };
    match args.int(1) {
        None | Some(0) => Ok(index.definition().into()),
        Some(n) => {
            let member = usize::try_from(n - 1).ok().and_then(|i| index.columns.get(i));
            Ok(member.map(|m| quoted(&m.column.name)).into())
        }
    }
}

pub(super) fn constraint_definition(facts: &Facts, args: &Args<'_>) -> Result {
    let Some(oid) = args.int(0) else { return Ok(Cell::Null) };
    Ok(indexes::by_constraint(facts, oid).map(|i| i.constraint_definition()).into())
}

/// The sequence that belongs to a column, ready for `nextval`.
pub(super) fn serial_sequence(facts: &Facts, args: &Args<'_>) -> Result {
    let (Some(name), Some(column)) = (args.text(0), args.text(1)) else { return Ok(Cell::Null) };
    let table =
        class_named(facts, &name).and_then(|oid| table_of(facts, oid)).ok_or_else(|| {
            let message = format!("relation \"{name}\" does not exist");
            Error::new(SqlState::UNDEFINED_TABLE, message)
        })?;
    let found = table.column_named(&column).filter(|c| !c.hidden).ok_or_else(|| {
        let message = format!("column \"{column}\" of relation \"{}\" does not exist", table.name);
        Error::new(SqlState::UNDEFINED_COLUMN, message)
    })?;
    let owned = facts.catalog.owned_by(table.id);
    let mut owned = owned.filter(|s| s.owner.is_some_and(|o| o.column == found.id));
    Ok(owned.next().map(|s| format!("{}.{}", quoted(&s.schema), quoted(&s.name))).into())
}

pub(super) fn relation_size(facts: &Facts, args: &Args<'_>) -> Result {
    let named = || args.text(0).and_then(|name| class_named(facts, &name));
    let Some(oid) = args.int(0).or_else(named) else { return Ok(Cell::Null) };
    if sequence_of(facts, oid).is_some() {
        return Ok(0_i64.into());
    }
    let known = table_of(facts, oid).map(|t| t.id);
    let secondary = || facts.catalog.tables.values().flat_map(|t| &t.indexes);
    let size = known.or_else(|| secondary().find(|i| oids::table(i.id) == oid).map(|i| i.id));
    Ok(size.map(|id| facts.sizes.get(&id).copied().unwrap_or(0)).into())
}

pub(super) fn database_size(facts: &Facts, args: &Args<'_>) -> Result {
    let (name, oid) = (args.text(0), args.int(0));
    let is_meant = |d: &&crate::system::DatabaseFact| {
        Some(&d.name) == name.as_ref() || Some(oids::database(d.id)) == oid
    };
    Ok(facts.databases.iter().find(is_meant).map(|d| d.bytes).into())
}

pub(super) fn size_pretty(_: &Facts, args: &Args<'_>) -> Result {
    let Some(mut size) = args.int(0) else { return Ok(Cell::Null) };
    for unit in ["bytes", "kB", "MB", "GB", "TB"] {
        if size.abs() < 10_240 {
            return Ok(format!("{size} {unit}").into());
        }
        size = (size + 512) / 1024;
    }
    Ok(format!("{size} PB").into())
}

pub(super) fn quote_ident(_: &Facts, args: &Args<'_>) -> Result {
    Ok(args.text(0).map(|t| quoted(&t)).into())
}

pub(super) fn quote_literal(_: &Facts, args: &Args<'_>) -> Result {
    Ok(args.text(0).map(|t| format!("'{}'", t.replace('\'', "''"))).into())
}

/// A relation's name, or its number in digits, as its number.
pub(super) fn regclass_in(facts: &Facts, args: &Args<'_>) -> Result {
    let Some(name) = args.text(0) else { return Ok(Cell::Null) };
    match class_named(facts, &name) {
        Some(oid) => Ok(oid.into()),
        None => Err(Error::new(
            SqlState::UNDEFINED_TABLE,
            format!("relation \"{name}\" does not exist"),
        )),
    }
}

pub(super) fn regclass_out(facts: &Facts, args: &Args<'_>) -> Result {
    let Some(oid) = args.int(0) else { return Ok(Cell::Null) };
    Ok(class_text(facts, oid).into())
}

pub(super) fn to_regclass(facts: &Facts, args: &Args<'_>) -> Result {
    let oid = args.text(0).and_then(|name| class_named(facts, &name));
    Ok(oid.map(|oid| class_text(facts, oid)).into())
}

pub(super) fn regnamespace_in(facts: &Facts, args: &Args<'_>) -> Result {
    let Some(name) = args.text(0) else { return Ok(Cell::Null) };
    if relations::schemas(facts).contains(&name) {
        return Ok(oids::schema(&name).into());
    }
    Err(Error::new(SqlState::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist")))
}

pub(super) fn regnamespace_out(facts: &Facts, args: &Args<'_>) -> Result {
    let Some(oid) = args.int(0) else { return Ok(Cell::Null) };
    let name = relations::schemas(facts).into_iter().find(|s| oids::schema(s) == oid);
    Ok(name.unwrap_or_else(|| oid.to_string()).into())
}

pub(super) fn to_regnamespace(facts: &Facts, args: &Args<'_>) -> Result {
    Ok(args.text(0).filter(|name| relations::schemas(facts).contains(name)).into())
}

pub(super) fn regproc_in(_: &Facts, args: &Args<'_>) -> Result {
    Ok(args.int(0).unwrap_or(0).into())
}

pub(super) fn regrole_in(facts: &Facts, args: &Args<'_>) -> Result {
    let Some(name) = args.text(0) else { return Ok(Cell::Null) };
    if facts.users.iter().any(|u| u.name == name) {
        return Ok(cluster::user_oid(facts, &name).into());
    }
    Err(Error::new(SqlState::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist")))
}

pub(super) fn regtype_in(_: &Facts, args: &Args<'_>) -> Result {
    let Some(name) = args.text(0) else { return Ok(Cell::Null) };
    match types::by_name(&name) {
        Some(ty) => Ok(ty.oid.into()),
        None => {
            Err(Error::new(SqlState::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist")))
        }
    }
}

pub(super) fn to_regtype(_: &Facts, args: &Args<'_>) -> Result {
    Ok(args.text(0).and_then(|name| types::by_name(&name)).map(|t| t.sql).into())
}

/// The user's table with this number.
pub(super) fn table_of(facts: &Facts, oid: i64) -> Option<&Arc<TableDescriptor>> {
    relations::tables(facts).find(|t| oids::table(t.id) == oid)
}

/// The user's sequence with this number.
pub(super) fn sequence_of(facts: &Facts, oid: i64) -> Option<&Arc<SequenceDescriptor>> {
    sequences(facts).find(|s| oids::table(s.id) == oid)
}

/// Schema and name of a table, sequence, key or system table.
fn class(facts: &Facts, oid: i64) -> Option<(String, String)> {
    if let Some(sequence) = sequence_of(facts, oid) {
        return Some((sequence.schema.clone(), sequence.name.clone()));
    }
    if let Some(table) = table_of(facts, oid) {
        return Some((table.schema.clone(), table.name.clone()));
    }
    if let Some(index) = indexes::by_oid(facts, oid) {
        return Some((index.table.schema.clone(), index.name));
    }
    let system = RELATIONS.values().find(|r| r.oid == oid)?;
    Some((system.schema.clone(), system.name.clone()))
}

fn class_text(facts: &Facts, oid: i64) -> String {
    match class(facts, oid) {
        Some((schema, name)) if schema == "public" || schema == "pg_catalog" => quoted(&name),
        Some((schema, name)) => format!("{}.{}", quoted(&schema), quoted(&name)),
        None => oid.to_string(),
    }
}

/// The number of the relation that a text names.
pub(super) fn class_named(facts: &Facts, text: &str) -> Option<i64> {
    if let Ok(oid) = text.trim().parse() {
        return Some(oid);
    }
    let parts = split_name(text);
    let (schema, name) = match parts.as_slice() {
        [name] => (None, name),
        [schema, name] => (Some(schema), name),
        _ => return None,
    };
    let fits = |own: &str, path: &str| schema.map_or(own == path, |s| own == s);
    let system = RELATIONS.values().find(|r| r.name == *name && fits(&r.schema, "pg_catalog"));
    let mut own = relations::tables(facts).filter(|t| fits(&t.schema, "public"));
    let mut numbered = sequences(facts).filter(|s| fits(&s.schema, "public") && s.name == *name);
    let sequence = numbered.next().map(|s| oids::table(s.id));
    system.map(|r| r.oid).or(sequence).or_else(|| {
        let table = own.find(|t| t.name == *name).map(|t| oids::table(t.id));
        let schema = schema.map_or("public", String::as_str);
        table.or_else(|| indexes::by_name(facts, schema, name).map(|i| i.oid))
    })
}

/// Splits `schema."Name"` at its dots; folds what is not quoted.
pub(crate) fn split_name(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.trim().chars().peekable();
    while let Some(c) = chars.next() {
        let last = parts.len() - 1;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                parts[last].push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            c if quoted => parts[last].push(c),
            c => parts[last].extend(c.to_lowercase()),
        }
    }
    parts
}
