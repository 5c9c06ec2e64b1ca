//! A comparison of key ranges with the source, at one moment.

use super::{Difference, VerifiedTable, hex, prerequisite};
use crate::fingerprint::{self, Contents, PARTS, Place, Sum};
use crate::json;
use crate::links::Links;
use crate::peer::{Peer, VerifyRequest};
use base::{Catalog, Epoch, Error, Result, SqlState, StorageId, TableDescriptor, Timestamp};
use bytes::Bytes;
use format::ColumnLayout;
use meta::DatabaseState;
use partition::PartitionHandle;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use txn::{Database, Snapshot};

/// How long the standby is given to reach the source's present.
const REACH: Duration = Duration::from_secs(30);
/// A range of so many rows is compared row by row.
const SMALL: u64 = 4_096;
/// So many differing rows are named; the rest is counted by its ranges.
const NAMED_MAX: usize = 100;

/// One comparison under way. While it lives, both sides keep the row versions of its moment.
pub(super) struct Comparison {
    database: Arc<Database>,
    peer: Arc<dyn Peer>,
    source: String,
    session: u64,
    at: Timestamp,
    catalog: Arc<Catalog>,
    /// The source tells of index entries too.
    indexes: bool,
    named: usize,
    epoch: Epoch,
    _kept: Arc<Snapshot>,
}

/// A key space that is compared.
#[derive(Clone, Debug)]
pub(super) struct Space {
    pub storage: StorageId,
    columns: Vec<ColumnLayout>,
    title: String,
    table: Option<Arc<TableDescriptor>>,
}

impl Space {
    /// Nothing found yet.
    pub fn found(&self) -> VerifiedTable {
        VerifiedTable { table: self.title.clone(), ..VerifiedTable::default() }
    }
}

impl Comparison {
    /// Agrees with the source on its present, and waits until the standby has reached it.
    pub async fn begin(links: &Links, name: &str) -> Result<Comparison> {
        let source = links.running(name)?.shared.link()?.source;
        let database = links.engine.database(name)?;
        // Keeps what is readable now readable, and so everything newer.
        let kept = database.snapshot()?;
        let epoch = database.promotion_epoch();
        let peer = links.connect.connect(&source).await?;
        let begun = peer.verify(request(&source.database, 0)).await?;
        let env = &links.engine.env;
        let end = env.clock.monotonic() + REACH;
        while database.replicated_time() < begun.at {
            if env.clock.monotonic() >= end {
                let message = "the standby does not reach what its source has now";
                return Err(prerequisite(message).hint("look at SHOW REPLICATION STATUS"));
            }
            env.sleep(Duration::from_millis(20)).await;
        }
        let catalog = database.catalog(begun.at).await?;
        Ok(Comparison {
            database,
            peer,
            source: source.database,
            session: begun.session,
            at: begun.at,
            catalog,
            indexes: begun.indexes,
            named: 0,
            epoch,
            _kept: kept,
        })
    }

    /// Lets the source forget it; the moment it was about.
    pub async fn end(self) -> Result<Timestamp> {
        let last = VerifyRequest { done: true, ..request(&self.source, self.session) };
        self.peer.verify(last).await?;
        Ok(self.at)
    }

    /// The moment.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// All partitions.
    pub fn partitions(&self) -> Vec<Arc<dyn PartitionHandle>> {
        self.database.partitions().to_vec()
    }

    /// All key spaces; those of the database itself first.
    pub fn spaces(&self) -> Vec<Space> {
        let tables = self.catalog.tables.values();
        let known: BTreeMap<StorageId, &Arc<TableDescriptor>> =
            tables.clone().map(|t| (t.storage, t)).collect();
        let indexes: BTreeMap<StorageId, String> = tables
            .clone()
            .flat_map(|t| t.indexes.iter().map(|i| (i.storage, format!("{}.{}", t.name, i.name))))
            .collect();
        let wanted = |storage: &StorageId| self.indexes || !storage.is_index();
        let spaces = fingerprint::layouts(tables).into_iter().filter(|(s, _)| wanted(s));
        let space = |(storage, columns)| {
            let table = known.get(&storage).map(|t| Arc::clone(t));
            let title = match indexes.get(&storage) {
                Some(index) => format!("(index {index})"),
                None => title(storage, table.as_ref()),
            };
            Space { storage, columns, title, table }
        };
        spaces.map(space).collect()
    }

    /// Compares a range; where it differs, smaller ones, and in the end row by row.
    pub async fn range(
        &mut self,
        handle: &Arc<dyn PartitionHandle>,
        space: &Space,
        (start, end): (Bytes, Bytes),
        found: &mut VerifiedTable,
    ) -> Result<()> {
        let whole = Place { at: self.at, storage: space.storage, start, end };
        let mut open = vec![(0, whole)];
        while let Some((depth, place)) = open.pop() {
            let parts = self.parts(handle, &place, &space.columns, depth, found).await?;
            for (part, most) in parts {
                if depth == 0 {
                    let keys = format!("{} to {}", hex(&part.start), hex(&part.end));
                    found.differing.push((handle.index(), keys));
                }
                // A part that could not be made smaller is looked at as it is.
                let smaller = (&part.start, &part.end) != (&place.start, &place.end);
                if most > SMALL && smaller {
                    open.push((depth + 1, part));
                } else {
                    self.name_rows(handle, &part, space, found).await?;
                }
            }
        }
        if found.differing.is_empty() { Ok(()) } else { self.check() }
    }

