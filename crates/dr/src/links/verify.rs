//! `VERIFY DATABASE`: a standby compares what it has with its source, at one moment, by fingerprints
//! of key ranges; where they differ, by smaller ranges, and in the end row by row. Only fingerprints
//! travel, and the keys of ranges that differ.

use super::Links;
use super::promote::check_standby;
use crate::fingerprint::{self, Place, Sum};
use crate::json;
use crate::peer::{Peer, VerifyRequest};
use base::{Error, Result, SqlState, StorageId, TableDescriptor, Timestamp};
use bytes::Bytes;
use format::ColumnLayout;
use meta::{Command, HistoryRow};
use partition::PartitionHandle;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use txn::Database;

/// How long the standby is given to reach the source's present.
const REACH: Duration = Duration::from_secs(30);
/// A range of so many rows is compared row by row.
const SMALL: u64 = 4_096;
/// So many differing rows are named; the rest is counted by its ranges.
const NAMED_MAX: usize = 100;

/// How one row differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The source has it, the standby has not.
    Missing,
    /// The standby has it, the source has not.
    Extra,
    /// Both have it, with other contents.
    Other,
}

impl Difference {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Difference::Missing => "missing here",
            Difference::Extra => "not at the source",
            Difference::Other => "other than at the source",
        }
    }
}

/// What the comparison of one table came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VerifiedTable {
    /// Its name.
    pub table: String,
    /// Rows here.
    pub rows: u64,
    /// Rows at the source.
    pub source_rows: u64,
    /// How many key ranges were compared.
    pub ranges: u64,
    /// Those that differ: partition, and the keys where they begin and end, in hexadecimal.
    pub differing: Vec<(u16, String)>,
    /// Rows that differ, the first hundred of the database: partition, key, and how.
    pub named: Vec<(u16, String, Difference)>,
}

/// What a comparison came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Verification {
    /// The moment at which both sides were compared.
    pub at: Timestamp,
    /// Table by table; what belongs to the database itself first.
    pub tables: Vec<VerifiedTable>,
}

impl Verification {
    /// True if nothing differs.
    pub fn is_equal(&self) -> bool {
        self.tables.iter().all(|t| t.differing.is_empty())
    }

    fn text(&self) -> String {
        let rows: u64 = self.tables.iter().map(|t| t.rows).sum();
        let ranges: u64 = self.tables.iter().map(|t| t.ranges).sum();
        let what = format!("{} tables, {rows} rows, {ranges} key ranges", self.tables.len());
        if self.is_equal() {
            return format!("equal: {what}");
        }
        let differing = self.tables.iter().filter(|t| !t.differing.is_empty());
        let named: Vec<String> =
            differing.map(|t| format!("{} ({} ranges)", t.table, t.differing.len())).collect();
        format!("DIFFERENT: {} of {what}", named.join(", "))
    }
}

/// One comparison under way.
struct Comparison {
    database: Arc<Database>,
    peer: Arc<dyn Peer>,
    source: String,
    session: u64,
    at: Timestamp,
    named: usize,
}

impl Links {
    /// Compares a standby with its source, and notes the outcome in the history.
    ///
    /// # Errors
    /// 55000 if it is no standby that receives what its source has. Differences are no error.
    pub async fn verify(&self, name: &str, by: &str) -> Result<Verification> {
        let record = self.engine.record(name)?;
        check_standby(&record).map_err(|_| {
            let message = format!("database \"{name}\" is {} here", record.state.name());
            prerequisite(message).hint("a standby is verified: run the statement there")
        })?;
        let source = self.running(name)?.shared.link()?.source;
        let database = self.engine.database(name)?;
        // Keeps what is readable now readable, and so everything newer.
        let kept = database.snapshot()?;
        let peer = self.connect.connect(&source).await?;
        let begun = peer.verify(request(&source.database, 0)).await?;
        self.reach(&database, begun.at).await?;
        let catalog = database.catalog(begun.at).await?;
        let names: BTreeMap<StorageId, Arc<TableDescriptor>> =
            catalog.tables.values().map(|t| (t.storage, t.clone())).collect();
        let mut comparison = Comparison {
            database,
            peer,
            source: source.database,
            session: begun.session,
            at: begun.at,
            named: 0,
        };
        let mut tables = Vec::new();
        for (storage, columns) in fingerprint::layouts(&catalog) {
            let table = names.get(&storage);
            tables.push(comparison.table(storage, &columns, table).await?);
        }
        drop(kept);
        let last = VerifyRequest { done: true, ..request(&comparison.source, begun.session) };
        comparison.peer.verify(last).await?;
        let done = Verification { at: begun.at, tables };
        let row = HistoryRow::new(self.engine.env.clock.now_ms(), name, "verify", done.text());
        let row = row.by(Some(by.to_owned())).at(record.promotion_epoch, done.at);
        self.engine.meta.apply(Command::History(row))?;
        Ok(done)
    }

    async fn reach(&self, database: &Arc<Database>, at: Timestamp) -> Result<()> {
        let env = &self.engine.env;
        let end = env.clock.monotonic() + REACH;
        while database.replicated_time() < at {
            if env.clock.monotonic() >= end {
                let message = "the standby does not reach what its source has now";
                return Err(prerequisite(message).hint("look at SHOW REPLICATION STATUS"));
            }
            env.sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Comparison {
    async fn table(
        &mut self,
        storage: StorageId,
        columns: &[ColumnLayout],
        table: Option<&Arc<TableDescriptor>>,
    ) -> Result<VerifiedTable> {
        let mut found = VerifiedTable { table: title(storage, table), ..VerifiedTable::default() };
        let database = self.database.clone();
        for handle in database.partitions() {
            let (start, end) = format::key::range(storage);
            let mut open = vec![(0, Place { at: self.at, storage, start, end })];
            while let Some((depth, place)) = open.pop() {
                let parts = self.parts(handle, &place, columns, depth, &mut found).await?;
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
                        self.name_rows(handle, &part, columns, table, &mut found).await?;
                    }
                }
            }
        }
        Ok(found)
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
        let cuts = fingerprint::cuts(handle, place).await?;
        let here = fingerprint::sums(handle, place, columns, &cuts).await?;
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
        let starts = std::iter::once(&place.start).chain(&cuts);
        let ends = cuts.iter().chain(std::iter::once(&place.end));
        let parts = starts.zip(ends).zip(here.iter().zip(&there));
        let parts = parts.filter(|(_, (here, there))| here != there);
        let part = |((start, end), (here, there)): ((&Bytes, &Bytes), (&Sum, &Sum))| {
            let (start, end) = (start.clone(), end.clone());
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
        columns: &[ColumnLayout],
        table: Option<&Arc<TableDescriptor>>,
        found: &mut VerifiedTable,
    ) -> Result<()> {
        if self.named >= NAMED_MAX {
            return Ok(());
        }
        // Both sides stop after the same number, but not after the same rows: only of a range that
        // fits it can be said what is missing.
        let limit = SMALL as u32 * 4;
        let here = fingerprint::rows(handle, place, columns, limit as usize).await?;
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

fn hex(key: &[u8]) -> String {
    key.iter().map(|b| format!("{b:02x}")).collect()
}

fn prerequisite(message: impl Into<String>) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message.into())
}
