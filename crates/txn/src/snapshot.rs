//! Snapshots: who reads when, from when on row versions are kept, and what upkeep may take away.
//!
//! ```text
//!        gone        │          readable           │ now
//!   ─────────────────┼─────────────────────────────┼─────▶ time
//!                  floor ≤ oldest reader,          at
//!                          at − version retention
//! ```
//!
//! Upkeep asks for [`Bounds`] before it spills or merges; with the answer the *floor* rises to the
//! horizon given, and nobody gets a snapshot below it any more. Both happen under one lock, so that
//! no version of a snapshot that was given can be taken away. After a restart the floor is what the
//! manifests say: they never name less than what the last horizon promised.

use crate::database::Database;
use crate::engine::Engine;
use base::{Error, Result, SqlState, Timestamp};
use meta::{Command, DatabaseState, ReplicaCommand};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The snapshots that live, and below which time there are none any more.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    living: BTreeMap<Timestamp, usize>,
    floor: Timestamp,
}

impl Readers {
    /// One reader at this time less.
    fn leave(&mut self, ts: Timestamp) {
        if let Some(count) = self.living.get_mut(&ts) {
            *count -= 1;
            if *count == 0 {
                self.living.remove(&ts);
            }
        }
    }

    /// Timestamps have changed their meaning; the manifests tell from when on they can be read.
    pub(crate) fn forget_floor(&mut self) {
        self.floor = Timestamp::ZERO;
    }
}

/// What can be read of a database's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The oldest readable time; [`Timestamp::ZERO`] if nothing was ever taken away.
    pub oldest: Timestamp,
    /// The newest: the present of a primary, the replicated time of a standby.
    pub newest: Timestamp,
}

/// See [`Database::bounds`].
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// Every transaction at or below it is decided, durably and everywhere.
    pub at: Timestamp,
    /// Nobody reads below, now or later. At most `at`.
    pub horizon: Timestamp,
}

impl Database {
    /// A snapshot at the newest readable time; versions it needs stay while it lives.
    pub fn snapshot(self: &Arc<Self>) -> Result<Arc<Snapshot>> {
        let mut readers = self.readers.lock();
        let rewinds = self.rewinds.load(Ordering::SeqCst);
        let ts = self.read_timestamp()?;
        *readers.living.entry(ts).or_default() += 1;
        drop(readers);
        Ok(Arc::new(Snapshot { database: self.clone(), ts, rewinds }))
    }

    /// A snapshot at a time of the past; versions it needs stay while it lives.
    ///
    /// # Errors
    /// 72000 if the time is before the [`Window`], 22023 if it is in the future, 55000 if a standby
    /// has not received it yet, and those of [`Database::read_timestamp`].
    pub fn snapshot_at(self: &Arc<Self>, ts: Timestamp) -> Result<Arc<Snapshot>> {
        let mut readers = self.readers.lock();
        let rewinds = self.rewinds.load(Ordering::SeqCst);
        let window = self.window_of(&readers)?;
        if ts < window.oldest {
            return Err(self.too_old(ts, window));
        }
        if ts > window.newest {
            return Err(self.too_new(ts, window));
        }
        *readers.living.entry(ts).or_default() += 1;
        drop(readers);
        Ok(Arc::new(Snapshot { database: self.clone(), ts, rewinds }))
    }

    /// From when to when it can be read.
    ///
    /// # Errors
    /// Those of [`Database::read_timestamp`].
    pub fn window(&self) -> Result<Window> {
        self.window_of(&self.readers.lock())
    }

    fn window_of(&self, readers: &Readers) -> Result<Window> {
        let newest = self.read_timestamp()?;
        Ok(Window { oldest: readers.floor.max(self.merged_away()), newest })
    }

    /// Below this some partition has given versions up.
    fn merged_away(&self) -> Timestamp {
        let horizons = self.local_partitions().iter().map(|p| p.manifest().horizon);
        horizons.max().unwrap_or_default()
    }

    /// For how long old row versions stay readable.
    pub fn version_retention(&self) -> Duration {
        Duration::from_millis(self.retention_ms.load(Ordering::Relaxed))
    }

