//! Sequences inside a transaction: definitions, and the states that only it can see so far.

use super::SequenceHandle;
use super::run::{fresh, reserve};
use crate::transaction::Transaction;
use base::{Error, Result, SequenceDescriptor, SqlState, TableId};
use format::sequence::{self, SequenceState, state_key};
use partition::{LockMode, LockWait};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a transaction knows of sequences. It lies beside the write set, because values that were
/// handed out stay so whatever is rolled back.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// Generations that this transaction has made.
    pub states: BTreeMap<(TableId, u32), SequenceState>,
    /// Sequences it has used, which it keeps from being changed until its end.
    pub used: BTreeMap<TableId, Arc<SequenceDescriptor>>,
}

impl Own {
    /// The next values of a generation made here.
    pub fn next(&mut self, s: &SequenceDescriptor, count: usize) -> Result<Option<Vec<i64>>> {
        let Some(state) = self.states.get_mut(&(s.id, s.generation)) else { return Ok(None) };
        let mut values = Vec::with_capacity(count);
        while values.len() < count {
            let (mut run, after) = reserve(s, state, (count - values.len()) as u64)?;
            values.extend(run.take(u64::MAX));
            *state = after;
        }
        Ok(Some(values))
    }

    /// Moves a generation made here.
    pub fn set(&mut self, s: &SequenceDescriptor, (last, called): (i64, bool)) -> bool {
        match self.states.get_mut(&(s.id, s.generation)) {
            Some(state) => *state = SequenceState { last, called, ..*state },
            None => return false,
        }
        true
    }

    /// Where a generation made here stands.
    pub fn shown(&self, s: &SequenceDescriptor) -> Option<(i64, bool)> {
        self.states.get(&(s.id, s.generation)).map(|state| (state.last, state.called))
    }
}

impl Transaction {
    /// Hands out values in this transaction, also while a query of it is running.
    pub fn sequences(&mut self, wait: LockWait) -> Result<SequenceHandle> {
        // Where the locks will be: its end releases them.
        self.locked.insert(0);
        let mut changed = BTreeMap::new();
        if self.writes.schema_changes() > 0 {
            let (start, end) = format::key::range(base::StorageId::CATALOG);
            for (key, pending) in self.writes.range(0, &start, &end) {
                let id = match format::key::decode(&key, &[base::SqlType::BigInt])?.as_slice() {
                    [base::Value::Int(id)] => TableId(u32::try_from(*id).unwrap_or_default()),
                    _ => continue,
                };
                let row = pending.row.as_ref().map(|row| format::row::decode(row)).transpose()?;
                let found = row.filter(sequence::is_descriptor);
                let found = found.map(|row| sequence::decode(&row).map(Arc::new)).transpose()?;
                changed.insert(id, found);
            }
        }
        Ok(SequenceHandle {
            database: self.database.clone(),
            txn: self.id,
            wait,
            own: Arc::downgrade(&self.own),
            changed,
        })
    }

    /// Adds or changes a sequence. With `at` its present generation is new and stands there: the
    /// last value and whether it was handed out.
    ///
    /// # Errors
    /// 42P07 if a table or another sequence has the name.
    pub async fn put_sequence(
        &mut self,
        s: &SequenceDescriptor,
        at: Option<(i64, bool)>,
    ) -> Result<()> {
        self.begin_ddl().await?;
        self.check_name(&s.schema, &s.name, s.id).await?;
        let row = format::row::encode(&sequence::encode(s));
        self.put_descriptor(s.id, Some(row)).await?;
        if let Some((last, called)) = at {
            let epoch = self.database.promotion_epoch();
            let state = SequenceState { last, called, ..fresh(s.start, epoch) };
            self.put_state(s.id, s.generation, Some(&state))?;
            self.own.lock().states.insert((s.id, s.generation), state);
        }
        Ok(())
    }

