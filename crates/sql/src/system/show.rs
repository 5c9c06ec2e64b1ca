//! The results of `SHOW DATABASES`, `SHOW TABLES`, `SHOW REPLICATION STATUS`, `SWITCHOVER` and
//! `FAILOVER`.

use super::columns::Kind;
use super::drill::DRILLED;
use super::replication;
use super::sheet::{Cell, Sheet, at_ms};
use super::source::{DatabaseFact, SystemSource};
use crate::statement::{Rights, Stmt};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use base::{Catalog, Error, Result};
use dr::{Explained, Failover, Forgotten, Switchover, Verification};

/// The columns of a `SHOW` statement's result; `None` if the statement is another one.
pub fn show_schema(stmt: &Stmt) -> Option<SchemaRef> {
    Some(sheet(stmt)?.schema())
}

/// The result of a `SHOW` statement; `None` if the statement is another one.
pub async fn show(source: &dyn SystemSource, stmt: &Stmt) -> Result<Option<RecordBatch>> {
    let Some(mut sheet) = sheet(stmt) else { return Ok(None) };
    match stmt {
        Stmt::ShowDatabases { extended } => {
            for database in source.databases().await? {
                database_row(database, *extended, &mut sheet);
            }
        }
        Stmt::ShowReplicationStatus { database } => {
            let mut links = source.links().await?;
            // Partitions are for `information_schema.replication_status`.
            links.retain(|link| link.partition.is_none());
            links.retain(|link| database.as_ref().is_none_or(|d| link.database == *d));
            replication::status(&links, &mut sheet);
        }
        _ => tables(&source.catalog(), &mut sheet),
    }
    sheet.batch().map(Some)
}

fn sheet(stmt: &Stmt) -> Option<Sheet> {
    Some(match stmt {
        Stmt::ShowDatabases { extended: false } => Sheet::new(&[("Database", Kind::Text)]),
        Stmt::ShowDatabases { extended: true } => Sheet::new(&[
            ("Database", Kind::Text),
            ("Role", Kind::Text),
            ("Partitions", Kind::Int4),
            ("Durability", Kind::Text),
            ("Read only", Kind::Text),
            ("Source", Kind::Text),
            ("Epoch", Kind::Text),
            ("Bytes", Kind::Int8),
        ]),
        Stmt::ShowTables => Sheet::new(&[("Table", Kind::Text)]),
        Stmt::ShowReplicationStatus { .. } => Sheet::new(&[
            ("database_name", Kind::Text),
            ("role", Kind::Text),
            ("peer", Kind::Text),
            ("state", Kind::Text),
            ("lag_rows", Kind::Int8),
            ("lag_bytes", Kind::Int8),
            ("lag_ms", Kind::Int8),
            ("heard_ms_ago", Kind::Int8),
            ("lag_records", Kind::Int8),
            ("lag_transactions", Kind::Int8),
            ("replicated_at", Kind::TimestampTz),
            ("bytes_received", Kind::Int8),
            ("bytes_per_second", Kind::Int8),
            ("catch_up_ms", Kind::Int8),
            ("copied_bytes", Kind::Int8),
            ("copy_bytes", Kind::Int8),
            ("way", Kind::Text),
            ("shipped_bytes", Kind::Int8),
            ("last_verified", Kind::TimestampTz),
            ("verdict", Kind::Text),
            ("differing_ranges", Kind::Int8),
            ("last_error", Kind::Text),
            ("last_proven", Kind::TimestampTz),
        ]),
        Stmt::Switchover { .. } => Sheet::new(&[
            ("from", Kind::Text),
            ("to", Kind::Text),
            ("epoch", Kind::Text),
            ("cut", Kind::TimestampTz),
            ("seconds_without_writes", Kind::Float8),
            ("former_primary", Kind::Text),
        ]),
        Stmt::Failover { .. } => Sheet::new(&FAILED_OVER),
        Stmt::Group(group) if group.promotes() => Sheet::new(&FAILED_OVER),
        Stmt::Explain(_) => Sheet::new(&EXPLAINED),
        Stmt::Rights(rights) if matches!(**rights, Rights::Show(_)) => Sheet::new(&GRANTS),
        Stmt::ResetReplication(_) => Sheet::new(&FORGOTTEN),
        Stmt::Verify { .. } => Sheet::new(&VERIFIED),
        Stmt::Drill { .. } => Sheet::new(&DRILLED),
        _ => return None,
    })
}

