//! Cancel requests, time-outs and shutdown reaching a running statement.

use crate::front::Signal;
use base::{Error, Result, SqlState};
use env::Env;
use std::future::Future;
use std::time::Duration;
use tokio::sync::watch;

/// What can stop a statement.
#[derive(Clone, Debug)]
pub(crate) struct Interrupts {
    env: Env,
    signal: watch::Receiver<Signal>,
    /// Cancel requests before the statement began do not count.
    seen: u64,
    /// Monotonic time at which the statement has taken too long.
    deadline: Option<Duration>,
}

impl Interrupts {
    pub(crate) fn new(env: Env, signal: watch::Receiver<Signal>) -> Interrupts {
        Interrupts { env, signal, seen: 0, deadline: None }
    }

    /// A statement begins.
    pub(crate) fn begin(&mut self, timeout: Option<Duration>) {
        self.seen = self.signal.borrow_and_update().cancels;
        self.deadline = timeout.map(|t| self.env.clock.monotonic() + t);
    }

    /// Fails if something wants the statement to stop.
    pub(crate) fn check(&self) -> Result<()> {
        let signal = self.signal.borrow();
        let expired = self.deadline.is_some_and(|d| d <= self.env.clock.monotonic());
        match (signal.stop, signal.cancels > self.seen, expired) {
            (true, ..) => Err(shutdown()),
            (_, true, _) => Err(cancelled("user request")),
            (.., true) => Err(cancelled("statement timeout")),
            _ => Ok(()),
        }
    }

    /// Runs work until it is done or something stops it. The work is dropped then.
    pub(crate) async fn guard<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut signal = self.signal.clone();
        let seen = self.seen;
        let stopped = async {
            match signal.wait_for(|s| s.stop || s.cancels > seen).await {
                Ok(signal) if signal.stop => shutdown(),
                Ok(_) => cancelled("user request"),
                Err(_) => shutdown(),
            }
        };
        let expired = async {
            match self.deadline {
                Some(deadline) => {
                    let left = deadline.saturating_sub(self.env.clock.monotonic());
                    self.env.sleep(left).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            error = stopped => Err(error),
            () = expired => Err(cancelled("statement timeout")),
        }
    }

    /// Ends when an idle session has to: at shutdown, or after `timeout`.
    pub(crate) async fn idle(&self, timeout: Option<(Duration, bool)>) -> Error {
        let mut signal = self.signal.clone();
        let expired = async {
            match timeout {
                Some((timeout, _)) => self.env.sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = signal.wait_for(|s| s.stop) => shutdown(),
            () = expired => match timeout {
                Some((_, true)) => Error::new(
                    SqlState("25P03"),
                    "terminating connection due to idle-in-transaction timeout",
                ),
                _ => Error::new(
                    SqlState("57P05"),
                    "terminating connection due to idle-session timeout",
                ),
            },
        }
    }
}

fn cancelled(why: &str) -> Error {
    Error::new(SqlState::QUERY_CANCELED, format!("canceling statement due to {why}"))
}

fn shutdown() -> Error {
    Error::new(SqlState::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
}

/// True if the connection has to be closed after this error.
pub fn ends_session(error: &Error) -> bool {
    matches!(error.state.0, "57P01" | "57P05" | "25P03" | "08006")
}
