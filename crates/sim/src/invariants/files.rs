//! # No file is leaked, none is removed too early
//! When a region has just started, a partition's folder holds manifests, the chunks that they name,
//! and nothing else of ours: whatever a crash cut off was removed, and nothing that is needed. There
//! are folders of the databases that the metadata knows, and of no others: nothing is left of a branch
//! that was not finished.

use crate::region::Access;
use crate::verdict::Violation;
use env::Disk;
use format::Manifest;
use meta::Database as Record;
use std::collections::BTreeSet;
use std::path::Path;

/// Checks all folders of all databases.
pub fn check(access: &Access, disk: &dyn Disk, name: &str) -> Result<(), Violation> {
    let failed = |what: String| Violation::new("files", format!("{name}: {what}"));
    let records: Vec<Record> = access.engine.meta.read(|s| s.databases.values().cloned().collect());
    let root = Path::new("/data/db");
    let known: BTreeSet<String> = records.iter().map(|r| r.id.to_string()).collect();
    let there = disk.list(root).map_err(|e| failed(format!("listing {}: {e}", root.display())))?;
    if let Some(leaked) = there.iter().find(|folder| !known.contains(*folder)) {
        return Err(failed(format!("folder {leaked} belongs to no database")));
    }
    records.iter().try_for_each(|record| database(record, disk).map_err(failed))
}

fn database(record: &Record, disk: &dyn Disk) -> Result<(), String> {
    let root = Path::new("/data/db").join(record.id.to_string());
    let folders = disk.list(&root).map_err(|e| format!("listing {}: {e}", root.display()))?;
    let partitions: BTreeSet<String> =
        record.partitions.iter().enumerate().map(|(i, log)| format!("p{i}-{log}")).collect();
    for folder in folders.iter().filter(|f| f.starts_with('p')) {
        if !partitions.contains(folder) {
            return Err(format!("folder {folder} belongs to no partition"));
        }
        partition(disk, &root.join(folder))?;
    }
    Ok(())
}

fn partition(disk: &dyn Disk, dir: &Path) -> Result<(), String> {
    let names = disk.list(dir).map_err(|e| format!("listing {}: {e}", dir.display()))?;
    let mut named = BTreeSet::new();
    for name in names.iter().filter(|n| is_manifest(n)) {
        let bytes = disk.read(&dir.join(name)).map_err(|e| format!("reading {name}: {e}"))?;
        let manifest = Manifest::decode(&bytes).map_err(|e| format!("{name}: {e}"))?;
        named.extend(manifest.chunks().map(|c| c.file.clone()));
    }
    let there: BTreeSet<String> = names.iter().filter(|n| !is_manifest(n)).cloned().collect();
    if let Some(leaked) = there.difference(&named).next() {
        return Err(format!("{}: {leaked} is named by no manifest", dir.display()));
    }
    match named.difference(&there).next() {
        Some(missing) => Err(format!("{}: {missing} is missing", dir.display())),
        None => Ok(()),
    }
}

fn is_manifest(name: &str) -> bool {
    name.strip_prefix("manifest-").is_some_and(|seq| seq.parse::<u64>().is_ok())
}
