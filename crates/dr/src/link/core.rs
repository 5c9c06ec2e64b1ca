//! What a link does next: `(state, event) → commands`, without clock, disk or network.
//!
//! ```text
//!   Paused ⇄ Connecting ─▶ Asking ─▶ CatchingUp ─▶ Streaming
//!                ▲            │ ▲          │            │
//!                │            ▼ │ done     │ broken     │ broken
//!                │   Copying / Rewinding / Renewing     │
//!                └──────── Waiting ◀────────┴───────────┘
//! ```
//! Work (copying a base, rewinding, making fresh partitions) is not broken off from outside: a pause
//! or a stop waits for its end (the shell lets a copy end early).

use crate::diverged::Fork;
use base::{Error, Lsn, SqlState, Timestamp};
use meta::DatabaseState;
use std::collections::BTreeMap;

/// The first pause after a failure.
const RETRY_MS: u64 = 100;
/// The longest one.
const RETRY_MS_MAX: u64 = 5_000;

/// Where a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Stopped by the user.
    Paused,
    /// Reaching the source.
    Connecting,
    /// Asking the source how every partition gets on.
    Asking,
    /// Fetching bases.
    Copying,
    /// Saving and taking out what the source does not have.
    Rewinding,
    /// Making new partitions: from what is here and what differs, or for a full copy.
    Renewing,
    /// Receiving, but not yet up to the moment of connecting.
    CatchingUp,
    /// Receiving, up to date but for the lag.
    Streaming,
    /// Failed; will try again.
    Waiting,
    /// Gone.
    Ended,
}

impl Phase {
    /// The phase in one word, as views show it.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Paused => "paused",
            Phase::Connecting => "connecting",
            Phase::Asking => "connecting",
            Phase::Copying => "copying",
            Phase::Rewinding => "rewinding",
            Phase::Renewing => "comparing",
            Phase::CatchingUp => "catching up",
            Phase::Streaming => "streaming",
            Phase::Waiting => "failed",
            Phase::Ended => "ended",
        }
    }
}

/// How one partition gets on, as far as the decision needs it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    /// The log follows.
    Continue { end: Lsn, cut: Option<Timestamp> },
    /// The target went on alone.
    Rewind { common: Lsn, cut: Timestamp },
    /// The log does not reach back.
    Base { empty: bool, reason: String, diverged: Option<(Lsn, Timestamp)> },
}

/// What happens to a link.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The source answered; its present is `now`.
    Greeted { now: Timestamp },
    /// It told how a partition gets on.
    Answered { partition: u16, told: Told },
    /// The connection failed or broke, or the source refused.
    Broken { error: Error },
    /// The work ordered last is complete.
    Done,
    /// There are new partitions, and the database has this role.
    Renewed { role: DatabaseState },
    /// It failed.
    Failed { error: Error },
    /// The rewind ordered last is not possible: what is here does not reach back so far.
    TooOld { reason: String },
    /// The pause after a failure is over.
    Due,
    /// The replicated time, and whether all partitions are consistent there.
    Reached { time: Timestamp, consistent: bool },
    /// The user stops the link for now.
    Pause,
    /// The user lets it go on.
    Resume,
    /// It ends: promotion, removal or shutdown.
    Stop,
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    /// Connect and greet.
    Connect,
    /// Ask about every partition.
    Ask,
    /// Receive what was granted, acknowledge, report the time reached.
    Follow,
    /// Fetch the offered bases of these partitions. Work.
    Copy(Vec<u16>),
    /// Save what is beyond the forks, then go back to them. Work.
    Rewind(Vec<Fork>),
    /// Announce why, save what is beyond the forks, and put new partitions in the place of those that
    /// the log does not lead on from. Work, that ends with [`Event::Renewed`].
    Renew { reason: String, forks: Vec<Fork> },
    /// Take on a role, durably.
    Become(DatabaseState),
    /// Drop the connection and everything under way on it.
    HangUp,
    /// Come back with [`Event::Due`].
    Wait { ms: u64 },
    /// Show (or clear) an error.
    Report(Option<String>),
    /// The link is over.
    End,
}

