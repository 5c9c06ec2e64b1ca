//! The set of databases of a node: made, opened, given new partitions, promoted, dropped.

use crate::database::Database;
use crate::engine::Engine;
use base::{DatabaseId, Epoch, Error, LineId, LogId, Result, SqlState, Timestamp};
use meta::{Command, DatabaseState, Durability, NewDatabase};
use partition::{Partition, PartitionHandle, PartitionSettings, Role};
use std::path::PathBuf;
use std::sync::Arc;

impl Engine {
    /// Makes a new primary database.
    pub async fn create_database(
        self: &Arc<Self>,
        name: &str,
        partitions: u16,
        durability: Durability,
    ) -> Result<Arc<Database>> {
        let epoch = Epoch::default().successor(self.cluster(), self.node());
        self.add_database(NewDatabase {
            attached: false,
            name: name.to_owned(),
            line: self.new_line(),
            partitions,
            durability,
            state: DatabaseState::Primary,
            epoch,
            link: None,
            at_ms: self.env.clock.now_ms(),
            by: None,
            branch: None,
        })
        .await
    }

    /// Makes a database as the metadata command says; a target's partitions follow.
    pub async fn add_database(self: &Arc<Self>, new: NewDatabase) -> Result<Arc<Database>> {
        if new.partitions == 0 || new.partitions > 256 {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("a database has 1 to 256 partitions, not {}", new.partitions),
            ));
        }
        let _changing = self.changing.lock().await;
        let name = new.name.clone();
        self.meta.apply(Command::CreateDatabase(new))?;
        let record = self.record(&name)?;
        let database = self.attach(&record)?;
        if record.state == DatabaseState::Primary {
            self.finish_promotion(&database).await?;
        }
        Ok(database)
    }

    /// Gives a target new, empty partitions of a line, for a full copy.
    pub async fn fresh_partitions(
        self: &Arc<Self>,
        name: &str,
        partitions: u16,
        line: LineId,
    ) -> Result<Arc<Database>> {
        let _changing = self.changing.lock().await;
        let old = self.record(name)?;
        let open = self.detach(name).await;
        let database = old.id;
        self.meta.apply(Command::FreshPartitions { database, partitions, line })?;
        if let Some(open) = open {
            open.local_partitions().iter().for_each(|p| p.replace());
        }
        self.remove_partitions(&old)?;
        self.attach(&self.record(name)?)
    }

    /// Drops a database with all its data.
    pub async fn drop_database(self: &Arc<Self>, name: &str) -> Result<()> {
        let _changing = self.changing.lock().await;
        let record = self.record(name)?;
        if record.is_passing() {
            let message = format!("database \"{name}\" is being made, or of a drill that goes on");
            return Err(Error::new(SqlState::OBJECT_IN_USE, message)
                .hint("it goes by itself if it does not come to an end"));
        }
        let (database, state) = (record.id, DatabaseState::Dropping);
        self.meta.apply(Command::SetDatabaseState { database, state })?;
        if let Some(open) = self.detach(name).await {
            open.set_state(DatabaseState::Dropping);
            open.writers.close("it is being dropped");
        }
        self.remove_database(&record)
    }

    pub(crate) fn remove_database(&self, record: &meta::Database) -> Result<()> {
        self.remove_files(record)?;
        let (database, at_ms) = (record.id, self.env.clock.now_ms());
        self.meta.apply(Command::DropDatabase { database, at_ms })?;
        Ok(())
    }

    pub(crate) fn remove_files(&self, record: &meta::Database) -> Result<()> {
        self.remove_partitions(record)?;
        self.remove_dir(&self.database_dir(record.id))
    }

    pub(crate) fn remove_partitions(&self, record: &meta::Database) -> Result<()> {
        for (index, log) in record.partitions.iter().enumerate() {
            self.log.drop_log(*log);
            self.remove_dir(&self.partition_dir(record.id, index, *log))?;
        }
        Ok(())
    }

    pub(crate) fn remove_dir(&self, dir: &std::path::Path) -> Result<()> {
        let disk = &self.env.disk;
        let removed = disk.remove_dir(dir).and_then(|()| match dir.parent() {
            // Nobody would look for it if it came back.
            Some(parent) if disk.exists(parent) => disk.sync_dir(parent),
            _ => Ok(()),
        });
        removed.map_err(|e| Error::io(format!("removing {}", dir.display()), &e))
    }

    pub(crate) fn partition_dir(&self, id: DatabaseId, index: usize, log: LogId) -> PathBuf {
        self.database_dir(id).join(format!("p{index}-{log}"))
    }

    pub(crate) fn attach(&self, record: &meta::Database) -> Result<Arc<Database>> {
        let database = self.open_database(record)?;
        self.list(&database);
        Ok(database)
    }

    /// Lets everybody find an open database by its name.
    pub(crate) fn list(&self, database: &Arc<Database>) {
        self.databases.write().insert(database.name().to_owned(), database.clone());
    }

    /// Opens a database that nobody knows of yet.
    pub(crate) fn open_database(&self, record: &meta::Database) -> Result<Arc<Database>> {
        let mut partitions = Vec::with_capacity(record.partitions.len());
        for (index, log_id) in record.partitions.iter().enumerate() {
            partitions.push(Arc::new(self.open_partition(record, index, *log_id)?));
        }
        for partition in &partitions {
            self.oracle.advance(partition.newest_timestamp());
        }
        let settings = self.settings.of_databases();
        let (env, shared) = (self.env.clone(), (self.oracle.clone(), self.room.clone()));
        let reach = |partition: &Arc<Partition>| match &self.settings.between {
            Some(between) => between.0(partition.clone()),
            None => partition.clone() as Arc<dyn PartitionHandle>,
        };
        let handles = partitions.iter().map(reach).collect();
        let database = Database::new(env, shared, settings, record, partitions, handles);
        Ok(Arc::new(database))
    }

    /// Opens a database's partitions again from disk, after their files were replaced.
    pub async fn reattach(self: &Arc<Self>, name: &str) -> Result<Arc<Database>> {
        let _changing = self.changing.lock().await;
        self.detach(name).await;
        self.attach(&self.record(name)?)
    }

    pub(crate) fn open_partition(
        &self,
        record: &meta::Database,
        index: usize,
        log_id: LogId,
    ) -> Result<Partition> {
        let dir = self.partition_dir(record.id, index, log_id);
        let made = self.env.disk.create_dir(&dir);
        made.map_err(|e| Error::io(format!("making {}", dir.display()), &e))?;
        self.log.register(log_id);
        let primary = matches!(record.state, DatabaseState::Primary | DatabaseState::Branching);
        Partition::open(
            self.env.clone(),
            self.log.clone(),
            self.cache.clone(),
            self.waits.clone(),
            PartitionSettings {
                index: u16::try_from(index)
                    .map_err(|_| Error::internal("more partitions than can be numbered"))?,
                log_id,
                dir,
                cluster: self.cluster(),
                node: self.node(),
                sync: record.durability == Durability::Sync,
                role: if primary { Role::Leader } else { Role::Follower },
                state: self.settings.state.clone(),
            },
        )
    }

    /// Takes a database out of service; no file of it is written any more when this returns.
    pub(crate) async fn detach(&self, name: &str) -> Option<Arc<Database>> {
        let open = self.databases.write().remove(name)?;
        open.retire().await;
        Some(open)
    }

    /// Writes what a promotion (or the creation) has decided to every partition that lacks it, and
    /// lets the database lead. Safe to repeat.
    pub async fn finish_promotion(&self, database: &Arc<Database>) -> Result<()> {
        let record = self.record(database.name())?;
        let (cut, reason) = match &record.promotion {
            Some(promotion) => (promotion.cut, promotion.reason.clone()),
            None => (Timestamp::MAX, "created".to_owned()),
        };
        self.oracle.advance(cut);
        let starts = database.local_partitions().iter().map(|partition| {
            self.oracle.advance(partition.newest_timestamp());
            partition.start_epoch(record.promotion_epoch, cut, &reason)
        });
        futures::future::try_join_all(starts).await?;
        database.forget_catalogs();
        database.set_promotion_epoch(record.promotion_epoch);
        database.set_state(DatabaseState::Primary);
        Ok(())
    }
}
