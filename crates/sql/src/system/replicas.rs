//! The schema `sys`: databases, remote servers, replicas, and their cycles, in Yellowbrick's columns
//! (and some more). What is not known here is NULL.

use super::oids;
use super::sheet::{Cell, Sheet, at_ms};
use super::source::{CycleFact, Facts, ReplicaFact, ServerFact};
use dr::{Links, ReplicaStatus};
use meta::{State, Wanted};

/// `sys.database`
pub(super) fn databases(facts: &Facts, sheet: &mut Sheet) {
    for database in &facts.databases {
        let standby = database.role == "standby";
        sheet.row([
            ("database_id", oids::database(database.id).into()),
            ("name", (&database.name).into()),
            ("is_readonly", database.readonly_reason.is_some().into()),
            ("readonly_reason", database.readonly_reason.clone().into()),
            ("is_hot_standby", (standby && !database.hidden).into()),
            ("role", (&database.role).into()),
            ("epoch", (&database.epoch).into()),
            ("partitions", database.partitions.into()),
            ("compressed_bytes", database.bytes.into()),
            ("bandwidth", database.bytes_per_second.into()),
            ("own_rights", database.own_rights.into()),
        ]);
    }
}

/// `sys.remote_server`
pub(super) fn servers(facts: &Facts, sheet: &mut Sheet) {
    for server in &facts.servers {
        sheet.row([
            ("remote_server_id", server.id.into()),
            ("name", (&server.name).into()),
            ("host", (&server.host).into()),
            ("port", server.port.into()),
            ("username", server.user.clone().into()),
        ]);
    }
}

/// `sys.replica`
pub(super) fn replicas(facts: &Facts, sheet: &mut Sheet) {
    for replica in &facts.replicas {
        let server = facts.servers.iter().find(|s| s.name == replica.server).map(|s| s.id);
        sheet.row([
            ("replica_id", replica.id.into()),
            ("database_id", oids::database(replica.database).into()),
            ("name", (&replica.name).into()),
            ("remote_server_id", server.into()),
            ("alias", (&replica.alias).into()),
            ("status", (&replica.status).into()),
            ("frequency", (replica.frequency_ms / 1_000).into()),
            ("bw_limit", replica.bytes_per_second.into()),
            ("reverse_replica", replica.reverse.clone().into()),
            ("security_mode", if replica.own_rights { "NONE" } else { "ALL" }.into()),
            ("exclude", replica.exclude.clone().into()),
            ("last_replication_time", replica.replicated_ms.map_or(Cell::Null, at_ms)),
            ("connected", replica.connected.into()),
            ("target_cluster", replica.target.into()),
        ]);
    }
}

/// `sys.replica_status`: what each replica is doing now.
pub(super) fn status(facts: &Facts, sheet: &mut Sheet) {
    for replica in &facts.replicas {
        cycle_row(replica, &replica.now, sheet);
    }
}

/// `sys.log_replica_status`: the cycles that have ended.
pub(super) fn log(facts: &Facts, sheet: &mut Sheet) {
    for replica in &facts.replicas {
        for cycle in &replica.ended {
            cycle_row(replica, cycle, sheet);
        }
    }
}

fn cycle_row(replica: &ReplicaFact, cycle: &CycleFact, sheet: &mut Sheet) {
    sheet.row([
        ("database_id", oids::database(replica.database).into()),
        ("replica_id", replica.id.into()),
        ("snapshot_id", (&cycle.id).into()),
        ("elapsed_ms", cycle.elapsed_ms.into()),
        ("remaining_ms", cycle.ended_ms.map(|_| 0_i64).into()),
        ("start_time", cycle.started_ms.map_or(Cell::Null, at_ms)),
        ("end_time", cycle.ended_ms.map_or(Cell::Null, at_ms)),
        ("state", (&cycle.state).into()),
        ("error_string", cycle.error.clone().into()),
        ("sent_bytes", cycle.sent_bytes.into()),
        ("cut", cycle.cut_ms.map_or(Cell::Null, at_ms)),
    ]);
}

/// The remote servers of a cluster.
pub(super) fn servers_of(state: &State) -> Vec<ServerFact> {
    let one = |(name, server): (&String, &meta::RemoteServer)| ServerFact {
        id: server.id,
        name: name.clone(),
        host: server.host.clone(),
        port: server.port,
        user: server.user.clone(),
    };
    state.remote_servers.iter().map(one).collect()
}

/// The replicas of a cluster's databases.
pub(super) fn replicas_of(links: &Links, now_ms: u64) -> Vec<ReplicaFact> {
    links.replicas().into_iter().map(|status| fact(status, now_ms)).collect()
}

fn fact(status: ReplicaStatus, now_ms: u64) -> ReplicaFact {
    let ended = status.replica.cycles.iter().map(|cycle| CycleFact {
        id: cycle.id.to_string(),
        elapsed_ms: Some(cycle.ended_ms.saturating_sub(cycle.started_ms)),
        started_ms: Some(cycle.started_ms),
        ended_ms: Some(cycle.ended_ms),
        state: cycle.state.name().to_owned(),
        error: cycle.error.clone(),
        sent_bytes: Some(cycle.sent_bytes),
        cut_ms: Some(cycle.cut.ms()),
    });
    ReplicaFact {
        id: status.replica.id,
        database: status.database.0,
        name: status.name.clone(),
        server: status.replica.server.clone(),
        alias: status.options().alias.clone(),
        status: status.replica.wanted.name().to_owned(),
        frequency_ms: status.options().frequency_ms,
        bytes_per_second: status.options().bytes_per_second,
        reverse: status.options().reverse.clone(),
        own_rights: status.options().own_rights,
        exclude: Some(status.options().exclude.join(", ")).filter(|list| !list.is_empty()),
        target: status.replica.target.map(|cluster| cluster.0),
        replicated_ms: status.replicated_ms,
        connected: status.connected,
        now: now(&status, now_ms),
        ended: ended.collect(),
    }
}

/// The cycle under way, or the word for why there is none.
fn now(status: &ReplicaStatus, now_ms: u64) -> CycleFact {
    let wanted = status.replica.wanted;
    let Some(open) = &status.open else {
        let last = status.replica.cycles.last();
        let state = match (wanted, last) {
            // Between two cycles.
            (Wanted::Running, Some(_)) => "DONE",
            _ => wanted.name(),
        };
        let (state, error) = (state.to_owned(), status.error.clone());
        let id = last.map(|cycle| cycle.id.to_string()).unwrap_or_default();
        return CycleFact { id, state, error, ..CycleFact::default() };
    };
    CycleFact {
        id: open.id.to_string(),
        elapsed_ms: Some(now_ms.saturating_sub(open.started_ms)),
        started_ms: Some(open.started_ms),
        ended_ms: None,
        state: if status.connected { "RUNNING" } else { "DISCONNECTED" }.to_owned(),
        error: status.error.clone(),
        sent_bytes: Some(open.sent_bytes),
        cut_ms: None,
    }
}
