//! Transactions over several partitions that a crash left undecided.

use crate::database::Database;
use base::{Result, Timestamp, TxnId};
use partition::Resolution;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Decides every undecided transaction of a primary: committed if all participants have prepared
/// it (or one knows that it committed), aborted if one provably lacks it.
pub(crate) async fn resolve(database: &Arc<Database>) -> Result<()> {
    let mut undecided: BTreeMap<TxnId, Vec<u16>> = BTreeMap::new();
    for partition in database.local_partitions() {
        undecided.extend(partition.undecided());
    }
    for (txn, participants) in undecided {
        let decision = decision(database, txn, &participants).await?;
        tracing::info!(%txn, database = database.name(), committed = decision.is_some(),
            "decided a transaction that a crash left open");
        if let Some(ts) = decision {
            database.oracle.advance(ts);
        }
        for partition in &participants {
            database.partition(*partition)?.decide(txn, decision).await?;
        }
    }
    Ok(())
}

async fn decision(
    database: &Arc<Database>,
    txn: TxnId,
    participants: &[u16],
) -> Result<Option<Timestamp>> {
    let mut commit_ts = Timestamp::ZERO;
    let mut missing = false;
    for partition in participants {
        match database.partition(*partition)?.resolve(txn).await? {
            Resolution::Committed(ts) => return Ok(Some(ts)),
            Resolution::Aborted => return Ok(None),
            Resolution::Prepared(ts) => commit_ts = commit_ts.max(ts),
            Resolution::Absent => missing = true,
        }
    }
    Ok((!missing).then_some(commit_ts))
}
