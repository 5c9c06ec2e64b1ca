//! Who may do what: decided from roles, memberships, and an object's owner and grants. Pure.
//!
//! ```text
//!   metadata ── Identity: a user, the roles it has the privileges of ──┐
//!   catalog ─── Access: owner, grants (of what has none: defaults) ────┼─▶ held, grantable, owned
//!   statement ─ what it wants of which object ─────────────────────────┘        │
//!                                                     42501 permission denied ◀──┘ if it is not there
//! ```
//!
//! As PostgreSQL has it: the owner has everything, and may grant it; what was granted to `PUBLIC` is
//! everybody's; a superuser is asked nothing. What has no owner belongs to the superusers. Checks are
//! made when a statement is executed, so that no cached plan outlives a privilege.

mod acl;
mod mention;
mod need;

#[cfg(test)]
mod tests;

pub use acl::{defaults, grant, revoke, shown};
pub use mention::{drop_owned, given, mentions, reassign, rename};
pub use need::{Need, of_change};

use base::{
    Access, AclItem, Catalog, Error, Privileges, Result, Securable, SequenceDescriptor, SqlState,
    TableDescriptor,
};
use meta::State;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A user, and what it is without looking at any object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub user: String,
    /// May do everything.
    pub superuser: bool,
    /// May make databases.
    pub createdb: bool,
    /// May make and change roles.
    pub createrole: bool,
    /// The roles whose privileges it has, itself among them.
    pub roles: BTreeSet<String>,
    /// The roles it is a member of in any way, itself among them.
    pub memberships: BTreeSet<String>,
}

impl Identity {
    /// A user as the metadata knows it; one that is gone has what `PUBLIC` has.
    pub fn of(state: &State, user: &str) -> Identity {
        let Some(found) = state.users.get(user) else {
            return Identity { user: user.to_owned(), ..Identity::default() };
        };
        Identity {
            user: user.to_owned(),
            superuser: found.superuser,
            createdb: found.createdb,
            createrole: found.createrole,
            roles: state.roles_of(user, true),
            memberships: state.roles_of(user, false),
        }
    }

    /// Somebody who may do everything.
    pub fn superuser(user: &str) -> Identity {
        let roles = BTreeSet::from([user.to_owned()]);
        let user = user.to_owned();
        Identity { user, superuser: true, roles, ..Identity::default() }
    }

    fn is_grantee(&self, item: &AclItem) -> bool {
        item.grantee.as_ref().is_none_or(|name| self.roles.contains(name))
    }
}

/// Kinds of objects, which differ in their privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A table.
    Table,
    /// A sequence.
    Sequence,
    /// The schema.
    Schema,
    /// A database.
    Database,
}

impl Kind {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Table => "table",
            Kind::Sequence => "sequence",
            Kind::Schema => "schema",
            Kind::Database => "database",
        }
    }

    /// Every privilege there is on such an object.
    pub fn all(self) -> Privileges {
        use Privileges as P;
        match self {
            Kind::Table => P::INSERT
                .with(P::SELECT)
                .with(P::UPDATE)
                .with(P::DELETE)
                .with(P::TRUNCATE)
                .with(P::REFERENCES)
                .with(P::TRIGGER),
            Kind::Sequence => P::SELECT.with(P::UPDATE).with(P::USAGE),
            Kind::Schema => P::USAGE.with(P::CREATE),
            Kind::Database => P::CREATE.with(P::TEMPORARY).with(P::CONNECT),
        }
    }

    /// What everybody has as long as nothing else is said.
    fn public(self) -> Privileges {
        match self {
            Kind::Table | Kind::Sequence => Privileges::NONE,
            Kind::Schema => Privileges::USAGE,
            Kind::Database => Privileges::TEMPORARY.with(Privileges::CONNECT),
        }
    }
}

/// An object as privileges see it.
#[derive(Clone, Debug)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Its name, for messages.
    pub name: String,
    /// Whose it is.
    pub owner: Option<String>,
    access: std::sync::Arc<Access>,
}

