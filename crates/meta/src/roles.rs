//! Roles: who there is, who is a member of whom, and what of that another cluster is told.
//!
//! Roles belong to the cluster, databases move between clusters. So every primary database carries a
//! copy of its cluster's roles among its own rows ([`Principals`]), which reaches its standbys like all
//! other data; whoever is promoted takes over what it lacks: see [`Command::AdoptRoles`](crate::Command).

use crate::address::AddressRule;
use crate::scram::Verifier;
use crate::state::{PEER_PREFIX, State};
use base::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How many [`DroppedRole`]s are remembered.
pub const DROPPED_ROLES: usize = 1_000;

/// A role: somebody who may log in, or a group of such.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Checks the password without knowing it.
    pub verifier: Verifier,
    /// May do everything.
    pub superuser: bool,
    /// May connect.
    #[serde(default = "yes")]
    pub login: bool,
    /// May make databases.
    #[serde(default)]
    pub createdb: bool,
    /// May make, change and drop roles that are no superusers.
    #[serde(default)]
    pub createrole: bool,
    /// May copy databases to another cluster.
    #[serde(default)]
    pub replication: bool,
    /// Has the privileges of the roles it is a member of.
    #[serde(default = "yes")]
    pub inherit: bool,
    /// Random; the same in all clusters that the role was carried to. 0 for roles of early versions.
    #[serde(default)]
    pub id: u64,
    /// When it was changed last.
    #[serde(default)]
    pub changed: Timestamp,
    /// Settings that its sessions begin with.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

impl User {
    /// A role that may log in and has no other right.
    pub fn new(verifier: Verifier) -> User {
        User {
            verifier,
            superuser: false,
            login: true,
            createdb: false,
            createrole: false,
            replication: false,
            inherit: true,
            id: 0,
            changed: Timestamp::ZERO,
            settings: BTreeMap::new(),
        }
    }

    /// True if both are the same role, made once and carried.
    pub(crate) fn is_same(&self, other: &User) -> bool {
        self.id != 0 && self.id == other.id
    }
}

/// What is to change about a role. Absent: stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoleChange {
    /// From the new password.
    pub verifier: Option<Verifier>,
    /// See [`User::superuser`].
    pub superuser: Option<bool>,
    /// See [`User::login`].
    pub login: Option<bool>,
    /// See [`User::createdb`].
    pub createdb: Option<bool>,
    /// See [`User::createrole`].
    pub createrole: Option<bool>,
    /// See [`User::replication`].
    pub replication: Option<bool>,
    /// See [`User::inherit`].
    pub inherit: Option<bool>,
    /// Its identity from now on if it has none.
    pub id: u64,
    /// When.
    pub at: Timestamp,
}

/// A role that is a member of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The group.
    pub role: String,
    /// The member.
    pub member: String,
    /// It may make others members.
    pub admin: bool,
    /// Who made it one.
    pub grantor: String,
    /// When.
    pub at: Timestamp,
}

/// A role that is no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedRole {
    /// Its [`User::id`].
    pub id: u64,
    /// Its name then.
    pub name: String,
    /// When.
    pub at: Timestamp,
}

/// The roles of a cluster, as its primary databases carry them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Principals {
    /// By name.
    pub roles: BTreeMap<String, User>,
    /// Who is a member of which of them.
    pub memberships: Vec<Membership>,
    /// Those that are no more.
    #[serde(default)]
    pub dropped: Vec<DroppedRole>,
    /// The address rules of the database.
    #[serde(default)]
    pub address_rules: Vec<AddressRule>,
    /// When they changed last.
    pub as_of: Timestamp,
}

impl Principals {
    /// As bytes.
    pub fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::internal(format!("roles as JSON: {e}")))
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Result<Principals> {
        let read = serde_json::from_slice(bytes);
        read.map_err(|e| Error::corrupt(format!("corrupt roles in the catalog: {e}")))
    }
}

impl State {
    /// What a primary database of this cluster carries.
    pub fn principals(&self, database: &str) -> Principals {
        let concerns = |rule: &&AddressRule| rule.database.as_deref() == Some(database);
        Principals {
            address_rules: self.address_rules.values().filter(concerns).cloned().collect(),
            roles: self.users.clone(),
            memberships: self.memberships.clone(),
            dropped: self.dropped_roles.clone(),
            as_of: self.roles_changed,
        }
    }

    /// The roles that a role is a member of, by however many steps, itself among them. With
    /// `inherited`, only as far as it has their privileges without further ado.
    pub fn roles_of(&self, name: &str, inherited: bool) -> BTreeSet<String> {
        let stops = |name: &str| inherited && self.users.get(name).is_some_and(|u| !u.inherit);
        roles_of(&self.memberships, stops, name)
    }

    /// True if a role is a superuser.
    pub fn is_superuser(&self, name: &str) -> bool {
        self.users.get(name).is_some_and(|u| u.superuser)
    }
}

/// The roles that a role is a member of, itself among them; not those of one that `stops`.
pub fn roles_of(
    memberships: &[Membership],
    stops: impl Fn(&str) -> bool,
    name: &str,
) -> BTreeSet<String> {
    let mut found = BTreeSet::from([name.to_owned()]);
    let mut open = vec![name.to_owned()];
    while let Some(member) = open.pop() {
        if stops(&member) {
            continue;
        }
        for one in memberships.iter().filter(|m| m.member == member) {
            if found.insert(one.role.clone()) {
                open.push(one.role.clone());
            }
        }
    }
    found
}

/// True for names that no role can have.
pub fn is_reserved_role(name: &str) -> bool {
    name.starts_with(PEER_PREFIX)
        || name.starts_with("pg_")
        || matches!(name, "public" | "none" | "current_user" | "session_user" | "current_role")
}
