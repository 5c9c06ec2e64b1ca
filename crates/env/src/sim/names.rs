//! The names on a simulated disk, and which of their changes are safe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Dir,
    File(u64),
}

/// One change of a name that is not safe yet.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Create { path: PathBuf, file: u64 },
    Rename { from: PathBuf, to: PathBuf, entry: Entry },
    Remove { path: PathBuf },
}

impl NameChange {
    /// The folder whose sync makes this change safe.
    pub(super) fn folder(&self) -> &Path {
        let path = match self {
            NameChange::Create { path, .. } | NameChange::Remove { path } => path,
            NameChange::Rename { to, .. } => to,
        };
        parent(path)
    }

    /// Follows a renamed folder.
    pub(super) fn moved(&mut self, from: &Path, to: &Path) {
        match self {
            NameChange::Create { path, .. } | NameChange::Remove { path } => {
                *path = rebase(path, from, to)
            }
            NameChange::Rename { from: a, to: b, .. } => {
                *a = rebase(a, from, to);
                *b = rebase(b, from, to);
            }
        }
    }
}

/// The folder of a path.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn rebase(path: &Path, from: &Path, to: &Path) -> PathBuf {
    path.strip_prefix(from).map_or_else(|_| path.to_owned(), |rest| to.join(rest))
}

/// A tree of names, flat and sorted.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(BTreeMap<PathBuf, Entry>);

impl Names {
    pub(super) fn get(&self, path: &Path) -> Option<Entry> {
        self.0.get(path).copied()
    }

    /// The root and the empty (relative) root are always there.
    pub(super) fn is_dir(&self, path: &Path) -> bool {
        parent(path) == path
            || path == Path::new("")
            || path == Path::new("/")
            || self.get(path) == Some(Entry::Dir)
    }

    pub(super) fn insert(&mut self, path: &Path, entry: Entry) {
        self.0.insert(path.to_owned(), entry);
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.0.remove(path);
    }

    /// All entries below a folder, at any depth.
    pub(super) fn below(&self, dir: &Path) -> Vec<PathBuf> {
        self.0.keys().filter(|p| p.starts_with(dir) && *p != dir).cloned().collect()
    }

    /// The names directly in a folder, sorted.
    pub(super) fn list(&self, dir: &Path) -> Vec<String> {
        let names = self.0.keys().filter(|p| parent(p) == dir);
        names.filter_map(|p| p.file_name()?.to_str().map(str::to_owned)).collect()
    }

    /// All files.
    pub(super) fn files(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.values().filter_map(|e| match e {
            Entry::File(file) => Some(*file),
            Entry::Dir => None,
        })
    }

    /// Moves a file, or a folder with all in it.
    pub(super) fn rename(&mut self, from: &Path, to: &Path, entry: Entry) {
        for old in self.below(from) {
            if let Some(inner) = self.0.remove(&old) {
                self.0.insert(rebase(&old, from, to), inner);
            }
        }
        self.0.remove(from);
        self.0.insert(to.to_owned(), entry);
    }

    /// Carries out a change if it makes sense here: with some earlier changes lost, it may not.
    pub(super) fn try_apply(&mut self, change: &NameChange) {
        match change {
            NameChange::Create { path, file } => {
                if self.get(path).is_none() && self.is_dir(parent(path)) {
                    self.insert(path, Entry::File(*file));
                }
            }
            NameChange::Remove { path } => {
                if self.below(path).is_empty() {
                    self.remove(path);
                }
            }
            NameChange::Rename { from, to, entry } => {
                if self.get(from) == Some(*entry) && self.is_dir(parent(to)) {
                    self.rename(from, to, *entry);
                }
            }
        }
    }

    /// Carries out a change whose folder was synced.
    pub(super) fn force(&mut self, change: &NameChange) {
        match change {
            NameChange::Create { path, file } => self.insert(path, Entry::File(*file)),
            NameChange::Remove { path } => self.0.retain(|p, _| !p.starts_with(path)),
            NameChange::Rename { from, to, entry } if self.get(from) == Some(*entry) => {
                self.rename(from, to, *entry);
            }
            NameChange::Rename { to, entry, .. } => self.insert(to, *entry),
        }
    }
}
