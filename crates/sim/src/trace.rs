//! What happened, in order. Two runs of one seed must write the same bytes.

use env::sim::World;
use parking_lot::Mutex;
use std::fmt;

/// The record of one run.
pub struct Trace {
    world: World,
    full: bool,
    verbose: bool,
    text: Mutex<String>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").finish_non_exhaustive()
    }
}

impl Trace {
    /// An empty trace; `full` keeps the small events too, `verbose` prints everything kept.
    pub fn new(world: World, full: bool, verbose: bool) -> Trace {
        Trace { world, full, verbose, text: Mutex::default() }
    }

    /// Notes an event.
    pub fn say(&self, what: impl fmt::Display) {
        let line = format!("{:>10.3} {what}\n", self.world.elapsed().as_secs_f64());
        if self.verbose {
            eprint!("{line}");
        }
        self.text.lock().push_str(&line);
    }

    /// Notes one of very many events.
    pub fn whisper(&self, what: impl FnOnce() -> String) {
        if self.full {
            let what = what();
            self.say(what);
        }
    }

    /// Everything noted.
    pub fn text(&self) -> String {
        self.text.lock().clone()
    }
}
