//! What `REPLICATE DATABASE` would do, for a first copy and for a database that comes back.

use super::{Kind, Lines};
use crate::links::failover::{Counted, count};
use crate::links::{Links, ReplicateRequest};
use crate::peer::{CompareRequest, Compared};
use base::{Error, Lsn, Result, SqlState, Timestamp};
use meta::{Database as Record, DatabaseState};

/// What a range that is compared by content takes in chunks, about.
const RANGE_BYTES: u64 = 2 << 20;
/// What its fingerprint takes on the way.
const RANGE_COST: u64 = 200;

impl Links {
    async fn compared(&self, request: &ReplicateRequest, with: bool) -> Result<Compared> {
        let source = request.source();
        let peer = self.connect.connect(&source).await?;
        let mut partitions = Vec::new();
        if with {
            let database = self.engine.database(&request.database)?;
            let have = database.local_partitions().iter();
            partitions = have.map(|p| (p.end(), p.history())).collect();
        }
        peer.compare(CompareRequest { database: source.database, partitions }).await
    }

    pub(super) async fn explain_copy(
        &self,
        request: &ReplicateRequest,
        lines: &mut Lines,
    ) -> Result<()> {
        if self.engine.record(&request.database).is_ok() {
            let message = format!("database \"{}\" already exists", request.database);
            lines.blocker(&Error::new(SqlState::DUPLICATE_DATABASE, message));
        }
        match self.at_once(self.compared(request, false)).await {
            Err(error) => lines.blocker(&error),
            Ok(there) => {
                self.check_cluster(&there, lines);
                let bytes = there.partitions.iter().map(|p| p.bytes).sum();
                lines.figure(Kind::Estimate, "bytes to copy", bytes, "about, before compression");
                let n = there.partitions.len() as u64;
                lines.figure(Kind::Estimate, "partitions", n, "");
            }
        }
        lines.step("the source keeps its log from now on for this target");
        lines.step("copy what it has, while it takes writes");
        lines.step("follow its log, readable here from then on");
        lines.figure(Kind::Loss, "transactions", 0, "nothing here is touched");
        Ok(())
    }

    pub(super) async fn explain_come_back(
        &self,
        request: &ReplicateRequest,
        lines: &mut Lines,
    ) -> Result<()> {
        let record = self.engine.record(&request.database)?;
        if record.state == DatabaseState::Copying {
            let message = format!("the first copy of database \"{}\" is not complete", record.name);
            lines.blocker(&Error::new(SqlState::OBJECT_IN_USE, message));
        }
        match self.at_once(self.compared(request, true)).await {
            Err(error) => lines.blocker(&error),
            Ok(there) => self.way_back(&record, &there, lines).await?,
        }
        Ok(())
    }

    async fn way_back(&self, record: &Record, there: &Compared, lines: &mut Lines) -> Result<()> {
        self.check_cluster(there, lines);
        let now = record.link.as_ref().filter(|link| link.source_cluster == there.cluster);
        if now.is_some_and(|link| link.differential) {
            let message = format!("database \"{}\" is replicating from there already", record.name);
            lines.blocker(&Error::new(SqlState::OBJECT_IN_USE, message));
        }
        let blocker =
            |message: String| Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message);
        if there.line != record.line {
            let message =
                format!("source ({}) and target ({}) share no history", there.line, record.line);
            lines.blocker(&blocker(message));
            return Ok(());
        }
        if there.promotion_epoch < record.promotion_epoch {
            lines.blocker(&blocker(format!(
                "the source is stale: its epoch {} is below {}",
                there.promotion_epoch, record.promotion_epoch
            )));
        }
        if there.partitions.len() != record.partitions.len() {
            lines.blocker(&blocker("the numbers of partitions differ".to_owned()));
            return Ok(());
        }
        match record.state {
            DatabaseState::Standby => lines.step("follow the present source no more"),
            _ => lines.step("no more reads and writes here"),
        }
        lines.step("keep what the source never saw in the vault, here and there");
        self.difference(record, there, lines).await
    }

    /// What would be taken out here, and what would come.
    async fn difference(&self, record: &Record, there: &Compared, lines: &mut Lines) -> Result<()> {
        let database = self.engine.database(&record.name)?;
        let mut seen = Counted::new();
        let (mut gone, mut full, mut told) = (None, None, true);
        let mut records = 0;
        for (partition, p) in database.local_partitions().iter().zip(&there.partitions) {
            let cut = p.cut.unwrap_or(Timestamp::MAX);
            count(&mut seen, partition.beyond(p.common, cut).await?);
            records += p.end.0.saturating_sub(p.common.0);
            let n = partition.number();
            told &= partition.reaches_back(p.common, cut);
            if p.common == Lsn::ZERO && partition.end() > Lsn::ZERO {
                full = Some(format!("the logs have no common point (partition {n})"));
            } else if !p.logged {
                gone = Some(format!("the source's log no longer reaches back (partition {n})"));
            } else if !partition.reaches_back(p.common, cut) {
                gone = Some(format!("what is here does not reach back to the cut (partition {n})"));
            }
        }
        let bytes: u64 = there.partitions.iter().map(|p| p.bytes).sum();
        match (full, gone) {
            (Some(reason), _) => {
                lines.step(format!("full copy, of everything: {reason}"));
                lines.figure(Kind::Estimate, "bytes to copy", bytes, "about, before compression");
            }
            (None, Some(reason)) => {
                lines.step(format!("by content: {reason}; only rows that differ travel"));
                let least = (bytes / RANGE_BYTES + there.partitions.len() as u64) * RANGE_COST;
                let note = "fingerprints; then the rows that differ";
                lines.figure(Kind::Estimate, "bytes to ship at least", least, note);
                lines.figure(Kind::Estimate, "bytes to read on each side", bytes, "about");
                let note = "about, beside what is here, until it is complete";
                lines.figure(Kind::Estimate, "bytes of disk", bytes, note);
            }
            (None, None) => {
                lines.step("by log: go back to the last common point");
                lines.figure(Kind::Estimate, "records to receive", records, "the difference only");
            }
        }
        lines.step("follow the source's log, readable here from then on");
        let rows: u64 = seen.values().map(|(rows, _)| *rows).sum();
        let rest = if told { "" } else { "; at least: the log here does not tell all" };
        let note = format!("({rows} rows) taken out here and kept in the vault{rest}");
        lines.figure(Kind::Loss, "transactions", seen.len() as u64, &note);
        lines.figure(Kind::Loss, "rows", rows, "");
        if let Some(oldest) = seen.values().map(|(_, ts)| *ts).min() {
            lines.moment(Kind::Loss, "oldest commit", oldest, " of these");
        }
        Ok(())
    }

    fn check_cluster(&self, there: &Compared, lines: &mut Lines) {
        if there.cluster == self.engine.cluster() {
            let message = format!("source and target both have cluster id {}", there.cluster);
            lines.blocker(&Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        }
    }
}
