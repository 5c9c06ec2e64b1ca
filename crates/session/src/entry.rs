//! The door: who may have a session, and what it begins with.

use crate::front::Visitor;
use base::{Catalog, Error, Privileges, Result, SqlState};
use meta::address;
use sql::privilege::{Identity, Object};
use std::collections::BTreeMap;
use std::sync::Arc;
use txn::Engine;

/// Checks that somebody whose password was right may log in and connect. Answers what the session
/// begins with: of the cluster, the database, the role, the role in the database, later ones winning.
pub(crate) async fn check(engine: &Engine, who: &Visitor) -> Result<BTreeMap<String, String>> {
    let state = engine.meta.state();
    let database = engine.database(&who.database)?;
    let by = Identity::of(&state, &who.user);
    if state.users.get(&who.user).is_some_and(|user| !user.login) {
        let message = format!("role \"{}\" is not permitted to log in", who.user);
        return Err(Error::new(SqlState::INVALID_AUTHORIZATION, message));
    }
    if let Some(from) = who.address {
        let rules = state.address_rules.values();
        address::admit(rules, &by.memberships, &who.database, from).map_err(|rule| {
            let message = format!(
                "user \"{}\" may not connect to database \"{}\" from {from}",
                who.user, who.database
            );
            Error::new(SqlState::INVALID_AUTHORIZATION, message).detail(match rule {
                Some(name) => format!("Address rule \"{name}\" keeps it out."),
                None => "It is in none of the networks that address rules allow.".to_owned(),
            })
        })?;
    }
    let catalog = match database.newest_catalog().await {
        // A first copy, or one that comes back, is for those who look after it.
        Err(_) if by.superuser => Arc::new(Catalog::default()),
        other => other?,
    };
    let object = Object::database(&catalog, &who.database);
    object
        .need(&by, Privileges::CONNECT)
        .map_err(|e| e.detail("User does not have CONNECT privilege."))?;
    let mut begin = state.settings.clone();
    let of = |role: &str| {
        let role = role.to_owned();
        catalog.defaults.iter().filter(move |((of, _), _)| *of == role)
    };
    begin.extend(of("").map(|((_, name), value)| (name.clone(), value.clone())));
    begin.extend(state.users.get(&who.user).into_iter().flat_map(|u| u.settings.clone()));
    begin.extend(of(&who.user).map(|((_, name), value)| (name.clone(), value.clone())));
    Ok(begin)
}