impl Object {
    /// A table.
    pub fn table(catalog: &Catalog, table: &TableDescriptor) -> Object {
        let access = catalog.access(Securable::Relation(table.id));
        let (name, owner) = (table.name.clone(), access.owner.clone());
        Object { kind: Kind::Table, name, owner, access }
    }

    /// A sequence.
    pub fn sequence(catalog: &Catalog, sequence: &SequenceDescriptor) -> Object {
        let access = catalog.access(Securable::Relation(sequence.id));
        let (name, owner) = (sequence.name.clone(), access.owner.clone());
        Object { kind: Kind::Sequence, name, owner, access }
    }

    /// The database that a catalog is of.
    pub fn database(catalog: &Catalog, name: &str) -> Object {
        let access = catalog.access(Securable::Database);
        let (name, owner) = (name.to_owned(), access.owner.clone());
        Object { kind: Kind::Database, name, owner, access }
    }

    /// The schema `public`, which is the database owner's unless it was given to somebody.
    pub fn schema(catalog: &Catalog) -> Object {
        let access = catalog.access(Securable::Schema);
        let owner = access.owner.clone();
        let owner = owner.or_else(|| catalog.access(Securable::Database).owner.clone());
        Object { kind: Kind::Schema, name: "public".into(), owner, access }
    }

    /// What was granted, or what holds as long as nothing was.
    pub fn acl(&self) -> Cow<'_, [AclItem]> {
        match &self.access.acl {
            Some(items) => Cow::Borrowed(items),
            None => Cow::Owned(defaults(self.kind, self.owner.as_deref())),
        }
    }

    /// True if something was granted or revoked on it.
    pub fn is_explicit(&self) -> bool {
        self.access.acl.is_some()
    }

    /// Owner and grants as they are stored.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// True if it is a user's own.
    pub fn is_owned(&self, by: &Identity) -> bool {
        by.superuser || self.owner.as_ref().is_some_and(|owner| by.roles.contains(owner))
    }

    /// What a user has on it.
    pub fn held(&self, by: &Identity) -> Privileges {
        if by.superuser {
            return self.kind.all();
        }
        let items = self.acl();
        let granted = items.iter().filter(|item| by.is_grantee(item));
        granted.fold(Privileges::NONE, |all, item| all.with(item.privileges))
    }

    /// What a user may grant on it.
    pub fn grantable(&self, by: &Identity) -> Privileges {
        if self.is_owned(by) {
            return self.kind.all();
        }
        let items = self.acl();
        let granted = items.iter().filter(|item| by.is_grantee(item));
        granted.fold(Privileges::NONE, |all, item| all.with(item.grantable))
    }

    /// Nothing, if a user has all of `wanted`.
    ///
    /// # Errors
    /// 42501
    pub fn need(&self, by: &Identity, wanted: Privileges) -> Result<()> {
        if by.superuser || self.held(by).has(wanted) { Ok(()) } else { Err(self.denied()) }
    }

    /// Nothing, if a user has one of `wanted`.
    ///
    /// # Errors
    /// 42501
    pub fn need_any(&self, by: &Identity, wanted: Privileges) -> Result<()> {
        let held = by.superuser || !self.held(by).both(wanted).is_empty();
        if held { Ok(()) } else { Err(self.denied()) }
    }

    /// Nothing, if it is a user's own.
    ///
    /// # Errors
    /// 42501
    pub fn need_owner(&self, by: &Identity) -> Result<()> {
        if self.is_owned(by) {
            return Ok(());
        }
        let message = format!("must be owner of {} {}", self.kind.name(), self.name);
        Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message))
    }

    /// The refusal.
    pub fn denied(&self) -> Error {
        let message = format!("permission denied for {} {}", self.kind.name(), self.name);
        Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
    }
}

/// Who is shown as the owner of what has none: the first superuser.
pub fn nobody(state: &State) -> String {
    let first = state.users.iter().find(|(_, user)| user.superuser);
    first.map_or_else(|| "root".to_owned(), |(name, _)| name.clone())
}

/// The refusal of what takes an attribute of the user itself.
pub fn denied(what: &str, detail: &str) -> Error {
    let message = format!("permission denied to {what}");
    Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message).detail(detail.to_owned())
}
