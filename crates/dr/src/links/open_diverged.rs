//! `OPEN DIVERGED … AS DATABASE`: a read-only database with what a lost primary had at its end, as
//! far as its vault has come here: the state at the fork, which both sides had, and on top of it every
//! transaction that only the lost side had.
//!
//! It is a branch at the fork's cut (see [`txn::Engine::branch`]), into which the last version of
//! every diverged row is written before anybody can open it. Where a diverged transaction has changed
//! a table's definition, the indexes of that table are marked as not valid: what they held then is
//! not in the vault, and nobody reads them.

mod fill;

use self::fill::fill;
use super::Links;
use crate::json;
use crate::vault::DivergedTransaction;
use base::{Epoch, Error, Lsn, Result, SqlState, Timestamp};
use format::record::Record;
use meta::{Gate, Purpose};
use std::sync::Arc;
use txn::{BranchOrder, Database};

/// What was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedDiverged {
    /// The fork: what both sides had.
    pub cut: Timestamp,
    /// The transactions that only the lost side had, and that are shown.
    pub transactions: usize,
    /// Those that are not: parts of them are missing, or their outcome is not known.
    pub left_out: usize,
    /// The rows in which the two sides differ.
    pub rows: usize,
    /// Indexes that are not valid.
    pub indexes: usize,
}

/// A fork, and what is on its abandoned side.
struct Stranded {
    cut: Timestamp,
    transactions: Vec<DivergedTransaction>,
    left_out: usize,
}

impl Links {
    /// Opens what diverged at the newest fork of a database, as a new read-only one.
    ///
    /// # Errors
    /// 55000 if nothing has diverged, 72000 if what both sides had at the fork is no longer kept here,
    /// 42P04 if the name is taken.
    pub async fn open_diverged(
        &self,
        source: &str,
        name: &str,
        by: &str,
    ) -> Result<OpenedDiverged> {
        let (links, source) = (self.this()?, source.to_owned());
        let (name, by) = (name.to_owned(), by.to_owned());
        self.apart("open diverged", async move {
            let stranded = links.newest_fork(&source).await?;
            // Rows without a primary key are numbered by time: new ones come after these.
            let newest = stranded.transactions.iter().map(|t| t.commit_ts).max();
            links.engine.oracle.advance(newest.unwrap_or_default());
            let order = BranchOrder {
                source: source.clone(),
                name,
                at: Some(stranded.cut),
                purpose: Purpose::Diverged,
                by: Some(by.clone()),
            };
            let begun = links.engine.begin_branch(order).await;
            let begun = begun.map_err(|e| not_kept(e, &source, stranded.cut))?;
            let database = links.engine.open_branch(&begun).await;
            let filled = match &database {
                Ok(database) => fill(database, &stranded).await,
                Err(error) => Err(error.clone()),
            };
            let (opened, database) = match (filled, database) {
                (Ok(opened), Ok(database)) => (opened, database),
                (Err(error), _) | (_, Err(error)) => {
                    return Err(links.engine.abandon_branch(begun, error).await);
                }
            };
            let gate = links.show_only(&source, stranded.cut, &by);
            links.engine.finish_branch(begun, database, Some(gate), Some(by)).await?;
            Ok(opened)
        })
        .await
    }

    fn show_only(&self, source: &str, cut: Timestamp, by: &str) -> Gate {
        Gate {
            reason: format!(
                "it shows what the lost primary of \"{source}\" had beyond {}, and is not changed",
                json::moment(cut)
            ),
            owner: by.to_owned(),
            at_ms: self.engine.env.clock.now_ms(),
            expires_ms: None,
            queues: false,
        }
    }

    /// What is in the vault of the newest fork.
    async fn newest_fork(&self, name: &str) -> Result<Stranded> {
        let database = self.engine.database(name)?;
        let all = self.diverged(name)?;
        let history = database.local_partitions().first().map(|p| p.history()).unwrap_or_default();
        // The epoch that has taken the place of the one in which something was written.
        let after = |epoch: Epoch| history.0.iter().find(|(later, _)| *later > epoch).copied();
        let epoch = |t: &DivergedTransaction| t.parts.iter().map(|p| p.epoch).max();
        let fork = |t: &DivergedTransaction| epoch(t).and_then(after);
        let Some((epoch, first)) = all.iter().filter_map(fork).max() else {
            let message = format!("database \"{name}\" has no diverged transactions");
            return Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message));
        };
        let cut = self.fork_cut(&database, epoch, first).await?;
        let here = all.into_iter().filter(|t| fork(t) == Some((epoch, first)));
        let (transactions, left_out): (Vec<_>, Vec<_>) =
            here.partition(|t| t.complete && t.decided);
        Ok(Stranded { cut, transactions, left_out: left_out.len() })
    }

    /// The cut with which an epoch began: from the log, or else from the metadata.
    async fn fork_cut(
        &self,
        database: &Arc<Database>,
        epoch: Epoch,
        first: Lsn,
    ) -> Result<Timestamp> {
        let partition = database.local_partitions().first().cloned();
        let look = move || -> Result<Option<Timestamp>> {
            let Some(partition) = partition.filter(|p| p.first() <= first) else { return Ok(None) };
            let frame = partition.read_frames(first, 1)?.into_iter().next();
            let record = frame.map(|f| Record::decode(f.kind, &f.payload)).transpose()?;
            Ok(match record {
                Some(Record::EpochStart { cut, .. }) => Some(cut),
                _ => None,
            })
        };
        let read = self.engine.env.blocking(look).await;
        if let Some(cut) = read.unwrap_or_else(|| Err(Error::internal("reading the log failed")))? {
            return Ok(cut);
        }
        let noted = self.engine.meta.read(|s| {
            let promoted = s.database(database.name()).and_then(|d| d.promotion.clone());
            let told = s.history.iter().rev().find(|row| {
                row.kind == "promote" && row.epoch == Some(epoch) && row.database == database.name()
            });
            let promoted = promoted.filter(|p| p.epoch == epoch).map(|p| p.cut);
            promoted.or_else(|| told.and_then(|row| row.cut))
        });
        noted.ok_or_else(|| {
            let message = format!("where epoch {epoch} has begun is no longer known here");
            Error::new(SqlState::SNAPSHOT_TOO_OLD, message)
                .hint("information_schema.diverged_rows has the rows, before and after")
        })
    }
}

fn not_kept(error: Error, source: &str, cut: Timestamp) -> Error {
    if error.state != SqlState::SNAPSHOT_TOO_OLD {
        return error;
    }
    let message = format!(
        "what both sides of \"{source}\" had at the fork ({}) is no longer kept here",
        json::moment(cut)
    );
    let error = error.into_report();
    let kept = error.detail.unwrap_or(error.message);
    Error::new(SqlState::SNAPSHOT_TOO_OLD, message)
        .detail(format!("Of this copy, {kept}. The diverged rows themselves are not lost."))
        .hint(
            "information_schema.diverged_rows has them, before and after. To be able to open them \
             as a database, ALTER DATABASE … SET version_retention to more than the outage before \
             REPLICATE DATABASE … WITH FORCE DIFFERENTIAL",
        )
}
