//! The facts of a running node.

use super::source::{
    DatabaseFact, DivergedFact, DrillFact, EventFact, Fate, GroupFact, LinkFact, ProtectionFact,
    ReplicaFact, ReplicationFact, RightsFact, ServerFact, SessionFact, SettingFact, StorageFact,
    SystemSource, UsageFact, UserFact, WindowFact,
};
use crate::privilege::{Identity, Object};
use async_trait::async_trait;
use base::{Catalog, Privileges, Result, Securable, SqlState, TableId, TxnId};
use dr::{DivergedTransaction, LinkStatus, Links, SlotStatus};
use format::decision::Decision;
use format::vault::DivergedPart;
use meta::{Durability, Source};
use std::collections::BTreeMap;
use std::sync::Arc;
use txn::{Engine, TxnOptions};

const SPOKEN: &str = concat!("16.0 (Antipode ", env!("CARGO_PKG_VERSION"), ")");

/// Settings that a session tells if it does not tell them itself.
const FIXED: &[(&str, &str, &str)] = &[
    ("client_encoding", "UTF8", "Encoding of the client"),
    ("max_identifier_length", "63", "Longest name"),
    ("server_encoding", "UTF8", "Encoding of the server"),
    ("server_version", SPOKEN, "Version of PostgreSQL that is spoken"),
    ("server_version_num", "160000", "The same as a number"),
    ("standard_conforming_strings", "on", "Backslashes in quotes mean themselves"),
    ("TimeZone", "UTC", "Time zone of the session"),
];

/// Tells of all connections.
pub type Activity = Arc<dyn Fn() -> Vec<SessionFact> + Send + Sync>;

/// Facts from the engine and its links, as one connection's statement sees them.
pub struct EngineSource {
    engine: Arc<Engine>,
    links: Option<Arc<Links>>,
    database: String,
    catalog: Arc<Catalog>,
    by: Arc<Identity>,
    settings: Vec<SettingFact>,
    activity: Option<Activity>,
}

impl EngineSource {
    /// For a connection of somebody to `database` whose statement sees `catalog`. Without `links`, nothing
    /// replicates.
    pub fn new(
        engine: Arc<Engine>,
        links: Option<Arc<Links>>,
        database: &str,
        catalog: Arc<Catalog>,
        by: Arc<Identity>,
    ) -> EngineSource {
        let fixed = |(name, value, description): &(&str, &str, &str)| SettingFact {
            name: name.to_string(),
            value: value.to_string(),
            description: description.to_string(),
        };
        let settings = FIXED.iter().map(fixed).collect();
        let (database, activity) = (database.to_string(), None);
        EngineSource { engine, links, database, catalog, by, settings, activity }
    }

    /// With the session's settings.
    #[must_use]
    pub fn with_settings(mut self, settings: Vec<SettingFact>) -> EngineSource {
        self.settings.retain(|s| settings.iter().all(|own| own.name != s.name));
        self.settings.extend(settings);
        self
    }

    /// With the connections.
    #[must_use]
    pub fn with_activity(mut self, activity: Option<Activity>) -> EngineSource {
        self.activity = activity;
        self
    }

    /// What was decided about diverged transactions, as far as it can be read here now.
    async fn fates(&self) -> Result<BTreeMap<TxnId, Fate>> {
        let mut txn = self.engine.database(&self.database)?.begin(TxnOptions::default());
        match txn.start_statement().await {
            // While it comes back, the vault can be read, but not the data.
            Err(e) if e.state == SqlState::CANNOT_CONNECT_NOW => return Ok(BTreeMap::new()),
            other => other?,
        }
        let fate = |d: Decision| Fate {
            state: d.verdict.name().to_owned(),
            at_micros: d.at_micros,
            who: d.who,
            reason: d.reason,
        };
        Ok(txn.decisions().await?.into_iter().map(|(txn, d)| (txn, fate(d))).collect())
    }

