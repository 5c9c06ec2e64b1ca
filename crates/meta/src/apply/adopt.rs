//! The roles and address rules that come with a promoted database.

use super::{find, note, users};
use crate::address::AddressRule;
use crate::command::Response;
use crate::roles::{Membership, Principals, User};
use crate::state::{HistoryRow, State};
use base::{DatabaseId, Result};
use std::collections::BTreeMap;

/// What was done with the roles that came along, by name.
#[derive(Default)]
struct Done {
    made: Vec<String>,
    changed: Vec<String>,
    kept: Vec<String>,
    closed: Vec<String>,
}

pub(super) fn adopt(
    state: &mut State,
    database: DatabaseId,
    theirs: Principals,
    at_ms: u64,
) -> Result<Response> {
    let record = find(state, database)?;
    record.adopting = false;
    let name = record.name.clone();
    let mut done = Done::default();
    let ours = state.users.clone();
    for (name, role) in &theirs.roles {
        take(state, name, role, &mut done);
    }
    close(state, &theirs, &mut done);
    members(state, &ours, &theirs);
    take_rules(state, &name, &theirs);
    users::touch(state, theirs.as_of);
    if let Some(detail) = done.told(state) {
        note(state, HistoryRow::new(at_ms, name, "roles", detail));
    }
    Ok(Response::Done)
}

/// A role that came along: made if it is not here, changed if it is the same and they know better.
fn take(state: &mut State, name: &str, theirs: &User, done: &mut Done) {
    match state.users.get(name) {
        None => {
            if users::check_new_name(state, name).is_ok() {
                state.users.insert(name.to_owned(), theirs.clone());
                done.made.push(name.to_owned());
            }
        }
        Some(ours) if ours.is_same(theirs) => {
            let last = users::keep_a_superuser(state, name).is_err();
            if theirs.changed > ours.changed && (!last || theirs.superuser && theirs.login) {
                state.users.insert(name.to_owned(), theirs.clone());
                done.changed.push(name.to_owned());
            }
        }
        Some(ours) if ours != theirs => done.kept.push(name.to_owned()),
        Some(_) => {}
    }
}

/// Roles that were carried here once and were dropped or renamed there since may not log in any
/// more. They stay, because other databases may be theirs.
fn close(state: &mut State, theirs: &Principals, done: &mut Done) {
    let names: Vec<String> = state.users.keys().cloned().collect();
    for name in names {
        let Some(ours) = state.users.get(&name) else { continue };
        if ours.id == 0 || !ours.login || theirs.roles.get(&name).is_some_and(|r| r.is_same(ours)) {
            continue;
        }
        let dropped = theirs.dropped.iter().any(|d| d.id == ours.id && d.at >= ours.changed);
        let renamed = theirs.roles.values().any(|r| r.is_same(ours) && r.changed >= ours.changed);
        if (dropped || renamed) && users::keep_a_superuser(state, &name).is_ok() {
            if let Some(ours) = state.users.get_mut(&name) {
                ours.login = false;
            }
            done.closed.push(name);
        }
    }
}

/// Memberships of roles that are the same on both sides become theirs, but for what was granted here
/// later.
fn members(state: &mut State, before: &BTreeMap<String, User>, theirs: &Principals) {
    let same = |name: &String| match (before.get(name), theirs.roles.get(name)) {
        (Some(ours), Some(theirs)) => ours.is_same(theirs),
        (None, Some(_)) => true,
        _ => false,
    };
    let listed = |m: &Membership, all: &[Membership]| {
        all.iter().any(|n| n.role == m.role && n.member == m.member)
    };
    state.memberships.retain(|m| {
        let carried = same(&m.role) && same(&m.member);
        !carried || m.at > theirs.as_of || listed(m, &theirs.memberships)
    });
    for m in &theirs.memberships {
        // A role of this cluster's own gets no members from elsewhere.
        let known = same(&m.role) && state.users.contains_key(&m.member);
        if known && !state.roles_of(&m.role, false).contains(&m.member) {
            match state.memberships.iter_mut().find(|n| n.role == m.role && n.member == m.member) {
                Some(ours) if m.at > ours.at => *ours = m.clone(),
                Some(_) => {}
                None => state.memberships.push(m.clone()),
            }
        }
    }
}

impl Done {
    fn told(self, state: &State) -> Option<String> {
        // Who may do everything from now on is worth a word.
        let new = |name: String| match state.is_superuser(&name) {
            true => format!("{name} (superuser)"),
            false => name,
        };
        let made = self.made.into_iter().map(new).collect();
        let changed = self.changed.into_iter().map(new).collect();
        let parts = [
            ("made", made),
            ("changed as they were there", changed),
            ("left as they are here", self.kept),
            ("gone there, may not log in any more", self.closed),
        ];
        let parts: [(&str, Vec<String>); 4] = parts;
        let told = parts.iter().filter(|(_, names)| !names.is_empty());
        let told: Vec<String> =
            told.map(|(what, names)| format!("{what}: {}", names.join(", "))).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

/// The rules of a promoted database: those of the primary, but for what was made here later.
fn take_rules(state: &mut State, database: &str, theirs: &Principals) {
    let own = |rule: &AddressRule| rule.database.as_deref() != Some(database);
    let listed = |id: u64| theirs.address_rules.iter().any(|rule| rule.id == id);
    state.address_rules.retain(|_, r| own(r) || r.changed > theirs.as_of || listed(r.id));
    for rule in &theirs.address_rules {
        // Under a name that is taken here it goes by its number.
        let taken = state.address_rules.get(&rule.name).is_some_and(|ours| ours.id != rule.id);
        let name = if taken { format!("{}_{:x}", rule.name, rule.id) } else { rule.name.clone() };
        let database = Some(database.to_owned());
        let rule = AddressRule { name: name.clone(), database, ..rule.clone() };
        if rule.role.as_ref().is_none_or(|role| state.users.contains_key(role)) {
            state.address_rules.insert(name, rule);
        }
    }
}

#[cfg(test)]
mod tests;
