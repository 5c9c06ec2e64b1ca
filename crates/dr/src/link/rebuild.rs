//! Coming back by content, when the log is gone: a new base is made from the rows that are here and
//! from those that the source has otherwise. What is read and written follows the size of the
//! database, what travels follows the difference.
//!
//! 1. The source pins bases of all partitions at one moment `T` and keeps its log from there on.
//! 2. Range after range of every key space: fingerprints are compared, and where they differ, those
//!    of smaller ranges; in the smallest ones the source sends the rows whose hashes it was not sent.
//! 3. The new partitions get the rows that are the same and those that came, as chunks. What only
//!    this side has, and was committed above the cut of the other side's promotion, is collected. Of
//!    tables that are not replicated they get what is here.
//! 4. That goes into both vaults. The standbys of its group are given the time to come to `T`, so that
//!    there is a moment at which all can be promoted. Then one change of the metadata puts the new
//!    partitions in the place of the old ones: they are consistent at `T`, and the log is followed
//!    from there. The role is that of a standby if there is such a moment, else it comes with it.
//!
//! A crash before step 4 ends leaves the old partitions as they were, and folders that are removed.

mod ranges;
mod stranded;

pub(super) use stranded::Known;

use super::Shared;
use crate::diverged::{Fork, Tables, tables_of};
use crate::fingerprint::{self, Contents};
use crate::link::session::{slot_name, take_epoch};
use crate::peer::{Content, ContentRange, ContentRequest, ContentStep, Peer};
use base::{Epoch, Error, Result, SqlState, StorageId, Timestamp};
use format::vault::DivergedPart;
use format::{ColumnLayout, Manifest};
use futures::{StreamExt, TryStreamExt};
use meta::DatabaseState;
use parking_lot::Mutex;
use partition::Partition;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// So many partitions at a time.
const AT_ONCE: usize = 4;
/// How long the standbys of a group are given to come to the moment of a rebuilt one.
const GROUP_WAIT: Duration = Duration::from_secs(5);
/// How often they are looked at.
const GROUP_LOOK: Duration = Duration::from_millis(50);

/// What is being made.
struct Rebuild {
    shared: Arc<Shared>,
    peer: Arc<dyn Peer>,
    /// The name of the source's database, and of the slot there.
    source: (String, String),
    session: u64,
    donors: Vec<Arc<Partition>>,
    /// The columns of the source's key spaces.
    layouts: BTreeMap<StorageId, Vec<ColumnLayout>>,
    /// Those of what is not replicated: that stays as it is here.
    local: BTreeMap<StorageId, Vec<ColumnLayout>>,
    /// Owners, grants and roles stay as they are here.
    own_rights: bool,
    /// The tables as they are here.
    tables: Tables,
    stranded: Option<stranded::Stranded>,
    shipped: AtomicU64,
    figures: Mutex<Figures>,
}

/// What came of the comparison.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    ranges: u64,
    differing: u64,
    rows: u64,
    shipped_rows: u64,
}

/// What is complete, and only needs to take the old partitions' place.
pub(super) struct Rebuilt {
    /// What only this side has.
    pub parts: Vec<DivergedPart>,
    /// For the history.
    pub told: String,
    at: Timestamp,
    session: u64,
    source: (String, String),
}