    async fn database_fact(&self, record: meta::Database) -> DatabaseFact {
        let open = self.engine.database(&record.name).ok();
        let mut bytes = 0;
        for partition in open.iter().flat_map(|d| d.partitions()) {
            // Figures of a partition that cannot be asked now are left out.
            if let Ok(status) = partition.status().await {
                bytes += status.chunk_bytes + status.delta_bytes as u64;
            }
        }
        let catalog = match &open {
            Some(open) => open.newest_catalog().await.ok(),
            None => None,
        };
        let rights = catalog.map(|c| RightsFact {
            access: c.access(Securable::Database),
            defaults: c.defaults.clone(),
        });
        let gate = open.and_then(|d| d.gated()).or(record.gate.map(|g| g.reason));
        let source = record.link.as_ref().map(|link| address(&link.source));
        let follows = record.state.is_target().then(|| match &source {
            Some(source) => format!("follows {source}"),
            None => "has no source".to_string(),
        });
        let branch = record.branch.as_ref().map(|b| format!("branch of {}", b.name));
        let drill = |d: meta::Drill| DrillFact {
            at_ms: d.at_ms,
            cut_ms: d.cut.ms(),
            passed: d.passed,
            writable_ms: d.writable_ms,
            detail: d.detail,
        };
        DatabaseFact {
            id: record.id.0,
            name: record.name,
            partitions: record.partitions.len() as u16,
            role: record.state.name().to_string(),
            durability: match record.durability {
                Durability::Sync => "sync",
                Durability::Async => "async",
            }
            .to_string(),
            readonly_reason: follows.or(gate),
            epoch: record.promotion_epoch.to_string(),
            source: source.or(branch),
            bytes,
            hidden: record.hidden,
            own_rights: record.own_rights,
            bytes_per_second: record.bytes_per_second,
            last_drill: record.last_drill.map(drill),
            last_proven: record.last_proven.map(drill),
            rights,
        }
    }
}

#[async_trait]
impl SystemSource for EngineSource {
    fn database(&self) -> String {
        self.database.clone()
    }

    fn catalog(&self) -> Arc<Catalog> {
        self.catalog.clone()
    }

    async fn databases(&self) -> Result<Vec<DatabaseFact>> {
        let records: Vec<meta::Database> =
            self.engine.meta.read(|s| s.databases.values().cloned().collect());
        let mut facts = Vec::with_capacity(records.len());
        for record in records {
            facts.push(self.database_fact(record).await);
        }
        facts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(facts)
    }

    async fn users(&self) -> Result<Vec<UserFact>> {
        Ok(self.engine.meta.read(|s| {
            let one = |(name, user): (&String, &meta::User)| UserFact {
                name: name.clone(),
                superuser: user.superuser,
                login: user.login,
                createdb: user.createdb,
                createrole: user.createrole,
                replication: user.replication,
                inherit: user.inherit,
                settings: user.settings.clone(),
            };
            s.users.iter().map(one).collect()
        }))
    }

    fn user(&self) -> String {
        self.by.user.clone()
    }

    fn memberships(&self) -> Vec<meta::Membership> {
        self.engine.meta.read(|s| s.memberships.clone())
    }

    fn address_rules(&self) -> Vec<meta::AddressRule> {
        self.engine.meta.read(|s| s.address_rules.values().cloned().collect())
    }

    fn globals(&self) -> BTreeMap<String, String> {
        self.engine.meta.read(|s| s.settings.clone())
    }

    async fn links(&self) -> Result<Vec<LinkFact>> {
        let Some(links) = &self.links else { return Ok(Vec::new()) };
        let now_ms = self.engine.env.clock.now_ms();
        let slot = |slot: SlotStatus| as_source(slot, now_ms);
        let proven = |mut link: LinkFact| {
            let record = self.engine.record(&link.database).ok();
            link.last_proven_ms = record.and_then(|r| r.last_proven).map(|drill| drill.at_ms);
            link
        };
        let targets = links.status().into_iter().flat_map(as_target).map(proven);
        Ok(targets.chain(links.slots().into_iter().flat_map(slot)).collect())
    }

    async fn history(&self) -> Result<Vec<EventFact>> {
        Ok(self.engine.meta.read(|s| {
            let one = |row: &meta::HistoryRow| EventFact {
                id: row.id,
                at_ms: row.at_ms,
                database: row.database.clone(),
                event: row.kind.clone(),
                detail: row.detail.clone(),
                epoch: row.epoch.map(|e| e.to_string()),
                cut_ms: row.cut.map(|c| c.ms()),
                who: row.who.clone(),
            };
            s.history.iter().map(one).collect()
        }))
    }

