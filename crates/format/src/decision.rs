//! What was decided about a diverged transaction: a row of [`StorageId::DECISIONS`], in partition 0.
//! `(1, 2 the transaction's halves, 3 what, 4 when, 5 who, 6 why, 7 forced)`, with the first two as
//! its key. It is part of the database's data, so it is as atomic with what a reapplied transaction
//! writes, as durable, and as far replicated as that is.

use crate::key;
use crate::layout::ColumnLayout;
use base::{Error, Result, Row, SqlType, StorageId, TxnId, Value};
use bytes::Bytes;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was applied again.
    Reapplied,
    /// It is of no interest any more.
    Dismissed,
}

impl Verdict {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Reapplied => "reapplied",
            Verdict::Dismissed => "dismissed",
        }
    }
}

/// A decision about a diverged transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What was decided.
    pub verdict: Verdict,
    /// When, in microseconds since 1970.
    pub at_micros: i64,
    /// By whom.
    pub who: String,
    /// Why.
    pub reason: Option<String>,
    /// Rows that had changed were overwritten.
    pub forced: bool,
}

/// The columns of [`StorageId::DECISIONS`].
pub fn layout() -> Vec<ColumnLayout> {
    [
        (1, SqlType::BigInt),
        (2, SqlType::BigInt),
        (3, SqlType::Text),
        (4, SqlType::TimestampTz),
        (5, SqlType::Text),
        (6, SqlType::Text),
        (7, SqlType::Bool),
    ]
    .map(|(id, ty)| ColumnLayout { id, ty, missing: Value::Null })
    .to_vec()
}

fn halves(txn: TxnId) -> [Value; 2] {
    [(txn.0 >> 64) as u64, txn.0 as u64].map(|half| Value::Int(half as i64))
}

/// The key of the decision about a transaction.
pub fn key(txn: TxnId) -> Bytes {
    key::encode(StorageId::DECISIONS, &halves(txn).each_ref())
}

impl Decision {
    /// As a row.
    pub fn encode(&self, txn: TxnId) -> Row {
        let [high, low] = halves(txn);
        let reason = self.reason.as_deref().map_or(Value::Null, |r| Value::Text(r.into()));
        vec![
            (1, high),
            (2, low),
            (3, Value::Text(self.verdict.name().into())),
            (4, Value::Micros(self.at_micros)),
            (5, Value::Text(self.who.as_str().into())),
            (6, reason),
            (7, Value::Bool(self.forced)),
        ]
    }

    /// From its row, with the transaction it is about.
    pub fn decode(row: &Row) -> Result<(TxnId, Decision)> {
        let value = |id: u32| row.iter().find(|(i, _)| *i == id).map(|(_, v)| v);
        let bad = || Error::corrupt("corrupt decision about a diverged transaction");
        let half = |id| match value(id) {
            Some(Value::Int(half)) => Ok(*half as u64),
            _ => Err(bad()),
        };
        let text = |id| match value(id) {
            Some(Value::Text(text)) => Some(text.to_string()),
            _ => None,
        };
        let verdict = [Verdict::Reapplied, Verdict::Dismissed]
            .into_iter()
            .find(|v| text(3).is_some_and(|name| name == v.name()));
        let Some(Value::Micros(at_micros)) = value(4) else { return Err(bad()) };
        let decision = Decision {
            verdict: verdict.ok_or_else(bad)?,
            at_micros: *at_micros,
            who: text(5).unwrap_or_default(),
            reason: text(6),
            forced: value(7) == Some(&Value::Bool(true)),
        };
        Ok((TxnId((u128::from(half(1)?) << 64) | u128::from(half(2)?)), decision))
    }
}
