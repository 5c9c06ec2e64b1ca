//! The pure model of a disk: what is there now, and what would be left after a power loss.

use super::names::{Entry, NameChange, Names, parent};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const PAGE: usize = 4096;

/// One disk.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) names: Names,
    safe_names: Names,
    unsafe_changes: Vec<NameChange>,
    files: BTreeMap<u64, Content>,
    next_file: u64,
    rng: ChaCha8Rng,
    pub(super) capacity: Option<u64>,
    pub(super) locks: BTreeSet<PathBuf>,
    /// How many changes there were: where a power loss can be ordered.
    pub(super) count: u64,
    pub(super) faults: Faults,
}

/// What shall go wrong.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) reads: bool,
    pub(super) writes: bool,
    pub(super) syncs: bool,
    pub(super) links: bool,
    pub(super) end_after: Option<EndAfter>,
}

/// An ordered end of the node's life.
#[derive(Debug)]
pub(super) struct EndAfter {
    pub(super) changes: u64,
    pub(super) power_loss: bool,
}

/// One file: as it is read now, and as it is for sure on the disk.
#[derive(Debug, Default)]
struct Content {
    now: Vec<u8>,
    safe: Vec<u8>,
    changes: Vec<Change>,
    handles: usize,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    SetLen(usize),
}

/// What a power loss does to one group of changes.
enum Luck {
    AllLost,
    AllKept,
    Mixed,
}

