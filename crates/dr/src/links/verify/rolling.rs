//! A standby verifies itself: in the background, a few key ranges at a time, each time at one moment
//! that both sides agree on, slowly enough not to be felt. What differs is told at once; when all has
//! been compared, that is told too, and it begins anew when its interval is over. A restart, a broken
//! link or another role end a round.

use super::comparison::{Comparison, Space};
use super::{Difference, Verification, VerifiedTable};
use crate::fingerprint::{self, Contents, Parts, Place};
use crate::link::Phase;
use crate::links::Links;
use base::{Result, StorageId, Timestamp};
use bytes::Bytes;
use meta::{Command, DatabaseState, HistoryRow};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Who did it, in the history.
const SELF: &str = "verification";
/// About so many bytes of chunks are compared at one moment.
const STEP_BYTES: u64 = 8 << 20;
/// What a range costs even if it is empty.
const RANGE_BYTES: u64 = 4 << 10;
/// Ranges of about so many rows.
const RANGE_ROWS: usize = 1 << 16;
/// A partition's key space is cut into so many at most.
const RANGES_MAX: usize = 4_096;
/// So many divergent ranges are told one by one in a round.
const TOLD_MAX: usize = 20;
/// After something went wrong.
const RETRY: Duration = Duration::from_secs(60);

/// One pass over a database.
#[derive(Debug, Default)]
struct Round {
    name: String,
    /// What is not cut into ranges yet; `None` before the first step.
    spaces: Option<VecDeque<(StorageId, u16)>>,
    /// What is, with about how many bytes each has.
    ranges: VecDeque<Range>,
    tables: BTreeMap<StorageId, VerifiedTable>,
    first: Option<Timestamp>,
    told: usize,
}

#[derive(Debug)]
struct Range {
    storage: StorageId,
    partition: u16,
    start: Bytes,
    end: Bytes,
    bytes: u64,
}

impl Links {
    /// Verifies standbys for as long as this node runs, if it is set up to.
    pub(in crate::links) fn keep_verifying(self: &Arc<Self>) {
        let settings = self.engine.settings();
        let (Some(interval), pace) = (settings.verify_interval, settings.verify_pace) else {
            return;
        };
        let (links, env) = (Arc::downgrade(self), self.engine.env.clone());
        let look = (interval / 20).clamp(Duration::from_millis(50), Duration::from_secs(30));
        let work = async move {
            let mut round: Option<Round> = None;
            loop {
                let pause = {
                    let Some(links) = links.upgrade() else { return };
                    if round.is_none() {
                        round = links.due(interval);
                    }
                    match &mut round {
                        None => look,
                        Some(now) => match links.go_on(now).await {
                            Ok(Some(bytes)) => {
                                Duration::from_millis(bytes * 1_000 / pace.max(1)).max(STEP_PAUSE)
                            }
                            Ok(None) => {
                                round = None;
                                look
                            }
                            Err(error) => {
                                tracing::info!(database = now.name, %error, "not verified");
                                round = None;
                                RETRY.min(interval)
                            }
                        },
                    }
                };
                env.sleep(pause).await;
            }
        };
        self.engine.env.tasks.spawn("verification", Box::pin(work));
    }

    /// A standby that was not verified for so long.
    fn due(&self, interval: Duration) -> Option<Round> {
        let now_ms = self.engine.env.clock.now_ms();
        let limit = interval.as_millis() as u64;
        let names: Vec<String> = self.engine.meta.read(|s| {
            let due = s.databases.values().filter(|d| {
                let last = d
                    .link
                    .as_ref()
                    .map(|l| l.verified.as_ref().map_or(0, |v| v.at_ms).max(l.since_ms));
                let due = last.is_some_and(|last| now_ms.saturating_sub(last) >= limit);
                due && d.state == DatabaseState::Standby
            });
            due.map(|d| d.name.clone()).collect()
        });
        let name = names.into_iter().find(|name| self.streams(name))?;
        Some(Round { name, ..Round::default() })
    }

    fn streams(&self, name: &str) -> bool {
        self.running(name).is_ok_and(|link| *link.shared.phase.lock() == Phase::Streaming)
    }

