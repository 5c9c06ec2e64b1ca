//! Whether a target gets owners, grants and roles (its replica's `SECURITY_MODE`), and a base that
//! lacks them.
//!
//! They are rows at the beginning of the catalog's key space. A target that has its own is sent records
//! without them, and the catalog's chunks are made anew for it, so that none is in what travels.

use super::Replication;
use crate::fingerprint::{Contents, Place, visit};
use crate::peer::{HelloRequest, Mode, SubscribeRequest};
use arrow::array::RecordBatch;
use base::{Error, Result, SqlState, StorageId};
use bytes::Bytes;
use env::Env;
use format::{Manifest, TableChunks};
use state::{BaseBuilder, BasePin, Settings};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use txn::Database;
use xxhash_rust::xxh3::xxh3_64;

impl Replication {
    /// Tells whether a target has rights of its own. One that had, and is to have those of this side
    /// from now on, is sent all of them.
    pub(super) async fn settle_rights(
        &self,
        database: &Arc<Database>,
        request: &HelloRequest,
    ) -> Result<bool> {
        let record = self.engine.record(database.name())?;
        if record.keeps_rights(&request.slot) {
            return Ok(true);
        }
        let apart = request.own_rights || record.own_rights && request.mode == Mode::Differential;
        if apart && request.mode != Mode::Copy {
            self.engine.publish_rights(database).await?;
        }
        Ok(false)
    }

    /// # Errors
    /// 55000 if the target was told otherwise when it greeted.
    pub(super) fn check_rights(
        &self,
        database: &Database,
        request: &SubscribeRequest,
    ) -> Result<()> {
        let record = self.engine.record(database.name())?;
        check(record.keeps_rights(&request.slot), request.own_rights)
    }

    /// Puts chunks without rights in the place of the catalog's. Returns them, by name.
    pub(super) async fn leave_out_rights(
        &self,
        manifest: &mut Manifest,
        base: &BasePin,
        slot: &str,
    ) -> Result<BTreeMap<String, Bytes>> {
        let storage = StorageId::CATALOG;
        let columns = format::catalog::layout();
        let (start, end) = (format::access::range().1, format::key::range(storage).1);
        let place = Place { at: manifest.ts, storage, start, end };
        let mut batches = Vec::new();
        visit(&Contents::Pinned(base.clone()), &place, &columns, |_, batch| {
            batches.push(batch.clone());
            Ok(())
        })
        .await?;
        let dir = base.dir.join(format!("offer-{:016x}", xxh3_64(slot.as_bytes())));
        let (env, settings) = (self.engine.env.clone(), self.engine.settings().state.clone());
        let make = move || write(&env, dir, settings, &batches);
        let made = self.engine.env.blocking(make).await;
        let (mut table, files) =
            made.unwrap_or_else(|| Err(Error::internal("making a base failed")))?;
        // In the target's folder they stand beside the others.
        let renamed = |file: &str| format!("chunk-{}-offer-{file}", manifest.seq);
        for chunk in &mut table.chunks {
            chunk.file = renamed(&chunk.file);
        }
        let files = files.into_iter().map(|(file, bytes)| (renamed(&file), bytes)).collect();
        manifest.tables.retain(|t| t.storage != storage);
        if table.files().next().is_some() {
            manifest.tables.push(table);
            manifest.tables.sort_by_key(|t| t.storage);
        }
        // Older versions of the catalog are not among them.
        manifest.horizon = manifest.ts;
        Ok(files)
    }
}

fn write(
    env: &Env,
    dir: PathBuf,
    settings: Settings,
    batches: &[RecordBatch],
) -> Result<(TableChunks, Vec<(String, Bytes)>)> {
    let io = |e| Error::io(format!("making a base in {}", dir.display()), &e);
    let builder = BaseBuilder::begin(env, dir.clone(), settings)?;
    let mut out = builder.table(StorageId::CATALOG, format::catalog::layout());
    for batch in batches {
        out.write(batch)?;
    }
    let table = out.finish()?;
    let read =
        |file: &String| env.disk.read(&dir.join(file)).map(|bytes| (file.clone(), bytes.into()));
    let files = table.files().map(|chunk| read(&chunk.file)).collect::<std::io::Result<Vec<_>>>();
    let files = files.map_err(io)?;
    env.disk.remove_dir(&dir).map_err(io)?;
    Ok((table, files))
}

/// # Errors
/// 55000 if a target believes otherwise than it is now: it has to greet again.
pub(super) fn check(now: bool, believed: bool) -> Result<()> {
    if now == believed {
        return Ok(());
    }
    let message = "the SECURITY_MODE of this replica is another one by now";
    Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .hint("the target connects again by itself; one of an older version has to be upgraded"))
}
