//! When a replica's target is invited, and when a cycle begins and ends: `(state, what is seen) →
//! what to do`, without clock, disk or network.

use base::Timestamp;
use meta::{Cycle, CycleState, Wanted};

/// A target that is not heard of connects by itself, usually: so long it is given.
const PATIENCE_MS: u64 = 2_000;
/// The first pause between two invitations.
const RETRY_MS: u64 = 1_000;
/// The longest one.
const RETRY_MS_MAX: u64 = 10_000;

/// What is so at this moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    /// Wall clock.
    pub now_ms: u64,
    /// The source's present.
    pub now: Timestamp,
    /// What the replica is to do; [`Wanted::NotStarted`] if its database is not the primary here.
    pub wanted: Wanted,
    /// A paused target is sent everything for now.
    pub forced: bool,
    /// How often a cycle is to begin; 0: there are none.
    pub frequency_ms: u64,
    /// The target was heard of lately.
    pub connected: bool,
    /// Up to where the target has everything, durably.
    pub replicated: Timestamp,
    /// Bytes sent to it so far.
    pub sent: u64,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Do {
    /// Call the target.
    Invite,
    /// A cycle has ended: note it.
    Note(Cycle),
    /// The forced cycle is complete: hold the target again.
    Hold,
}

/// The cycle under way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Open {
    pub started_ms: u64,
    /// The target is to have everything up to here.
    pub goal: Timestamp,
    pub sent_before: u64,
    /// The last thing that went wrong.
    pub error: Option<String>,
    /// It ends by a pause only.
    endless: bool,
}

/// One replica's decisions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Core {
    open: Option<Open>,
    /// When the next cycle begins.
    due_ms: u64,
    /// When to call next, while the target is not heard of.
    call_ms: Option<u64>,
    calls: u32,
    error: Option<String>,
    forced: bool,
}

impl Core {
    /// The cycle under way.
    pub fn open(&self) -> Option<&Open> {
        self.open.as_ref()
    }

    /// Why the target does not follow, as last seen.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// An invitation has failed.
    pub fn failed(&mut self, error: String) {
        if let Some(open) = &mut self.open {
            open.error = Some(error.clone());
        }
        self.error = Some(error);
    }

    /// Looks.
    pub fn tick(&mut self, seen: &Seen) -> Vec<Do> {
        let mut todo = Vec::new();
        if seen.forced && !self.forced {
            // What was under way does not count: a cycle that begins now is wanted.
            todo.extend(self.end(CycleState::Paused, seen));
            self.due_ms = 0;
        }
        self.forced = seen.forced;
        let idle = match seen.wanted {
            Wanted::NotStarted => Some(CycleState::Ended),
            Wanted::Paused if !seen.forced => Some(CycleState::Paused),
            Wanted::Paused | Wanted::Running => None,
        };
        if let Some(how) = idle {
            todo.extend(self.end(how, seen));
            self.due_ms = 0;
            self.call_ms = None;
            if seen.wanted == Wanted::NotStarted || seen.connected {
                self.error = None;
            }
            return todo;
        }
        self.call(seen, &mut todo);
        let endless = seen.frequency_ms == 0 && !seen.forced;
        if let Some(open) = &self.open {
            let reached = seen.replicated >= open.goal;
            if open.endless != endless {
                todo.extend(self.end(CycleState::Ended, seen));
                self.due_ms = 0;
            } else if reached && !endless {
                self.due_ms = open.started_ms + seen.frequency_ms;
                todo.extend(self.end(CycleState::Done, seen));
                if seen.forced {
                    todo.push(Do::Hold);
                    return todo;
                }
            }
        }
        if self.open.is_none() && seen.now_ms >= self.due_ms {
            let (started_ms, goal, sent_before) = (seen.now_ms, seen.now, seen.sent);
            let error = self.error.clone();
            self.open = Some(Open { started_ms, goal, sent_before, error, endless });
        }
        todo
    }

    fn call(&mut self, seen: &Seen, todo: &mut Vec<Do>) {
        if seen.connected {
            (self.call_ms, self.calls, self.error) = (None, 0, None);
            return;
        }
        // A paused target is not called: there is nothing for it.
        if seen.wanted != Wanted::Running {
            return;
        }
        let at = *self.call_ms.get_or_insert(seen.now_ms + PATIENCE_MS);
        if seen.now_ms >= at {
            let pause = (RETRY_MS << self.calls.min(10)).min(RETRY_MS_MAX);
            self.call_ms = Some(seen.now_ms + pause);
            self.calls += 1;
            todo.push(Do::Invite);
        }
    }

    fn end(&mut self, state: CycleState, seen: &Seen) -> Option<Do> {
        let open = self.open.take()?;
        Some(Do::Note(Cycle {
            id: 0,
            started_ms: open.started_ms,
            ended_ms: seen.now_ms,
            state,
            error: open.error,
            sent_bytes: seen.sent.saturating_sub(open.sent_before),
            cut: open.goal,
        }))
    }
}

#[cfg(test)]
mod tests;
