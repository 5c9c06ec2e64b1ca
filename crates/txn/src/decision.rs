//! Decisions about diverged transactions: rows of the database itself.

use crate::transaction::Transaction;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use base::{Error, Result, Row, StorageId, Timestamp, TxnId, Value};
use format::decision::{self, Decision};
use futures::TryStreamExt;
use partition::{LockMode, LockWait};
use state::ScanSpec;
use std::collections::BTreeMap;

impl Transaction {
    /// What was decided about a diverged transaction, as it is now; nobody else decides until this
    /// transaction ends.
    pub async fn decision(&mut self, about: TxnId, wait: LockWait) -> Result<Option<Decision>> {
        self.begin_writing().await?;
        let place = [(0, decision::key(about))];
        self.lock(&place, LockMode::Exclusive, wait).await?;
        match self.latest(&place).await?.into_iter().next().flatten() {
            Some(row) => Ok(Some(Decision::decode(&format::row::decode(&row.row)?)?.1)),
            None => Ok(None),
        }
    }

    /// Decides. After [`Transaction::decision`].
    pub fn decide(&mut self, about: TxnId, decision: &Decision) -> Result<()> {
        let row = format::row::encode(&decision.encode(about));
        self.write(0, decision::key(about), Some(row))
    }

    /// All decisions at the statement's snapshot.
    pub async fn decisions(&self) -> Result<BTreeMap<TxnId, Decision>> {
        let (start, end) = format::key::range(StorageId::DECISIONS);
        let spec = ScanSpec {
            storage: StorageId::DECISIONS,
            start,
            end,
            ts: Timestamp::ZERO,
            columns: decision::layout(),
            with_key: false,
            batch_rows: 1024,
            limit: None,
        };
        let batches: Vec<RecordBatch> = self.view()?.scan(0, spec).await?.try_collect().await?;
        batches.iter().flat_map(rows).collect()
    }
}

fn rows(batch: &RecordBatch) -> Vec<Result<(TxnId, Decision)>> {
    (0..batch.num_rows()).map(|i| one(batch, i)).collect()
}

fn one(batch: &RecordBatch, i: usize) -> Result<(TxnId, Decision)> {
    let other = || Error::internal("decisions have other columns than expected");
    let int = |column: usize| {
        let ints = batch.column(column).as_primitive_opt::<Int64Type>().ok_or_else(other)?;
        Ok::<_, Error>(Value::Int(ints.value(i)))
    };
    let text = |column: usize| {
        let texts = batch.column(column).as_string_opt::<i32>().ok_or_else(other)?;
        Ok::<_, Error>(match texts.is_null(i) {
            true => Value::Null,
            false => Value::Text(texts.value(i).into()),
        })
    };
    let times = batch.column(3).as_primitive_opt::<TimestampMicrosecondType>();
    let forced = batch.column(6).as_boolean_opt().ok_or_else(other)?;
    let row: Row = vec![
        (1, int(0)?),
        (2, int(1)?),
        (3, text(2)?),
        (4, Value::Micros(times.ok_or_else(other)?.value(i))),
        (5, text(4)?),
        (6, text(5)?),
        (7, Value::Bool(forced.value(i))),
    ];
    Decision::decode(&row)
}
