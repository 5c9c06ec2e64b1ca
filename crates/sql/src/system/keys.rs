//! A table's primary key, as places, names and SQL.

use super::oids;
use super::relations::columns;
use base::TableDescriptor;

/// The primary key's columns by their place; empty if the key is hidden.
pub(super) fn key(table: &TableDescriptor) -> Vec<i64> {
    let place = |id: &u32| columns(table).find(|(_, c)| c.id == *id).map(|(i, _)| i as i64);
    table.primary_key.iter().filter_map(place).collect()
}

/// The names of the primary key's columns.
pub(super) fn key_names(table: &TableDescriptor) -> Vec<&str> {
    let columns = table.primary_key.iter().filter_map(|id| table.column(*id));
    columns.filter(|c| !c.hidden).map(|c| c.name.as_str()).collect()
}

/// `CREATE UNIQUE INDEX …` of a primary key.
pub(super) fn index_definition(table: &TableDescriptor) -> String {
    format!(
        "CREATE UNIQUE INDEX {} ON {}.{} USING btree ({})",
        quoted(&oids::key_name(table)),
        quoted(&table.schema),
        quoted(&table.name),
        key_list(table)
    )
}

/// The key's columns as SQL.
pub(super) fn key_list(table: &TableDescriptor) -> String {
    key_names(table).iter().map(|n| quoted(n)).collect::<Vec<_>>().join(", ")
}

/// An identifier, in quotes if it needs them.
pub(crate) fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if starts && name.chars().all(plain) {
        return name.to_string();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}
