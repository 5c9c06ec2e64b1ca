//! What all actors of one run share.

use crate::dice::Dice;
use crate::ledger::Ledger;
use crate::locals::Notes;
use crate::plan::Plan;
use crate::region::{Access, Region};
use crate::trace::Trace;
use crate::verdict::{Verdict, Violation};
use crate::weather::Weather;
use base::{Error, SqlState};
use env::Env;
use env::sim::World;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Where the clients go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The region that serves; `None` while nobody does.
    pub to: Option<usize>,
    /// A region that some clients can not let go of, because they do not know better.
    pub stale: Option<usize>,
}

/// The stage of one run.
#[derive(Debug)]
pub struct Stage {
    /// The run's parameters.
    pub plan: Plan,
    /// The simulated world.
    pub world: World,
    /// The machine of clients and operator: it never fails.
    pub outside: Env,
    /// What happened.
    pub trace: Arc<Trace>,
    /// The network's state.
    pub weather: Arc<Weather>,
    /// East and west, and north where there are three.
    pub regions: Vec<Arc<Region>>,
    /// What the clients know.
    pub ledger: Ledger,
    /// What was written into tables that are not replicated.
    pub notes: Notes,
    /// The first violation.
    pub verdict: Verdict,
    route: Mutex<Route>,
    calm: AtomicBool,
    quiet: AtomicBool,
    over: AtomicBool,
}

impl Stage {
    /// A stage before anything happens.
    pub fn new(
        plan: Plan,
        world: World,
        outside: Env,
        trace: Arc<Trace>,
        weather: Arc<Weather>,
        regions: Vec<Arc<Region>>,
    ) -> Stage {
        Stage {
            plan,
            world,
            outside,
            trace,
            weather,
            regions,
            ledger: Ledger::default(),
            notes: Notes::default(),
            verdict: Verdict::default(),
            route: Mutex::default(),
            calm: AtomicBool::new(true),
            quiet: AtomicBool::new(true),
            over: AtomicBool::new(false),
        }
    }

    /// Simulated time.
    pub fn now(&self) -> Duration {
        self.world.elapsed()
    }

    /// Waits.
    pub async fn sleep(&self, time: Duration) {
        self.outside.sleep(time).await;
    }

    /// The number of any region.
    pub fn any(&self, dice: &Dice) -> usize {
        dice.range(0, self.regions.len() as u64 - 1) as usize
    }

    /// Where the clients go.
    pub fn route(&self) -> Route {
        *self.route.lock()
    }

    /// Sends the clients elsewhere.
    pub fn set_route(&self, route: Route) {
        *self.route.lock() = route;
    }

    /// True while no mischief is wanted.
    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Lets mischief happen, or not.
    pub fn set_calm(&self, calm: bool) {
        self.calm.store(calm, Ordering::Relaxed);
    }

    /// True while the clients pause.
    pub fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed)
    }

    /// Lets the clients work, or not.
    pub fn set_quiet(&self, quiet: bool) {
        self.quiet.store(quiet, Ordering::Relaxed);
    }

    /// True once the run is over: every actor leaves.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.verdict.get().is_some()
    }

    /// Ends the run.
    pub fn finish(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Starts an actor.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> env::TaskHandle {
        self.outside.tasks.spawn("actor", Box::pin(task))
    }

    /// Looks at an error that somebody was told by a living region: some must never be told.
    pub fn judge_error(&self, region: &Region, access: &Access, what: &str, error: &Error) {
        self.trace.whisper(|| format!("{what} at {}: {} {error}", region.name, error.state.0));
        let alive = region.access().is_some_and(|now| now.life == access.life);
        let bug = matches!(error.state, SqlState::INTERNAL_ERROR | SqlState::DATA_CORRUPTED);
        if alive && bug {
            let what = format!("{what} at {}: {} {error}", region.name, error.state.0);
            self.verdict.report(Violation::new("no_bug_told", what));
        }
    }
}
