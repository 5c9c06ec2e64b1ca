//! Branches: a new primary that begins with what another database holds at one time. The other one,
//! primary or standby, goes on; its files are shared, not copied.
//!
//! 1. The metadata names the branch, as one that is being made. It has an id, logs, a line and an
//!    epoch of its own.
//! 2. A snapshot of the source keeps the versions of its time. Every partition becomes the beginning
//!    of one of the branch (see [`partition::Partition::branch`]).
//! 3. The partitions are opened, and begin their epoch. What is to be in the branch besides is
//!    written.
//! 4. **Commit point**: [`Command::FinishBranch`]. From here on it is a database like any other.
//!
//! Everything that a database is made of is rows of its partitions, so the schema, indexes, hidden
//! row numbers and decisions come along as of that time, and so do sequences: where they stand
//! covers every value that a row of that time may have, and the new epoch leaves out what the source
//! may have reserved and not written.
//!
//! A crash before 4 leaves a record that says so, and [`Engine::open`] removes it with its files. The
//! branch of a drill is removed then at any stage.

use crate::database::Database;
use crate::engine::Engine;
use crate::snapshot::{Bounds, Snapshot};
use crate::upkeep::layouts;
use base::{Error, Result, SqlState, Timestamp};
use meta::{Branch, Command, DatabaseState, Gate, HistoryRow, NewDatabase, Purpose};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A branch to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchOrder {
    /// The database it begins with.
    pub source: String,
    /// Its name.
    pub name: String,
    /// As of when; the newest readable time if not given.
    pub at: Option<Timestamp>,
    /// What it is for.
    pub purpose: Purpose,
    /// Who wants it.
    pub by: Option<String>,
}

/// A branch whose files are there, and that nobody can use yet.
#[derive(Debug)]
pub struct Branching {
    record: meta::Database,
    /// The consistent point it begins with.
    pub cut: Timestamp,
    /// Bytes of files that it shares with its source.
    pub shared: u64,
    /// Bytes that had to be written.
    pub written: u64,
}

impl Branching {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.record.name
    }
}

/// A branch that was made.
#[derive(Clone, Debug)]
pub struct Branched {
    /// The open database.
    pub database: Arc<Database>,
    /// The consistent point it begins with.
    pub cut: Timestamp,
}

impl Engine {
    /// Makes a branch. It is made, or not, whether or not anybody waits for it.
    ///
    /// # Errors
    /// 42P04 if the name is taken, those of [`Database::snapshot_at`], and what the disk says.
    /// Nothing is left of a branch that could not be made.
    pub async fn branch(self: &Arc<Self>, order: BranchOrder) -> Result<Branched> {
        let (tell, told) = oneshot::channel();
        let engine = self.clone();
        let work = async move {
            let by = order.by.clone();
            let made = match engine.begin_branch(order).await {
                Ok(begun) => match engine.open_branch(&begun).await {
                    Ok(database) => engine.finish_branch(begun, database, None, by).await,
                    Err(error) => Err(engine.abandon_branch(begun, error).await),
                },
                Err(error) => Err(error),
            };
            // Nobody may be listening any more.
            let _ = tell.send(made);
        };
        self.env.tasks.spawn("branch", Box::pin(work));
        told.await.unwrap_or_else(|_| {
            let message = "this node stopped before the branch was made";
            Err(Error::new(SqlState::TRANSACTION_RESOLUTION_UNKNOWN, message).outcome_unknown())
        })
    }

    /// The first half of [`Engine::branch`]: the files. To be run in a task that nobody ends.
    pub async fn begin_branch(self: &Arc<Self>, order: BranchOrder) -> Result<Branching> {
        let source = self.database(&order.source)?;
        let snapshot = match order.at {
            Some(at) => source.snapshot_at(at)?,
            None => source.snapshot()?,
        };
        let record = self.name_branch(&order, &source, snapshot.ts()).await?;
        let mut begun = Branching { record, cut: snapshot.ts(), shared: 0, written: 0 };
        match self.share_files(&source, &snapshot, &mut begun).await {
            Ok(()) => Ok(begun),
            Err(error) => Err(self.abandon_branch(begun, error).await),
        }
    }

