//! Where diverged transactions are kept, per database: `vault/parts`, append-only.
//!
//! ```text
//!   record   u32 length of body │ u32 crc32c of kind and body │ u8 kind │ body
//!   kind 1   body = format::vault::DivergedPart
//!   kind 2   body = transaction (16) │ partition u16: this incomplete part never committed, or a log
//!            has told all that this part told by content
//!   kind 3   body = epoch u64: its writer has told everything
//!   kind + 128   the same, as the first record of its write
//! ```
//! Little-endian. The last record of a (transaction, partition) counts; a part replaces another
//! one only if it knows more (complete over incomplete, decided over undecided), so that saving
//! the same things again, in any order, changes nothing. What is undecided of an epoch whose writer has told
//! everything never committed there, whoever tells of it, before or after. What is told by content (of whose
//! transactions the log is gone) gives way, row by row, to what a log tells of the same changes, now or
//! later; of two parts told by content with the same commit time, the rows are put together.
//!
//! A write is synced before the next one begins, so the first record of a later write proves that
//! all before it had been safe. A power loss in the middle of a write can leave any of its pages:
//! nothing of it was promised, and it is cut.
//!
//! A promotion's parts are staged in a file of their own (`vault/staged-<epoch>`) before the
//! promotion is decided, and taken over after it. What was staged for a promotion that was never
//! decided is thrown away when the database is opened again.

mod known;
mod records;
mod staged;
mod transaction;

use self::records::{FIRST, HEADER, PART, SETTLED, VOID, put, scan, void};
pub use self::transaction::DivergedTransaction;
use self::transaction::whole;
use base::{Epoch, Error, Lsn, Result, TxnId};
use env::{DiskFile, Env};
use format::vault::DivergedPart;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

type Key = (TxnId, u16);

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: u64,
    len: usize,
    epoch: Epoch,
    lsn: Lsn,
    complete: bool,
    decided: bool,
    by_content: bool,
}

/// One database's vault.
#[derive(Debug)]
pub struct Vault {
    env: Env,
    dir: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    file: Arc<dyn DiskFile>,
    len: u64,
    index: BTreeMap<Key, Entry>,
    void: BTreeSet<Key>,
    /// Epochs whose writers have told everything.
    settled: BTreeSet<u64>,
}

impl Vault {
    /// Opens the vault in a folder, or makes it. A torn tail is cut.
    pub fn open(env: Env, dir: PathBuf) -> Result<Vault> {
        let path = dir.join("parts");
        let io = |e| Error::io(format!("opening the vault {}", path.display()), &e);
        if !env.disk.exists(&path) {
            env.disk.create_dir(&dir).map_err(io)?;
            env.disk.create(&path).and_then(|f| f.sync()).map_err(io)?;
            env.disk.sync_dir(&dir).map_err(io)?;
            if let Some(parent) = dir.parent() {
                env.disk.sync_dir(parent).map_err(io)?;
            }
        }
        let file = env.disk.open(&path).map_err(io)?;
        let bytes = env.disk.read(&path).map_err(io)?;
        let (index, void, settled) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let mut inner = Inner { dir: dir.clone(), file, len: 0, index, void, settled };
        let good = scan(&bytes, &path, |kind, offset, body| inner.note(kind, offset, body))?;
        if good < bytes.len() {
            inner.file.set_len(good as u64).map_err(io)?;
        }
        // After a mere kill what was found may be in memory only, and nobody writes it again.
        inner.file.sync().map_err(io)?;
        inner.len = good as u64;
        Ok(Vault { env, dir, inner: Mutex::new(inner) })
    }

    /// Keeps parts; durable when it returns. Returns how many were news.
    pub fn add(&self, parts: &[DivergedPart]) -> Result<usize> {
        let mut inner = self.inner.lock();
        let mut news = BTreeMap::new();
        for part in parts.iter().filter(|part| !part.by_content) {
            let key = (part.txn, part.partition);
            if inner.is_news(part) && news.get(&key).is_none_or(|p: &&DivergedPart| !p.complete) {
                news.insert(key, part);
            }
        }
        let told = news.values().copied().chain(parts.iter().filter(|part| part.by_content));
        let contents = inner.contents(&told.collect::<Vec<_>>())?;
        let more = news.into_values().chain(&contents.more);
        let mut bodies: Vec<_> = more.map(|part| (PART, part.encode().to_vec())).collect();
        let count = bodies.len();
        // Last: cut off before they are written, the same is done when the parts are saved again.
        bodies.extend(contents.less.iter().map(|part| match part.rows.is_empty() {
            true => (VOID, void(part.txn, part.partition)),
            false => (PART, part.encode().to_vec()),
        }));
        inner.append(&bodies)?;
        Ok(count)
    }

