//! Tables, columns, keys and schemas in `pg_catalog`.

use super::columns::{RELATIONS, Relation};
use super::keys::indexes;
use super::oids;
use super::rights;
use super::sequences::{COLUMNS, identity_letter, sequences};
use super::sheet::{Cell, Sheet};
use super::source::Facts;
use super::types;
use crate::privilege::Object;
use base::{Column, TableDescriptor, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The user's tables.
pub(super) fn tables(facts: &Facts) -> impl Iterator<Item = &Arc<TableDescriptor>> {
    facts.catalog.tables.values()
}

/// The columns a user sees, from 1.
pub(super) fn columns(table: &TableDescriptor) -> impl Iterator<Item = (usize, &Column)> {
    table.columns.iter().filter(|c| !c.hidden).enumerate().map(|(i, c)| (i + 1, c))
}

/// Every schema there is.
pub(super) fn schemas(facts: &Facts) -> BTreeSet<String> {
    let fixed = ["pg_catalog", "public", "information_schema", "sys"].map(String::from);
    fixed.into_iter().chain(tables(facts).map(|t| t.schema.clone())).collect()
}

/// `pg_class`
pub(super) fn classes(facts: &Facts, sheet: &mut Sheet) {
    for table in tables(facts) {
        let indexes = indexes(table);
        class(
            sheet,
            rights::own(facts, &Object::table(&facts.catalog, table)),
            [
                ("oid", oids::table(table.id).into()),
                ("relname", (&table.name).into()),
                ("relnamespace", oids::schema(&table.schema).into()),
                ("relam", oids::HEAP.into()),
                ("relkind", "r".into()),
                ("relnatts", columns(table).count().into()),
                ("relhasindex", (!indexes.is_empty()).into()),
                ("relfilenode", i64::from(table.storage.0).into()),
            ],
        );
        for index in indexes {
            let (owner, _) = rights::own(facts, &Object::table(&facts.catalog, table));
            class(
                sheet,
                (owner, Cell::Null),
                [
                    ("oid", index.oid.into()),
                    ("relname", (&index.name).into()),
                    ("relnamespace", oids::schema(&table.schema).into()),
                    ("relam", oids::BTREE.into()),
                    ("relkind", "i".into()),
                    ("relnatts", index.columns.len().into()),
                    ("relhasindex", false.into()),
                    ("relfilenode", i64::from(index.storage).into()),
                ],
            );
        }
    }
    for sequence in sequences(facts) {
        class(
            sheet,
            rights::own(facts, &Object::sequence(&facts.catalog, sequence)),
            [
                ("oid", oids::table(sequence.id).into()),
                ("relname", (&sequence.name).into()),
                ("relnamespace", oids::schema(&sequence.schema).into()),
                ("relam", 0_i64.into()),
                ("relkind", "S".into()),
                ("relnatts", COLUMNS.len().into()),
                ("relhasindex", false.into()),
                ("relfilenode", oids::table(sequence.id).into()),
            ],
        );
    }
    for relation in RELATIONS.values() {
        class(
            sheet,
            (oids::OWNER.into(), Cell::Texts(vec![format!("=r/{}", owner(facts))])),
            [
                ("oid", relation.oid.into()),
                ("relname", (&relation.name).into()),
                ("relnamespace", oids::schema(&relation.schema).into()),
                ("relam", if relation.view { 0 } else { oids::HEAP }.into()),
                ("relkind", if relation.view { "v" } else { "r" }.into()),
                ("relnatts", relation.columns.len().into()),
                ("relhasindex", false.into()),
                ("relfilenode", 0_i64.into()),
            ],
        );
    }
}

fn class(sheet: &mut Sheet, (owner, acl): (Cell, Cell), own: [(&str, Cell); 8]) {
    let [a, b, c, d, e, f, g, h] = own;
    sheet.row([
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        ("relowner", owner),
        ("relacl", acl),
        ("relpersistence", "p".into()),
        ("relispopulated", true.into()),
        ("relreplident", "d".into()),
        ("reltuples", Cell::Float(-1.0)),
    ]);
}

/// `pg_attribute`
pub(super) fn attributes(facts: &Facts, sheet: &mut Sheet) {
    for table in tables(facts) {
        for (place, column) in columns(table) {
            let identity = identity_letter(facts, table, column.id);
            attribute(sheet, oids::table(table.id), place as i64, column, identity);
        }
        for index in indexes(table) {
            for (i, member) in index.columns.iter().enumerate() {
                attribute(sheet, index.oid, i as i64 + 1, member.column, "");
            }
        }
    }
    for sequence in sequences(facts) {
        for (i, (name, ty)) in COLUMNS.into_iter().enumerate() {
            let column = Column {
                id: 0,
                name: name.into(),
                ty,
                not_null: true,
                default: None,
                missing: Value::Null,
                hidden: false,
            };
            attribute(sheet, oids::table(sequence.id), i as i64 + 1, &column, "");
        }
    }
    RELATIONS.values().for_each(|relation| system_attributes(sheet, relation));
}

fn attribute(sheet: &mut Sheet, relation: i64, place: i64, column: &Column, identity: &str) {
    let (oid, modifier) = types::of(column.ty);
    sheet.row([
        ("attrelid", relation.into()),
        ("attname", (&column.name).into()),
        ("atttypid", oid.into()),
        ("atttypmod", modifier.into()),
        ("attlen", types::by_oid(oid).map(|t| t.len).into()),
        ("attnum", place.into()),
        ("attnotnull", column.not_null.into()),
        ("atthasdef", column.default.is_some().into()),
        ("attidentity", identity.into()),
        ("attstattarget", (-1_i64).into()),
        ("attislocal", true.into()),
        ("attstorage", "p".into()),
        ("attalign", "i".into()),
    ]);
}

fn system_attributes(sheet: &mut Sheet, relation: &Relation) {
    for (i, (name, kind)) in relation.columns.iter().enumerate() {
        sheet.row([
            ("attrelid", relation.oid.into()),
            ("attname", name.into()),
            ("atttypid", kind.type_oid().into()),
            ("atttypmod", (-1_i64).into()),
            ("attlen", types::by_oid(kind.type_oid()).map(|t| t.len).into()),
            ("attnum", (i + 1).into()),
            ("attstattarget", (-1_i64).into()),
            ("attislocal", true.into()),
            ("attstorage", "p".into()),
            ("attalign", "i".into()),
        ]);
    }
}

/// `pg_attrdef`: the expression is its SQL text.
pub(super) fn defaults(facts: &Facts, sheet: &mut Sheet) {
    for table in tables(facts) {
        for (place, column) in columns(table) {
            if let Some(default) = &column.default {
                sheet.row([
                    ("oid", oids::default(table.id, place).into()),
                    ("adrelid", oids::table(table.id).into()),
                    ("adnum", place.into()),
                    ("adbin", default.into()),
                ]);
            }
        }
    }
}

/// `pg_namespace`
pub(super) fn namespaces(facts: &Facts, sheet: &mut Sheet) {
    for schema in schemas(facts) {
        let (owner, acl) = match schema.as_str() {
            "public" => rights::own(facts, &Object::schema(&facts.catalog)),
            _ => (oids::OWNER.into(), Cell::Texts(vec![format!("=U/{}", owner(facts))])),
        };
        sheet.row([
            ("oid", oids::schema(&schema).into()),
            ("nspname", schema.into()),
            ("nspowner", owner),
            ("nspacl", acl),
        ]);
    }
}

/// `pg_tables`
pub(super) fn table_list(facts: &Facts, sheet: &mut Sheet) {
    let own = tables(facts).map(|t| {
        let owner = rights::owner_name(facts, &Object::table(&facts.catalog, t));
        (t.schema.clone(), t.name.clone(), owner, !indexes(t).is_empty())
    });
    let system = RELATIONS.values().filter(|r| !r.view);
    let system = system.map(|r| (r.schema.clone(), r.name.clone(), owner(facts), false));
    for (schema, name, owner, has_key) in own.chain(system) {
        sheet.row([
            ("schemaname", schema.into()),
            ("tablename", name.into()),
            ("tableowner", owner.into()),
            ("hasindexes", has_key.into()),
        ]);
    }
}

/// The user to whom belongs what has no owner: the first superuser.
pub(super) fn owner(facts: &Facts) -> String {
    let first = facts.users.iter().filter(|u| u.superuser).map(|u| u.name.as_str()).min();
    first.unwrap_or("root").to_string()
}
