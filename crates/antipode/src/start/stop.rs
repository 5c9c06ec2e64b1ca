//! What ends a server.

use super::cannot;
use base::Result;
use std::io::Read;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// SIGTERM, SIGINT, and the end of the program that started this one.
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
    parent: Option<oneshot::Receiver<()>>,
}

impl Stop {
    /// Begins to listen.
    pub fn listen(with_parent: bool) -> Result<Stop> {
        let catch = |kind| signal(kind).map_err(|e| cannot("catch signals", &e));
        Ok(Stop {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            parent: with_parent.then(end_of_input),
        })
    }

    /// Waits, and tells what it was.
    pub async fn wait(&mut self) -> &'static str {
        let parent = async {
            match &mut self.parent {
                Some(parent) => {
                    let _ = parent.await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            () = parent => "the parent process has ended",
        }
    }
}

/// Standard input ends when the process at its other end is gone, however it went.
fn end_of_input() -> oneshot::Receiver<()> {
    let (tx, rx) = oneshot::channel();
    std::thread::spawn(move || {
        let mut ignored = [0; 64];
        while matches!(std::io::stdin().read(&mut ignored), Ok(n) if n > 0) {}
        drop(tx);
    });
    rx
}