/// Makes the new partitions; changes nothing else. `known` is what the vaults have of what is beyond
/// `forks`; `None` if they have it all.
///
/// # Errors
/// 0A000 if the source does not know how; otherwise it can be tried again.
pub(super) async fn rebuild(
    shared: &Arc<Shared>,
    peer: &Arc<dyn Peer>,
    reason: &str,
    forks: &[Fork],
    known: Option<Known>,
) -> Result<Rebuilt> {
    let database = shared.database()?;
    let source = (shared.link()?.source.database, slot_name(&shared.engine, &shared.name));
    let mut this = Rebuild {
        shared: shared.clone(),
        peer: peer.clone(),
        source,
        session: 0,
        donors: database.local_partitions().to_vec(),
        layouts: BTreeMap::new(),
        local: BTreeMap::new(),
        own_rights: shared.record()?.own_rights,
        tables: Tables::new(),
        stranded: None,
        shipped: AtomicU64::new(0),
        figures: Mutex::default(),
    };
    for donor in &this.donors {
        donor.make_whole().await?;
    }
    let begun = this.ask(ContentStep::Begin).await?;
    this.session = begun.session;
    let at = this.check(&begun)?;
    let need = begun.bytes;
    let text = format!(
        "{reason}: contents are compared as of {at}, and only what differs travels; the new copy \
         takes about {need} bytes of disk beside the present one until it is complete"
    );
    shared.note("by content", text)?;
    let dirs = shared.engine.prepare_incoming(&shared.name).await?;
    this.check_space(&dirs, need)?;
    if let Some(first) = this.donors.first() {
        this.tables = tables_of(&Contents::Stored(first.clone())).await?;
    }
    let tables = this.source_tables().await?;
    this.layouts = fingerprint::layouts(tables.values());
    this.local = fingerprint::local_layouts(tables.values());
    this.stranded = known.map(|known| stranded::Stranded::new(forks, known, &this.donors));
    let cuts = forks.iter().map(|f| f.cut).filter(|cut| *cut < Timestamp::MAX);
    if this.stranded.is_some() && cuts.max() > Some(at) {
        return Err(not_yet("the source has not written down yet what it had when it took over"));
    }
    let all = dirs.into_iter().zip(begun.bases).enumerate();
    let made = all.map(|(index, (dir, header))| this.partition(index, dir, header));
    let _: Vec<()> = futures::stream::iter(made).buffer_unordered(AT_ONCE).try_collect().await?;
    let told = this.told(at);
    let parts = match this.stranded.take() {
        None => Vec::new(),
        Some(stranded) => stranded.parts(&this.tables, shared.engine.cluster(), &this.donors),
    };
    Ok(Rebuilt { parts, told, at, session: this.session, source: this.source })
}

/// Puts the new partitions in the place of the old ones.
pub(super) async fn take(
    shared: &Arc<Shared>,
    peer: &Arc<dyn Peer>,
    rebuilt: Rebuilt,
    epoch: Epoch,
) -> Result<DatabaseState> {
    let state = await_group(shared, rebuilt.at).await?;
    shared.engine.take_incoming(&shared.name, state).await?;
    take_epoch(shared, epoch)?;
    shared.note("by content", rebuilt.told)?;
    let end = ContentRequest {
        database: rebuilt.source.0,
        slot: rebuilt.source.1,
        promotion_epoch: shared.record()?.promotion_epoch,
        session: rebuilt.session,
        step: ContentStep::End,
    };
    // Otherwise the source finds out by itself that nobody asks any more.
    let _ = peer.content(end).await;
    Ok(state)
}

/// Waits until what is of a moment can be promoted together with the standbys of its group; the role
/// it has then. Not for ever: one of them may have no link that brings it on.
async fn await_group(shared: &Arc<Shared>, at: Timestamp) -> Result<DatabaseState> {
    let database = shared.database()?;
    let env = &shared.engine.env;
    let end = env.clock.monotonic() + GROUP_WAIT;
    loop {
        if shared.engine.joins_group(&database, (at, at)) {
            return Ok(DatabaseState::Standby);
        }
        if env.clock.monotonic() >= end || shared.leaving.load(Ordering::Relaxed) {
            return Ok(DatabaseState::Rewinding { since_ms: env.clock.now_ms() });
        }
        env.sleep(GROUP_LOOK).await;
    }
}

fn not_yet(message: &str) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .hint("nothing has changed; it is tried again")
}

