//! The source's part in coming back by content: bases of all partitions at one moment, pinned while
//! the target asks for what differs in them; the log from there on is kept by the target's slot.

use super::{Replication, slots};
use crate::diverged::tables_of;
use crate::fingerprint::{self, Contents, Parts, Place, versions};
use crate::peer::{Content, ContentRange, ContentRequest, ContentRow, ContentStep};
use base::{DatabaseId, Error, Lsn, Result, SqlState, StorageId};
use bytes::Bytes;
use format::{ColumnLayout, Manifest};
use state::BasePin;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use txn::Database;

/// A session in which nobody has asked for so long is over.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// How often it is tried to get bases of one moment, while others write chunks too.
const TRIES: usize = 8;
/// About how many bytes of rows one answer has.
const ANSWER_BYTES: usize = 2 << 20;
/// Into so many parts a range is cut at most by one answer.
const CUTS_MAX: usize = 1 << 14;

/// The sessions that are open.
#[derive(Debug, Default)]
pub(super) struct Pinned {
    last: u64,
    open: BTreeMap<u64, Session>,
}

#[derive(Clone, Debug)]
struct Session {
    owner: (DatabaseId, String),
    bases: Arc<Vec<BasePin>>,
    layouts: Arc<BTreeMap<StorageId, Vec<ColumnLayout>>>,
    used: Duration,
}

impl Replication {
    /// See [`Peer::content`](crate::peer::Peer::content).
    pub async fn content(&self, request: ContentRequest) -> Result<Content> {
        let database = self.primary(&request.database)?;
        self.check_epoch(&database, request.promotion_epoch)?;
        self.slot_seen(&database, &request.slot)?;
        let answer = match request.step {
            ContentStep::Begin => return self.begin_content(&database, &request.slot).await,
            ContentStep::End => {
                self.pinned.lock().open.remove(&request.session);
                Content::default()
            }
            ContentStep::Sums { range, cuts } => {
                let session = self.pinned_session(request.session)?;
                let loaded = session.sums(&range, &cuts).await?;
                Content { sums: loaded, ..Content::default() }
            }
            ContentStep::Cuts { range, rows } => {
                let session = self.pinned_session(request.session)?;
                let parts = Parts { rows: rows as usize, max: CUTS_MAX };
                let (contents, place) = session.place(&range)?;
                let cuts = fingerprint::cuts(&contents, &place, parts).await?;
                Content { cuts, ..Content::default() }
            }
            ContentStep::Rows { range, parts, have } => {
                let session = self.pinned_session(request.session)?;
                session.rows(&range, &parts, have).await?
            }
        };
        Ok(Content { session: request.session, ..answer })
    }

    async fn begin_content(&self, database: &Arc<Database>, slot: &str) -> Result<Content> {
        let bases = self.bases_of_one_moment(database).await?;
        for (partition, base) in (0..).zip(&bases) {
            // The log from the base on must stay until the target has it.
            let from = Lsn(base.manifest.replay_from.0.saturating_sub(1));
            let place = slots::Place { partition, from, at: base.manifest.ts };
            self.hold_slot(database, slot, place)?;
        }
        let tables = match bases.first() {
            Some(first) => tables_of(&Contents::Pinned(first.clone())).await?,
            None => return Err(Error::internal("a database without partitions")),
        };
        let layouts = Arc::new(fingerprint::layouts(tables.values()));
        let headers = bases.iter().map(|b| Manifest {
            tables: Vec::new(),
            horizon: b.manifest.ts,
            ..b.manifest.as_ref().clone()
        });
        let headers = headers.collect();
        let tables = bases.iter().flat_map(|b| &b.manifest.tables);
        let sent = tables.filter(|t| !t.storage.is_local()).flat_map(|t| t.files());
        let bytes = sent.map(|c| c.bytes).sum();
        let now = self.engine.env.clock.monotonic();
        let owner = (database.id(), slot.to_owned());
        let mut pinned = self.pinned.lock();
        pinned.open.retain(|_, s| s.owner != owner);
        pinned.last += 1;
        let session = pinned.last;
        pinned.open.insert(session, Session { owner, bases: Arc::new(bases), layouts, used: now });
        Ok(Content { session, bases: headers, bytes, ..Content::default() })
    }

