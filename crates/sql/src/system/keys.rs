//! A table's primary key and its indexes, as places, names and SQL.

use super::oids;
use super::relations::columns;
use base::{Column, TableDescriptor};

/// A primary key or an index.
pub(super) struct Index<'t> {
    /// Its table.
    pub table: &'t TableDescriptor,
    /// Its number.
    pub oid: i64,
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Member<'t>>,
    /// No two rows with the same values.
    pub unique: bool,
    /// It is the primary key.
    pub primary: bool,
    /// It was declared as a constraint.
    pub constraint: bool,
    /// It has all rows.
    pub valid: bool,
    /// Its key space.
    pub storage: u32,
}

/// A column of an index.
pub(super) struct Member<'t> {
    /// Its place in the table.
    pub place: i64,
    /// The column.
    pub column: &'t Column,
    descending: bool,
    nulls_first: bool,
}

/// The primary key, unless it is hidden, and the indexes of a table.
pub(super) fn indexes(table: &TableDescriptor) -> Vec<Index<'_>> {
    let member = |id: u32, descending: bool, nulls_first: bool| {
        let (place, column) = columns(table).find(|(_, c)| c.id == id)?;
        Some(Member { place: place as i64, column, descending, nulls_first })
    };
    let key = (!table.has_hidden_key()).then(|| Index {
        table,
        oid: oids::key_index(table.id),
        name: table.key_name(),
        columns: table.primary_key.iter().filter_map(|id| member(*id, false, false)).collect(),
        unique: true,
        primary: true,
        constraint: true,
        valid: true,
        storage: table.storage.0,
    });
    let others = table.indexes.iter().map(|index| Index {
        table,
        oid: oids::table(index.id),
        name: index.name.clone(),
        columns: index
            .columns
            .iter()
            .filter_map(|c| member(c.column, c.descending, c.nulls_first))
            .collect(),
        unique: index.unique,
        primary: false,
        constraint: index.constraint,
        valid: index.ready,
        storage: index.storage.0,
    });
    key.into_iter().chain(others).collect()
}

impl Index<'_> {
    /// The number of its constraint.
    pub fn constraint_oid(&self) -> i64 {
        if self.primary { oids::key_constraint(self.table.id) } else { self.oid + 2 }
    }

    /// The places of its columns.
    pub fn places(&self) -> Vec<i64> {
        self.columns.iter().map(|m| m.place).collect()
    }

    /// How its columns are ordered, in `pg_index`'s bits: 1 descending, 2 nulls first.
    pub fn options(&self) -> Vec<i64> {
        let bits = |m: &Member<'_>| i64::from(m.descending) | i64::from(m.nulls_first) << 1;
        self.columns.iter().map(bits).collect()
    }

    /// `CREATE [UNIQUE] INDEX …`
    pub fn definition(&self) -> String {
        let order = |m: &Member<'_>| match (m.descending, m.nulls_first) {
            (false, false) => "",
            (false, true) => " NULLS FIRST",
            (true, true) => " DESC",
            (true, false) => " DESC NULLS LAST",
        };
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|m| format!("{}{}", quoted(&m.column.name), order(m)))
            .collect();
        format!(
            "CREATE {}INDEX {} ON {}.{} USING btree ({})",
            if self.unique { "UNIQUE " } else { "" },
            quoted(&self.name),
            quoted(&self.table.schema),
            quoted(&self.table.name),
            columns.join(", ")
        )
    }

    /// `PRIMARY KEY (…)` or `UNIQUE (…)`
    pub fn constraint_definition(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|m| quoted(&m.column.name)).collect();
        let kind = if self.primary { "PRIMARY KEY" } else { "UNIQUE" };
        format!("{kind} ({})", columns.join(", "))
    }
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
