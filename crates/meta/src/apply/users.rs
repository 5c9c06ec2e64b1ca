//! Roles one by one: made, changed, dropped.

use crate::command::Response;
use crate::roles::{DROPPED_ROLES, DroppedRole, RoleChange, User, is_reserved_role};
use crate::scram::Verifier;
use crate::state::{PEER_PREFIX, State};
use base::{Error, Result, SqlState, Timestamp};

/// As early versions made users.
pub(super) fn create(
    state: &mut State,
    name: String,
    verifier: Verifier,
    superuser: bool,
) -> Result<Response> {
    check_name(state, &name)?;
    state.users.insert(name, User { superuser, ..User::new(verifier) });
    Ok(Response::Done)
}

pub(super) fn add(state: &mut State, name: String, role: User) -> Result<Response> {
    check_new_name(state, &name)?;
    touch(state, role.changed);
    state.users.insert(name, role);
    Ok(Response::Done)
}

/// As [`check_name`]; early versions took names that are reserved since.
pub(super) fn check_new_name(state: &State, name: &str) -> Result<()> {
    if is_reserved_role(name) && !name.starts_with(PEER_PREFIX) {
        let message = format!("role name \"{name}\" is reserved");
        return Err(Error::new(SqlState::RESERVED_NAME, message));
    }
    check_name(state, name)
}

fn check_name(state: &State, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, "a role needs a name"));
    }
    if name.starts_with(PEER_PREFIX) {
        let message = format!("names that begin with \"{PEER_PREFIX}\" belong to clusters");
        return Err(Error::new(SqlState::RESERVED_NAME, message));
    }
    if state.users.contains_key(name) {
        let message = format!("role \"{name}\" already exists");
        return Err(Error::new(SqlState::DUPLICATE_OBJECT, message));
    }
    Ok(())
}

/// Roles changed: whoever carries them is to be told.
pub(super) fn touch(state: &mut State, at: Timestamp) {
    // Commands of early versions have no time.
    state.roles_changed = state.roles_changed.max(at);
}

/// As early versions changed users.
pub(super) fn alter(
    state: &mut State,
    name: &str,
    verifier: Option<Verifier>,
    superuser: Option<bool>,
) -> Result<Response> {
    change(state, name, RoleChange { verifier, superuser, ..RoleChange::default() })
}

pub(super) fn change(state: &mut State, name: &str, change: RoleChange) -> Result<Response> {
    if change.superuser == Some(false) {
        keep_a_superuser(state, name)?;
    }
    if change.login == Some(false) {
        keep_a_superuser(state, name)?;
    }
    touch(state, change.at);
    let role = find(state, name)?;
    if let Some(verifier) = change.verifier {
        role.verifier = verifier;
    }
    for (slot, wanted) in [
        (&mut role.superuser, change.superuser),
        (&mut role.login, change.login),
        (&mut role.createdb, change.createdb),
        (&mut role.createrole, change.createrole),
        (&mut role.replication, change.replication),
        (&mut role.inherit, change.inherit),
    ] {
        *slot = wanted.unwrap_or(*slot);
    }
    if role.id == 0 {
        role.id = change.id;
    }
    role.changed = role.changed.max(change.at);
    Ok(Response::Done)
}

pub(super) fn find<'s>(state: &'s mut State, name: &str) -> Result<&'s mut User> {
    state.users.get_mut(name).ok_or_else(|| unknown(name))
}

pub(super) fn drop(state: &mut State, name: &str, at: Timestamp) -> Result<Response> {
    keep_a_superuser(state, name)?;
    let role = state.users.remove(name).ok_or_else(|| unknown(name))?;
    state.memberships.retain(|m| m.role != name && m.member != name);
    state.address_rules.retain(|_, rule| rule.role.as_deref() != Some(name));
    touch(state, at);
    if role.id != 0 {
        let name = name.to_owned();
        state.dropped_roles.push(DroppedRole { id: role.id, name, at });
        let surplus = state.dropped_roles.len().saturating_sub(DROPPED_ROLES);
        state.dropped_roles.drain(..surplus);
    }
    Ok(Response::Done)
}

/// An error if without this role nobody could log in who may do everything.
pub(super) fn keep_a_superuser(state: &State, without: &str) -> Result<()> {
    let others = state.users.iter().any(|(name, u)| u.superuser && u.login && name != without);
    let is_one = state.users.get(without).is_some_and(|u| u.superuser && u.login);
    if is_one && !others {
        let message = format!("\"{without}\" is the last superuser");
        return Err(Error::new(SqlState::OBJECT_IN_USE, message));
    }
    Ok(())
}

pub(super) fn unknown(name: &str) -> Error {
    Error::new(SqlState::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist"))
}
