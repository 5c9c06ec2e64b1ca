//! Who may make and change roles.

use super::super::Executor;
use crate::privilege::{self, Identity};
use crate::statement::UserOptions;
use base::{Error, Result, SqlState};
use meta::Membership;

impl Executor {
    /// Nothing, if the user may change this role: a superuser's is for superusers.
    pub(super) fn may_touch(&self, by: &Identity, role: &str, what: &str) -> Result<()> {
        if by.superuser || !self.engine.meta.read(|s| s.is_superuser(role)) {
            return Ok(());
        }
        let detail =
            "Only roles with the SUPERUSER attribute may change roles with that attribute.";
        Err(privilege::denied(what, detail))
    }

    /// Nothing, if the user may make others members of a role.
    pub(super) fn may_admit(&self, by: &Identity, role: &str) -> Result<()> {
        let (superuser, admin) = self.engine.meta.read(|s| {
            let admin = |m: &Membership| m.admin && m.role == role && by.roles.contains(&m.member);
            (s.is_superuser(role), s.memberships.iter().any(admin))
        });
        if by.superuser || !superuser && (by.createrole || admin) {
            return Ok(());
        }
        let message = format!("permission denied to grant role \"{role}\"");
        Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
            .detail(format!("Only roles with the ADMIN option on role \"{role}\" may grant it.")))
    }
}

/// Nothing, if the user may make and change roles.
pub(super) fn may_manage(by: &Identity, what: &str) -> Result<()> {
    if by.superuser || by.createrole {
        return Ok(());
    }
    let detail = "Only roles with the CREATEROLE attribute may do that.";
    Err(privilege::denied(what, detail))
}

/// Nothing, if the user may give (or take) these attributes.
pub(super) fn may_set(by: &Identity, options: &UserOptions, what: &str) -> Result<()> {
    let missing = [
        (options.superuser.is_some() && !by.superuser, "SUPERUSER"),
        (options.replication.is_some() && !by.superuser, "REPLICATION"),
        (options.createdb == Some(true) && !by.superuser && !by.createdb, "CREATEDB"),
    ];
    match missing.iter().find(|(missing, _)| *missing) {
        None => Ok(()),
        Some((_, attribute)) => {
            let has = if *attribute == "CREATEDB" { "CREATEDB" } else { "SUPERUSER" };
            let detail =
                format!("Only roles with the {has} attribute may set the {attribute} attribute.");
            Err(privilege::denied(what, &detail))
        }
    }
}
