//! What the system tables tell, as plain facts, and where they come from.

use async_trait::async_trait;
use base::{Access, Catalog, Result, SessionDefaults, TableId, Timestamp};
use meta::{AddressRule, Membership};
use partition::PartitionStatus;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A database of this cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DatabaseFact {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: u16,
    /// `primary`, `standby`, `copying` …
    pub role: String,
    /// `sync` or `async`.
    pub durability: String,
    /// Why it takes no writes, if it takes none.
    pub readonly_reason: Option<String>,
    /// Its highest promotion epoch.
    pub epoch: String,
    /// Where it replicates from, or what it is a branch of.
    pub source: Option<String>,
    /// Bytes of its chunks and of row versions in memory.
    pub bytes: u64,
    /// As a standby it lets nobody read.
    pub hidden: bool,
    /// Owners, grants and roles of it are of this cluster alone.
    pub own_rights: bool,
    /// How much may be sent to each target in a second.
    pub bytes_per_second: Option<u64>,
    /// The last drill.
    pub last_drill: Option<DrillFact>,
    /// The last one in which everything was right.
    pub last_proven: Option<DrillFact>,
    /// Its owner, grants and what its sessions begin with, as far as it can be read.
    pub rights: Option<RightsFact>,
}

/// Another cluster that replicas lead to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerFact {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// As whom to log in.
    pub user: Option<String>,
}

/// A copy that a database is to have at a remote server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplicaFact {
    /// Its number.
    pub id: u32,
    /// The number of its database.
    pub database: u32,
    /// Its name.
    pub name: String,
    /// The remote server's name.
    pub server: String,
    /// The database's name there.
    pub alias: String,
    /// `NOT_STARTED`, `RUNNING` or `PAUSED`.
    pub status: String,
    /// How often a cycle begins; 0: all the time.
    pub frequency_ms: u64,
    /// How much may be sent in a second.
    pub bytes_per_second: Option<u64>,
    /// The replica there that leads back.
    pub reverse: Option<String>,
    /// The target has owners, grants and roles of its own.
    pub own_rights: bool,
    /// Tables that are left out.
    pub exclude: Option<String>,
    /// The cluster there, once it is known.
    pub target: Option<u8>,
    /// Up to where it has everything, in milliseconds since 1970.
    pub replicated_ms: Option<u64>,
    /// It was heard of in the last seconds.
    pub connected: bool,
    /// What it is doing.
    pub now: CycleFact,
    /// The cycles that have ended.
    pub ended: Vec<CycleFact>,
}

/// A cycle of a replica. Times are in milliseconds, since 1970 if they are moments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CycleFact {
    /// Its number; empty if there never was one.
    pub id: String,
    /// How long it took, or takes up to now.
    pub elapsed_ms: Option<u64>,
    /// When it began.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// In a word.
    pub state: String,
    /// What went wrong last.
    pub error: Option<String>,
    /// Bytes sent in it.
    pub sent_bytes: Option<u64>,
    /// The consistent point it has brought the target to.
    pub cut_ms: Option<u64>,
}

/// What a drill came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DrillFact {
    /// When it was over, in milliseconds since 1970.
    pub at_ms: u64,
    /// The consistent point that was tried, in milliseconds since 1970.
    pub cut_ms: u64,
    /// Everything was right.
    pub passed: bool,
    /// How long it took until something was written.
    pub writable_ms: u64,
    /// For people.
    pub detail: String,
}

/// Whose a database is, and what its sessions begin with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RightsFact {
    /// Its owner.
    pub access: Arc<Access>,
    /// Settings by role and name.
    pub defaults: Arc<SessionDefaults>,
}

/// From when to when a database can be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WindowFact {
    /// The database.
    pub database: String,
    /// For how long old row versions stay readable, in milliseconds.
    pub retention_ms: u64,
    /// That is the node's setting, not the database's.
    pub is_default: bool,
    /// The oldest and the newest readable time; `None` while it cannot be read at all.
    pub window: Option<(Timestamp, Timestamp)>,
}