    /// Gives a generation up that another one has replaced.
    pub async fn retire_sequence(&mut self, s: &SequenceDescriptor) -> Result<()> {
        let key = (0, state_key(s.id, s.generation));
        let wanted = std::slice::from_ref(&key);
        self.lock(wanted, LockMode::Exclusive, LockWait::Block(None)).await?;
        self.latest(wanted).await?;
        self.put_state(s.id, s.generation, None)
    }

    /// Removes a sequence.
    pub async fn drop_sequence(&mut self, s: &SequenceDescriptor) -> Result<()> {
        self.begin_ddl().await?;
        self.put_descriptor(s.id, None).await?;
        self.forget_access(s.id).await?;
        self.retire_sequence(s).await
    }

    /// Where exactly a sequence stands that this transaction has locked for a change.
    pub async fn sequence_position(&mut self, s: &SequenceDescriptor) -> Result<(i64, bool)> {
        let own = self.own.lock().shown(s);
        match own {
            Some(at) => Ok(at),
            None => self.database.open_sequence(s).settle(&self.database, s).await,
        }
    }

    /// Where a sequence stands and how many values are reserved beyond that, for people.
    pub async fn sequence_shown(&mut self, s: &SequenceDescriptor) -> Result<((i64, bool), u64)> {
        let own = self.own.lock().shown(s);
        if let Some(at) = own {
            return Ok((at, 0));
        }
        if let Some(shown) = self.database.open_sequence(s).shown() {
            return Ok(shown);
        }
        let key = state_key(s.id, s.generation);
        let row = self.view()?.get(0, vec![key]).await?.pop().flatten().ok_or_else(|| {
            let message = format!("relation \"{}\" does not exist", s.name);
            Error::new(SqlState::UNDEFINED_TABLE, message)
        })?;
        let state = SequenceState::decode(&format::row::decode(&row.row)?)?;
        Ok(((state.last, state.called), 0))
    }

    /// Puts where its own sequences have come to into the write set, before it commits.
    pub(crate) fn settle_sequences(&mut self) -> Result<()> {
        let states: Vec<((TableId, u32), SequenceState)> =
            self.own.lock().states.iter().map(|(at, state)| (*at, *state)).collect();
        for ((id, generation), state) in states {
            let there = self.writes.get(0, &state_key(id, generation));
            // Rolled back to a savepoint, or replaced.
            if there.is_some_and(|pending| pending.row.is_some()) {
                self.put_state(id, generation, Some(&state))?;
            }
        }
        Ok(())
    }

    fn put_state(
        &mut self,
        id: TableId,
        generation: u32,
        state: Option<&SequenceState>,
    ) -> Result<()> {
        let row = state.map(|state| format::row::encode(&state.encode(id, generation)));
        self.write(0, state_key(id, generation), row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Epoch, SqlType};

    #[test]
    fn values_of_an_own_sequence_go_on_until_they_end() {
        let s = SequenceDescriptor {
            id: TableId(1),
            schema: "public".into(),
            name: "s".into(),
            ty: SqlType::BigInt,
            start: 1,
            increment: 1,
            min: 1,
            max: 3,
            cache: 1,
            cycle: true,
            owner: None,
            generation: 1,
            version: 1,
        };
        let mut own = Own::default();
        assert_eq!(own.next(&s, 1).expect("nothing of it here"), None);
        own.states.insert((s.id, 1), fresh(1, Epoch::default()));
        assert_eq!(own.next(&s, 5).expect("values"), Some(vec![1, 2, 3, 1, 2]));
        assert!(own.set(&s, (3, false)));
        assert_eq!(own.next(&s, 1).expect("a value"), Some(vec![3]));
        let once = SequenceDescriptor { cycle: false, ..s };
        let state = own.next(&once, 1).expect_err("the end").state;
        assert_eq!(state, SqlState::SEQUENCE_GENERATOR_LIMIT_EXCEEDED);
    }
}
