//! The tables of `information_schema` that the SQL standard names.

use super::columns::RELATIONS;
use super::keys::indexes;
use super::relations::{columns, owner, schemas, tables};
use super::rights;
use super::sheet::{Cell, Sheet};
use super::source::Facts;
use super::types;
use crate::privilege::Object;
use base::{Column, Identity, SequenceDescriptor, SqlType};

fn yes_no(yes: bool) -> Cell {
    if yes { "YES" } else { "NO" }.into()
}

/// `information_schema.schemata`
pub(super) fn schemata(facts: &Facts, sheet: &mut Sheet) {
    for schema in schemas(facts) {
        let owner = match schema.as_str() {
            "public" => rights::owner_name(facts, &Object::schema(&facts.catalog)),
            _ => owner(facts),
        };
        sheet.row([
            ("catalog_name", (&facts.database).into()),
            ("schema_name", schema.into()),
            ("schema_owner", owner.into()),
        ]);
    }
}

fn one_table(facts: &Facts, sheet: &mut Sheet, schema: &str, name: &str, kind: &str) {
    sheet.row([
        ("table_catalog", (&facts.database).into()),
        ("table_schema", schema.into()),
        ("table_name", name.into()),
        ("table_type", kind.into()),
        ("is_insertable_into", yes_no(kind == "BASE TABLE" && schema != "pg_catalog")),
        ("is_typed", yes_no(false)),
    ]);
}

/// `information_schema.tables`
pub(super) fn tables_of(facts: &Facts, sheet: &mut Sheet) {
    for table in tables(facts) {
        one_table(facts, sheet, &table.schema, &table.name, "BASE TABLE");
    }
    for relation in RELATIONS.values() {
        let kind = if relation.view { "VIEW" } else { "BASE TABLE" };
        one_table(facts, sheet, &relation.schema, &relation.name, kind);
    }
}

/// `information_schema.columns`
pub(super) fn columns_of(facts: &Facts, sheet: &mut Sheet) {
    for table in tables(facts) {
        for (place, column) in columns(table) {
            let identity = facts.catalog.identity(table.id, column.id).map(AsRef::as_ref);
            one_column(facts, sheet, (&table.schema, &table.name), place, column, identity);
        }
    }
    for relation in RELATIONS.values() {
        for (i, (name, kind)) in relation.columns.iter().enumerate() {
            sheet.row([
                ("table_catalog", (&facts.database).into()),
                ("table_schema", (&relation.schema).into()),
                ("table_name", (&relation.name).into()),
                ("column_name", name.into()),
                ("ordinal_position", (i + 1).into()),
                ("is_nullable", yes_no(true)),
                ("data_type", types::format_type(kind.type_oid(), None).into()),
                ("udt_name", types::by_oid(kind.type_oid()).map(|t| t.name).into()),
                ("is_updatable", yes_no(false)),
            ]);
        }
    }
}

fn one_column(
    facts: &Facts,
    sheet: &mut Sheet,
    (schema, table): (&str, &str),
    place: usize,
    column: &Column,
    identity: Option<&SequenceDescriptor>,
) {
    let oid = types::of(column.ty).0;
    let length = match column.ty {
        SqlType::Varchar(n) | SqlType::Char(n) => Some(n),
        _ => None,
    };
    let (precision, radix, scale) = numbers(column.ty);
    let fraction = matches!(column.ty, SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz);
    sheet.row([
        ("table_catalog", (&facts.database).into()),
        ("table_schema", schema.into()),
        ("table_name", table.into()),
        ("column_name", (&column.name).into()),
        ("ordinal_position", place.into()),
        ("column_default", column.default.clone().into()),
        ("is_nullable", yes_no(!column.not_null)),
        ("data_type", types::format_type(oid, None).into()),
        ("character_maximum_length", length.into()),
        ("character_octet_length", length.map(|n| n.saturating_mul(4)).into()),
        ("numeric_precision", precision.into()),
        ("numeric_precision_radix", radix.into()),
        ("numeric_scale", scale.into()),
        ("datetime_precision", fraction.then_some(6_i64).into()),
        ("udt_catalog", (&facts.database).into()),
        ("udt_schema", "pg_catalog".into()),
        ("udt_name", types::by_oid(oid).map(|t| t.name).into()),
        ("dtd_identifier", place.to_string().into()),
        ("is_self_referencing", yes_no(false)),
        ("is_identity", yes_no(identity.is_some())),
        ("identity_generation", identity.and_then(generation).into()),
        ("identity_start", identity.map(|s| s.start.to_string()).into()),
        ("identity_increment", identity.map(|s| s.increment.to_string()).into()),
        ("identity_maximum", identity.map(|s| s.max.to_string()).into()),
        ("identity_minimum", identity.map(|s| s.min.to_string()).into()),
        ("identity_cycle", yes_no(identity.is_some_and(|s| s.cycle))),
        ("is_generated", "NEVER".into()),
        ("is_updatable", yes_no(true)),
    ]);
}

fn generation(s: &SequenceDescriptor) -> Option<&'static str> {
    s.owner?.identity.map(|identity| match identity {
        Identity::Always => "ALWAYS",
        Identity::ByDefault => "BY DEFAULT",
    })
}

/// Precision, its radix and scale of a number type.
fn numbers(ty: SqlType) -> (Option<i64>, Option<i64>, Option<i64>) {
    match ty {
        SqlType::SmallInt => (Some(16), Some(2), Some(0)),
        SqlType::Int => (Some(32), Some(2), Some(0)),
        SqlType::BigInt => (Some(64), Some(2), Some(0)),
        SqlType::Real => (Some(24), Some(2), None),
        SqlType::Double => (Some(53), Some(2), None),
        SqlType::Numeric { precision, scale } => {
            (Some(precision.into()), Some(10), Some(scale.into()))
        }
        _ => (None, None, None),
    }
}

/// `information_schema.table_constraints`
pub(super) fn constraints(facts: &Facts, sheet: &mut Sheet) {
    for index in tables(facts).flat_map(|t| indexes(t)).filter(|i| i.constraint) {
        let kind = if index.primary { "PRIMARY KEY" } else { "UNIQUE" };
        sheet.row([
            ("constraint_catalog", (&facts.database).into()),
            ("constraint_schema", (&index.table.schema).into()),
            ("constraint_name", (&index.name).into()),
            ("table_catalog", (&facts.database).into()),
            ("table_schema", (&index.table.schema).into()),
            ("table_name", (&index.table.name).into()),
            ("constraint_type", kind.into()),
            ("is_deferrable", yes_no(false)),
            ("initially_deferred", yes_no(false)),
            ("enforced", yes_no(true)),
        ]);
    }
}

/// `information_schema.key_column_usage`
pub(super) fn key_columns(facts: &Facts, sheet: &mut Sheet) {
    for index in tables(facts).flat_map(|t| indexes(t)).filter(|i| i.constraint) {
        for (i, member) in index.columns.iter().enumerate() {
            sheet.row([
                ("constraint_catalog", (&facts.database).into()),
                ("constraint_schema", (&index.table.schema).into()),
                ("constraint_name", (&index.name).into()),
                ("table_catalog", (&facts.database).into()),
                ("table_schema", (&index.table.schema).into()),
                ("table_name", (&index.table.name).into()),
                ("column_name", (&member.column.name).into()),
                ("ordinal_position", (i + 1).into()),
            ]);
        }
    }
}