    /// Compares a few ranges. The bytes read; `None` at the end.
    async fn go_on(&self, round: &mut Round) -> Result<Option<u64>> {
        if !self.streams(&round.name) {
            return Err(super::prerequisite("the standby receives nothing at present"));
        }
        let record = self.engine.record(&round.name)?;
        let mut comparison = Comparison::begin(self, &round.name).await?;
        round.first.get_or_insert(comparison.at());
        let spaces: BTreeMap<StorageId, Space> =
            comparison.spaces().into_iter().map(|s| (s.storage, s)).collect();
        let partitions = comparison.partitions();
        let all = || {
            let indexes = partitions.iter().map(|p| p.index());
            spaces.keys().flat_map(|s| indexes.clone().map(|p| (*s, p))).collect()
        };
        let todo = round.spaces.get_or_insert_with(all);
        let mut read = 0;
        while read < STEP_BYTES {
            if round.ranges.is_empty() {
                let Some((storage, partition)) = todo.pop_front() else { break };
                let handle = partitions.get(usize::from(partition));
                let (Some(_), Some(handle)) = (spaces.get(&storage), handle) else { continue };
                let stored = self.stored(&round.name, storage, partition);
                let (start, end) = format::key::range(storage);
                let place = Place { at: comparison.at(), storage, start, end };
                let parts = Parts { rows: RANGE_ROWS, max: RANGES_MAX };
                let contents = Contents::Readable(handle.clone());
                let cuts = fingerprint::cuts(&contents, &place, parts).await?;
                let bytes = stored / (cuts.len() as u64 + 1) + RANGE_BYTES;
                let ranges = fingerprint::parts((&place.start, &place.end), &cuts);
                let range = |(start, end)| Range { storage, partition, start, end, bytes };
                round.ranges.extend(ranges.map(range));
            }
            let Some(range) = round.ranges.pop_front() else { break };
            read += range.bytes;
            let handle = partitions.get(usize::from(range.partition));
            // What was dropped since needs no comparison.
            let (Some(space), Some(handle)) = (spaces.get(&range.storage), handle) else {
                continue;
            };
            let mut found = space.found();
            comparison.range(handle, space, (range.start, range.end), &mut found).await?;
            if !found.differing.is_empty() && round.told < TOLD_MAX {
                round.told += 1;
                let row = HistoryRow::new(
                    self.engine.env.clock.now_ms(),
                    round.name.as_str(),
                    "divergence",
                    told(&found),
                );
                let row = row.by(Some(SELF.to_owned()));
                let row = row.at(record.promotion_epoch, comparison.at());
                self.engine.meta.apply(Command::History(row))?;
            }
            add(round.tables.entry(range.storage).or_insert_with(|| space.found()), found);
        }
        let at = comparison.end().await?;
        if !round.ranges.is_empty() || round.spaces.as_ref().is_some_and(|s| !s.is_empty()) {
            return Ok(Some(read));
        }
        let tables = std::mem::take(&mut round.tables).into_values().collect();
        let done = Verification { at: round.first.unwrap_or(at), tables };
        self.note_verified(&record, &done, SELF)?;
        Ok(None)
    }

    fn stored(&self, name: &str, storage: StorageId, partition: u16) -> u64 {
        let Ok(database) = self.engine.database(name) else { return 0 };
        let Some(partition) = database.local_partitions().get(usize::from(partition)) else {
            return 0;
        };
        let manifest = partition.manifest();
        let files = manifest.table(storage).into_iter().flat_map(|t| t.files());
        files.map(|c| c.bytes).sum()
    }
}

/// Between two steps, however little they read.
const STEP_PAUSE: Duration = Duration::from_millis(20);

fn add(all: &mut VerifiedTable, mut found: VerifiedTable) {
    all.rows += found.rows;
    all.source_rows += found.source_rows;
    all.ranges += found.ranges;
    all.differing.append(&mut found.differing);
    all.named.append(&mut found.named);
}

fn told(found: &VerifiedTable) -> String {
    let ranges: Vec<String> = found
        .differing
        .iter()
        .map(|(partition, keys)| format!("partition {partition}, keys {keys}"))
        .collect();
    let row = |(_, key, how): &(u16, String, Difference)| format!("{key} {}", how.name());
    let rows: Vec<String> = found.named.iter().take(TOLD_MAX).map(row).collect();
    let more = found.named.len().saturating_sub(TOLD_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "{} differs from the source in {}: {}{more}",
        found.table,
        ranges.join("; "),
        rows.join(", ")
    )
}
