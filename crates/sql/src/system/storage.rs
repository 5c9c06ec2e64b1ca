//! What the databases keep, where, for how long, and what reading and writing it costs.

use super::sheet::{Cell, Sheet, at_ms};
use super::source::{Facts, StorageFact, UsageFact, WindowFact};
use base::{Result, Timestamp};
use txn::Engine;

/// The windows of all open databases, by name.
pub(super) fn windows_of(engine: &Engine) -> Vec<WindowFact> {
    let own = |name: &str| engine.record(name).is_ok_and(|r| r.version_retention_ms.is_some());
    let one = |database: std::sync::Arc<txn::Database>| WindowFact {
        database: database.name().to_owned(),
        retention_ms: u64::try_from(database.version_retention().as_millis()).unwrap_or(u64::MAX),
        is_default: !own(database.name()),
        window: database.window().ok().map(|w| (w.oldest, w.newest)),
    };
    engine.databases().into_iter().map(one).collect()
}

/// `information_schema.version_windows`
pub(super) fn windows(facts: &Facts, sheet: &mut Sheet) {
    for fact in &facts.windows {
        // Nothing is older than the database: its first version is readable.
        let oldest = fact.window.map(|w| w.0).filter(|ts| *ts > Timestamp::ZERO);
        let newest = fact.window.map(|w| w.1);
        let time = |ts: Option<Timestamp>| ts.map_or(Cell::Null, |ts| at_ms(ts.ms()));
        sheet.row([
            ("database_name", (&fact.database).into()),
            ("version_retention_ms", fact.retention_ms.into()),
            ("is_default", fact.is_default.into()),
            ("oldest_time", time(oldest)),
            ("newest_time", time(newest)),
            ("oldest_hybrid_time", oldest.map(|ts| ts.0).into()),
            ("newest_hybrid_time", newest.map(|ts| ts.0).into()),
        ]);
    }
}

/// The figures of all partitions of all open databases.
pub(super) async fn status_of(engine: &Engine) -> Result<Vec<StorageFact>> {
    let mut facts = Vec::new();
    for database in engine.databases() {
        for partition in database.partitions() {
            facts.push(StorageFact {
                database: database.name().to_owned(),
                partition: partition.index(),
                status: partition.status().await?,
            });
        }
    }
    Ok(facts)
}

/// `information_schema.storage_status`
pub(super) fn status(facts: &Facts, sheet: &mut Sheet) {
    let per =
        |n: u64, of: u64| if of == 0 { Cell::Null } else { Cell::Float(n as f64 / of as f64) };
    for fact in &facts.storage {
        let s = &fact.status;
        sheet.row([
            ("database_name", (&fact.database).into()),
            ("partition_id", fact.partition.into()),
            ("delta_bytes", s.delta_bytes.into()),
            ("run_bytes", s.run_bytes.into()),
            ("base_bytes", s.base_bytes.into()),
            ("chunks", s.chunks.into()),
            ("row_versions", s.chunk_rows.into()),
            ("runs", s.runs.into()),
            ("deepest_runs", s.runs_deepest.into()),
            ("log_records", (s.end.next().0.saturating_sub(s.first.0)).into()),
            ("spilled_bytes", s.spilled_bytes.into()),
            ("merged_bytes", s.merged_bytes.into()),
            ("write_amplification", per(s.spilled_bytes + s.merged_bytes, s.spilled_bytes)),
            ("gets", s.gets.into()),
            ("layers_per_get", per(s.get_layers, s.gets)),
            ("scans", s.scans.into()),
            ("layers_per_scan", per(s.scan_layers, s.scans)),
            ("spilling", s.spilling.into()),
            ("merging", s.merging.into()),
        ]);
    }
}

/// What the node holds of each kind.
pub(super) fn usage_of(engine: &Engine) -> Vec<UsageFact> {
    let (settings, cache) = (engine.settings(), engine.cache_stats());
    let (mut delta, mut runs, mut base) = (0, 0, 0);
    for partition in engine.databases().iter().flat_map(|d| d.local_partitions()) {
        delta += partition.delta_bytes() as u64;
        for table in &partition.manifest().tables {
            runs += table.runs.iter().map(format::Run::bytes).sum::<u64>();
            base += table.chunks.iter().map(|c| c.bytes).sum::<u64>();
        }
    }
    let fact = |kind: &str, on_disk, bytes, limit| UsageFact {
        kind: kind.into(),
        on_disk,
        bytes,
        limit,
        found: None,
    };
    let (cached, limit) = (cache.bytes as u64, Some(cache.limit as u64));
    let (pending, pending_limit) = engine.room().pending();
    let log = engine.log.size();
    let log_index_limit = Some(settings.log_index_bytes as u64);
    vec![
        fact("delta", false, delta, Some(settings.delta_limit as u64)),
        fact("transactions", false, pending as u64, Some(pending_limit as u64)),
        UsageFact {
            found: Some((cache.hits, cache.misses)),
            ..fact("cache", false, cached, limit)
        },
        fact("chunk indexes", false, cache.index_bytes as u64, limit),
        fact("runs", true, runs, None),
        fact("base", true, base, None),
        fact("log index", false, log.index_bytes as u64, log_index_limit),
        fact("log", true, log.bytes, Some(settings.slot_bytes_max)),
    ]
}

/// `information_schema.engine_status`
pub(super) fn usage(facts: &Facts, sheet: &mut Sheet) {
    for fact in &facts.usage {
        sheet.row([
            ("kind", (&fact.kind).into()),
            ("medium", if fact.on_disk { "disk" } else { "memory" }.into()),
            ("bytes", fact.bytes.into()),
            ("limit_bytes", fact.limit.into()),
            ("hits", fact.found.map(|f| f.0).into()),
            ("misses", fact.found.map(|f| f.1).into()),
        ]);
    }
}
