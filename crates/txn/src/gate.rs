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
    /// A gate closed or opened.
    moved: Notify,
}

#[derive(Debug, Default)]
struct WritersState {
    running: usize,
    closed: Option<Closed>,
}

#[derive(Clone, Debug)]
struct Closed {
    reason: String,
    /// New writers wait for the end of it.
    queues: bool,
}

/// How a database is closed for writes, and for whom.
#[derive(Clone, Debug, Default)]
pub struct GateRequest {
    /// Who wants it.
    pub owner: String,
    /// Shown to those who are refused or wait.
    pub reason: String,
    /// When it opens by itself, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// New writers wait until it opens, instead of being refused.
    pub queues: bool,
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
        if let Some(Closed { reason, .. }) = &state.closed {
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
        self.close_as(reason, false);
    }

    /// Keeps new writers out from now on; if it `queues`, those of [`Writers::queue`] wait.
    pub fn close_as(&self, reason: &str, queues: bool) {
        self.state.lock().closed = Some(Closed { reason: reason.to_owned(), queues });
        self.moved.notify_waiters();
    }

    /// Lets writers in again.
    pub fn open(&self) {
        self.state.lock().closed = None;
        self.moved.notify_waiters();
    }

    /// Why writers are kept out.
    pub fn closed(&self) -> Option<String> {
        self.state.lock().closed.as_ref().map(|c| c.reason.clone())
    }

    /// Waits while there is a gate at which writers queue. One that refuses them is not waited for:
    /// [`Writers::enter`] tells.
    pub async fn queue(&self) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if !self.state.lock().closed.as_ref().is_some_and(|c| c.queues) {
                return;
            }
            moved.await;
        }
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