    /// A difference means nothing if this was promoted, or has begun to go back, meanwhile.
    fn check(&self) -> Result<()> {
        let same = self.database.promotion_epoch() == self.epoch;
        if same && self.database.state() == DatabaseState::Standby {
            return Ok(());
        }
        Err(prerequisite("the database has taken another role while it was compared"))
    }

    /// The parts of a range that differ, with the number of rows on the side that has more.
    async fn parts(
        &self,
        handle: &Arc<dyn PartitionHandle>,
        place: &Place,
        columns: &[ColumnLayout],
        depth: usize,
        found: &mut VerifiedTable,
    ) -> Result<Vec<(Place, u64)>> {
        let contents = Contents::Readable(handle.clone());
        let cuts = fingerprint::cuts(&contents, place, PARTS).await?;
        let here = fingerprint::sums(&contents, place, columns, &cuts).await?;
        let asked = VerifyRequest { cuts: cuts.clone(), ..self.ask(handle, place) };
        let there = self.peer.verify(asked).await?.sums;
        if there.len() != here.len() {
            let message = "the source answered with other key ranges than it was asked for";
            return Err(Error::new(SqlState::PROTOCOL_VIOLATION, message));
        }
        if depth == 0 {
            let rows = |sums: &[Sum]| sums.iter().map(|s| s.rows).sum::<u64>();
            found.rows += rows(&here);
            found.source_rows += rows(&there);
            found.ranges += here.len() as u64;
        }
        let parts = fingerprint::parts((&place.start, &place.end), &cuts);
        let parts = parts.zip(here.iter().zip(&there)).filter(|(_, (here, there))| here != there);
        let part = |((start, end), (here, there)): ((Bytes, Bytes), (&Sum, &Sum))| {
            (Place { start, end, ..place.clone() }, here.rows.max(there.rows))
        };
        Ok(parts.map(part).collect())
    }

    fn ask(&self, handle: &Arc<dyn PartitionHandle>, place: &Place) -> VerifyRequest {
        VerifyRequest {
            partition: handle.index(),
            storage: place.storage,
            range: (place.start.clone(), place.end.clone()),
            ..request(&self.source, self.session)
        }
    }

    async fn name_rows(
        &mut self,
        handle: &Arc<dyn PartitionHandle>,
        place: &Place,
        space: &Space,
        found: &mut VerifiedTable,
    ) -> Result<()> {
        let (columns, table) = (&space.columns, space.table.as_ref());
        if self.named >= NAMED_MAX {
            return Ok(());
        }
        // Both sides stop after the same number, but not after the same rows: only of a range that
        // fits it can be said what is missing.
        let limit = SMALL as u32 * 4;
        let contents = Contents::Readable(handle.clone());
        let here = fingerprint::rows(&contents, place, columns, limit as usize).await?;
        let asked = VerifyRequest { rows: limit, ..self.ask(handle, place) };
        let there: BTreeMap<Bytes, u64> = self.peer.verify(asked).await?.rows.into_iter().collect();
        let whole = here.len() < limit as usize && there.len() < limit as usize;
        let mut differ: Vec<(&Bytes, Difference)> = Vec::new();
        for (key, hash) in &here {
            match there.get(key) {
                Some(theirs) if theirs == hash => {}
                Some(_) => differ.push((key, Difference::Other)),
                None if whole => differ.push((key, Difference::Extra)),
                None => {}
            }
        }
        if whole {
            let missing = there.keys().filter(|key| !here.contains_key(*key));
            differ.extend(missing.map(|key| (key, Difference::Missing)));
        }
        for (key, how) in differ.into_iter().take(NAMED_MAX - self.named) {
            let shown = table.map_or_else(|| json::unknown_key(key), |t| json::key(t, key));
            found.named.push((handle.index(), shown, how));
            self.named += 1;
        }
        Ok(())
    }
}

fn title(storage: StorageId, table: Option<&Arc<TableDescriptor>>) -> String {
    match (storage, table) {
        (StorageId::CATALOG, _) => "(schema)".to_owned(),
        (StorageId::SEQUENCES, _) => "(sequences)".to_owned(),
        (StorageId::DECISIONS, _) => "(decisions)".to_owned(),
        (_, Some(t)) if t.schema == "public" => t.name.clone(),
        (_, Some(t)) => format!("{}.{}", t.schema, t.name),
        (other, None) => format!("(storage {other})"),
    }
}

fn request(database: &str, session: u64) -> VerifyRequest {
    VerifyRequest {
        database: database.to_owned(),
        session,
        partition: 0,
        storage: StorageId::CATALOG,
        range: (Bytes::new(), Bytes::new()),
        cuts: Vec::new(),
        rows: 0,
        done: false,
    }
}
