//! A client that writes all the time and goes to the other server when one refuses.

use crate::rows::told;
use crate::side::{Endpoint, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const PAUSE: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(120);
/// A server that does not answer at all is left after this long.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// No number is written twice: a standby that was cut off has those of before.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The running client.
pub struct Writer {
    stop: Arc<AtomicBool>,
    moved: Arc<AtomicBool>,
    task: JoinHandle<Record>,
}

/// When its writes were acknowledged.
pub struct Record {
    /// And by which server.
    times: Vec<(Instant, usize)>,
}

impl Writer {
    /// Starts it at the first of the servers.
    pub async fn start(servers: [Endpoint; 2]) -> Result<Writer> {
        let client = servers[0].connect().await?;
        client.batch_execute("DELETE FROM acks").await.map_err(told)?;
        let stop = Arc::new(AtomicBool::new(false));
        let moved = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(write(servers, stop.clone(), moved.clone()));
        Ok(Writer { stop, moved, task })
    }

    /// Waits until the second server has acknowledged a write.
    pub async fn moved(&self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !self.moved.load(Ordering::Relaxed) {
            if Instant::now() > end {
                return Err("the new primary never acknowledged a write".into());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Ends it.
    pub async fn stop(self) -> Result<Record> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.map_err(|e| e.to_string())
    }
}

async fn write(servers: [Endpoint; 2], stop: Arc<AtomicBool>, moved: Arc<AtomicBool>) -> Record {
    let mut times = Vec::new();
    let mut at = 0;
    let mut client = None;
    while !stop.load(Ordering::Relaxed) {
        if client.is_none() {
            client = servers[at].connect().await.ok();
        }
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let sql = format!("INSERT INTO acks VALUES ({id})");
        let done = match &client {
            Some(open) => {
                let answer = tokio::time::timeout(ANSWER_LIMIT, open.batch_execute(&sql)).await;
                matches!(answer, Ok(Ok(())))
            }
            None => false,
        };
        if done {
            times.push((Instant::now(), at));
            moved.fetch_or(at == 1, Ordering::Relaxed);
        } else {
            client = None;
            at = 1 - at;
            tokio::time::sleep(PAUSE).await;
        }
    }
    Record { times }
}

impl Record {
    /// Seconds between two acknowledged writes, at most.
    pub fn longest_gap(&self) -> f64 {
        let gaps = self.times.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs_f64());
        gaps.fold(0.0, f64::max)
    }

    /// Seconds from `moment` until the second server acknowledged a write.
    pub fn first_after(&self, moment: Instant) -> Option<f64> {
        let (next, _) = self.times.iter().find(|(_, at)| *at == 1)?;
        Some((*next - moment).as_secs_f64())
    }
}
