//! Links, their history, and what diverged.

use super::sheet::{Cell, Sheet, at_ms};
use super::source::{DivergedFact, Facts, LinkFact};
use std::collections::{BTreeMap, BTreeSet};

/// `information_schema.replication_status`, and the rows of `SHOW REPLICATION STATUS`.
pub(super) fn status(links: &[LinkFact], sheet: &mut Sheet) {
    for link in links {
        sheet.row([
            ("database_name", (&link.database).into()),
            ("role", (&link.role).into()),
            ("peer", (&link.peer).into()),
            ("partition_id", link.partition.into()),
            ("state", (&link.state).into()),
            ("lag_records", link.lag_records.into()),
            ("lag_rows", link.lag_rows.into()),
            ("lag_transactions", link.lag_transactions.into()),
            ("lag_bytes", link.lag_bytes.into()),
            ("lag_ms", link.lag_ms.into()),
            ("heard_ms_ago", link.heard_ms_ago.into()),
            ("position", link.position.into()),
            ("source_position", link.source_position.into()),
            ("replicated_at", link.replicated_ms.map_or(Cell::Null, at_ms)),
            ("bytes_received", link.bytes_received.into()),
            ("bytes_per_second", link.bytes_per_second.into()),
            ("catch_up_ms", link.catch_up_ms.into()),
            ("copied_bytes", link.copied_bytes.into()),
            ("copy_bytes", link.copy_bytes.into()),
            ("last_error", link.last_error.clone().into()),
            ("last_proven", link.last_proven_ms.map_or(Cell::Null, at_ms)),
            ("way", link.way.clone().into()),
            ("shipped_bytes", link.shipped_bytes.into()),
            ("last_verified", link.verified_ms.map_or(Cell::Null, at_ms)),
            ("verified_cut", link.verified_cut_ms.map_or(Cell::Null, at_ms)),
            ("verdict", link.verdict.clone().into()),
            ("differing_ranges", link.differing_ranges.into()),
        ]);
    }
}

/// `information_schema.replication_history`
pub(super) fn history(facts: &Facts, sheet: &mut Sheet) {
    for event in &facts.history {
        sheet.row([
            ("event_id", event.id.into()),
            ("event_time", at_ms(event.at_ms)),
            ("database_name", (&event.database).into()),
            ("event", (&event.event).into()),
            ("epoch", event.epoch.clone().into()),
            ("cut", event.cut_ms.map_or(Cell::Null, at_ms)),
            ("detail", (&event.detail).into()),
            ("who", event.who.clone().into()),
        ]);
    }
}

/// `information_schema.diverged_transactions`: one row for each, whatever its partitions.
pub(super) fn diverged_transactions(facts: &Facts, sheet: &mut Sheet) {
    let mut by_txn: BTreeMap<(u64, &str), Vec<&DivergedFact>> = BTreeMap::new();
    for row in &facts.diverged {
        by_txn.entry((row.commit_ms, &row.txn)).or_default().push(row);
    }
    for ((commit_ms, txn), rows) in by_txn {
        let tables: BTreeSet<&str> = rows.iter().map(|r| r.table.as_str()).collect();
        let tables = tables.into_iter().collect::<Vec<_>>().join(", ");
        let fate = rows.first().and_then(|r| r.fate.as_ref());
        sheet.row([
            ("database_name", rows.first().map(|r| &r.database).into()),
            ("transaction_id", txn.into()),
            ("commit_time", at_ms(commit_ms)),
            ("origin_cluster", rows.first().map(|r| r.origin).into()),
            ("row_count", rows.len().into()),
            ("table_names", tables.into()),
            ("complete", rows.iter().all(|r| r.complete).into()),
            ("decided", rows.iter().all(|r| r.decided).into()),
            ("told_by", if rows.iter().any(|r| r.by_content) { "content" } else { "log" }.into()),
            ("state", fate.map_or("open", |f| f.state.as_str()).into()),
            ("state_time", fate.map_or(Cell::Null, |f| Cell::Micros(f.at_micros))),
            ("state_who", fate.map(|f| f.who.clone()).into()),
            ("state_reason", fate.and_then(|f| f.reason.clone()).into()),
        ]);
    }
}

/// `information_schema.diverged_rows`
pub(super) fn diverged_rows(facts: &Facts, sheet: &mut Sheet) {
    for row in &facts.diverged {
        sheet.row([
            ("database_name", (&row.database).into()),
            ("transaction_id", (&row.txn).into()),
            ("commit_time", at_ms(row.commit_ms)),
            ("origin_cluster", row.origin.into()),
            ("partition_id", row.partition.into()),
            ("epoch", (&row.epoch).into()),
            ("lsn", row.lsn.into()),
            ("table_name", (&row.table).into()),
            ("row_key", (&row.key).into()),
            ("old_row", row.old.clone().into()),
            ("new_row", row.new.clone().into()),
        ]);
    }
}