/// The columns of `FAILOVER`.
const FAILED_OVER: [(&str, Kind); 6] = [
    ("database_name", Kind::Text),
    ("outcome", Kind::Text),
    ("epoch", Kind::Text),
    ("cut", Kind::TimestampTz),
    ("set_aside_transactions", Kind::Int8),
    ("former_primary", Kind::Text),
];

/// The columns of `EXPLAIN` of what the SQL parser does not know.
const EXPLAINED: [(&str, Kind); 4] =
    [("kind", Kind::Text), ("item", Kind::Text), ("value", Kind::Text), ("number", Kind::Int8)];

/// The columns of `SHOW GRANTS`.
const GRANTS: [(&str, Kind); 6] = [
    ("object_type", Kind::Text),
    ("object_name", Kind::Text),
    ("grantee", Kind::Text),
    ("privilege", Kind::Text),
    ("grantable", Kind::Bool),
    ("grantor", Kind::Text),
];

/// One line of `SHOW GRANTS`.
pub struct GrantRow {
    /// `table`, `role` …
    pub kind: &'static str,
    /// The object.
    pub object: String,
    /// Who has it.
    pub grantee: String,
    /// What.
    pub privilege: &'static str,
    /// It may be granted on.
    pub grantable: bool,
    /// By whom.
    pub grantor: String,
}

/// The result of `SHOW GRANTS`.
pub fn grants(rows: Vec<GrantRow>) -> Result<RecordBatch> {
    let mut sheet = Sheet::new(&GRANTS);
    for row in rows {
        sheet.full_row([
            row.kind.into(),
            row.object.into(),
            row.grantee.into(),
            row.privilege.into(),
            row.grantable.into(),
            row.grantor.into(),
        ]);
    }
    sheet.batch()
}

/// The columns of `VERIFY`: each table, then its ranges and rows that differ.
const VERIFIED: [(&str, Kind); 7] = [
    ("kind", Kind::Text),
    ("table_name", Kind::Text),
    ("partition_id", Kind::Int4),
    ("outcome", Kind::Text),
    ("place", Kind::Text),
    ("rows", Kind::Int8),
    ("source_rows", Kind::Int8),
];

/// The result of `VERIFY`.
pub fn verified(done: &Verification) -> Result<RecordBatch> {
    let mut sheet = Sheet::new(&VERIFIED);
    for t in &done.tables {
        let outcome = match t.differing.len() {
            0 => format!("equal in {} key ranges", t.ranges),
            n => format!("different in {n} of {} key ranges", t.ranges),
        };
        sheet.row([
            ("kind", "table".into()),
            ("table_name", (&t.table).into()),
            ("outcome", outcome.into()),
            ("rows", t.rows.into()),
            ("source_rows", t.source_rows.into()),
        ]);
        for (partition, keys) in &t.differing {
            sheet.row([
                ("kind", "range".into()),
                ("table_name", (&t.table).into()),
                ("partition_id", (*partition).into()),
                ("outcome", "different".into()),
                ("place", keys.into()),
            ]);
        }
        for (partition, key, how) in &t.named {
            sheet.row([
                ("kind", "row".into()),
                ("table_name", (&t.table).into()),
                ("partition_id", (*partition).into()),
                ("outcome", how.name().into()),
                ("place", key.into()),
            ]);
        }
    }
    sheet.batch()
}