    /// The writer of these epochs has told everything: parts that are still incomplete never
    /// committed there. Durable when it returns. Returns how many these are.
    pub fn settle(&self, epochs: &[Epoch]) -> Result<usize> {
        let mut inner = self.inner.lock();
        let open = inner.index.iter().filter(|(_, e)| !e.complete && epochs.contains(&e.epoch));
        let mut bodies: Vec<_> =
            open.map(|((txn, partition), _)| (VOID, void(*txn, *partition))).collect();
        let parts = bodies.len();
        let epochs = epochs.iter().map(|epoch| epoch.to_u64());
        let fresh = epochs.filter(|epoch| !inner.settled.contains(epoch));
        bodies.extend(fresh.map(|epoch| (SETTLED, epoch.to_le_bytes().to_vec())));
        inner.append(&bodies)?;
        Ok(parts)
    }

    /// Everything, by commit time.
    pub fn transactions(&self) -> Result<Vec<DivergedTransaction>> {
        let inner = self.inner.lock();
        let mut found: BTreeMap<TxnId, Vec<DivergedPart>> = BTreeMap::new();
        for ((txn, _), entry) in &inner.index {
            found.entry(*txn).or_default().push(inner.read(entry)?);
        }
        let mut all: Vec<_> = found.into_iter().map(|(txn, parts)| whole(txn, parts)).collect();
        all.sort_by_key(|t| (t.commit_ts, t.txn));
        Ok(all)
    }

    /// How many transactions are in it.
    pub fn count(&self) -> usize {
        let inner = self.inner.lock();
        inner.index.keys().map(|(txn, _)| txn).collect::<BTreeSet<_>>().len()
    }
}

impl Inner {
    fn is_news(&self, part: &DivergedPart) -> bool {
        let key = (part.txn, part.partition);
        match self.index.get(&key) {
            None => {
                let told = !part.decided && self.settled.contains(&part.epoch.to_u64());
                part.complete || !(told || self.void.contains(&key))
            }
            Some(have) => {
                (part.complete && !have.complete)
                    || (part.complete == have.complete && part.decided && !have.decided)
            }
        }
    }

    fn read(&self, entry: &Entry) -> Result<DivergedPart> {
        let mut body = vec![0; entry.len];
        let read = self.file.read_at(&mut body, entry.offset);
        read.map_err(|e| Error::io(format!("reading the vault {}", self.dir.display()), &e))?;
        DivergedPart::decode(&body)
    }

    fn append(&mut self, bodies: &[(u8, Vec<u8>)]) -> Result<()> {
        if bodies.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut first = FIRST;
        for (kind, body) in bodies {
            put(&mut bytes, kind | std::mem::take(&mut first), body);
        }
        let written = self.file.write_at(&bytes, self.len).and_then(|()| self.file.sync());
        if let Err(e) = written {
            // Nothing of it counts; a torn rest is overwritten by the next try.
            let _ = self.file.set_len(self.len);
            return Err(Error::io(format!("writing the vault {}", self.dir.display()), &e));
        }
        let mut offset = self.len;
        for (kind, body) in bodies {
            self.note(*kind, offset + HEADER as u64, body)?;
            offset += (HEADER + body.len()) as u64;
        }
        self.len = offset;
        Ok(())
    }

    fn note(&mut self, kind: u8, offset: u64, body: &[u8]) -> Result<()> {
        if kind == VOID {
            let bad = || Error::corrupt("vault record that ends too early");
            let (txn, partition) = body.split_first_chunk::<16>().ok_or_else(bad)?;
            let partition = u16::from_le_bytes(partition.try_into().map_err(|_| bad())?);
            let key = (TxnId(u128::from_le_bytes(*txn)), partition);
            self.index.remove(&key);
            self.void.insert(key);
            return Ok(());
        }
        if kind == SETTLED {
            let bad = || Error::corrupt("vault record that ends too early");
            self.settled.insert(u64::from_le_bytes(body.try_into().map_err(|_| bad())?));
            return Ok(());
        }
        if kind != PART {
            return Err(Error::corrupt(format!("vault record of unknown kind {kind}")));
        }
        let p = DivergedPart::decode(body)?;
        let entry = Entry {
            offset,
            len: body.len(),
            epoch: p.epoch,
            lsn: p.lsn,
            complete: p.complete,
            decided: p.decided,
            by_content: p.by_content,
        };
        if let Some(old) = self.index.insert((p.txn, p.partition), entry)
            && (old.epoch, old.lsn) != (entry.epoch, entry.lsn)
        {
            tracing::warn!(txn = %p.txn, "a diverged transaction changed its place");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