fn luck(rng: &mut ChaCha8Rng) -> Luck {
    match rng.random_range(0..4) {
        0 => Luck::AllLost,
        1 => Luck::AllKept,
        _ => Luck::Mixed,
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if bytes.len() < offset + data.len() {
        bytes.resize(offset + data.len(), 0);
    }
    bytes[offset..offset + data.len()].copy_from_slice(data);
}

impl Content {
    fn sync(&mut self) {
        for change in self.changes.drain(..) {
            match change {
                Change::Write { offset, data } => put(&mut self.safe, offset, &data),
                Change::SetLen(len) => self.safe.resize(len, 0),
            }
        }
    }

    fn crash(&mut self, rng: &mut ChaCha8Rng) {
        let mut run: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut whole = true;
        for change in std::mem::take(&mut self.changes) {
            match change {
                Change::Write { offset, data } => run.push((offset, data)),
                // A changed length that is lost takes what was written after it along.
                Change::SetLen(len) => {
                    survive(&mut self.safe, &std::mem::take(&mut run), rng);
                    whole = rng.random();
                    if !whole {
                        break;
                    }
                    self.safe.resize(len, 0);
                }
            }
        }
        if whole {
            survive(&mut self.safe, &run, rng);
        }
        self.now = self.safe.clone();
    }
}

/// Lets some of a run of writes reach the disk, page by page.
fn survive(safe: &mut Vec<u8>, writes: &[(usize, Vec<u8>)], rng: &mut ChaCha8Rng) {
    let mut pages: BTreeMap<usize, Vec<(usize, &[u8])>> = BTreeMap::new();
    for (offset, data) in writes {
        let mut at = 0;
        while at < data.len() {
            let page = (offset + at) / PAGE;
            let end = data.len().min((page + 1) * PAGE - offset);
            pages.entry(page).or_default().push((offset + at, &data[at..end]));
            at = end;
        }
    }
    let all = luck(rng);
    for pieces in pages.values() {
        let kept = match all {
            Luck::AllLost => 0,
            Luck::AllKept => pieces.len(),
            Luck::Mixed => rng.random_range(0..=pieces.len()),
        };
        for (offset, data) in &pieces[..kept] {
            put(safe, *offset, data);
        }
        if let (Luck::Mixed, Some((offset, data))) = (&all, pieces.get(kept)) {
            let torn = if rng.random() { 0 } else { rng.random_range(0..data.len().max(1)) };
            put(safe, *offset, &data[..torn]);
        }
    }
}

impl Model {
    pub(super) fn new(rng: ChaCha8Rng) -> Model {
        Model {
            names: Names::default(),
            safe_names: Names::default(),
            unsafe_changes: Vec::new(),
            files: BTreeMap::new(),
            next_file: 1,
            rng,
            capacity: None,
            locks: BTreeSet::new(),
            count: 0,
            faults: Faults::default(),
        }
    }

    /// Bytes of all files that have a name, or several.
    pub(super) fn used(&self) -> u64 {
        let files: BTreeSet<u64> = self.names.files().collect();
        let sizes = files.iter().filter_map(|f| self.files.get(f));
        sizes.map(|c| c.now.len() as u64).sum()
    }

    pub(super) fn create_file(&mut self, path: &Path) -> u64 {
        let file = self.next_file;
        self.next_file += 1;
        self.files.insert(file, Content::default());
        self.names.insert(path, Entry::File(file));
        self.unsafe_changes.push(NameChange::Create { path: path.to_owned(), file });
        file
    }

    /// A second name for a file.
    pub(super) fn link(&mut self, file: u64, to: &Path) {
        self.names.insert(to, Entry::File(file));
        self.unsafe_changes.push(NameChange::Create { path: to.to_owned(), file });
    }

    /// Folders are safe at once: [`crate::Disk::create_dir`] syncs the folder above.
    pub(super) fn create_dir(&mut self, dir: &Path) {
        let missing: Vec<&Path> = dir.ancestors().filter(|d| !self.names.is_dir(d)).collect();
        for dir in missing.into_iter().rev() {
            self.sync_dir(parent(dir));
            self.names.insert(dir, Entry::Dir);
            self.safe_names.insert(dir, Entry::Dir);
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path, entry: Entry) {
        self.names.rename(from, to, entry);
        if entry == Entry::Dir {
            for change in &mut self.unsafe_changes {
                change.moved(from, to);
            }
        }
        let (from, to) = (from.to_owned(), to.to_owned());
        self.unsafe_changes.push(NameChange::Rename { from, to, entry });
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.names.remove(path);
        self.unsafe_changes.push(NameChange::Remove { path: path.to_owned() });
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) {
        let mut rest = Vec::new();
        for change in std::mem::take(&mut self.unsafe_changes) {
            if change.folder() != dir {
                rest.push(change);
                continue;
            }
            self.safe_names.force(&change);
            if let NameChange::Remove { path } = &change {
                // What happened earlier inside a removed folder does not matter any more.
                rest.retain(|c| !c.folder().starts_with(path));
            }
        }
        self.unsafe_changes = rest;
        self.forget_files();
    }

    /// A power loss: what is left becomes what is there.
    pub(super) fn crash(&mut self) {
        let all = luck(&mut self.rng);
        for change in std::mem::take(&mut self.unsafe_changes) {
            let kept = match all {
                Luck::AllLost => false,
                Luck::AllKept => true,
                Luck::Mixed => self.rng.random(),
            };
            if kept {
                self.safe_names.try_apply(&change);
            }
        }
        self.names = self.safe_names.clone();
        for content in self.files.values_mut() {
            content.crash(&mut self.rng);
        }
        self.forget_files();
    }

    /// Drops the content of files that nothing can reach any more.
    fn forget_files(&mut self) {
        let mut reachable: BTreeSet<u64> = self.names.files().collect();
        reachable.extend(self.safe_names.files());
        for change in &self.unsafe_changes {
            if let NameChange::Create { file, .. }
            | NameChange::Rename { entry: Entry::File(file), .. } = change
            {
                reachable.insert(*file);
            }
        }
        self.files.retain(|file, content| content.handles > 0 || reachable.contains(file));
    }

    pub(super) fn opened(&mut self, file: u64) {
        if let Some(content) = self.files.get_mut(&file) {
            content.handles += 1;
        }
    }

    pub(super) fn closed(&mut self, file: u64) {
        if let Some(content) = self.files.get_mut(&file) {
            content.handles -= 1;
        }
    }

    pub(super) fn len(&self, file: u64) -> usize {
        self.files.get(&file).map_or(0, |c| c.now.len())
    }

    /// False if the file ends before the buffer is full.
    pub(super) fn read(&self, file: u64, buf: &mut [u8], offset: usize) -> bool {
        let content = self.files.get(&file).map_or(&[][..], |c| &c.now);
        let found = offset.checked_add(buf.len()).and_then(|end| content.get(offset..end));
        found.map(|bytes| buf.copy_from_slice(bytes)).is_some()
    }

    /// False if the disk is full.
    pub(super) fn write(&mut self, file: u64, data: &[u8], offset: usize) -> bool {
        if !self.room_for(file, offset + data.len()) {
            return false;
        }
        if let Some(content) = self.files.get_mut(&file) {
            put(&mut content.now, offset, data);
            content.changes.push(Change::Write { offset, data: data.to_vec() });
        }
        true
    }

    /// False if the disk is full.
    pub(super) fn set_len(&mut self, file: u64, len: usize) -> bool {
        if !self.room_for(file, len) {
            return false;
        }
        if let Some(content) = self.files.get_mut(&file) {
            content.now.resize(len, 0);
            content.changes.push(Change::SetLen(len));
        }
        true
    }

    fn room_for(&self, file: u64, len: usize) -> bool {
        let growth = len.saturating_sub(self.len(file)) as u64;
        growth == 0 || self.capacity.is_none_or(|capacity| self.used() + growth <= capacity)
    }

    pub(super) fn sync(&mut self, file: u64) {
        if let Some(content) = self.files.get_mut(&file) {
            content.sync();
        }
    }
}