/// Whether what a database has would outlive the loss of this region.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProtectionFact {
    /// The database.
    pub database: String,
    /// `primary`, `standby` …
    pub role: String,
    /// How many standbys were heard of lately, and how many there are.
    pub standbys: (usize, usize),
    /// How old the oldest commit is that no standby has; `None` for what is not a primary.
    pub lag_ms: Option<u64>,
    /// How old it may be, and whether writers wait if it is older.
    pub limit: Option<(u64, bool)>,
    /// It is older.
    pub exceeded: bool,
}

/// The part that this cluster plays for others, and what it sends and receives, as the links tell.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicationFact {
    /// Its role.
    pub role: dr::RoleStatus,
    /// What is sent to each target.
    pub producers: Vec<dr::Producer>,
    /// What is received.
    pub consumers: Vec<dr::LinkStatus>,
    /// What the clusters at the other ends are called, as far as known.
    pub names: BTreeMap<u8, String>,
}

/// A database of a replication group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupFact {
    /// The group.
    pub group: String,
    /// The database.
    pub database: String,
    /// `primary`, `standby` …
    pub role: String,
    /// On a standby: up to where it has everything.
    pub replicated: Option<Timestamp>,
    /// On a standby: where the group could be promoted now.
    pub cut: Option<Timestamp>,
}

/// What one partition holds, and what reading and writing it costs.
#[derive(Clone, Debug, Default)]
pub struct StorageFact {
    /// The database.
    pub database: String,
    /// The partition's place in it.
    pub partition: u16,
    /// Its figures.
    pub status: PartitionStatus,
}

/// How much of something the node holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageFact {
    /// `delta`, `runs`, `base`, `page cache`, `log` …
    pub kind: String,
    /// It is on disk, not in memory.
    pub on_disk: bool,
    /// How much.
    pub bytes: u64,
    /// How much it may become.
    pub limit: Option<u64>,
    /// How often it was found in there, and how often not, since the start.
    pub found: Option<(u64, u64)>,
}

/// A role.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserFact {
    /// The name.
    pub name: String,
    /// May do everything.
    pub superuser: bool,
    /// May connect.
    pub login: bool,
    /// May make databases.
    pub createdb: bool,
    /// May make roles.
    pub createrole: bool,
    /// May copy databases to another cluster.
    pub replication: bool,
    /// Has the privileges of what it is a member of.
    pub inherit: bool,
    /// What its sessions begin with.
    pub settings: BTreeMap<String, String>,
}

/// One partition of one end of a link; or the link as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkFact {
    /// The database here.
    pub database: String,
    /// `target` if it follows, `source` if it is followed.
    pub role: String,
    /// The other end.
    pub peer: String,
    /// `None`: all partitions together.
    pub partition: Option<u16>,
    /// `copying`, `streaming`, `paused`, `retrying` …
    pub state: String,
    /// Records of the source that the target does not have.
    pub lag_records: Option<u64>,
    /// The row changes in them, estimated.
    pub lag_rows: Option<u64>,
    /// The transactions in them, estimated.
    pub lag_transactions: Option<u64>,
    /// Their bytes, estimated.
    pub lag_bytes: Option<u64>,
    /// How far the target is behind.
    pub lag_ms: Option<u64>,
    /// How long ago the other side was last heard.
    pub heard_ms_ago: Option<u64>,
    /// The target's durable position.
    pub position: Option<u64>,
    /// The source's last position.
    pub source_position: Option<u64>,
    /// The replicated time in milliseconds since 1970.
    pub replicated_ms: Option<u64>,
    /// Bytes received since the process started.
    pub bytes_received: Option<u64>,
    /// Received lately.
    pub bytes_per_second: Option<u64>,
    /// When the lag will be gone at this pace.
    pub catch_up_ms: Option<u64>,
    /// Bytes copied, while it makes its first copy.
    pub copied_bytes: Option<u64>,
    /// Bytes to copy in all.
    pub copy_bytes: Option<u64>,
    /// How it last made up for what it lacked: `by log`, `by content`, `full copy`.
    pub way: Option<String>,
    /// Bytes that have travelled for that.
    pub shipped_bytes: Option<u64>,
    /// When everything was last compared with the source, in milliseconds since 1970.
    pub verified_ms: Option<u64>,
    /// The moment that this was about.
    pub verified_cut_ms: Option<u64>,
    /// `equal` or `different`.
    pub verdict: Option<String>,
    /// How many key ranges differed.
    pub differing_ranges: Option<u64>,
    /// Why it does not run.
    pub last_error: Option<String>,
    /// When a drill was last passed, in milliseconds since 1970.
    pub last_proven_ms: Option<u64>,
}