    async fn diverged(&self) -> Result<Vec<DivergedFact>> {
        let Some(links) = &self.links else { return Ok(Vec::new()) };
        let transactions = links.diverged(&self.database)?;
        let fates = if transactions.is_empty() { BTreeMap::new() } else { self.fates().await? };
        let one = |txn: &DivergedTransaction| diverged(&self.database, txn, fates.get(&txn.txn));
        let mut rows: Vec<DivergedFact> = transactions.iter().flat_map(one).collect();
        if !self.by.superuser {
            // Rows of tables, if they may be read there. What changed the schema is nobody else's.
            let may = |name: &str| {
                self.catalog.table("public", name).is_some_and(|table| {
                    Object::table(&self.catalog, table).held(&self.by).has(Privileges::SELECT)
                })
            };
            rows.retain(|row| may(&row.table));
        }
        Ok(rows)
    }

    async fn servers(&self) -> Result<Vec<ServerFact>> {
        Ok(self.engine.meta.read(super::replicas::servers_of))
    }

    async fn replicas(&self) -> Result<Vec<ReplicaFact>> {
        let now_ms = self.engine.env.clock.now_ms();
        let of = |links: &Arc<Links>| super::replicas::replicas_of(links, now_ms);
        Ok(self.links.as_ref().map(of).unwrap_or_default())
    }

    async fn windows(&self) -> Result<Vec<WindowFact>> {
        Ok(super::storage::windows_of(&self.engine))
    }

    async fn replication(&self) -> Result<Option<ReplicationFact>> {
        Ok(self.links.as_deref().map(super::dr::of))
    }

    async fn protection(&self) -> Result<Vec<ProtectionFact>> {
        Ok(super::protection::of(&self.engine, self.links.as_deref()))
    }

    async fn groups(&self) -> Result<Vec<GroupFact>> {
        Ok(super::protection::groups_of(&self.engine))
    }

    async fn storage(&self) -> Result<Vec<StorageFact>> {
        super::storage::status_of(&self.engine).await
    }

    async fn usage(&self) -> Result<Vec<UsageFact>> {
        Ok(super::storage::usage_of(&self.engine))
    }

    async fn settings(&self) -> Result<Vec<SettingFact>> {
        Ok(self.settings.clone())
    }

    async fn activity(&self) -> Result<Vec<SessionFact>> {
        let mut all = self.activity.as_ref().map(|all| all()).unwrap_or_default();
        for session in &mut all {
            if !self.by.superuser && session.user != self.by.user {
                session.query = "<insufficient privilege>".to_owned();
                session.state.clear();
                session.client.clear();
            }
        }
        Ok(all)
    }

    async fn last_values(&self) -> Result<BTreeMap<TableId, i64>> {
        let database = self.engine.database(&self.database)?;
        let mut values = BTreeMap::new();
        for sequence in self.catalog.sequences.values() {
            if let Some((last, true)) = database.sequence_value(sequence).await? {
                values.insert(sequence.id, last);
            }
        }
        Ok(values)
    }

    async fn sizes(&self) -> Result<BTreeMap<TableId, u64>> {
        let mut sizes = BTreeMap::new();
        let database = self.engine.database(&self.database)?;
        for partition in database.local_partitions() {
            for chunks in &partition.manifest().tables {
                let table = self.catalog.by_storage(chunks.storage).map(|t| t.id);
                let index = self.catalog.index_by_storage(chunks.storage).map(|i| i.id);
                if let Some(id) = table.or(index) {
                    let bytes: u64 = chunks.files().map(|c| c.bytes).sum();
                    *sizes.entry(id).or_insert(0) += bytes;
                }
            }
        }
        Ok(sizes)
    }
}

fn address(source: &Source) -> String {
    format!("{}@{}:{}/{}", source.user, source.host, source.port, source.database)
}

