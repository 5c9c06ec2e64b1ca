//! The part that a cluster plays by configuration: it takes links of others, takes none, or follows
//! another cluster with all that this one has.
//!
//! ```text
//!   ClusterRole::Replica ── every few seconds ──▶ source: which databases are yours?
//!         │                                          │
//!         │   none here, and never made before  ◀────┘
//!         └──────▶ REPLICATE DATABASE, noted in the metadata as attached, by the same record
//! ```
//! A database is attached once. What became of it here later is whoever did that's business: if it
//! was dropped it is not made again, and as long as one of them is a *primary* here, which it became
//! by a promotion, the cluster attaches nothing: a promoted replica is as any other cluster. Both are
//! told by the metadata, so a restart with the same settings changes nothing. Once all of them follow
//! again (a planned way back, say) the role is what the settings say.
//!
//! # On a crash
//! A database that is attached is noted with the record that makes it; there is nothing else.

use crate::links::{Links, ReplicateRequest};
use base::{Error, Result, SqlState};
use meta::{Database as Record, DatabaseState, Source};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How often a source is asked what it has.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The first pause after a failure, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Named in the history.
const BY: &str = "dr-role";

/// What a cluster does for others, or with them.
#[derive(Clone, Default, PartialEq)]
pub enum ClusterRole {
    /// It takes no links of other clusters.
    None,
    /// Other clusters may follow its databases.
    #[default]
    Master,
    /// It follows all databases of another cluster. Once promoted it is a master.
    Replica {
        /// The other cluster; the database is of no meaning.
        source: Source,
        /// Databases that every cluster has of its own.
        except: Vec<String>,
    },
}

impl ClusterRole {
    /// In one word.
    pub fn name(&self) -> &'static str {
        match self {
            ClusterRole::None => "none",
            ClusterRole::Master => "master",
            ClusterRole::Replica { .. } => "replica",
        }
    }
}

impl fmt::Debug for ClusterRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClusterRole::Replica { source, .. } => {
                write!(f, "replica of {}:{}", source.host, source.port)
            }
            _ => f.write_str(self.name()),
        }
    }
}

/// The role as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleStatus {
    /// What the settings say.
    pub configured: &'static str,
    /// What it is: a promoted replica is a master.
    pub role: &'static str,
    /// What a replica follows: `host:port`.
    pub source: Option<String>,
    /// The database by whose promotion a replica has become a master.
    pub promoted: Option<String>,
    /// Why a replica could not attach what its source has, when it last tried.
    pub error: Option<String>,
}

impl Links {
    /// The role as it is now.
    pub fn role(&self) -> RoleStatus {
        let promoted = self.promoted_replica();
        let source = match &self.role {
            ClusterRole::Replica { source, .. } => Some(format!("{}:{}", source.host, source.port)),
            _ => None,
        };
        RoleStatus {
            configured: self.role.name(),
            role: if promoted.is_some() { "master" } else { self.role.name() },
            source,
            promoted,
            error: self.role_error.lock().clone(),
        }
    }

    /// # Errors
    /// 55000 if this cluster takes no links.
    pub(crate) fn check_takes_links(&self) -> Result<()> {
        if self.role != ClusterRole::None {
            return Ok(());
        }
        let name = self.engine.meta.read(|s| s.cluster.name.clone());
        let message = format!("cluster {name} takes no links of other clusters");
        Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            .detail("It was started with dr-role = none.")
            .hint("start it with dr-role = master to let other clusters follow its databases"))
    }

    /// An attached database that is a primary here now.
    fn promoted_replica(&self) -> Option<String> {
        if !matches!(self.role, ClusterRole::Replica { .. }) {
            return None;
        }
        self.engine.meta.read(|s| {
            let attached = s.attached.values().filter_map(|id| s.databases.get(id));
            let mut primary = attached.filter(|d| d.state == DatabaseState::Primary);
            primary.next().map(|d| d.name.clone())
        })
    }

    /// Attaches what the source has, for as long as this node runs.
    pub(crate) fn keep_role(self: &Arc<Self>) {
        if !matches!(self.role, ClusterRole::Replica { .. }) {
            return;
        }
        let (links, env) = (Arc::downgrade(self), self.engine.env.clone());
        let watch = async move {
            let mut pause = RETRY.0;
            loop {
                let Some(links) = links.upgrade() else { return };
                let done = links.attach_all().await;
                pause = match &done {
                    Ok(()) => LOOK_EVERY,
                    Err(_) => (pause * 2).min(RETRY.1),
                };
                links.note_role(done.err());
                drop(links);
                env.sleep(pause).await;
            }
        };
        self.engine.env.tasks.spawn("role", Box::pin(watch));
    }

    fn note_role(&self, error: Option<Error>) {
        let error = error.map(|e| e.into_report().message);
        let before = std::mem::replace(&mut *self.role_error.lock(), error.clone());
        match (before, error) {
            (before, Some(error)) if before.as_ref() != Some(&error) => {
                tracing::warn!(role = ?self.role, error, "databases of the source are not attached");
            }
            (Some(_), None) => tracing::info!(role = ?self.role, "the source answers again"),
            _ => {}
        }
    }

    /// Attaches what the source has and this cluster never had.
    ///
    /// # Errors
    /// The first thing that went wrong; what could be attached all the same is.
    async fn attach_all(&self) -> Result<()> {
        let ClusterRole::Replica { source, except } = &self.role else { return Ok(()) };
        if self.promoted_replica().is_some() {
            return Ok(());
        }
        let asked = async { self.connect.connect(source).await?.databases().await };
        let offered = self.in_time(ANSWER, asked).await?;
        let mut wrong = None;
        for name in offered.into_iter().filter(|name| !except.contains(name)) {
            if let Err(error) = self.attach(&name, source).await {
                wrong.get_or_insert(error);
            }
        }
        wrong.map_or(Ok(()), Err)
    }

    async fn attach(&self, name: &str, source: &Source) -> Result<()> {
        let (attached, record) =
            self.engine.meta.read(|s| (s.attached.contains_key(name), s.database(name).cloned()));
        match record {
            _ if attached => Ok(()),
            Some(record) => check_follows(&record, source),
            None => {
                let request = ReplicateRequest {
                    database: name.to_owned(),
                    differential: false,
                    durability: None,
                    user: source.user.clone(),
                    password: Some(source.password.clone()),
                    host: source.host.clone(),
                    port: Some(source.port),
                    source_database: None,
                };
                self.make_link(&request, BY, true).await
            }
        }
    }
}

/// A database of the same name that somebody else has made is to follow, or is in the way.
fn check_follows(record: &Record, source: &Source) -> Result<()> {
    if record.link.is_some() {
        return Ok(());
    }
    let (name, host, port) = (&record.name, &source.host, source.port);
    let message =
        format!("database \"{name}\" of {host}:{port} cannot be attached: there is one here");
    Err(Error::new(SqlState::DUPLICATE_DATABASE, message)
        .detail("It was not made by this role, and follows nobody.")
        .hint(format!("DROP DATABASE {name} here makes room for a copy of the source's")))
}
