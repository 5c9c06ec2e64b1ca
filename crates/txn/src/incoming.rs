//! Partitions that are made beside a target's present ones, and take their place in one step.

use crate::database::Database;
use crate::engine::Engine;
use base::{Error, Result};
use meta::{Command, DatabaseState};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// `p<index>-<log>`
fn is_partition(name: &str) -> bool {
    let number = |text: &str| text.parse::<u32>().is_ok();
    let parts = name.strip_prefix('p').and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(index, log)| number(index) && number(log))
}

impl Engine {
    /// Folders for partitions that are made to take the place of a target's present ones, empty or
    /// with what an earlier try has left.
    pub async fn prepare_incoming(self: &Arc<Self>, name: &str) -> Result<Vec<PathBuf>> {
        let _changing = self.changing.lock().await;
        let old = self.record(name)?;
        let database = old.id;
        old.incoming.iter().for_each(|log| self.log.drop_log(*log));
        self.meta.apply(Command::PrepareIncoming { database })?;
        let record = self.record(name)?;
        self.remove_strangers(&record)?;
        let dirs = record.incoming.iter().enumerate();
        Ok(dirs.map(|(index, log)| self.partition_dir(database, index, *log)).collect())
    }

    /// Puts the partitions that were made in the folders of [`Engine::prepare_incoming`] in the place
    /// of the present ones. Every one is opened first; on an error nothing has changed.
    pub async fn take_incoming(
        self: &Arc<Self>,
        name: &str,
        state: DatabaseState,
    ) -> Result<Arc<Database>> {
        let _changing = self.changing.lock().await;
        let old = self.record(name)?;
        for (index, log) in old.incoming.iter().enumerate() {
            self.open_partition(&old, index, *log)?;
        }
        // It is there for whoever asks until the new one is.
        let open = self.databases.read().get(name).cloned();
        if let Some(open) = &open {
            open.retire().await;
        }
        if let Err(error) = self.meta.apply(Command::TakeIncoming { database: old.id, state }) {
            self.attach(&old)?;
            return Err(error);
        }
        let database = self.attach(&self.record(name)?)?;
        if let Some(open) = open {
            // Who still holds it must not read files that are about to go.
            open.set_state(DatabaseState::Copying);
            open.local_partitions().iter().for_each(|p| p.replace());
        }
        self.remove_partitions(&old)?;
        Ok(database)
    }

    /// Removes folders of partitions that the metadata does not know: a crash may have left them.
    pub(crate) fn remove_strangers(&self, record: &meta::Database) -> Result<()> {
        let dir = self.database_dir(record.id);
        if !self.env.disk.exists(&dir) {
            return Ok(());
        }
        let own = record.partitions.iter().enumerate();
        let own: BTreeSet<PathBuf> =
            own.map(|(index, log)| self.partition_dir(record.id, index, *log)).collect();
        let io = |e| Error::io(format!("listing {}", dir.display()), &e);
        for found in self.env.disk.list(&dir).map_err(io)? {
            let path = dir.join(&found);
            if is_partition(&found) && !own.contains(&path) {
                self.remove_dir(&path)?;
            }
        }
        Ok(())
    }
}
