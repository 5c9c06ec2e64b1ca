//! Statistics of replication in the sense of VoltDB's `DRROLE`, `DRPRODUCER` and `DRCONSUMER`: which
//! part this cluster plays, what it sends, what it receives. A row without a partition stands for all
//! of them. What is not known is NULL.

use super::sheet::{Cell, Sheet, at_ms};
use super::source::{Facts, ReplicationFact};
use base::Timestamp;
use dr::{LinkStatus, Links, Producer, ProducerMode, ProducerPartition, RoleStatus};
use std::collections::{BTreeMap, BTreeSet};

/// How an end of a relationship is; of several the worst counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// There is none, and there is to be none.
    Disabled,
    /// It works.
    Active,
    /// It waits for the other side, and goes on by itself.
    Pending,
    /// It goes on only if somebody does something.
    Stopped,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Disabled => "DISABLED",
            State::Active => "ACTIVE",
            State::Pending => "PENDING",
            State::Stopped => "STOPPED",
        }
    }

    fn of_producer(p: &Producer) -> State {
        let paused = p.partitions.iter().any(|p| p.mode == ProducerMode::Paused);
        match p.connected {
            _ if p.dropped.is_some() || paused => State::Stopped,
            true => State::Active,
            false => State::Pending,
        }
    }

    fn of_consumer(c: &LinkStatus) -> State {
        match c.state {
            _ if c.paused => State::Stopped,
            "connecting" | "failed" => State::Pending,
            // It copies, compares or rewinds: there is nothing to be heard between.
            _ if c.connected || c.state != "streaming" => State::Active,
            _ => State::Pending,
        }
    }

    /// Without anybody at the other end.
    fn alone(role: &RoleStatus) -> State {
        if role.role == "none" { State::Disabled } else { State::Pending }
    }
}

/// What the links tell now.
pub(super) fn of(links: &Links) -> ReplicationFact {
    let (producers, consumers) = (links.producers(), links.status());
    let names = producers.iter().map(|p| (p.cluster.0, p.target.clone())).collect();
    ReplicationFact { role: links.role(), producers, consumers, names }
}

/// `information_schema.dr_tables`: which tables of the database connected to other clusters have.
pub(super) fn tables(facts: &Facts, sheet: &mut Sheet) {
    for table in facts.catalog.tables.values() {
        sheet.row([
            ("table_schema", (&table.schema).into()),
            ("table_name", (&table.name).into()),
            ("is_replicated", (!table.storage.is_local()).into()),
        ]);
    }
}

/// `information_schema.dr_role`: a row for each cluster at the other end; without one, a row.
pub(super) fn roles(facts: &Facts, sheet: &mut Sheet) {
    let Some(fact) = &facts.replication else { return };
    type Told<'a> = (State, &'a str, Option<String>);
    let mut remotes: BTreeMap<u8, Vec<Told<'_>>> = BTreeMap::new();
    for p in &fact.producers {
        let end = (State::of_producer(p), p.database.as_str(), p.dropped.clone());
        remotes.entry(p.cluster.0).or_default().push(end);
    }
    for c in &fact.consumers {
        let end = (State::of_consumer(c), c.database.as_str(), c.last_error.clone());
        remotes.entry(c.source_cluster.0).or_default().push(end);
    }
    if remotes.is_empty() {
        role_row(fact, None, (State::alone(&fact.role), 0, None), sheet);
    }
    for (cluster, ends) in &remotes {
        let state = ends.iter().map(|end| end.0).max().unwrap_or(State::Disabled);
        let databases: BTreeSet<&str> = ends.iter().map(|end| end.1).collect();
        let error = ends.iter().find_map(|end| end.2.clone());
        role_row(fact, Some(*cluster), (state, databases.len(), error), sheet);
    }
}

fn role_row(
    fact: &ReplicationFact,
    cluster: Option<u8>,
    (state, databases, error): (State, usize, Option<String>),
    sheet: &mut Sheet,
) {
    let name = cluster.and_then(|cluster| fact.names.get(&cluster).cloned());
    sheet.row([
        ("role", fact.role.role.into()),
        ("state", state.name().into()),
        ("remote_cluster_id", cluster.into()),
        ("remote_cluster", name.into()),
        ("configured_role", fact.role.configured.into()),
        ("source", fact.role.source.clone().into()),
        ("databases", databases.into()),
        ("last_error", error.or_else(|| fact.role.error.clone()).into()),
    ]);
}

