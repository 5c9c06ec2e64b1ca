//! Sequences in `pg_catalog` and `information_schema`.

use super::oids;
use super::relations::columns;
use super::rights;
use super::sheet::Sheet;
use super::source::Facts;
use super::types;
use crate::privilege::Object;
use base::{Identity, SequenceDescriptor, SqlType, TableDescriptor};
use std::sync::Arc;

/// The number of `pg_class` itself.
const PG_CLASS: i64 = 1259;

/// What every sequence shows as its columns.
pub(super) const COLUMNS: [(&str, SqlType); 3] =
    [("last_value", SqlType::BigInt), ("log_cnt", SqlType::BigInt), ("is_called", SqlType::Bool)];

/// The user's sequences.
pub(super) fn sequences(facts: &Facts) -> impl Iterator<Item = &Arc<SequenceDescriptor>> {
    facts.catalog.sequences.values()
}

/// `a` for a column that is always generated, `d` for one that is by default, else nothing.
pub(super) fn identity_letter(facts: &Facts, table: &TableDescriptor, column: u32) -> &'static str {
    let owner = facts.catalog.identity(table.id, column).and_then(|s| s.owner);
    match owner.and_then(|o| o.identity) {
        Some(Identity::Always) => "a",
        Some(Identity::ByDefault) => "d",
        None => "",
    }
}

/// The table and the place of the column that a sequence belongs to.
fn owning<'f>(
    facts: &'f Facts,
    s: &SequenceDescriptor,
) -> Option<(&'f Arc<TableDescriptor>, usize, bool)> {
    let owner = s.owner?;
    let table = facts.catalog.tables.get(&owner.table)?;
    let (place, _) = columns(table).find(|(_, c)| c.id == owner.column)?;
    Some((table, place, owner.identity.is_some()))
}

/// `pg_sequence`
pub(super) fn rows(facts: &Facts, sheet: &mut Sheet) {
    for s in sequences(facts) {
        sheet.row([
            ("seqrelid", oids::table(s.id).into()),
            ("seqtypid", types::of(s.ty).0.into()),
            ("seqstart", s.start.into()),
            ("seqincrement", s.increment.into()),
            ("seqmax", s.max.into()),
            ("seqmin", s.min.into()),
            ("seqcache", s.cache.into()),
            ("seqcycle", s.cycle.into()),
        ]);
    }
}

/// `pg_sequences`
pub(super) fn list(facts: &Facts, sheet: &mut Sheet) {
    for s in sequences(facts) {
        sheet.row([
            ("schemaname", (&s.schema).into()),
            ("sequencename", (&s.name).into()),
            (
                "sequenceowner",
                rights::owner_name(facts, &Object::sequence(&facts.catalog, s)).into(),
            ),
            ("data_type", s.ty.to_string().into()),
            ("start_value", s.start.into()),
            ("min_value", s.min.into()),
            ("max_value", s.max.into()),
            ("increment_by", s.increment.into()),
            ("cycle", s.cycle.into()),
            ("cache_size", s.cache.into()),
            ("last_value", facts.last_values.get(&s.id).copied().into()),
        ]);
    }
}

/// `pg_depend`: which column a sequence belongs to.
pub(super) fn owners(facts: &Facts, sheet: &mut Sheet) {
    for s in sequences(facts) {
        if let Some((table, place, identity)) = owning(facts, s) {
            sheet.row([
                ("classid", PG_CLASS.into()),
                ("objid", oids::table(s.id).into()),
                ("objsubid", 0_i64.into()),
                ("refclassid", PG_CLASS.into()),
                ("refobjid", oids::table(table.id).into()),
                ("refobjsubid", place.into()),
                ("deptype", if identity { "i" } else { "a" }.into()),
            ]);
        }
    }
}

/// `information_schema.sequences`: without those of identity columns, which the standard counts to
/// the columns.
pub(super) fn standard(facts: &Facts, sheet: &mut Sheet) {
    for s in sequences(facts).filter(|s| s.owner.is_none_or(|o| o.identity.is_none())) {
        let bits: i64 = match s.ty {
            SqlType::SmallInt => 16,
            SqlType::Int => 32,
            _ => 64,
        };
        sheet.row([
            ("sequence_catalog", (&facts.database).into()),
            ("sequence_schema", (&s.schema).into()),
            ("sequence_name", (&s.name).into()),
            ("data_type", s.ty.to_string().into()),
            ("numeric_precision", bits.into()),
            ("numeric_precision_radix", 2_i64.into()),
            ("numeric_scale", 0_i64.into()),
            ("start_value", s.start.to_string().into()),
            ("minimum_value", s.min.to_string().into()),
            ("maximum_value", s.max.to_string().into()),
            ("increment", s.increment.to_string().into()),
            ("cycle_option", if s.cycle { "YES" } else { "NO" }.into()),
        ]);
    }
}
