//! The rows of a diverged transaction, in the tables they belong to now, and the statements that
//! bring them back.

use crate::shape::{Place, Shape};
use base::{Catalog, Error, Result, SqlState, StorageId, TableDescriptor, Value};
use format::vault::DivergedRow;
use std::sync::Arc;

/// One row to bring back.
pub(super) struct Again {
    pub(super) shape: Arc<Shape>,
    pub(super) place: Place,
    /// As the diverged transaction found it, and as it left it.
    pub(super) old: Option<Vec<Value>>,
    pub(super) new: Option<Vec<Value>>,
    /// Its key, for people.
    pub(super) key: String,
}

/// What a statement does to a row; in this order, so that no two rows meet in a unique index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    Delete,
    Update,
    Insert,
}

pub(super) fn is_schema(row: &DivergedRow) -> bool {
    format::key::storage_of(&row.raw_key) == StorageId::CATALOG
}

/// The table that a key space belongs to, if rows of the diverged transaction still mean there what
/// they meant.
pub(super) fn table_now(
    catalog: &Catalog,
    storage: StorageId,
    row: &DivergedRow,
    altered: &[StorageId],
) -> Result<Arc<TableDescriptor>> {
    let refuse = |why: &str| {
        let message = format!("table \"{}\" {why}", row.table);
        Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            .detail("Nothing has happened.")
            .hint("the rows are in information_schema.diverged_rows: re-enter what matters")
    };
    if altered.contains(&storage) {
        return Err(refuse("was altered by another diverged transaction"));
    }
    let table = catalog.by_storage(storage).cloned();
    table.ok_or_else(|| refuse("was dropped, truncated or given another primary key since"))
}

pub(super) fn again(shape: Arc<Shape>, partition: u16, row: &DivergedRow) -> Result<Again> {
    let read = |raw: &Option<bytes::Bytes>| -> Result<Option<Vec<Value>>> {
        let Some(raw) = raw else { return Ok(None) };
        let stored = format::row::decode(raw)?;
        let unknown = stored.iter().any(|(id, _)| shape.table.column(*id).is_none());
        if unknown {
            let name = &shape.table.name;
            let message = format!("a column of table \"{name}\" was dropped since");
            return Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
                .detail("Nothing has happened."));
        }
        shape.decode(raw).map(Some)
    };
    let (old, new) = (read(&row.raw_old)?, read(&row.raw_new)?);
    let (place, key) = ((partition, row.raw_key.clone()), row.key.clone());
    Ok(Again { shape, place, old, new, key })
}

/// The first row that is not as the diverged transaction found it.
pub(super) fn differs(again: &Again, now: Option<&[Value]>) -> Error {
    let shown = |row: Option<&[Value]>| match row {
        None => "absent".to_owned(),
        Some(row) => {
            let field = |(i, column): (usize, &base::Column)| match &row[i] {
                Value::Null => format!("{} NULL", column.name),
                value => format!("{} {}", column.name, crate::text::format(column.ty, value)),
            };
            again.shape.visible().map(field).collect::<Vec<_>>().join(", ")
        }
    };
    let message = format!(
        "row {} of table \"{}\" is not as the diverged transaction found it",
        again.key, again.shape.table.name
    );
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .detail(format!(
            "It found: {}. Now: {}. Nothing has happened.",
            shown(again.old.as_deref()),
            shown(now)
        ))
        .hint("FORCE writes its rows whatever is there; DISMISS … REASON '…' leaves it")
}

/// The statement that does this to one row, and the columns whose values are its parameters.
pub(super) fn statement_of(
    shape: &Shape,
    act: Act,
    catalog: &Catalog,
) -> Result<(String, Vec<usize>)> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let table = format!("{}.{}", quoted(&shape.table.schema), quoted(&shape.table.name));
    let name = |i: usize| quoted(&shape.columns()[i].name);
    let visible: Vec<usize> = shape.visible().map(|(i, _)| i).collect();
    let hidden = shape.key.iter().any(|i| shape.columns()[*i].hidden);
    if act != Act::Insert && hidden {
        let what = format!("changing rows of \"{}\", which has no primary key,", shape.table.name);
        return Err(Error::unsupported(what).detail("Nothing has happened."));
    }
    let matches = |from: usize| {
        let one = |(n, i): (usize, &usize)| format!("{} = ${}", name(*i), from + n + 1);
        shape.key.iter().enumerate().map(one).collect::<Vec<_>>().join(" AND ")
    };
    Ok(match act {
        Act::Insert => {
            let names: Vec<_> = visible.iter().map(|i| name(*i)).collect();
            let marks: Vec<_> = (1..=visible.len()).map(|n| format!("${n}")).collect();
            let (names, marks) = (names.join(", "), marks.join(", "));
            let sql =
                format!("INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE VALUES ({marks})");
            (sql, visible)
        }
        Act::Delete => (format!("DELETE FROM {table} WHERE {}", matches(0)), shape.key.clone()),
        Act::Update => {
            let fixed = |i: &usize| {
                shape.key.contains(i)
                    || crate::ddl::always(catalog, shape.table.id, shape.columns()[*i].id)
            };
            let mut columns: Vec<usize> = visible.into_iter().filter(|i| !fixed(i)).collect();
            let sets = columns.iter().enumerate();
            let mut sets: Vec<_> =
                sets.map(|(n, i)| format!("{} = ${}", name(*i), n + 1)).collect();
            if sets.is_empty() {
                // A row that is only a key stays as it is.
                sets.push(format!("{0} = {0}", name(shape.key[0])));
            }
            let sql =
                format!("UPDATE {table} SET {} WHERE {}", sets.join(", "), matches(columns.len()));
            columns.extend(&shape.key);
            (sql, columns)
        }
    })
}