impl Rebuild {
    async fn ask(&self, step: ContentStep) -> Result<Content> {
        if self.shared.leaving.load(Ordering::Relaxed) {
            let message = "the comparison of contents was interrupted; nothing has changed";
            return Err(Error::new(SqlState::ADMIN_SHUTDOWN, message));
        }
        let request = ContentRequest {
            database: self.source.0.clone(),
            slot: self.source.1.clone(),
            promotion_epoch: self.shared.record()?.promotion_epoch,
            session: self.session,
            step,
        };
        let sent = request.size();
        let answer = self.peer.content(request).await?;
        self.shipped.fetch_add(sent + answer.size(), Ordering::Relaxed);
        let now = self.shared.engine.env.clock.monotonic();
        let mut figures = self.shared.figures.lock();
        figures.shipped(answer.size(), sent);
        figures.tick(now);
        drop(figures);
        Ok(answer)
    }

    /// The moment of all bases.
    fn check(&self, begun: &Content) -> Result<Timestamp> {
        let at = begun.bases.first().map(|b| b.ts).unwrap_or_default();
        let fits = begun.bases.len() == self.donors.len() && begun.bases.iter().all(|b| b.ts == at);
        if fits {
            return Ok(at);
        }
        let message = "the source's bases are not of one moment, or not of as many partitions";
        Err(Error::new(SqlState::PROTOCOL_VIOLATION, message))
    }

    fn check_space(&self, dirs: &[PathBuf], need: u64) -> Result<()> {
        let dir = dirs.first().and_then(|d| d.parent()).map(PathBuf::from).unwrap_or_default();
        let free = self.shared.engine.env.disk.free_bytes(&dir);
        let free =
            free.map_err(|e| Error::io(format!("asking for space in {}", dir.display()), &e))?;
        if free >= need {
            return Ok(());
        }
        let message = format!(
            "coming back by content needs about {need} bytes of disk beside what is here, and \
             {free} are free"
        );
        Err(Error::new(SqlState::DISK_FULL, message)
            .detail("what is here is untouched")
            .hint("free some space: it is tried again by itself"))
    }

    async fn source_tables(&self) -> Result<Tables> {
        let storage = StorageId::CATALOG;
        let (start, end) = fingerprint::shared_range(storage, self.own_rights);
        let range = ContentRange { partition: 0, storage, start, end };
        let all = (range.start.clone(), range.end.clone());
        let fetched = self.rows(&range, vec![all], Vec::new()).await?;
        let tables = fetched.rows.iter().filter_map(|r| crate::diverged::descriptor(&r.row));
        Ok(tables.map(|t| (t.storage, Arc::new(t))).collect())
    }

    async fn partition(&self, index: usize, dir: PathBuf, header: Manifest) -> Result<()> {
        let env = self.shared.engine.env.clone();
        let settings = self.shared.engine.settings().state.clone();
        let begin = move || state::BaseBuilder::begin(&env, dir, settings);
        let builder = self.blocking(begin).await?;
        let mut tables = Vec::with_capacity(self.layouts.len() + self.local.len());
        for (storage, columns) in &self.layouts {
            tables.push(self.table(index, *storage, columns, &builder).await?);
        }
        for (storage, columns) in &self.local {
            tables.push(self.own(index, *storage, columns, &builder).await?);
        }
        self.look_for_own_tables(index).await?;
        self.blocking(move || builder.finish(header, tables)).await
    }

    /// Runs what writes files.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let done = self.shared.engine.env.blocking(work).await;
        done.unwrap_or_else(|| Err(Error::internal("writing a base failed")))
    }

    fn told(&self, at: Timestamp) -> String {
        let f = *self.figures.lock();
        format!(
            "complete as of {at}: {} of {} key ranges differed, {} of {} rows came, {} bytes \
             travelled",
            f.differing,
            f.ranges,
            f.shipped_rows,
            f.rows,
            self.shipped.load(Ordering::Relaxed)
        )
    }
}