/// An event of a database's life.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventFact {
    /// Rises with every event of the cluster; 0 for those of early versions.
    pub id: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The database's name then.
    pub database: String,
    /// One or two words.
    pub event: String,
    /// For people.
    pub detail: String,
    /// The database's promotion epoch then.
    pub epoch: Option<String>,
    /// The consistent point it is about, in milliseconds since 1970.
    pub cut_ms: Option<u64>,
    /// Who did it.
    pub who: Option<String>,
}

/// One row's change in a transaction that another region never saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DivergedFact {
    /// The database.
    pub database: String,
    /// The transaction.
    pub txn: String,
    /// When it committed, in milliseconds since 1970.
    pub commit_ms: u64,
    /// The cluster whose client wrote it.
    pub origin: u8,
    /// False if some of the transaction's changes are not here.
    pub complete: bool,
    /// False if the transaction's outcome is not known.
    pub decided: bool,
    /// It was told from the contents of both sides: it only stands for what was committed at a time.
    pub by_content: bool,
    /// What was decided about the transaction.
    pub fate: Option<Fate>,
    /// Its partition.
    pub partition: u16,
    /// The epoch that wrote it.
    pub epoch: String,
    /// Where it stood in the partition's log.
    pub lsn: u64,
    /// The table's name then.
    pub table: String,
    /// The primary key as JSON.
    pub key: String,
    /// The row before as JSON.
    pub old: Option<String>,
    /// The row after as JSON.
    pub new: Option<String>,
}

/// What was decided about a diverged transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fate {
    /// `reapplied` or `dismissed`.
    pub state: String,
    /// When, in microseconds since 1970.
    pub at_micros: i64,
    /// By whom.
    pub who: String,
    /// Why.
    pub reason: Option<String>,
}

/// A setting of the session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SettingFact {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// What it does.
    pub description: String,
}

/// A connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionFact {
    /// Its number.
    pub pid: i32,
    /// Its database.
    pub database: String,
    /// Its user.
    pub user: String,
    /// What it calls itself.
    pub application: String,
    /// Its address.
    pub client: String,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// `active`, `idle`, `idle in transaction` …
    pub state: String,
    /// Its present or last statement, without passwords.
    pub query: String,
}