    /// Bases of all partitions at one timestamp: everything at or below it is in them.
    async fn bases_of_one_moment(&self, database: &Arc<Database>) -> Result<Vec<BasePin>> {
        for _ in 0..TRIES {
            self.engine.checkpoint(database).await?;
            let partitions = database.local_partitions().iter();
            let bases: Vec<BasePin> = partitions.map(|p| p.pin_base()).collect();
            let stamps: BTreeSet<_> = bases.iter().map(|b| b.manifest.ts).collect();
            if stamps.len() == 1 {
                return Ok(bases);
            }
        }
        let message = "the source cannot write all partitions down as of one moment now";
        Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            .hint("nothing has changed; it is tried again"))
    }

    fn pinned_session(&self, number: u64) -> Result<Session> {
        let now = self.engine.env.clock.monotonic();
        let mut pinned = self.pinned.lock();
        let found = pinned.open.get_mut(&number).map(|session| {
            session.used = now;
            session.clone()
        });
        found.ok_or_else(|| {
            let message =
                "this comparison is over: the source has restarted, or was not asked long";
            Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        })
    }

    /// Ends sessions in which nobody asks any more: each keeps files.
    pub(crate) fn end_idle_bases(&self) {
        let now = self.engine.env.clock.monotonic();
        self.pinned.lock().open.retain(|_, s| now.saturating_sub(s.used) < IDLE_MAX);
    }
}

impl Session {
    fn place(&self, range: &ContentRange) -> Result<(Contents, Place)> {
        let base = self.bases.get(usize::from(range.partition)).ok_or_else(|| {
            let message = format!("there is no partition {}", range.partition);
            Error::new(SqlState::PROTOCOL_VIOLATION, message)
        })?;
        let place = Place {
            at: base.manifest.ts,
            storage: range.storage,
            start: range.start.clone(),
            end: range.end.clone(),
        };
        Ok((Contents::Pinned(base.clone()), place))
    }

    fn columns(&self, storage: StorageId) -> Result<&[ColumnLayout]> {
        let columns = self.layouts.get(&storage).map(Vec::as_slice);
        columns.ok_or_else(|| {
            let message = format!("the source has no key space {storage}");
            Error::new(SqlState::PROTOCOL_VIOLATION, message)
        })
    }

    async fn sums(&self, range: &ContentRange, cuts: &[Bytes]) -> Result<Vec<fingerprint::Sum>> {
        let (contents, place) = self.place(range)?;
        let columns = self.columns(range.storage)?;
        let mut all = vec![fingerprint::Sum::default(); cuts.len() + 1];
        fingerprint::visit(&contents, &place, columns, |keys, batch| {
            versions(keys, batch, columns, |at, _, hash, _| {
                let part = cuts.partition_point(|cut| cut.as_ref() <= keys.value(at));
                if let Some(sum) = all.get_mut(part) {
                    sum.add(hash);
                }
            })
        })
        .await?;
        Ok(all)
    }

    async fn rows(
        &self,
        range: &ContentRange,
        parts: &[(Bytes, Bytes)],
        have: Vec<u64>,
    ) -> Result<Content> {
        let (contents, place) = self.place(range)?;
        let columns = self.columns(range.storage)?;
        let mut lost: BTreeSet<u64> = have.iter().copied().collect();
        let have = lost.clone();
        let mut rows = Vec::new();
        fingerprint::visit(&contents, &place, columns, |keys, batch| {
            versions(keys, batch, columns, |at, ts, hash, row| {
                let key = keys.value(at);
                let part = parts.partition_point(|(start, _)| start.as_ref() <= key);
                let part = part.checked_sub(1).and_then(|part| parts.get(part));
                if part.is_none_or(|(_, end)| key >= end.as_ref()) {
                    return;
                }
                if have.contains(&hash) {
                    lost.remove(&hash);
                } else {
                    rows.push(ContentRow { key: Bytes::copy_from_slice(key), ts, row });
                }
            })
        })
        .await?;
        rows.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let mut bytes = 0;
        let fits = rows.iter().take_while(|r| {
            bytes += r.key.len() + r.row.len();
            bytes <= ANSWER_BYTES
        });
        // At least one, or it would never end.
        let fits = fits.count().max(1);
        let next = rows.get(fits).map(|r| r.key.clone());
        rows.truncate(fits);
        Ok(Content { rows, lost: lost.into_iter().collect(), next, ..Content::default() })
    }
}
