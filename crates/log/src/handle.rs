//! The handle that the rest of the node uses.

use crate::read;
use crate::recover;
use crate::settings::LogSettings;
use crate::shared::{Admit, Inner, Shared, Wakes};
use crate::{spares, writer};
use base::{EpochHistory, Error, LogId, Lsn, Result, SqlState};
use env::{Env, TaskHandle};
use format::Frame;
use parking_lot::Mutex;
use std::fmt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::Notify;

/// The node's physical log. Cheap to clone. When the last clone goes, what was appended is still
/// written, but nobody waits for it: only after [`Log::shutdown`] may the same process open the
/// folder again.
#[derive(Clone)]
pub struct Log {
    owner: Arc<Owner>,
}

/// Ends the tasks when the last handle goes; the tasks themselves hold only what is inside.
struct Owner {
    shared: Arc<Shared>,
    tasks: Mutex<Vec<TaskHandle>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// How much disk the log takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSize {
    /// Bytes of all segment files, spares included.
    pub bytes: u64,
    /// Number of segment files.
    pub segments: usize,
    /// Bytes of memory that the places of its records take.
    pub index_bytes: usize,
}

/// Room in the log, kept until dropped: hold it until the append has returned.
#[must_use = "the room is given back when this is dropped"]
pub struct Admission {
    shared: Arc<Shared>,
    bytes: u64,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.shared.inner.lock().reserved -= self.bytes;
        self.shared.room.notify_waiters();
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Admission({})", self.bytes)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("dir", &self.owner.shared.dir).finish_non_exhaustive()
    }
}

impl Shared {
    fn close(&self) {
        self.inner.lock().closing = true;
        self.work.notify_one();
        self.wanted.notify_one();
        self.freed.notify_one();
        self.room.notify_waiters();
    }
}

impl Log {
    /// Opens the log in a folder (makes it if it is empty), finds all frames in it, and starts its
    /// tasks. Blocks while it reads. All logs found are known; say with [`Log::retain`] which of
    /// them are wanted.
    pub fn open(env: Env, dir: PathBuf, settings: LogSettings) -> Result<Log> {
        let (index, tail) = recover::open(&env, &dir, &settings)?;
        let shared = Arc::new(Shared {
            env: env.clone(),
            dir,
            settings,
            inner: Mutex::new(Inner::new(index, tail)),
            work: Notify::new(),
            wanted: Notify::new(),
            room: Notify::new(),
            freed: Notify::new(),
        });
        let writer = env.tasks.spawn_thread("log-writer", Box::pin(writer::run(shared.clone())));
        let spares = env.tasks.spawn_thread("log-spares", Box::pin(spares::run(shared.clone())));
        Ok(Log { owner: Arc::new(Owner { shared, tasks: Mutex::new(vec![writer, spares]) }) })
    }

    fn shared(&self) -> &Shared {
        &self.owner.shared
    }

    /// Makes a partition log known. No change if it is.
    pub fn register(&self, id: LogId) {
        self.shared().inner.lock().index.streams.entry(id).or_default();
    }

    /// Makes a partition log known and, if it has no frames, lets it go on at `next`: all before
    /// that was trimmed (or never was here).
    pub fn start_at(&self, id: LogId, next: Lsn) {
        self.shared().inner.lock().index.streams.entry(id).or_default().start_at(next);
    }

    /// Forgets all partition logs but these (and makes these known): the frames of others are
    /// garbage.
    pub fn retain(&self, ids: &[LogId]) {
        let mut inner = self.shared().inner.lock();
        let gone: Vec<LogId> =
            inner.index.streams.keys().filter(|id| !ids.contains(id)).copied().collect();
        for id in gone {
            inner.drop_log(id);
        }
        for id in ids {
            inner.index.streams.entry(*id).or_default();
        }
    }

    /// Waits until `bytes` of payload may be appended: for the writer's queue, and for segments
    /// made ahead. Fails with `DISK_FULL` if none can be made. Everything that can wait should ask
    /// before [`Log::append`]; an append that did not is refused when there happens to be no room.
    pub async fn admit(&self, bytes: usize) -> Result<Admission> {
        let shared = &self.owner.shared;
        let need = bytes as u64 + bytes as u64 / 16 + 256;
        let max_queue = shared.settings.max_queue_bytes as u64;
        loop {
            let mut changed = pin!(shared.room.notified());
            changed.as_mut().enable();
            if let Admit::Granted = shared.inner.lock().admit(need, max_queue)? {
                return Ok(Admission { shared: shared.clone(), bytes: need });
            }
            shared.wanted.notify_one();
            changed.await;
        }
    }

    /// Accepts frames of one log: all or none. No I/O: they are safe when [`Log::wait_durable`]
    /// says so. They must be dense and follow the log's end, or begin at or before it with a
    /// higher epoch: then they supersede what is there. The first frames of a log may begin
    /// anywhere. Returns the last position.
    pub fn append(&self, id: LogId, frames: Vec<Frame>) -> Result<Lsn> {
        let shared = self.shared();
        let mut wakes = Wakes::default();
        let (appended, idle, moved) = {
            let mut inner = shared.inner.lock();
            let (idle, segment) = (inner.tail.is_idle(), inner.tail.current());
            let appended = inner.append(id, frames, &mut wakes);
            (appended, idle, inner.tail.current() != segment)
        };
        wakes.send();
        if idle {
            shared.work.notify_one();
        }
        if moved {
            shared.wanted.notify_one();
        }
        appended
    }

