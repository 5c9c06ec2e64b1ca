//! Object numbers. They follow from what is numbered already (tables, databases) or from names, so
//! they are the same on every node and after every restart.
//!
//! ```text
//!   below 16384          PostgreSQL's own objects, with its numbers
//!   16384 + 4·table      the table; +1 its primary key's index, +2 the constraint. Indexes and
//!                        sequences are numbered with the tables; an index + 2 is its constraint
//!   2^30 + 2048·table + n    the default of its nth column
//!   2^31 + hash(name)    users and schemas
//! ```

use base::TableId;

const FIRST: i64 = 16_384;
const DEFAULTS: i64 = 1 << 30;
const NAMED: i64 = 1 << 31;

/// `pg_catalog`
pub(super) const PG_CATALOG: i64 = 11;
/// `public`
pub(super) const PUBLIC: i64 = 2200;
/// `information_schema`
pub(super) const INFORMATION_SCHEMA: i64 = 13_000;
/// The user that owns everything.
pub(super) const OWNER: i64 = 10;
/// The access method of tables.
pub(super) const HEAP: i64 = 2;
/// The access method of primary keys.
pub(super) const BTREE: i64 = 403;
/// The default tablespace.
pub(super) const TABLESPACE: i64 = 1663;

/// A table or sequence.
pub(crate) fn table(id: TableId) -> i64 {
    FIRST + 4 * i64::from(id.0)
}

/// A table's primary key as an index.
pub(super) fn key_index(id: TableId) -> i64 {
    table(id) + 1
}

/// A table's primary key as a constraint.
pub(super) fn key_constraint(id: TableId) -> i64 {
    table(id) + 2
}

/// The default of a column, by its place among the columns.
pub(super) fn default(id: TableId, attnum: usize) -> i64 {
    DEFAULTS + 2048 * i64::from(id.0) + attnum as i64
}

/// A database.
pub(super) fn database(id: u32) -> i64 {
    FIRST + i64::from(id)
}

/// A schema.
pub(super) fn schema(name: &str) -> i64 {
    match name {
        "pg_catalog" => PG_CATALOG,
        "public" => PUBLIC,
        "information_schema" => INFORMATION_SCHEMA,
        other => NAMED + hash(other),
    }
}

/// A user other than the owner of everything.
pub(super) fn user(name: &str) -> i64 {
    NAMED + hash(name)
}

/// FNV-1a, 30 bits of it: simple and the same for ever.
fn hash(name: &str) -> i64 {
    let hash =
        name.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(16_777_619));
    i64::from(hash & 0x3fff_ffff)
}
