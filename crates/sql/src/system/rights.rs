//! Roles, memberships, owners and grants in the system tables.

use super::cluster::user_oid;
use super::oids;
use super::relations::{owner, tables as user_tables};
use super::sheet::{Cell, Sheet};
use super::source::{DatabaseFact, Facts};
use crate::privilege::{self, Identity, Object};
use base::{Catalog, Securable};
use meta::Membership;
use std::collections::{BTreeMap, BTreeSet};

/// The name of an object's owner.
pub(super) fn owner_name(facts: &Facts, object: &Object) -> String {
    object.owner.clone().unwrap_or_else(|| owner(facts))
}

/// The number of an owner.
pub(super) fn owner_oid(facts: &Facts, name: Option<&str>) -> i64 {
    name.map_or(oids::OWNER, |name| user_oid(facts, name))
}

/// An object's list of grants, NULL as long as nothing was granted.
pub(super) fn list(facts: &Facts, object: Option<&Object>) -> Cell {
    match object.filter(|o| o.is_explicit()) {
        None => Cell::Null,
        Some(object) => {
            let nobody = owner(facts);
            Cell::Texts(object.acl().iter().map(|i| privilege::shown(i, &nobody)).collect())
        }
    }
}

/// Owner and grants of an object.
pub(super) fn own(facts: &Facts, object: &Object) -> (Cell, Cell) {
    (owner_oid(facts, object.owner.as_deref()).into(), list(facts, Some(object)))
}

/// A database as privileges see it; `None` while it cannot be read.
pub(super) fn of_database(database: &DatabaseFact) -> Option<Object> {
    let rights = database.rights.as_ref()?;
    let mut catalog = Catalog::default();
    catalog.access.insert(Securable::Database, rights.access.clone());
    Some(Object::database(&catalog, &database.name))
}

/// `{name=value,…}`, NULL if there is none.
pub(super) fn config(settings: &BTreeMap<String, String>) -> Cell {
    if settings.is_empty() {
        return Cell::Null;
    }
    Cell::Texts(settings.iter().map(|(name, value)| format!("{name}={value}")).collect())
}

/// What a role of the cluster is; one that does not exist has what everybody has.
pub(super) fn identity(facts: &Facts, name: &str) -> Identity {
    let find = |name: &str| facts.users.iter().find(|u| u.name == name);
    let Some(user) = find(name) else {
        return Identity { user: name.to_owned(), ..Identity::default() };
    };
    let all = |stops: &dyn Fn(&str) -> bool| meta::roles_of(&facts.memberships, stops, name);
    Identity {
        user: name.to_owned(),
        superuser: user.superuser,
        createdb: user.createdb,
        createrole: user.createrole,
        roles: all(&|name| find(name).is_some_and(|u| !u.inherit)),
        memberships: all(&|_| false),
    }
}

/// `pg_auth_members`
pub(super) fn members(facts: &Facts, sheet: &mut Sheet) {
    for Membership { role, member, admin, grantor, .. } in &facts.memberships {
        let inherits = facts.users.iter().any(|u| u.name == *member && u.inherit);
        sheet.row([
            ("roleid", user_oid(facts, role).into()),
            ("member", user_oid(facts, member).into()),
            ("grantor", user_oid(facts, grantor).into()),
            ("admin_option", (*admin).into()),
            ("inherit_option", inherits.into()),
            ("set_option", false.into()),
        ]);
    }
}

/// `pg_db_role_setting`
pub(super) fn defaults(facts: &Facts, sheet: &mut Sheet) {
    let mut row = |database: i64, role: i64, settings: &BTreeMap<String, String>| {
        if !settings.is_empty() {
            sheet.row([
                ("setdatabase", database.into()),
                ("setrole", role.into()),
                ("setconfig", config(settings)),
            ]);
        }
    };
    row(0, 0, &facts.globals);
    for user in &facts.users {
        row(0, user_oid(facts, &user.name), &user.settings);
    }
    for database in &facts.databases {
        let mut by_role: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
        let all = database.rights.iter().flat_map(|r| r.defaults.iter());
        for ((role, name), value) in all {
            by_role.entry(role).or_default().insert(name.clone(), value.clone());
        }
        for (role, settings) in by_role {
            let role = if role.is_empty() { 0 } else { user_oid(facts, role) };
            row(oids::database(database.id), role, &settings);
        }
    }
}

/// `information_schema.address_rules`
pub(super) fn address_rules(facts: &Facts, sheet: &mut Sheet) {
    for rule in &facts.address_rules {
        sheet.row([
            ("rule_name", (&rule.name).into()),
            ("role_name", rule.role.clone().into()),
            ("database_name", rule.database.clone().into()),
            ("network", rule.network.to_string().into()),
            ("action", if rule.allow { "ALLOW" } else { "DENY" }.into()),
            ("priority", rule.priority.into()),
        ]);
    }
}

/// `information_schema.carried_roles`: the roles that come with the database connected to.
pub(super) fn carried(facts: &Facts, sheet: &mut Sheet) {
    let carried = txn::carried(&facts.catalog).ok().flatten().unwrap_or_default();
    for (name, role) in carried.roles {
        sheet.row([
            ("role_name", (&name).into()),
            ("is_superuser", role.superuser.into()),
            ("can_login", role.login.into()),
            ("exists_here", facts.users.iter().any(|u| u.name == name).into()),
        ]);
    }
}

/// `information_schema.enabled_roles`
pub(super) fn enabled(facts: &Facts, sheet: &mut Sheet) {
    for role in identity(facts, &facts.user).memberships {
        sheet.row([("role_name", role.into())]);
    }
}

/// `information_schema.applicable_roles`
pub(super) fn applicable(facts: &Facts, sheet: &mut Sheet) {
    let own: BTreeSet<String> = identity(facts, &facts.user).memberships;
    for m in facts.memberships.iter().filter(|m| own.contains(&m.member)) {
        sheet.row([
            ("grantee", (&m.member).into()),
            ("role_name", (&m.role).into()),
            ("is_grantable", if m.admin { "YES" } else { "NO" }.into()),
        ]);
    }
}

/// `information_schema.table_privileges`: what the user has granted or was granted.
pub(super) fn tables(facts: &Facts, sheet: &mut Sheet) {
    let by = identity(facts, &facts.user);
    let nobody = owner(facts);
    for table in user_tables(facts) {
        let object = Object::table(&facts.catalog, table);
        for item in object.acl().iter() {
            let grantee = item.grantee.as_deref();
            let concerns = by.superuser
                || grantee.is_none_or(|name| by.roles.contains(name))
                || by.roles.contains(&item.grantor);
            if !concerns {
                continue;
            }
            let grantor = if item.grantor.is_empty() { &nobody } else { &item.grantor };
            for (one, _, name) in item.privileges.each() {
                let grantable = item.grantable.has(one) || grantee == object.owner.as_deref();
                sheet.row([
                    ("grantor", grantor.into()),
                    ("grantee", grantee.unwrap_or("PUBLIC").into()),
                    ("table_catalog", (&facts.database).into()),
                    ("table_schema", (&table.schema).into()),
                    ("table_name", (&table.name).into()),
                    ("privilege_type", name.into()),
                    ("is_grantable", if grantable { "YES" } else { "NO" }.into()),
                    ("with_hierarchy", if name == "SELECT" { "YES" } else { "NO" }.into()),
                ]);
            }
        }
    }
}
