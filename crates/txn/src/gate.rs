//! Who may write now: the running writers of a database and what keeps new ones out.

use base::{Error, Result, SqlState};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Notify;

/// Counts transactions that have written; closed by a reason.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    state: Mutex<WritersState>,
    drained: Notify,
}

#[derive(Debug, Default)]
struct WritersState {
    running: usize,
    closed: Option<String>,
}

/// One transaction that writes, from its first write to its end.
#[derive(Debug)]
pub struct WriterGuard {
    writers: Arc<Writers>,
}

impl Drop for WriterGuard {
    fn drop(&mut self) {
        let mut state = self.writers.state.lock();
        state.running -= 1;
        if state.running == 0 {
            self.writers.drained.notify_waiters();
        }
    }
}

impl Writers {
    /// Lets a new writer in.
    ///
    /// # Errors
    /// 25006 with the reason if the database is gated.
    pub fn enter(self: &Arc<Self>, database: &str) -> Result<WriterGuard> {
        let mut state = self.state.lock();
        if let Some(reason) = &state.closed {
            return Err(Error::new(
                SqlState::READ_ONLY_SQL_TRANSACTION,
                format!("database \"{database}\" is read-only: {reason}"),
            )
            .hint("UNLOCK TABLES opens it again, if it is still the primary"));
        }
        state.running += 1;
        Ok(WriterGuard { writers: self.clone() })
    }

    /// Lets somebody in who works for a writer that is running.
    pub fn join(self: &Arc<Self>) -> WriterGuard {
        self.state.lock().running += 1;
        WriterGuard { writers: self.clone() }
    }

    /// Keeps new writers out from now on.
    pub fn close(&self, reason: &str) {
        self.state.lock().closed = Some(reason.to_owned());
    }

    /// Lets writers in again.
    pub fn open(&self) {
        self.state.lock().closed = None;
    }

    /// Why writers are kept out.
    pub fn closed(&self) -> Option<String> {
        self.state.lock().closed.clone()
    }

    /// Waits until the writers that were let in have ended.
    pub async fn drain(&self) {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            if self.state.lock().running == 0 {
                return;
            }
            drained.await;
        }
    }
}
