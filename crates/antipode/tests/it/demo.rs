//! The demonstration itself, small.

use crate::BINARY;
use std::process::Command;

#[test]
fn the_demo_adds_up_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let regions = dir.path().join("demo");
    let output = Command::new(BINARY)
        .args(["demo", "--seconds", "5", "--clients", "4", "--rows", "2000", "--partitions", "3"])
        .arg("--dir")
        .arg(&regions)
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("Everything adds up."), "{out}");
    assert!(out.contains("equal, 2,000 rows"), "{out}");
    assert!(!regions.exists(), "the folder must be removed");
}

#[test]
fn a_folder_with_something_in_it_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("precious"), "x").unwrap();
    let output = Command::new(BINARY).args(["demo", "--dir"]).arg(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(dir.path().join("precious").exists());
}
