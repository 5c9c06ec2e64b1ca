//! `VERIFY DATABASE`: a standby compares what it has with its source, at one moment, by fingerprints
//! of key ranges; where they differ, by smaller ranges, and in the end row by row. Only fingerprints
//! travel, and the keys of ranges that differ.

mod comparison;
mod rolling;

use self::comparison::Comparison;
use super::Links;
use super::promote::check_standby;
use crate::fingerprint;
use base::{Error, Result, SqlState, Timestamp};
use meta::{Command, Database as Record, HistoryRow, Verified};

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

    fn outcome(&self, at_ms: u64) -> Verified {
        Verified {
            at_ms,
            cut: self.at,
            rows: self.tables.iter().map(|t| t.rows).sum(),
            differing: self.tables.iter().map(|t| t.differing.len() as u64).sum(),
        }
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
        let mut comparison = Comparison::begin(self, name).await?;
        let mut tables = Vec::new();
        for space in comparison.spaces() {
            let mut found = space.found();
            for handle in comparison.partitions() {
                let (start, end) = fingerprint::shared_range(space.storage, record.own_rights);
                comparison.range(&handle, &space, (start, end), &mut found).await?;
            }
            tables.push(found);
        }
        let done = Verification { at: comparison.end().await?, tables };
        self.note_verified(&record, &done, by)?;
        Ok(done)
    }

    fn note_verified(&self, record: &Record, done: &Verification, by: &str) -> Result<()> {
        let at_ms = self.engine.env.clock.now_ms();
        let row = HistoryRow::new(at_ms, record.name.as_str(), "verify", done.text());
        let row = row.by(Some(by.to_owned())).at(record.promotion_epoch, done.at);
        let (database, verified) = (record.id, done.outcome(at_ms));
        let both = vec![Command::LinkVerified { database, verified }, Command::History(row)];
        self.engine.meta.apply(Command::Batch(both)).map(drop)
    }
}

fn hex(key: &[u8]) -> String {
    key.iter().map(|b| format!("{b:02x}")).collect()
}

fn prerequisite(message: impl Into<String>) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message.into())
}