    /// The last position that is safe.
    pub fn durable(&self, id: LogId) -> Lsn {
        self.shared().inner.lock().index.streams.get(&id).map_or(Lsn::ZERO, |s| s.durable)
    }

    /// Waits until a position is safe. After an error nobody knows whether it is.
    pub async fn wait_durable(&self, id: LogId, lsn: Lsn) -> Result<()> {
        self.wait(id, lsn, true).await
    }

    /// Waits until there is a safe frame after this position.
    pub async fn wait_appended(&self, id: LogId, after: Lsn) -> Result<()> {
        self.wait(id, after.next(), false).await
    }

    async fn wait(&self, id: LogId, lsn: Lsn, strict: bool) -> Result<()> {
        let woken = self.shared().inner.lock().wait(id, lsn, strict)?;
        let Some(woken) = woken else {
            return Ok(());
        };
        woken.await.unwrap_or_else(|_| {
            let message = format!("partition log {id} was dropped");
            Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message).outcome_unknown())
        })
    }

    /// The last position appended, [`Lsn::ZERO`] before the first.
    pub fn end(&self, id: LogId) -> Lsn {
        self.shared().inner.lock().index.streams.get(&id).map_or(Lsn::ZERO, |s| s.end())
    }

    /// The first position still there; the one after the end if there are none.
    pub fn first(&self, id: LogId) -> Lsn {
        self.shared().inner.lock().index.streams.get(&id).map_or(Lsn(1), |s| s.first())
    }

    /// The epochs of the frames still there. The first entry begins with the first of them, which
    /// may be later than its epoch began.
    pub fn history(&self, id: LogId) -> EpochHistory {
        let inner = self.shared().inner.lock();
        inner.index.streams.get(&id).map_or_else(EpochHistory::default, |s| s.history())
    }

    /// Bytes of the records that are still there from one position up to, and without, another.
    pub fn bytes_between(&self, id: LogId, from: Lsn, to: Lsn) -> u64 {
        let inner = self.shared().inner.lock();
        inner.index.streams.get(&id).map_or(0, |stream| stream.bytes_between(from, to))
    }

    /// Safe frames from a position on, up to `max_bytes` of them but at least one if there is one.
    /// Blocks while it reads; checks every frame. Fails with `OBJECT_NOT_IN_PREREQUISITE_STATE` if
    /// the position was trimmed.
    pub fn read(&self, id: LogId, from: Lsn, max_bytes: usize) -> Result<Vec<Frame>> {
        let runs = {
            let inner = self.shared().inner.lock();
            read::plan(&inner.index, &inner.tail, id, from, max_bytes)?
        };
        let mut frames = Vec::new();
        for run in &runs {
            read::read(id, run, &mut frames)?;
        }
        Ok(frames)
    }

    /// Forgets all above a position, in memory: durable once frames of a higher epoch supersede
    /// them, and only such are accepted.
    pub fn truncate_after(&self, id: LogId, lsn: Lsn) -> Result<()> {
        let mut wakes = Wakes::default();
        let done = self.shared().inner.lock().cut(id, lsn, &mut wakes);
        wakes.send();
        done
    }

    /// Says that nothing below this position is needed. [`Log::recycle`] frees the space.
    pub fn trim(&self, id: LogId, keep_from: Lsn) {
        if let Some(stream) = self.shared().inner.lock().index.streams.get_mut(&id) {
            stream.trim(keep_from);
        }
    }

    /// Forgets a log: its frames are garbage.
    pub fn drop_log(&self, id: LogId) {
        self.shared().inner.lock().drop_log(id);
    }

    /// Gives up the segments that no log needs, oldest first, up to the first that one needs. They
    /// are removed or recycled soon after.
    pub fn recycle(&self) {
        self.shared().inner.lock().recycle();
        self.shared().wanted.notify_one();
        self.shared().freed.notify_one();
    }

    /// How much disk the log takes.
    pub fn size(&self) -> LogSize {
        let inner = self.shared().inner.lock();
        let all = inner.tail.segments.values().chain(&inner.freed);
        let bytes = all.map(|s| s.capacity).sum();
        let segments = inner.tail.segments.len() + inner.freed.len();
        LogSize { bytes, segments, index_bytes: inner.index.memory_size() }
    }

    /// True while no space can be made ready and the last that there was is being used up.
    pub fn is_full(&self) -> bool {
        let inner = self.shared().inner.lock();
        inner.trouble.is_some() && inner.tail.spares() == 0
    }

    /// Writes what was accepted, accepts nothing more, and ends.
    pub async fn shutdown(&self) {
        self.shared().inner.lock().clean = true;
        self.shared().close();
        let tasks = std::mem::take(&mut *self.owner.tasks.lock());
        for mut task in tasks {
            task.join().await;
        }
    }
}
