//! Owners, grants, defaults of sessions and the primary's roles: rows of [`StorageId::CATALOG`] with
//! ids that no table has.
//!
//! ```text
//!   -n               owner and grants of the table or sequence n
//!   -2^40            … of the schema public
//!   -2^40 - 1        … of the database
//!   -2^40 - 2        settings that new sessions begin with
//!   -2^40 - 3        the roles of the primary's cluster
//! ```

use crate::catalog::{COLUMN_ID, blob, catalog_row};
use crate::envelope;
use crate::key;
use base::{
    Access, AclItem, Error, Privileges, Result, Row, Securable, SessionDefaults, StorageId,
    TableId, Value,
};
use bytes::Bytes;
use prost::Message;

const ACCESS_MAGIC: [u8; 4] = *b"APAC";
const DEFAULTS_MAGIC: [u8; 4] = *b"APSD";
const PRINCIPALS_MAGIC: [u8; 4] = *b"APPR";
const VERSION: u8 = 1;
const OTHERS: i64 = -(1 << 40);
const DEFAULTS_ID: i64 = OTHERS - 2;
const PRINCIPALS_ID: i64 = OTHERS - 3;

/// A row of the catalog that is about no table and no sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Owner and grants of an object.
    Access(Securable, Access),
    /// Settings that new sessions begin with.
    Defaults(SessionDefaults),
    /// The roles of the primary's cluster; what they are is the metadata's to say.
    Principals(Bytes),
}

fn key_of(id: i64) -> Bytes {
    key::encode(StorageId::CATALOG, &[&Value::Int(id)])
}

fn id_of(of: Securable) -> i64 {
    match of {
        Securable::Relation(id) => -i64::from(id.0),
        Securable::Schema => OTHERS,
        Securable::Database => OTHERS - 1,
    }
}

/// The key of an object's owner and grants.
pub fn key(of: Securable) -> Bytes {
    key_of(id_of(of))
}

/// The key of the settings that sessions begin with.
pub fn defaults_key() -> Bytes {
    key_of(DEFAULTS_ID)
}

/// The key of the primary's roles.
pub fn principals_key() -> Bytes {
    key_of(PRINCIPALS_ID)
}

/// The half-open range of the keys of all [`Fact`]s: the beginning of [`StorageId::CATALOG`].
pub fn range() -> (Bytes, Bytes) {
    (key::range(StorageId::CATALOG).0, key_of(0))
}

/// True if a key is that of a [`Fact`].
pub fn is_fact_key(key: &[u8]) -> bool {
    key::storage_of(key) == StorageId::CATALOG && *key < *key_of(0)
}

/// True if a row of [`StorageId::CATALOG`] is a [`Fact`].
pub fn is_fact(row: &Row) -> bool {
    matches!(row.first(), Some((COLUMN_ID, Value::Int(id))) if *id < 0)
}

impl Fact {
    /// As a row.
    pub fn encode(&self) -> Row {
        match self {
            Fact::Access(of, access) => {
                let sealed = envelope::seal(
                    ACCESS_MAGIC,
                    VERSION,
                    &AccessProto::from(access).encode_to_vec(),
                );
                catalog_row(id_of(*of), "(access)", sealed)
            }
            Fact::Defaults(defaults) => {
                let one = |((role, name), value): (&(String, String), &String)| DefaultProto {
                    role: role.clone(),
                    name: name.clone(),
                    value: value.clone(),
                };
                let proto = DefaultsProto { all: defaults.iter().map(one).collect() };
                let sealed = envelope::seal(DEFAULTS_MAGIC, VERSION, &proto.encode_to_vec());
                catalog_row(DEFAULTS_ID, "(defaults)", sealed)
            }
            Fact::Principals(bytes) => {
                let sealed = envelope::seal(PRINCIPALS_MAGIC, VERSION, bytes);
                catalog_row(PRINCIPALS_ID, "(roles)", sealed)
            }
        }
    }

    /// From its row.
    pub fn decode(row: &Row) -> Result<Fact> {
        let id = match row.first() {
            Some((COLUMN_ID, Value::Int(id))) => *id,
            _ => return Err(Error::corrupt("corrupt row of the catalog: it has no id")),
        };
        let bad = |e: prost::DecodeError| Error::corrupt(format!("corrupt grants: {e}"));
        match id {
            DEFAULTS_ID => {
                let payload = blob(row, DEFAULTS_MAGIC, "defaults of sessions")?;
                let all = DefaultsProto::decode(payload).map_err(bad)?.all.into_iter();
                Ok(Fact::Defaults(all.map(|d| ((d.role, d.name), d.value)).collect()))
            }
            PRINCIPALS_ID => {
                let payload = blob(row, PRINCIPALS_MAGIC, "roles of the primary")?;
                Ok(Fact::Principals(Bytes::copy_from_slice(payload)))
            }
            _ => {
                let of = securable(id)?;
                let proto = AccessProto::decode(blob(row, ACCESS_MAGIC, "grants")?).map_err(bad)?;
                Ok(Fact::Access(of, proto.into()))
            }
        }
    }
}

fn securable(id: i64) -> Result<Securable> {
    match id {
        OTHERS => Ok(Securable::Schema),
        id if id == OTHERS - 1 => Ok(Securable::Database),
        id => match u32::try_from(-i128::from(id)) {
            Ok(table) if table > 0 => Ok(Securable::Relation(TableId(table))),
            _ => Err(Error::corrupt(format!("unknown row {id} of the catalog"))
                .hint("it may come from a newer version of Antipode")),
        },
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct AccessProto {
    #[prost(string, optional, tag = "1")]
    owner: Option<String>,
    /// False as long as nothing was granted or revoked.
    #[prost(bool, tag = "2")]
    explicit: bool,
    #[prost(message, repeated, tag = "3")]
    items: Vec<ItemProto>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ItemProto {
    #[prost(string, optional, tag = "1")]
    grantee: Option<String>,
    #[prost(string, tag = "2")]
    grantor: String,
    #[prost(uint32, tag = "3")]
    privileges: u32,
    #[prost(uint32, tag = "4")]
    grantable: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DefaultsProto {
    #[prost(message, repeated, tag = "1")]
    all: Vec<DefaultProto>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DefaultProto {
    #[prost(string, tag = "1")]
    role: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    value: String,
}

impl From<&Access> for AccessProto {
    fn from(a: &Access) -> AccessProto {
        let one = |item: &AclItem| ItemProto {
            grantee: item.grantee.clone(),
            grantor: item.grantor.clone(),
            privileges: item.privileges.0,
            grantable: item.grantable.0,
        };
        AccessProto {
            owner: a.owner.clone(),
            explicit: a.acl.is_some(),
            items: a.acl.iter().flatten().map(one).collect(),
        }
    }
}

impl From<AccessProto> for Access {
    fn from(proto: AccessProto) -> Access {
        let one = |item: ItemProto| AclItem {
            grantee: item.grantee,
            grantor: item.grantor,
            privileges: Privileges(item.privileges),
            grantable: Privileges(item.grantable),
        };
        let items = proto.items.into_iter().map(one).collect();
        Access { owner: proto.owner, acl: proto.explicit.then_some(items) }
    }
}
