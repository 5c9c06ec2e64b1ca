//! Who owns what and who was granted what. Rows of the database's catalog, keyed by names of roles;
//! what they mean for a statement is decided where statements run.

use crate::TableId;
use std::collections::BTreeMap;

/// A set of privileges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privileges(pub u32);

macro_rules! privileges {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $letter:literal, $word:literal;)*) => {
        impl Privileges {
            $($(#[$doc])* pub const $name: Privileges = Privileges(1 << $bit);)*

            /// Every privilege with its letter in lists and its name, in the order of lists.
            pub const ALL: &'static [(Privileges, char, &'static str)] =
                &[$((Privileges::$name, $letter, $word)),*];
        }
    };
}

privileges! {
    /// New rows.
    INSERT = 0, 'a', "INSERT";
    /// Reading.
    SELECT = 1, 'r', "SELECT";
    /// New values in rows; of a sequence: `nextval` and `setval`.
    UPDATE = 2, 'w', "UPDATE";
    /// Removing rows.
    DELETE = 3, 'd', "DELETE";
    /// Removing all rows at once.
    TRUNCATE = 4, 'D', "TRUNCATE";
    /// Referring to a table from a foreign key.
    REFERENCES = 5, 'x', "REFERENCES";
    /// Making triggers.
    TRIGGER = 6, 't', "TRIGGER";
    /// Looking things up in a schema; of a sequence: `nextval` and `currval`.
    USAGE = 7, 'U', "USAGE";
    /// Making new objects in it.
    CREATE = 8, 'C', "CREATE";
    /// Temporary tables.
    TEMPORARY = 9, 'T', "TEMPORARY";
    /// Connecting to a database.
    CONNECT = 10, 'c', "CONNECT";
}

impl Privileges {
    /// No privilege.
    pub const NONE: Privileges = Privileges(0);

    /// All of both.
    #[must_use]
    pub const fn with(self, other: Privileges) -> Privileges {
        Privileges(self.0 | other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Privileges) -> Privileges {
        Privileges(self.0 & !other.0)
    }

    /// Those that are in both.
    #[must_use]
    pub const fn both(self, other: Privileges) -> Privileges {
        Privileges(self.0 & other.0)
    }

    /// True if all of `other` are in here.
    pub const fn has(self, other: Privileges) -> bool {
        self.0 & other.0 == other.0
    }

    /// True if there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The privilege of this name, in whatever case.
    pub fn named(word: &str) -> Option<Privileges> {
        if word.eq_ignore_ascii_case("temp") {
            return Some(Privileges::TEMPORARY);
        }
        let is = |(_, _, name): &&(Privileges, char, &str)| name.eq_ignore_ascii_case(word);
        Privileges::ALL.iter().find(is).map(|(one, ..)| *one)
    }

    /// Each privilege in here with its letter and name.
    pub fn each(self) -> impl Iterator<Item = (Privileges, char, &'static str)> {
        Privileges::ALL.iter().copied().filter(move |(one, ..)| self.has(*one))
    }
}

/// What can be owned, and granted privileges on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Securable {
    /// A table or a sequence.
    Relation(TableId),
    /// The schema `public`.
    Schema,
    /// The database itself.
    Database,
}

/// What one role was granted by another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclItem {
    /// Who; `None` is everybody (`PUBLIC`).
    pub grantee: Option<String>,
    /// By whom.
    pub grantor: String,
    /// What.
    pub privileges: Privileges,
    /// Which of these it may grant to others.
    pub grantable: Privileges,
}

/// Owner and grants of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The role it belongs to; `None` (as in databases of early versions): the superusers.
    pub owner: Option<String>,
    /// What was granted; `None` as long as nothing was granted or revoked.
    pub acl: Option<Vec<AclItem>>,
}

/// Settings that new sessions of a database begin with, by role (empty: all) and name.
pub type SessionDefaults = BTreeMap<(String, String), String>;