    /// What may be written to chunks now, and which versions may go. From here on nobody reads below
    /// the horizon.
    pub(crate) fn bounds(&self) -> Bounds {
        let mut readers = self.readers.lock();
        let at = self.promotable_time();
        let kept = at.ms().saturating_sub(self.retention_ms.load(Ordering::Relaxed));
        let kept = if kept < at.ms() { Timestamp::from_ms(kept) } else { at };
        let oldest = readers.living.keys().next().copied().unwrap_or(at);
        let horizon = oldest.min(kept).max(self.merged_away()).min(at);
        readers.floor = readers.floor.max(horizon);
        Bounds { at, horizon }
    }

    /// What a standby shows from now on: everything up to `cut`, and not what it has beyond; all it
    /// has with `None`. What was shown stays shown: it never goes back.
    pub fn show_up_to(&self, cut: Option<Timestamp>) {
        let mut readers = self.readers.lock();
        let before = self.shown.load(Ordering::SeqCst);
        let newest = self.replicated_time();
        let shown = cut.map_or(0, |cut| {
            let least = if before == 0 { newest } else { Timestamp(before) };
            cut.min(newest).max(least).0
        });
        if shown == before {
            return;
        }
        // Versions that are shown stay, as those of a reader do.
        if shown > 0 {
            *readers.living.entry(Timestamp(shown)).or_default() += 1;
        }
        if before > 0 {
            readers.leave(Timestamp(before));
        }
        self.shown.store(shown, Ordering::SeqCst);
    }

    fn too_old(&self, ts: Timestamp, window: Window) -> Error {
        Error::new(
            SqlState::SNAPSHOT_TOO_OLD,
            format!(
                "snapshot too old: rows of database \"{}\" as of {} are no longer kept",
                self.name(),
                shown(ts)
            ),
        )
        .detail(format!("it can be read from {} to {}", shown(window.oldest), shown(window.newest)))
        .hint("ALTER DATABASE … SET version_retention keeps old rows for longer from now on")
    }

    fn too_new(&self, ts: Timestamp, window: Window) -> Error {
        let (now, asked) = (shown(window.newest), shown(ts));
        if self.state() == DatabaseState::Standby && ts <= self.oracle.now() {
            return Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("this standby has not received {asked} yet"),
            )
            .detail(format!("its replicated time is {now}"))
            .hint("ask for an earlier time, or ask the primary");
        }
        Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("AS OF SYSTEM TIME {asked} is in the future"),
        )
        .detail(format!("it is {now}"))
    }
}

impl Engine {
    /// Sets for how long old row versions of a database stay readable; `None`: as the node's setting
    /// says. A longer time holds for what is still there, and from now on.
    pub fn set_version_retention(&self, name: &str, retention: Option<Duration>) -> Result<()> {
        let database = self.database(name)?;
        let ms = retention.map(|r| u64::try_from(r.as_millis()).unwrap_or(u64::MAX));
        let at_ms = self.env.clock.now_ms();
        self.meta.apply(Command::SetVersionRetention { database: database.id(), ms, at_ms })?;
        let ms = self.settings.of_databases().retention_ms(&self.record(name)?);
        database.retention_ms.store(ms, Ordering::Relaxed);
        Ok(())
    }
}

impl Engine {
    /// Says whether a database lets nobody read while it is a standby.
    pub fn set_hidden(&self, name: &str, hidden: bool, by: &str) -> Result<()> {
        let database = self.database(name)?;
        let (at_ms, by) = (self.env.clock.now_ms(), Some(by.to_owned()));
        let id = database.id();
        let change = ReplicaCommand::SetHidden { database: id, hidden, at_ms, by };
        self.meta.apply(change.into())?;
        database.set_hidden(hidden);
        Ok(())
    }
}

/// A time for people, and the hybrid time that a statement can name exactly.
fn shown(ts: Timestamp) -> String {
    format!("{} (hybrid time {})", ts.utc(), ts.0)
}

/// A timestamp that is being read at.
#[derive(Debug)]
pub struct Snapshot {
    database: Arc<Database>,
    ts: Timestamp,
    rewinds: u64,
}

impl Snapshot {
    /// To be asked after every read: what was read is of no meaning if the database has begun to
    /// go back since the snapshot was taken.
    ///
    /// # Errors
    /// 57P03 if it has.
    pub(crate) fn check(&self) -> Result<()> {
        if self.database.rewinds.load(Ordering::SeqCst) == self.rewinds {
            return Ok(());
        }
        Err(self.database.not_now("it gives up what its new source does not have"))
    }

    /// The timestamp.
    pub fn ts(&self) -> Timestamp {
        self.ts
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.database.readers.lock().leave(self.ts);
    }
}