/// A link as its target sees it: the whole, then its partitions.
fn as_target(status: LinkStatus) -> Vec<LinkFact> {
    let verified = status.verified.as_ref();
    let whole = LinkFact {
        database: status.database.clone(),
        role: "target".to_string(),
        peer: status.source.clone(),
        state: status.state.to_string(),
        lag_records: status.lag_records,
        lag_rows: status.lag_rows,
        lag_transactions: status.lag_transactions,
        lag_bytes: status.lag_bytes,
        lag_ms: status.lag_ms,
        heard_ms_ago: status.heard_ms_ago,
        replicated_ms: Some(status.replicated.ms()).filter(|ms| *ms > 0),
        bytes_received: Some(status.received_bytes),
        bytes_per_second: Some(status.bytes_per_second),
        catch_up_ms: status.catch_up_ms,
        copied_bytes: status.copy.map(|(done, _)| done),
        copy_bytes: status.copy.map(|(_, all)| all),
        way: status.way.map(str::to_string),
        shipped_bytes: status.way.map(|_| status.shipped_bytes),
        verified_ms: verified.map(|v| v.at_ms),
        verified_cut_ms: verified.map(|v| v.cut.ms()),
        verdict: verified.map(|v| if v.differing == 0 { "equal" } else { "different" }.to_string()),
        differing_ranges: verified.map(|v| v.differing),
        last_error: status.last_error.clone(),
        ..LinkFact::default()
    };
    let part = |(i, lag): (usize, &dr::PartitionLag)| LinkFact {
        database: whole.database.clone(),
        role: whole.role.clone(),
        peer: whole.peer.clone(),
        partition: Some(i as u16),
        state: whole.state.clone(),
        lag_records: lag.source_end.map(|end| end.0.saturating_sub(lag.durable.0)),
        position: Some(lag.durable.0),
        source_position: lag.source_end.map(|end| end.0),
        replicated_ms: Some(lag.closed.ms()).filter(|ms| *ms > 0),
        ..LinkFact::default()
    };
    let parts: Vec<LinkFact> = status.partitions.iter().enumerate().map(part).collect();
    std::iter::once(whole).chain(parts).collect()
}

/// A link as its source sees it.
fn as_source(slot: SlotStatus, now_ms: u64) -> Vec<LinkFact> {
    let state = match (&slot.dropped, slot.connected) {
        (Some(_), _) => "given up",
        (None, true) => "connected",
        (None, false) => "not connected",
    };
    let whole = LinkFact {
        database: slot.database.clone(),
        role: "source".to_string(),
        peer: slot.target.clone(),
        state: state.to_string(),
        lag_records: Some(slot.lag_records),
        lag_ms: Some(slot.lag_ms),
        heard_ms_ago: Some(now_ms.saturating_sub(slot.last_seen_ms)),
        replicated_ms: Some(slot.replicated.ms()).filter(|ms| *ms > 0),
        last_error: slot.dropped.clone(),
        ..LinkFact::default()
    };
    let part = |(i, acked): (usize, &base::Lsn)| LinkFact {
        database: whole.database.clone(),
        role: whole.role.clone(),
        peer: whole.peer.clone(),
        partition: Some(i as u16),
        state: whole.state.clone(),
        position: Some(acked.0),
        ..LinkFact::default()
    };
    let parts: Vec<LinkFact> = slot.acked.iter().enumerate().map(part).collect();
    std::iter::once(whole).chain(parts).collect()
}

fn diverged(database: &str, txn: &DivergedTransaction, fate: Option<&Fate>) -> Vec<DivergedFact> {
    let rows = |part: &DivergedPart| {
        let (partition, epoch, lsn) = (part.partition, part.epoch.to_string(), part.lsn.0);
        let one = move |row: &format::vault::DivergedRow| DivergedFact {
            database: database.to_string(),
            txn: txn.txn.to_string(),
            commit_ms: txn.commit_ts.ms(),
            origin: txn.origin.0,
            complete: txn.complete,
            decided: txn.decided,
            by_content: txn.by_content,
            fate: fate.cloned(),
            partition,
            epoch: epoch.clone(),
            lsn,
            table: row.table.clone(),
            key: row.key.clone(),
            old: row.old.clone(),
            new: row.new.clone(),
        };
        part.rows.iter().map(one).collect::<Vec<_>>()
    };
    txn.parts.iter().flat_map(rows).collect()
}