    async fn name_branch(
        &self,
        order: &BranchOrder,
        source: &Database,
        cut: Timestamp,
    ) -> Result<meta::Database> {
        let _changing = self.changing.lock().await;
        let of = self.record(&order.source)?;
        let branch = Branch { of: of.id, name: of.name.clone(), cut, purpose: order.purpose };
        self.meta.apply(Command::CreateDatabase(NewDatabase {
            attached: false,
            name: order.name.clone(),
            line: self.new_line(),
            partitions: u16::try_from(of.partitions.len()).unwrap_or(u16::MAX),
            durability: of.durability,
            state: DatabaseState::Branching,
            epoch: self.next_epoch(source),
            link: None,
            at_ms: self.env.clock.now_ms(),
            by: order.by.clone(),
            branch: Some(branch),
        }))?;
        self.record(&order.name)
    }

    async fn share_files(
        &self,
        source: &Arc<Database>,
        snapshot: &Arc<Snapshot>,
        begun: &mut Branching,
    ) -> Result<()> {
        let bounds = Bounds { at: begun.cut, horizon: source.window()?.oldest.min(begun.cut) };
        let layouts = layouts(source, &bounds).await?;
        let logs = begun.record.partitions.iter().enumerate();
        for ((index, log), partition) in logs.zip(source.local_partitions()) {
            let dir = self.partition_dir(begun.record.id, index, *log);
            let (shared, written) = partition.branch(begun.cut, dir, layouts.clone()).await?;
            begun.shared += shared;
            begun.written += written;
        }
        snapshot.check()
    }

    /// Opens the branch for whoever makes it, and for nobody else.
    pub async fn open_branch(&self, begun: &Branching) -> Result<Arc<Database>> {
        let database = self.open_database(&begun.record)?;
        let opened = self.finish_promotion(&database).await;
        if opened.is_err() {
            database.retire().await;
        }
        opened.map(|()| database)
    }

    /// The commit point.
    pub async fn finish_branch(
        self: &Arc<Self>,
        begun: Branching,
        database: Arc<Database>,
        gate: Option<Gate>,
        by: Option<String>,
    ) -> Result<Branched> {
        let _changing = self.changing.lock().await;
        let (id, at_ms, cut) = (begun.record.id, self.env.clock.now_ms(), begun.cut);
        if let Some(gate) = &gate {
            database.writers.close(&gate.reason);
            database.writers.drain().await;
        }
        let finish = Command::FinishBranch { database: id, gate, at_ms, by };
        if let Err(error) = self.meta.apply(finish) {
            database.retire().await;
            return Err(self.abandon_branch(begun, error).await);
        }
        self.list(&database);
        Ok(Branched { database, cut })
    }

    /// Removes what there is of a branch that is not finished. Gives the error back that is the
    /// reason; a failure to remove is left to the next start.
    pub async fn abandon_branch(&self, begun: Branching, error: Error) -> Error {
        let _changing = self.changing.lock().await;
        if let Err(left) = self.remove_database(&begun.record) {
            tracing::warn!(database = begun.name(), error = %left, "an unfinished branch is left");
        }
        error
    }

    /// Drops the branch of a drill.
    pub async fn drop_drill(&self, name: &str) -> Result<()> {
        let _changing = self.changing.lock().await;
        let record = self.record(name)?;
        if let Some(open) = self.detach(name).await {
            open.set_state(DatabaseState::Dropping);
        }
        self.remove_database(&record)
    }

    /// Removes a branch that a crash has left, and says so.
    pub(crate) fn remove_passing(&self, record: &meta::Database) -> Result<()> {
        self.remove_files(record)?;
        let (database, at_ms) = (record.id, self.env.clock.now_ms());
        let drop = Command::DropDatabase { database, at_ms };
        let Some(branch) = &record.branch else { return self.meta.apply(drop).map(|_| ()) };
        let (kind, name) = match branch.purpose {
            Purpose::Drill => ("drill", &branch.name),
            Purpose::Own | Purpose::Diverged => ("branch", &record.name),
        };
        let detail = match branch.purpose {
            Purpose::Drill => "not completed: this node stopped. Its branch was removed".to_owned(),
            _ => format!("of {}: not completed, this node stopped. It was removed", branch.name),
        };
        let row = HistoryRow::new(at_ms, name.as_str(), kind, detail);
        let row = row.at(record.promotion_epoch, branch.cut);
        self.meta.apply(Command::Batch(vec![drop, Command::History(row)])).map(|_| ())
    }
}
