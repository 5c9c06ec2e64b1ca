//! Users.

use crate::command::Response;
use crate::scram::Verifier;
use crate::state::{PEER_PREFIX, State, User};
use base::{Error, Result, SqlState};

pub(super) fn create(
    state: &mut State,
    name: String,
    verifier: Verifier,
    superuser: bool,
) -> Result<Response> {
    if name.is_empty() {
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, "a user needs a name"));
    }
    if name.starts_with(PEER_PREFIX) {
        let message = format!("names that begin with \"{PEER_PREFIX}\" belong to clusters");
        return Err(Error::new(SqlState::RESERVED_NAME, message));
    }
    if state.users.contains_key(&name) {
        let message = format!("user \"{name}\" already exists");
        return Err(Error::new(SqlState::DUPLICATE_OBJECT, message));
    }
    state.users.insert(name, User { verifier, superuser });
    Ok(Response::Done)
}

pub(super) fn alter(
    state: &mut State,
    name: &str,
    verifier: Option<Verifier>,
    superuser: Option<bool>,
) -> Result<Response> {
    if superuser == Some(false) {
        keep_a_superuser(state, name)?;
    }
    let user = state.users.get_mut(name).ok_or_else(|| unknown(name))?;
    if let Some(verifier) = verifier {
        user.verifier = verifier;
    }
    if let Some(superuser) = superuser {
        user.superuser = superuser;
    }
    Ok(Response::Done)
}

pub(super) fn drop(state: &mut State, name: &str) -> Result<Response> {
    keep_a_superuser(state, name)?;
    state.users.remove(name).ok_or_else(|| unknown(name))?;
    Ok(Response::Done)
}

fn keep_a_superuser(state: &State, without: &str) -> Result<()> {
    let others = state.users.iter().any(|(name, u)| u.superuser && name != without);
    let is_one = state.users.get(without).is_some_and(|u| u.superuser);
    if is_one && !others {
        let message = format!("\"{without}\" is the last superuser");
        return Err(Error::new(SqlState::OBJECT_IN_USE, message));
    }
    Ok(())
}

fn unknown(name: &str) -> Error {
    Error::new(SqlState::UNDEFINED_OBJECT, format!("user \"{name}\" does not exist"))
}
