//! The results of `SHOW DATABASES`, `SHOW TABLES` and `SHOW REPLICATION STATUS`.

use super::replication;
use super::sheet::{Kind, Sheet};
use super::source::SystemSource;
use arrow::array::RecordBatch;
use base::Result;

/// `SHOW DATABASES [EXTENDED]`
pub async fn show_databases(source: &dyn SystemSource, extended: bool) -> Result<RecordBatch> {
    let databases = source.databases().await?;
    if !extended {
        let mut sheet = Sheet::new(&[("Database", Kind::Text)]);
        databases.iter().for_each(|d| sheet.full_row([(&d.name).into()]));
        return sheet.batch();
    }
    let mut sheet = Sheet::new(&[
        ("Database", Kind::Text),
        ("Role", Kind::Text),
        ("Partitions", Kind::Int4),
        ("Durability", Kind::Text),
        ("Read only", Kind::Text),
        ("Source", Kind::Text),
        ("Epoch", Kind::Text),
        ("Bytes", Kind::Int8),
    ]);
    for d in databases {
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
    sheet.batch()
}

/// `SHOW TABLES`: those of the database connected to.
pub fn show_tables(source: &dyn SystemSource) -> Result<RecordBatch> {
    let catalog = source.catalog();
    let mut names: Vec<String> =
        catalog
            .tables
            .values()
            .map(|t| {
                if t.schema == "public" {
                    t.name.clone()
                } else {
                    format!("{}.{}", t.schema, t.name)
                }
            })
            .collect();
    names.sort();
    let mut sheet = Sheet::new(&[("Table", Kind::Text)]);
    names.into_iter().for_each(|name| sheet.full_row([name.into()]));
    sheet.batch()
}

/// `SHOW REPLICATION STATUS [ON d]`: both ends of all links, or those of one database.
pub async fn show_replication_status(
    source: &dyn SystemSource,
    database: Option<&str>,
) -> Result<RecordBatch> {
    let mut links = source.links().await?;
    links.retain(|link| database.is_none_or(|d| link.database == d));
    let mut sheet = Sheet::new(&[
        ("database_name", Kind::Text),
        ("role", Kind::Text),
        ("peer", Kind::Text),
        ("partition_id", Kind::Int4),
        ("state", Kind::Text),
        ("lag_records", Kind::Int8),
        ("lag_bytes", Kind::Int8),
        ("lag_ms", Kind::Int8),
        ("position", Kind::Int8),
        ("source_position", Kind::Int8),
        ("replicated_at", Kind::TimestampTz),
        ("bytes_received", Kind::Int8),
        ("last_error", Kind::Text),
    ]);
    replication::status(&links, &mut sheet);
    sheet.batch()
}
