//! What a link's figures say at this moment.

use crate::link::{Link, LinkStatus, PartitionLag};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// `None` if the link is about to end.
pub(super) fn of(link: &Link) -> Option<LinkStatus> {
    let shared = &link.shared;
    let (record, database) = (shared.record().ok()?, shared.database().ok()?);
    let relation = record.link.as_ref()?;
    let source = &relation.source;
    let figures = shared.figures.lock();
    let clock = &shared.engine.env.clock;
    let replicated = database.replicated_time();
    let partitions = database.local_partitions();
    let closed: Vec<_> = partitions.iter().map(|p| p.closed()).collect();
    let lag = figures.lag(replicated, &closed, clock.monotonic(), clock.now_ms());
    let (received_bytes, received_records, pace) = figures.received();
    let known = |v: u64| lag.connected.then_some(v);
    let ends: Vec<_> = partitions.iter().map(|p| p.end()).collect();
    let heard = figures.known(&ends, clock.monotonic());
    let wire_lag = lag.bytes * figures.compression() / 1_000;
    Some(LinkStatus {
        database: record.name.clone(),
        source: format!("{}@{}:{}/{}", source.user, source.host, source.port, source.database),
        source_cluster: relation.source_cluster,
        role: record.state,
        state: shared.phase.lock().name(),
        paused: relation.paused,
        connected: lag.connected,
        source_gated: lag.gated,
        lag_records: known(lag.records),
        lag_rows: known(lag.rows),
        lag_transactions: known(lag.transactions),
        lag_bytes: known(lag.bytes),
        heard_ms_ago: heard.map(|h| h.age.as_millis() as u64),
        lag_ms: lag.ms,
        received_bytes,
        received_records,
        bytes_per_second: pace,
        bytes_per_second_1m: figures.rate(clock.monotonic(), MINUTE),
        bytes_per_second_5m: figures.rate(clock.monotonic(), 5 * MINUTE),
        catch_up_ms: (lag.connected && pace > 0).then(|| wire_lag * 1_000 / pace),
        way: figures.shipped_so_far().0,
        shipped_bytes: figures.shipped_so_far().1,
        verified: relation.verified.clone(),
        copy: figures.copy(),
        replicated,
        last_error: relation.last_error.clone(),
        partitions: partitions
            .iter()
            .enumerate()
            .map(|(i, p)| PartitionLag {
                end: p.end(),
                durable: p.durable(),
                source_end: figures.source_end(i),
                closed: p.closed(),
                covered: figures.covers(i, clock.monotonic()),
                received_at: p.last_commit(),
                applied_at: p.last_commit().min(p.durable_closed()),
            })
            .collect(),
    })
}