/// Where the facts come from: one statement of one connection. Each method is called only if a
/// table that the statement names needs it.
#[async_trait]
pub trait SystemSource: Send + Sync {
    /// The database connected to.
    fn database(&self) -> String;
    /// Its tables as the statement's snapshot sees them.
    fn catalog(&self) -> Arc<Catalog>;
    /// All databases.
    async fn databases(&self) -> Result<Vec<DatabaseFact>>;
    /// All users.
    async fn users(&self) -> Result<Vec<UserFact>>;
    /// Who asks.
    fn user(&self) -> String {
        "root".into()
    }
    /// Who is a member of which role.
    fn memberships(&self) -> Vec<Membership> {
        Vec::new()
    }
    /// From where who may connect.
    fn address_rules(&self) -> Vec<AddressRule> {
        Vec::new()
    }
    /// What the sessions of all databases begin with.
    fn globals(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
    /// Both ends of all links.
    async fn links(&self) -> Result<Vec<LinkFact>>;
    /// What happened to the databases.
    async fn history(&self) -> Result<Vec<EventFact>>;
    /// What is in the vault of the database connected to.
    async fn diverged(&self) -> Result<Vec<DivergedFact>>;
    /// All remote servers.
    async fn servers(&self) -> Result<Vec<ServerFact>> {
        Ok(Vec::new())
    }
    /// All replicas.
    async fn replicas(&self) -> Result<Vec<ReplicaFact>> {
        Ok(Vec::new())
    }
    /// What can be read of the past.
    async fn windows(&self) -> Result<Vec<WindowFact>> {
        Ok(Vec::new())
    }
    /// The part that this cluster plays for others, and what it sends and receives.
    async fn replication(&self) -> Result<Option<ReplicationFact>> {
        Ok(None)
    }
    /// How well the databases are protected.
    async fn protection(&self) -> Result<Vec<ProtectionFact>> {
        Ok(Vec::new())
    }
    /// The replication groups.
    async fn groups(&self) -> Result<Vec<GroupFact>> {
        Ok(Vec::new())
    }
    /// What the partitions hold.
    async fn storage(&self) -> Result<Vec<StorageFact>> {
        Ok(Vec::new())
    }
    /// What the node holds.
    async fn usage(&self) -> Result<Vec<UsageFact>> {
        Ok(Vec::new())
    }
    /// The session's settings.
    async fn settings(&self) -> Result<Vec<SettingFact>> {
        Ok(Vec::new())
    }
    /// All connections.
    async fn activity(&self) -> Result<Vec<SessionFact>> {
        Ok(Vec::new())
    }
    /// The last values of the sequences that have given one.
    async fn last_values(&self) -> Result<BTreeMap<TableId, i64>> {
        Ok(BTreeMap::new())
    }
    /// Bytes of each table, as far as known.
    async fn sizes(&self) -> Result<BTreeMap<TableId, u64>> {
        Ok(BTreeMap::new())
    }
}

/// The facts one statement needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) database: String,
    pub(super) catalog: Arc<Catalog>,
    pub(super) databases: Vec<DatabaseFact>,
    pub(super) users: Vec<UserFact>,
    pub(super) user: String,
    pub(super) memberships: Vec<Membership>,
    pub(super) globals: BTreeMap<String, String>,
    pub(super) address_rules: Vec<AddressRule>,
    pub(super) links: Vec<LinkFact>,
    pub(super) history: Vec<EventFact>,
    pub(super) diverged: Vec<DivergedFact>,
    pub(super) servers: Vec<ServerFact>,
    pub(super) replicas: Vec<ReplicaFact>,
    pub(super) windows: Vec<WindowFact>,
    pub(super) replication: Option<ReplicationFact>,
    pub(super) protection: Vec<ProtectionFact>,
    pub(super) groups: Vec<GroupFact>,
    pub(super) storage: Vec<StorageFact>,
    pub(super) usage: Vec<UsageFact>,
    pub(super) settings: Vec<SettingFact>,
    pub(super) activity: Vec<SessionFact>,
    pub(super) sizes: BTreeMap<TableId, u64>,
    pub(super) last_values: BTreeMap<TableId, i64>,
}

impl Facts {
    /// Asks for what is cheap, and for the rest only if it is wanted: `wants(table name)`.
    pub(super) async fn gather(
        source: &dyn SystemSource,
        wants: impl Fn(&[&str]) -> bool,
    ) -> Result<Facts> {
        let mut facts = Facts {
            database: source.database(),
            catalog: source.catalog(),
            databases: source.databases().await?,
            users: source.users().await?,
            user: source.user(),
            memberships: source.memberships(),
            globals: source.globals(),
            address_rules: source.address_rules(),
            settings: source.settings().await?,
            ..Facts::default()
        };
        if wants(&["replication_status", "mv_replication_status"]) {
            facts.links = source.links().await?;
        }
        if wants(&["replication_history"]) {
            facts.history = source.history().await?;
        }
        if wants(&["diverged_transactions", "diverged_rows"]) {
            facts.diverged = source.diverged().await?;
        }
        if wants(&["remote_server", "replica"]) {
            facts.servers = source.servers().await?;
        }
        if wants(&["replica", "replica_status", "log_replica_status"]) {
            facts.replicas = source.replicas().await?;
        }
        if wants(&["version_windows"]) {
            facts.windows = source.windows().await?;
        }
        if wants(&["dr_role", "dr_producer", "dr_consumer"]) {
            facts.replication = source.replication().await?;
        }
        if wants(&["protection_status"]) {
            facts.protection = source.protection().await?;
        }
        if wants(&["replication_groups"]) {
            facts.groups = source.groups().await?;
        }
        if wants(&["storage_status"]) {
            facts.storage = source.storage().await?;
        }
        if wants(&["engine_status"]) {
            facts.usage = source.usage().await?;
        }
        if wants(&["pg_stat_activity"]) {
            facts.activity = source.activity().await?;
        }
        if wants(&["pg_sequences"]) {
            facts.last_values = source.last_values().await?;
        }
        if wants(&["pg_class"]) {
            facts.sizes = source.sizes().await?;
        }
        Ok(facts)
    }
}