/// The columns of `RESET REPLICATION`.
const FORGOTTEN: [(&str, Kind); 8] = [
    ("database_name", Kind::Text),
    ("cluster_id", Kind::Int4),
    ("partner", Kind::Text),
    ("state", Kind::Text),
    ("slots", Kind::Text),
    ("released_bytes", Kind::Int8),
    ("promotable_at", Kind::TimestampTz),
    ("opened", Kind::Bool),
];

/// The result of `RESET REPLICATION`.
pub fn forgotten(done: &[Forgotten]) -> Result<RecordBatch> {
    let mut sheet = Sheet::new(&FORGOTTEN);
    for one in done {
        sheet.full_row([
            (&one.database).into(),
            one.cluster.0.into(),
            (&one.partner).into(),
            one.state.into(),
            one.slots.join(", ").into(),
            one.released_bytes.into(),
            one.promotable_at.map_or(Cell::Null, |at| at_ms(at.ms())),
            one.opened.into(),
        ]);
    }
    sheet.batch()
}

/// The result of such an `EXPLAIN`.
pub fn explained(lines: &[Explained]) -> Result<RecordBatch> {
    let mut sheet = Sheet::new(&EXPLAINED);
    for line in lines {
        let (item, value) = ((&line.item).into(), (&line.value).into());
        sheet.full_row([line.kind.name().into(), item, value, line.number.into()]);
    }
    sheet.batch()
}

/// The result of `FAILOVER`, for each database.
pub fn failed_over<'a>(
    stmt: &Stmt,
    all: impl IntoIterator<Item = (&'a str, &'a Failover)>,
) -> Result<RecordBatch> {
    let Some(mut sheet) = sheet(stmt) else {
        return Err(Error::internal("this statement has no outcome"));
    };
    for (database, done) in all {
        let outcome = match (done.already, done.lossless) {
            (true, _) => "primary already",
            (false, true) => "promoted without loss",
            (false, false) => "promoted",
        };
        let former = match (&done.receipt, done.followed) {
            (None, _) => Cell::Null,
            (Some(_), true) => "follows".into(),
            (Some(_), false) => "follows as soon as it is reached".into(),
        };
        sheet.full_row([
            database.into(),
            outcome.into(),
            done.epoch.to_string().into(),
            at_ms(done.cut.ms()),
            done.set_aside.into(),
            former,
        ]);
    }
    sheet.batch()
}

/// The result of `SWITCHOVER`.
pub fn receipt(stmt: &Stmt, done: &Switchover) -> Result<RecordBatch> {
    let Some(mut sheet) = sheet(stmt) else {
        return Err(Error::internal("this statement has no receipt"));
    };
    let receipt = &done.receipt;
    sheet.full_row([
        (&receipt.from).into(),
        (&receipt.to).into(),
        receipt.epoch.to_string().into(),
        at_ms(receipt.cut.ms()),
        Cell::Float(receipt.without_writes_ms as f64 / 1_000.0),
        if done.followed { "follows" } else { "follows as soon as it is reached" }.into(),
    ]);
    sheet.batch()
}

fn database_row(d: DatabaseFact, extended: bool, sheet: &mut Sheet) {
    if !extended {
        return sheet.full_row([d.name.into()]);
    }
    sheet.full_row([
        d.name.into(),
        d.role.into(),
        d.partitions.into(),
        d.durability.into(),
        d.readonly_reason.into(),
        d.source.into(),
        d.epoch.into(),
        d.bytes.into(),
    ]);
}

fn tables(catalog: &Catalog, sheet: &mut Sheet) {
    let mut names: Vec<String> = catalog
        .tables
        .values()
        .map(|t| match t.schema.as_str() {
            "public" => t.name.clone(),
            schema => format!("{schema}.{}", t.name),
        })
        .collect();
    names.sort();
    names.into_iter().for_each(|name| sheet.full_row([name.into()]));
}