/// A link's decisions.
#[derive(Clone, Debug)]
pub(crate) struct Core {
    phase: Phase,
    role: DatabaseState,
    differential: bool,
    partitions: u16,
    told: BTreeMap<u16, Told>,
    goal: Timestamp,
    attempts: u32,
    /// True once this connection has rewound: void records are still in the logs, and are known.
    rewound: bool,
    /// What the user wants while work is under way.
    wanted: Option<Wanted>,
    now_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Pause,
    Stop,
}

impl Core {
    /// A link of a database in `role`.
    pub fn new(role: DatabaseState, differential: bool, partitions: u16) -> Core {
        Core {
            phase: Phase::Paused,
            role,
            differential,
            partitions,
            told: BTreeMap::new(),
            goal: Timestamp::ZERO,
            attempts: 0,
            rewound: false,
            wanted: None,
            now_ms: 0,
        }
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Takes an event in; `now_ms` is for what is made durable.
    pub fn on(&mut self, event: Event, now_ms: u64) -> Vec<Command> {
        self.now_ms = now_ms;
        match event {
            Event::Pause => self.leave(Wanted::Pause),
            Event::Stop => self.leave(Wanted::Stop),
            Event::Resume => self.resume(),
            Event::Greeted { now } if self.phase == Phase::Connecting => {
                self.goal = now;
                self.ask()
            }
            Event::Answered { partition, told } if self.phase == Phase::Asking => {
                self.told.insert(partition, told);
                if self.told.len() < usize::from(self.partitions) { vec![] } else { self.decide() }
            }
            Event::Broken { error } if self.on_line() => self.fail(&error),
            Event::Done if self.at_work() => self.done(),
            Event::Renewed { role } if self.phase == Phase::Renewing => {
                self.role = role;
                self.done()
            }
            Event::Failed { error } if self.at_work() => self.fail(&error),
            Event::TooOld { reason } if self.phase == Phase::Rewinding => self.too_old(reason),
            Event::Due if self.phase == Phase::Waiting => self.connect(),
            Event::Reached { time, consistent } if self.phase == Phase::CatchingUp => {
                if consistent && time >= self.goal { self.caught_up() } else { vec![] }
            }
            // What comes too late has no meaning any more.
            _ => vec![],
        }
    }

    /// Sets right the role that a [`Command::Become`] could not make durable.
    pub fn correct_role(&mut self, role: DatabaseState) {
        self.role = role;
    }

    /// True while it waits for [`Event::Done`] or [`Event::Failed`].
    pub fn at_work(&self) -> bool {
        matches!(self.phase, Phase::Copying | Phase::Rewinding | Phase::Renewing)
    }

    fn on_line(&self) -> bool {
        matches!(
            self.phase,
            Phase::Connecting | Phase::Asking | Phase::CatchingUp | Phase::Streaming
        )
    }

    fn leave(&mut self, wanted: Wanted) -> Vec<Command> {
        if self.phase == Phase::Ended {
            return vec![];
        }
        if self.at_work() {
            // A stop is not taken back by a pause.
            if self.wanted != Some(Wanted::Stop) {
                self.wanted = Some(wanted);
            }
            return vec![];
        }
        self.go(wanted)
    }

    fn go(&mut self, wanted: Wanted) -> Vec<Command> {
        self.wanted = None;
        match wanted {
            Wanted::Pause => {
                self.phase = Phase::Paused;
                vec![Command::HangUp]
            }
            Wanted::Stop => {
                self.phase = Phase::Ended;
                vec![Command::HangUp, Command::End]
            }
        }
    }

    fn resume(&mut self) -> Vec<Command> {
        if self.wanted == Some(Wanted::Pause) {
            self.wanted = None;
        }
        match self.phase {
            Phase::Paused | Phase::Waiting => self.connect(),
            _ => vec![],
        }
    }

    fn connect(&mut self) -> Vec<Command> {
        self.phase = Phase::Connecting;
        self.rewound = false;
        vec![Command::Connect]
    }

    fn ask(&mut self) -> Vec<Command> {
        self.phase = Phase::Asking;
        self.told.clear();
        vec![Command::Ask]
    }

    fn fail(&mut self, error: &Error) -> Vec<Command> {
        if let Some(wanted) = self.wanted {
            return self.go(wanted);
        }
        self.phase = Phase::Waiting;
        let ms = (RETRY_MS << self.attempts.min(10)).min(RETRY_MS_MAX);
        self.attempts += 1;
        let shown = match &error.hint {
            Some(hint) => format!("{} ({hint})", error.message),
            None => error.message.clone(),
        };
        // The report comes last: on a full disk it fails itself.
        vec![Command::HangUp, Command::Wait { ms }, Command::Report(Some(shown))]
    }

    /// Going back is not possible: a full copy is the last resort.
    fn too_old(&mut self, reason: String) -> Vec<Command> {
        if let Some(wanted) = self.wanted {
            return self.go(wanted);
        }
        self.phase = Phase::Renewing;
        vec![Command::Renew { reason, forks: self.forks() }]
    }

    fn done(&mut self) -> Vec<Command> {
        if self.phase == Phase::Rewinding {
            self.rewound = true;
        }
        if let Some(wanted) = self.wanted {
            return self.go(wanted);
        }
        self.ask()
    }

    /// Every partition's answer is here.
    fn decide(&mut self) -> Vec<Command> {
        let rewinds = |t: &Told| matches!(t, Told::Rewind { .. });
        if self.told.values().any(rewinds) && (!self.differential || self.rewound) {
            return self.fail(&diverged(self.rewound));
        }
        let bases: Vec<u16> = self.told.iter().filter(|t| is_base(t.1)).map(|t| *t.0).collect();
        let empty = |t: &Told| matches!(t, Told::Base { empty: true, .. });
        if !bases.is_empty() {
            let first = self.role == DatabaseState::Copying
                && self.told.values().filter(|t| is_base(t)).all(empty);
            if first {
                self.phase = Phase::Copying;
                return vec![Command::Copy(bases)];
            }
            self.phase = Phase::Renewing;
            let reason = self.told.values().find_map(|t| match t {
                Told::Base { reason, .. } => Some(reason.clone()),
                _ => None,
            });
            let forks = self.forks();
            return vec![Command::Renew { reason: reason.unwrap_or_default(), forks }];
        }
        // A standby that has nothing beyond the common point may still have, in chunks too, what a
        // promotion that it did not see has cut off.
        let forks = self.forks();
        if self.role != DatabaseState::Copying && !self.rewound && !forks.is_empty() {
            return self.rewind(forks);
        }
        self.phase = Phase::CatchingUp;
        vec![Command::Report(None), Command::Follow]
    }

    fn rewind(&mut self, forks: Vec<Fork>) -> Vec<Command> {
        let mut commands = Vec::new();
        if !matches!(self.role, DatabaseState::Rewinding { .. }) {
            self.role = DatabaseState::Rewinding { since_ms: self.now_ms };
            commands.push(Command::Become(self.role));
        }
        self.phase = Phase::Rewinding;
        commands.push(Command::Rewind(forks));
        commands
    }

    /// Where each partition must go back to.
    fn forks(&self) -> Vec<Fork> {
        let fork = |(partition, told): (&u16, &Told)| {
            let (common, cut) = match *told {
                Told::Rewind { common, cut } => (common, cut),
                Told::Continue { end, cut: Some(cut) } => (end, cut),
                Told::Base { diverged: Some(diverged), .. } => diverged,
                _ => return None,
            };
            Some(Fork { partition: *partition, common, cut })
        };
        self.told.iter().filter_map(fork).collect()
    }

    fn caught_up(&mut self) -> Vec<Command> {
        self.phase = Phase::Streaming;
        self.attempts = 0;
        if self.role == DatabaseState::Standby {
            return vec![];
        }
        self.role = DatabaseState::Standby;
        vec![Command::Become(DatabaseState::Standby)]
    }
}

fn is_base(told: &Told) -> bool {
    matches!(told, Told::Base { .. })
}

pub(super) fn diverged(rewound: bool) -> Error {
    if rewound {
        let message = "the source went back once more while this target was rewinding";
        return Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message);
    }
    Error::new(
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
        "this database has changes that its source does not have",
    )
    .hint("REPLICATE DATABASE … WITH FORCE DIFFERENTIAL keeps them in the vault and goes on")
}

#[cfg(test)]
mod tests;
