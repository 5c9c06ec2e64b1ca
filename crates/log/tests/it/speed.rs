//! How fast commits are on a real disk. Not a test:
//! `cargo test --release -p antipode-log --test it speed -- --ignored --nocapture`

#![allow(clippy::disallowed_methods, reason = "it measures real time")]

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

async fn measure(committers: u64) {
    let dir = tempfile::tempdir_in(".").unwrap();
    let log = Log::open(env::real::env(), dir.path().join("log"), LogSettings::default()).unwrap();
    // One log per committer, as if every committer wrote to another partition.
    let commits = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut tasks = Vec::new();
    for n in 1..=committers {
        let (log, commits, id) = (log.clone(), commits.clone(), LogId(n as u32));
        log.register(id);
        tasks.push(tokio::spawn(async move {
            let mut lsn = 0;
            let mut slowest = Vec::new();
            while start.elapsed() < Duration::from_secs(3) {
                lsn += 1;
                let began = Instant::now();
                let room = log.admit(256).await.unwrap();
                log.append(id, vec![frame(id, lsn, 1, 256)]).unwrap();
                drop(room);
                log.wait_durable(id, Lsn(lsn)).await.unwrap();
                slowest.push(began.elapsed());
                commits.fetch_add(1, Ordering::Relaxed);
            }
            slowest
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let rate = commits.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    times.sort();
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("{committers:3} committers: {rate:8.0} commits/s, p50 {p50:?}, p99 {p99:?}");
    log.shutdown().await;
}

#[test]
#[ignore = "a measurement"]
fn commits_per_second() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for committers in [1, 8, 32, 64] {
        runtime.block_on(measure(committers));
    }
}