/// `information_schema.dr_producer`
pub(super) fn producers(facts: &Facts, sheet: &mut Sheet) {
    for p in facts.replication.iter().flat_map(|fact| &fact.producers) {
        // Nothing is kept any more for a slot that was given up.
        let queued = p.dropped.is_none();
        let sum = |of: fn(&ProducerPartition) -> u64| {
            queued.then(|| p.partitions.iter().map(of).sum::<u64>())
        };
        let modes: Vec<ProducerMode> = p.partitions.iter().map(|p| p.mode).collect();
        let copies = modes.contains(&ProducerMode::Copy).then_some(ProducerMode::Copy);
        let mode = copies.or(modes.first().copied());
        let newest = p.partitions.iter().map(|p| p.queued_at).max();
        let acked = match p.partitions.iter().all(|p| p.acked >= p.queued) {
            true => newest,
            false => p.partitions.iter().map(|p| p.acked_at).min(),
        };
        producer_row(
            p,
            None,
            sheet,
            [
                mode.map(ProducerMode::name).into(),
                Cell::Null,
                Cell::Null,
                sum(ProducerPartition::records).into(),
                sum(|p| p.bytes).into(),
                moment(newest),
                moment(acked),
            ],
        );
        for (i, part) in p.partitions.iter().enumerate() {
            producer_row(
                p,
                Some(i),
                sheet,
                [
                    part.mode.name().into(),
                    part.queued.0.into(),
                    part.acked.0.into(),
                    queued.then(|| part.records()).into(),
                    queued.then_some(part.bytes).into(),
                    moment(Some(part.queued_at)),
                    moment(Some(part.acked_at)),
                ],
            );
        }
    }
}

fn producer_row(p: &Producer, partition: Option<usize>, sheet: &mut Sheet, place: [Cell; 7]) {
    let [mode, queued, acked, depth, bytes, queued_at, acked_at] = place;
    sheet.row([
        ("database_name", (&p.database).into()),
        ("remote_cluster_id", p.cluster.0.into()),
        ("remote_cluster", (&p.target).into()),
        ("partition_id", partition.into()),
        ("state", State::of_producer(p).name().into()),
        ("mode", mode),
        ("connection_status", if p.connected { "UP" } else { "DOWN" }.into()),
        ("is_synced", p.synced.into()),
        ("last_queued_lsn", queued),
        ("last_acked_lsn", acked),
        ("queue_depth", depth),
        ("queue_bytes", bytes),
        ("last_queued_timestamp", queued_at),
        ("last_acked_timestamp", acked_at),
        ("last_heard_timestamp", at_ms(p.heard_ms)),
    ]);
}

/// `information_schema.dr_consumer`
pub(super) fn consumers(facts: &Facts, sheet: &mut Sheet) {
    for c in facts.replication.iter().flat_map(|fact| &fact.consumers) {
        let all = !c.partitions.is_empty() && c.partitions.iter().all(|p| p.covered);
        let received = c.partitions.iter().map(|p| p.received_at).max();
        let applied = c.partitions.iter().map(|p| p.applied_at).max();
        consumer_row(
            c,
            (None, all),
            sheet,
            [
                Cell::Null,
                Cell::Null,
                moment(received),
                moment(applied),
                c.bytes_per_second_1m.into(),
                c.bytes_per_second_5m.into(),
            ],
        );
        for (i, p) in c.partitions.iter().enumerate() {
            consumer_row(
                c,
                (Some(i), p.covered),
                sheet,
                [
                    p.end.0.into(),
                    p.durable.0.into(),
                    moment(Some(p.received_at)),
                    moment(Some(p.applied_at)),
                    Cell::Null,
                    Cell::Null,
                ],
            );
        }
    }
}

fn consumer_row(
    c: &LinkStatus,
    (partition, covered): (Option<usize>, bool),
    sheet: &mut Sheet,
    place: [Cell; 6],
) {
    let [received, applied, received_at, applied_at, minute, five_minutes] = place;
    let host = c.source.rsplit_once('@').map_or(c.source.as_str(), |(_, address)| address);
    let host = host.rsplit_once('/').map_or(host, |(host, _)| host);
    sheet.row([
        ("database_name", (&c.database).into()),
        ("remote_cluster_id", c.source_cluster.0.into()),
        ("source", (&c.source).into()),
        ("partition_id", partition.into()),
        ("state", State::of_consumer(c).name().into()),
        ("is_covered", covered.into()),
        ("covering_host", covered.then(|| host.to_owned()).into()),
        ("is_paused", c.paused.into()),
        ("last_received_lsn", received),
        ("last_applied_lsn", applied),
        ("last_received_timestamp", received_at),
        ("last_applied_timestamp", applied_at),
        ("replication_rate_1m", minute),
        ("replication_rate_5m", five_minutes),
        ("last_error", c.last_error.clone().into()),
    ]);
}

/// NULL for what never was.
fn moment(at: Option<Timestamp>) -> Cell {
    at.filter(|at| *at > Timestamp::ZERO).map_or(Cell::Null, |at| at_ms(at.ms()))
}
