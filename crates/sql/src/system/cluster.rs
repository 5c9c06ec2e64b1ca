//! What is not of one database: types, users, databases, settings, connections.

use super::oids;
use super::relations::owner;
use super::rights;
use super::sheet::{Cell, Sheet, at_ms};
use super::source::{Facts, UserFact};
use super::types;

/// Number of UTF8 among PostgreSQL's encodings.
pub(super) const UTF8: i64 = 6;

/// `pg_type`
pub(super) fn types(sheet: &mut Sheet) {
    for ty in types::TYPES {
        sheet.row([
            ("oid", ty.oid.into()),
            ("typname", ty.name.into()),
            ("typnamespace", oids::PG_CATALOG.into()),
            ("typowner", oids::OWNER.into()),
            ("typlen", ty.len.into()),
            ("typbyval", (1..=8).contains(&ty.len).into()),
            ("typtype", if matches!(ty.category, 'P' | 'X') { "p" } else { "b" }.into()),
            ("typcategory", ty.category.to_string().into()),
            ("typispreferred", matches!(ty.oid, 16 | 25 | 26 | 701 | 1184).into()),
            ("typisdefined", true.into()),
            ("typdelim", ",".into()),
            ("typelem", ty.element.into()),
            ("typarray", ty.array.into()),
            ("typalign", "i".into()),
            ("typstorage", if ty.len < 0 { "x" } else { "p" }.into()),
            ("typtypmod", (-1_i64).into()),
        ]);
    }
}

/// `pg_am`
pub(super) fn access_methods(sheet: &mut Sheet) {
    for (oid, name, kind) in [(oids::HEAP, "heap", "t"), (oids::BTREE, "btree", "i")] {
        sheet.row([("oid", oid.into()), ("amname", name.into()), ("amtype", kind.into())]);
    }
}

/// `pg_tablespace`
pub(super) fn tablespaces(sheet: &mut Sheet) {
    sheet.row([
        ("oid", oids::TABLESPACE.into()),
        ("spcname", "pg_default".into()),
        ("spcowner", oids::OWNER.into()),
    ]);
}

/// `pg_database`
pub(super) fn databases(facts: &Facts, sheet: &mut Sheet) {
    for database in &facts.databases {
        let object = rights::of_database(database);
        let owner = object.as_ref().and_then(|o| o.owner.as_deref());
        sheet.row([
            ("oid", oids::database(database.id).into()),
            ("datname", (&database.name).into()),
            ("datdba", rights::owner_oid(facts, owner).into()),
            ("datacl", rights::list(facts, object.as_ref())),
            ("encoding", UTF8.into()),
            ("datlocprovider", "c".into()),
            ("datallowconn", true.into()),
            ("datconnlimit", (-1_i64).into()),
            ("dattablespace", oids::TABLESPACE.into()),
            ("datcollate", "C.UTF-8".into()),
            ("datctype", "C.UTF-8".into()),
        ]);
    }
}

/// The number of a user.
pub(super) fn user_oid(facts: &Facts, name: &str) -> i64 {
    if name == owner(facts) { oids::OWNER } else { oids::user(name) }
}

/// The name of a user's number.
pub(super) fn user_name(facts: &Facts, oid: i64) -> Option<String> {
    if oid == oids::OWNER {
        return Some(owner(facts));
    }
    facts.users.iter().map(|u| &u.name).find(|name| oids::user(name) == oid).cloned()
}

/// `pg_roles` and `pg_authid`
pub(super) fn roles(facts: &Facts, sheet: &mut Sheet) {
    for user in &facts.users {
        sheet.row([
            ("oid", user_oid(facts, &user.name).into()),
            ("rolname", (&user.name).into()),
            ("rolsuper", user.superuser.into()),
            ("rolinherit", user.inherit.into()),
            ("rolcreaterole", (user.superuser || user.createrole).into()),
            ("rolcreatedb", (user.superuser || user.createdb).into()),
            ("rolcanlogin", user.login.into()),
            ("rolreplication", (user.superuser || user.replication).into()),
            ("rolbypassrls", user.superuser.into()),
            ("rolconnlimit", (-1_i64).into()),
            ("rolpassword", "********".into()),
            ("rolconfig", rights::config(&user.settings)),
        ]);
    }
}

/// `pg_user`
pub(super) fn users(facts: &Facts, sheet: &mut Sheet) {
    let one = |sheet: &mut Sheet, user: &UserFact| {
        sheet.row([
            ("usename", (&user.name).into()),
            ("usesysid", user_oid(facts, &user.name).into()),
            ("usecreatedb", (user.superuser || user.createdb).into()),
            ("usesuper", user.superuser.into()),
            ("userepl", (user.superuser || user.replication).into()),
            ("usebypassrls", user.superuser.into()),
            ("passwd", "********".into()),
            ("useconfig", rights::config(&user.settings)),
        ]);
    };
    facts.users.iter().filter(|user| user.login).for_each(|user| one(sheet, user));
}

/// `pg_settings`
pub(super) fn settings(facts: &Facts, sheet: &mut Sheet) {
    for setting in &facts.settings {
        sheet.row([
            ("name", (&setting.name).into()),
            ("setting", (&setting.value).into()),
            ("short_desc", (&setting.description).into()),
            ("category", "Antipode".into()),
            ("context", "user".into()),
            ("vartype", "string".into()),
            ("source", "session".into()),
            ("boot_val", (&setting.value).into()),
            ("reset_val", (&setting.value).into()),
        ]);
    }
}

/// `pg_stat_activity`
pub(super) fn activity(facts: &Facts, sheet: &mut Sheet) {
    for session in &facts.activity {
        let database = facts.databases.iter().find(|d| d.name == session.database);
        let since: Cell = at_ms(session.since_ms);
        sheet.row([
            ("datid", database.map(|d| oids::database(d.id)).into()),
            ("datname", (&session.database).into()),
            ("pid", session.pid.into()),
            ("usesysid", user_oid(facts, &session.user).into()),
            ("usename", (&session.user).into()),
            ("application_name", (&session.application).into()),
            ("client_addr", (&session.client).into()),
            ("backend_start", since),
            ("state", (&session.state).into()),
            ("query", (&session.query).into()),
            ("backend_type", "client backend".into()),
        ]);
    }
}
