//! Indexes and constraints in `pg_catalog`.

use super::keys::{Index, indexes};
use super::oids;
use super::relations::tables;
use super::sheet::Sheet;
use super::source::Facts;

fn all(facts: &Facts) -> impl Iterator<Item = Index<'_>> {
    tables(facts).flat_map(|t| indexes(t))
}

/// The index with this number.
pub(super) fn by_oid(facts: &Facts, oid: i64) -> Option<Index<'_>> {
    all(facts).find(|i| i.oid == oid)
}

/// The index of the constraint with this number.
pub(super) fn by_constraint(facts: &Facts, oid: i64) -> Option<Index<'_>> {
    all(facts).find(|i| i.constraint && i.constraint_oid() == oid)
}

/// The index of this name in a schema.
pub(super) fn by_name<'f>(facts: &'f Facts, schema: &str, name: &str) -> Option<Index<'f>> {
    all(facts).find(|i| i.name == name && i.table.schema == schema)
}

/// `pg_index`
pub(super) fn rows(facts: &Facts, sheet: &mut Sheet) {
    for index in all(facts) {
        let (places, options) = (index.places(), index.options());
        let nothing = vec![0; places.len()];
        sheet.row([
            ("indexrelid", index.oid.into()),
            ("indrelid", oids::table(index.table.id).into()),
            ("indnatts", places.len().into()),
            ("indnkeyatts", places.len().into()),
            ("indisunique", index.unique.into()),
            ("indisprimary", index.primary.into()),
            ("indimmediate", true.into()),
            ("indisvalid", index.valid.into()),
            // Kept up by all who write, also before it is valid.
            ("indisready", true.into()),
            ("indislive", true.into()),
            ("indcollation", nothing.clone().into()),
            ("indclass", nothing.into()),
            ("indoption", options.into()),
            ("indkey", places.into()),
        ]);
    }
}

/// `pg_constraint`
pub(super) fn constraints(facts: &Facts, sheet: &mut Sheet) {
    for index in all(facts).filter(|i| i.constraint) {
        sheet.row([
            ("oid", index.constraint_oid().into()),
            ("conname", (&index.name).into()),
            ("connamespace", oids::schema(&index.table.schema).into()),
            ("contype", if index.primary { "p" } else { "u" }.into()),
            ("convalidated", true.into()),
            ("conrelid", oids::table(index.table.id).into()),
            ("conindid", index.oid.into()),
            ("conislocal", true.into()),
            ("connoinherit", true.into()),
            ("conkey", index.places().into()),
        ]);
    }
}

/// `pg_indexes`
pub(super) fn list(facts: &Facts, sheet: &mut Sheet) {
    for index in all(facts) {
        sheet.row([
            ("schemaname", (&index.table.schema).into()),
            ("tablename", (&index.table.name).into()),
            ("indexname", (&index.name).into()),
            ("indexdef", index.definition().into()),
        ]);
    }
}
