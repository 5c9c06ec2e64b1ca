//! Memberships, defaults of sessions, address rules.

use super::{adopt, users};
use crate::address::AddressRule;
use crate::command::{Command, Response};
use crate::roles::Membership;
use crate::state::State;
use base::{Error, Result, SqlState, Timestamp};
use std::collections::BTreeMap;

pub(super) fn step(state: &mut State, command: Command) -> Result<Response> {
    match command {
        Command::CreateRole { name, role } => users::add(state, name, role),
        Command::AlterRole { name, change } => users::change(state, &name, change),
        Command::RenameRole { name, to, at } => rename(state, &name, to, at),
        Command::GrantRole(membership) => grant(state, membership),
        Command::RevokeRole { role, member, admin_only, at } => {
            revoke(state, &role, &member, admin_only, at)
        }
        Command::SetRoleSetting { name, setting, value, at } => {
            users::touch(state, at);
            let role = users::find(state, &name)?;
            role.changed = role.changed.max(at);
            put(&mut role.settings, setting, value);
            Ok(Response::Done)
        }
        Command::SetGlobal { setting, value } => {
            put(&mut state.settings, setting, value);
            Ok(Response::Done)
        }
        Command::CreateAddressRule(rule) => create_rule(state, rule),
        Command::DropAddressRule { name, at } => {
            users::touch(state, at);
            match state.address_rules.remove(&name) {
                Some(_) => Ok(Response::Done),
                None => {
                    let message = format!("address rule \"{name}\" does not exist");
                    Err(Error::new(SqlState::UNDEFINED_OBJECT, message))
                }
            }
        }
        Command::AdoptRoles { database, principals, at_ms } => {
            adopt::adopt(state, database, principals, at_ms)
        }
        other => Err(Error::internal(format!("{other:?} is not about roles"))),
    }
}

fn put(settings: &mut BTreeMap<String, String>, name: Option<String>, value: Option<String>) {
    match (name, value) {
        (None, _) => settings.clear(),
        (Some(name), None) => drop(settings.remove(&name)),
        (Some(name), Some(value)) => drop(settings.insert(name, value)),
    }
}

fn create_rule(state: &mut State, rule: AddressRule) -> Result<Response> {
    if let Some(role) = &rule.role {
        users::find(state, role)?;
    }
    if state.address_rules.contains_key(&rule.name) {
        let message = format!("address rule \"{}\" already exists", rule.name);
        return Err(Error::new(SqlState::DUPLICATE_OBJECT, message));
    }
    users::touch(state, rule.changed);
    state.address_rules.insert(rule.name.clone(), rule);
    Ok(Response::Done)
}

fn rename(state: &mut State, name: &str, to: String, at: Timestamp) -> Result<Response> {
    users::find(state, name)?;
    users::check_new_name(state, &to)?;
    let mut role = state.users.remove(name).ok_or_else(|| users::unknown(name))?;
    role.changed = role.changed.max(at);
    for m in &mut state.memberships {
        for slot in [&mut m.role, &mut m.member, &mut m.grantor] {
            if slot == name {
                slot.clone_from(&to);
            }
        }
    }
    for rule in state.address_rules.values_mut().filter(|r| r.role.as_deref() == Some(name)) {
        rule.role = Some(to.clone());
    }
    state.users.insert(to, role);
    users::touch(state, at);
    Ok(Response::Done)
}

fn grant(state: &mut State, wanted: Membership) -> Result<Response> {
    for name in [&wanted.role, &wanted.member] {
        users::find(state, name)?;
    }
    if state.roles_of(&wanted.role, false).contains(&wanted.member) {
        return Err(Error::new(
            SqlState::INVALID_GRANT_OPERATION,
            format!("role \"{}\" is a member of role \"{}\"", wanted.role, wanted.member),
        ));
    }
    users::touch(state, wanted.at);
    let same = |m: &&mut Membership| m.role == wanted.role && m.member == wanted.member;
    match state.memberships.iter_mut().find(same) {
        Some(there) => {
            there.admin |= wanted.admin;
            there.at = wanted.at;
        }
        None => state.memberships.push(wanted),
    }
    Ok(Response::Done)
}

fn revoke(
    state: &mut State,
    role: &str,
    member: &str,
    admin_only: bool,
    at: Timestamp,
) -> Result<Response> {
    for name in [role, member] {
        users::find(state, name)?;
    }
    users::touch(state, at);
    let is = |m: &Membership| m.role == role && m.member == member;
    if admin_only {
        for m in state.memberships.iter_mut().filter(|m| is(m)) {
            (m.admin, m.at) = (false, at);
        }
    } else {
        state.memberships.retain(|m| !is(m));
    }
    Ok(Response::Done)
}
