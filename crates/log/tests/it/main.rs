//! The log as its users see it, on simulated disks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod basics;
mod crash;
mod damage;
mod space;
mod speed;

use base::{ClusterId, Epoch, LogId, Lsn, NodeId};
use env::Env;
use env::sim::SimNode;
use format::Frame;
use log::{Log, LogSettings, OnFatal};
use std::path::{Path, PathBuf};

/// Where the log lives.
const DIR: &str = "/data/log";
const A: LogId = LogId(1);
const B: LogId = LogId(2);

fn epoch(number: u32) -> Epoch {
    Epoch { number, cluster: ClusterId(1), node: NodeId(1) }
}

/// A frame whose content follows from its place, so that any mix-up is seen.
fn frame(id: LogId, lsn: u64, number: u32, size: usize) -> Frame {
    let stamp = format!("log {id} lsn {lsn} epoch {number} ");
    let payload = stamp.bytes().cycle().take(size).collect::<Vec<u8>>().into();
    Frame { lsn: Lsn(lsn), epoch: epoch(number), kind: 7, payload }
}

/// Small segments; a fatal error crashes the simulated node.
fn settings(node: &SimNode) -> LogSettings {
    let node = node.clone();
    LogSettings {
        segment_bytes: 16 << 10,
        max_queue_bytes: 8 << 10,
        write_bytes: 2 << 10,
        on_fatal: OnFatal::call(move |_| node.crash()),
        ..LogSettings::default()
    }
}

fn open(node: &SimNode) -> base::Result<Log> {
    Log::open(node.env(), DIR.into(), settings(node))
}

/// Appends frames `lsns` of epoch `number`, each in a write of its own, and waits for them.
async fn fill(log: &Log, id: LogId, lsns: std::ops::RangeInclusive<u64>, number: u32, size: usize) {
    log.register(id);
    for lsn in lsns {
        let room = log.admit(size).await.unwrap();
        log.append(id, vec![frame(id, lsn, number, size)]).unwrap();
        drop(room);
        log.wait_durable(id, Lsn(lsn)).await.unwrap();
    }
}

/// The positions and epoch numbers of all frames of a log, their content checked.
fn content(log: &Log, id: LogId) -> Vec<(u64, u32)> {
    let mut found = Vec::new();
    let mut from = log.first(id);
    loop {
        let frames = log.read(id, from, 3000).unwrap();
        let Some(last) = frames.last() else {
            return found;
        };
        from = last.lsn.next();
        for f in frames {
            assert_eq!(f, frame(id, f.lsn.0, f.epoch.number, f.payload.len()));
            found.push((f.lsn.0, f.epoch.number));
        }
    }
}

fn segment(number: u64) -> PathBuf {
    Path::new(DIR).join(format!("{number:010}.seg"))
}

/// Changes the bytes of a file, durably.
fn edit(env: &Env, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = env.disk.read(path).unwrap();
    change(&mut bytes);
    env.disk.replace(path, &bytes).unwrap();
}
